"""Low-rank matrix factorisation (LMF).

Two thin matrices stand for one:

    W = U V,    U: (m, r),  V: (r, n)        r·(m + n) parameters and multiply-adds

    forward     y  = U (V x)
    adjoint     dx = Vᵀ (Uᵀ dy)
    gradient    dU = dy (V x)ᵀ,    dV = (Uᵀ dy) xᵀ        (for one row; the rows are summed)
"""

from typing import Self

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure
from refdope.structures.sizes import Sizes, budget, check_axes, gaussian, out_of_reach


class LMF(Structure):
    """The product `U @ V` of rank r.

    Parameters
    ----------
    U : array, (m, r)
    V : array, (r, n)
    """

    names = ("U", "V")

    def __init__(self, U: Array, V: Array) -> None:
        check_axes("LMF", U=(U, 2), V=(V, 2))
        if U.shape[1] != V.shape[0]:
            raise ValueError(f"LMF: U must have as many columns as V has rows, got shapes {U.shape} and {V.shape}")
        self.U, self.V = U, V
        self.shape = (U.shape[0], V.shape[1])

    def _forward(self, x: Array) -> Array:
        return (x @ self.V.T) @ self.U.T

    def _adjoint(self, dy: Array) -> Array:
        return (dy @ self.U) @ self.V

    def _gradient(self, x: Array, dy: Array) -> Params:
        return {"U": dy.T @ (x @ self.V.T), "V": (dy @ self.U).T @ x}

    def to_dense(self) -> Array:
        """Return W as an (m, n) array, `U @ V`."""
        return self.U @ self.V

    def reach(self) -> dict[str, float]:
        """Return the spectral norm of V for U, and that of U for V: ‖δU V‖ ≤ ‖δU‖ σ₁(V).

        One number for a factor takes out what U -> cU, V -> V/c changes, and that only. ScaledGD (Tong, Ma and Chi,
        arXiv 2005.08898) divides by the r × r matrices V Vᵀ and Uᵀ U instead, which takes out any U -> U Q.
        """
        return {"U": float(np.linalg.norm(self.V, 2)), "V": float(np.linalg.norm(self.U, 2))}

    def _nearest(self, M: Array) -> "LMF":
        """Return the product of this rank that is nearest to M: its leading singular triplets (Eckart, Young 1936)."""
        r = self.U.shape[1]
        U, s, Vt = np.linalg.svd(M, full_matrices=False)
        root = np.sqrt(s[:r])
        return LMF(U[:, :r] * root, root[:, None] * Vt[:r])

    @classmethod
    def sizes(cls, shape: tuple[int, int], factor: float) -> Sizes:
        """Return those of the highest rank that fits."""
        m, n = shape
        r = min(budget("LMF", shape, factor) // (m + n), m, n)
        if r < 1:
            raise out_of_reach("LMF", shape, factor, m + n)
        return Sizes({"U": (m, r), "V": (r, n)})

    @classmethod
    def drawn(cls, sizes: Sizes, rng: np.random.Generator, std: float) -> Self:
        """Draw two Gaussian factors with ‖U‖ = ‖V‖."""
        (m, r), (_, n) = sizes.shapes.values()
        U, V = gaussian(rng, (m, r), 1.0), gaussian(rng, (r, n), 1.0)
        norm = np.sqrt(np.vdot(U.T @ U, V @ V.T))  # ‖U V‖² = tr(UᵀU VVᵀ)
        root = (std * (m * n) ** 0.5 / norm) ** 0.5
        return cls(U * root, V * root)
