"""From a wrong gradient to what it most likely is: each cause is a relation that the wrong entries keep.

Over the wrong entries of an array, with a the gradient that was given and n the numerical one,

    sign         a = -n                             transpose    a = nᵀ
    factor       a = c n, one c for all             order        a holds the values of n in other places
    zero         a = 0, n is not                    other array  a = n of another array, or of another block
    mask         n = 0, a is not                    term         n - a is the parameter, or of lower rank than n, …

and the first that holds is named, with the numbers that it was seen by. What no relation explains is told apart by which
arrays and blocks are wrong: one block alone (a non-linearity's derivative), one product's operand, a term of a sum.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from refdope.checks.numeric import Compared
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
    "operand",
    "term",
    "derivative",
)

# by convention: what enters at the very bottom, so that all that flows back reaches it; and gains with their shifts
INPUTS = ("x", "X", "input", "inputs")
GAINS, SHIFTS = ("gamma", "gain", "scale"), ("beta", "bias", "shift")


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
    """

    cause: str
    text: str
    evidence: str = ""
    arrays: tuple[str, ...] = ()

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
        """Return which entries are wrong."""
        return self.at.wrong

    def alike(self, one: Array, two: Array) -> bool:
        """Whether two sets of entries agree, for the purposes of a diagnosis."""
        return one.shape == two.shape and bool(
            np.all(np.abs(one - two) <= max(1e-5, 20 * self.at.tolerance) * self.at.scale + 4 * self.at.floor)
        )


def of_array(wrong: Wrong) -> Diagnosis:
    """Return the most specific relation that the wrong entries of an array keep."""
    relations: tuple[Callable[[Wrong], Diagnosis | None], ...] = (
        _not_finite,
        _leaks,
        _other_mask,
        _all_zero,
        _sign,
        _transposed,
        _other_array,
        _constant_factor,
        _other_block,
        _other_order,
        _missing_term,
    )
    for relation in relations:
        found = relation(wrong)
        if found:
            where = place(wrong.bad, wrong.at.looked, wrong.blocks)
            return Diagnosis(found.cause, f"{found.text}{f', in {where}' if where else ''}", found.evidence, (wrong.name,))
    return _unexplained(wrong)


# ------------------------------------------------------------------------------------------------------ the relations


def _not_finite(w: Wrong) -> Diagnosis | None:
    bad = ~np.isfinite(w.at.a)
    if not bad.any():
        return None
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return Diagnosis("nan", "the gradient is not finite", f"{w.at.a[first]} at {list(first)}, {bad.sum()} of {bad.size}")


def _leaks(w: Wrong) -> Diagnosis | None:
    n = w.at.n[w.bad]
    if w.at.scale == 0 or np.any(np.abs(n) > 1e-12 * w.at.scale):
        if w.at.scale or np.any(n):
            return None
        return Diagnosis("mask", "a gradient where there is none", "the loss does not depend on this array at all")
    return Diagnosis(
        "mask",
        "entries that the loss does not depend on (masked, dropped or unused) get a gradient",
        f"the numerical derivative is 0 at all {int(w.bad.sum())} wrong entries, and the others are right",
    )


def _other_mask(w: Wrong) -> Diagnosis | None:
    """Look for zeros in the wrong places: some entries leak, and others that should have a gradient have none."""
    a, n = np.abs(w.at.a[w.bad]), np.abs(w.at.n[w.bad])
    small = 1e-12 * w.at.scale
    leaks, lost = (n <= small) & (a > small), (a <= small) & (n > small)
    if not (leaks.any() and lost.any() and (leaks | lost).all()):
        return None
    return Diagnosis(
        "mask",
        "another mask than the forward pass's",
        f"{int(leaks.sum())} entries get a gradient that have none, {int(lost.sum())} get none that have one",
    )


def _all_zero(w: Wrong) -> Diagnosis | None:
    if np.any(w.at.a[w.bad]):
        return None
    whole = not np.any(w.at.a)
    if not whole and _few_rows(w):
        return None
    return Diagnosis("zero", "zero, where there should be a gradient", f"up to {w.at.scale:.3g}")


def _few_rows(w: Wrong) -> bool:
    """Whether there is too little to tell a zero from a term that is missing."""
    return int(w.bad.sum()) < 2


def _sign(w: Wrong) -> Diagnosis | None:
    a, n = w.at.a[w.bad], w.at.n[w.bad]
    if not w.alike(a, -n):
        return None
    return Diagnosis("sign", "the sign is flipped", f"a = -n at all {a.size} wrong entries")


