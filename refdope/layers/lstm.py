"""LSTM layer: T steps forward, then backpropagation through time, both by hand.

For x: (T, B, D), with z: (T, B, 4H) the four gates i, f, g, o before their non-linearities,

    z_t = Wx x_t + Wh h_{t-1} + b                     Wx: (4H, D),  Wh: (4H, H),  b: (4H)
    h_t, c_t = cell(z_t, c_{t-1})                     refdope.layers.cell

Backwards in time, with dh_t what the layers above send plus what step t+1 sends:

    dz_t, dc_{t-1} = backwards through the cell, of dh_t and dc_t
    dh_{t-1} = Whᵀ dz_t

Only the products with Wh are bound to the order of time. Wx x is one product over all T·B rows before the loop; Wxᵀ
dz and the gradients of Wx, Wh and b are one each after it. b is PyTorch's b_ih + b_hh. One matrix on [x; h] in place of
the two is in `refdope.layers.joint`.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000; layout and
training as in Zaremba, Sutskever and Vinyals, "Recurrent neural network regularization", arXiv 1409.2329.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from refdope.layers import cell
from refdope.structures.base import Array, Params, Structure, join, parts
from refdope.structures.cmr import CMR
from refdope.structures.doped import Doped
from refdope.structures.overlay import Overlay
from refdope.structures.stack import Stack
from refdope.structures.zero import Zero

State = tuple[Array, Array]


class LSTMCache(NamedTuple):
    """What a forward pass leaves for its backward pass."""

    x: Array  # (T, B, D)
    h: Array  # (T + 1, B, H), h[0] the initial state
    c: Array  # (T + 1, B, H)
    gates: Array  # (T, B, 4H), after their non-linearities
    tanh_c: Array  # (T, B, H)
    Wx: Structure  # as this pass sampled them
    Wh: Structure

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The matrices and the rows that each multiplied."""
        return [(self.Wx, self.x), (self.Wh, self.h[:-1])]


