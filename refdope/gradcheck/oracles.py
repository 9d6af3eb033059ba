"""Numerical derivatives of a scalar function of arrays: what a hand-written gradient is checked against.

With v one entry, or a direction,

    complex step    f'(x; v) = Im f(x + i h v) / h,   h = 1e-30        exact to rounding: nothing is subtracted
    circle          f'(x; v) = Σₖ f(x + r ωᵏ v) ω⁻ᵏ / N r              ω = exp(2πi / N): error O(rᴺ) + O(ε |f| / r)
    stencil         f'(x; v) = [f(x - 2hv) - 8 f(x - hv) + 8 f(x + hv) - f(x + 2hv)] / 12 h
                                                                       error O(h⁴) + O(ε |f| / h)

The complex step needs code that is analytic (no abs, no conjugate, no cast to real). Where numbers are complex on the
way, as in an FFT, an imaginary part of 1e-30 drowns in the rounding of the real one; Cauchy's formula on a circle,
large imaginary steps, does not drown. The stencil needs nothing but a step, which `refdope.gradcheck.steps` chooses.

Sources: Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998);
Lyness and Moler, "Numerical differentiation of analytic functions", SIAM J. Numer. Anal. 4 (1967);
Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", Math. Comp. 51 (1988).
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from refdope.gradcheck.problem import Loss, Problem
from refdope.gradcheck.tree import Array, Flat

Line: TypeAlias = Callable[[Any], Any]  # s -> f(x + s v)

COMPLEX_STEP = 1e-30
EPS = float(np.finfo(np.float64).eps)
CIRCLE = np.exp(1j * np.pi * np.arange(9) / 8)  # the upper half of 16 points; f of a conjugate is the conjugate of f
WEIGHTS = np.array([1.0, *[2.0] * 7, 1.0]) / 16


def complex_step(loss: Loss, params: Any, step: float = COMPLEX_STEP) -> Flat:
    """Differentiate by the complex step, entry by entry.

    Parameters
    ----------
    loss : callable
        From arrays like `params`, but complex128, to a scalar.
    params : dict of arrays
        It may be nested, and hold lists.
    step : float

    Returns
    -------
    dict
        float64 arrays of the parameters' shapes, under dotted names if `params` is nested.

    Raises
    ------
    TypeError
        If the loss of complex parameters is not complex: somewhere they were cast to real.
    """
    around = Around(Problem(loss, params), np.complex128)
    return {name: around.entries(name, lambda line: complex_derivative(line, step)) for name in around.arrays}


def stencil(loss: Loss, params: Any, step: float = 1e-3) -> Flat:
    """Differentiate by the fourth-order central difference, entry by entry.

    Parameters
    ----------
    loss : callable
        From arrays like `params`, but float64, to a scalar.
    params : dict of arrays
        It may be nested, and hold lists.
    step : float
        h; 1e-3 balances h⁴ against rounding, for entries of size 1 and less.

    Returns
    -------
    dict
        float64 arrays of the parameters' shapes, under dotted names if `params` is nested.
    """
    around = Around(Problem(loss, params), np.float64)
    return {name: around.entries(name, lambda line: central(line, step)) for name in around.arrays}


def complex_derivative(line: Line, step: float = COMPLEX_STEP) -> float:
    """Return the derivative at 0 of a line, by the complex step."""
    value = np.asarray(line(1j * step))
    if value.dtype.kind != "c":
        raise TypeError("the loss of complex parameters came out real; is there a cast or an abs in it?")
    return float(value.imag.item()) / step


def on_circle(line: Line, radius: float) -> tuple[float, float]:
    """Return the derivative at 0 of a line by Cauchy's formula, and how far half the radius is from it."""
    large, small = (
        sum(w * (line(r * z) / z).real for w, z in zip(WEIGHTS, CIRCLE, strict=True)) / r for r in (radius, radius / 2)
    )
    return float(np.real(large)), abs(float(np.real(large - small)))


def central(line: Line, step: float) -> float:
    """Return the derivative at 0 of a line, by the fourth-order central difference."""
    near, far = at(line, step) - at(line, -step), at(line, 2 * step) - at(line, -2 * step)
    return (8 * near - far) / (12 * step)


def at(line: Line, step: float) -> float:
    """Return the loss at a step along a line; NaN where it cannot be computed, outside of its domain."""
    try:
        return scalar(line(step))
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return np.nan


def scalar(value: Any) -> float:
    """Return a loss, which may be a 0-d array or one of size 1, as a float; an overflow is as good as NaN."""
    return float(np.asarray(value).item())


class Around:
    """A loss, and a point to look at it from: copies of the arrays, which are moved and put back.

    Every call gets a tree of its own, since a loss may put something in it.

    Parameters
    ----------
    problem : Problem
    dtype : dtype
        Of the copies: float64, or complex128 for the complex step.
    """

    def __init__(self, problem: Problem, dtype: Any) -> None:
        self.problem = problem
        self.arrays = problem.copies(dtype)

    def here(self) -> Any:
        """Return the loss at the point itself."""
        return self.problem.loss_at(self.arrays)

    def entry(self, name: str, index: tuple[int, ...]) -> Line:
        """Return the line through one entry of one array."""
        array = self.arrays[name]
        was = array[index]

        def line(by: Any) -> Any:
            """Return the loss with the entry moved by so much."""
            array[index] = was + by
            try:
                return self.here()
            finally:
                array[index] = was

        return line

    def direction(self, v: Flat) -> Line:
        """Return the line along a direction: an array of its shape for every array that is moved."""
        was = {name: self.arrays[name].copy() for name in v}

        def line(by: Any) -> Any:
            """Return the loss with all arrays moved along v by so much."""
            for name, along in v.items():
                np.add(was[name], by * along, out=self.arrays[name])
            try:
                return self.here()
            finally:
                for name, array in was.items():
                    self.arrays[name][...] = array

        return line

    def entries(
        self, name: str, derivative: Callable[[Line], float], indices: list[tuple[int, ...]] | None = None
    ) -> Array:
        """Differentiate entry by entry: all of an array, in its shape, or those at some indices."""
        shape = self.arrays[name].shape
        found = [derivative(self.entry(name, index)) for index in (np.ndindex(shape) if indices is None else indices)]
        return np.array(found, np.float64).reshape(shape if indices is None else -1)


@contextmanager
def strictly_analytic() -> Iterator[None]:
    """Turn NumPy's warning that an imaginary part was discarded into an error, within the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        yield
