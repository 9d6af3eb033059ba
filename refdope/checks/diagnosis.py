"""From all wrong arrays, the calls and the other sizes to the one error that is most likely behind them.

What no relation of its own entries explains (`relations`) is told apart by which arrays, blocks and sizes are wrong:

    one block, in all arrays that have it              the derivative of that gate's non-linearity
    weights whose bias is right                        a wrong operand of their own product
    right at T = 1, many arrays wrong from T = 2       a recurrent gradient

A product with a wrong operand is a term that is missing and another that is left over; numbers alone do not tell the
two apart, and both are called a wrong term.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from refdope.checks.causes import CAUSES, INPUTS, Diagnosis, Wrong
from refdope.checks.relations import SOME_ROWS, of_array, unexplained
from refdope.checks.report import Report
from refdope.checks.shrink import Shrunk

Look = Callable[[list[Wrong]], Mapping[str, Shrunk]]

# by convention, gains and their shifts
GAINS, SHIFTS = ("gamma", "gain", "scale", "g"), ("beta", "bias", "shift")


def conclude(
    findings: list[Diagnosis], wrongs: list[Wrong], right: list[str], look: Look, cases: Mapping[str, Report]
) -> Diagnosis | None:
    """Choose what the error most likely is: by the calls, by the smallest size that shows it, by the arrays."""
    here = of_all(wrongs, right, look)
    if findings:
        first = min(findings, key=_rank)
        if here is None or _rank(first) <= _rank(here):
            return first
    labels, reports = list(cases), list(cases.values())
    k = next((k for k, case in enumerate(reports) if not case.ok), None)
    if k is None:  # all the other sizes are right
        many = here is not None and labels and len(wrongs) > 1
        return _recurrent(here, labels[-1], "this size", (w.name for w in wrongs)) if many and _vague(here) else here
    case, found = reports[k], reports[k].diagnosis or here
    if found is None:
        return None
    one, later = len(case.wrong) == 1, reports[-1].wrong
    if found.cause == "zero" and here and here.cause != "zero" and one:
        return Diagnosis("term", here.text, _both(f"at {labels[k]} there is none at all", here.evidence), found.arrays)
    if one and len(later) > 2 and _vague(found):
        text = f"what is handed to the step before is wrong: at {labels[k]} {case.wrong[0]}, later all that it reaches"
        return Diagnosis("recurrent", text, f"at {labels[-1]} {', '.join(later)} are wrong", tuple(case.wrong))
    if k == 0:
        return Diagnosis(found.cause, found.text, _both(found.evidence, f"already at {labels[0]}"), found.arrays)
    if not one and _vague(found) and _may_be_recurrent(labels[k], case):
        return _recurrent(found, labels[k - 1], labels[k], case.wrong)
    return Diagnosis(found.cause, found.text, _both(found.evidence, f"right at {labels[0]}"), found.arrays)


def _may_be_recurrent(label: str, case: Report) -> bool:
    """Whether the input's gradient at the last step is right, as far as that can be seen: no recurrence reaches it."""
    T = int("".join(filter(str.isdigit, label)) or 0)
    for array in case.arrays:
        if array.name in INPUTS and array.compared is not None and not array.ok and T in array.shape:
            steps = [k for k, size in enumerate(array.shape) if size == T]
            return any(not array.compared.wrong.take(-1, axis).any() for axis in steps)
    return True


def _recurrent(found: Diagnosis | None, right: str, wrong: str, arrays: Iterable[str]) -> Diagnosis:
    names = tuple(arrays)
    return Diagnosis(
        "recurrent",
        f"right at {right} and wrong from {wrong}: a recurrent gradient is not carried, or overwritten before its use",
        f"wrong are {', '.join(names)}{f'; {found.text}' if found else ''}",
        names,
    )


