"""Kronecker product: two small factors that repeat each other over the whole matrix.

    W = A ⊗ B,    A: (m1, n1),  B: (m2, n2),  W: (m1·m2, n1·n2),    W[i·m2 + p, j·n2 + q] = A[i, j] · B[p, q]

W is never formed. With x read row by row as a matrix X: (n1, n2), and y as Y: (m1, m2),

    forward     Y  = A X Bᵀ
    adjoint     dX = Aᵀ dY B                       since (A ⊗ B)ᵀ = Aᵀ ⊗ Bᵀ
    gradient    dA = dY (X Bᵀ)ᵀ,    dB = (Aᵀ dY)ᵀ X

m1·n1 + m2·n2 parameters, and rank(A ⊗ B) = rank A · rank B: (16, 16) ⊗ (16, 16) can be of full rank 256 where
(32, 8) ⊗ (8, 32), with as many parameters, has rank 64 at most.

Source: Thakker et al., "Compressing RNNs for IoT devices by 15-38x using Kronecker products", arXiv 1906.02876;
Thakker et al., "Doping: a technique for extreme compression of LSTM models", MLSys 2021.
"""

from typing import Any, NamedTuple, Self

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure
from refdope.structures.sizes import Sizes, budget, check_axes, gaussian, out_of_reach


class Factoring(NamedTuple):
    """Shapes A: (m1, n1) and B: (m2, n2) of a Kronecker product."""

    m1: int
    n1: int
    m2: int
    n2: int

    @property
    def n_params(self) -> int:
        """Parameters of the two factors."""
        return self.m1 * self.n1 + self.m2 * self.n2

    @property
    def rank(self) -> int:
        """The rank of A ⊗ B when both factors have the rank that they can have."""
        return min(self.m1, self.n1) * min(self.m2, self.n2)

    @property
    def macs(self) -> int:
        """Multiply-adds of A X Bᵀ for one x, in the cheaper of its two orders."""
        m1, n1, m2, n2 = self
        return min(m2 * n1 * (n2 + m1), m1 * n2 * (n1 + m2))

    @property
    def sizes(self) -> Sizes:
        """The shapes of A and B."""
        return Sizes({"A": (self.m1, self.n1), "B": (self.m2, self.n2)})

    def __str__(self) -> str:
        return f"({self.m1}, {self.n1}) ⊗ ({self.m2}, {self.n2})"


