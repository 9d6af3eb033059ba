"""Large arrays along Gaussian directions v, and where in one that fails the error is.

The error (a - n)·v of a gradient a is Gaussian too, of standard deviation ‖a - n‖, so that an error of relative norm δ
stays below a tolerance τ in all of k directions with probability

    p = erf(τ / δ√2)ᵏ

An array that fails is searched by bisection: half of the direction at a time, and on with the half that is more wrong.
"""

from math import erf, sqrt

import numpy as np

from refdope.checks.compared import COMPLEX, STENCIL, Compared, Index
from refdope.checks.numeric import Numeric
from refdope.checks.oracles import EPS, complex_derivative
from refdope.checks.steps import best_step
from refdope.checks.tree import Array, Flat

DIRECTIONS = 3


def by_direction(numeric: Numeric, grads: Flat, tolerance: dict[str, float]) -> dict[str, Compared]:
    """Compare whole arrays along Gaussian directions: by the complex step all at once, and one by one if that fails."""
    norms = {name: float(np.linalg.norm(a)) for name, a in grads.items()}
    unit = max(norms.values(), default=0.0) or 1.0
    weights = {name: 1 / (norm or unit) for name, norm in norms.items()}
    compared = {name: Compared(a, np.full(a.shape, np.nan)) for name, a in grads.items()}
    _ask_stencil(numeric, grads, compared, tolerance)
    if numeric.complex is not None:
        together, noise = _along(numeric, grads, weights, numeric.rng)
        passed = together <= tolerance[COMPLEX] + noise
        for name in grads:
            error = together if passed else _along(numeric, {name: grads[name]}, weights, numeric.rng)[0]
            said = compared[name]
            said.errors[COMPLEX] = error
            said.failed = not error <= tolerance[COMPLEX] + noise
            said.directions = _missed(tolerance[COMPLEX], DIRECTIONS)
    return compared


def _along(numeric: Numeric, grads: Flat, weights: dict[str, float], rng: np.random.Generator) -> tuple[float, float]:
    """Return the largest |(a - n)·v| over some directions, in units of the arrays' norms, and its rounding."""
    assert numeric.complex is not None
    found, noise = 0.0, 0.0
    for _ in range(DIRECTIONS):
        v = {name: np.multiply(weights[name], rng.standard_normal(a.shape)) for name, a in grads.items()}
        with np.errstate(all="ignore"):
            error = abs(_dot(grads, v) - complex_derivative(numeric.complex.direction(v)))
        noise = max(noise, 16 * EPS * sum(sqrt(a.size) for a in grads.values()))
        found = max(found, np.inf if np.isnan(error) else error)
    return found, noise


def _ask_stencil(numeric: Numeric, grads: Flat, compared: dict[str, Compared], tolerance: dict[str, float]) -> None:
    """Ask differences, array by array: what is not analytic in one of them must not hide behind another."""
    for name, g in grads.items():
        v = {name: np.multiply(numeric.sizes[name], numeric.rng.standard_normal(g.shape))}
        line, exact = numeric.real.direction(v), None
        if numeric.complex is not None:
            with np.errstate(all="ignore"):
                exact = complex_derivative(numeric.complex.direction(v))
        chosen = best_step(line, 1e-1, numeric.noise, exact)
        size = numeric.sizes[name] * float(np.linalg.norm(g)) or 1.0
        error = abs(chosen.value - _dot({name: g}, v)) / size
        doubt = (2 * chosen.error + 6 * numeric.noise / chosen.h) / size
        if exact is not None and not abs(exact - chosen.value) / size <= 1e-6 + 6 * numeric.noise / chosen.h / size:
            numeric.no_complex(
                f"the complex step and differences disagree along a direction ({exact:.6e}, {chosen.value:.6e}): "
                "the code is not analytic (an abs, a real part, a conjugate?); judged by differences"
            )
            _ask_stencil(numeric, grads, compared, tolerance)
            return
        compared[name].errors[STENCIL] = error
        compared[name].step = chosen.h * numeric.sizes[name]
        if numeric.complex is None:
            compared[name].failed = not error <= tolerance[STENCIL] + doubt
            compared[name].directions = _missed(tolerance[STENCIL] + doubt, 1)


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
        with np.errstate(all="ignore"):
            slope = complex_derivative(numeric.complex.direction(direction))
    else:
        slope = best_step(numeric.real.direction(direction), 1e-2 * numeric.sizes[name], numeric.noise).value
    return float(flat[low:high] @ v[low:high]) - slope


def _dot(one: Flat, two: Flat) -> float:
    return float(sum(np.vdot(a, two[name]) for name, a in one.items()))


def _missed(tolerance: float, directions: int) -> str:
    delta = max(1e-6, 100 * tolerance)
    p = erf(tolerance / (delta * sqrt(2))) ** directions
    told = "one Gaussian direction" if directions == 1 else f"{directions} Gaussian directions"
    return f"{told}: an error of relative norm {delta:.0e} is missed with probability at most {p:.0e}"
