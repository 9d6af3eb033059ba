"""Large arrays along Gaussian directions v, and where in one that fails the error is.

The error (a - n)·v of a gradient a is Gaussian too, of standard deviation ‖a - n‖, so that an error of relative norm δ
stays below a tolerance τ in all of k directions with probability

    p = erf(τ / δ√2)ᵏ

An array that fails is searched by bisection: half of the direction at a time, and on with the half that is more wrong.
"""

from math import erf, sqrt

import numpy as np

from refdope.gradcheck.compared import COMPLEX, STENCIL, Compared, Index
from refdope.gradcheck.limits import Limits
from refdope.gradcheck.numeric import Numeric
from refdope.gradcheck.oracles import EPS, Line
from refdope.gradcheck.steps import Ladder, Seen
from refdope.gradcheck.tree import Array, Flat

DIRECTIONS = 3
ROUGH = 1e-5  # relative uncertainty of differences along a direction that tell nothing


def by_direction(numeric: Numeric, grads: Flat, limits: Limits) -> dict[str, Compared]:
    """Compare whole arrays along Gaussian directions: by the complex step all at once, and one by one if that fails."""
    norms = {name: float(np.linalg.norm(a)) for name, a in grads.items()}
    unit = max(norms.values(), default=0.0) or 1.0
    weights = {name: 1 / (norm or unit) for name, norm in norms.items()}
    compared = {name: Compared(name, a, np.full(a.shape, np.nan)) for name, a in grads.items()}
    _ask_differences(numeric, grads, compared, limits)
    if numeric.complex is not None:
        tolerance = limits.tolerance[COMPLEX]
        together, noise = _along(numeric, grads, weights)
        passed = together <= tolerance + noise
        for name in grads:
            error, noise = (together, noise) if passed else _along(numeric, {name: grads[name]}, weights)
            said = compared[name]
            said.errors[COMPLEX] = error
            said.failed = not error <= tolerance + noise
            said.directions = _missed(tolerance + noise, DIRECTIONS)
    return compared


def _along(numeric: Numeric, grads: Flat, weights: dict[str, float]) -> tuple[float, float]:
    """Return the largest |(a - n)·v| over some directions, in units of the arrays' norms, and its rounding."""
    found, noise = 0.0, 16 * EPS * sum(sqrt(a.size) for a in grads.values())
    for _ in range(DIRECTIONS):
        v = {name: np.multiply(weights[name], numeric.rng.standard_normal(a.shape)) for name, a in grads.items()}
        own = min(numeric.sizes[name] / weights[name] for name in grads)
        slope, doubt = _exact(numeric, v, own)
        error = abs(_dot(grads, v) - slope)
        noise = max(noise, 16 * EPS * sum(sqrt(a.size) for a in grads.values()) + doubt)
        found = max(found, np.inf if np.isnan(error) else error)
    return found, noise


def _exact(numeric: Numeric, v: Flat, own: float) -> tuple[float, float]:
    """Return the derivative along a direction by the complex step, or on a circle of so large a radius."""
    assert numeric.complex is not None
    with np.errstate(all="ignore"):
        return numeric.analytic(numeric.complex.direction(v), own)


def _differences(numeric: Numeric, line: Line, size: float) -> Seen:
    """Return the derivative along a line by differences: from few steps, or from all where these leave a doubt."""
    ladder = Ladder(line, size, numeric.noise)
    quick = ladder.quick()
    if quick.error <= 1e-7 * max(abs(quick.value), ladder.natural(quick.k)) and not ladder.bent(quick.k + 1):
        return Seen(*quick, quick.value, quick.value, "smooth")
    return ladder.look()


def _ask_differences(numeric: Numeric, grads: Flat, compared: dict[str, Compared], limits: Limits) -> None:
    """Ask differences, array by array: what is not analytic in one of them must not hide behind another."""
    for name, g in grads.items():
        v = {name: np.multiply(numeric.sizes[name], numeric.rng.standard_normal(g.shape))}
        found = _differences(numeric, numeric.real.direction(v), 1.0)
        size = numeric.sizes[name] * float(np.linalg.norm(g)) or 1.0
        doubt = 2 * found.error / size
        row = compared[name]
        rough = found.found == "nothing" or not doubt <= ROUGH
        if numeric.complex is not None:
            exact, open_ = _exact(numeric, v, 1.0)
            near = 1e-6 * max(1.0, abs(exact) / size) + 2 * doubt + open_ / size
            # a kink within the step is none of the complex step's business: then entries tell
            if found.found == "smooth" and not rough and not abs(exact - found.value) / size <= near:
                if not numeric.drowns(numeric.complex.direction(v)):
                    numeric.no_complex(
                        f"the complex step and differences disagree along a direction ({exact:.6e}, "
                        f"{found.value:.6e}): the code is not analytic (an abs, a real part, a conjugate?); judged by "
                        "differences"
                    )
                _ask_differences(numeric, grads, compared, limits)
                return
        row.errors[STENCIL] = abs(found.value - _dot({name: g}, v)) / size
        row.step = found.h * numeric.sizes[name]
        if rough:
            del row.errors[STENCIL]
        if numeric.complex is None:
            row.failed = not rough and not row.errors[STENCIL] <= limits.tolerance[STENCIL] + doubt
            row.directions = "" if rough else _missed(limits.tolerance[STENCIL] + doubt, 1)
            row.not_compared = (
                "differences along a direction tell nothing; only some entries were looked at" if rough else ""
            )
        elif rough:
            numeric.remarks.append(
                f"{name}: differences along a direction tell nothing; the complex step decides alone"
            )


def locate(numeric: Numeric, name: str, a: Array) -> Index:
    """Find a wrong entry of a large array by bisection; about log₂ of its size steps of two directions each."""
    low, high = 0, a.size
    flat = a.ravel()
    directions = numeric.rng.standard_normal((2, a.size))
    whole = [_error_along(numeric, name, flat, v, low, high) for v in directions]
    while high - low > 1:
        middle = (low + high) // 2
        left = [_error_along(numeric, name, flat, v, low, middle) for v in directions]
        right = [w - e for w, e in zip(whole, left, strict=True)]
        if np.linalg.norm(left) >= np.linalg.norm(right):
            high, whole = middle, left
        else:
            low, whole = middle, right
    return tuple(int(i) for i in np.unravel_index(low, a.shape))


def _error_along(numeric: Numeric, name: str, flat: Array, v: Array, low: int, high: int) -> float:
    """Return (a - n)·v over the entries from low to high."""
    part = np.zeros(len(flat))
    part[low:high] = v[low:high]
    direction = {name: part.reshape(numeric.real.arrays[name].shape)}
    if numeric.complex is not None:
        slope = _exact(numeric, direction, numeric.sizes[name])[0]
    else:
        slope = _differences(numeric, numeric.real.direction(direction), numeric.sizes[name]).value
    return float(flat[low:high] @ v[low:high]) - slope


def _dot(one: Flat, two: Flat) -> float:
    return float(sum(np.vdot(a, two[name]) for name, a in one.items()))


def _missed(tolerance: float, directions: int) -> str:
    delta = max(1e-6, 100 * tolerance)
    p = erf(tolerance / (delta * sqrt(2))) ** directions
    told = "one Gaussian direction" if directions == 1 else f"{directions} Gaussian directions"
    return f"{told}: an error of relative norm {delta:.0e} is missed with probability at most {p:.0e}"
