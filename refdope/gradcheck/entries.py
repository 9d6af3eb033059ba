"""Numerical gradients entry by entry, by the complex step and by differences, and one verdict where the two differ.

The complex step decides, and the stencil confirms it, with one step for the whole array. Where it does not, or where an
entry is too small for it to say anything, differences relative to that entry are asked. They decide alone where the
code takes no complex numbers, or is not analytic. An entry of which neither says anything is not compared.
"""

from typing import NamedTuple

import numpy as np

from refdope.gradcheck.compared import COMPLEX, STENCIL, Compared, Index, ranges
from refdope.gradcheck.limits import Limits
from refdope.gradcheck.numeric import Numeric
from refdope.gradcheck.oracles import EPS, central, strictly_analytic
from refdope.gradcheck.steps import Ladder, Seen, Slope, confirming, steps_for
from refdope.gradcheck.tree import Array

ENOUGH = 4  # wrong entries, after which it is simply wrong
BLIND = 1e-2  # of the derivatives there: differences that are so uncertain tell nothing
DULL = 1e-9  # of the loss beside the entry: what rounding alone leaves open


class Entries(NamedTuple):
    """Some entries of one array, and what each of them is known to be."""

    name: str
    indices: list[Index]
    given: Array
    n: Array  # NaN where it is not known
    floor: Array
    h: Array
    kink: Array  # whether there is a kink or a jump
    why_not: list[str]  # why an entry could not be compared; "" where it could


def entry_by_entry(numeric: Numeric, name: str, a: Array, limits: Limits, indices: list[Index]) -> Compared:
    """Compare entries of an array with both oracles, and settle what they disagree on.

    Parameters
    ----------
    numeric : Numeric
    name : str
    a : float64 array
        The gradient to check.
    limits : Limits
    indices : list of index
        Which entries.
    """
    place = tuple(np.array(axis, int) for axis in zip(*indices, strict=True)) if a.ndim else ()
    oracle, known, errors = _settled(numeric, name, indices, np.atleast_1d(a[place]), limits)
    n, floor, step = (np.full(a.shape, fill) for fill in (np.nan, 0.0, np.nan))
    for whole, part in ((n, known.n), (floor, known.floor), (step, known.h)):
        whole[place] = part if a.ndim else part[0]
    row = Compared(name, a, n, floor, limits.tolerance[oracle], limits.by_largest, step, errors)
    row.not_compared = _told(known)
    _allow_rounding(numeric, row, oracle == COMPLEX, limits)
    return row


def _settled(
    numeric: Numeric, name: str, indices: list[Index], given: Array, limits: Limits
) -> tuple[str, Entries, dict[str, float]]:
    """Return the oracle that decides, what is known of the entries by it, and the errors by all that were asked."""
    if numeric.complex is not None:
        drowned, exact = numeric.drowned, _complex_entries(numeric, name, indices)
        found = _confirmed(numeric, name, indices, given, *exact, limits) if exact else None
        if found:
            return COMPLEX, *found
        if numeric.drowned and not drowned:  # once more, on circles
            return _settled(numeric, name, indices, given, limits)
    return STENCIL, *_by_differences(numeric, name, indices, given, limits)


def _complex_entries(numeric: Numeric, name: str, indices: list[Index]) -> tuple[Array, Array] | None:
    """Return the derivatives by the complex step, and what each may be off by; None if there is none of them."""
    assert numeric.complex is not None
    try:
        with strictly_analytic(), np.errstate(all="ignore"):
            found = [
                numeric.analytic(numeric.complex.entry(name, index), float(numeric.own[name][index]))
                for index in indices
            ]
    except Exception as error:
        numeric.no_complex(f"the complex step failed in {name}: {' '.join(str(error).split())}")
        return None
    values, errors = np.array(found).T
    if np.isfinite(values).all():
        return values, errors
    numeric.remarks.append(f"the complex step is not finite in {name}; judged by differences")
    return None


# -------------------------------------------------------------------- the complex step decides, and differences confirm


