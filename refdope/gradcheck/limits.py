"""How far a gradient may be off: by the oracle, and by the precision of what is checked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refdope.gradcheck.compared import COMPLEX, STENCIL
from refdope.gradcheck.oracles import EPS

TOLERANCE = {COMPLEX: 1e-10, STENCIL: 1e-7}  # of |a - n| / |n|, for float64
LOW_PRECISION = {4: 1e-4, 2: 3e-2}  # instead, by bytes, for a gradient in float32 or float16


@dataclass(frozen=True)
class Limits:
    """What is allowed.

    Attributes
    ----------
    tolerance : dict of float
        By oracle.
    by_largest : bool
        Whether they are of max |n| over the array, and not of each |n|.
    coarser : float
        How much coarser than float64's the ε of the gradients is.
    """

    tolerance: Mapping[str, float]
    by_largest: bool = False
    coarser: float = 1.0

    @classmethod
    def of(cls, tolerance: float | Mapping[str, float] | None, itemsize: int) -> "Limits":
        """Return the limits for gradients of so many bytes, or what the caller chose."""
        limits, coarser = dict(TOLERANCE), 1.0
        if itemsize < 8:
            limits, coarser = dict.fromkeys(limits, LOW_PRECISION[itemsize]), float(np.finfo(f"f{itemsize}").eps) / EPS
        if tolerance is not None:
            limits |= dict(tolerance) if isinstance(tolerance, Mapping) else dict.fromkeys(TOLERANCE, tolerance)
        return cls(limits, itemsize < 8 or tolerance is not None, coarser)

    def at_least(self, tolerance: float, coarser: float) -> "Limits":
        """Return limits of the largest entry that are no tighter than these and those."""
        return Limits(
            {oracle: max(tolerance, limit) for oracle, limit in self.tolerance.items()},
            True,
            max(coarser, self.coarser),
        )
