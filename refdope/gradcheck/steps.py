"""Steps of differences: what they can tell along one line, how exactly, and what they cannot.

Too large a step feels the curvature, too small a one the rounding. A `Ladder` of steps h₀ 4ᵏ, relative to the entry
that is moved, has on every rung Richardson's

    S(h) = [16 D(h) - D(4h)] / 15,    D(h) = [f(x + h) - f(x - h)] / 2h

its rounding ε |f| / h, and its truncation, estimated by the next rung. The best rung is the one with the least of both,
among those that agree with every smaller one: a larger step that does not has a kink, or a bend, within it.

Sources: Lepskii, "On a problem of adaptive estimation in Gaussian white noise", Theory Probab. Appl. 35 (1991);
Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011).
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from refdope.gradcheck.oracles import EPS, Line, at, central
from refdope.gradcheck.tree import Array

FIRST = 2.0**-11  # of an entry, is the step to begin with: 1 / x is then off by 1e-12
LOWEST = -18  # rungs below it, 2⁻⁴⁷ of the entry


class Slope(NamedTuple):
    """A derivative by differences."""

    value: float
    error: float  # rounding and truncation; inf where nothing is finite
    h: float
    k: int = 0  # the rung


class Seen(NamedTuple):
    """What one entry's line looks like at the point."""

    value: float
    error: float
    h: float
    k: int
    left: float  # the slopes on both sides, at a kink
    right: float
    found: str  # "smooth", "kink", "jump" or "nothing" finite


