"""GRU layer: T steps forward, then backpropagation through time, both by hand; PyTorch's GRU.

For x: (T, B, D), with the gates r (reset), z (update) and n (candidate) in this order in the 3H rows of each matrix,

    a_t = Wx x_t + bx,   e_t = Wh h_{t-1} + bh         Wx: (3H, D),  Wh: (3H, H),  bx, bh: (3H)
    r, z = σ(a_r + e_r), σ(a_z + e_z)
    n    = tanh(a_n + r ∘ e_n)
    h_t  = (1 - z) ∘ n + z ∘ h_{t-1}

Backwards in time, with dh_t what the layers above send plus what step t+1 sends:

    da_n = dh ∘ (1 - z) ∘ (1 - n²)                     de_n = da_n ∘ r
    da_z = de_z = dh ∘ (h_{t-1} - n) ∘ z (1 - z)       da_r = de_r = da_n ∘ e_n ∘ r (1 - r)
    dh_{t-1} = Whᵀ de + dh ∘ z

The reset gate acts on the product with h, not on h, so the two matrices cannot become one on [x; h], and their biases
are two. As in an LSTM, only the products with Wh are bound to the order of time.

Source: Cho et al., arXiv 1406.1078; this form, with the reset after the product, is cuDNN's and PyTorch's.
"""

from typing import ClassVar, NamedTuple

import numpy as np

from refdope.arrays import Array, Params, check_arrays, join
from refdope.layers.recurrent import Recurrent, State, check_structures
from refdope.structures.base import Structure


