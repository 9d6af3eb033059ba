"""From all wrong arrays, the calls and the other sizes to the one error that is most likely behind them.

What no relation of its own entries explains (`relations`) is told apart by which arrays, blocks and sizes are wrong:

    one block, in all arrays that have it              the derivative of that gate's non-linearity
    weights whose bias is right                        a wrong operand of their own product
    right at T = 1, many arrays wrong from T = 2       a recurrent gradient

A product with a wrong operand is a term that is missing and another that is left over; numbers alone do not tell the
two apart, and both are called a wrong term.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refdope.gradcheck.calls import Calls
from refdope.gradcheck.causes import CAUSES, Diagnosis
from refdope.gradcheck.compared import Compared
from refdope.gradcheck.report import Report, named
from refdope.gradcheck.watch import numbers_of
from refdope.gradcheck.why.relations import SOME_ROWS, of_array
from refdope.gradcheck.why.shrink import Shrunk, shrink
from refdope.gradcheck.why.wrong import INPUTS, Wrong

# a / n near zero, of what is written for σ' = ¼ or tanh' = 1: left out, the other's, of σ instead of z, s, twice, …
DERIVATIVES = (0.0, 1 / 16, 1 / 4, 0.94, 2.0, 3.0, 4.0, 16.0)
Look = Callable[[list[Wrong]], Mapping[str, Shrunk]]

# by convention, gains and their shifts
GAINS, SHIFTS = ("gamma", "gain", "scale", "g"), ("beta", "bias", "shift")


def explain(
    calls: Calls, findings: list[Diagnosis], rows: list[Compared], cases: Mapping[Any, Report], constant: bool
) -> Diagnosis | None:
    """Say what is wrong with each row, and choose what the error most likely is; None if all is right.

    Parameters
    ----------
    calls : Calls
    findings : list of Diagnosis
        What concerns the calls and not the numbers.
    rows : list of Compared
        All arrays; the wrong ones get their diagnosis.
    cases : dict of Report
        Other sizes, smallest first.
    constant : bool
        Whether the loss does not change with the parameters.
    """
    compared = {row.name: row for row in rows if not row.refused and row.size}
    bad = [row for row in compared.values() if row.failed or row.wrong.any()]
    numbers, flat = numbers_of(calls.read, calls.problem.flat), calls.problem.flat
    pairs = calls.problem.tied()
    wrongs = [
        Wrong(
            row,
            compared,
            flat[row.name],
            numbers,
            tuple(one if two == row.name else two for one, two in pairs if row.name in (one, two)),
            alone=len(bad) == 1,
        )
        for row in bad
    ]
    for w in wrongs:
        w.at.diagnosis = of_array(w)
    if constant and wrongs:
        text = "the loss does not change with params: it reads other arrays than those that it is given"
        told = "it is the same to the last bit when all of them move by 3%"
        return Diagnosis("constant", text, told, tuple(w.name for w in wrongs))

    def look(some: list[Wrong]) -> Mapping[str, Shrunk]:
        """Look at arrays near zero, if they are known everywhere."""
        return shrink(calls, {w.name: w.bad for w in some}) if all(w.whole for w in some) else {}

    return conclude(findings, wrongs, [row.name for row in rows if row.ok], look, cases)


def conclude(
    findings: list[Diagnosis], wrongs: list[Wrong], right: list[str], look: Look, cases: Mapping[Any, Report]
) -> Diagnosis | None:
    """Choose what the error most likely is: by the calls, by the smallest size that shows it, by the arrays."""
    here = of_all(wrongs, right, look)
    if findings:
        first = min(findings, key=_rank)
        if here is None or _rank(first) <= _rank(here):
            return first
    labels, reports = [named(label) for label in cases], list(cases.values())
    k = next((k for k, case in enumerate(reports) if not case.ok), None)
    if k is None:  # all the other sizes are right
        many = here is not None and labels and len(wrongs) > 1
        return _recurrent(here, labels[-1], "this size", (w.name for w in wrongs)) if many and _vague(here) else here
    case, found = reports[k], reports[k].diagnosis or here
    if found is None:
        return None
    one, later = len(case.wrong) == 1, reports[-1].wrong
    if here and k == 0 and all(_nothing(a) for a in case.arrays if not a.ok) and not all(map(_all_nothing, wrongs)):
        return Diagnosis("term", here.text, _both(f"at {labels[k]} there is none at all", here.evidence), found.arrays)
    if one and len(later) > 2 and _vague(found):
        text = f"what is handed to the step before is wrong: at {labels[k]} {case.wrong[0]}, later all that it reaches"
        return Diagnosis("recurrent", text, f"at {labels[-1]} {', '.join(later)} are wrong", tuple(case.wrong))
    if k == 0:
        return replace(found, evidence=_both(found.evidence, f"already at {labels[0]}"))
    if not one and _vague(found) and _may_be_recurrent(case, reports[k - 1]):
        return _recurrent(found, labels[k - 1], labels[k], case.wrong)
    return replace(found, evidence=_both(found.evidence, f"right at {labels[0]}"))


def _nothing(row: Compared) -> bool:
    return not row.refused and not np.any(row.a)


def _all_nothing(w: Wrong) -> bool:
    return not np.any(w.at.a)


def _may_be_recurrent(case: Report, shorter: Report) -> bool:
    """Whether the input's gradient at the last step is right, as far as that can be seen: no recurrence reaches it.

    The axis of the steps is the one along which a shorter sequence has fewer.
    """
    before = {row.name: row.shape for row in shorter.arrays}
    for row in case.arrays:
        shape = before.get(row.name, ())
        if row.name in INPUTS and not row.refused and not row.ok and len(shape) == len(row.shape):
            steps = [axis for axis, (few, many) in enumerate(zip(shape, row.shape, strict=True)) if few < many]
            return not steps or any(not row.wrong.take(-1, axis).any() for axis in steps)
    return True


def _recurrent(found: Diagnosis | None, right: str, wrong: str, arrays: Iterable[str]) -> Diagnosis:
    names = tuple(arrays)
    return Diagnosis(
        "recurrent",
        f"right at {right} and wrong from {wrong}: a recurrent gradient is not carried, or overwritten before its use",
        f"wrong are {', '.join(names)}{f'; {found.text}' if found else ''}",
        names,
        or_else=found.cause if found else "",
    )


def of_all(wrongs: list[Wrong], right: list[str], look: Look) -> Diagnosis | None:
    """Conclude from which arrays and blocks are wrong, from how each of them is, and from how they are near zero."""
    if not wrongs:
        return None
    each = [w.at.diagnosis or of_array(w) for w in wrongs]
    vague = [w for w, found in zip(wrongs, each, strict=True) if found.cause == "derivative"]
    pair, gate = _pair(vague, wrongs), _one_block(wrongs)
    if pair:
        return pair
    if gate and len(vague) == len(wrongs):
        return _near_zero(gate[1], look, gate[0])
    if len(vague) == len(wrongs) and right and (len(wrongs) == 1 or any(name in INPUTS for name in right)):
        return _own_product(wrongs, right)
    units = [found for w, found in zip(wrongs, each, strict=True) if w.at.a.ndim == 1 and found.evidence == SOME_ROWS]
    if len(vague) == len(wrongs) and units:
        text = (
            f"the derivative of a non-linearity that is off in some units, such as a ReLU, above {units[0].arrays[0]}"
        )
        evidence = f"{units[0].text}, {units[0].evidence}"
        return Diagnosis("derivative", text, evidence, tuple(w.name for w in wrongs), or_else="term")
    if len(vague) == len(wrongs):
        return _near_zero(wrongs, look)
    best = min(each, key=_rank)
    if gate and _rank(best) >= CAUSES.index("recurrent"):
        return _near_zero(gate[1], look, gate[0])
    same = tuple(found.arrays[0] for found in each if found.cause == best.cause)
    more = f"the same in {', '.join(same)}" if len(same) > 1 else ""
    return Diagnosis(best.cause, f"{best.arrays[0]}: {best.text}", _both(best.evidence, more), same)


def _pair(vague: list[Wrong], wrongs: list[Wrong]) -> Diagnosis | None:
    """Look for weights whose bias is right, for the same units at least: dz is right, and what it multiplies is not."""
    bad = {w.name: w.bad for w in wrongs}
    for w in vague:
        gain, shape = w.name in GAINS, w.at.a.shape
        if w.name in INPUTS or len(shape) != (1 if gain else 2) or any(v.at.a.ndim == 1 and v is not w for v in vague):
            continue
        for axis in range(len(shape)):  # units are rows, (m, n), or columns, (n, m)
            units = w.bad.any(1 - axis) if len(shape) == 2 else w.bad
            for name, other in w.others.items():
                mate = name in SHIFTS if gain else name not in GAINS
                if mate and other.a.shape == units.shape and other.a.any() and not np.any(bad.get(name, False) & units):
                    told = f"{name} is right in the same units: what flows back is right, what it multiplies is not"
                    return Diagnosis("term", f"{w.name}: a product with a wrong operand", told, (w.name,))
    return None


def _one_block(wrongs: list[Wrong]) -> tuple[str, list[Wrong]] | None:
    """Return the block in which alone all arrays that have blocks are wrong, and those arrays."""
    having = [w for w in wrongs if len(w.blocks) > 1]
    hit = {tuple(block for block, index in w.blocks.items() if np.any(w.bad[index])) for w in having}
    if len(hit) != 1 or len(next(iter(hit))) != 1:
        return None
    return next(iter(hit))[0], having


def _near_zero(wrongs: list[Wrong], look: Look, block: str = "") -> Diagnosis:
    """Tell a wrong derivative from a wrong term or operand by how the error changes when all parameters shrink."""
    arrays = tuple(w.name for w in wrongs)
    where = f"the gradient of {', '.join(arrays)}" if len(arrays) < 4 else f"the gradients of {len(arrays)} arrays"
    seen = "no simple relation of a and n, and a derivative is what is forgotten most often"
    if block:
        where, seen = f"block {block!r} of {', '.join(arrays)}", f"{block!r} is the only block that is wrong"
    shrunk = look(wrongs)
    if not shrunk or max(w.at.error for w in wrongs) < 0.02:  # so near to right is hardly another operand
        text = f"a derivative of a non-linearity is left out, or a wrong one, in {where}"
        return Diagnosis("derivative", text if block else f"{text} or above", seen, arrays, or_else="term")
    told = "; ".join(f"{name}: {_told(s)}" for name, s in list(shrunk.items())[:3])
    evidence = _both(seen if block else "", f"with all parameters 1e-2 and 1e-3 times as large, {told}")
    factors = [s.factor for s in shrunk.values() if s.by_factor]
    steady = [s for s in shrunk.values() if s.steady]
    of_derivatives = [c for c in factors if any(abs(c - known) < 0.02 for known in DERIVATIVES)]
    if factors and all(abs(c + 1) < 0.02 for c in factors):
        return Diagnosis("sign", f"the sign of a term is flipped, in {where}", evidence, arrays)
    by_factor = len(of_derivatives) > len(shrunk) / 2 or (of_derivatives and not steady)
    if by_factor or (not factors and not steady and np.median([s.falls for s in shrunk.values()]) > 30):
        text = f"a derivative of a non-linearity is left out, or a wrong one, in {where}"
        return Diagnosis("derivative", text, evidence, arrays, or_else="term")
    text = f"a term is missing, or made with a wrong operand, in {where} or above"
    return Diagnosis("term", text, evidence, arrays, or_else="derivative")


def _told(s: Shrunk) -> str:
    if s.by_factor:
        return f"a → {s.factor:.3g} n"
    return "the error stays" if s.steady else f"the error falls {s.falls:.0f} times"


def _own_product(wrongs: list[Wrong], right: list[str]) -> Diagnosis:
    """Conclude from one wrong array, or from a right gradient of the input, that what flows back is right.

    Then only the array's own product can be wrong: n = dzᵀ X with another X; and what flows back to an input is a sum
    over the paths on which it acts.
    """
    names = tuple(w.name for w in wrongs)
    told = f"{', '.join(right[:4])}{', …' if len(right) > 4 else ''} {'is' if len(right) == 1 else 'are'} right"
    if names[0] in INPUTS:
        text = f"{names[0]}: one of the paths by which it acts on the loss is missing or counted twice"
        return Diagnosis("term", text, told, names)
    text = f"{', '.join(names)}: a product with a wrong operand, such as the state of another step or a stale value"
    return Diagnosis("term", text, f"what flows back is right, for {told}", names)


def _rank(found: Diagnosis) -> int:
    return CAUSES.index(found.cause)


def _vague(found: Diagnosis | None) -> bool:
    return found is not None and not found.sure and found.cause != "factor" and _rank(found) >= CAUSES.index("zero")


def _both(*texts: str) -> str:
    return "; ".join(filter(None, texts))
