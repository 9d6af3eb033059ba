"""How many threads BLAS takes while a model is trained.

OpenBLAS's threads wait for each other by spinning: on a busy machine two are many times slower than one. So

    the user's setting (OPENBLAS_NUM_THREADS, OMP_NUM_THREADS) wins;
    one thread up to `SMALL` units per layer, where a second one gains little;
    two above that, while as many cores are free;
    back to one, for good, where the running median of a step exceeds twice the best one there was.

How many threads share a product decides the order of its sums, so its rounding. A run that is resumed with as many
threads has the same bits; one that went from two to one has them only up to rounding. Set the variable where bits
count.
"""

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median

from refdope.structures import product

SMALL = 256  # units
WINDOW = 15  # steps, of the running median
SYMBOLS = tuple(f"{head}openblas_set_num_threads{tail}" for head in ("scipy_", "") for tail in ("64_", "", "_64"))


def users() -> str | None:
    """Return how many threads the user's environment asks for, if it does."""
    return next((os.environ[n] for n in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS") if os.environ.get(n)), None)


def free_cores() -> float:
    """Return how many of the cores that this process may use are idle, by the load of the last minute."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return cores - os.getloadavg()[0]
    except (OSError, AttributeError):  # a system that does not tell
        return 0.0


def set_threads(threads: int) -> bool:
    """Let every OpenBLAS that is loaded take so many threads; return whether there was one that could be told."""
    told = False
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    for library in {line.split(maxsplit=5)[5] for line in lines if "openblas" in line.lower() and "/" in line}:
        try:
            loaded = ctypes.CDLL(library)
        except OSError:
            continue
        for symbol in SYMBOLS:
            if hasattr(loaded, symbol):
                getattr(loaded, symbol)(ctypes.c_int(threads))
                told = True
                break
    if told:
        product.THREADS = str(threads)
    return told


class Threads:
    """The threads of one training run.

    Parameters
    ----------
    units : int
        H, of a layer.
    tell : callable, optional
        What is called with a line that says how many were taken, and why; by default it is printed to standard error.

    Attributes
    ----------
    taken : int or None
        How many; None where the user's setting, or a BLAS that cannot be told, decides.
    """

    def __init__(self, units: int, tell: Callable[[str], object] | None = None) -> None:
        self._tell = tell or (lambda line: print(line, file=sys.stderr, flush=True))
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._best = float("inf")
        self.taken: int | None = None
        if asked := users():
            self._tell(f"BLAS threads: {asked}, as the environment asks")
            return
        if units <= SMALL:
            wanted, why = 1, f"for {units} units"
        elif free_cores() >= 2:
            wanted, why = 2, f"for {units} units, two cores are free"
        else:
            wanted, why = 1, "the other cores are busy"
        if set_threads(wanted):
            self.taken = wanted
            self._tell(f"BLAS threads: {wanted}, {why}")
        else:
            self._tell("BLAS threads: as the library has them; it cannot be told here")

    def step(self, seconds: float) -> None:
        """Note how long a step took; go back to one thread where steps have become twice as slow as the best."""
        if self.taken != 2:
            return
        self._times.append(seconds)
        self._best = min(self._best, seconds)
        if len(self._times) == WINDOW and median(self._times) > 2 * self._best and set_threads(1):
            self.taken = 1
            self._tell(f"BLAS threads: back to 1, a step takes {median(self._times) / self._best:.1f} times the best")
