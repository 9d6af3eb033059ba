"""What the checks are made of: call a student's function, compare what it gives, and say how it differs."""

import copy
import linecache
import re
import traceback
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np

from refdope import gradcheck
from refdope.gradcheck import Report

Array = np.ndarray
Student = Callable[..., Any]  # a function that a student has written
Problem = Callable[[int], tuple[Any, Any, Any]]  # from a size to what gradcheck takes: loss, params, grads
Look = Mapping[str, str]  # what to look at, by cause or by array; under "" where nothing else fits
Instead = Callable[[Report], tuple[str, str] | None]  # what is most likely, "" for the diagnosis, and what to look at

# what to look at, by the causes that gradcheck names
LOOK = {
    "nan": "a division, a logarithm, or an array of np.empty that is not filled",
    "accumulated": "arrays that outlive the call, such as a default argument or a global, and are added to",
    "mutated": "what is done in place to an argument: +=, a[…] =, out=",
    "random": "where random numbers are drawn; a derivative needs the same ones every time",
    "sign": "the signs",
    "transpose": "which matrix of the product is transposed, and their order",
    "factor": "a term that is counted twice, a mean in place of a sum, or a number that is left out",
    "zero": "whether the line that fills this array is reached, and whether its result is used",
    "order": "the order of the axes wherever you reshape, split or concatenate",
    "other array": "whether two results are exchanged where they are returned",
}
_reports: list[Report] = []


class CheckError(AssertionError):
    """What is wrong with a function, in a few lines, which a notebook shows without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows."""
        return str(self).splitlines()


def report() -> Report | None:
    """Return all that `gradcheck` found of the last gradients that were wrong, to print or to draw (`.figure()`)."""
    return _reports[-1] if _reports else None


def fail(student: Student, *lines: str, look: str) -> NoReturn:
    """Raise `CheckError`: which function, what is wrong with it, and what to look at."""
    told = [f"    {line}" for text in lines if text for line in text.splitlines()]
    end = "" if look.endswith("?") else "."
    raise CheckError("\n".join([f"{name_of(student)} is WRONG.", *told, f"Look at: {look}{end}"]))


def passed(student: Student, what: str) -> None:
    """Say that a check has passed."""
    print(f"ok    {name_of(student)}: {what}")


def name_of(student: Student) -> str:
    """Return the name of a student's function, or what stands in its place."""
    return getattr(student, "__name__", f"{type(student).__name__} (no function)")


def call(student: Student, **given: Any) -> Any:
    """Call a function by position, on copies; tell what stops it, and what it changes of its arguments."""
    copies = {name: copy.deepcopy(value) for name, value in given.items()}
    told = ", ".join(f"{name} {_shown(value)}" for name, value in given.items())
    if not callable(student):
        fail(
            student,
            f"It is {student!r:.60}, should be a function.",
            look="what its name is assigned to, in later cells",
        )
    try:
        with np.errstate(all="ignore"):  # what is not finite is told below
            result = student(*copies.values())
    except NotImplementedError:
        unwritten = f"{name_of(student)} is not written yet.\nLook at: the text above it; write your lines where"
        raise CheckError(f"{unwritten} the stub is.") from None
    except CheckError:
        raise
    except Exception as error:
        where, line = _where(error, student)
        stops = f"It stops with {type(error).__name__}{where}: {error}"
        fail(student, stops, line, f"It was called with {told}.", look="that line" if where else "its arguments")
    if result is None:
        way = "is there a `return`, on the way that these arguments take?"
        fail(student, "It returns nothing (None).", f"It was called with {told}.", look=f"its last line: {way}")
    for name, value in given.items():
        if not _same(value, copies[name]):
            fail(student, f"It changes its argument {name}, which belongs to whoever calls it.", look=LOOK["mutated"])
    return result


def several(student: Student, result: Any, *names: str) -> tuple[Any, ...]:
    """Return the results of a function that returns several, or tell that they are not as many."""
    many = isinstance(result, tuple | list) or np.ndim(result) > 0
    if many and len(result) == len(names):
        return tuple(result)
    got = f"{type(result).__name__} of {len(result)}" if many else type(result).__name__
    fail(student, f"It should return {', '.join(names)}; it returns: {got}.", look="its `return`")


