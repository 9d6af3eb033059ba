"""Measure this package against its peers: `python -m benchmarks [--quick] [--only TEXT]`.

Every contender lives in a process of its own, its threads pinned before NumPy loads. Those of one work take turns,
round after round, so that what disturbs the machine disturbs all; ratios are of medians in that run. Before anything
is timed, results are compared: a contender that computes something else is an error, not a row.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from benchmarks.contenders import ANOTHER_FUNCTION, MAKERS
from benchmarks.process import pinned
from benchmarks.results import machine, publish, read
from benchmarks.targets import table
from benchmarks.works import FULL, QUICK, Arrays, Work


class Contender:
    """A worker process."""

    def __init__(self, work: Work, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(asdict(work)), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=pinned(work.threads),
        )
        self.answer()

    def ask(self, line: str) -> str:
        """Send a line and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        """Wait for a line; a worker that has died says why."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            last = self.process.stderr.read().strip().splitlines()[-1:]
            raise RuntimeError(f"{self.name}: {last[0] if last else 'ended without a word'}")
        return line

    def end(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(work: Work, rounds: int, seconds: float) -> list[dict]:
    """Compare, then time all contenders of one work in turns; return a row for each."""
    names = [n for n in MAKERS[work.kind] if not (n in ("autograd", "numpy-ml") and (work.H > 300 or work.threads > 1))]
    contenders = []
    try:
        contenders.extend(Contender(work, name) for name in names)
        errors = compare(contenders, work)
        times: dict[str, list[float]] = {name: [] for name in names}
        for k in range(rounds):
            turn = k % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                times[contender.name] += json.loads(contender.ask(f"go {seconds}"))
    finally:
        for contender in contenders:
            contender.end()
    first = median(times[names[0]])
    return [
        {
            "work": str(work),
            "contender": name,
            "ms, median": f"{median(found) * 1e3:.4f}",
            "ms, least": f"{min(found) * 1e3:.4f}",
            "runs": len(found),
            "speed": f"{first / median(found):.2f}",  # against the first contender
            "difference": errors.get(name, "–"),
        }
        for name, found in times.items()
    ]


def compare(contenders: list[Contender], work: Work) -> dict[str, str]:
    """Return how far each contender's arrays are from the first one's, relative to the largest entry.

    Raises
    ------
    RuntimeError
        If it is further than rounding explains.
    """
    limit = 1e-3 if work.dtype == "float32" else 1e-10
    found: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        results = {}
        for contender in contenders:
            file = Path(folder) / f"{len(results)}.npz"
            contender.ask(f"check {file}")
            with np.load(file) as saved:
                results[contender.name] = dict(saved)
    reference = contenders[0].name
    first = results[reference]
    for name, arrays in results.items():
        if name != reference and name in ANOTHER_FUNCTION:
            continue
        error = distance(arrays, first)
        if not error <= limit:  # NaN is not
            raise RuntimeError(f"{work}: {name} is {error:.1e} away from {reference}")
        found[name] = f"{error:.0e}"
    return found


def distance(arrays: Arrays, first: Arrays) -> float:
    """Return the largest difference of two results, relative to the largest entry of each array; NaN is kept.

    Arrays of which the first has none by that name, or of another shape, are infinitely far away.
    """
    if not arrays or any(name not in first or a.shape != first[name].shape for name, a in arrays.items()):
        return float("inf")
    return float(np.max([np.abs(a - first[name]).max() / np.abs(first[name]).max() for name, a in arrays.items()]))


def command(out: Path, quick: bool, only: str = "", merge: bool = False) -> None:
    """Measure all works, or those whose name has `only` in it; write the targets and the rows.

    Some works alone go to a table of their own or, with `merge`, to their places in the table of all. The contenders
    of one work are always of one run; works may be of several machines, and every row says of which.

    Raises
    ------
    ValueError
        If no work is left, or there is no table to merge into.
    """
    works = [work for work in (QUICK if quick else FULL) if only in str(work)]
    if not works:
        raise ValueError(f"--only {only!r} leaves no work; they are named like {FULL[0]!s}")
    name = "quick" if quick else "bench"
    whole = out / f"{name}.csv"
    if merge and not whole.is_file():
        raise ValueError(f"--merge puts works into {whole}, which is not there: run without --only first")
    rows, about = [], machine()
    for work in tqdm(works, desc="works", disable=None):
        rows += [row | about for row in measure(work, *((5, 0.3) if quick else (9, 1.0)))]
    if merge:
        rows = merged(read(whole), rows, [str(work) for work in (QUICK if quick else FULL)])
    publish(out, f"{name}-part" if only and not merge else name, rows, table(rows))  # a part does not replace all


def merged(old: list[dict], new: list[dict], order: list[str]) -> list[dict]:
    """Return rows of which each work's are the new ones if there are any, in the order of the works."""
    works = {row["work"] for row in new}
    rows = [row for row in old if row["work"] not in works] + new
    place = {work: k for k, work in enumerate(order)}
    rows = sorted(rows, key=lambda row: place.get(row["work"], len(place)))  # contenders keep their order: it is stable
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name, "") for name in columns} for row in rows]
