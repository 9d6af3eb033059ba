"""A loss at a point, ready for both oracles: how noisy it is, how long it takes, and whether it can be complex."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from refdope.gradcheck.compared import Index
from refdope.gradcheck.oracles import (
    COMPLEX_STEP,
    EPS,
    Around,
    Line,
    complex_derivative,
    on_circle,
    scalar,
    strictly_analytic,
)
from refdope.gradcheck.problem import Problem
from refdope.gradcheck.steps import Ladder, noise_of
from refdope.gradcheck.tree import Array, Flat

LOOKS = 48  # entries of a large array that are sampled
MOVES = 3  # points some ulps away, at which rounding is seen


class Numeric:
    """What the numerical gradients of a loss at a point are made with.

    Parameters
    ----------
    problem : Problem
    seed : int
        Of the directions.
    seconds : float
        What a verdict may take, roughly.

    Attributes
    ----------
    sizes : dict of float
        Of the largest entry of each array; 1 where all are zero.
    own : dict of array
        Of every entry; that of its array where it is zero.
    drowned : bool
        Whether an imaginary part of 1e-30 drowns in rounding, so that derivatives are taken on a circle.
    constant : bool
        Whether the loss does not change at all when all parameters move.
    """

    def __init__(self, problem: Problem, seed: int = 0, seconds: float = 10.0) -> None:
        self.problem = problem
        self.rng = np.random.default_rng(seed)
        self.real = Around(problem, np.float64)
        self.value, self.seconds = self._timed(self.real)
        self.sizes = {name: _size(array) for name, array in self.real.arrays.items()}
        self.own = {name: _own(array, self.sizes[name]) for name, array in self.real.arrays.items()}
        every = {name: own * self._signs(own.shape) for name, own in self.own.items()}
        points = 17 if 200 * self.seconds < seconds else 7
        line = self.real.direction(every)
        self.noise = noise_of(line, 1.0, self.value, points)
        self.constant = all(scalar(line(by)) == self.value for by in (1e-3, -1e-3, 0.03, -0.03))
        self.looks = int(np.clip(seconds / (15 * max(self.seconds, 1e-9)), 12, LOOKS))  # at entries of a large array
        self.largest = 0.0  # of the gradients to check, if they are known
        self.ask: Callable[[Flat], dict[str, Any]] | None = None  # the gradients to check, elsewhere
        self.remarks: list[str] = []
        self.drowned = False
        self.complex: Around | None = Around(problem, np.complex128)
        self.complex_seconds = 0.0
        self._moves: list[Flat] | None = None
        self._moved_grads: list[dict[str, Any]] | None = None
        self._try_complex(every)

    def _timed(self, around: Around) -> tuple[float, float]:
        """Return the loss, and the shorter time of two calls: the first may have to warm up."""
        times = []
        for _ in range(2):
            start = perf_counter()
            value = scalar(np.real(around.here()))
            times.append(perf_counter() - start)
        return value, min(times)

    def _try_complex(self, every: Flat) -> None:
        """Ask for a complex step; if the code is not made for it, say why and go without."""
        try:
            with strictly_analytic(), np.errstate(all="ignore"):
                assert self.complex is not None
                self.complex_seconds = self._timed(self.complex)[1]
                self.drowns(self.complex.direction(every))
        except Exception as error:  # whatever foreign code does with complex numbers
            told = " ".join(str(error).split())[:100] or type(error).__name__
            self.no_complex(f"the complex step was skipped: {told}")

    def no_complex(self, why: str) -> None:
        """Go without the complex step from now on, and say why."""
        self.complex = None
        self.remarks.append(why)

    def drowns(self, line: Line, own: float = 1.0) -> bool:
        """Tell whether a tiny imaginary part drowns on a line; derivatives are taken on a circle from then on.

        What an analytic function makes of it is proportional to it; what rounding makes is not.
        """
        steps = (1.0, 1e10, 1e20, 1e23)
        one, *others = (complex_derivative(line, by * COMPLEX_STEP * min(1.0, own)) for by in steps)
        if self.drowned or np.isnan(one) or all(abs(one - two) <= 1e-6 * abs(two) for two in others):
            return False
        self.drowned = True
        self.remarks.append(
            f"a complex step of {COMPLEX_STEP:.0e} drowns in rounding: numbers are complex on the way, as in an FFT; "
            "derivatives are taken by Cauchy's formula on a circle instead, whose large imaginary steps do not drown"
        )
        return True

    def analytic(self, line: Line, own: float) -> tuple[float, float]:
        """Differentiate a complex line, and tell how exactly: by the complex step, or on a circle where that drowns."""
        if not self.drowned:
            return complex_derivative(line, COMPLEX_STEP * min(1.0, own)), 0.0
        found = []
        for radius in own / 8 * 8.0 ** -np.arange(4):
            value, gap = on_circle(line, float(radius))
            error = gap + 6 * self.noise / float(radius)
            found.append((error if np.isfinite(error) else np.inf, value))
            if gap <= 1e-11 * abs(value) + 6 * self.noise / radius:
                break
        error, value = min(found)
        return value, error

    def _signs(self, shape: tuple[int, ...]) -> Array:
        return self.rng.choice([-1.0, 1.0], shape)

    def ladder(self, name: str, index: Index) -> Ladder:
        """Return the differences of one entry."""
        return Ladder(self.real.entry(name, index), float(self.own[name][index]), self.noise)

    def beside(self, name: str, index: Index, by: float) -> list[float]:
        """Return the complex step's derivatives by so much to the left and to the right of an entry."""
        assert self.complex is not None
        array, own = self.complex.arrays[name], float(self.own[name][index])
        was, found = array[index], []
        for moved in (was - by, was + by):
            array[index] = moved
            found.append(self.analytic(self.complex.entry(name, index), own)[0])
            array[index] = was
        return found

    @property
    def moves(self) -> list[Flat]:
        """The point moved by some ulps, a few times."""
        if self._moves is None:
            self._moves = [
                {name: a * (1 + 4 * EPS * self.rng.standard_normal(a.shape)) for name, a in self.real.arrays.items()}
                for _ in range(MOVES)
            ]
        return self._moves

    def rounding(self, name: str, index: Index) -> float:
        """Estimate the rounding error of a complex step: how much it changes when the point moves by some ulps."""
        assert self.complex is not None
        was = {other: array.copy() for other, array in self.complex.arrays.items()}
        found = []
        for moved in self.moves:
            for other, array in self.complex.arrays.items():
                array[...] = moved[other]
            found.append(self.analytic(self.complex.entry(name, index), float(self.own[name][index]))[0])
        for other, array in self.complex.arrays.items():
            array[...] = was[other]
        return float(np.ptp(found))

    def spread(self, name: str) -> Array | None:
        """Estimate the rounding error of the gradient that is checked, in the same way; None if it cannot be asked."""
        if self.ask is None:
            return None
        if self._moved_grads is None:
            try:
                self._moved_grads = [self.ask(moved) for moved in self.moves]
            except Exception:  # foreign code, at a point that nobody asked it for
                self._moved_grads = []
        found = [np.asarray(g[name], np.float64) for g in self._moved_grads if g.get(name) is not None]
        if len(found) < MOVES or any(g.shape != self.own[name].shape for g in found):
            return None
        return np.ptp(found, axis=0)


def _size(array: Array) -> float:
    """Return the size of an array's largest entry; 1 where they are all zero."""
    return float(np.abs(array).max(initial=0.0)) or 1.0


def _own(array: Array, size: float) -> Array:
    """Return the size of every entry, that of the largest where it is zero: what its steps are relative to."""
    sizes = np.abs(array)
    return np.where(sizes == 0, size, np.maximum(sizes, 1e-20 * size))