def shaped(student: Student, name: str, given: Any, right: Any) -> Array:
    """Return a result as an array of the shape of the right one, or tell that it is none."""
    right = np.asarray(right)
    if isinstance(given, list | tuple) and right.ndim:
        fail(
            student, f"{name} is a {type(given).__name__}, should be an array.", look="how it is made: np.array of it?"
        )
    if not isinstance(given, np.ndarray | np.generic | int | float):
        fail(student, f"{name} is no array but {type(given).__name__}.", look="what is returned, and in which order")
    given = np.asarray(given)
    if given.ndim == 0:
        _no_answer(student, name, given, right)
    if given.dtype.kind not in "biuf":
        fail(student, f"{name} has dtype {given.dtype}, should be {right.dtype}.", look=f"how {name} is made")
    if given.shape == right.shape:
        return given
    hint = ""
    if given.ndim == 2 and given.shape == right.shape[::-1]:
        hint = "It is transposed."
    elif given.size == right.size:
        hint = "The number of entries is right: the last reshape is missing, or another one."
        if given.ndim == right.ndim == 2:
            hint = f"{hint[:-1]}, or arrays are concatenated along the wrong axis."
    elif given.ndim > right.ndim:
        hint = "It has an axis too many: is a sum missing?"
    elif given.ndim < right.ndim:
        hint = "It has an axis too few: a sum too many, or one row in place of all?"
    fail(
        student,
        f"{name} has shape {given.shape}, should be {right.shape}.",
        hint,
        look=f"the shapes on the way to {name}",
    )


def _no_answer(student: Student, name: str, given: Array, right: Array) -> None:
    """Tell if True or False is given where numbers are asked for."""
    if given.dtype == bool and right.dtype != bool:
        what = f"{name} is {given}: an answer" if given.ndim == 0 else f"{name} has True and False in it: answers"
        look = "what is compared at the end, by ==, <, np.isclose: return the numbers, not the comparison"
        fail(student, f"{what} yes or no, should be {'a number' if right.ndim == 0 else 'numbers'}.", look=look)


def keyed(student: Student, result: Any, like: Mapping[str, Any], what: str = "the gradient of ") -> dict[str, Array]:
    """Return a dict of arrays with the names and shapes of the right one, or tell what differs."""
    if not isinstance(result, Mapping) or set(result) != set(like):
        got = f"a dict of {', '.join(map(str, result))}" if isinstance(result, Mapping) else type(result).__name__
        fail(student, f"It should return a dict of {', '.join(like)}; it returns: {got}.", look="its `return`")
    return {name: shaped(student, f"{what}{name}", result[name], right) for name, right in like.items()}


def lean(student: Student, dense: float, told: str, look: str, **given: Any) -> None:
    """Tell if a call takes as much memory as a good part of a dense matrix, of so many bytes."""
    tracemalloc.start()
    try:
        call(student, **given)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > dense / 4:
        took = f"It takes {peak / 1e6:.1f} MB where W has {dense / 1e6:.1f} MB: {told}"
        fail(student, "The numbers are right.", took, look=look)


class _Counted(float):
    """A number that counts in how many products it takes part."""

    products = 0

    def __mul__(self, other: Any) -> "_Counted":
        _Counted.products += 1
        return _Counted(float(self) * float(other))

    def __add__(self, other: Any) -> "_Counted":
        return _Counted(float(self) + float(other))

    def __neg__(self) -> "_Counted":
        return _Counted(-float(self))

    __rmul__, __radd__ = __mul__, __add__


def products(student: Student, **given: Any) -> int:
    """Return how many products of two numbers a call makes; 0 where this cannot be counted."""
    counted = {name: _counted(value) for name, value in given.items()}
    _Counted.products = 0
    with suppress(Exception):  # what takes no such numbers: other checks have tried it
        student(*counted.values())
        return _Counted.products
    return 0


def _counted(array: Array) -> Array:
    made = np.empty(array.shape, object)
    for at in np.ndindex(array.shape):
        made[at] = _Counted(array[at])
    return made


def values(
    student: Student,
    name: str,
    given: Any,
    right: Any,
    look: str,
    like: Mapping[str, Any] | None = None,
    where: str = "",
) -> None:
    """Compare a result with the right one, and tell how it differs.

    Parameters
    ----------
    student : callable
    name : str
        Of the result, in the student's words.
    given, right : array or number
    look : str
        What to look at, if they differ.
    like : dict, optional
        Wrong results that have a name.
    where : str
        In which case; "" if there is but one.
    """
    right = np.asarray(right)
    given = shaped(student, name, given, right)
    _no_answer(student, name, given, right)
    one, two = given.astype(float), right.astype(float)  # of bool, too
    scale = float(np.max(np.abs(two), initial=1e-300))
    bad = ~(np.abs(one - two) <= 1e-10 * scale)
    if not bad.any():
        return
    at = tuple(int(k) for k in np.unravel_index(np.argmax(np.nan_to_num(np.abs(one - two), nan=np.inf)), two.shape))
    index = f"[{', '.join(map(str, at))}]" if at else ""
    one_said, two_said = numbers(given[at], right[at])
    lines = [f"{name}{index} is {one_said}, should be {two_said}.", where and f"This is {where}."]
    for what, wrong in (like or {}).items():
        if np.shape(wrong) == two.shape and np.allclose(one, wrong, rtol=1e-9, atol=1e-12 * scale):
            fail(student, f"{name}: {what}.", *lines, look=look)
    if bad.size == 1:
        fail(student, *lines, look=look)
    what = f"{name} has {bad.sum()} wrong entries of {bad.size}"
    if right.dtype.kind == "f":
        # ⟨v, right⟩ has the gradient `right` with respect to v, so that gradcheck can tell how a given one differs
        point = {name: np.random.default_rng(0).standard_normal(two.shape) / 2}
        found = gradcheck(lambda v: (v[name] * two).sum(), point, lambda _: {name: one}).diagnosis
        if found and found.cause in ("sign", "factor", "transpose", "order"):
            what = _short(found.text)
        elif found and found.cause in ("zero", "nan"):
            what = f"{name} is {'zero, where it should not be' if found.cause == 'zero' else 'not finite'}"
    fail(student, f"{what}.", *lines, look=look)


