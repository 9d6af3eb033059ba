"""The oracles at work: numerical gradients of many arrays, within a time budget, one verdict where they differ.

Small arrays are differentiated entry by entry, by the complex step and by the stencil. Where the two differ, or differ
from the gradient that is checked, the entry is looked at closely: a kink or a jump within the stencil is no error.

Large arrays are tested along Gaussian directions v. The error (a - n)·v of a gradient a is Gaussian too, of standard
deviation ‖a - n‖, so that an error of relative norm δ stays below a tolerance τ in all of k directions with probability

    p = erf(τ / δ√2)ᵏ

An array that fails is searched by bisection: half of the direction at a time, and on with the half that is more wrong.
"""

from dataclasses import dataclass, field
from math import erf, sqrt
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from refdope.checks.oracles import (
    EPS,
    Around,
    Step,
    best_step,
    central,
    complex_derivative,
    look_closely,
    noise_of,
    scalar,
    strictly_analytic,
)
from refdope.checks.tree import Array, Flat

COMPLEX, STENCIL = "complex step", "stencil"
TOLERANCE = {COMPLEX: 1e-10, STENCIL: 1e-7}  # of max |a - n| / max |n|, for float64
LOW_PRECISION = {4: 1e-4, 2: 3e-2}  # instead, by bytes, for a gradient in float32 or float16
DIRECTIONS = 3
LOOKS = 48  # entries of one array that are looked at closely, or sampled
Index = tuple[int, ...]


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


class Entries(NamedTuple):
    """What is known of some entries of one array."""

    name: str
    indices: list[Index]
    given: Array
    n: Array  # the derivatives to believe, so far
    by_stencil: Array
    loose: float  # by how much the stencil may be off
    h: float
    oracle: str  # that n is from

    def called(self, found: list[int]) -> str:
        """Name the first of some entries, and how many there are more."""
        return f"{self.name}{_at(self.indices[found[0]])}{_more(len(found))}"


