"""LSTM layer: T steps forward, then backpropagation through time, both by hand.

For x: (T, B, D), with z: (T, B, 4H) the four gates i, f, g, o before their non-linearities,

    z_t = Wx x_t + Wh h_{t-1} + b                     Wx: (4H, D),  Wh: (4H, H),  b: (4H)
    h_t, c_t = cell(z_t, c_{t-1})                     refdope.layers.cell

Backwards in time, with dh_t what the layers above send plus what step t+1 sends:

    dz_t, dc_{t-1} = backwards through the cell, of dh_t and dc_t
    dh_{t-1} = Whᵀ dz_t

Only the products with the last matrix are bound to the order of time. Those before it see x alone: Wx x is one product
over all T·B rows before the loop; Wxᵀ dz and the gradients of Wx, Wh and b are one each after it. b is PyTorch's
b_ih + b_hh. Where the last matrix sees u_t = [x_t ; h_{t-1}] (`refdope.layers.joint`), there is none before it.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000; layout and
training as in Zaremba, Sutskever and Vinyals, "Recurrent neural network regularization", arXiv 1409.2329.
"""

from typing import ClassVar, NamedTuple

import numpy as np

from refdope.arrays import Array, Params, check_arrays, join
from refdope.layers import cell
from refdope.layers.recurrent import Recurrent, State, check_structures
from refdope.structures.base import Structure


