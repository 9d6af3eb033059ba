"""Products with a stored W and few rows: Y = X Wᵀ and dX = dY W, as an LSTM makes them at every step.

BLAS is made for large matrices. Before it multiplies, it copies W into an order that suits its inner loop, which pays
when many rows share the copy; with the 20 of a mini-batch it costs half as much as the product. Two ways around it:

    blocks      W = [W₁; W₂; …], W_k: (k, n) with k·n·R ≤ 10⁶, which OpenBLAS multiplies as they are, uncopied:
                Y = [X W₁ᵀ, X W₂ᵀ, …],  dX = Σ dY_k W_k. One thread only: work so small is not shared out.
    columns     Y = (W Xᵀ)ᵀ. In float32 with several threads faster than X Wᵀ, although it is the same product.

The sums are the same; their order, and so the rounding, is not. `make bench` measures what it is worth.
"""

import os

import numpy as np

from refdope.arrays import Array

FEW = 64  # rows; from there on the copy is paid for
SMALL = 1_000_000  # multiply-adds, k·n·R, up to which OpenBLAS does not copy
THREADS = next(
    (os.environ[name] for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS") if os.environ.get(name)),
    str(os.cpu_count()),
)  # as OpenBLAS counts them when it is loaded


def times_transpose(x: Array, W: Array) -> Array:
    """Return x Wᵀ, (R, n) and (m, n) -> (R, m): a new array, its rows or its columns contiguous."""
    if k := _block(W, x):
        xt, y = np.ascontiguousarray(x.T), np.empty((len(W), len(x)), W.dtype)
        whole = len(W) // k * k
        np.matmul(W[:whole].reshape(-1, k, W.shape[1]), xt, out=y[:whole].reshape(-1, k, len(x)))  # (m/k, k, R)
        np.matmul(W[whole:], xt, out=y[whole:])
        return y.T
    return (W @ x.T).T if 1 < len(x) < FEW and x.dtype == np.float32 else x @ W.T


def times(dy: Array, W: Array) -> Array:
    """Return dy W, (R, m) and (m, n) -> (R, n), a new array."""
    k = _block(W, dy)
    if not k or k < 2 * len(dy):  # the sum over blocks would cost more than it saves
        return dy @ W
    whole = len(W) // k * k
    each = dy[:, :whole].reshape(len(dy), -1, k).swapaxes(0, 1)  # (R, m) -> (m/k, R, k)
    dx = (each @ W[:whole].reshape(-1, k, W.shape[1])).sum(0)
    dx += dy[:, whole:] @ W[whole:]
    return dx


def _block(W: Array, rows: Array) -> int:
    """Return how many rows of W a block has, or 0 where blocks are of no use."""
    if not (THREADS == "1" and 1 < len(rows) < FEW and W.dtype == rows.dtype and W.dtype.kind == "f"):
        return 0
    small = SMALL * 4 // W.itemsize  # in float64 half as much is faster
    k = small // (len(rows) * W.shape[1]) // 16 * 16  # whole vector registers
    return min(k, len(W)) if W.flags.c_contiguous else 0
