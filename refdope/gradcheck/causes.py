"""The causes that a report can name, and what is known of an array whose gradient is wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from refdope.checks.compared import Compared
from refdope.checks.tree import Array

# by how much a cause says: where several arrays are wrong, the first of these explains the rest
CAUSES = (
    "nan",
    "missing",
    "shape",
    "accumulated",
    "mutated",
    "random",
    "dtype",
    "stale",
    "mask",
    "dropout",
    "sign",
    "transpose",
    "order",
    "other array",
    "zero",
    "factor",
    "recurrent",
    "term",
    "derivative",
)

# by convention: what enters at the very bottom, so that all that flows back reaches it
INPUTS = ("x", "X", "input", "inputs")


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, in a sentence, and what that is concluded from.

    Attributes
    ----------
    cause : str
        One of `CAUSES`.
    text : str
    evidence : str
    arrays : tuple of str
        Where it was seen.
    sure : bool
        Whether it was seen by a relation that hardly holds by chance, though its cause is one of the vaguer ones.
    or_else : str
        The cause that is the next likely, where numbers tell the two apart by a hint only.
    """

    cause: str
    text: str
    evidence: str = ""
    arrays: tuple[str, ...] = ()
    sure: bool = False
    or_else: str = ""

    @property
    def causes(self) -> tuple[str, ...]:
        """The most likely cause, and the next, if there is one."""
        return (self.cause, self.or_else) if self.or_else else (self.cause,)

    def __str__(self) -> str:
        return f"{self.text}{f' ({self.evidence})' if self.evidence else ''}"


@dataclass(frozen=True)
class Wrong:
    """One array whose gradient is wrong, with all that a diagnosis may look at."""

    name: str
    at: Compared
    others: Mapping[str, Compared]
    param: Array
    numbers: Mapping[str, float]
    blocks: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False  # whether all other arrays are right

    @property
    def bad(self) -> Array:
        """Which entries are wrong."""
        return self.at.wrong

    @property
    def whole(self) -> bool:
        """Whether the numerical derivative is known everywhere."""
        return not np.isnan(self.at.n).any()

    def alike(self, one: Array, two: Array) -> bool:
        """Whether two sets of entries agree, for the purposes of a diagnosis: far better than a and n do."""
        known = self.bad & self.at.looked & np.isfinite(self.at.a)
        error = float(np.abs(self.at.a - self.at.n)[known].max(initial=0.0))
        near = min(max(1e-5, 20 * self.at.tolerance) * self.at.scale, 0.02 * error) + 4 * self.at.floor
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


def place(bad: Array, looked: Array, blocks: Mapping[str, Any]) -> str:
    """Tell where the wrong entries lie: blocks by name, else rows or columns; "" where they are everywhere."""
    if bad.ndim == 0 or (bad | ~looked).all():
        return ""
    if blocks:
        hit = [name for name, index in blocks.items() if np.any(bad[index])]
        return f"block{'s' * (len(hit) > 1)} {', '.join(hit)}" if 0 < len(hit) < len(blocks) else ""
    words = {1: ["entry"], 2: ["row", "column"]}.get(bad.ndim, [f"axis {k} at" for k in range(bad.ndim)])
    told = []
    for axis, word in enumerate(words):
        hit_here = np.flatnonzero(bad.any(axis=tuple(k for k in range(bad.ndim) if k != axis)))
        if len(hit_here) < bad.shape[axis]:
            told.append(f"{word} {_ranges(hit_here)}")
    return ", ".join(told)


def _ranges(found: Array) -> str:
    """Write sorted integers shortly: 0-3, 7."""
    breaks = [0, *(np.flatnonzero(np.diff(found) > 1) + 1).tolist(), len(found)]
    runs = [(found[a], found[b - 1]) for a, b in pairwise(breaks)]
    told = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs[:6]]
    return ", ".join(told) + (", …" if len(runs) > 6 else "")


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
