"""Doped: a structured matrix plus an overlay.

    W = W_s + S,    z = W_s x + S x

    forward     y  = W_s x + S x
    adjoint     dx = W_sᵀ dy + Sᵀ dy
    gradient    those of the two co-matrices, each by the same dy

    compression factor = m·n / (|θ_s| + nnz S)

With a `CMR`, a training pass goes through z = b₁ ∘ (W_s x) + b₂ ∘ (S x) instead: `sample` draws b₁ and b₂ for all
rows at once, and what it returns is again a sum of two matrices.

Source: Thakker, Whatmough, Liu, Mattina, Beu, "Doping: a technique for extreme compression of LSTM models using sparse
structured additive matrices", MLSys 2021, arXiv 2102.07071.
"""

from typing import Any

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure
from refdope.structures.cmr import CMR


class Doped(Structure):
    """The sum of a structure and an overlay.

    Parameters
    ----------
    structure : Structure, (m, n)
    overlay : Overlay or SparseOverlay, (m, n)
        Its parameter and its constants keep their names; the structure's keep theirs.
    cmr : CMR, optional
        What a training pass drops. An attribute that may be set, as when the rate is annealed.
    """

    def __init__(self, structure: Structure, overlay: Structure, cmr: CMR | None = None) -> None:
        if structure.shape != overlay.shape:
            raise ValueError(f"Doped: structure and overlay must share a shape, got {structure.shape}, {overlay.shape}")
        if "overlay" in structure.params:
            raise ValueError(f"Doped: structure must not be an overlay itself, got {structure!r}")
        if "overlay" not in overlay.params:
            raise ValueError(f"Doped: overlay must be an Overlay or a SparseOverlay, got {overlay!r}")
        self.structure, self._overlay, self.cmr = structure, overlay, cmr
        self.shape = structure.shape

    def children(self) -> list[tuple[str, Structure]]:
        """List the two co-matrices; the names of their arrays differ, so neither adds its own."""
        return [("", self.structure), ("", self._overlay)]

    @property
    def settings(self) -> dict[str, Any]:
        """The CMR."""
        return {"cmr": self.cmr}

    def _forward(self, x: Array) -> Array:
        return self.structure._forward(x) + self._overlay._forward(x)

    def _adjoint(self, dy: Array) -> Array:
        return self.structure._adjoint(dy) + self._overlay._adjoint(dy)

    def _gradient(self, x: Array, dy: Array) -> Params:
        return self.structure._gradient(x, dy) | self._overlay._gradient(x, dy)

    def _backward(self, x: Array, dy: Array) -> tuple[Array, Params]:
        (dx, of_structure), (dx_overlay, of_overlay) = self.structure._backward(x, dy), self._overlay._backward(x, dy)
        return dx + dx_overlay, of_structure | of_overlay

    def sample(self, rng: np.random.Generator, lead: tuple[int, ...]) -> Structure:
        """Draw the CMR masks of one training pass over rows with these leading axes."""
        if self.cmr is None or self.cmr.rate == 0:
            return self
        return Doped(*self.cmr.sample(self.structure, self._overlay, rng, lead))

    def to_dense(self) -> Array:
        """Return W as an (m, n) array."""
        return self.structure.to_dense() + self._overlay.to_dense()

    def _nearest(self, M: Array, rounds: int = 30) -> "Doped":
        """Return a doped matrix with parts of these sizes near M.

        Alternately, each part is the nearest of its kind to what the other leaves of M.
        The error falls with every step, to a local optimum; it stops when a round gains less than a thousandth.
        """
        S, error = np.zeros_like(M), np.inf
        for _ in range(rounds):
            structure = self.structure._nearest(M - S)
            left = M - structure.to_dense()
            overlay = self._overlay._nearest(left)
            S = overlay.to_dense()
            before, error = error, float(np.linalg.norm(left - S))
            if error >= before * 0.999:
                break
        return Doped(structure, overlay, self.cmr)

    @property
    def overlay(self) -> Any:
        """S: an Overlay, or a SparseOverlay after `to_csr`."""
        return self._overlay

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x."""
        return self.structure.macs + self._overlay.macs
