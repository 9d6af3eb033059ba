"""Sizes of a structure apart from its numbers: what fits a compression factor, before anything is drawn."""

from typing import Any, NamedTuple

import numpy as np

from refdope.arrays import Array, check_arrays


class Sizes(NamedTuple):
    """What a member of a kind is made of.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shapes of the parameters by name, in the order in which the constructor takes them.
    settings : dict
        What the constructor takes besides.
    """

    shapes: dict[str, tuple[int, ...]]
    settings: dict[str, Any] = {}  # noqa: RUF012  # never written to

    @property
    def n_params(self) -> int:
        """How many parameters that makes."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())


def check_shape(owner: str, shape: tuple[int, int]) -> None:
    """Raise TypeError unless a shape is two integers, and ValueError unless both are positive."""
    if not (isinstance(shape, tuple | list) and [isinstance(size, int | np.integer) for size in shape] == [True] * 2):
        raise TypeError(f"{owner}: shape must be two integers (m, n), got {shape!r}")
    if min(shape) < 1:
        raise ValueError(f"{owner}: shape must be two positive numbers, got {shape}")


def budget(owner: str, shape: tuple[int, int], factor: float) -> int:
    """Return ⌊m·n / factor⌋, the number of parameters that a compression factor allows.

    Raises
    ------
    ValueError
        If the factor is not a finite number from 1 up.
    """
    if not 1 <= factor < np.inf:
        raise ValueError(f"{owner}: factor must be a finite number from 1 up, got {factor}")
    return int(shape[0] * shape[1] / factor)


def out_of_reach(owner: str, shape: tuple[int, int], factor: float, fewest: int, hint: str = "") -> ValueError:
    """Return the error for a factor that no member of a kind reaches; the smallest has `fewest` parameters."""
    m, n = shape
    best = m * n / fewest
    can = f"at most {best:.4g} ({fewest} parameters) can be had" if best >= 1 else "no compression can be had"
    return ValueError(f"{owner}: factor {factor:g} is out of reach for shape {shape}: {can}{hint}")


def entry_std(std: float | None, n: int) -> float:
    """Return the root mean square that W's entries start with: std, or that of U(-n^-1/2, n^-1/2)."""
    if std is not None and not 0 <= std < np.inf:
        raise ValueError(f"std must be a finite number from 0 up, got {std}")
    return float((3 * n) ** -0.5 if std is None else std)


def gaussian(rng: np.random.Generator, shape: tuple[int, ...], norm: float) -> Array:
    """Draw a Gaussian array and scale it to a Frobenius norm, exactly."""
    array = rng.standard_normal(shape)
    if array.size:
        array *= norm / np.linalg.norm(array)
    return array


def check_axes(owner: str, **arrays: tuple[Array, int]) -> None:
    """Raise unless each is a NumPy array (TypeError) with the number of axes that it is paired with (ValueError)."""
    for name, (array, axes) in arrays.items():
        check_arrays(owner, **{name: array})
        if array.ndim != axes:
            raise ValueError(f"{owner}: {name} must have {axes} axes, got shape {array.shape}")