class LSTMCache(NamedTuple):
    """What a forward pass leaves for its backward pass."""

    x: Array  # (T, B, D)
    u: Array  # (T + 1, B, H), h with h[0] the initial state; or (T + 1, B, D + H), [x ; h]
    c: Array  # (T + 1, B, H)
    gates: Array  # (T, B, 4H), after their non-linearities
    tanh_c: Array  # (T, B, H)
    matrices: list[Structure]  # as this pass sampled and prepared them

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The matrices and the rows that each multiplied."""
        *before, last = self.matrices
        return [*((W, self.x) for W in before), (last, self.u[:-1])]


class LSTM(Recurrent):
    """One LSTM layer over any two weight structures.

    Parameters
    ----------
    Wx : Structure, (4H, D)
    Wh : Structure, (4H, H)
    b : array, (4H,)

    Raises
    ------
    TypeError, ValueError
        If a matrix is a plain array (`Dense` makes a structure of it), or the shapes do not belong together.
    """

    gates, states = 4, 2
    names: ClassVar[tuple[str, ...]] = ("Wx", "Wh", "b")

    def __init__(self, Wx: Structure, Wh: Structure, b: Array) -> None:
        check_structures("LSTM", Wx=Wx, Wh=Wh)
        check_arrays("LSTM", b=b)
        m, self.D, self.H = Wx.shape[0], Wx.shape[1], Wh.shape[1]
        if m != 4 * self.H or Wh.shape[0] != m or b.shape != (m,):
            raise ValueError(
                f"LSTM: Wx, Wh and b must be (4H, D), (4H, H) and (4H,), got {Wx.shape}, {Wh.shape} and {b.shape}"
            )
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(
        self, x: Array, state: State | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Array, State, LSTMCache]:
        """Run T steps.

        Parameters
        ----------
        x : array, (T, B, D)
        state : (h0, c0), each (B, H), optional
            Zeros by default.
        rng : numpy.random.Generator, optional
            With one this is a training pass, and the matrices draw their masks; without one it is deterministic.

        Returns
        -------
        h : array, (T, B, H)
            A view of the cache: read it, do not write to it.
        state : (hT, cT), each (B, H)
        cache : LSTMCache

        Raises
        ------
        ValueError
            If x is not (T, B, D), or a state not (B, H).
        """
        check_arrays("LSTM.forward", x=x)
        if x.ndim != 3 or x.shape[2] != self.D:
            raise ValueError(f"{type(self).__name__}.forward: x must be (T, B, {self.D}), got shape {x.shape}")
        T, B, H = x.shape[0], x.shape[1], self.H
        *before, W = matrices = self.passing(rng, (T, B))
        of_x = W.shape[1] - H  # how much of x the last matrix sees: all of it, or nothing
        start = self.start("state", state, B, x.dtype)
        dtype = np.result_type(x, *self.params.values(), *start)
        u, c, tanh_c = (np.empty(shape, dtype) for shape in ((T + 1, B, of_x + H), (T + 1, B, H), (T, B, H)))
        u[:T, :, :of_x] = x[:, :, :of_x]
        h = u[:, :, of_x:]
        h[0], c[0] = start

        # z, turned into the gates step by step; what sees x alone is multiplied at once
        gates = before[0].forward(x).astype(dtype, copy=False) if before else np.zeros((T, B, 4 * H), dtype)
        ig = np.empty((B, H), dtype)
        for t in range(T):
            z = gates[t]
            z += W.at(t).forward(u[t])
            z += self.b
            cell.forward(z, c[t], c[t + 1], tanh_c[t], h[t + 1], ig)
        return h[1:], (h[T].copy(), c[T].copy()), LSTMCache(x, u, c, gates, tanh_c, matrices)

    def backward(self, dh: Array, cache: LSTMCache, d_state: State | None = None) -> tuple[Array, State, Params]:
        """Backpropagate through the T steps of a forward pass.

        Parameters
        ----------
        dh : array, (T, B, H)
            d loss / d h.
        cache : LSTMCache
            Of that forward pass. It is not changed: a second call gives the same numbers.
        d_state : (dhT, dcT), each (B, H), optional
            d loss / d final state; zeros by default, as in truncated backpropagation.

        Returns
        -------
        dx : array, (T, B, D)
        d_state : (dh0, dc0), each (B, H)
        grads : dict
            Keys and shapes of `params`.

        Raises
        ------
        ValueError
            If dh is not (T, B, H), or a state not (B, H).
        """
        x, u, c, gates, tanh_c, (*before, W) = cache
        check_arrays("LSTM.backward", dh=dh)
        if dh.shape != tanh_c.shape:
            raise ValueError(
                f"{type(self).__name__}.backward: dh must be {tanh_c.shape}, as h was, got shape {dh.shape}"
            )
        T, B, H = tanh_c.shape
        end = self.start("d_state", d_state, B, dh.dtype)
        dz = np.empty(gates.shape, np.result_type(gates, dh, *end))
        dh_next, dc = (part.astype(dz.dtype) for part in end)
        du = np.empty((T, B, u.shape[2] - H), dz.dtype)  # what comes back to the x that the last matrix saw
        for t in reversed(range(T)):
            cell.backward(gates[t], c[t], tanh_c[t], dh[t] + dh_next, dc, dz[t])
            back = W.at(t).adjoint(dz[t])
            du[t], dh_next = back[:, :-H], back[:, -H:]
        grads, dx = {}, du
        for Wx in before:
            dx, grads["Wx"] = Wx.backward(x, dz)
        *_, last = self.weights
        grads[last] = W.gradient(u[:-1], dz)
        return dx, (np.array(dh_next), dc), join(**grads) | {"b": dz.sum((0, 1))}

    @property
    def torch_biases(self) -> tuple[Array, Array]:
        """All of b in PyTorch's bias_ih, and zeros in bias_hh."""
        return self.b, np.zeros_like(self.b)

    @classmethod
    def of_torch_biases(cls, b_ih: Array, b_hh: Array) -> list[Array]:
        """Return b, the sum of PyTorch's two."""
        return [b_ih + b_hh]

    @classmethod
    def biases(cls, H: int, *, forget_bias: float = 1.0) -> list[Array]:
        """Return b, zero but for the forget gate, which starts at `forget_bias`."""
        b = np.zeros(4 * H)
        b[H : 2 * H] = forget_bias
        return [b]
