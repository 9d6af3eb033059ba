"""The step of the stencil, the noise of a loss, and kinks: what differences along one line can tell, and what not.

Too large a step feels the curvature, too small a one the rounding, and `best_step` finds the bottom of that V.

Source: for the noise, Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011).
"""

from typing import NamedTuple

import numpy as np

from refdope.checks.oracles import EPS, Line, at, central
from refdope.checks.tree import Array


class Step(NamedTuple):
    """A step of the stencil, and what the derivative along one line came out as with it."""

    h: float
    value: float
    error: float  # how far the neighbouring steps are from it


def steps_for(scale: float) -> Array:
    """Return the steps worth trying for entries of a size, from the largest to the smallest."""
    size = scale if 1e-12 < scale < np.inf else 1.0
    return size * 10.0 ** -np.arange(1.0, 7.0 + np.ceil(np.log10(max(size, 1.0))))


def v_curve(line: Line, steps: Array) -> list[Step]:
    """Differentiate a line with each of several steps; the error of each is its distance to the one before and after.

    Against the steps these errors draw a V: the curvature on the right of it, rounding on the left.
    """
    values = np.array([central(line, h) for h in steps])
    gaps = np.abs(np.diff(values))
    errors = np.maximum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))
    return [Step(float(h), float(v), float(e)) for h, v, e in zip(steps, values, errors, strict=True)]


def best_step(line: Line, scale: float, noise: float, exact: float | None = None) -> Step:
    """Return the bottom of the V: the step whose neighbours agree best, rounding counted.

    Where the complex step has told what comes out, `exact`, it is the step that comes nearest to that.
    """
    steps = steps_for(scale)
    if exact is not None:  # then there is no need to go down the whole curve
        for h in steps:
            value = central(line, h)
            if abs(value - exact) <= 1e-10 * abs(exact) + noise / h:
                if 10 * noise / h <= 1e-10 * abs(exact):  # other entries may bend more, and rounding leaves room
                    h, value = h / 10, central(line, h / 10)
                return Step(float(h), value, abs(value - exact))
    return bottom(v_curve(line, steps), noise, exact)


def bottom(curve: list[Step], noise: float, exact: float | None = None) -> Step:
    """Return the most trustworthy step of a V-curve."""
    if exact is not None:
        sharpest = min(curve, key=lambda s: _last(max(s.error, noise / s.h)))
        if abs(sharpest.value - exact) <= 1e-4 * abs(exact) + 10 * noise / sharpest.h:  # else it may not be analytic
            return sharpest
    # a loss that is flat further out (a saturated tanh, a narrow bell) has a bottom there that is none
    told = [s for s in curve if abs(s.value) > 100 * (noise / s.h + s.error)]
    most = max(told, key=lambda s: abs(s.value), default=curve[0])
    return min(
        (s for s in curve if s.h <= most.h or abs(s.value) >= 1e-6 * abs(most.value)),
        key=lambda s: _last(max(s.error, noise / s.h)),
    )


def _last(error: float) -> float:
    """Return an error to sort by, NaN after all others."""
    return float(np.nan_to_num(error, nan=np.inf))


def noise_of(line: Line, scale: float, loss: float, points: int = 17) -> float:
    """Estimate the rounding error of a loss: the fourth differences of a smooth function, step tiny, are its noise.

    Of noise with standard deviation σ they have √70 σ. A low quantile is taken, since a kink makes some of them large,
    and two steps, since a loss in float32 does not change at all in the smaller one.
    """
    lines = [[at(line, h * scale * k) for k in range(points)] for h in (1e-6, 1e-5)]
    measured = np.quantile(np.abs(np.diff(lines, 4)), 0.4, axis=1).max() / (0.52 * np.sqrt(70))
    return float(np.fmax(measured, EPS * abs(loss)))


class Kink(NamedTuple):
    """What one entry's line looks like near the point, when a derivative is in doubt."""

    value: float  # the derivative, from the steps that agree best
    error: float
    left: float  # one-sided slopes
    right: float
    found: str  # "smooth", "kink near", "kink here" or "jump"


def look_closely(line: Line, h: float, noise: float, exact: float | None = None) -> Kink:
    """Decide whether a line is smooth at 0, has a kink within the stencil, a kink at 0 itself, or a jump.

    Parameters
    ----------
    line : callable
    h : float
        The step that left a doubt; smaller ones are tried.
    noise : float
        Rounding error of the loss.
    exact : float, optional
        What the complex step gave. If one of the steps agrees with it, to what that step can tell, it is believed,
        unless the sharpest of all is close by and says otherwise.
    """
    curve = v_curve(line, h * 4.0 ** -np.arange(12))
    sharpest = min(curve, key=lambda s: _last(max(s.error, noise / s.h)))
    doubt = max(sharpest.error, noise / sharpest.h)
    contradicted = exact is not None and 4 * doubt + 1e-7 * abs(exact) < abs(sharpest.value - exact) < 1e-3 * abs(exact)
    for step in curve if exact and not contradicted else []:
        assert exact is not None
        doubt = max(step.error, noise / step.h)
        if doubt <= 0.1 * abs(exact) and abs(step.value - exact) <= 4 * doubt + 1e-7 * abs(exact):
            near = abs(curve[0].value - exact) > 4 * doubt
            return Kink(exact, 0.0, exact, exact, "kink near" if near else "smooth")
    best = bottom(curve, noise)
    here, tiny = at(line, 0.0), best.h
    right = (4 * at(line, tiny) - at(line, 2 * tiny) - 3 * here) / (2 * tiny)
    left = (3 * here - 4 * at(line, -tiny) + at(line, -2 * tiny)) / (2 * tiny)
    size = max(abs(left), abs(right), abs(best.value))
    doubt = 1e-3 * size + 50 * noise / tiny
    if abs(right - left) > doubt:
        smaller = max(tiny / 16, 1e3 * noise / max(size, 1e-300))  # a jump's slope grows as the step shrinks
        steeper = (at(line, smaller) - at(line, -smaller)) / (2 * smaller)
        found = "jump" if abs(steeper) > 3 * size and smaller < tiny else "kink here"
    else:
        found = "smooth" if abs(curve[0].value - best.value) <= doubt else "kink near"
    return Kink(best.value, max(best.error, noise / best.h), left, right, found)
