"""Checking derivatives of anybody's code, arrays in dicts: `report = gradcheck(loss, params, grads)`.

    problem      loss, params and grads, flattened once
    calls        what calling them shows besides numbers
    oracles      complex step, circle, stencil; `steps`: what differences can tell; `numeric`: all of them at one point
    entries      every entry of a small array compared; `directions`: large ones along directions
    check        the verdict, from these; `report` says it
    why/         what the error most likely is: the verdict reads without it

NumPy is all it needs; the report's picture needs Matplotlib when it is drawn.

The function is here, and what it calls is imported when it is called: `from refdope import gradcheck` gives it at
once, in whatever order things are imported, and whoever only finds it (pytest, for the fixture) does not load NumPy.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from refdope.gradcheck.how import How

if TYPE_CHECKING:
    from refdope.gradcheck.causes import CAUSES, Diagnosis
    from refdope.gradcheck.compared import Compared
    from refdope.gradcheck.oracles import complex_step, stencil
    from refdope.gradcheck.report import Report

__all__ = ["CAUSES", "Compared", "Diagnosis", "How", "Report", "complex_step", "gradcheck", "stencil"]


def gradcheck(
    loss: Callable[[Any], Any],
    params: Any,
    grads: Any,
    *,
    blocks: Mapping[str, Mapping[str, Any]] | None = None,
    cases: Mapping[Any, tuple[Any, ...]] | None = None,
    tolerance: float | Mapping[str, float] | None = None,
    how: How = "auto",
    seconds: float = 10.0,
    seed: int = 0,
) -> "Report":
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
        {T: (loss, params, grads)}: the same function at other sizes, smallest first: at T = 1, 2 and 3 steps a report
        tells an error of the recurrence from one of the step. Any other label stands for what it says.
    tolerance : float, or dict by oracle, optional
        By default {"complex step": 1e-10, "stencil": 1e-7} of each entry, the second against differences; 1e-4 of the
        array's largest entry for float32 gradients. One that is given is of the largest entry, too.
    how : {"auto", "entries", "directions"}
        Entry by entry, along random directions, or by size: what `seconds` allow.
    seconds : float
        For the verdict, roughly. What is found wrong in a large array is located after it.
    seed : int
        Of the directions.

    Returns
    -------
    Report
        `.ok`, `.diagnosis`, `.worst`, `print(report)`, `.figure()`. What could not be compared is not ok.

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
    from refdope.gradcheck.check import Options, check
    from refdope.gradcheck.problem import Problem

    options = Options(blocks or {}, cases or {}, tolerance, how, seconds, seed)
    return check(Problem(loss, params, grads), options)


def __getattr__(name: str) -> Any:
    where = {"CAUSES": "causes", "Diagnosis": "causes", "Compared": "compared", "Report": "report"}
    where |= {"complex_step": "oracles", "stencil": "oracles"}
    if name not in where:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{where[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