class Ladder:
    """A line's differences at h₀ 4ᵏ, each computed when it is asked for.

    Parameters
    ----------
    line : callable
    own : float
        Size of the entry that is moved. No step is larger: of what a larger one shows, nothing need be so at the entry.
    noise : float
        Rounding error of the loss.
    """

    def __init__(self, line: Line, own: float, noise: float) -> None:
        self.line, self.own, self.noise = line, own, noise
        self.h0 = 2.0 ** np.round(np.log2(own * FIRST))  # a power of 2, so that x + h is hardly rounded
        self.highest = int(np.floor(np.log2(own / self.h0) / 2)) - 2
        self.here = at(line, 0.0)
        self.pairs: dict[int, tuple[float, float]] = {}

    def h(self, k: int) -> float:
        """Return the step of a rung."""
        return float(self.h0 * 4.0**k)

    def pair(self, k: int) -> tuple[float, float]:
        """Return f(x + h) and f(x - h)."""
        if k not in self.pairs:
            self.pairs[k] = at(self.line, self.h(k)), at(self.line, -self.h(k))
        return self.pairs[k]

    def jitter(self, k: int) -> float:
        """Return the noise of the loss at a rung's points, some of which may be far larger than the loss itself."""
        return max(self.noise, EPS * max(map(abs, (self.here, *self.pair(k), *self.pair(k + 1)))))

    def rounding(self, k: int) -> float:
        """Return what rounding may make of a slope: the worst of many entries is some σ away."""
        return 6 * self.jitter(k) / self.h(k)

    def natural(self, k: int) -> float:
        """Return the size that a derivative has here: that of the loss at a rung's points, beside that of the entry."""
        values = np.abs([self.here, *self.pair(k), *self.pair(k + 1), *self.pair(k + 2)])
        return float(np.max(values, initial=0.0, where=np.isfinite(values))) / self.own

    def why_not(self, error: float) -> str:
        """Say why nothing can be told of an entry, of which so much is open."""
        if not np.isfinite(self.pair(LOWEST)).all():
            return "the loss is not finite beside it, however small the step"
        return f"differences leave {error:.0e} open" if np.isfinite(error) else "differences do not settle"

    def bend(self, k: int) -> float:
        """Return f(x + h) + f(x - h) - 2 f(x): it goes with h² where f is smooth, h at a kink; a jump stays."""
        return (self.pair(k)[0] - self.here) + (self.pair(k)[1] - self.here)

    def slope(self, k: int) -> float:
        """Return S(h)."""
        near, far = (self.pair(j)[0] - self.pair(j)[1] for j in (k, k + 1))
        return (64 * near - far) / (120 * self.h(k))

    def side(self, k: int, which: int) -> float:
        """Return the slope on the right (0) or on the left (1), of the second order."""
        near, far = (self.pair(j)[which] - self.here for j in (k, k + 1))
        return (16 * near - far) / (12 * self.h(k)) * (1 if which == 0 else -1)

    def finite(self, k: int) -> bool:
        """Whether a slope and an estimate of its truncation can be had on a rung."""
        return bool(np.isfinite([self.here, *self.pair(k), *self.pair(k + 1), *self.pair(k + 2)]).all())

    def quick(self, enough: float = 1e-8) -> Slope:
        """Return a slope from few evaluations: from the first finite rung up, while that helps.

        Parameters
        ----------
        enough : float
            Relative rounding at which climbing stops.
        """
        low = next((k for k in range(0, LOWEST - 1, -1) if self.finite(k)), None)
        if low is None:
            return Slope(np.nan, np.inf, self.h(LOWEST), LOWEST)

        def climb() -> Iterable[int]:
            """Go up until rounding is small enough, or truncation is more."""
            for k in range(low, max(self.highest, low) + 1):
                yield k
                value, rounding = self.slope(k), self.rounding(k)
                if rounding <= enough * abs(value) or not self.finite(k + 1):
                    return
                if abs(value - self.slope(k + 1)) > 4 * rounding:
                    return

        return self.best(climb(), self.slope)

    def full(self) -> Slope:
        """Return the best slope of all rungs."""
        return self.best((k for k in range(LOWEST, self.highest + 1)), self.slope)

    def best(self, rungs: Iterable[int], slope: Callable[[int], float]) -> Slope:
        """Return the slope with the least error, of the rungs that agree with every smaller one."""
        seen: list[tuple[float, float]] = []  # what smaller rungs leave open: value, error
        found = Slope(np.nan, np.inf, self.h(LOWEST), LOWEST)
        for k in rungs:
            value, rounding = slope(k), self.rounding(k)
            gap = abs(value - slope(k + 1))
            if not np.isfinite(value) or not np.isfinite(gap):
                continue
            # where f is smooth the next rung is 256 times as far off; where a jump is within both, no more than twice
            error = rounding + max(1.5 * gap - rounding, 0.0)
            if all(abs(value - other) <= error + wide for other, wide in seen) and error < found.error:
                found = Slope(value, error, self.h(k), k)
            seen.append((value, 2 * rounding))
        return found

    def kink(self, k: int) -> float:
        """Return by how much the slopes on the two sides differ, but for h³: 0 where f is smooth."""
        return (16 * self.bend(k) - self.bend(k + 1)) / (12 * self.h(k))

    def bent(self, below: int) -> list[int]:
        """Return the rungs, up to one, at which the two sides' slopes differ by more than rounding."""
        rungs = [k for k in sorted(self.pairs) if k <= below and k + 2 in self.pairs]
        return [
            k
            for k in rungs
            if (kink := abs(self.kink(k))) > 4 * self.rounding(k) + abs(self.kink(k) - self.kink(k + 1))
            and kink > 1e-7 * abs(self.slope(k))
        ]

    @property
    def flat(self) -> bool:
        """Whether the loss is the same to the last bit wherever it was asked."""
        return all(value == self.here for pair in self.pairs.values() for value in pair)

    def look(self) -> Seen:
        """Decide whether the line is smooth at the point, has a kink or a jump there, or nothing that can be told."""
        found = self.full()
        bent = self.bent(self.highest) if self.bent(found.k + 1) else []
        if np.isfinite(found.error):  # what rounding may hide of a kink
            hidden = np.fmin(abs(self.kink(found.k)), 4 * self.rounding(found.k))
            found = found._replace(error=found.error + float(hidden))
        if found.error <= 1e-3 * abs(found.value) and not bent:
            return Seen(*found, found.value, found.value, "smooth")
        right, left = (self._side(which, bent) for which in (0, 1))
        size, doubt = max(abs(right.value), abs(left.value)), right.error + left.error
        if (
            bent
            and np.isfinite(doubt)
            and doubt <= 0.1 * size
            and abs(right.value - left.value) > 2 * doubt + 1e-7 * size
        ):
            middle, error = (left.value + right.value) / 2, max(left.error, right.error)
            return Seen(middle, error, self.h(bent[0]), bent[0], left.value, right.value, "kink")
        side, other = sorted((right, left), key=lambda s: s.error)
        if bent and side.error <= 1e-3 * other.error:
            return Seen(*side, side.value, side.value, "jump")
        if side.error < 0.1 * found.error and not abs(side.value - found.value) > 2 * found.error:
            return Seen(*side, side.value, side.value, "smooth")  # beside the end of its domain
        if not np.isfinite(found.error):
            return Seen(*found, found.value, found.value, "nothing")
        return Seen(*found, found.value, found.value, "smooth")

    def _side(self, which: int, bent: list[int]) -> Slope:
        """Return the slope on one side: where the line is bent, from what is seen of that and no smaller."""

        def slope(k: int) -> float:
            """Return the slope of that side."""
            return self.side(k, which)

        if not bent:
            return self.best(range(LOWEST, self.highest + 1), slope)
        return min((self.best([k], slope) for k in bent), key=lambda s: s.error)


