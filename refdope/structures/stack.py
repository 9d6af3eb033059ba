"""Stack: matrices under each other.

    W = [W₁ ; W₂ ; …],    W_k: (m_k, n)

    forward     y  = [W₁ x ; W₂ x ; …]
    adjoint     dx = Σ_k W_kᵀ dy_k
    gradient    that of each W_k by its own part dy_k of dy

The parameters of W_k are named "k.name". An LSTM's HMD is such a stack, one matrix a gate.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Self

import numpy as np

from refdope.structures.base import Array, Params, Structure, join, parts
from refdope.structures.dense import Dense


class Stack(Structure):
    """Rows under rows of several structures.

    Parameters
    ----------
    matrices : sequence of Structure
        At least one; all with n columns. What is annealed is an overlay over the whole stack, `Doped(Stack(…), …)`.
    """

    def __init__(self, matrices: Sequence[Structure]) -> None:
        if not matrices:
            raise ValueError("Stack: matrices must be at least one")
        if len({W.shape[1] for W in matrices}) != 1:
            raise ValueError(f"Stack: matrices must share their number of columns, got {[W.shape for W in matrices]}")
        self.matrices = list(matrices)
        heights = [W.shape[0] for W in matrices]
        self.shape = (sum(heights), matrices[0].shape[1])
        self.edges = np.cumsum(heights)[:-1].tolist()  # where one matrix ends and the next begins

    def _forward(self, x: Array) -> Array:
        return np.concatenate([W._forward(x) for W in self.matrices], axis=1)

    def _adjoint(self, dy: Array) -> Array:
        return reduce(np.add, (W._adjoint(d) for W, d in zip(self.matrices, self._parts(dy), strict=True)))

    def _gradient(self, x: Array, dy: Array) -> Params:
        return _numbered(W._gradient(x, d) for W, d in zip(self.matrices, self._parts(dy), strict=True))

    def _backward(self, x: Array, dy: Array) -> tuple[Array, Params]:
        each = [W._backward(x, d) for W, d in zip(self.matrices, self._parts(dy), strict=True)]
        return reduce(np.add, (dx for dx, _ in each)), _numbered(grads for _, grads in each)

    def _parts(self, dy: Array) -> list[Array]:
        return np.split(dy, self.edges, axis=1)  # (R, m) -> views (R, m_k)

    def to_dense(self) -> Array:
        """Return W as an (m, n) array."""
        return np.concatenate([W.to_dense() for W in self.matrices])

    def nearest(self, W: Array) -> "Stack":
        """Return the stack of the nearest to each part of W."""
        return Stack([own.nearest(rows) for own, rows in zip(self.matrices, np.split(W, self.edges), strict=True)])

    @property
    def params(self) -> Params:
        """The parameters of every matrix, under "k.name"."""
        return _numbered(W.params for W in self.matrices)

    @property
    def constants(self) -> Params:
        """The constants of every matrix, under "k.name"."""
        return _numbered(W.constants for W in self.matrices)

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> "Stack":
        """Return the same stack over other arrays."""
        return Stack([W.replace(*parts(str(k), params, constants)) for k, W in enumerate(self.matrices)])

    def sample(self, rng: np.random.Generator, lead: tuple[int, ...]) -> Structure:
        """Draw one training pass of every matrix."""
        return self._of([W.sample(rng, lead) for W in self.matrices])

    def at(self, t: int) -> Structure:
        """Return step t of a sampled pass."""
        return self._of([W.at(t) for W in self.matrices])

    @property
    def lead(self) -> tuple[int, ...] | None:
        """The leading axes of a sampled pass."""
        return next((W.lead for W in self.matrices if W.lead is not None), None)

    def to_csr(self) -> "Stack":
        """Return the same stack, overlays within it in CSR storage."""
        return self._of([W.to_csr() for W in self.matrices])

    def _of(self, matrices: Sequence[Structure]) -> "Stack":
        same = all(new is W for new, W in zip(matrices, self.matrices, strict=True))
        return self if same else Stack(matrices)

    @property
    def n_params(self) -> int:
        """How many numbers are trained."""
        return sum(W.n_params for W in self.matrices)

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x."""
        return sum(W.macs for W in self.matrices)

    @classmethod
    def for_compression(
        cls,
        shape: tuple[int, int],
        factor: float,
        rng: np.random.Generator,
        std: float | None = None,
        *,
        of: type[Structure] = Dense,
        count: int = 4,
        **how: Any,
    ) -> Self:
        """Stack `count` equally tall matrices of one kind, made with `how`. See `Structure.for_compression`."""
        return cls([of.for_compression(_tall(shape, count), factor, rng, std, **how) for _ in range(count)])

    @classmethod
    def for_doping(
        cls,
        shape: tuple[int, int],
        factor: float,
        rng: np.random.Generator,
        std: float | None = None,
        *,
        of: type[Structure] = Dense,
        count: int = 4,
        **how: Any,
    ) -> Self:
        """Stack `count` equally tall matrices, each as its kind stands under an overlay, made with `how`."""
        return cls([of.for_doping(_tall(shape, count), factor, rng, std, **how) for _ in range(count)])


def _tall(shape: tuple[int, int], count: int) -> tuple[int, int]:
    """Return the shape of one of `count` equally tall matrices."""
    if count < 1 or shape[0] % count:
        raise ValueError(f"Stack: {shape[0]} rows do not divide into {count} equal parts")
    return shape[0] // count, shape[1]


def _numbered(arrays: Iterable[Mapping[str, Array]]) -> Params:
    """Flatten the dicts of the matrices, named by their place in the stack."""
    return join(**{str(k): named for k, named in enumerate(arrays)})
