"""What a function reads besides its arguments: the arrays and numbers of its closure, by name.

A backward pass takes more than parameters: an upstream gradient, the inputs, masks, a batch size. The checker looks at
them to see whether a call changed one, and to put a name to a factor: 0.333 is 1 / 3, and 3 is the first axis of x.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType
from typing import Any

import numpy as np

from refdope.gradcheck.tree import Array, Flat

DEPTH = 4  # functions within functions, attributes of attributes
CHANCE = object()  # stands for a random generator
RANDOM = ("random", "rng", "default_rng", "rand", "randn", "shuffle", "permutation", "time")


def read_by(*functions: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Return the arrays and numbers that functions read from closures, defaults, globals and bound objects.

    The second result is whether something random is among what they read.
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()
    chance = False
    for function in functions:
        module = getattr(function, "__module__", None)
        for name, value in _leaves(function, "", module, seen, DEPTH):
            chance |= value is CHANCE
            found.setdefault(name, value)
    return found, chance


def arrays_of(found: Mapping[str, Any]) -> Flat:
    """Return the arrays among what was found."""
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def numbers_of(found: Mapping[str, Any], params: Flat) -> dict[str, float]:
    """Return the numbers that a gradient may be off by: those found, and the axes of the arrays."""
    numbers = {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    }
    for name, array in (arrays_of(found) | params).items():
        for axis, size in enumerate(array.shape):
            numbers.setdefault(f"axis {axis} of {name}", float(size))
    return numbers


def _leaves(value: Any, name: str, module: str | None, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ndarray | int | float | np.number):
        yield name, value
        return
    if isinstance(value, np.random.Generator | np.random.RandomState):
        yield name, CHANCE
        return
    if depth == 0 or id(value) in seen:
        return
    seen.add(id(value))
    for key, part in _parts(value, module):
        yield from _leaves(part, f"{name}.{key}" if name and not callable(value) else key, module, seen, depth - 1)


def _parts(value: Any, module: str | None) -> Iterator[tuple[str, Any]]:
    """Yield what a value is made of, as far as the reader's own code goes."""
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(k), part) for k, part in enumerate(value))
    elif isinstance(value, partial):
        yield from (("function", value.func), *((f"argument {k}", v) for k, v in enumerate(value.args)))
        yield from value.keywords.items()
    elif inspect.ismethod(value):
        yield from (("self", value.__self__), ("function", value.__func__))
    elif inspect.isfunction(value):
        if value.__module__ == module:  # not into NumPy
            names = list(_names(value.__code__))
            yield from (("random", np.random.RandomState()) for name in names if name in RANDOM)
            yield from zip(value.__code__.co_freevars, map(_content, value.__closure__ or ()), strict=True)
            yield from (
                (k, p.default) for k, p in inspect.signature(value).parameters.items() if p.default is not p.empty
            )
            yield from ((name, value.__globals__[name]) for name in names if name in value.__globals__)
    elif not isinstance(value, type) and not inspect.ismodule(value):
        attributes = getattr(value, "__dict__", {})
        yield from attributes.items()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that is never set
        return None


def _names(code: CodeType) -> Iterator[str]:
    """Yield the globals that a function's code names, and that of the functions within it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def snapshot(arrays: Flat) -> Flat:
    """Copy arrays, to compare with them later."""
    return {name: array.copy() for name, array in arrays.items()}


def changed(arrays: Flat, before: Flat) -> list[str]:
    """Return the names of the arrays that are not as they were, or not there; NaN is counted as equal to NaN."""
    return [name for name, was in before.items() if name not in arrays or not _same(np.asarray(arrays[name]), was)]


def _same(one: Array, two: Array) -> bool:
    nan = one.dtype.kind in "fc"
    return one.shape == two.shape and bool(np.array_equal(one, two, equal_nan=nan))