def _transposed(w: Wrong) -> Diagnosis | None:
    a, n = w.at.a, w.at.n
    if a.ndim == 2 and a.shape[0] == a.shape[1] and not np.isnan(n).any() and w.alike(a, n.T):
        return Diagnosis("transpose", "transposed", "a = nᵀ, entry for entry")
    return None


def _other_array(w: Wrong) -> Diagnosis | None:
    if np.isnan(w.at.n).any():
        return None
    for name, other in w.others.items():
        if name == w.name or np.isnan(other.n).any() or not np.any(other.n):
            continue
        if other.n.shape == w.at.a.shape and w.alike(w.at.a, other.n):
            return Diagnosis("other array", f"this is the gradient of {name}", f"a = n of {name}, entry for entry")
        if other.n.ndim == 2 and other.n.T.shape == w.at.a.shape and w.alike(w.at.a, other.n.T):
            return Diagnosis("other array", f"this is the gradient of {name}, transposed", f"a = nᵀ of {name}")
    return None


def _constant_factor(w: Wrong) -> Diagnosis | None:
    a, n = w.at.a[w.bad], w.at.n[w.bad]
    c = float(a @ n / (n @ n)) if np.any(n) else 0.0
    if c == 0 or not w.alike(a, c * n) or not w.alike(a / c, n):
        return None
    dropout, named = name_factor(c, w.numbers)
    if np.count_nonzero(np.abs(n) > 1e-3 * w.at.scale) < 3 and not named:
        return None  # two numbers always have some ratio
    told = f"a = {c:.6g} n at all {a.size} wrong entries" + (f"; {c:.6g} = {named}" if named else "")
    if dropout:
        return Diagnosis("dropout", f"off by the factor {c:.4g}: a dropout that was not rescaled", told)
    return Diagnosis("factor", f"off by the constant factor {c:.4g}{f' = {named}' if named else ''}", told)


def _other_block(w: Wrong) -> Diagnosis | None:
    """Look for the gradient of another block: of this array, or of the same place in another one."""
    blocks = dict(w.blocks) or _parts(w.at.a.shape)
    if np.isnan(w.at.n).any():
        return None
    wrong = {name: index for name, index in blocks.items() if np.any(w.bad[index])}
    copied: dict[str, str] = {}
    for name, index in wrong.items():
        mine = w.at.a[index]
        for other, place_of in blocks.items():
            there = w.at.n[place_of]
            if other != name and np.any(there) and w.alike(mine, there):
                copied[name] = other
        for other, at in w.others.items():
            if other != w.name and at.n.shape == w.at.n.shape and np.any(at.n) and w.alike(mine, at.n[index]):
                copied[name] = f"{name} of {other}"
    if not copied:
        return None
    told = ", ".join(f"{name} has that of {other}" for name, other in copied.items())
    if len(copied) > 1 and set(copied) == set(copied.values()):
        return Diagnosis("order", "blocks are exchanged", told)
    return Diagnosis("other array", "another block's gradient", told)


def _other_order(w: Wrong) -> Diagnosis | None:
    a, n = w.at.a, w.at.n
    if np.isnan(n).any() or a.size < 2:
        return None
    for text, moved in _reorderings(n):
        if w.alike(a, moved):
            return Diagnosis("order", f"the right values in other places: {text}", "all entries of n, moved")
    for axis in range(a.ndim):  # shifted, with something else let in at the end
        size = a.shape[axis]
        for by in (1, -1):
            if size > 2 and w.alike(
                np.take(a, np.arange(max(by, 0), size + min(by, 0)), axis),
                np.take(n, np.arange(max(-by, 0), size + min(-by, 0)), axis),
            ):
                return Diagnosis("order", f"the right values in other places: shifted by one along axis {axis}", "")
    if w.bad.sum() > 2 and w.alike(np.sort(a, axis=None), np.sort(n, axis=None)):
        return Diagnosis("order", "the right values in other places", "sorted, a and n are the same numbers")
    return None


def _reorderings(n: Array) -> Iterator[tuple[str, Array]]:
    if n.ndim >= 2:
        yield "reshaped in column-major order", n.ravel(order="F").reshape(n.shape)
        yield "reshaped in column-major order", n.ravel().reshape(n.shape, order="F")
    for axis in range(n.ndim):
        yield f"axis {axis} is reversed", np.flip(n, axis)
        for by in (1, -1):
            yield f"shifted by one along axis {axis}", np.roll(n, by, axis)


