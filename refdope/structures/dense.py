"""Dense: the matrix itself, the baseline of every comparison.

Nothing is saved, and each operation is one product:

    W: (m, n)        m·n parameters and multiply-adds a row

    forward     y  = W x
    adjoint     dx = Wᵀ dy
    gradient    dW = dy xᵀ        (for one row; the rows are summed)
"""

from typing import Self

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure
from refdope.structures.product import times, times_transpose
from refdope.structures.sizes import Sizes, budget, check_axes, gaussian, out_of_reach


class Dense(Structure):
    """An unstructured matrix.

    Parameters
    ----------
    W : array, (m, n)
    """

    names = ("W",)

    def __init__(self, W: Array) -> None:
        check_axes("Dense", W=(W, 2))
        self.W = W
        self.shape = W.shape

    def _forward(self, x: Array) -> Array:
        return times_transpose(x, self.W)

    def _adjoint(self, dy: Array) -> Array:
        return times(dy, self.W)

    def _gradient(self, x: Array, dy: Array) -> Params:
        return {"W": dy.T @ x}

    def to_dense(self) -> Array:
        """Return W as an (m, n) array."""
        return self.W

    def _nearest(self, M: Array) -> "Dense":
        """Return M itself."""
        return Dense(M)

    @classmethod
    def sizes(cls, shape: tuple[int, int], factor: float) -> Sizes:
        """Return the shape itself; only factor 1 can be had."""
        m, n = shape
        if budget("Dense", shape, factor) < m * n:
            raise out_of_reach("Dense", shape, factor, m * n)
        return Sizes({"W": (m, n)})

    @classmethod
    def drawn(cls, sizes: Sizes, rng: np.random.Generator, std: float) -> Self:
        """Draw a Gaussian matrix."""
        m, n = sizes.shapes["W"]
        return cls(gaussian(rng, (m, n), std * (m * n) ** 0.5))
