"""The verdict on anybody's backward pass: call it, compare it, and say what is wrong with it.

    error of an array = max |a - n| / max |n|,    a the gradient that is checked, n the numerical one

per array, since in a sum over all of them a wrong bias hides behind a right matrix; what is wrong is decided entry by
entry (`compared`). An error that rounding explains is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, get_args

import numpy as np

from refdope.gradcheck.calls import Calls, stale
from refdope.gradcheck.compared import Compared
from refdope.gradcheck.directions import by_direction, locate
from refdope.gradcheck.entries import entry_by_entry, plan, sample
from refdope.gradcheck.how import How
from refdope.gradcheck.limits import TOLERANCE, Limits
from refdope.gradcheck.numeric import Numeric
from refdope.gradcheck.problem import Problem
from refdope.gradcheck.report import Report
from refdope.gradcheck.tree import Flat
from refdope.gradcheck.why import explain


@dataclass(frozen=True)
class Options:
    """How to check; see `refdope.gradcheck`."""

    blocks: Mapping[str, Mapping[str, Any]]
    cases: Mapping[Any, tuple[Any, ...]]
    tolerance: float | Mapping[str, float] | None = None
    how: How = "auto"
    seconds: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_names("how", [self.how], get_args(How))
        _check_names("tolerance", list(self.tolerance) if isinstance(self.tolerance, Mapping) else [], list(TOLERANCE))


def check(problem: Problem, options: Options) -> Report:
    """Check the gradients of a problem.

    Parameters
    ----------
    problem : Problem
    options : Options
    """
    start = perf_counter()
    calls = Calls(problem)
    if calls.unusable:
        return Report([], [calls.unusable], calls.unusable, value=calls.value, seconds=perf_counter() - start)
    with np.errstate(all="ignore"):  # the oracles go where the loss may overflow
        numeric = Numeric(problem, options.seed, options.seconds)
        numeric.largest = max((float(np.abs(g).max(initial=0.0)) for g in calls.gradients.values()), default=0.0)
        numeric.ask = calls.elsewhere if calls.repeats else None
        limits = Limits.of(options.tolerance, calls.itemsize)
        compared = _compare(numeric, calls.gradients, limits, options)
        wrong = [name for name, row in compared.items() if not row.ok]
        seconds = 0.0 if options.how == "directions" else options.seconds
        findings = calls.findings(compared) + stale(calls, numeric, wrong, limits, seconds)
    for name, row in compared.items():
        row.blocks = dict(options.blocks.get(name, {}))
    rows = [*compared.values(), *(_without(name, calls) for name in problem.flat if name not in compared)]
    others = {
        label: check(Problem(*case), replace(options, cases={}, seconds=options.seconds / 4))
        for label, case in options.cases.items()
    }
    diagnosis = explain(calls, findings, rows, others, numeric.constant)
    rows.sort(key=lambda row: (row.ok, -np.nan_to_num(row.error, nan=np.inf, posinf=np.inf)))
    remarks = [
        *numeric.remarks,
        *_of_calls(calls, numeric),
        *_limits_told(compared),
        *_wished_for(diagnosis, calls, options),
    ]
    return Report(
        rows, findings, diagnosis, remarks, others, numeric.value, perf_counter() - start, problem.loss, problem.params
    )


def _check_names(argument: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError if an argument has a name that is not known."""
    for name in given:
        if name not in known:
            raise ValueError(f"gradcheck: {argument} must be of {', '.join(map(repr, known))}, got {name!r}")


def _compare(numeric: Numeric, given: Flat, limits: Limits, options: Options) -> dict[str, Compared]:
    """Compare every array: the small ones entry by entry, the others along directions, then where those fail."""
    arrays = {name: g for name, g in given.items() if g.size}
    evaluation = max(numeric.seconds, numeric.complex_seconds)
    small = plan({name: g.shape for name, g in arrays.items()}, evaluation, options.seconds)
    entries = {"auto": small, "entries": set(arrays), "directions": set[str]()}[options.how]
    large = {name: g for name, g in arrays.items() if name not in entries and np.isfinite(g).all()}
    along = by_direction(numeric, large, limits) if large else {}
    compared = {}
    for name, g in arrays.items():
        if name in entries:
            compared[name] = entry_by_entry(numeric, name, g, limits, list(np.ndindex(g.shape)))
        elif name not in large:  # NaN or Inf say enough
            compared[name] = Compared(name, g, np.full(g.shape, np.nan))
        elif along[name].ok:
            compared[name] = along[name]
        else:
            row = along[name]
            chosen = sample(g, locate(numeric, name, g) if row.failed else None, numeric.looks, numeric.rng)
            compared[name] = entry_by_entry(numeric, name, g, limits, chosen)
            compared[name].failed, compared[name].directions = row.failed, row.directions
            compared[name].not_compared = compared[name].not_compared or row.not_compared
    return compared


def _without(name: str, calls: Calls) -> Compared:
    """Return the row of an array whose gradient could not be compared, or has nothing to compare."""
    why = next((found for found in calls.found if name in found.arrays), None)
    nothing = np.full(calls.problem.flat[name].shape, np.nan)
    return Compared(name, nothing, nothing, not_compared=why.text if why else "", diagnosis=why)


def _of_calls(calls: Calls, numeric: Numeric) -> list[str]:
    """Return what a reader should know of the problem itself, right or wrong."""
    told = [
        f"{one} and {two} are one array under two names (tied): they are moved one at a time, and each gradient is "
        "that of its own use alone"
        for one, two in calls.problem.tied()
    ]
    if numeric.constant:
        told.append("the loss does not change with params")
    return told


def _wished_for(diagnosis: Any, calls: Calls, options: Options) -> list[str]:
    """Return what would tell more, where the diagnosis is one of two."""
    if diagnosis is None or not diagnosis.or_else:
        return []
    wishes = {
        "grads as a function": callable(calls.problem.grads),
        "blocks (the gates)": options.blocks,
        "cases (T = 1, 2, 3)": options.cases,
    }
    missing = [wish for wish, given in wishes.items() if not given]
    return [f"{', '.join(missing)} would tell more"] if missing else []


def _limits_told(compared: Mapping[str, Compared]) -> list[str]:
    """Return what to know of the verdict's limits."""
    told = []
    along = [name for name, row in compared.items() if row.directions]
    if along:
        ways = dict.fromkeys(compared[name].directions for name in along)
        told.append(f"{', '.join(along)}: tested along {'; '.join(ways)}")
    looked = [row for row in compared.values() if row.looked]
    if looked:
        floors = np.concatenate([np.broadcast_to(row.floor, row.shape)[row.known] for row in looked])
        steps = np.concatenate([np.broadcast_to(row.step, row.shape)[row.known] for row in looked])
        told.append(
            f"absolute errors below a floor, from {floors.min():.0e} to {floors.max():.0e}, are taken for rounding; "
            f"steps h from {steps.min():.0e} to {steps.max():.0e}; both by entry"
        )
    return told