class Numeric:
    """Numerical gradients of a loss at a point.

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
            self._no_complex(f"the complex step was not asked: {told}")

    def _no_complex(self, why: str) -> None:
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

    # --------------------------------------------------------------------------------------------- entry by entry

    def entry_by_entry(self, name: str, a: Array, tolerance: dict[str, float], indices: list[Index]) -> Compared:
        """Compare entries of an array with both oracles, and settle what they disagree on.

        Parameters
        ----------
        name : str
        a : float64 array
            The gradient to check.
        tolerance : dict
            By oracle.
        indices : list of index
            Which entries.
        """
        place = tuple(np.array(axis, int) for axis in zip(*indices, strict=True)) if a.ndim else ()
        given = np.atleast_1d(a[place])
        by_complex = self._complex_entries(name, indices)
        probe = _largest(given if by_complex is None else by_complex)
        chosen = self.step(name, indices[probe], None if by_complex is None else by_complex[probe])
        by_stencil = self.real.entries(name, lambda line: central(line, chosen.h), indices)
        # the stencil's four values have weights of 1.5 in all, and the worst of many entries is some σ away
        slack = max(6 * self.noise / chosen.h, 2 * chosen.error if np.isfinite(chosen.error) else 0.0)
        scale = np.nanmax(np.abs(by_stencil if by_complex is None else by_complex), initial=0.0)
        loose = tolerance[STENCIL] * scale + slack
        if by_complex is None:
            floor = max(slack, self._cancellation(name, given, tolerance))
            known = Entries(name, indices, given, by_stencil.copy(), by_stencil, loose, chosen.h, STENCIL)
            doubtful = ~(np.abs(given - by_stencil) <= tolerance[STENCIL] * scale + floor)
        else:
            rounding = 16 * tolerance.get("rounding", 1.0) * self.rounding(name, indices[probe])
            floor = max(rounding, self._cancellation(name, given, tolerance))
            known = Entries(name, indices, given, by_complex.copy(), by_stencil, loose, chosen.h, COMPLEX)
            doubtful = ~(np.abs(by_complex - by_stencil) <= loose)
        sound, oracle = np.isfinite(given), known.oracle
        if (doubtful & sound).any():
            oracle, kinks = self._settle(known, doubtful & sound)
            if oracle == STENCIL:  # what the complex step left to rounding is nothing to go by, if it is not believed
                floor = max(slack, self._cancellation(name, given, tolerance))
            sound[kinks] = False
        whole = np.full(a.shape, np.nan)
        whole[place] = known.n if a.ndim else known.n[0]
        errors = {STENCIL: _relative(given[sound], by_stencil[sound])}
        if by_complex is not None:
            errors[COMPLEX] = _relative(given[sound], by_complex[sound])
        return Compared(a, whole, floor, tolerance[oracle], chosen.h, errors)

    def _cancellation(self, name: str, given: Array, tolerance: dict[str, float]) -> float:
        """Return what is left of a gradient whose terms cancel: some ε of the size that gradients have here."""
        natural = abs(self.value) / self.sizes[name]
        left = 32 * EPS * tolerance.get("rounding", 1.0) * min(natural, self.largest or natural)
        most = float(np.abs(given).max(initial=0.0))
        # ε beside a loss far below it is what is left when 1 - 1 is not quite 0
        return max(left, most) if self.complex and 1e6 * natural < most <= 16 * EPS else left

    def _complex_entries(self, name: str, indices: list[Index]) -> Array | None:
        if self.complex is None:
            return None
        try:
            with strictly_analytic(), np.errstate(all="ignore"):
                found = self.complex.entries(name, complex_derivative, indices)
        except Exception as error:
            self._no_complex(f"the complex step failed in {name}: {' '.join(str(error).split())}")
            return None
        return found if np.isfinite(found).all() else None

    def _settle(self, known: "Entries", doubtful: Array) -> tuple[str, list[int]]:
        """Look closely at the entries in doubt, and put what to believe into `known.n`.

        Returns
        -------
        oracle : the one that n is from
        kinks : the entries at which there is a kink or a jump
        """
        order = np.argsort(-np.abs(known.given - known.by_stencil) * doubtful, kind="stable")[: int(doubtful.sum())]
        found: dict[str, list[int]] = {"kink": [], "not analytic": [], "wrong": [], "": []}
        for k in order[:LOOKS].tolist():
            found[self._settle_entry(known, k)].append(k)
            if len(found["wrong"]) >= 4 and not found["kink"] and not found["not analytic"]:
                break  # it is simply wrong
        if found["kink"]:
            self.remarks.append(
                f"{known.called(found['kink'])}: a kink or a jump between x - h and x + h (h = {known.h:.0e}); judged "
                "by smaller steps, and at the kink itself by the slopes on its two sides"
            )
        if not found["not analytic"]:
            return known.oracle, found["kink"]
        self.remarks.append(
            f"{known.called(found['not analytic'])}: the complex step and differences disagree, so the code is not "
            "analytic there (an abs, a real part, a conjugate?); judged by differences"
        )
        rest = np.ones(len(known.n), bool)  # of which the complex step is not believed either
        rest[found["not analytic"] + found["kink"]] = False
        known.n[rest] = known.by_stencil[rest]
        return STENCIL, found["kink"]

    def _settle_entry(self, known: "Entries", k: int) -> str:
        """Settle one entry; return what is behind the doubt: a kink, code that is not analytic, a wrong gradient."""
        given, n = known.given[k], known.n
        with np.errstate(all="ignore"):
            exact = float(n[k]) if known.oracle == COMPLEX else None
            close = look_closely(self.real.entry(known.name, known.indices[k]), known.h, self.noise, exact)
        near = max(known.loose, 4 * close.error)
        if close.found in ("kink here", "jump"):
            low, high = sorted((close.left, close.right))
            # any slope between the two is a subgradient; a jump has none
            inside = close.found == "jump" or low - near <= given <= high + near
            n[k] = given if inside else close.value
            return "kink"
        not_analytic = known.oracle == COMPLEX and abs(close.value - n[k]) > near + 1e-6 * abs(close.value)
        if not_analytic or known.oracle == STENCIL:
            n[k] = close.value
        if n[k] == close.value and abs(given - n[k]) <= 4 * close.error:
            n[k] = given  # no nearer can differences tell
        if not_analytic:
            return "not analytic"
        if close.found == "kink near" and abs(known.by_stencil[k] - close.value) > near:
            return "kink"
        return "wrong" if abs(given - n[k]) > near else ""

    # ----------------------------------------------------------------------------------------------- by direction

    def by_direction(self, grads: Flat, tolerance: dict[str, float]) -> dict[str, Compared]:
        """Compare whole arrays along Gaussian directions: all at once, and one by one where that fails."""
        norms = {name: float(np.linalg.norm(a)) for name, a in grads.items()}
        unit = max(norms.values(), default=0.0) or 1.0
        weights = {name: 1 / (norm or unit) for name, norm in norms.items()}
        compared = {name: Compared(a, np.full(a.shape, np.nan)) for name, a in grads.items()}
        self._ask_stencil(grads, compared, tolerance)
        if self.complex is not None:
            together, noise = self._along(grads, weights, self.rng)
            passed = together <= tolerance[COMPLEX] + noise
            for name in grads:
                if not passed:
                    del compared[name].errors[STENCIL]  # it was of all of them together
                error = together if passed else self._along({name: grads[name]}, weights, self.rng)[0]
                said = compared[name]
                said.errors[COMPLEX] = error
                said.failed = not error <= tolerance[COMPLEX] + noise
                said.directions = _missed(tolerance[COMPLEX], DIRECTIONS)
        return compared

    def _along(self, grads: Flat, weights: dict[str, float], rng: np.random.Generator) -> tuple[float, float]:
        """Return the largest |(a - n)·v| over some directions, in units of the arrays' norms, and its rounding."""
        assert self.complex is not None
        found, noise = 0.0, 0.0
        for _ in range(DIRECTIONS):
            v = {name: np.multiply(weights[name], rng.standard_normal(a.shape)) for name, a in grads.items()}
            with np.errstate(all="ignore"):
                error = abs(_dot(grads, v) - complex_derivative(self.complex.direction(v)))
            noise = max(noise, 16 * EPS * sum(sqrt(a.size) for a in grads.values()))
            found = max(found, np.inf if np.isnan(error) else error)
        return found, noise

    def _ask_stencil(self, grads: Flat, compared: dict[str, Compared], tolerance: dict[str, float]) -> None:
        """Ask differences: along one direction of all arrays beside the complex step, else array by array."""
        groups = [list(grads)] if self.complex is not None else [[name] for name in grads]
        for names in groups:
            v = {name: np.multiply(self.sizes[name], self.rng.standard_normal(grads[name].shape)) for name in names}
            line, exact = self.real.direction(v), None
            if self.complex is not None:
                with np.errstate(all="ignore"):
                    exact = complex_derivative(self.complex.direction(v))
            chosen = best_step(line, 1e-1, self.noise, exact)
            size = sqrt(sum(float(np.linalg.norm(self.sizes[name] * grads[name])) ** 2 for name in names)) or 1.0
            error = abs(chosen.value - _dot({name: grads[name] for name in names}, v)) / size
            doubt = (2 * chosen.error + 6 * self.noise / chosen.h) / size
            if exact is not None and not abs(exact - chosen.value) / size <= 1e-6 + 6 * self.noise / chosen.h / size:
                self._no_complex(
                    f"the complex step and differences disagree along a direction ({exact:.6e}, {chosen.value:.6e}): "
                    "the code is not analytic (an abs, a real part, a conjugate?); judged by differences"
                )
                self._ask_stencil(grads, compared, tolerance)
                return
            for name in names:
                compared[name].errors[STENCIL] = error
                compared[name].step = chosen.h * self.sizes[name]
                if self.complex is None:
                    compared[name].failed = not error <= tolerance[STENCIL] + doubt
                    compared[name].directions = _missed(tolerance[STENCIL] + doubt, 1)

    def locate(self, name: str, a: Array) -> Index:
        """Find a wrong entry of a large array by bisection; about log₂ of its size steps of two directions each."""
        low, high = 0, a.size
        flat = a.ravel()
        directions = self.rng.standard_normal((2, a.size))
        whole = [self._error_along(name, flat, v, low, high) for v in directions]
        while high - low > 1:
            middle = (low + high) // 2
            left = [self._error_along(name, flat, v, low, middle) for v in directions]
            right = [w - e for w, e in zip(whole, left, strict=True)]
            if np.linalg.norm(left) >= np.linalg.norm(right):
                high, whole = middle, left
            else:
                low, whole = middle, right
        return tuple(int(i) for i in np.unravel_index(low, a.shape))

    def _error_along(self, name: str, flat: Array, v: Array, low: int, high: int) -> float:
        """Return (a - n)·v over the entries from low to high."""
        part = np.zeros(len(flat))
        part[low:high] = v[low:high]
        direction = {name: part.reshape(self.real.arrays[name].shape)}
        if self.complex is not None:
            with np.errstate(all="ignore"):
                slope = complex_derivative(self.complex.direction(direction))
        else:
            slope = best_step(self.real.direction(direction), 1e-2 * self.sizes[name], self.noise).value
        return float(flat[low:high] @ v[low:high]) - slope


