"""Gradient checker for anybody's backward pass: it finds the error, says where it is, and what it most likely is.

    error of an array = max |a - n| / max |n|,    a the gradient that is checked, n the numerical one

per array, since in a sum over all of them a wrong bias hides behind a right matrix. An error that rounding explains is
none: below the floor of a few ε |f| / h for differences, and what some ulps of the point do to it for a complex step.
"""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Literal

import numpy as np

from refdope.checks.diagnosis import CAUSES, Diagnosis, Wrong, of_all, of_array
from refdope.checks.numeric import COMPLEX, FLOAT32, STENCIL, TOLERANCE, Compared, Numeric, plan, sample
from refdope.checks.oracles import EPS, Loss, scalar
from refdope.checks.report import ArrayReport, Report, array_report
from refdope.checks.tree import Array, Flat, flatten, rebuild
from refdope.checks.watch import arrays_of, changed, numbers_of, read_by, snapshot

How = Literal["auto", "entries", "directions"]
Grads = Callable[[Any], Any]


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
        d loss / d params. A callable is asked again, to see whether it gives the same, changes what it is given, adds to
        what an earlier call left, or reads something else than its parameters.
    blocks : dict of dict, optional
        {array: {name: index}}: parts of an array, such as the gates of an LSTM's matrix, for the report to name.
    cases : dict, optional
        {label: (loss, params, grads)}: the same function at other sizes, smallest first. With "T = 1", "T = 2" a report
        tells an error of the recurrence from one of the step.
    tolerance : float, or dict by oracle, optional
        By default 1e-10 against the complex step and 1e-7 against differences; 1e-4 for float32 gradients.
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
        If params hold anything but float arrays, or the loss at them is not a finite scalar.

    Examples
    --------
    >>> import numpy as np
    >>> x = {"x": np.array([1.0, 2.0])}
    >>> gradcheck(lambda p: (p["x"] ** 3).sum(), x, lambda p: {"x": 3 * p["x"] ** 2}).ok
    True
    """
    start = perf_counter()
    flat = _checked(params)
    calls = Calls(loss, params, flat, grads)
    numeric = _numeric(calls, seed, seconds)
    given, remarks = calls.gradients, numeric.remarks
    if calls.random_loss:  # no oracle makes sense
        found = calls.random_loss
        return Report([], [found], found, remarks, value=numeric.value, seconds=perf_counter() - start)
    with np.errstate(all="ignore"):  # the oracles go where the loss may overflow
        compared = _compare(numeric, given, tolerance, how, seconds, calls.low_precision)
    blocks = {name: dict(named) for name, named in (blocks or {}).items() if name in given}
    numbers = numbers_of(calls.read, flat)
    wrong = [name for name, at in compared.items() if at.failed or at.wrong.any()]
    wrongs = {
        name: Wrong(
            name,
            compared[name],
            compared,
            np.asarray(flat[name], np.float64),
            numbers,
            blocks.get(name, {}),
            alone=len(wrong) == 1,
        )
        for name in wrong
    }
    arrays = [_array(name, at, blocks.get(name, {}), wrongs) for name, at in compared.items()]
    arrays += [_without(name, flat[name], calls) for name in flat if name not in given]
    arrays.sort(key=lambda a: (a.ok, -np.nan_to_num(a.error, nan=np.inf, posinf=np.inf)))
    with np.errstate(all="ignore"):
        findings = calls.findings(compared) + _stale(calls, numeric, wrongs, seconds)
    others = {
        label: gradcheck(*case, blocks=blocks, tolerance=tolerance, how=how, seconds=seconds / 4, seed=seed)
        for label, case in (cases or {}).items()
    }
    right = [a.name for a in arrays if a.ok]
    report = Report(
        arrays,
        findings,
        _conclude(findings, of_all(list(wrongs.values()), right), wrongs, others),
        [*remarks, *_told(compared, calls)],
        others,
        numeric.value,
        perf_counter() - start,
        loss,
        params,
    )
    return report


def _checked(params: Any) -> Flat:
    flat = flatten(params)
    if not isinstance(params, Mapping | list | tuple) or not flat:
        raise ValueError(f"gradcheck: params must be a dict of arrays, got {type(params).__name__}")
    for name, array in flat.items():
        if np.asarray(array).dtype.kind != "f":
            raise ValueError(f"gradcheck: params[{name!r}] must be a float array, got {np.asarray(array).dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"gradcheck: params[{name!r}] must be finite, got NaN or Inf")
    return {name: np.asarray(array) for name, array in flat.items()}


def _numeric(calls: "Calls", seed: int, seconds: float) -> Numeric:
    value = np.asarray(calls.loss_value)
    if value.size != 1 or not np.isfinite(value).all():
        told = f"shape {value.shape}" if value.size != 1 else str(value.item())
        raise ValueError(f"gradcheck: loss(params) must be a finite scalar, got {told}")
    with np.errstate(all="ignore"):
        return Numeric(calls.loss, calls.params, seed, seconds)


class Calls:
    """What calling loss and grads showed, besides numbers: changed arrays, results that differ, odd shapes and dtypes.

    Everything that a call changed is put back, so that the oracles see the point as it was.
    """

    def __init__(self, loss: Loss, params: Any, flat: Flat, grads: Any) -> None:
        self.loss, self.params, self.flat, self.grads = loss, params, flat, grads
        self.read = read_by(*(f for f in (loss, grads) if callable(f)))
        self.found: list[Diagnosis] = []
        self.remarks: list[str] = []
        watched = arrays_of(self.read)
        before, given = snapshot(watched), self._copies()
        first = scalar_or_all(loss(given))
        if moved := changed(flatten(given), {name: np.asarray(a, np.float64) for name, a in self.flat.items()}):
            self._find("mutated", f"loss changed the parameters {', '.join(moved)}", "compared before and after the call")
        self.loss_value = scalar_or_all(loss(self._copies()))
        self.random_loss = self._differs(first, self.loss_value, changed(watched, before))
        self.second: Flat | None = None
        before = snapshot(watched)
        loss(self._copies())
        buffers = set(changed(watched, before))  # what the loss itself writes to is a buffer of it
        before = snapshot(watched)
        self.gradients = self._taken(self._ask(grads))
        if callable(grads):
            self._call_again(watched, before, buffers)
        self.low_precision = [g.dtype.itemsize for g in self._raw.values() if g.dtype.itemsize < 8]
        self.gradients = {name: g.astype(np.float64) for name, g in self.gradients.items()}

    def _copies(self, dtype: Any = np.float64) -> Any:
        return rebuild(self.params, {name: np.array(a, dtype or a.dtype) for name, a in self.flat.items()})

    @staticmethod
    def _differs(one: Any, two: Any, moved: Sequence[str] = ()) -> Diagnosis | None:
        gap = np.abs(np.subtract(one, two)).max(initial=0.0)
        if not gap > 1e-12 * np.abs(one).max(initial=0.0):
            return None
        if moved:
            return Diagnosis(
                "mutated",
                f"loss changed {', '.join(moved)}, which it was only to read",
                f"two calls gave {one:.6g} and {two:.6g}",
            )
        return Diagnosis(
            "random",
            "the loss is not deterministic: fix its masks, or draw them from a seed within it",
            f"two calls gave {one:.6g} and {two:.6g}",
        )

    def _ask(self, grads: Any) -> Flat:
        """Call grads on parameters of their own dtype, for the dtypes; and in float64, for the numbers."""
        if not callable(grads):
            self._dtypes = flatten(grads)
            return flatten(grads)
        given = self._copies(dtype=None)
        before = snapshot(flatten(given))
        out = {name: _copied(g) for name, g in flatten(grads(given)).items()}
        moved = changed(flatten(given), before)
        if moved:
            self.found.append(
                Diagnosis("mutated", f"grads changed the parameters {', '.join(moved)}", "compared before and after the call")
            )
        self._dtypes = out
        if any(a.dtype != np.float64 for a in self.flat.values()):
            out = {name: _copied(g) for name, g in flatten(grads(self._copies())).items()}
        return out

    def _taken(self, out: Flat) -> Flat:
        """Keep the gradients that can be compared; note what is wrong with the others."""
        self._raw = {name: np.asarray(g) for name, g in out.items() if name in self.flat and g is not None}
        for name in self.flat:
            if name not in self._raw:
                self._find("missing", f"no gradient for {name}", f"grads has {', '.join(sorted(out)) or 'nothing'}", name)
        for name in sorted(set(out) - set(self.flat)):
            self._find("missing", f"a gradient for {name!r}, which is no parameter", f"params are {', '.join(self.flat)}")
        kept: Flat = {}
        for name, g in self._raw.items():
            shape = self.flat[name].shape
            if g.shape != shape:
                turned = "; it is the transpose's" if g.shape == shape[::-1] else ""
                self._find("shape", f"the gradient of {name} has shape {g.shape}, the parameter {shape}{turned}", "", name)
            elif g.dtype.kind not in "fiub":
                self._find("dtype", f"the gradient of {name} is {g.dtype}, the parameter {self.flat[name].dtype}", "", name)
            else:
                kept[name] = g
        for name, g in ((n, np.asarray(self._dtypes[n])) for n in kept if n in self._dtypes):
            if g.dtype.newbyteorder("=") != self.flat[name].dtype.newbyteorder("=") and g.size:
                self._find("dtype", f"the gradient of {name} is {g.dtype}, the parameter {self.flat[name].dtype}", "", name)
        return kept

    def _find(self, cause: str, text: str, evidence: str, *arrays: str) -> None:
        self.found.append(Diagnosis(cause, text, evidence, arrays))

    def _call_again(self, watched: Flat, before: Flat, buffers: set[str]) -> None:
        """Ask once more on the same parameters, and see what the calls did to what they read."""
        moved = [name for name in changed(watched, before) if name not in buffers]
        after = scalar_or_all(self.loss(self._copies()))
        out = {name: np.asarray(_copied(g), np.float64) for name, g in flatten(self.grads(self._copies())).items() if g is not None}
        self.second = {name: g for name, g in out.items() if name in self.gradients}
        for name in set(watched) & set(before):
            if watched[name].flags.writeable and watched[name].shape == before[name].shape:
                watched[name][...] = before[name]
        self.moved, self.loss_moved = moved, self._differs(self.loss_value, after) is not None

    def findings(self, compared: Mapping[str, Compared]) -> list[Diagnosis]:
        """Return what is wrong with the calls, now that the numerical gradients are known."""
        found = list(self.found)
        if self.second is None:
            return found
        differs = [
            name
            for name, two in self.second.items()
            if two.shape != self.gradients[name].shape
            or np.any(np.abs(two - self.gradients[name]) > 1e-9 * np.abs(self.gradients[name]).max(initial=0.0))
        ]
        added = [name for name in differs if self._accumulates(name, compared)]
        if added:
            found.append(
                Diagnosis(
                    "accumulated",
                    "a call adds to what an earlier call left",
                    f"asked twice, the second gradient of {', '.join(added)} is the first plus one more",
                    tuple(added),
                )
            )
        elif self.moved and (self.loss_moved or differs):
            shown = [f"the loss is another after it" if self.loss_moved else "", "a second call differs" if differs else ""]
            found.append(
                Diagnosis("mutated", f"grads changed {', '.join(self.moved)}, which it was only to read", "; ".join(filter(None, shown)))
            )
        elif differs and not any(d.cause == "mutated" for d in found):
            name = differs[0]
            found.append(
                Diagnosis(
                    "random",
                    "grads is not deterministic: two calls on the same parameters differ",
                    f"{', '.join(differs)}; by {np.abs(self.second[name] - self.gradients[name]).max():.3g} in {name}",
                    tuple(differs),
                )
            )
        return found

    def _accumulates(self, name: str, compared: Mapping[str, Compared]) -> bool:
        """Whether the second gradient is the first and once more the right one."""
        assert self.second is not None
        one, two = self.gradients[name], self.second[name]
        if two.shape != one.shape or name not in compared:
            return False
        size = 1e-5 * max(np.abs(one).max(initial=0.0), 1e-300)
        n = np.where(compared[name].looked, compared[name].n, two - one)
        return bool(np.all(np.abs(two - 2 * one) <= size) or np.all(np.abs(two - one - n) <= size))


def _compare(
    numeric: Numeric,
    given: Flat,
    tolerance: float | Mapping[str, float] | None,
    how: How,
    seconds: float,
    low_precision: list[int],
) -> dict[str, Compared]:
    """Compare every array: the small ones entry by entry, the others along directions, then where those fail."""
    limits: dict[str, float] = dict(TOLERANCE)
    if low_precision:
        size = min(low_precision)
        limits = dict.fromkeys(limits, FLOAT32[size]) | {"rounding": float(np.finfo(f"f{size}").eps) / EPS}
    if tolerance is not None:
        limits |= dict(tolerance) if isinstance(tolerance, Mapping) else {COMPLEX: tolerance, STENCIL: tolerance}
    arrays = {name: g for name, g in given.items() if g.size}
    evaluation = max(numeric.seconds, numeric.complex_seconds)
    shapes = {name: g.shape for name, g in arrays.items()}
    entries = {"auto": plan(shapes, evaluation, seconds), "entries": set(arrays), "directions": set[str]()}[how]
    compared = {
        name: numeric.entry_by_entry(name, arrays[name], limits, list(np.ndindex(arrays[name].shape)))
        for name in arrays
        if name in entries
    }
    large = {name: g for name, g in arrays.items() if name not in entries}
    finite = {name: g for name, g in large.items() if np.isfinite(g).all()}
    if finite:
        compared |= numeric.by_direction(finite, limits)
    for name, g in large.items():
        if name not in finite:
            compared[name] = Compared(g, np.full(g.shape, np.nan))
        elif compared[name].failed:
            first = numeric.locate(name, g)
            said = compared[name]
            compared[name] = numeric.entry_by_entry(name, g, limits, sample(g, first, numeric.looks, numeric.rng))
            compared[name].failed, compared[name].directions = True, said.directions
    return {name: compared[name] for name in given if name in compared}


def _array(name: str, at: Compared, blocks: Mapping[str, Any], wrongs: Mapping[str, Wrong]) -> ArrayReport:
    return array_report(name, at, blocks, lambda: of_array(wrongs[name]))


def _without(name: str, array: Array, calls: Calls) -> ArrayReport:
    """Report an array whose gradient could not be compared, or has nothing to compare."""
    why = next((found for found in calls.found if name in found.arrays), None)
    return ArrayReport(name, array.shape, why is None, np.inf if why else 0.0, diagnosis=why)


def _stale(calls: Calls, numeric: Numeric, wrongs: Mapping[str, Wrong], seconds: float) -> list[Diagnosis]:
    """Ask for gradients at another point: do they follow the parameters, or is something else read?"""
    if calls.second is None or not calls.gradients:
        return []
    rng = np.random.default_rng(1)
    moved = {
        name: np.asarray(a, np.float64) * (1 + 0.01 * rng.standard_normal(a.shape)) for name, a in calls.flat.items()
    }
    there = rebuild(calls.params, moved)
    try:
        asked = flatten(calls.grads(there))
        elsewhere = Numeric(calls.loss, there)
    except Exception:  # out of the domain of foreign code
        return []
    new = {name: np.array(g, np.float64) for name, g in asked.items() if name in calls.gradients and g is not None}
    suspects = {name: g for name, g in new.items() if g.size and name not in wrongs and g.shape == calls.flat[name].shape}
    same = [n for n, g in suspects.items() if g.any() and np.array_equal(g, calls.gradients[n]) and moved[n].any()]
    if len(suspects) * 100 * numeric.seconds > seconds:  # too slow to look at all of them
        suspects = {name: suspects[name] for name in same}
    wrong = [name for name, g in suspects.items() if _wrong_there(elsewhere, name, g, rng)]
    frozen = [n for n, g in new.items() if g.any() and np.array_equal(g, calls.gradients[n]) and moved[n].any()]
    if len(frozen) > 2 and len(frozen) == sum(bool(g.any()) for g in new.values()) and set(frozen) <= set(wrongs):
        wrong, same = frozen, frozen  # nothing at all moves, and all of it is wrong
    if not wrong:
        return []
    told = "they are the same numbers at another point" if set(same) & set(wrong) else "right at one point, wrong at the next"
    return [
        Diagnosis(
            "stale",
            "the gradients do not follow the parameters: a global, or a cache of another call, is read",
            f"{', '.join(wrong)}: {told}",
            tuple(wrong),
        )
    ]


def _wrong_there(elsewhere: Numeric, name: str, g: Array, rng: np.random.Generator) -> bool:
    """Whether a few entries of a gradient are plainly wrong at another point."""
    if not np.isfinite(g).all():
        return False
    chosen = rng.choice(g.size, min(g.size, 4), replace=False)
    indices = [tuple(int(i) for i in np.unravel_index(k, g.shape)) for k in chosen]
    at = elsewhere.entry_by_entry(name, g, {COMPLEX: 1e-5, STENCIL: 1e-4, "rounding": 100.0}, indices)
    return bool(at.wrong.any())


def _conclude(
    findings: list[Diagnosis], here: Diagnosis | None, wrongs: Mapping[str, Wrong], cases: Mapping[str, Report]
) -> Diagnosis | None:
    """Choose what the error most likely is: what the calls showed, then what the smallest size shows, then the arrays."""
    if findings:
        first = min(findings, key=lambda found: CAUSES.index(found.cause))
        if here is None or CAUSES.index(first.cause) <= CAUSES.index(here.cause):
            return first
    ordered = list(cases.items())
    wrong_at = next((k for k, (_, case) in enumerate(ordered) if not case.ok), None)
    if wrong_at is None:
        if here is None or not ordered or len(wrongs) < 2:
            return here
        return _recurrent(here, ordered[-1][0], "this size", wrongs) if _generic(here) else here
    label, case = ordered[wrong_at]
    found = case.diagnosis or here
    if found and found.cause == "zero" and here and here.cause != "zero" and len(case.wrong) == 1:
        return Diagnosis("term", here.text, _both(f"at {label} there is none at all", here.evidence), found.arrays)
    later = ordered[-1][1]
    if found and len(case.wrong) == 1 and len(later.wrong) > 2 and _generic(found):
        return Diagnosis(
            "recurrent",
            f"what is handed to the step before is wrong: at {label} it is {case.wrong[0]} alone, later all that it reaches",
            f"at {ordered[-1][0]} {', '.join(later.wrong)} are wrong; {found.text}",
            tuple(case.wrong),
        )
    if wrong_at == 0 or found is None:
        return found and Diagnosis(found.cause, found.text, _both(found.evidence, f"already at {label}"), found.arrays)
    if len(case.wrong) > 1 and _generic(found):
        return _recurrent(found, ordered[wrong_at - 1][0], label, case.wrong)
    if found.cause == "operand" and all(len(a.shape) == 1 for a in case.arrays if not a.ok):
        found = Diagnosis("term", f"{case.wrong[0]}: not all terms of the sum are there", found.evidence, found.arrays)
    return Diagnosis(found.cause, found.text, _both(found.evidence, f"right at {ordered[0][0]}"), found.arrays)


def _generic(found: Diagnosis) -> bool:
    return CAUSES.index(found.cause) >= CAUSES.index("zero") and found.cause != "factor"


def _recurrent(found: Diagnosis, right: str, wrong: str, arrays: Any) -> Diagnosis:
    return Diagnosis(
        "recurrent",
        f"right at {right} and wrong from {wrong}: a recurrent gradient is not carried, or overwritten before its use",
        f"wrong are {', '.join(arrays)}; {found.text}",
        tuple(arrays),
    )


def _both(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _told(compared: Mapping[str, Compared], calls: Calls) -> list[str]:
    """Return what to know of the verdict's limits."""
    told = list(dict.fromkeys(at.directions for at in compared.values() if at.directions))
    along = [name for name, at in compared.items() if at.directions]
    remarks = [f"{', '.join(along)}: tested along {'; '.join(told)}"] if told else []
    floors = [at.floor for at in compared.values() if at.looked.any()]
    if floors:
        steps = [at.step for at in compared.values() if at.step]
        remarks.append(
            f"absolute errors below {min(floors):.0e} to {max(floors):.0e} are rounding; steps h from {min(steps):.0e} to "
            f"{max(steps):.0e}, chosen per array"
        )
    return remarks + calls.remarks


def scalar_or_all(value: Any) -> Any:
    """Return a loss as a float, if it is one number; as it is, otherwise."""
    return scalar(np.real(value)) if np.size(value) == 1 else value


def _copied(g: Any) -> Any:
    return None if g is None else np.array(g)