class LSTM:
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

    def __init__(self, Wx: Structure, Wh: Structure, b: Array) -> None:
        check_structures("LSTM", Wx=Wx, Wh=Wh)
        m, self.D, self.H = Wx.shape[0], Wx.shape[1], Wh.shape[1]
        if m != 4 * self.H or Wh.shape[0] != m or b.shape != (m,):
            raise ValueError(
                f"LSTM: Wx, Wh and b must be (4H, D), (4H, H) and (4H,), got {Wx.shape}, {Wh.shape} and {b.shape}"
            )
        self.Wx, self.Wh, self.b = Wx, Wh, b

    @property
    def weights(self) -> dict[str, Structure]:
        """The matrices by name, in the order in which the constructor takes them."""
        return {"Wx": self.Wx, "Wh": self.Wh}

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
            With one this is a training pass, and Wx and Wh draw their masks; without one it is deterministic.

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
        if x.ndim != 3 or x.shape[2] != self.D:
            raise ValueError(f"LSTM.forward: x must be (T, B, {self.D}), got shape {x.shape}")
        T, B, H = x.shape[0], x.shape[1], self.H
        Wx, Wh = (self.Wx, self.Wh) if rng is None else (self.Wx.sample(rng, (T, B)), self.Wh.sample(rng, (T, B)))
        dtype = np.result_type(x, *self.params.values(), *(() if state is None else state))
        h, c, tanh_c = (np.empty((steps, B, H), dtype) for steps in (T + 1, T + 1, T))
        h[0], c[0] = (0, 0) if state is None else checked("state", state, (B, H))

        gates = Wx.forward(x).astype(dtype, copy=False)  # z, turned into the gates step by step
        ig = np.empty((B, H), dtype)
        for t in range(T):
            z = gates[t]
            z += Wh.at(t).forward(h[t])
            z += self.b
            cell.forward(z, c[t], c[t + 1], tanh_c[t], h[t + 1], ig)
        return h[1:], (h[T].copy(), c[T].copy()), LSTMCache(x, h, c, gates, tanh_c, Wx, Wh)

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
        x, h, c, gates, tanh_c, Wx, Wh = cache
        if dh.shape != tanh_c.shape:
            raise ValueError(f"LSTM.backward: dh must be {tanh_c.shape}, as h was, got shape {dh.shape}")
        if d_state is not None:
            d_state = checked("d_state", d_state, h[0].shape)
        dz = np.empty(gates.shape, np.result_type(gates, dh, *(() if d_state is None else d_state)))
        T, B, H = tanh_c.shape
        dh_next, dc = np.zeros((2, B, H), dz.dtype) if d_state is None else np.array(d_state, dz.dtype)
        for t in reversed(range(T)):
            cell.backward(gates[t], c[t], tanh_c[t], dh[t] + dh_next, dc, dz[t])
            dh_next = Wh.at(t).adjoint(dz[t])
        dx, dWx = Wx.backward(x, dz)
        grads = join(Wx=dWx, Wh=Wh.gradient(h[:-1], dz)) | {"b": dz.sum((0, 1))}
        return dx, (dh_next, dc), grads

    @property
    def params(self) -> Params:
        """The arrays that are trained: "Wx.…", "Wh.…", "b"."""
        return join(**{name: W.params for name, W in self.weights.items()}) | {"b": self.b}

    @property
    def constants(self) -> Params:
        """Arrays that are saved and not trained."""
        return join(**{name: W.constants for name, W in self.weights.items()})

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> Self:
        """Return the same layer over other arrays, of any dtype; see `Structure.replace`."""
        matrices = [W.replace(*parts(name, params, constants)) for name, W in self.weights.items()]
        return self._over(matrices, params["b"])

    def to_csr(self) -> Self:
        """Return the same layer, its overlays in CSR storage."""
        return self._over([W.to_csr() for W in self.weights.values()], self.b)

    def to_dense(self) -> tuple[Array, Array]:
        """Return Wx and Wh as arrays."""
        return self.Wx.to_dense(), self.Wh.to_dense()

    @classmethod
    def for_compression(
        cls,
        D: int,
        H: int,
        kind: type[Structure] | None,
        factor: float,
        rng: np.random.Generator,
        *,
        doped: bool = False,
        cmr: CMR | None = None,
        std: float | None = None,
        share: float = 0.9,
        stacked: bool | None = None,
        forget_bias: float = 1.0,
        **how: Any,
    ) -> Self:
        """Make a layer whose matrices are compressed by a factor.

        Parameters
        ----------
        D, H : int
            Inputs and hidden units.
        kind : a subclass of Structure, or None
            None, with `doped`, is an overlay with nothing under it: a layer to be pruned.
        factor : float
            m·n / parameters, of each matrix.
        rng : numpy.random.Generator
        doped : bool
            Put an overlay on each matrix, with every entry alive; annealing (`refdope.training.annealing`) brings it
            down to what the factor leaves to it.
        cmr : CMR, optional
            Co-matrix dropout of a doped matrix; of a pruned one, a control: there is nothing to stand in for a row.
        std : float, optional
            Root mean square of the matrices' entries; (3H)^-1/2 by default, that of U(-H^-1/2, H^-1/2).
        share : float
            Of a doped matrix: how much of std² is the overlay's at the start.
        stacked : bool, optional
            One matrix a gate, in a `Stack`, or one for all four; by default one a gate for a kind whose rows are not
            made alike (HMD).
        forget_bias : float
            What b starts with at the forget gate; zero elsewhere.
        **how
            What the kind's own `for_compression` and `for_doping` take besides.

        Raises
        ------
        ValueError
            If the factor is out of reach; the message says what can be had.
        """
        if D < 1 or H < 1:
            raise ValueError(f"LSTM: D and H must be at least 1, got {D} and {H}")
        if kind is None and not doped:
            raise ValueError("LSTM: kind is None, which makes sense only with doped=True (a pruned matrix)")
        if cmr is not None and not doped:
            raise ValueError("LSTM: cmr was given, but drops rows of an overlay and what is under it: give doped=True")
        stacked = kind is not None and (not kind.one_kind if stacked is None else stacked)
        if stacked:
            kind, how = Stack, how | {"of": kind, "count": 4}
        std = (3 * H) ** -0.5 if std is None else std

        def weight(n: int) -> Structure:
            """Make one of the two matrices, (4H, n)."""
            if kind is None:
                S = Overlay.dense((4 * H, n), rng, std)
                return Doped(Zero((4 * H, n)), S, cmr) if cmr else S
            if doped:
                return Doped.for_compression((4 * H, n), factor, rng, std, kind=kind, cmr=cmr, share=share, **how)
            return kind.for_compression((4 * H, n), factor, rng, std, **how)

        b = np.zeros(4 * H)
        b[H : 2 * H] = forget_bias
        return cls._over([weight(n) for n in cls._widths(D, H)], b)

    @classmethod
    def _over(cls, matrices: list[Any], b: Array) -> Self:
        """Return the layer of these matrices, as `weights` orders them."""
        return cls(*[*matrices, b])

    @classmethod
    def _widths(cls, D: int, H: int) -> tuple[int, ...]:
        """Return how many columns each matrix has."""
        return D, H

    def __repr__(self) -> str:
        matrices = ", ".join(f"{name}={W!r}" for name, W in self.weights.items())
        return f"{type(self).__name__}({matrices})"


def check_structures(owner: str, **matrices: Structure) -> None:
    """Raise TypeError unless every matrix is a structure."""
    for name, W in matrices.items():
        if not isinstance(W, Structure):
            raise TypeError(f"{owner}: {name} must be a structure, such as Dense(array), got {type(W).__name__}")


def checked(name: str, state: State, shape: tuple[int, ...]) -> State:
    """Return a state that is two arrays of this shape, or raise ValueError."""
    h, c = state
    if h.shape != shape or c.shape != shape:
        raise ValueError(f"LSTM: {name} must be two arrays of shape {shape}, got {h.shape} and {c.shape}")
    return h, c