def _missing_term(w: Wrong) -> Diagnosis | None:
    """Look at the difference n - a: is it something known, or of lower rank, or only in some rows?"""
    a, n, bad = w.at.a, w.at.n, w.bad
    gap = np.where(np.isnan(n), 0, n - a)
    c = _ratio(gap, w.param)
    if c and w.alike(gap, c * w.param):
        return Diagnosis("term", "a multiple of the parameter itself is missing", f"n - a = {c:.6g} × the parameter; weight decay?")
    for name, other in w.others.items():
        if other.n.shape == gap.shape and name != w.name and not np.isnan(other.n).any():
            c = _ratio(gap, other.n)
            if c and w.alike(gap, c * other.n):
                return Diagnosis("term", f"{c:.4g} × the gradient of {name} is missing", "n - a is a multiple of it")
    found = _whole_parts(w, gap) or _invariance(w)
    if found:
        return found
    if a.ndim == 2 and not np.isnan(n).any():
        tolerance = max(1e-6, 20 * w.at.tolerance) * w.at.scale
        of_a, of_n, of_gap = (int(np.linalg.matrix_rank(x, tolerance)) for x in (a, n, gap))
        if of_a < of_n:
            return Diagnosis(
                "term",
                "terms of a sum are missing: `=` where `+=` should be, or only one step or row was taken",
                f"a has rank {of_a}, n has rank {of_n}",
            )
        if w.alone and bad.any(1).all() and of_gap < of_n and of_gap < min(a.shape):  # else it may be narrow elsewhere
            return Diagnosis(
                "term", "a term of a sum is missing or left over", f"n - a has rank {of_gap}, n has rank {of_n}"
            )
    if a.ndim and not w.blocks:
        axes = tuple(range(1, a.ndim))
        wrong, used = bad.any(axis=axes), (np.abs(np.nan_to_num(n)) > 1e-3 * w.at.scale).any(axis=axes)
        if np.any(used & ~wrong):
            return Diagnosis(
                "term",
                f"a term is missing or left over in {int(wrong.sum())} of {len(wrong)} rows",
                "the other rows are right",
            )
    return None


def _whole_parts(w: Wrong, gap: Array) -> Diagnosis | None:
    """Look for a difference in whole multiples of 1 / N: counts, as the targets of a softmax leave them in its bias."""
    if gap.ndim != 1 or len(gap) < 3 or np.isnan(w.at.n).any():
        return None
    for N in range(1, 65):
        parts = gap * N
        if np.abs(parts - np.round(parts)).max() > 1e-6 or np.abs(parts).max() < 0.5:
            continue
        told = f"n - a is whole multiples of 1 / {N}"
        if abs(gap.sum()) < 1e-9 and abs(w.at.n.sum()) < 1e-9:
            return Diagnosis("operand", "other targets than the loss's", f"{told}, and a sums to 0 as n does")
        return Diagnosis("term", "the targets are left out, or some of them", f"{told}; of a softmax's targets?")
    return None


def _invariance(w: Wrong) -> Diagnosis | None:
    """Look for an invariance of the loss that n has and a has not: by a shift or a scale of the array, along an axis.

    A normalisation by mean and variance, or a softmax, makes the loss invariant; what keeps its gradient so is the path
    through the mean, the variance, or the sum.
    """
    a, n, x = w.at.a, w.at.n, w.param
    if a.ndim < 2 or np.isnan(n).any() or a.size < 3 * max(a.shape):  # too few lines: it might be chance
        return None
    for axis in range(a.ndim):
        centred = x - x.mean(axis, keepdims=True)
        for text, along in (("shift", np.ones_like(x)), ("scale", centred)):
            size = np.abs(n * along).sum(axis) + 1e-300
            if np.all(np.abs((n * along).sum(axis)) < 0.02 * size) and np.any(np.abs((a * along).sum(axis)) > 0.1 * size):
                through = "mean or a sum" if text == "shift" else "variance"
                return Diagnosis(
                    "term",
                    f"a path is missing, such as that through the {through} of a normalisation",
                    f"a {text} along axis {axis} does not change the loss (n sums to 0 there), but a says that it does",
                )
    return None


def _ratio(one: Array, two: Array) -> float:
    """Return the c for which c · two is nearest to one."""
    size = float(np.vdot(two, two).real)
    return float(np.vdot(two, one).real) / size if size else 0.0


