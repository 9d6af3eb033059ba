"""Processes whose threads are pinned before NumPy loads: the only place to measure in.

`python -m benchmarks.process NAME SETTINGS` is the child: it prints as JSON what `benchmarks.NAME.measure` returned.
"""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from typing import Any

from refdope.experiments.workers import THREADS

# what would have threads wait otherwise than their library does by itself
WAITING = ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT", "OPENBLAS_THREAD_TIMEOUT")


def pinned(threads: int) -> dict[str, str]:
    """Return the environment of a process of so many threads; how they wait is left to each library's default."""
    kept = {name: value for name, value in os.environ.items() if name not in WAITING}
    return kept | dict.fromkeys(THREADS, str(threads))


def alone(name: str, threads: int = 1, **settings: Any) -> Any:
    """Return what `benchmarks.<name>.measure(**settings)` returns in a fresh process of so many threads.

    Raises
    ------
    RuntimeError
        If the process failed; it said why on standard error.
    """
    child = [sys.executable, "-m", "benchmarks.process", name, json.dumps(settings)]
    done = subprocess.run(child, stdout=subprocess.PIPE, text=True, env=pinned(threads))
    if done.returncode:
        raise RuntimeError(f"{name}: its process ended with status {done.returncode}")
    return json.loads(done.stdout)


def main() -> None:
    """Measure one thing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's business, which ends this process
    _, name, settings = sys.argv
    print(json.dumps(import_module(f"benchmarks.{name}").measure(**json.loads(settings))))


if __name__ == "__main__":
    main()
