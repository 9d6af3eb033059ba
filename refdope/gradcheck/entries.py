"""Numerical gradients entry by entry, by the complex step and by the stencil, and one verdict where they differ.

Where the two differ, or differ from the gradient that is checked, the entry is looked at closely: a kink or a jump
within the stencil is no error.
"""

from typing import NamedTuple

import numpy as np

from refdope.checks.compared import COMPLEX, STENCIL, Compared, Index
from refdope.checks.numeric import LOOKS, Numeric
from refdope.checks.oracles import EPS, central, complex_derivative, strictly_analytic
from refdope.checks.steps import look_closely
from refdope.checks.tree import Array


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


def entry_by_entry(
    numeric: Numeric, name: str, a: Array, tolerance: dict[str, float], indices: list[Index]
) -> Compared:
    """Compare entries of an array with both oracles, and settle what they disagree on.

    Parameters
    ----------
    numeric : Numeric
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
    by_complex = _complex_entries(numeric, name, indices)
    probe = _largest(given if by_complex is None else by_complex)
    chosen = numeric.step(name, indices[probe], None if by_complex is None else by_complex[probe])
    by_stencil = numeric.real.entries(name, lambda line: central(line, chosen.h), indices)
    # the stencil's four values have weights of 1.5 in all, and the worst of many entries is some σ away
    slack = max(6 * numeric.noise / chosen.h, 2 * chosen.error if np.isfinite(chosen.error) else 0.0)
    scale = np.nanmax(np.abs(by_stencil if by_complex is None else by_complex), initial=0.0)
    loose = tolerance[STENCIL] * scale + slack
    if by_complex is None:
        floor = max(slack, _cancellation(numeric, name, given, tolerance))
        known = Entries(name, indices, given, by_stencil.copy(), by_stencil, loose, chosen.h, STENCIL)
        doubtful = ~(np.abs(given - by_stencil) <= tolerance[STENCIL] * scale + floor)
    else:
        rounding = _rounding(numeric, name, indices[probe], tolerance)
        floor = max(rounding, _cancellation(numeric, name, given, tolerance))
        known = Entries(name, indices, given, by_complex.copy(), by_stencil, loose, chosen.h, COMPLEX)
        doubtful = ~(np.abs(by_complex - by_stencil) <= loose)
    sound, oracle = np.isfinite(given), known.oracle
    if (doubtful & sound).any():
        oracle, kinks = _settle(numeric, known, doubtful & sound)
        if oracle == STENCIL:  # what the complex step left to rounding is nothing to go by, if it is not believed
            floor = max(slack, _cancellation(numeric, name, given, tolerance))
        elif kinks:  # there a complex step jumps when the point moves by an ulp, which is no rounding: look elsewhere
            smooth = np.setdiff1d(np.arange(len(indices)), kinks)
            floor = _cancellation(numeric, name, given, tolerance)
            if smooth.size:
                floor = max(floor, _rounding(numeric, name, indices[smooth[_largest(known.n[smooth])]], tolerance))
        sound[kinks] = False
    whole = np.full(a.shape, np.nan)
    whole[place] = known.n if a.ndim else known.n[0]
    errors = {STENCIL: _relative(given[sound], by_stencil[sound])}
    if by_complex is not None:
        errors[COMPLEX] = _relative(given[sound], by_complex[sound])
    return Compared(a, whole, floor, tolerance[oracle], chosen.h, errors)


def _rounding(numeric: Numeric, name: str, index: Index, tolerance: dict[str, float]) -> float:
    """Return what rounding may make of a complex step at an entry."""
    return 16 * tolerance.get("rounding", 1.0) * numeric.rounding(name, index)


def _cancellation(numeric: Numeric, name: str, given: Array, tolerance: dict[str, float]) -> float:
    """Return what is left of a gradient whose terms cancel: some ε of the size that gradients have here."""
    natural = abs(numeric.value) / numeric.sizes[name]
    left = 32 * EPS * tolerance.get("rounding", 1.0) * min(natural, numeric.largest or natural)
    most = float(np.abs(given).max(initial=0.0))
    # ε beside a loss far below it is what is left when 1 - 1 is not quite 0
    return max(left, most) if numeric.complex and 1e6 * natural < most <= 16 * EPS else left


def _complex_entries(numeric: Numeric, name: str, indices: list[Index]) -> Array | None:
    if numeric.complex is None:
        return None
    try:
        with strictly_analytic(), np.errstate(all="ignore"):
            found = numeric.complex.entries(name, complex_derivative, indices)
    except Exception as error:
        numeric.no_complex(f"the complex step failed in {name}: {' '.join(str(error).split())}")
        return None
    return found if np.isfinite(found).all() else None


def _settle(numeric: Numeric, known: Entries, doubtful: Array) -> tuple[str, list[int]]:
    """Look closely at the entries in doubt, and put what to believe into `known.n`.

    Returns
    -------
    oracle : the one that n is from
    kinks : the entries at which there is a kink or a jump
    """
    order = np.argsort(-np.abs(known.given - known.by_stencil) * doubtful, kind="stable")[: int(doubtful.sum())]
    found: dict[str, list[int]] = {"kink": [], "not analytic": [], "wrong": [], "": []}
    for k in order[:LOOKS].tolist():
        found[_settle_entry(numeric, known, k)].append(k)
        if len(found["wrong"]) >= 4 and not found["kink"] and not found["not analytic"]:
            break  # it is simply wrong
    if found["kink"]:
        numeric.remarks.append(
            f"{known.called(found['kink'])}: a kink or a jump between x - h and x + h (h = {known.h:.0e}); judged "
            "by smaller steps, and at the kink itself by the slopes on its two sides"
        )
    if not found["not analytic"]:
        return known.oracle, found["kink"]
    numeric.remarks.append(
        f"{known.called(found['not analytic'])}: the complex step and differences disagree, so the code is not "
        "analytic there (an abs, a real part, a conjugate?); judged by differences"
    )
    rest = np.ones(len(known.n), bool)  # of which the complex step is not believed either
    rest[found["not analytic"] + found["kink"]] = False
    known.n[rest] = known.by_stencil[rest]
    return STENCIL, found["kink"]


def _settle_entry(numeric: Numeric, known: Entries, k: int) -> str:
    """Settle one entry; return what is behind the doubt: a kink, code that is not analytic, a wrong gradient."""
    given, n = known.given[k], known.n
    with np.errstate(all="ignore"):
        exact = float(n[k]) if known.oracle == COMPLEX else None
        close = look_closely(numeric.real.entry(known.name, known.indices[k]), known.h, numeric.noise, exact)
    near = max(known.loose, 4 * close.error)
    if close.found in ("kink here", "jump"):
        low, high = sorted((close.left, close.right))
        # any slope between the two is a subgradient; a jump has none, but for what a complex step says of its one side
        inside = low - near <= given <= high + near
        if close.found == "kink here" or known.oracle == STENCIL:
            n[k] = given if inside or close.found == "jump" else close.value
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


def _largest(values: Array) -> int:
    return int(np.argmax(np.where(np.isfinite(values), np.abs(values), -1.0)))


def _relative(given: Array, found: Array) -> float:
    """Return max |a - n| / max |n|."""
    most, scale = float(np.abs(given - found).max(initial=0.0)), float(np.abs(found).max(initial=0.0))
    return most / scale if scale else most


def _at(index: Index) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _more(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""
