"""Linear smoothers of one covariate: fitted values P = S R are linear in what they smooth, R.

    orthonormal splines   S = Ψ Ψᵀ/n,   Ψ (n, d),  Ψᵀ Ψ/n = I,  1ᵀ Ψ = 0        a projection: tr S = d
    local linear          row of x₀: eᵀ (Zᵀ W Z)⁻¹ Zᵀ W,  Z = [1, x − x₀],  W = diag K((x − x₀)/h)

The splines are natural cubics (Hastie, Tibshirani, Friedman 2009, 5.2.1): linear beyond the outer knots, which are at
the smallest and the largest x; the others are at quantiles. Local linear smoothing, Gaussian K: Fan and Gijbels 1996.
"""

from typing import Protocol

import numpy as np

from refdope.selection.prox import Array


class Smoother(Protocol):
    """What smooths over one covariate."""

    @property
    def trace(self) -> float:
        """The degrees of freedom of a fit, tr S."""

    def weights(self, x: Array) -> Array:
        """Return the rows of S, centred over the sample, that give the fit at points x."""


class Spline:
    """Natural cubic splines on a sample, centred and orthonormal there.

    Parameters
    ----------
    x : array, (n,)
        The sample.
    df : int
        How many functions, the constant not counted. A sample with few distinct values has fewer.

    Attributes
    ----------
    basis : array, (n, d)
        The functions at the sample: Ψ with Ψᵀ Ψ/n = I and columns that sum to 0.
    """

    def __init__(self, x: Array, df: int = 5) -> None:
        if df < 1:
            raise ValueError(f"df must be 1 or more, got {df}")
        self.low, self.width = float(x.min()), float(np.ptp(x))
        scaled = self._scaled(x)
        self.knots = np.unique(np.quantile(scaled, np.linspace(0, 1, df + 1)))
        raw = self._natural(scaled)
        self.mean = raw.mean(0)
        U, s, Vt = np.linalg.svd(raw - self.mean, full_matrices=False)
        kept = s > 1e-7 * max(s.max(initial=0.0), 1e-3 * np.sqrt(len(x)))
        self.basis: Array = U[:, kept] * np.sqrt(len(x))
        self.map: Array = Vt[kept].T / s[kept] * np.sqrt(len(x))  # raw functions -> orthonormal ones

    def _scaled(self, x: Array) -> Array:
        return (x - self.low) / (self.width or 1)

    def _natural(self, x: Array) -> Array:
        """Return x and, for every inner knot, a cubic that is linear beyond the last: (m, number of knots - 1)."""
        if len(self.knots) < 3:
            return x[:, None]
        *inner, before, last = self.knots

        def d(knot: float) -> Array:
            return (np.maximum(x - knot, 0) ** 3 - np.maximum(x - last, 0) ** 3) / (last - knot)

        return np.stack([x, *(d(knot) - d(before) for knot in inner)], axis=1)

    def __call__(self, x: Array) -> Array:
        """Return the functions at points x (m,) as (m, d)."""
        return (self._natural(self._scaled(x)) - self.mean) @ self.map

    @property
    def trace(self) -> float:
        """The degrees of freedom, d."""
        return float(self.basis.shape[1])

    def weights(self, x: Array) -> Array:
        """Return Ψ(x) Ψᵀ/n, (m, n)."""
        return self(x) @ self.basis.T / len(self.basis)


class LocalLinear:
    """Local linear smoothing with a Gaussian kernel.

    Parameters
    ----------
    x : array, (n,)
        The sample.
    bandwidth : float, optional
        The kernel's standard deviation, in units of x; by default 0.6·sd(x)·n^(-1/5), as in the SpAM paper.
    """

    def __init__(self, x: Array, bandwidth: float | None = None) -> None:
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"bandwidth must be above 0, got {bandwidth}")
        self.x = x
        self.bandwidth = bandwidth or 0.6 * float(x.std()) * len(x) ** -0.2
        self.matrix = self.weights(x)

    def weights(self, x: Array) -> Array:
        """Return the rows of S for points x (m,) as (m, n); each sums to 1."""
        if not self.bandwidth:  # all of the sample is one value
            return np.full((len(x), len(self.x)), 1 / len(self.x))
        u = (self.x - x[:, None]) / self.bandwidth
        log = -0.5 * u * u
        w = np.exp(log - log.max(1, keepdims=True))  # far from the sample the nearest point still counts
        s0, s1, s2 = w.sum(1, keepdims=True), (w * u).sum(1, keepdims=True), (w * u * u).sum(1, keepdims=True)
        spread = s0 * s2 - s1 * s1
        line = spread > 1e-10 * s0 * s2  # else all weight is on one value of x: a local mean
        return np.where(line, w * (s2 - u * s1) / np.where(line, spread, 1), w / s0)

    @property
    def trace(self) -> float:
        """The degrees of freedom, tr S."""
        return float(np.trace(self.matrix))