def plan(shapes: dict[str, tuple[int, ...]], evaluation: float, seconds: float) -> set[str]:
    """Choose the arrays that time allows to check entry by entry, the smallest first."""
    chosen, left = set(), seconds / (2 * max(evaluation, 1e-9))  # evaluations; the other half is for the rest
    for name, shape in sorted(shapes.items(), key=lambda item: int(np.prod(item[1]))):
        left -= int(np.prod(shape)) * 5 + 40  # a complex step and the stencil's four; about forty choose the step
        if left < 0:
            break
        chosen.add(name)
    return chosen


def sample(a: Array, first: Index, looks: int, rng: np.random.Generator) -> list[Index]:
    """Choose entries of a large array to look at: one that is wrong, the largest, and some at random."""
    largest = np.argsort(-np.abs(np.nan_to_num(a)).ravel(), kind="stable")[: looks // 2]
    chance = rng.choice(a.size, min(looks // 2, a.size), replace=False)
    chosen = dict.fromkeys([int(np.ravel_multi_index(first, a.shape)), *largest.tolist(), *chance.tolist()])
    return [tuple(int(i) for i in np.unravel_index(k, a.shape)) for k in chosen]


def _size(array: Array) -> float:
    """Return the typical size of an array's entries; 1 where they are all zero."""
    return float(np.abs(array).max(initial=0.0)) or 1.0


def _largest(values: Array) -> int:
    return int(np.argmax(np.where(np.isfinite(values), np.abs(values), -1.0)))


def _relative(given: Array, found: Array) -> float:
    """Return max |a - n| / max |n|."""
    most, scale = float(np.abs(given - found).max(initial=0.0)), float(np.abs(found).max(initial=0.0))
    return most / scale if scale else most


def _dot(one: Flat, two: Flat) -> float:
    return float(sum(np.vdot(a, two[name]) for name, a in one.items()))


def _missed(tolerance: float, directions: int) -> str:
    delta = max(1e-6, 100 * tolerance)
    p = erf(tolerance / (delta * sqrt(2))) ** directions
    told = "one Gaussian direction" if directions == 1 else f"{directions} Gaussian directions"
    return f"{told}: an error of relative norm {delta:.0e} is missed with probability at most {p:.0e}"


def _at(index: Index) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _more(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""
