"""What a structure has of a matrix, for whoever knows NumPy and SciPy.

W @ x       W x for x: (n,), or W X for X: (n, k)          columns, as NumPy multiplies; `forward` takes rows
y @ W       Wᵀ y for y: (m,), or Y W for Y: (k, m)
matvec, rmatvec, dtype, shape     what `scipy.sparse.linalg.aslinearoperator(W)` and PyLops ask for
np.asarray(W)                     `W.to_dense()`
"""

from typing import Any

import numpy as np

from refdope.arrays import Array


class Matrix:
    """The operators of a matrix, over the three products of a structure."""

    __array_ufunc__ = None  # so that NumPy's arrays leave `y @ W` to `__rmatmul__`
    shape: tuple[int, int]

    @property
    def dtype(self: Any) -> np.dtype[Any]:
        """The dtype of W's entries; that of float64 where it has no parameter."""
        return np.result_type(*self.params.values()) if self.params else np.dtype(np.float64)

    def __matmul__(self: Any, x: Array) -> Array:
        x = _operand("W @ x", x)
        if len(x) != self.shape[1]:
            raise ValueError(f"W @ x: x must be ({self.shape[1]},) or ({self.shape[1]}, k), got shape {x.shape}")
        return self.forward(x.T).T

    def __rmatmul__(self: Any, y: Array) -> Array:
        y = _operand("y @ W", y)
        if y.shape[-1] != self.shape[0]:
            raise ValueError(f"y @ W: y must be ({self.shape[0]},) or (k, {self.shape[0]}), got shape {y.shape}")
        return self.adjoint(y)

    def matvec(self, x: Array) -> Array:
        """Return W x for x: (n,) or (n, 1), in x's shape."""
        return self @ x

    def rmatvec(self: Any, y: Array) -> Array:
        """Return Wᴴ y for y: (m,) or (m, 1): conjugated, as SciPy's operators are; `adjoint` never is."""
        return self.adjoint(np.conj(y).T).conj().T

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.to_dense(), dtype=dtype, copy=copy)


def _operand(what: str, x: Any) -> Array:
    """Return the other side of a product as an array of one or two axes."""
    x = np.asarray(x)
    if x.ndim not in (1, 2) or x.dtype.kind not in "biufc":
        raise TypeError(f"{what}: the array must be of numbers, with one axis or two, got {x.dtype} of shape {x.shape}")
    return x
