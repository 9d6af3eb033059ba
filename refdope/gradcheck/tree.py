"""Nested dicts, lists and (named) tuples of arrays, read as one flat dict under dotted names, and put together again.

{"layers": [{"W": a}], "b": c}    <->    {"layers.0.W": a, "b": c}
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Flat: TypeAlias = dict[str, Array]


def flatten(tree: Any) -> dict[str, Any]:
    """Return the leaves of nested dicts, lists and tuples, in their order, under dotted names.

    Where two names would be the same ("a.b" beside {"a": {"b": …}}), the later one gets a prime.
    """
    flat: dict[str, Any] = {}
    for name, leaf in _leaves(tree, ""):
        while name in flat:
            name += "'"
        flat[name] = leaf
    return flat


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        parts = ((str(key), value) for key, value in tree.items())
    elif isinstance(tree, tuple) and hasattr(tree, "_asdict"):
        parts = tree._asdict().items()
    elif isinstance(tree, list | tuple):
        parts = ((str(k), value) for k, value in enumerate(tree))
    else:
        yield name, tree
        return
    for key, part in parts:
        yield from _leaves(part, f"{name}.{key}" if name else key)


def rebuild(tree: Any, leaves: Mapping[str, Any]) -> Any:
    """Return the same nesting with other leaves, in the order of `flatten`."""
    given = iter(leaves.values())

    def made(part: Any) -> Any:
        """Put one part together, of its own type; any mapping is a dict."""
        if isinstance(part, Mapping):
            return {key: made(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            values = [made(value) for value in part]
            return type(part)(*values) if hasattr(part, "_fields") else type(part)(values)
        return next(given)

    return made(tree)