def _confirmed(
    numeric: Numeric, name: str, indices: list[Index], given: Array, exact: Array, error: Array, limits: Limits
) -> tuple[Entries, dict[str, float]] | None:
    """Compare with the complex step where differences confirm it; None where they show it to be wrong."""
    probe = _largest(exact)
    steps = steps_for(numeric.sizes[name], float(numeric.own[name][indices[probe]]))
    chosen = confirming(numeric.real.entry(name, indices[probe]), steps, numeric.noise, float(exact[probe]))
    h = chosen.h
    by_stencil = numeric.real.entries(name, lambda line: central(line, h), indices)
    slack = 6 * numeric.noise / h + 1e-9 * float(np.abs(exact).max(initial=0.0)) + error
    sound = np.isfinite(given)
    with np.errstate(invalid="ignore"):
        agree = np.abs(exact - by_stencil) <= 1e-7 * np.abs(exact) + slack
        own = np.array([float(numeric.own[name][index]) for index in indices])
        told = (slack <= 1e-3 * np.abs(exact)) | (exact == by_stencil) | (slack <= 1e-12 * abs(numeric.value) / own)
        told &= (h >= 1e-8 * own) & (h <= own)  # a smaller step moves nothing, a larger one leaves the entry behind
    known = Entries(
        name,
        indices,
        given,
        exact.copy(),
        np.full(len(given), max(_rounding(numeric, name, indices[probe], limits), _cancellation(numeric, name, limits)))
        + error,
        np.full(len(given), h),
        np.zeros(len(given), bool),
        [""] * len(given),
    )
    wrong = 0
    for k in np.argsort(-np.abs(given - by_stencil), kind="stable").tolist():
        if (agree[k] and told[k]) or not sound[k] or (wrong >= ENOUGH and not known.kink.any()):
            continue
        verdict, by_stencil[k] = _look(numeric, known, k, float(exact[k]), float(error[k]))
        if verdict == "not analytic":
            _not_analytic(numeric, known, k)
            return None
        wrong += verdict == "confirmed" and abs(given[k] - exact[k]) > 1e-7 * abs(exact[k]) + 4 * known.floor[k]
    contradicted = _beside_kinks(numeric, known, exact, sound, limits.tolerance[COMPLEX])
    if contradicted is not None:
        _not_analytic(numeric, known, contradicted)
        return None
    if (
        known.kink.any()
    ):  # there a complex step jumps when the point moves by an ulp, which is no rounding: look elsewhere
        _remark_kinks(numeric, known)
        smooth = np.flatnonzero(~known.kink)
        floor = _cancellation(numeric, name, limits)
        if smooth.size:
            floor = max(floor, _rounding(numeric, name, indices[smooth[_largest(known.n[smooth])]], limits))
        known.floor[:] = floor + error
    sound &= ~known.kink & np.isfinite(known.n)
    seen = sound & np.isfinite(by_stencil)
    return known, {STENCIL: _relative(given[seen], by_stencil[seen]), COMPLEX: _relative(given[sound], exact[sound])}


def _look(numeric: Numeric, known: Entries, k: int, exact: float, error: float) -> tuple[str, float]:
    """Look closely at an entry at which the stencil does not confirm the complex step.

    Returns
    -------
    verdict : "confirmed", "kink", "not analytic" or "not compared"
    value : by differences; NaN if it is not comparable
    """
    ladder = numeric.ladder(known.name, known.indices[k])

    def agrees(value: float, doubt: float) -> bool:
        """Tell whether differences confirm what the complex step says, but for some 1e-7 of it."""
        return abs(value - exact) <= error + 4 * doubt + 1e-7 * max(abs(value), abs(exact))

    quick = ladder.quick()
    known.h[k] = quick.h
    bent = ladder.bent(quick.k + 1)
    sharp = quick.error <= 1e-3 * max(abs(exact), abs(quick.value)) + 1e-12 * ladder.natural(quick.k)
    if sharp and agrees(quick.value, quick.error) and not bent:
        return "confirmed", quick.value
    seen = ladder.look()
    known.h[k] = seen.h
    if ladder.flat and abs(exact) * ladder.own <= 16 * EPS * max(1.0, abs(ladder.here)):
        return "confirmed", exact  # less than differences can see
    if seen.found in ("smooth", "jump") and agrees(seen.value, seen.error):
        known.kink[k] = seen.found == "jump" or not agrees(quick.value, quick.error)
        return "confirmed", seen.value
    if seen.found == "nothing":
        known.n[k], known.why_not[k] = np.nan, ladder.why_not(seen.error)
        return "not compared", np.nan
    if seen.found == "kink":
        # beyond the kink, the complex step must be what differences say on that side
        beyond, further = (numeric.beside(known.name, known.indices[k], by * seen.h) for by in (4, 8))
        if all(
            abs(b - side) <= 4 * seen.error + 2 * abs(f - b) + 1e-6 * abs(side)
            for b, f, side in zip(beyond, further, (seen.left, seen.right), strict=True)
        ):
            known.kink[k] = True  # at the point, or nearer than differences can tell
            return "kink", np.nan
    return "not analytic", np.nan