def of_all(wrongs: list[Wrong], right: list[str], look: Look) -> Diagnosis | None:
    """Conclude from which arrays and blocks are wrong, from how each of them is, and from how they are near zero."""
    if not wrongs:
        return None
    each = [of_array(w) for w in wrongs]
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
        return Diagnosis("derivative", text, f"{units[0].text}, {units[0].evidence}", tuple(w.name for w in wrongs))
    if len(vague) == len(wrongs):
        return _near_zero(wrongs, look)
    best = min(each, key=_rank)
    if gate and _rank(best) >= CAUSES.index("recurrent"):
        return _near_zero(gate[1], look, gate[0])
    same = tuple(found.arrays[0] for found in each if found.cause == best.cause)
    more = f"the same in {', '.join(same)}" if len(same) > 1 else ""
    return Diagnosis(best.cause, f"{best.arrays[0]}: {best.text}", _both(best.evidence, more), same)


def _pair(vague: list[Wrong], wrongs: list[Wrong]) -> Diagnosis | None:
    """Look for weights whose bias is right, in the same block at least: dz is right, and what it multiplies is not."""
    bad = {w.name: w.bad for w in wrongs}
    for w in vague:
        shape = w.at.a.shape
        if w.name in INPUTS or not shape:
            continue
        rows = w.bad.reshape(shape[0], -1).any(1)  # (m, …) -> (m, rest)
        biases = {n: at.a for n, at in w.others.items() if n != w.name and at.a.shape == shape[:1] and at.a.any()}
        biases = {
            n: a for n, a in biases.items() if n not in GAINS and (len(shape) > 1 or (w.name in GAINS and n in SHIFTS))
        }
        wrong = [name for name in biases if name in bad and np.any(bad[name] & rows)]
        if biases and not wrong and (len(shape) == 1 or not any(len(v.at.a.shape) == 1 for v in vague)):
            name = next(iter(biases))
            return Diagnosis(
                "term",
                f"{w.name}: a product with a wrong operand",
                f"{name} is right in the same rows: what flows back to both is right, and what it multiplies is not",
                (w.name,),
            )
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
        return Diagnosis("derivative", text if block else f"{text} or above", seen, arrays)
    told = "; ".join(f"{name}: {_told(s)}" for name, s in list(shrunk.items())[:3])
    evidence = _both(seen if block else "", f"with all parameters 1e-2 and 1e-3 times as large, {told}")
    factors = [s.factor for s in shrunk.values() if s.by_factor]
    steady = [s for s in shrunk.values() if s.steady]
    if factors and all(abs(c + 1) < 0.02 for c in factors):
        return Diagnosis("sign", f"the sign of a term is flipped, in {where}", evidence, arrays)
    if (len(factors) > len(shrunk) / 2 or not steady) and (factors or all(s.falls > 50 for s in shrunk.values())):
        text = f"a derivative of a non-linearity is left out, or a wrong one, in {where}"
        return Diagnosis("derivative", text, evidence, arrays)
    text = f"a term is missing, or made with a wrong operand, in {where} or above"
    return Diagnosis("term", text, evidence, arrays)


def _told(s: Shrunk) -> str:
    if s.by_factor:
        return f"a → {s.factor:.3g} n"
    return "the error stays" if s.steady else f"the error falls {s.falls:.0f} times"


def _own_product(wrongs: list[Wrong], right: list[str]) -> Diagnosis:
    """Conclude from one wrong array, or from a right gradient of the input, that what flows back is right.

    Then only the array's own product can be wrong: n = dzᵀ X with another X. Unless a has the same row space as n, so
    that X was right and dz was not; and what flows back to an input is a sum over the paths on which it acts.
    """
    w, names = wrongs[0], tuple(w.name for w in wrongs)
    a, n = w.at.a, w.at.n
    told = f"{', '.join(right[:4])}{', …' if len(right) > 4 else ''} {'is' if len(right) == 1 else 'are'} right"
    if len(wrongs) == 1 and a.ndim == 2 and not np.isnan(n).any():
        rank, both = w.rank(n), w.rank(np.vstack([a, n]))
        if both == rank < min(n.shape):
            return unexplained(w)
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