class Kronecker(Structure):
    """The Kronecker product `np.kron(A, B)` of two rectangular factors.

    Parameters
    ----------
    A : array, (m1, n1)
    B : array, (m2, n2)
    """

    names = ("A", "B")

    def __init__(self, A: Array, B: Array) -> None:
        check_axes("Kronecker", A=(A, 2), B=(B, 2))
        self.A, self.B = A, B
        self.factoring = Factoring(*A.shape, *B.shape)
        m1, n1, m2, n2 = self.factoring
        self.shape = (m1 * m2, n1 * n2)

    def _forward(self, x: Array) -> Array:
        return _product(self.A, x, self.B.T)

    def _adjoint(self, dy: Array) -> Array:
        return _product(self.A.T, dy, self.B)

    def _gradient(self, x: Array, dy: Array) -> Params:
        return self._gradients(x, dy, self._AtdY(dy))

    def _backward(self, x: Array, dy: Array) -> tuple[Array, Params]:
        AtdY = self._AtdY(dy)  # dX = (Aᵀ dY) B and dB = (Aᵀ dY)ᵀ X share it
        return (AtdY @ self.B).reshape(x.shape), self._gradients(x, dy, AtdY)

    def _AtdY(self, dy: Array) -> Array:
        m1, _, m2, _ = self.factoring
        return (self.A.T @ dy.reshape(-1, m1, m2)).reshape(-1, m2)  # (R, n1, m2) -> (R·n1, m2)

    def _gradients(self, x: Array, dy: Array, AtdY: Array) -> Params:
        m1, n1, m2, n2 = self.factoring
        X = x.reshape(-1, n2)  # (R, n) -> (R·n1, n2)
        XB = (X @ self.B.T).reshape(-1, n1, m2)  # (R, n1, m2)
        dY = dy.reshape(-1, m1, m2)  # (R, m) -> (R, m1, m2)
        # Σ over rows of (m1, m2) @ (m2, n1): small products and their sum, or one of rearranged rows; what moves less
        if m1 * n1 < (m1 + n1) * m2:
            dA = (dY @ np.ascontiguousarray(XB.swapaxes(1, 2))).sum(0)  # twice as fast as with a transposed view
        else:
            dA = np.tensordot(dY, XB, ((0, 2), (0, 2)))
        return {"A": dA, "B": AtdY.T @ X}

    def to_dense(self) -> Array:
        """Return W as an (m, n) array, `np.kron(A, B)`."""
        return np.kron(self.A, self.B)

    def reach(self) -> dict[str, float]:
        """Return ‖B‖ for A and ‖A‖ for B: ‖δA ⊗ B‖ = ‖δA‖ ‖B‖."""
        return {"A": float(np.linalg.norm(self.B)), "B": float(np.linalg.norm(self.A))}

    def _nearest(self, M: Array) -> "Kronecker":
        """Return the product of factors of these shapes that is nearest to M.

        Rearranged so that every (m2, n2) block of M is a row, A ⊗ B is the outer product of A and B read as vectors:
        the nearest is the leading singular pair. Van Loan and Pitsianis, "Approximation with Kronecker products", 1993.
        """
        m1, n1, m2, n2 = self.factoring
        blocks = M.reshape(m1, m2, n1, n2).swapaxes(1, 2).reshape(m1 * n1, m2 * n2)  # (m, n) -> one row a block
        U, s, Vt = np.linalg.svd(blocks, full_matrices=False)
        root = s[0] ** 0.5  # balanced: ‖A‖ = ‖B‖
        return Kronecker((root * U[:, 0]).reshape(m1, n1), (root * Vt[0]).reshape(m2, n2))

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x, in the cheaper order of the two products."""
        return self.factoring.macs

    @staticmethod
    def factorings(shape: tuple[int, int]) -> list[Factoring]:
        """List every pair of factor shapes whose product has this shape and fewer parameters than it, fewest first."""
        m, n = shape
        every = (
            Factoring(m // m2, n // n2, m2, n2)
            for m2 in range(1, m + 1)
            if m % m2 == 0
            for n2 in range(1, n + 1)
            if n % n2 == 0
        )
        return sorted((f for f in every if f.n_params < m * n), key=lambda f: (f.n_params, -f.rank, f.macs))

    @classmethod
    def sizes(cls, shape: tuple[int, int], factor: float, *, first: tuple[int, int] | None = None) -> Sizes:
        """Return those of the product of highest rank that fits, full if it can be; of several, the most parameters.

        If there are several still, the one with fewest multiply-adds. With `first`, the one whose A has this shape.
        """
        every, most = cls.factorings(shape), budget("Kronecker", shape, factor)
        if first is not None:
            return _with_first(shape, factor, first).sizes
        fitting = [f for f in every if f.n_params <= most]
        if not fitting:
            raise _refusal(shape, factor, every)
        return max(fitting, key=lambda f: (f.rank, f.n_params, -f.macs)).sizes

    @classmethod
    def sizes_doped(
        cls, shape: tuple[int, int], factor: float, *, first: tuple[int, int] | None = None, **options: Any
    ) -> Sizes:
        """Return those of the smallest product of full rank, or of the one whose A has the shape `first`.

        Nearly all of the m·n / factor parameters are left to the overlay.
        """
        if first is not None:
            return _with_first(shape, factor, first).sizes
        most = budget("Kronecker", shape, factor)
        full = [f for f in cls.factorings(shape) if f.rank == min(shape)]
        if not full or full[0].n_params > most:
            raise _refusal(shape, factor, full, "full-rank ")
        return full[0].sizes

    @classmethod
    def drawn(cls, sizes: Sizes, rng: np.random.Generator, std: float) -> Self:
        """Draw two Gaussian factors with ‖A‖ = ‖B‖."""
        (m1, n1), (m2, n2) = A, B = sizes.shapes["A"], sizes.shapes["B"]
        norm = (std * (m1 * m2 * n1 * n2) ** 0.5) ** 0.5  # ‖A ⊗ B‖ = ‖A‖ ‖B‖
        return cls(gaussian(rng, A, norm), gaussian(rng, B, norm))


def _product(A: Array, x: Array, Bt: Array) -> Array:
    """Y = A X Bᵀ for every row of x, in the cheaper order: (R, n1·n2) -> (R, m1·m2)."""
    (m1, n1), (n2, m2) = A.shape, Bt.shape
    if m2 * n1 * (n2 + m1) <= m1 * n2 * (n1 + m2):
        XB = (x.reshape(-1, n2) @ Bt).reshape(-1, n1, m2)  # (R·n1, n2) -> (R, n1, m2)
        return (A @ XB).reshape(-1, m1 * m2)  # (R, m1, m2) -> (R, m)
    AX = A @ x.reshape(-1, n1, n2)  # (R, m1, n2)
    return (AX.reshape(-1, n2) @ Bt).reshape(-1, m1 * m2)  # (R·m1, n2) -> (R, m)


def _with_first(shape: tuple[int, int], factor: float, first: tuple[int, int]) -> Factoring:
    """Return the factoring whose first factor has a given shape."""
    if not (isinstance(first, tuple | list) and len(first) == 2 and all(type(size) is int for size in first)):
        raise ValueError(f"Kronecker: first must be the shape of the first factor, such as 50x4, got {first!r}")
    (m, n), (m1, n1) = shape, first
    if min(first) < 1 or m % m1 or n % n1:
        raise ValueError(f"Kronecker: the sizes of the first factor must divide those of {shape}, got {first}")
    f = Factoring(m1, n1, m // m1, n // n1)
    if f.n_params > budget("Kronecker", shape, factor):
        raise out_of_reach("Kronecker", shape, factor, f.n_params, f" with {f}")
    return f


def _refusal(shape: tuple[int, int], factor: float, having: list[Factoring], kind: str = "") -> ValueError:
    """Say which factorings can be had instead."""
    m, n = shape
    if not having:
        return ValueError(f"Kronecker: shape {shape} has no {kind}factoring with fewer than {m * n} parameters")
    some = ", ".join(f"{f} ({m * n / f.n_params:.4g}x)" for f in having[:5])
    hint = f"; its {kind}factorings: {some}{', …' if len(having) > 5 else ''}"
    return out_of_reach("Kronecker", shape, factor, having[0].n_params, hint)
