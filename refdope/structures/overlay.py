"""Overlay: a sparse matrix of free entries, stored dense while it is annealed and as CSR when its pattern is final.

    S = M ∘ V,    M: (m, n) of 0 and 1

    forward     y  = S x
    adjoint     dx = Sᵀ dy
    gradient    dV = M ∘ (dy xᵀ)        (for one row; the rows are summed): what was dropped is never moved again

An `Overlay` keeps V and M as (m, n) arrays: most entries are alive for most of the ramp. `to_csr()`, once the mask is
final, gives a `SparseOverlay`, whose parameter is the k values alone. An overlay with no structure under it is a pruned
matrix: Zhu and Gupta, "To prune, or not to prune", arXiv 1710.01878.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from refdope.arrays import Array, Params
from refdope.structures.base import Structure
from refdope.structures.product import times, times_transpose
from refdope.structures.sizes import budget, check_axes, entry_std, gaussian


class Overlay(Structure):
    """The masked matrix M ∘ V, in dense storage.

    Parameters
    ----------
    values : array, (m, n)
        V. Used as it is when it is zero wherever the mask is False; otherwise a copy with zeros there is.
    mask : bool array, (m, n)
        M: which entries are alive.
    """

    names = ("overlay",)
    fixed = ("mask",)

    def __init__(self, values: Array, mask: Array) -> None:
        check_axes("Overlay", values=(values, 2), mask=(mask, 2))
        if values.shape != mask.shape or mask.dtype != bool:
            raise ValueError(
                f"Overlay: mask must be a bool array of shape {values.shape}, got {mask.dtype} of shape {mask.shape}"
            )
        self.values = values if not values[~mask].any() else np.where(mask, values, 0)
        self.mask = mask
        self.shape = values.shape

    def _forward(self, x: Array) -> Array:
        return times_transpose(x, self.values)

    def _adjoint(self, dy: Array) -> Array:
        return times(dy, self.values)

    def _gradient(self, x: Array, dy: Array) -> Params:
        d_values = dy.T @ x
        d_values *= self.mask
        return {"overlay": d_values}

    def to_dense(self) -> Array:
        """Return S as an (m, n) array."""
        return self.values

    def children(self) -> list[tuple[str, Array]]:
        """V, which is trained, under "overlay", and M under "mask"."""
        return [("overlay", self.values), ("mask", self.mask)]

    def replace(  # type: ignore[override]  # what was saved as CSR comes back as CSR
        self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None
    ) -> Structure:
        """Return an overlay over other values; its mask, or its CSR pattern, is the one in `constants` if given."""
        return _made(self.shape, params["overlay"], self.constants if constants is None else constants)

    @property
    def n_params(self) -> int:
        """How many entries are alive."""
        return int(np.count_nonzero(self.mask))

    @property
    def overlay(self) -> "Overlay":
        """Itself."""
        return self

    def prune(self, keep: int) -> None:
        """Keep the `keep` entries of largest magnitude among those alive, ties to the lowest index.

        The others are set to zero, in place, and stay so; `mask` becomes a new array. An optimiser's arrays of this
        shape follow by the same rule, `a[~mask] = 0`.

        Raises
        ------
        ValueError
            If fewer entries are alive, keep is negative, or a value is NaN.
        """
        alive = np.flatnonzero(self.mask)
        if not 0 <= keep <= alive.size:
            raise ValueError(f"Overlay.prune: keep must be from 0 to {alive.size}, the entries alive, got {keep}")
        if np.isnan(self.values).any():
            raise ValueError("Overlay.prune: values must be numbers, got NaN: what is largest cannot be told")
        if keep < alive.size:
            size = np.abs(self.values.ravel()[alive])
            edge = np.partition(size, -keep)[-keep] if keep else np.inf  # the smallest magnitude that is kept
            ties = np.flatnonzero(size == edge)
            dropped = size < edge
            dropped[ties[keep - np.count_nonzero(size > edge) :]] = True
            self.mask = self.mask.copy()
            self.mask.ravel()[alive[dropped]] = False
            self.values[~self.mask] = 0

    def _nearest(self, M: Array) -> "Overlay":
        """Return the overlay with as many entries alive that is nearest to M: M's largest."""
        return Overlay.largest(M, self.n_params)

    def to_csr(self) -> "SparseOverlay":
        """Return the same matrix in CSR storage with the mask's pattern; zeros that are alive stay entries."""
        rows_end = np.concatenate([[0], np.cumsum(self.mask.sum(1))]).astype(np.int32)
        columns = np.nonzero(self.mask)[1].astype(np.int32)
        return SparseOverlay(csr_array((self.values[self.mask], columns, rows_end), shape=self.shape))

    @classmethod
    def dense(cls, shape: tuple[int, int], rng: np.random.Generator, std: float | None = None) -> Self:
        """Make the Gaussian overlay with every entry alive that training starts from."""
        m, n = shape
        return cls(gaussian(rng, (m, n), entry_std(std, n) * (m * n) ** 0.5), np.ones((m, n), dtype=bool))

    @classmethod
    def for_compression(
        cls,
        shape: tuple[int, int],
        factor: float,
        rng: np.random.Generator | int | None = None,
        std: float | None = None,
        **options: Any,
    ) -> Self:
        """Make a Gaussian overlay with exactly ⌊m·n / factor⌋ entries at random places, std being that of all m·n.

        This is the random sparse matrix that pruning is compared to; annealing starts from `Overlay.dense`.
        """
        (m, n), rng = shape, np.random.default_rng(rng)
        mask = np.zeros(m * n, dtype=bool)
        mask[rng.choice(m * n, budget("Overlay", shape, factor), replace=False)] = True
        values = np.zeros(m * n)
        values[mask] = gaussian(rng, (int(np.count_nonzero(mask)),), entry_std(std, n) * (m * n) ** 0.5)
        return cls(values.reshape(m, n), mask.reshape(m, n))

    @classmethod
    def largest(cls, M: Array, keep: int) -> "Overlay":
        """Return the overlay of M's `keep` entries of largest magnitude: of all with as many, the nearest to M."""
        made = Overlay(M.copy(), np.ones(M.shape, dtype=bool))
        made.prune(keep)
        return made