def _unexplained(w: Wrong) -> Diagnosis:
    where = place(w.bad, w.at.looked, w.blocks)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (w.at.a / w.at.n)[w.bad & (np.abs(w.at.n) > 1e-3 * w.at.scale)]
    spread = f"a / n from {ratio.min():.3g} to {ratio.max():.3g}" if ratio.size else "n is about 0"
    return Diagnosis(
        "derivative",
        f"no simple relation{f', in {where}' if where else ''}: the derivative of a non-linearity left out or a wrong "
        "one used, here or above",
        spread,
        (w.name,),
    )


# ------------------------------------------------------------------------------------------------- several arrays


def of_all(wrongs: list[Wrong], right: list[str]) -> Diagnosis | None:
    """Conclude from which arrays and blocks are wrong, and how each is, what the one error behind them most likely is."""
    if not wrongs:
        return None
    each = [of_array(w) for w in wrongs]
    vague = [w for w, found in zip(wrongs, each, strict=True) if found.cause == "derivative"]
    pair = _pair(vague, wrongs)
    gate = _one_block(wrongs)
    if pair or (gate and len(vague) == len(wrongs)):
        return pair or gate
    if len(vague) == len(wrongs) and right and (len(wrongs) == 1 or any(name in INPUTS for name in right)):
        return _own_product(wrongs, right)
    best = min(each, key=lambda found: CAUSES.index(found.cause))
    if gate and CAUSES.index(best.cause) >= CAUSES.index("recurrent"):
        return gate
    same = tuple(found.arrays[0] for found in each if found.cause == best.cause)
    more = f"the same in {', '.join(same)}" if len(same) > 1 else ""
    return Diagnosis(best.cause, f"{best.arrays[0]}: {best.text}", "; ".join(filter(None, (best.evidence, more))), same)


def _pair(vague: list[Wrong], wrongs: list[Wrong]) -> Diagnosis | None:
    """Look for weights whose bias is right, all or in the same block: then dz is right, and what it multiplies is not."""
    wrong = {w.name: w for w in wrongs}
    for w in vague:
        if w.name in INPUTS or w.at.a.ndim == 0:
            continue
        rows = w.bad.any(axis=tuple(range(1, w.bad.ndim))) if w.bad.ndim > 1 else w.bad
        for name, other in w.others.items():
            mate = name in SHIFTS and w.name in GAINS if w.at.a.ndim == 1 else other.a.ndim == 1
            if not mate or name == w.name or len(other.a) != len(w.at.a) or not other.a.any():
                continue
            rival = any(v.at.a.ndim == 1 and len(v.at.a) == len(rows) for v in wrong.values() if v is not w)
            if not rival and not (name in wrong and np.any(wrong[name].bad & rows)):
                return Diagnosis(
                    "operand",
                    f"{w.name}: a product with a wrong operand",
                    f"{name} is right in the same rows, so what flows back to both is right, and what it multiplies is not",
                    (w.name,),
                )
    return None


def _one_block(wrongs: list[Wrong]) -> Diagnosis | None:
    """See whether all arrays that have blocks are wrong in one and the same."""
    hit = {w.name: [b for b, index in w.blocks.items() if np.any(w.bad[index])] for w in wrongs if w.blocks}
    blocks = {tuple(found) for found in hit.values()}
    if len(blocks) != 1 or len(next(iter(blocks))) != 1 or any(len(w.blocks) < 2 for w in wrongs if w.blocks):
        return None
    (block,) = next(iter(blocks))
    return Diagnosis(
        "derivative",
        f"the derivative of block {block!r} is left out or a wrong one",
        f"{block!r} is the only block that is wrong, in {', '.join(hit)}, and by no constant factor",
        tuple(hit),
    )


def _own_product(wrongs: list[Wrong], right: list[str]) -> Diagnosis:
    """Conclude from one wrong array, or from a right gradient of the input, that what flows back is right.

    Then only the array's own product can be wrong: n = dzᵀ X with another X. Unless a has the same row space as n, so that
    X was right and dz was not; and what flows back to an input is a sum over the paths on which it acts.
    """
    w, names = wrongs[0], tuple(w.name for w in wrongs)
    a, n = w.at.a, w.at.n
    told = f"{', '.join(right[:4])}{', …' if len(right) > 4 else ''} {'is' if len(right) == 1 else 'are'} right"
    if len(wrongs) == 1 and a.ndim == 2 and not np.isnan(n).any():
        tolerance = max(1e-6, 20 * w.at.tolerance) * w.at.scale
        rank = int(np.linalg.matrix_rank(n, tolerance))
        if rank < n.shape[1] and int(np.linalg.matrix_rank(np.vstack([a, n]), tolerance)) == rank < n.shape[0]:
            return _unexplained(w)
    if names[0] in INPUTS:
        return Diagnosis(
            "term", f"{names[0]}: one of the paths by which it acts on the loss is missing or counted twice", told, names
        )
    return Diagnosis(
        "operand",
        f"{', '.join(names)}: a product with a wrong operand, such as the state of another step or a stale value",
        f"what flows back is right, for {told}",
        names,
    )


