"""Zero: the matrix that is not there, W = 0, of no parameters.

Under an overlay it makes a pruned matrix whose rows co-matrix dropout can drop, though there is no second matrix that
could stand in for them: the control for what dropping rows does by itself.

    forward     y  = 0
    adjoint     dx = 0
    gradient    none
"""

from typing import Any

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure


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

    @property
    def settings(self) -> dict[str, Any]:
        """Its shape."""
        return {"shape": self.shape}
