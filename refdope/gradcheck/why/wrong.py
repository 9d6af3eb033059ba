"""One wrong array with all that a diagnosis may look at, and a name for the factor that it is off by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from refdope.gradcheck.compared import Compared
from refdope.gradcheck.tree import Array

# by convention: what enters at the very bottom, so that all that flows back reaches it
INPUTS = ("x", "X", "input", "inputs")


@dataclass(frozen=True)
class Wrong:
    """One array whose gradient is wrong, with all that a diagnosis may look at.

    Attributes
    ----------
    at : Compared
        Its gradient beside the numerical one.
    others : dict of Compared
        Those of all arrays.
    param : array
    numbers : dict of float
        What a factor may be.
    tied : tuple of str
        Other names of the same memory.
    alone : bool
        Whether all other arrays are right.
    """

    at: Compared
    others: Mapping[str, Compared]
    param: Array
    numbers: Mapping[str, float]
    tied: tuple[str, ...] = ()
    alone: bool = False

    @property
    def name(self) -> str:
        """Of the array."""
        return self.at.name

    @property
    def blocks(self) -> Mapping[str, Any]:
        """Parts of the array by name."""
        return self.at.blocks

    @property
    def bad(self) -> Array:
        """Which entries are wrong."""
        return self.at.wrong

    @property
    def whole(self) -> bool:
        """Whether the numerical derivative is known everywhere."""
        return bool(self.at.known.all())

    def alike(self, one: Array, two: Array) -> bool:
        """Whether two sets of entries agree, for the purposes of a diagnosis: far better than a and n do."""
        known = self.bad & self.at.known & np.isfinite(self.at.a)
        error = float(np.abs(self.at.a - self.at.n)[known].max(initial=0.0))
        near = min(max(1e-5, 20 * self.at.tolerance) * self.at.scale, 0.02 * error) + 4 * float(np.max(self.at.floor))
        return one.shape == two.shape and bool(np.all(np.abs(one - two) <= near))

    def rank(self, matrix: Array) -> int:
        """Return a matrix's rank, what is within the tolerance counted as zero."""
        return int(np.linalg.matrix_rank(matrix, max(1e-6, 20 * self.at.tolerance) * self.at.scale))

    def alike_others(self) -> Iterator[tuple[str, Array]]:
        """Yield the numerical gradients of the other arrays, where they are known and not zero."""
        for name, other in self.others.items():
            if name != self.name and np.any(other.n) and not np.isnan(other.n).any():
                yield name, other.n


def name_factor(c: float, numbers: Mapping[str, float]) -> tuple[bool, str]:
    """Name a factor by numbers that a function reads; the first result is whether it is a dropout's 1 - p.

    First 1 - p and 1 / (1 - p) of every rate p; then the numbers and sizes, their inverses and squares; then small
    numbers; then roots; then products and ratios of two.
    """

    def named(candidates: Iterator[tuple[str, float]]) -> str:
        """Return the name of the first candidate that c is; "" if it is none."""
        return next((text for text, value in candidates if abs(c - value) <= 1e-6 * abs(c)), "")

    found = named(_dropouts(numbers))
    if found:
        return True, found
    sizes = {name: v for name, v in numbers.items() if v not in (0, 1) and np.isfinite(v)}
    return False, named(_powers(sizes)) or named(_small()) or named(_roots(sizes)) or named(_products(sizes))


def _dropouts(numbers: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for name, p in numbers.items():
        word = name.rpartition(".")[2].lower()
        if 0 < p < 1 and (word in ("p", "q") or "rate" in word or "drop" in word):
            yield from ((f"1 - {name}", 1 - p), (f"1 / (1 - {name})", 1 / (1 - p)))
        if 0 < p < 1 and "keep" in word:
            yield from ((name, p), (f"1 / {name}", 1 / p))


def _powers(sizes: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for name, v in sizes.items():
        yield from ((name, v), (f"1 / {name}", 1 / v), (f"-{name}", -v), (f"{name}²", v * v))


def _roots(sizes: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for name, v in sizes.items():
        yield from ((f"√{name}", abs(v) ** 0.5), (f"1 / √{name}", abs(v) ** -0.5))


def _small() -> Iterator[tuple[str, float]]:
    for v in (2, 3, 4):
        yield from ((f"{v}", v), (f"1/{v}", 1 / v), (f"-{v}", -v), (f"-1/{v}", -1 / v))


def _products(sizes: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for (one, v), (two, u) in combinations_with_replacement(sizes.items(), 2):
        yield from ((f"{one} · {two}", v * u), (f"1 / ({one} · {two})", 1 / (v * u)))
        if one != two:
            yield from ((f"{one} / {two}", v / u), (f"{two} / {one}", u / v))


def parts(shape: tuple[int, ...]) -> dict[str, Any]:
    """Split the first axis into 2, 3 and 4 equal parts, where nobody named any."""
    if not shape:
        return {}
    return {
        f"rows {k * size}-{(k + 1) * size - 1}": np.s_[k * size : (k + 1) * size]
        for count in (2, 3, 4)
        if shape[0] % count == 0 and (size := shape[0] // count)
        for k in range(count)
    }
