"""How long a step takes."""

from collections.abc import Callable, Hashable, Mapping
from statistics import median
from time import perf_counter
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)


def run(step: Callable[[], Any], seconds: float) -> list[float]:
    """Run a step for about so long, once at least; return the seconds of each run."""
    times, end = [], perf_counter() + seconds
    while not times or perf_counter() < end:
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return times


def turns(steps: Mapping[K, Callable[[], Any]], rounds: int, seconds: float) -> dict[K, float]:
    """Return the median seconds of each step; they take turns, so that what disturbs the machine disturbs all."""
    names, times = list(steps), {name: list[float]() for name in steps}
    for step in steps.values():
        step()  # the first run also loads and allocates
    for k in range(rounds):
        turn = k % len(names)
        for name in names[turn:] + names[:turn]:
            times[name] += run(steps[name], seconds)
    return {name: median(found) for name, found in times.items()}