class SparseOverlay(Structure):
    """The matrix S over a CSR array; its parameter is `csr.data`, updated in place.

    Parameters
    ----------
    csr : scipy.sparse.csr_array, (m, n)
    """

    names = ("overlay",)
    fixed = ("indices", "indptr")

    def __init__(self, csr: "csr_array") -> None:
        if getattr(csr, "format", None) != "csr":
            raise TypeError(f"SparseOverlay: csr must be a scipy.sparse CSR array, got {type(csr).__name__}")
        try:
            csr.check_format(full_check=True)  # SciPy's products read an index out of range as it is
        except ValueError as error:
            raise ValueError(f"SparseOverlay: csr of shape {csr.shape} has a pattern that cannot be: {error}") from None
        self.csr = csr
        self.shape = csr.shape

    def _forward(self, x: Array) -> Array:
        return np.ascontiguousarray((self.csr @ x.T).T)  # SciPy multiplies columns: (m, n) @ (n, R) -> (m, R)

    def _adjoint(self, dy: Array) -> Array:
        return np.ascontiguousarray((self.csr.T @ dy.T).T)  # csr.T is the same arrays read as CSC, not a copy

    def _gradient(self, x: Array, dy: Array) -> Params:
        row = np.repeat(np.arange(self.shape[0]), np.diff(self.csr.indptr))
        return {"overlay": (dy.T @ x)[row, self.csr.indices]}  # all m·n entries, then the k wanted: one fast product

    def to_dense(self) -> Array:
        """Return S as an (m, n) array."""
        return self.csr.toarray()

    def children(self) -> list[tuple[str, Array]]:
        """List the k values in row-major order and their pattern: column of every value, where every row begins."""
        return [("overlay", self.csr.data), ("indices", self.csr.indices), ("indptr", self.csr.indptr)]

    def over(self, children: Sequence[Array]) -> "SparseOverlay":
        """Return the overlay of these values, columns and row ends."""
        return SparseOverlay(_csr(self.shape, *children))

    def replace(  # type: ignore[override]
        self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None
    ) -> Structure:
        """Return an overlay over other values; its CSR pattern, or its mask, is the one in `constants` if given."""
        return _made(self.shape, params["overlay"], self.constants if constants is None else constants)

    @property
    def overlay(self) -> "SparseOverlay":
        """Itself."""
        return self

    @classmethod
    def for_compression(
        cls,
        shape: tuple[int, int],
        factor: float,
        rng: np.random.Generator | int | None = None,
        std: float | None = None,
        **options: Any,
    ) -> Self:
        """Make the CSR form of `Overlay.for_compression`."""
        return cls(Overlay.for_compression(shape, factor, rng, std).to_csr().csr)


def _made(shape: tuple[int, int], values: Array, constants: Mapping[str, Array]) -> Structure:
    """Return the overlay of these values in the storage that its constants are of."""
    if "mask" in constants:
        return Overlay(values, constants["mask"])
    return SparseOverlay(_csr(shape, values, constants["indices"], constants["indptr"]))


def _csr(shape: tuple[int, int], values: Array, columns: Array, row_ends: Array) -> csr_array:
    """Return the CSR array of these arrays, or raise ValueError where they do not belong together."""
    try:
        return csr_array((values, columns, row_ends), shape=shape)
    except ValueError as error:
        raise ValueError(f"SparseOverlay: values and pattern do not make a matrix of shape {shape}: {error}") from None
