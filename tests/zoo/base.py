"""What a bug of the zoo is, and what `gradcheck` is called with to find it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

# fmt: off
CAUSES = (
    "sign", "factor", "dropout", "transpose", "order", "other array", "zero", "term", "derivative",
    "recurrent", "mask", "accumulated", "mutated", "random", "stale",
    "dtype", "shape", "missing", "nan",
)
# fmt: on


class Problem(NamedTuple):
    """The arguments of `gradcheck`."""

    loss: Callable[[dict], Any]
    params: dict
    grads: Callable[[dict], dict] | dict
    blocks: dict | None = None
    cases: dict | None = None


@dataclass(frozen=True)
class Bug:
    """One wrong backward pass.

    seen is the public project it was found in, "students' code" for what many write, "" for an imagined one.
    cause holds the causes that are right descriptions of it; arrays those of which at least one has to be reported
    wrong, none where the bug is not in an array. later tells why the first call is right, where it is.
    """

    name: str
    seen: str
    cause: tuple[str, ...]
    arrays: tuple[str, ...]
    make: Callable[[], Problem]
    later: str = ""


def uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of size about 1/2, none of them near 0."""
    return rng.uniform(0.3, 0.9, shape) * rng.choice([-1.0, 1.0], shape)


def over_steps(one: Callable[[int], tuple], blocks: dict | None = None) -> Problem:
    """The problem at T = 3, and its cases: each of them a fresh one(T), so that they share no state."""
    return Problem(*one(3), blocks, {T: one(T) for T in (1, 2, 3)})


def adding(backward: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """Gradients into buffers that are never zeroed: each call adds to what those before it left."""
    total: dict = {}

    def grads(params):
        for name, grad in backward(params).items():
            total[name] = total.get(name, 0) + grad
        return dict(total)

    return grads
