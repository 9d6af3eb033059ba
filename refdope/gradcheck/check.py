"""Gradient checker for anybody's backward pass: it finds the error, says where it is, and what it most likely is.

    error of an array = max |a - n| / max |n|,    a the gradient that is checked, n the numerical one

per array, since in a sum over all of them a wrong bias hides behind a right matrix. An error that rounding explains is
none: below the floor of a few ε |f| / h for differences, and what some ulps of the point do to it for a complex step.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np

from refdope.checks.calls import Calls, stale
from refdope.checks.causes import Diagnosis, Wrong
from refdope.checks.compared import LOW_PRECISION, TOLERANCE, Compared
from refdope.checks.diagnosis import conclude
from refdope.checks.directions import by_direction, locate
from refdope.checks.entries import entry_by_entry, plan, sample
from refdope.checks.numeric import Numeric
from refdope.checks.oracles import EPS, Loss
from refdope.checks.report import ArrayReport, Report, array_report
from refdope.checks.shrink import shrink
from refdope.checks.tree import Flat, flatten
from refdope.checks.watch import numbers_of

How = Literal["auto", "entries", "directions"]


def gradcheck(
    loss: Loss,
    params: Any,
    grads: Any,
    *,
    blocks: Mapping[str, Mapping[str, Any]] | None = None,
    cases: Mapping[str, tuple[Any, ...]] | None = None,
    tolerance: float | Mapping[str, float] | None = None,
    how: How = "auto",
    seconds: float = 10.0,
    seed: int = 0,
) -> Report:
    """Check hand-written gradients against numerical ones.

    Parameters
    ----------
    loss : callable
        From a dict like `params` to a scalar. It must be deterministic: fix masks, or make them from a seed, within it.
    params : dict of float arrays
        Where to check; it may be nested, and hold lists. Sizes near ½ condition the check best. Not changed.
    grads : callable from `params` to a dict like it, or that dict
        d loss / d params. A callable is asked again, to see whether it gives the same, changes what it is given, adds
        to what an earlier call left, or reads something else than its parameters.
    blocks : dict of dict, optional
        {array: {name: index}}: parts of an array, such as the gates of an LSTM's matrix, for the report to name. Those
        of arrays that `params` has not are left out.
    cases : dict, optional
        {label: (loss, params, grads)}: the same function at other sizes, smallest first. With "T = 1", "T = 2" a report
        tells an error of the recurrence from one of the step.
    tolerance : float, or dict by oracle, optional
        By default {"complex step": 1e-10, "stencil": 1e-7}, the second against differences; 1e-4 for float32 gradients.
    how : {"auto", "entries", "directions"}
        Entry by entry, along random directions, or by size: what `seconds` allow.
    seconds : float
        For the verdict, roughly. What is found wrong in a large array is located after it.
    seed : int
        Of the directions.

    Returns
    -------
    Report
        `.ok`, `.diagnosis`, `.worst`, `print(report)`, `.figure()`.

    Raises
    ------
    ValueError
        If params hold anything but float arrays, the loss at them is not a finite scalar, or `how` or
        `tolerance` name what there is not.

    Examples
    --------
    >>> import numpy as np
    >>> x = {"x": np.array([1.0, 2.0])}
    >>> gradcheck(lambda p: (p["x"] ** 3).sum(), x, lambda p: {"x": 3 * p["x"] ** 2}).ok
    True
    """
    start = perf_counter()
    flat = _checked(params)
    _check_names("how", [how], get_args(How))
    _check_names("tolerance", list(tolerance) if isinstance(tolerance, Mapping) else [], list(TOLERANCE))
    blocks = {name: dict(named) for name, named in (blocks or {}).items() if name in flat}
    calls = Calls(loss, params, flat, grads)
    if calls.unusable:
        return Report([], [calls.unusable], calls.unusable, value=calls.value, seconds=perf_counter() - start)
    with np.errstate(all="ignore"):  # the oracles go where the loss may overflow
        numeric = Numeric(loss, params, seed, seconds)
        numeric.largest = max((float(np.abs(g).max(initial=0.0)) for g in calls.gradients.values()), default=0.0)
        limits = _limits(tolerance, calls.itemsize)
        compared = _compare(numeric, calls.gradients, limits, how, seconds)
        wrongs = _wrongs(compared, calls, blocks)
        findings = calls.findings(compared) + stale(
            calls, numeric, list(wrongs), limits, 0.0 if how == "directions" else seconds
        )
    arrays = [array_report(name, at, blocks.get(name, {}), wrongs.get(name)) for name, at in compared.items()]
    arrays += [_not_compared(name, calls) for name in flat if name not in compared]
    arrays.sort(key=lambda a: (a.ok, -np.nan_to_num(a.error, nan=np.inf, posinf=np.inf)))
    others = {
        label: gradcheck(*case, blocks=blocks, tolerance=tolerance, how=how, seconds=seconds / 4, seed=seed)
        for label, case in (cases or {}).items()
    }
    diagnosis = conclude(
        findings,
        list(wrongs.values()),
        [a.name for a in arrays if a.ok],
        lambda some: shrink(calls, {w.name: w.bad for w in some}) if all(w.whole for w in some) else {},
        others,
    )
    return Report(
        arrays,
        findings,
        diagnosis,
        [*numeric.remarks, *_limits_told(compared), *_wished_for(diagnosis, callable(grads), blocks, cases)],
        others,
        numeric.value,
        perf_counter() - start,
        loss,
        params,
    )


def _check_names(argument: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError if an argument has a name that is not known."""
    for name in given:
        if name not in known:
            raise ValueError(f"gradcheck: {argument} must be of {', '.join(map(repr, known))}, got {name!r}")