def steps_for(size: float, own: float | None = None) -> Array:
    """Return the steps worth trying in an array of a size, for an entry of another, from large to small."""
    least = min(1e-6, size * 1e-6, np.inf if own is None else own * 1e-4)
    return size * 10.0 ** -np.arange(1.0, np.round(np.log10(size / least)) + 1)


def v_curve(line: Line, steps: Array) -> list[Slope]:
    """Differentiate a line with each of several steps; the error of each is its distance to the one before and after.

    Against the steps these errors draw a V: the curvature on the right of it, rounding on the left.
    """
    values = np.array([central(line, h) for h in steps])
    gaps = np.abs(np.diff(values))
    errors = np.maximum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))
    return [Slope(float(v), float(e), float(h)) for h, v, e in zip(steps, values, errors, strict=True)]


def confirming(line: Line, steps: Array, noise: float, exact: float) -> Slope:
    """Return the stencil with which differences come nearest to what the complex step says, and how near they come."""
    nearest = Slope(np.nan, np.inf, float(steps[-1]))
    for h in steps:
        value = central(line, h)
        error = abs(value - exact)
        if error <= 1e-10 * abs(exact) + noise / h:
            if 10 * noise / h <= 1e-10 * abs(exact):  # other entries may bend more, and rounding leaves room
                h, value = h / 10, central(line, h / 10)
            return Slope(value, abs(value - exact), float(h))
        if error < nearest.error:
            nearest = Slope(value, error, float(h))
    return nearest


def noise_of(line: Line, scale: float, loss: float, points: int = 17) -> float:
    """Estimate the rounding error of a loss: the fourth differences of a smooth function, step tiny, are its noise.

    Of noise with standard deviation σ they have √70 σ. A low quantile is taken, since a kink makes some of them large,
    and of two steps the larger, since a loss in float32 does not change at all in too small a one. Noise is about the
    same in both: what is not is curvature, and smaller steps are taken.
    """
    for steps in ((1e-6, 1e-5), (1e-8, 1e-7), (1e-10, 1e-9)):
        lines = [[at(line, h * scale * k) for k in range(points)] for h in steps]
        small, large = np.quantile(np.abs(np.diff(lines, 4)), 0.4, axis=1) / (0.52 * np.sqrt(70))
        if large <= 10 * small + EPS * abs(loss):
            return float(max(small, large, EPS * abs(loss)))
    return EPS * abs(loss)