def gradients(
    student: Student,
    problem: Problem,
    sizes: Mapping[str, int],
    look: Look,
    blocks: Mapping[str, Any] | None = None,
    instead: Instead | None = None,
) -> None:
    """Compare gradients with numerical ones, at the largest size and, where they differ there, at all.

    Parameters
    ----------
    student : callable
    problem : callable
        From a size to what `gradcheck` takes: loss, params, grads.
    sizes : dict
        By label, smallest first: {"T = 1": 1, "T = 3": 3}.
    look : dict
        What to look at, by the cause or by the one array that is wrong.
    blocks : dict, optional
        Of `gradcheck`.
    instead : callable, optional
        What a lab knows better than the diagnosis.
    """
    largest = problem(list(sizes.values())[-1])
    if gradcheck(*largest, blocks=blocks).ok:
        return
    cases = {label: problem(size) for label, size in sizes.items()} if len(sizes) > 1 else None
    found = gradcheck(*largest, blocks=blocks, cases=cases)
    _reports.append(found)
    why, bad = found.diagnosis, found.wrong
    cause = why.cause if why else ""
    better, at = (instead(found) if instead else None) or ("", "")
    lines = [f"Most likely: {better or _short(why.text)}." if better or why else found.head]
    if not better and why and why.evidence and "with all parameters" not in why.evidence and cause != "recurrent":
        letters = " (a: yours, n: the numerical one)" if re.search(r"\b[an]\b[ ᵀ]", why.evidence) else ""
        # a small size does not depend on all that the largest depends on
        evidence = re.sub(r"this array at all; already (at .*)", r"this array \1", why.evidence)
        lines.append(f"Seen by: {evidence}{letters}.")
    if found.arrays and found.worst.looked and not found.worst.ok:
        where = f", at {list(sizes)[-1]}" if len(sizes) > 1 else ""
        lines.append(f"Worst{where}: the gradient of {found.worst.entry}.")
    if len(found.arrays) > 1:
        right = ", ".join(sorted(array.name for array in found.arrays if array.ok))
        lines.append(f"Wrong are the gradients of {', '.join(sorted(bad))}; right: {right or 'none'}.")
    if found.cases:
        told = (f"{'right' if case.ok else 'wrong'} at {label}" for label, case in found.cases.items())
        lines.append(f"It is {', '.join(told)}.")
        if len(bad) > 1 and cause in ("term", "derivative") and next(iter(found.cases.values())).ok:
            cause = "recurrent"
    else:
        lines.append(f"This is with {next(iter(sizes))}.")
    of_array = look.get(bad[0]) if len(bad) == 1 else None
    fail(student, *lines, look=at or look.get(cause) or of_array or LOOK.get(cause) or look[""])


def _short(text: str) -> str:
    """Return a diagnosis without the name of a number that is the number itself."""
    return re.sub(r"(\d+), which is \1\b", r"\1", text)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return str(value.shape)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(each)}" for name, each in value.items()) + "}"
    return f"= {value}" if isinstance(value, int | float | str) else f"({type(value).__name__})"


def numbers(one: Any, other: Any, digits: int = 6) -> tuple[str, str]:
    """Return two numbers with so many digits, or as many more as it takes to see that they differ."""
    if np.asarray(one).dtype == bool:
        return str(one), str(other)
    told = ((f"{one:.{k}g}", f"{other:.{k}g}") for k in range(digits, 18))
    return next((pair for pair in told if pair[0] != pair[1]), (f"{one}", f"{other}"))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return True


def _where(error: Exception, student: Student) -> tuple[str, str]:
    """Return the line of the student's cell at which it stopped, by number and by text, as far as they are known."""
    file = getattr(getattr(student, "__code__", None), "co_filename", "")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if not lines:
        return "", ""
    text = linecache.getline(file, lines[-1] or 0).strip()
    return f" in line {lines[-1]} of its cell", f"`{text}`" if text else ""
