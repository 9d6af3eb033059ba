"""Zero: the matrix that is not there, W = 0, of no parameters.

Under an overlay it makes a pruned matrix whose rows co-matrix dropout can drop, though there is no second matrix that
could stand in for them: the control for what dropping rows does by itself.

    forward     y  = 0
    adjoint     dx = 0
    gradient    none
"""

from collections.abc import Mapping
from typing import Self

import numpy as np

from refdope.structures.base import Array, Params, Structure


class Zero(Structure):
    """The zero matrix.

    Parameters
    ----------
    shape : (m, n)
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape

    def _forward(self, x: Array) -> Array:
        return np.zeros((len(x), self.shape[0]), x.dtype)

    def _adjoint(self, dy: Array) -> Array:
        return np.zeros((len(dy), self.shape[1]), dy.dtype)

    def _gradient(self, x: Array, dy: Array) -> Params:
        return {}

    def to_dense(self) -> Array:
        """Return W as an (m, n) array."""
        return np.zeros(self.shape)

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> "Zero":
        """Return itself."""
        return self

    @classmethod
    def for_compression(
        cls, shape: tuple[int, int], factor: float, rng: np.random.Generator, std: float | None = None
    ) -> Self:
        """Make it, whatever the factor."""
        return cls(shape)