def _beside_kinks(numeric: Numeric, known: Entries, exact: Array, sound: Array, tolerance: float) -> int | None:
    """Accept any slope between those on the two sides of an entry, where there is a kink at the entry itself.

    The complex step, which is exact on either side, tells: it is another one some ulps away. A kink that is any farther
    excuses nothing. Returned is an entry at which differences side with the gradient, against the complex step.
    """
    gap = np.where(sound, np.abs(known.given - exact), 0.0)
    missed = 0
    for k in np.lexsort((-gap, ~known.kink)).tolist():  # what is known to be one, then the largest errors
        if gap[k] <= tolerance * abs(exact[k]):
            continue
        own = float(numeric.own[known.name][known.indices[k]])
        slopes = [float(exact[k]), *numeric.beside(known.name, known.indices[k], 8 * EPS * own)]
        near = 1e-7 * max(map(abs, slopes))
        if max(slopes) - min(slopes) > near:
            known.kink[k] = True
            if min(slopes) - near <= known.given[k] <= max(slopes) + near:
                known.n[k] = known.given[k]
            continue
        seen = numeric.ladder(known.name, known.indices[k]).look()
        doubt = seen.error + 1e-10 * abs(seen.value)
        if abs(seen.value - known.given[k]) <= doubt < 0.2 * abs(seen.value - exact[k]) and seen.found == "smooth":
            return k
        missed += 1
        if missed >= ENOUGH and not known.kink.any():
            break  # it is simply wrong
    return None


def _not_analytic(numeric: Numeric, known: Entries, k: int) -> None:
    """Remark why the complex step of an array is not believed: it drowned, or the code is not analytic."""
    assert numeric.complex is not None
    with np.errstate(all="ignore"):
        own = float(numeric.own[known.name][known.indices[k]])
        if numeric.drowns(numeric.complex.entry(known.name, known.indices[k]), own):
            return
    numeric.remarks.append(
        f"{_called(known, [k])}: the complex step and differences disagree, so the code is not analytic there (an abs, "
        f"a real part, a conjugate?); {known.name} is judged by differences"
    )


# --------------------------------------------------------------------------------------------- differences decide alone


def _by_differences(
    numeric: Numeric, name: str, indices: list[Index], given: Array, limits: Limits
) -> tuple[Entries, dict[str, float]]:
    """Compare with differences alone: at every entry steps of its own, and a closer look where they leave a doubt."""
    count, tolerance = len(given), limits.tolerance[STENCIL]
    known = Entries(
        name,
        indices,
        given,
        np.full(count, np.nan),
        np.full(count, np.nan),
        np.full(count, np.nan),
        np.zeros(count, bool),
        [""] * count,
    )
    least = _cancellation(numeric, name, limits)
    largest = float(np.abs(given[np.isfinite(given)]).max(initial=0.0))
    beside = largest if limits.by_largest else 0.0

    def keep(k: int, value: float, error: float, h: float) -> bool:
        """Note what an entry's derivative is; return whether the gradient is near it."""
        known.n[k], known.floor[k], known.h[k] = value, error + least, h
        return bool(abs(given[k] - value) <= tolerance * max(abs(value), beside) + known.floor[k])

    blind, doubtful = np.zeros(count, bool), []
    for k, index in enumerate(indices):
        ladder = numeric.ladder(name, index)
        quick = ladder.quick()
        blind[k] = _blind(ladder, quick, largest)
        if not keep(k, *quick[:3]) or blind[k] or ladder.bent(quick.k + 1):
            doubtful.append(k)
    wrong = 0
    for k in doubtful:
        if wrong >= ENOUGH and not known.kink.any() and not blind[k]:
            continue  # it is simply wrong
        ladder, coarse = numeric.ladder(name, indices[k]), Slope(known.n[k], known.floor[k], known.h[k])
        seen = ladder.look()
        near = keep(k, *seen[:3])
        if seen.found == "kink":
            low, high = sorted((seen.left, seen.right))
            known.kink[k] = True
            if low - 4 * seen.error - least <= given[k] <= high + 4 * seen.error + least:
                known.n[k] = given[k]  # at the kink itself any slope between those on its two sides is right
        elif seen.found == "nothing" or _blind(ladder, seen, largest):
            known.n[k], known.why_not[k] = np.nan, ladder.why_not(seen.error)
        else:
            known.kink[k] = (
                seen.found == "jump" or abs(coarse.value - seen.value) > 1e-3 * abs(seen.value) + coarse.error
            )
            wrong += not near
    if known.kink.any():
        _remark_kinks(numeric, known)
    sound = np.isfinite(given) & np.isfinite(known.n) & ~known.kink
    return known, {STENCIL: _relative(given[sound], known.n[sound])}


def _blind(ladder: Ladder, found: Slope | Seen, largest: float) -> bool:
    """Whether a slope is so uncertain that it tells nothing of a derivative, in an array with so large a one."""
    told = found.error <= BLIND * max(abs(found.value), largest) or found.error <= DULL * ladder.natural(found.k)
    return not (told or (np.isfinite(found.error) and ladder.flat))


