"""Gradient checker for anybody's backward pass: dicts of arrays in, a report out.

    error of an array = max |analytic - numeric| / max |numeric|

per array, since in a sum over all of them a wrong bias hides behind a right matrix. Two oracles are asked, the
complex step and a fourth-order stencil; an analytic gradient must agree with every one that can be asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from refdope.checks.oracles import Array, Loss, Params, complex_step, stencil

TOLERANCE = {"complex step": 1e-11, "stencil": 1e-8}


@dataclass(frozen=True)
class ArrayError:
    """How one array's gradient compares with one oracle."""

    name: str
    oracle: str
    error: float
    index: tuple[int, ...]  # of the worst entry
    analytic: float
    numeric: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return bool(self.error <= self.tolerance)

    def __str__(self) -> str:
        where = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"{'ok   ' if self.ok else 'WRONG'} {self.name:<24} {self.error:8.1e}  {self.oracle:<12}  "
            f"worst {where or 'entry'}: {self.analytic:+.6e}, should be {self.numeric:+.6e}"
        )


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found, worst array first. `print(report)` to read it."""

    errors: list[ArrayError]
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether every array agrees with every oracle."""
        return all(error.ok for error in self.errors)

    @property
    def worst(self) -> ArrayError:
        """The array that is furthest beyond its tolerance, or nearest to it."""
        return self.errors[0]

    def __str__(self) -> str:
        wrong = len({error.name for error in self.errors if not error.ok})
        arrays = len({error.name for error in self.errors})
        head = f"gradcheck: {arrays} arrays, " + ("all right" if self.ok else f"{wrong} WRONG")
        return "\n".join([head, *(str(error) for error in self.errors), *([self.note] if self.note else [])])


def gradcheck(
    loss: Loss, params: Mapping[str, Array], grads: Mapping[str, Array] | Callable[[Params], Mapping[str, Array]]
) -> Report:
    """Check hand-written gradients against numerical ones, entry by entry.

    Parameters
    ----------
    loss : callable
        From a dict like `params` to a scalar. It must be deterministic: fix masks, or make them from a seed, within it.
    params : dict of str to float array
        Where to check; sizes near ½ condition the check best. Not changed.
    grads : dict, or callable from `params` to a dict
        d loss / d params, under the same keys.

    Returns
    -------
    Report
        `.ok`, `.worst`, `print(report)`.

    Raises
    ------
    ValueError
        If the keys or a shape of the gradients are not those of the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> x = {"x": np.array([1.0, 2.0])}
    >>> gradcheck(lambda p: (p["x"] ** 3).sum(), x, lambda p: {"x": 3 * p["x"] ** 2}).ok
    True
    """
    given = grads({name: np.array(array, np.float64) for name, array in params.items()}) if callable(grads) else grads
    if set(given) != set(params):
        raise ValueError(f"gradcheck: gradients are for {sorted(given)}, parameters are {sorted(params)}")
    for name, array in params.items():
        if np.shape(given[name]) != np.shape(array):
            raise ValueError(
                f"gradcheck: the gradient of {name!r} has shape {np.shape(given[name])}, "
                f"the parameter {np.shape(array)}"
            )
    oracles, note = {"stencil": stencil(loss, params)}, ""
    try:
        oracles["complex step"] = complex_step(loss, params)
    except TypeError as error:
        note = f"complex step not asked: {error}"
    errors = [
        _compare(name, oracle, np.asarray(given[name]), numeric[name])
        for oracle, numeric in oracles.items()
        for name in params
        if numeric[name].size
    ]
    return Report(sorted(errors, key=lambda e: -np.nan_to_num(e.error / e.tolerance, nan=np.inf)), note)


def _compare(name: str, oracle: str, analytic: Array, numeric: Array) -> ArrayError:
    difference = np.abs(analytic - numeric)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(difference), difference.shape))
    scale = np.abs(numeric).max() or 1.0  # a gradient that is zero everywhere is compared as it is
    return ArrayError(
        name,
        oracle,
        float(difference[index] / scale),
        index,
        float(analytic[index].real),
        float(numeric[index]),
        TOLERANCE[oracle],
    )
