"""Stack: matrices under each other.

    W = [W₁ ; W₂ ; …],    W_k: (m_k, n)

    forward     y  = [W₁ x ; W₂ x ; …]
    adjoint     dx = Σ_k W_kᵀ dy_k
    gradient    that of each W_k by its own part dy_k of dy

The parameters of W_k are named "k.name". An LSTM's HMD is such a stack, one matrix a gate.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from refdope.arrays import Array, Params, join, numbered
from refdope.structures.base import Structure


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

    def children(self) -> list[tuple[str, Structure]]:
        """List the matrices by their place."""
        return numbered(self.matrices)

    def over(self, children: Sequence[Structure]) -> "Stack":
        """Return the stack of these matrices."""
        return Stack(children)

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
        """Return W as an (m, n) array; of a sampled pass the matrix that every row of x meets, (…, m, n)."""
        each = [W.to_dense() for W in self.matrices]
        lead = np.broadcast_shapes(*(M.shape[:-2] for M in each))  # some may be the same for all rows
        return np.concatenate([np.broadcast_to(M, (*lead, *M.shape[-2:])) for M in each], axis=-2)

    def _nearest(self, M: Array) -> "Stack":
        """Return the stack of the nearest to each part of W."""
        return Stack([own._nearest(rows) for own, rows in zip(self.matrices, np.split(M, self.edges), strict=True)])

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x."""
        return sum(W.macs for W in self.matrices)


def _numbered(arrays: Iterable[Mapping[str, Array]]) -> Params:
    """Flatten the dicts of the matrices, named by their place in the stack."""
    return join(**dict(numbered(arrays)))
