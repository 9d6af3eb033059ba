"""Softmax layer and cross-entropy in one: logits, their loss, and the loss's gradient in a single buffer.

    a = h Wᵀ + b,    W: (V, H),  b: (V)
    loss = mean over the N tokens of  log Σ_v exp a_v - a_target            [nats a token]

    backward    da = (softmax(a) - onehot(target)) / N,    dh = da W,    dW = daᵀ h,    db = Σ da

softmax(a) - onehot(target) costs nothing once exp(a - max a) is there, so the forward pass leaves it as the cache.
"""

from typing import NamedTuple

import numpy as np

from refdope.arrays import Array, Params, Tree, check_arrays
from refdope.structures.sizes import check_axes

IN_CACHE = 1 << 17  # logits that are worked on while they are in the processor's cache


class SoftmaxCache(NamedTuple):
    """What a forward pass leaves for its backward pass."""

    h: Array  # (N, H)
    residual: Array  # (N, V): softmax(a) - onehot(target)
    lead: tuple[int, ...]


class Softmax(Tree):
    """A linear layer to V classes under the cross-entropy.

    Parameters
    ----------
    W : array, (V, H)
    b : array, (V,)
    """

    names = ("W", "b")

    def __init__(self, W: Array, b: Array) -> None:
        check_axes("Softmax", W=(W, 2), b=(b, 1))
        if len(W) != len(b):
            raise ValueError(f"Softmax: b must have as many entries as W has rows, got shapes {W.shape} and {b.shape}")
        self.W, self.b = W, b

    def logits(self, h: Array) -> Array:
        """Return h Wᵀ + b, (…, H) -> (…, V)."""
        check_arrays("Softmax", h=h)
        H = self.W.shape[1]
        if h.shape[-1:] != (H,):
            raise ValueError(f"Softmax: h must be (…, {H}), got shape {h.shape}")
        a = self._products(h.reshape(-1, H))
        a += self.b
        return a.reshape(*h.shape[:-1], len(self.b))

    def _products(self, rows: Array) -> Array:
        return (rows @ self.W.T).astype(np.result_type(rows, self.W, self.b), copy=False)

    def forward(self, h: Array, targets: Array) -> tuple[Array, SoftmaxCache]:
        """Return the mean cross-entropy of targets (…) under h (…, H), in nats, and the cache.

        Raises
        ------
        ValueError
            If h and targets do not share their leading axes, there is no token, h is not H wide, or targets are not
            integers from 0 to V - 1.
        """
        check_arrays("Softmax", h=h, targets=targets)
        V, H = self.W.shape
        if h.shape[:-1] != targets.shape or targets.size == 0:
            raise ValueError(
                f"Softmax: targets must have h's leading axes and at least one token, "
                f"got {targets.shape} for h {h.shape}"
            )
        if h.shape[-1] != H:
            raise ValueError(f"Softmax: h must be (…, {H}), got shape {h.shape}")
        if targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= V:
            told = f"{targets.dtype} from {targets.min()} to {targets.max()}"
            raise ValueError(f"Softmax: targets must be integers from 0 to {V - 1}, got {told}")
        rows, y = h.reshape(targets.size, -1), targets.ravel()  # (…, H) -> (N, H)
        p = self._products(rows)
        losses = np.empty(targets.size, p.dtype)
        few = max(1, IN_CACHE // len(self.b))
        for k in range(0, targets.size, few):
            a, right = p[k : k + few], (np.arange(len(y[k : k + few])), y[k : k + few])
            a += self.b
            a -= a.real.max(1, keepdims=True)  # over the real part: a complex step passes through
            losses[k : k + few] = -a[right]
            np.exp(a, out=a)
            total = a.sum(1, keepdims=True)
            losses[k : k + few] += np.log(total[:, 0])
            a /= total
            a[right] -= 1
        return losses.mean(), SoftmaxCache(rows, p, h.shape[:-1])

    def backward(self, d_loss: float, cache: SoftmaxCache) -> tuple[Array, Params]:
        """Return dh (…, H) and the gradients of W and b."""
        h, residual, lead = cache
        scale = float(d_loss) / len(h)  # a NumPy float would make float32 gradients float64
        dh = residual @ self.W
        dh *= scale
        return dh.reshape(*lead, -1), {"W": residual.T @ (h * scale), "b": residual.sum(0) * scale}
