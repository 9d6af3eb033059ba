"""LSTM layer with one matrix on [x; h], where `refdope.layers.lstm` has two.

For u: (T, B, D + H) and the same cell,

    u_t = [x_t ; h_{t-1}]
    z_t = W u_t + b                                   W: (4H, D + H),  b: (4H)
    h_t, c_t = cell(z_t, c_{t-1})

Backwards, with dh_t what the layers above send plus what step t+1 sends:

    dz_t, dc_{t-1} = backwards through the cell, of dh_t and dc_t
    [dx_t ; dh_{t-1}] = Wᵀ dz_t

It is how the papers of Kronecker LSTMs write the layer: one product A ⊗ B for input and recurrence, A = [A_x A_h] with
B shared where D and H are multiples of B's width. Two matrices can do more before the loop over time (one product for
all x); here all of W is multiplied at every step. Only the gradient of W is one product over all T·B rows.

Source: Thakker et al., "Compressing RNNs for IoT devices by 15-38x using Kronecker products", arXiv 1906.02876.
"""

from typing import NamedTuple

import numpy as np

from refdope.layers import cell
from refdope.layers.lstm import LSTM, State, check_structures, checked
from refdope.structures.base import Array, Params, Structure, join


class JointCache(NamedTuple):
    """What a forward pass leaves for its backward pass."""

    u: Array  # (T, B, D + H)
    c: Array  # (T + 1, B, H), c[0] the initial state
    gates: Array  # (T, B, 4H), after their non-linearities
    tanh_c: Array  # (T, B, H)
    W: Structure  # as this pass sampled it

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The matrix and the rows that it multiplied."""
        return [(self.W, self.u)]


class JointLSTM(LSTM):
    """One LSTM layer over one weight structure. What it is called with, and returns, is as for `LSTM`.

    Parameters
    ----------
    W : Structure, (4H, D + H)
        With D ≥ 1.
    b : array, (4H,)

    Raises
    ------
    TypeError, ValueError
        If W is a plain array (`Dense` makes a structure of it), or the shapes do not belong together.
    """

    def __init__(self, W: Structure, b: Array) -> None:
        check_structures("JointLSTM", W=W)
        m, n = W.shape
        self.H = m // 4
        self.D = n - self.H
        if m % 4 or self.D < 1 or b.shape != (m,):
            raise ValueError(f"JointLSTM: W and b must be (4H, D + H) and (4H,), got {W.shape} and {b.shape}")
        self.W, self.b = W, b

    @property
    def weights(self) -> dict[str, Structure]:
        """The matrix by its name."""
        return {"W": self.W}

    def forward(  # type: ignore[override]  # a cache of its own
        self, x: Array, state: State | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Array, State, JointCache]:
        """Run T steps; see `LSTM.forward`."""
        if x.ndim != 3 or x.shape[2] != self.D:
            raise ValueError(f"JointLSTM.forward: x must be (T, B, {self.D}), got shape {x.shape}")
        T, B, D, H = x.shape[0], x.shape[1], self.D, self.H
        W = self.W if rng is None else self.W.sample(rng, (T, B))
        dtype = np.result_type(x, *self.params.values(), *(() if state is None else state))
        u, gates, c = (np.empty(shape, dtype) for shape in ((T, B, D + H), (T, B, 4 * H), (T + 1, B, H)))
        h, tanh_c, ig = np.empty((T, B, H), dtype), np.empty((T, B, H), dtype), np.empty((B, H), dtype)
        h_before, c[0] = (np.zeros((B, H), dtype), 0) if state is None else checked("state", state, (B, H))
        u[:, :, :D] = x
        for t in range(T):
            u[t, :, D:] = h_before
            np.add(W.at(t).forward(u[t]), self.b, out=gates[t])
            cell.forward(gates[t], c[t], c[t + 1], tanh_c[t], h[t], ig)
            h_before = h[t]
        return h, (np.array(h_before, dtype), c[T].copy()), JointCache(u, c, gates, tanh_c, W)

    def backward(  # type: ignore[override]
        self, dh: Array, cache: JointCache, d_state: State | None = None
    ) -> tuple[Array, State, Params]:
        """Backpropagate through the T steps of a forward pass; see `LSTM.backward`."""
        u, c, gates, tanh_c, W = cache
        if dh.shape != tanh_c.shape:
            raise ValueError(f"JointLSTM.backward: dh must be {tanh_c.shape}, as h was, got shape {dh.shape}")
        if d_state is not None:
            d_state = checked("d_state", d_state, c[0].shape)
        dz = np.empty(gates.shape, np.result_type(gates, dh, *(() if d_state is None else d_state)))
        T, B, H = tanh_c.shape
        dx = np.empty((T, B, self.D), dz.dtype)
        dh_next, dc = np.zeros((2, B, H), dz.dtype) if d_state is None else np.array(d_state, dz.dtype)
        for t in reversed(range(T)):
            cell.backward(gates[t], c[t], tanh_c[t], dh[t] + dh_next, dc, dz[t])
            du = W.at(t).adjoint(dz[t])
            dx[t], dh_next = du[:, : self.D], du[:, self.D :]
        return dx, (np.array(dh_next), dc), join(W=W.gradient(u, dz)) | {"b": dz.sum((0, 1))}

    def to_dense(self) -> tuple[Array, Array]:
        """Return the columns of W that multiply x and those that multiply h, as arrays."""
        W = self.W.to_dense()
        return W[:, : self.D], W[:, self.D :]

    @classmethod
    def _widths(cls, D: int, H: int) -> tuple[int, ...]:
        return (D + H,)
