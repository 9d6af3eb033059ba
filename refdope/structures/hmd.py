"""Hybrid matrix decomposition (HMD): some rows are free, the others are multiples of one row.

    W = [ A    ]    A: (r, n),  b: (m - r),  c: (n)        r·n + (m - r) + n parameters and multiply-adds, rank ≤ r + 1
        [ b cᵀ ]

    forward     y  = [A x ; b (cᵀ x)]
    adjoint     dx = Aᵀ dy_up + c (bᵀ dy_low)
    gradient    dA = dy_up xᵀ,    db = (cᵀ x) dy_low,    dc = (bᵀ dy_low) x        (for one row; the rows are summed)

Source: Thakker et al., "Run-time efficient RNN compression for inference on edge devices", arXiv 1906.04886.
"""

from typing import Self

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure
from refdope.structures.sizes import Sizes, budget, check_axes, gaussian, out_of_reach


class HMD(Structure):
    """The matrix `[A ; b cᵀ]`: r unconstrained rows above a block of rank one.

    Parameters
    ----------
    A : array, (r, n)
    b : array, (m - r,)
    c : array, (n,)
    """

    names = ("A", "b", "c")
    one_kind = False  # over all gates of an LSTM at once, every unconstrained row would fall to the input gate

    def __init__(self, A: Array, b: Array, c: Array) -> None:
        check_axes("HMD", A=(A, 2), b=(b, 1), c=(c, 1))
        if A.shape[1] != len(c):
            raise ValueError(f"HMD: c must have as many entries as A has columns, got shapes {A.shape} and {c.shape}")
        self.A, self.b, self.c = A, b, c
        self.r = len(A)
        self.shape = (self.r + len(b), len(c))

    def _forward(self, x: Array) -> Array:
        return np.concatenate([x @ self.A.T, np.outer(x @ self.c, self.b)], axis=1)

    def _adjoint(self, dy: Array) -> Array:
        up, low = dy[:, : self.r], dy[:, self.r :]
        return up @ self.A + np.outer(low @ self.b, self.c)

    def _gradient(self, x: Array, dy: Array) -> Params:
        up, low = dy[:, : self.r], dy[:, self.r :]
        return {"A": up.T @ x, "b": (x @ self.c) @ low, "c": (low @ self.b) @ x}

    def to_dense(self) -> Array:
        """Return W as an (m, n) array."""
        return np.concatenate([self.A, np.outer(self.b, self.c)])

    def reach(self) -> dict[str, float]:
        """Return 1 for A, whose entries are W's; ‖c‖ for b and ‖b‖ for c."""
        return {"A": 1.0, "b": float(np.linalg.norm(self.c)), "c": float(np.linalg.norm(self.b))}

    def _nearest(self, M: Array) -> "HMD":
        """Return the one with as many unconstrained rows that is nearest to M: M's first rows, then rank one."""
        U, s, Vt = np.linalg.svd(M[self.r :], full_matrices=False)
        root = s[0] ** 0.5
        return HMD(M[: self.r].copy(), root * U[:, 0], root * Vt[0])

    @classmethod
    def sizes(cls, shape: tuple[int, int], factor: float) -> Sizes:
        """Return those with the most unconstrained rows."""
        m, n = shape
        spare = budget("HMD", shape, factor) - m - n  # r·n + (m - r) + n <= budget
        if spare < 0 or n == 1:
            raise out_of_reach("HMD", shape, factor, m + n)
        r = min(spare // (n - 1), m - 1)
        return Sizes({"A": (r, n), "b": (m - r,), "c": (n,)})

    @classmethod
    def drawn(cls, sizes: Sizes, rng: np.random.Generator, std: float) -> Self:
        """Draw Gaussian rows above a Gaussian outer product with ‖b‖ = ‖c‖."""
        (r, n), (low,), _ = sizes.shapes.values()
        root = (std * (low * n) ** 0.5) ** 0.5  # ‖b cᵀ‖ = ‖b‖ ‖c‖
        A = gaussian(rng, (r, n), std * (r * n) ** 0.5)
        return cls(A, gaussian(rng, (low,), root), gaussian(rng, (n,), root))