# ------------------------------------------------------------------------------------------------- names and places


def name_factor(c: float, numbers: Mapping[str, float]) -> tuple[bool, str]:
    """Name a factor by numbers that a function reads; the first result is whether it is a dropout's 1 - p.

    Small numbers go first; then 1 - p and 1 / (1 - p) of every rate p, the numbers and sizes, their inverses, squares and
    roots, and products of two.
    """

    def is_c(value: float) -> bool:
        return bool(np.isfinite(value) and abs(c - value) <= 1e-6 * abs(c))

    for name, p in numbers.items():
        if 0 < p < 1:
            for text, value in ((f"1 - {name}", 1 - p), (f"1 / (1 - {name})", 1 / (1 - p))):
                if is_c(value) and not name.startswith("axis"):
                    return True, text
            if "keep" in name.lower():
                for text, value in ((name, p), (f"1 / {name}", 1 / p)):
                    if is_c(value):
                        return True, text
    sizes = {name: v for name, v in numbers.items() if v not in (0, 1)}
    for name, v in sizes.items():
        for text, value in (
            (name, v),
            (f"1 / {name}", 1 / v),
            (f"-{name}", -v),
            (f"{name}²", v * v),
            (f"√{name}", np.sqrt(abs(v))),
            (f"1 / √{name}", 1 / np.sqrt(abs(v))),
        ):
            if is_c(value):
                return False, f"{value:.6g}, which is {text}" if name.startswith("axis") else text
    for value, text in ((2.0, "2"), (0.5, "1/2"), (4.0, "4"), (0.25, "1/4"), (-2.0, "-2"), (-0.5, "-1/2"), (3.0, "3"), (1 / 3, "1/3")):
        if is_c(value):
            return False, text
    for (one, v), (two, u) in combinations_with_replacement(sizes.items(), 2):
        for text, value in ((f"{one} · {two}", v * u), (f"1 / ({one} · {two})", 1 / (v * u)), (f"{one} / {two}", v / u)):
            if is_c(value):
                return False, text
    return False, ""


def place(bad: Array, looked: Array, blocks: Mapping[str, Any]) -> str:
    """Tell where the wrong entries lie: blocks by name, else rows or columns; "" where they are everywhere."""
    if bad.all() or (bad | ~looked).all() or bad.ndim == 0:
        return ""
    if blocks:
        hit = [name for name, index in blocks.items() if np.any(bad[index])]
        return f"block{'s' if len(hit) > 1 else ''} {', '.join(hit)}" if 0 < len(hit) < len(blocks) else ""
    told = []
    for axis, word in enumerate(("row", "column") if bad.ndim == 2 else [f"index of axis {k}" for k in range(bad.ndim)]):
        hit_axis = np.flatnonzero(bad.any(axis=tuple(k for k in range(bad.ndim) if k != axis)))
        if len(hit_axis) < bad.shape[axis]:
            told.append(f"{word}{'s' if len(hit_axis) > 1 else ''} {_ranges(hit_axis)}")
    return ", ".join(told)


def _ranges(found: Array) -> str:
    """Write sorted integers shortly: 0-3, 7."""
    breaks = [0, *(np.flatnonzero(np.diff(found) > 1) + 1).tolist(), len(found)]
    runs = [(found[a], found[b - 1]) for a, b in pairwise(breaks)]
    told = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs[:6]]
    return ", ".join(told) + (", …" if len(runs) > 6 else "")


def _parts(shape: tuple[int, ...]) -> dict[str, Any]:
    """Split the first axis into 2, 3 and 4 equal parts, where nobody named any."""
    if not shape:
        return {}
    return {
        f"rows {k * size}-{(k + 1) * size - 1}": np.s_[k * size : (k + 1) * size]
        for count in (2, 3, 4)
        if shape[0] % count == 0 and (size := shape[0] // count)
        for k in range(count)
    }
