"""What is asked of this package: in a work, one contender's speed against another's, at least so many times it."""

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any, NamedTuple

from benchmarks.results import told
from benchmarks.works import Work


class Target(NamedTuple):
    """What is asked of one contender; `at_least` None asks nothing and shows the ratio."""

    work: Work
    contender: str
    against: str
    at_least: float | None


def _step(H: int, threads: int, dtype: str = "float32") -> Work:
    return Work("lstm step", H, threads=threads, dtype=dtype)


def _tokens(H: int) -> Work:
    return Work("lstm tokens", H, B=1)


TARGETS = [
    *(Target(_step(H, 2), "ours, dense", "PyTorch", x) for H, x in ((650, None), (1500, 1.0), (200, 0.8), (256, 0.8))),
    *(Target(_step(H, 1), "ours, dense", "PyTorch", x) for H, x in ((650, 0.9), (1500, 0.9), (200, None), (256, None))),
    Target(_step(256, 1, "float64"), "ours, dense", "numpy-ml", 1.5),
    Target(_step(256, 1, "float64"), "ours, dense", "autograd", 2.0),
    *(Target(_step(650, threads), "ours, Kronecker", "ours, dense", 6.0) for threads in (1, 2)),
    *(Target(_step(650, threads), "ours, doped + CMR", "ours, dense", 0.6) for threads in (1, 2)),
    Target(Work("model step", 650, V=10_000, threads=2), "ours, dense", "PyTorch", 1.0),
    Target(Work("model step", 650, V=10_000, threads=1), "ours, dense", "PyTorch", None),
    Target(_tokens(650), "ours, doped", "ours, dense", 2.5),
    Target(_tokens(1500), "ours, doped", "ours, dense", 6.0),
    Target(_tokens(1500), "ours, doped", "ONNX Runtime", 2.5),
    Target(_tokens(1500), "ours, doped", "PyTorch", 5.0),
    *(Target(_tokens(H), "ours, dense", peer, None) for H in (650, 1500) for peer in ("ONNX Runtime", "PyTorch")),
    *(
        Target(Work("product", B=rows, shape=shape), "ours, Kronecker", "pyfastkron", 1.5)
        for shape in ((2600, 1300), (6000, 3000))
        for rows in (1, 20, 700)
    ),
]


def table(rows: Sequence[Mapping[str, Any]], targets: Sequence[Target] = TARGETS) -> list[dict[str, str]]:
    """Return a row for each target whose work is among the rows of a run: the ratio of medians, against / contender.

    Ratios are rounded down, so that no miss reads like what was asked.
    """
    medians = {(row["work"], row["contender"]): float(row["ms, median"]) for row in rows}
    found = []
    for work, contender, against, at_least in targets:
        if (str(work), contender) not in medians:
            continue
        ratio = floor(100 * medians[str(work), against] / medians[str(work), contender] + 1e-9) / 100
        asked = at_least or 0.0
        found.append(
            {
                "work": str(work),
                "contender": contender,
                "against": against,
                "at least": f"{asked:.2f}x" if at_least else "–",
                "measured": told(ratio, asked, ratio >= asked),
            }
        )
    return found
