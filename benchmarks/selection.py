"""Whole paths of sparse models against general solvers: `python -m benchmarks selection`.

    additive   SpAM on 3 splines a covariate, 30 λ from λ_max to λ_max/200; its peer: cvxpy with Clarabel, λ by λ
    quantile   every breakpoint of the ℓ1,∞ path by events; the peer: one linear program by HiGHS for each breakpoint

The peers solve a few of the problems, spread over the path, and their time is scaled to all of them: column `solved`
says how many. Seconds are of CPU, on one thread, so other work on the machine counts for little; a row's `apart` is the
largest relative difference of the two objectives.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.process import alone
from benchmarks.results import publish, told
from refdope.selection import check_loss, quantile_at, quantile_path, spline_path
from refdope.selection.additive import additive_design, bases
from refdope.selection.descent import Squares, objective
from refdope.selection.groups import members
from refdope.style import RC

ASKED = 20  # times as fast
ADDITIVE = ((250, 125), (500, 125), (1000, 125), (1000, 250), (1000, 500))
QUANTILE = ((60, 12), (125, 30), (250, 30), (500, 30), (500, 60), (500, 120))
LAMBDAS = 30


def command(out: Path, quick: bool) -> None:
    """Measure all sizes, and draw them."""
    rows = alone("selection", quick=quick)
    best = [max(rows, key=lambda row: row["n"] * row["p"] * (row["path"] == kind)) for kind in ("additive", "quantile")]
    above = [
        {
            "path": f"{row['path']}, n {row['n']}, p {row['p']}",
            "times as fast": told(row["ratio"], ASKED, row["ratio"] >= ASKED),
        }
        for row in best
    ]
    publish(out, "selection-quick" if quick else "selection", rows, above, figure=draw)


def measure(quick: bool) -> list[dict[str, Any]]:
    """Return a row for each size; for a process of its own."""
    sizes = [("additive", additive, size) for size in (((60, 20),) if quick else ADDITIVE)]
    sizes += [("quantile", quantile, size) for size in (((60, 12),) if quick else QUANTILE)]
    rows = []
    for name, measured, (n, p) in tqdm(sizes, "selection", disable=None):
        found = measured(n, p)
        rows.append({"path": name, "n": n, "p": p, **found, "ratio": found["peer_s"] / found["ours_s"]})
    return rows


def additive(n: int, p: int) -> dict[str, Any]:
    """Fit SpAM's path, and three of its λ by cvxpy."""
    import cvxpy

    rng = np.random.default_rng(0)
    X = rng.random((n, p))
    y = -2 * np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + X[:, 2] + np.exp(-X[:, 3]) + 0.3 * rng.normal(size=n)
    path, ours = timed(lambda: spline_path(X, y, df=3, n_lambdas=LAMBDAS, tol=1e-8))
    design = additive_design(bases(X, 3))
    solved, peer, apart = range(9, LAMBDAS, 10), 0.0, 0.0
    for k in solved:
        b = cvxpy.Variable(design.matrix.shape[1])
        penalty = sum(cvxpy.norm(b[at]) for at in design.slices[1:])
        loss = cvxpy.sum_squares(y - design.matrix @ b) / (2 * n)
        problem = cvxpy.Problem(cvxpy.Minimize(loss + path.lambdas[k] * penalty))
        _, seconds = timed(lambda problem=problem: problem.solve(solver="CLARABEL"))
        value = objective(design, Squares(y), path.lambdas[k], path.coef[k])
        peer, apart = peer + seconds, max(apart, abs(problem.value / value - 1))
    return {
        "problems": LAMBDAS,
        "solved": len(solved),
        "ours_s": ours,
        "peer_s": peer * LAMBDAS / len(solved),
        "apart": apart,
    }


def quantile(n: int, p: int) -> dict[str, Any]:
    """Follow the path by events, and solve one linear program at each of a few breakpoints."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    y = X[:, :3].sum(1) + rng.standard_t(3, size=n)
    groups = np.arange(p) // 3
    path, ours = timed(lambda: quantile_path(X, y, groups, 0.5))
    K, peer, apart = len(path.lambdas), 0.0, 0.0
    solved = np.unique(np.linspace(0, K - 2, min(K - 1, 8)).astype(int))
    for k in solved:
        lam = float(path.lambdas[k] + path.lambdas[k + 1]) / 2
        (b, b0), seconds = timed(lambda lam=lam: quantile_at(X, y, groups, 0.5, lam))
        one, other = (
            check_loss(y - c - X @ a, 0.5) + lam * sum(np.abs(a[own]).max() for own in members(groups, p))
            for a, c in ((path.coef[k], path.intercept[k]), (b, b0))
        )
        peer, apart = peer + seconds, max(apart, abs(other / one - 1))
    return {"problems": K, "solved": len(solved), "ours_s": ours, "peer_s": peer * K / len(solved), "apart": apart}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what work returns, and its CPU seconds."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def draw(rows: Sequence[Mapping[str, Any]], file: IO[bytes]) -> None:
    """Draw the cost against n at the smallest p of many n, and against p at the largest n."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=(9, 6), layout="constrained")
        for k, path in enumerate(("additive", "quantile")):
            own = [row for row in rows if row["path"] == path]
            shared = max({row["p"] for row in own}, key=lambda p: sum(row["p"] == p for row in own))
            most = max(row["n"] for row in own)
            for side, (axis, fixed, kept) in enumerate((("n", f"p {shared}", "p"), ("p", f"n {most}", "n"))):
                axes = figure.add_subplot(2, 2, 2 * k + side + 1)
                line = [row for row in own if row[kept] == (shared if kept == "p" else most)]
                for name, label, style in (("ours_s", "refdope", "o-"), ("peer_s", "general solver", "s--")):
                    axes.loglog([row[axis] for row in line], [row[name] for row in line], style, label=label)
                axes.set(xlabel=axis, ylabel="CPU seconds a path", title=f"{path}, {fixed}")
                axes.legend(frameon=False)
        figure.savefig(file, format="png")
