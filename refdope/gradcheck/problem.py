"""What is checked: loss, params and grads, flattened once. Everything else here sees flat dicts of arrays."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from refdope.gradcheck.tree import Array, Flat, flatten, rebuild

Loss: TypeAlias = Callable[[Any], Any]


class Problem:
    """A loss, the point to look at it from, and the gradients to check there.

    Parameters
    ----------
    loss : callable
        From a tree like `params` to a scalar.
    params : nested dict of float arrays
    grads : callable or nested dict, optional

    Attributes
    ----------
    flat : dict of array
        The parameters under dotted names. Nobody writes to them.

    Raises
    ------
    ValueError
        If params hold anything but finite float arrays.
    """

    def __init__(self, loss: Loss, params: Any, grads: Any = None) -> None:
        leaves = flatten(params)
        if not isinstance(params, Mapping | list | tuple) or not leaves:
            raise ValueError(f"gradcheck: params must be a dict of arrays, got {type(params).__name__}")
        for name, array in leaves.items():
            if np.asarray(array).dtype.kind != "f":
                raise ValueError(f"gradcheck: params[{name!r}] must be a float array, got {np.asarray(array).dtype}")
            if not np.isfinite(array).all():
                raise ValueError(f"gradcheck: params[{name!r}] must be finite, got NaN or Inf")
        self.loss, self.params, self.grads = loss, params, grads
        self.flat: Flat = {name: np.asarray(array) for name, array in leaves.items()}

    def tree(self, arrays: Mapping[str, Any]) -> Any:
        """Return other arrays in the nesting of the parameters; a new one, since a loss may write into it."""
        return rebuild(self.params, arrays)

    def copies(self, dtype: Any = np.float64, scale: float = 1.0) -> Flat:
        """Return copies of the parameters, of another dtype (None: of their own), and times a scale."""
        return {
            name: np.array(a, dtype or a.dtype) if scale == 1 else np.array(a, np.float64) * scale
            for name, a in self.flat.items()
        }

    def loss_at(self, arrays: Flat) -> Any:
        """Return the loss at other arrays."""
        return self.loss(self.tree(arrays))

    def grads_at(self, arrays: Flat) -> dict[str, Any]:
        """Return what grads gives at other arrays, under dotted names, copied at once: the next call may reuse it."""
        return copied(flatten(self.grads(self.tree(arrays))))

    def at(self, arrays: Flat) -> "Problem":
        """Return the same problem at another point."""
        return Problem(self.loss, self.tree(arrays), self.grads)

    def tied(self) -> list[tuple[str, str]]:
        """Return the pairs of names under which one and the same memory is found, such as tied weights."""
        names = list(self.flat)
        return [
            (one, two)
            for k, one in enumerate(names)
            for two in names[k + 1 :]
            if shares_memory(self.flat[one], self.flat[two])
        ]


def shares_memory(one: Array, two: Array) -> bool:
    """Tell whether two arrays have an entry in common; where that is too hard to find out, whether they may."""
    if not np.may_share_memory(one, two):
        return False
    try:
        return np.shares_memory(one, two, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def copied(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Copy gradients."""
    return {name: np.array(g) for name, g in asked.items() if g is not None}
