"""A loss at a point, ready for both oracles: how noisy it is, how long it takes, and whether it can be complex."""

from time import perf_counter
from typing import Any

import numpy as np

from refdope.checks.compared import Index
from refdope.checks.oracles import EPS, Around, complex_derivative, scalar, strictly_analytic
from refdope.checks.steps import Step, best_step, noise_of
from refdope.checks.tree import Array, Flat

LOOKS = 48  # entries of one array that are looked at closely, or sampled


class Numeric:
    """What the numerical gradients of a loss at a point are made with.

    Parameters
    ----------
    loss : callable
    params : nested dict of float arrays
    seed : int
        Of the directions.
    seconds : float
        What a verdict may take, roughly.
    """

    def __init__(self, loss: Any, params: Any, seed: int = 0, seconds: float = 10.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.real = Around(loss, params, np.float64)
        self.value, self.seconds = self._timed(self.real)
        self.sizes = {name: _size(array) for name, array in self.real.arrays.items()}
        every = {name: self.sizes[name] * self._signs(array.shape) for name, array in self.real.arrays.items()}
        points = 17 if 200 * self.seconds < seconds else 7
        self.noise = noise_of(self.real.direction(every), 1.0, self.value, points)
        self.looks = int(np.clip(seconds / (15 * max(self.seconds, 1e-9)), 12, LOOKS))  # at entries of a large array
        self.largest = 0.0  # of the gradients to check, if they are known
        self.remarks: list[str] = []
        self.complex: Around | None = Around(loss, params, np.complex128)
        self.complex_seconds = 0.0
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
                complex_derivative(self.complex.direction(every))
        except Exception as error:  # whatever foreign code does with complex numbers
            told = " ".join(str(error).split())[:100] or type(error).__name__
            self.no_complex(f"the complex step was skipped: {told}")

    def no_complex(self, why: str) -> None:
        """Go without the complex step from now on, and say why."""
        self.complex = None
        self.remarks.append(why)

    def _signs(self, shape: tuple[int, ...]) -> Array:
        return self.rng.choice([-1.0, 1.0], shape)

    def step(self, name: str, index: Index, exact: float | None) -> Step:
        """Choose the stencil's step for an array: the bottom of the V at one of its entries."""
        return best_step(self.real.entry(name, index), self.sizes[name], self.noise, exact)

    def rounding(self, name: str, index: Index) -> float:
        """Estimate the rounding error of a complex step: how much it changes when the point moves by some ulps."""
        assert self.complex is not None
        was = {other: array.copy() for other, array in self.complex.arrays.items()}
        found = []
        for _ in range(3):
            for array in self.complex.arrays.values():
                array *= 1 + 4 * EPS * self.rng.standard_normal(array.shape)
            found.append(complex_derivative(self.complex.entry(name, index)))
            for other, array in self.complex.arrays.items():
                array[...] = was[other]
        return float(np.ptp(found))


def _size(array: Array) -> float:
    """Return the typical size of an array's entries; 1 where they are all zero."""
    return float(np.abs(array).max(initial=0.0)) or 1.0
