"""One array's gradient beside the numerical one: how far apart they are, where, and what could not be compared.

    entry i is wrong where |aᵢ - nᵢ| > tolerance · |nᵢ| + floorᵢ,    a the gradient that is checked, n the numerical one

with the floor that rounding and the truncation of differences leave at that entry. For gradients that are coarser than
float64, and for a tolerance that the caller chose, max |n| stands for |nᵢ|.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from refdope.gradcheck.causes import Diagnosis
from refdope.gradcheck.tree import Array

Index: TypeAlias = tuple[int, ...]

COMPLEX, STENCIL = "complex step", "stencil"


@dataclass
class Compared:
    """One array's gradient `a`, beside the numerical one `n`, which is NaN where nobody looked.

    Attributes
    ----------
    name : str
    a, n : float64 array
    floor : array or float
        Absolute errors up to it are none: what rounding, and the truncation of differences, leave at each entry.
    tolerance : float
        Relative to |n| of the entry, or to max |n| if `by_largest`.
    step : float
        The stencil's.
    errors : dict
        max |a - n| / max |n| by oracle, "complex step" and "stencil"; kinks left out. Along directions,
        |(a - n)·v| / ‖a‖.
    directions : str
        What a test along directions found and may have missed.
    failed : bool
        Along directions.
    not_compared : str
        Which entries could not be compared, and why. Such an array is not ok.
    blocks : dict
        Parts of the array by name, such as the gates of an LSTM.
    diagnosis : Diagnosis or None
        What is wrong with it.
    """

    name: str
    a: Array
    n: Array
    floor: Any = 0.0
    tolerance: float = 0.0
    by_largest: bool = False
    step: Any = 0.0
    errors: dict[str, float] = field(default_factory=dict)
    directions: str = ""
    failed: bool = False
    not_compared: str = ""
    blocks: Mapping[str, Any] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.a.shape

    @property
    def size(self) -> int:
        """How many entries there are."""
        return int(self.a.size)

    @property
    def known(self) -> Array:
        """Where a numerical derivative is known."""
        return ~np.isnan(self.n)

    @property
    def looked(self) -> int:
        """How many entries were looked at."""
        return int(self.known.sum())

    @property
    def scale(self) -> float:
        """Return max |n|, over where it is known."""
        return float(np.max(np.abs(self.n), initial=0.0, where=self.known))

    @property
    def wrong(self) -> Array:
        """Which entries are further from n than the tolerance and the floor allow; NaN and Inf always are."""
        with np.errstate(invalid="ignore"):
            size = self.scale if self.by_largest else np.abs(self.n)
            near = np.abs(self.a - self.n) <= self.tolerance * size + self.floor
        return (~near & self.known) | (~np.isfinite(self.a) & (not self.refused))

    @property
    def refused(self) -> bool:
        """Whether there is no gradient that could be compared: it is missing, or of another shape."""
        return bool(self.not_compared and np.isnan(self.a).all() and not self.known.any())

    @property
    def bad(self) -> int:
        """How many entries are wrong."""
        return int(self.wrong.sum())

    @property
    def ok(self) -> bool:
        """Whether all that there is was compared, and is right."""
        return not self.failed and not self.not_compared and not self.wrong.any()

    @property
    def error(self) -> float:
        """Return max |a - n| / max |n|, without what rounding explains."""
        if not self.known.any():
            return np.inf if self.refused else max(self.errors.values(), default=0.0)
        if not np.isfinite(self.a).all():
            return np.nan
        with np.errstate(invalid="ignore"):
            gap = np.where(self.known, np.abs(self.a - self.n), 0.0)
        most = float(np.max(gap, initial=0.0, where=gap > self.floor))
        return 0.0 if most == 0 else most / self.scale if self.scale else np.inf

    @property
    def index(self) -> Index:
        """The entry with the largest error, among those that are wrong if there are any; () where nobody looked."""
        if not self.known.any():
            return ()
        finite = np.isfinite(self.a)
        gap = np.where(self.known & finite, np.abs(np.where(finite, self.a, 0) - self.n), -1.0)
        wrong = self.wrong
        gap = np.where(finite, np.where(wrong | ~wrong.any(), gap, -1.0), np.inf)
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(gap)), gap.shape))

    @property
    def analytic(self) -> float:
        """The derivative of the worst entry as given."""
        return float(self.a[self.index]) if self.looked else np.nan

    @property
    def numeric(self) -> float:
        """The derivative of the worst entry as it should be."""
        return float(self.n[self.index]) if self.looked else np.nan

    @property
    def where(self) -> str:
        """Blocks, rows or columns of the wrong entries."""
        return place(self.wrong, self.known, self.blocks) if self.wrong.any() else ""

    @property
    def verdict(self) -> str:
        """The verdict in a word or two."""
        if self.ok:
            return "ok"
        return "WRONG" if self.failed or self.refused or self.wrong.any() else "NOT COMPARED"

    @property
    def how_many(self) -> str:
        """How many entries are wrong, of how many that were looked at."""
        if not self.looked:
            return "along directions" if self.errors and not self.not_compared else "not compared"
        return f"{self.bad} of {self.looked} entries" + (
            f" sampled from {self.size}" if self.looked < self.size and self.directions else ""
        )

    @property
    def entry(self) -> str:
        """The worst entry, in one line."""
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        block = [name for name, index in self.blocks.items() if self.index and _within(self.shape, index, self.index)]
        inside = f" ({', '.join(block)})" if block else ""
        return f"{self.name}{at}{inside} is {self.analytic:+.6e}, should be {self.numeric:+.6e}"

    def __str__(self) -> str:
        head = f"{self.verdict:<5} {self.name:<20} {self.shape!s:<12}"
        if self.ok:
            return f"{head} {'  '.join(f'{oracle} {error:.1e}' for oracle, error in sorted(self.errors.items()))}"
        if self.verdict == "NOT COMPARED":
            return f"{head} {self.not_compared}"
        error = f"error {self.error:.1e}, " if self.looked or self.errors else ""
        lines = [f"{head} {error}{self.how_many}{f', {self.where}' if self.where else ''}"]
        if self.looked:
            lines.append(f"      worst: {self.entry}")
        if self.diagnosis:
            lines.append(f"      {self.diagnosis}")
        if self.not_compared and not self.refused:
            lines.append(f"      not compared: {self.not_compared}")
        return "\n".join(lines)


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
            told.append(f"{word} {ranges(hit_here)}")
    return ", ".join(told)


def ranges(found: Array) -> str:
    """Write sorted integers shortly: 0-3, 7."""
    breaks = [0, *(np.flatnonzero(np.diff(found) > 1) + 1).tolist(), len(found)]
    runs = [(found[a], found[b - 1]) for a, b in pairwise(breaks)]
    told = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs[:6]]
    return ", ".join(told) + (", …" if len(runs) > 6 else "")


def _within(shape: tuple[int, ...], block: Any, index: Index) -> bool:
    inside: Array = np.zeros(shape, bool)
    inside[block] = True
    return bool(inside[index])
