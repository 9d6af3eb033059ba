"""One array's gradient beside the numerical one: how far apart they are, and where."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from refdope.checks.tree import Array

Index: TypeAlias = tuple[int, ...]

COMPLEX, STENCIL = "complex step", "stencil"
TOLERANCE = {COMPLEX: 1e-10, STENCIL: 1e-7}  # of max |a - n| / max |n|, for float64
LOW_PRECISION = {4: 1e-4, 2: 3e-2}  # instead, by bytes, for a gradient in float32 or float16


@dataclass
class Compared:
    """One array's gradient `a`, beside the numerical one `n`, which is NaN where nobody looked."""

    a: Array
    n: Array
    floor: float = 0.0  # of rounding: an absolute error that is none
    tolerance: float = 0.0  # relative to max |n|
    step: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)  # by oracle
    directions: str = ""  # what a test along directions found and may have missed
    failed: bool = False  # along directions

    @property
    def looked(self) -> Array:
        """Where a numerical derivative is known."""
        return ~np.isnan(self.n)

    @property
    def scale(self) -> float:
        """Return max |n|, over where it is known."""
        return float(np.max(np.abs(self.n), initial=0.0, where=self.looked))

    @property
    def wrong(self) -> Array:
        """Which entries are further from n than the tolerance and rounding allow; NaN and Inf always are."""
        with np.errstate(invalid="ignore"):
            near = np.abs(self.a - self.n) <= self.tolerance * self.scale + self.floor
        return (~near & self.looked) | ~np.isfinite(self.a)

    @property
    def error(self) -> float:
        """Return max |a - n| / max |n|, without what rounding explains."""
        if not self.looked.any():
            return max(self.errors.values(), default=0.0)
        with np.errstate(invalid="ignore"):
            gap = np.where(self.looked, np.abs(self.a - self.n), 0.0)
        if not np.isfinite(self.a).all():
            return np.nan
        most = float(gap.max(initial=0.0))
        return 0.0 if most <= self.floor else most / self.scale if self.scale else np.inf

    @property
    def worst(self) -> Index:
        """The entry with the largest error; the first that is not finite, if there is one."""
        finite = np.isfinite(self.a)
        gap = np.where(self.looked & finite, np.abs(np.where(finite, self.a, 0) - self.n), -1.0)
        gap = np.where(finite, gap, np.inf)
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(gap)), gap.shape))
