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

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from refdope.structures.base import Array, Params, Structure, entry_std
from refdope.structures.cmr import CMR
from refdope.structures.kronecker import Kronecker
from refdope.structures.overlay import Overlay


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

    def at(self, t: int) -> Structure:
        """Return step t of a sampled pass."""
        structure, overlay = self.structure.at(t), self._overlay.at(t)
        if structure is self.structure and overlay is self._overlay:
            return self
        return Doped(structure, overlay)

    @property
    def lead(self) -> tuple[int, ...] | None:
        """The leading axes of a sampled pass."""
        return self.structure.lead if self._overlay.lead is None else self._overlay.lead

    def to_dense(self) -> Array:
        """Return W as an (m, n) array."""
        return self.structure.to_dense() + self._overlay.to_dense()

    def nearest(self, W: Array, rounds: int = 30) -> "Doped":
        """Return a doped matrix with parts of these sizes near W.

        Alternately, each part is the nearest of its kind to what the other leaves of W.
        The error falls with every step, to a local optimum; it stops when a round gains less than a thousandth.
        """
        S, error = np.zeros_like(W), np.inf
        for _ in range(rounds):
            structure = self.structure.nearest(W - S)
            left = W - structure.to_dense()
            overlay = self._overlay.nearest(left)
            S = overlay.to_dense()
            before, error = error, float(np.linalg.norm(left - S))
            if error >= before * 0.999:
                break
        return Doped(structure, overlay, self.cmr)

    @property
    def overlay(self) -> Any:
        """S: an Overlay, or a SparseOverlay after `to_csr`."""
        return self._overlay

    def to_csr(self) -> "Doped":
        """Return the same matrix, its overlay in CSR storage."""
        return Doped(self.structure, self._overlay.to_csr(), self.cmr)

    @property
    def params(self) -> Params:
        """The structure's parameters, and "overlay"."""
        return self.structure.params | self._overlay.params

    @property
    def constants(self) -> Params:
        """The constants of both."""
        return self.structure.constants | self._overlay.constants

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> "Doped":
        """Return the same sum over other arrays."""
        return Doped(self.structure.replace(params, constants), self._overlay.replace(params, constants), self.cmr)

    @property
    def n_params(self) -> int:
        """How many numbers are trained."""
        return self.structure.n_params + self._overlay.n_params

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x."""
        return self.structure.macs + self._overlay.macs

    @classmethod
    def for_compression(
        cls,
        shape: tuple[int, int],
        factor: float,
        rng: np.random.Generator,
        std: float | None = None,
        *,
        kind: type[Structure] = Kronecker,
        cmr: CMR | None = None,
        share: float = 0.9,
        **how: Any,
    ) -> Self:
        """Make the start of training: a structure that fits the factor under an overlay in which every entry is alive.

        Annealing brings the overlay down to the m·n / factor - |θ_s| entries that the structure leaves.

        Parameters
        ----------
        shape, factor, rng, std
            As for any structure: see `Structure.for_compression`.
        kind : a subclass of Structure
        cmr : CMR, optional
        share : float
            How much of std², the variance of W's entries, is the overlay's; the rest is the structure's.
        **how
            What `kind.for_doping` takes besides.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"Doped: share must be in [0, 1], got {share}")
        std = entry_std(std, shape[1])
        structure = kind.for_doping(shape, factor, rng, std * (1 - share) ** 0.5, **how)
        return cls(structure, Overlay.dense(shape, rng, std * share**0.5), cmr)