# -------------------------------------------------------------------------------------------------------- which entries


def plan(shapes: dict[str, tuple[int, ...]], evaluation: float, seconds: float) -> set[str]:
    """Choose the arrays that time allows to check entry by entry, the smallest first."""
    chosen, left = set(), seconds / (2 * max(evaluation, 1e-9))  # evaluations; the other half is for the rest
    for name, shape in sorted(shapes.items(), key=lambda item: int(np.prod(item[1]))):
        left -= int(np.prod(shape)) * 5 + 40  # a complex step and the stencil's four; about forty choose the step
        if left < 0:
            break
        chosen.add(name)
    return chosen


def sample(a: Array, first: Index | None, looks: int, rng: np.random.Generator) -> list[Index]:
    """Choose entries of a large array to look at: one that is wrong, the largest, and some at random."""
    largest = np.argsort(-np.abs(np.nan_to_num(a)).ravel(), kind="stable")[: looks // 2]
    chance = rng.choice(a.size, min(looks // 2, a.size), replace=False)
    known = [] if first is None else [int(np.ravel_multi_index(first, a.shape))]
    chosen = dict.fromkeys([*known, *largest.tolist(), *chance.tolist()])
    return [tuple(int(i) for i in np.unravel_index(k, a.shape)) for k in chosen]


# ------------------------------------------------------------------------------------------------------------- rounding


def _allow_rounding(numeric: Numeric, row: Compared, exact: bool, limits: Limits) -> None:
    """Measure the rounding of a and n at entries that are wrong for their size only, and right for that of the array.

    A small entry may be what is left of large terms that cancel. Moving the point by some ulps shows what of it is
    rounding.
    """
    if limits.by_largest:
        return
    gap = np.abs(row.a - row.n)
    slight = row.wrong & (gap <= row.tolerance * row.scale + row.floor)
    if not slight.any():
        return
    spread = numeric.spread(row.name)
    of_a = 1e-13 * row.scale if spread is None else spread
    row.floor = row.floor + np.where(slight, 16 * of_a + 64 * EPS * np.minimum(row.scale, gap.max(initial=0.0)), 0.0)
    if exact:
        for index in np.argwhere(row.wrong & slight):
            place = tuple(int(i) for i in index)
            row.floor[place] += _rounding(numeric, row.name, place, limits)


def _rounding(numeric: Numeric, name: str, index: Index, limits: Limits) -> float:
    """Return what rounding may make of a complex step at an entry."""
    return 16 * limits.coarser * numeric.rounding(name, index)


def _cancellation(numeric: Numeric, name: str, limits: Limits) -> float:
    """Return what is left of a gradient whose terms cancel: some ε of the size that gradients have here."""
    natural = abs(numeric.value) / numeric.sizes[name]
    return 32 * EPS * limits.coarser * min(natural, numeric.largest or natural)


# ---------------------------------------------------------------------------------------------------------------- words


def _remark_kinks(numeric: Numeric, known: Entries) -> None:
    found = np.flatnonzero(known.kink).tolist()
    numeric.remarks.append(
        f"{_called(known, found)}: a kink or a jump between x - h and x + h; judged by smaller steps, and at the kink "
        "itself by the slopes on its two sides"
    )


def _told(known: Entries) -> str:
    """Tell which entries could not be compared, and why."""
    by_reason: dict[str, list[int]] = {}
    for k, why in enumerate(known.why_not):
        if why:
            by_reason.setdefault(why, []).append(k)
    count = sum(map(len, by_reason.values()))
    if not count:
        return ""
    told = "; ".join(f"{_which(known, found)}: {why}" for why, found in by_reason.items())
    return f"{count} of {len(known.given)} entries, {told}"


def _which(known: Entries, found: list[int]) -> str:
    if not known.indices[0]:
        return "[]"
    if len(known.indices[0]) == 1:
        return f"[{ranges(np.array([known.indices[k][0] for k in found]))}]"
    some = ", ".join(_at(known.indices[k]) for k in found[:6])
    return some + (", …" if len(found) > 6 else "")


def _called(known: Entries, found: list[int]) -> str:
    """Name the first of some entries, and how many there are more."""
    return f"{known.name}{_at(known.indices[found[0]])}" + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _at(index: Index) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _largest(values: Array) -> int:
    return int(np.argmax(np.where(np.isfinite(values), np.abs(values), -1.0)))


def _relative(given: Array, found: Array) -> float:
    """Return max |a - n| / max |n|."""
    most, scale = float(np.abs(given - found).max(initial=0.0)), float(np.abs(found).max(initial=0.0))
    return most / scale if scale else most