class GRUCache(NamedTuple):
    """What a forward pass leaves for its backward pass."""

    x: Array  # (T, B, D)
    h: Array  # (T + 1, B, H), h[0] the initial state
    gates: Array  # (T, B, 3H), after their non-linearities
    e_n: Array  # (T, B, H), what the reset gate scales
    matrices: list[Structure]  # as this pass sampled and prepared them

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The matrices and the rows that each multiplied."""
        Wx, Wh = self.matrices
        return [(Wx, self.x), (Wh, self.h[:-1])]


class GRU(Recurrent):
    """One GRU layer over any two weight structures.

    Parameters
    ----------
    Wx : Structure, (3H, D)
    Wh : Structure, (3H, H)
    bx, bh : array, (3H,)

    Raises
    ------
    TypeError, ValueError
        If a matrix is a plain array (`Dense` makes a structure of it), or the shapes do not belong together.
    """

    gates, states = 3, 1
    names: ClassVar[tuple[str, ...]] = ("Wx", "Wh", "bx", "bh")

    def __init__(self, Wx: Structure, Wh: Structure, bx: Array, bh: Array) -> None:
        check_structures("GRU", Wx=Wx, Wh=Wh)
        check_arrays("GRU", bx=bx, bh=bh)
        m, self.D, self.H = Wx.shape[0], Wx.shape[1], Wh.shape[1]
        if m != 3 * self.H or Wh.shape[0] != m or bx.shape != (m,) or bh.shape != (m,):
            raise ValueError(
                f"GRU: Wx, Wh, bx and bh must be (3H, D), (3H, H), (3H,) and (3H,), "
                f"got {Wx.shape}, {Wh.shape}, {bx.shape} and {bh.shape}"
            )
        self.Wx, self.Wh, self.bx, self.bh = Wx, Wh, bx, bh

    def forward(
        self, x: Array, state: State | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Array, State, GRUCache]:
        """Run T steps.

        Parameters
        ----------
        x : array, (T, B, D)
        state : (h0,), (B, H), optional
            Zeros by default.
        rng : numpy.random.Generator, optional
            With one this is a training pass, and the matrices draw their masks; without one it is deterministic.

        Returns
        -------
        h : array, (T, B, H)
            A view of the cache: read it, do not write to it.
        state : (hT,), (B, H)
        cache : GRUCache

        Raises
        ------
        ValueError
            If x is not (T, B, D), or the state not (B, H).
        """
        check_arrays("GRU.forward", x=x)
        if x.ndim != 3 or x.shape[2] != self.D:
            raise ValueError(f"GRU.forward: x must be (T, B, {self.D}), got shape {x.shape}")
        T, B, H = x.shape[0], x.shape[1], self.H
        Wx, Wh = matrices = self.passing(rng, (T, B))
        start = self.start("state", state, B, x.dtype)
        dtype = np.result_type(x, *self.params.values(), *start)
        h, e_n = np.empty((T + 1, B, H), dtype), np.empty((T, B, H), dtype)
        (h[0],) = start
        gates = Wx.forward(x).astype(dtype, copy=False)  # a, turned into the gates step by step
        gates += self.bx
        for t in range(T):
            e = Wh.at(t).forward(h[t])
            e += self.bh
            e_n[t] = e[:, 2 * H :]
            rz, n = gates[t, :, : 2 * H], gates[t, :, 2 * H :]
            rz += e[:, : 2 * H]
            rz *= 0.5  # σ(a) = ½ tanh(½ a) + ½
            np.tanh(rz, out=rz)
            rz *= 0.5
            rz += 0.5
            n += rz[:, :H] * e_n[t]
            np.tanh(n, out=n)
            np.subtract(h[t], n, out=h[t + 1])  # (1 - z) ∘ n + z ∘ h = n + z ∘ (h - n)
            h[t + 1] *= rz[:, H:]
            h[t + 1] += n
        return h[1:], (h[T].copy(),), GRUCache(x, h, gates, e_n, matrices)

    def backward(self, dh: Array, cache: GRUCache, d_state: State | None = None) -> tuple[Array, State, Params]:
        """Backpropagate through the T steps of a forward pass.

        Parameters
        ----------
        dh : array, (T, B, H)
            d loss / d h.
        cache : GRUCache
            Of that forward pass. It is not changed: a second call gives the same numbers.
        d_state : (dhT,), (B, H), optional
            d loss / d final state; zeros by default, as in truncated backpropagation.

        Returns
        -------
        dx : array, (T, B, D)
        d_state : (dh0,), (B, H)
        grads : dict
            Keys and shapes of `params`.

        Raises
        ------
        ValueError
            If dh is not (T, B, H), or the state not (B, H).
        """
        x, h, gates, e_n, (Wx, Wh) = cache
        check_arrays("GRU.backward", dh=dh)
        if dh.shape != e_n.shape:
            raise ValueError(f"GRU.backward: dh must be {e_n.shape}, as h was, got shape {dh.shape}")
        T, B, H = e_n.shape
        end = self.start("d_state", d_state, B, dh.dtype)
        da = np.empty(gates.shape, np.result_type(gates, dh, *end))
        de = np.empty_like(da)
        (d_next,) = (part.astype(da.dtype) for part in end)
        for t in reversed(range(T)):
            r, z, n = (gates[t, :, k * H : (k + 1) * H] for k in range(3))
            da_r, da_z, da_n = (da[t, :, k * H : (k + 1) * H] for k in range(3))
            d_h = dh[t] + d_next
            da_n[...] = d_h * (1 - z) * (1 - n**2)
            da_z[...] = d_h * (h[t] - n) * z * (1 - z)
            da_r[...] = da_n * e_n[t] * r * (1 - r)
            de[t] = da[t]
            de[t, :, 2 * H :] *= r
            d_next = Wh.at(t).adjoint(de[t])
            d_next += d_h * z
        dx, of_Wx = Wx.backward(x, da)
        grads = join(Wx=of_Wx, Wh=Wh.gradient(h[:-1], de))
        return dx, (d_next,), grads | {"bx": da.sum((0, 1)), "bh": de.sum((0, 1))}

    @property
    def torch_biases(self) -> tuple[Array, Array]:
        """PyTorch's bias_ih and bias_hh, which are bx and bh."""
        return self.bx, self.bh

    @classmethod
    def of_torch_biases(cls, b_ih: Array, b_hh: Array) -> list[Array]:
        """Return bx and bh."""
        return [b_ih, b_hh]

    @classmethod
    def biases(cls, H: int) -> list[Array]:
        """Return bx and bh, zero."""
        return [np.zeros(3 * H), np.zeros(3 * H)]
