"""Dropout: in training every entry is dropped with probability p, the others scaled so that the mean stays.

    y = k ∘ x / (1 - p),    k ~ Bernoulli(1 - p)          dx = k ∘ dy / (1 - p)

Source: Srivastava et al. 2014; on the non-recurrent connections of an LSTM only: Zaremba et al., arXiv 1409.2329.
"""

import numpy as np

from refdope.arrays import Array, check_arrays


class Dropout:
    """Inverted dropout.

    Parameters
    ----------
    rate : float
        p, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be in [0, 1), got {rate}")
        self.rate = rate

    def forward(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Array | None]:
        """Return y and the mask; without an rng, x itself and None."""
        check_arrays("Dropout", x=x)
        if rng is None or self.rate == 0:
            return x, None
        keep = np.greater_equal(rng.random(x.shape, dtype=np.float32), self.rate)
        return self._drop(x, keep), keep

    def backward(self, dy: Array, cache: Array | None) -> Array:
        """Return dx."""
        return dy if cache is None else self._drop(dy, cache)

    def _drop(self, x: Array, keep: Array) -> Array:
        y = x * keep
        y *= 1 / (1 - self.rate)
        return y