def _checked(params: Any) -> Flat:
    """Return the arrays of params by name, or tell what is wrong with them."""
    flat = flatten(params)
    if not isinstance(params, Mapping | list | tuple) or not flat:
        raise ValueError(f"gradcheck: params must be a dict of arrays, got {type(params).__name__}")
    for name, array in flat.items():
        if np.asarray(array).dtype.kind != "f":
            raise ValueError(f"gradcheck: params[{name!r}] must be a float array, got {np.asarray(array).dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"gradcheck: params[{name!r}] must be finite, got NaN or Inf")
    return {name: np.asarray(array) for name, array in flat.items()}


def _limits(tolerance: float | Mapping[str, float] | None, itemsize: int) -> dict[str, float]:
    """Return the tolerance by oracle; under "rounding", how much coarser than float64 the gradients' ε is."""
    limits: dict[str, float] = dict(TOLERANCE)
    if itemsize < 8:
        limits = dict.fromkeys(limits, LOW_PRECISION[itemsize]) | {
            "rounding": float(np.finfo(f"f{itemsize}").eps) / EPS
        }
    if tolerance is not None:
        limits |= dict(tolerance) if isinstance(tolerance, Mapping) else dict.fromkeys(TOLERANCE, tolerance)
    return limits


def _compare(numeric: Numeric, given: Flat, limits: dict[str, float], how: How, seconds: float) -> dict[str, Compared]:
    """Compare every array: the small ones entry by entry, the others along directions, then where those fail."""
    arrays = {name: g for name, g in given.items() if g.size}
    evaluation = max(numeric.seconds, numeric.complex_seconds)
    small = plan({name: g.shape for name, g in arrays.items()}, evaluation, seconds)
    entries = {"auto": small, "entries": set(arrays), "directions": set[str]()}[how]
    large = {name: g for name, g in arrays.items() if name not in entries and np.isfinite(g).all()}
    along = by_direction(numeric, large, limits) if large else {}
    compared = {}
    for name, g in arrays.items():
        if name in entries:
            compared[name] = entry_by_entry(numeric, name, g, limits, list(np.ndindex(g.shape)))
        elif name not in large:  # NaN or Inf say enough
            compared[name] = Compared(g, np.full(g.shape, np.nan))
        elif not along[name].failed:
            compared[name] = along[name]
        else:
            chosen = sample(g, locate(numeric, name, g), numeric.looks, numeric.rng)
            compared[name] = entry_by_entry(numeric, name, g, limits, chosen)
            compared[name].failed, compared[name].directions = True, along[name].directions
    return compared


def _wrongs(compared: Mapping[str, Compared], calls: Calls, blocks: Mapping[str, Any]) -> dict[str, Wrong]:
    numbers = numbers_of(calls.read, calls.flat)
    wrong = {name: at for name, at in compared.items() if at.failed or at.wrong.any()}
    return {
        name: Wrong(name, at, compared, calls.flat[name], numbers, blocks.get(name, {}), alone=len(wrong) == 1)
        for name, at in wrong.items()
    }


def _not_compared(name: str, calls: Calls) -> ArrayReport:
    """Report an array whose gradient could not be compared, or has nothing to compare."""
    why = next((found for found in calls.found if name in found.arrays), None)
    return ArrayReport(name, calls.flat[name].shape, why is None, np.inf if why else 0.0, diagnosis=why)


def _wished_for(diagnosis: Diagnosis | None, asked: bool, blocks: Any, cases: Any) -> list[str]:
    """Return what would tell more, where the diagnosis is one of two."""
    if diagnosis is None or not diagnosis.or_else:
        return []
    wishes = {"grads as a function": asked, "blocks (the gates)": blocks, "cases (T = 1, 2, 3)": cases}
    missing = [wish for wish, given in wishes.items() if not given]
    return [f"{', '.join(missing)} would tell more"] if missing else []


def _limits_told(compared: Mapping[str, Compared]) -> list[str]:
    """Return what to know of the verdict's limits."""
    told = []
    along = [name for name, at in compared.items() if at.directions]
    if along:
        ways = dict.fromkeys(compared[name].directions for name in along)
        told.append(f"{', '.join(along)}: tested along {'; '.join(ways)}")
    floors = [at.floor for at in compared.values() if at.looked.any()]
    steps = [at.step for at in compared.values() if at.looked.any()]
    if floors:
        told.append(
            f"absolute errors below a floor, from {min(floors):.0e} to {max(floors):.0e}, are taken for rounding; "
            f"steps h from {min(steps):.0e} to {max(steps):.0e}; both by array"
        )
    return told
