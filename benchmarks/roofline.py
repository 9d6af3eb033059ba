"""Where each product stands under the machine's roof: `python -m benchmarks roofline`.

A product of F floating-point operations that must move Q bytes cannot run faster than

    min(peak, bandwidth · F / Q)        [FLOP/s],    F = 2 · multiply-adds,    F / Q its intensity

Peak is the rate of a large square GEMM; bandwidth that of the smallest level of memory that holds the Q bytes, since a
product that is repeated finds its matrix where it fits. Both are measured, on one thread. Williams, Waterman and
Patterson, "Roofline: an insightful visual performance model", CACM 2009.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks.pictures import BLACK, BLUE, GREEN, ORANGE, label_right
from benchmarks.process import alone
from benchmarks.results import caches, publish
from benchmarks.timing import run, turns
from refdope import LMF, Dense, Doped, Kronecker, Overlay, Recipe
from refdope.structures import Structure
from refdope.structures.sizes import entry_std

SHAPES, ROWS = ((2600, 650), (6000, 1500)), (1, 20, 700)


def command(out: Path, quick: bool) -> None:
    """Measure the machine and all products, and draw them."""
    found = alone("roofline", quick=quick)
    peak, levels = found["peak"], [Level(*level) for level in found["levels"]]
    ceilings = [{"ceiling": "largest GEMM, float32", "rate": f"{peak / 1e9:.1f} GFLOP/s"}]
    for level in levels:
        ceilings += [{"ceiling": f"{level.name}, {k}", "rate": f"{r / 1e9:.1f} GB/s"} for k, r in level.rates.items()]
    name = "roofline-quick" if quick else "roofline"
    publish(out, name, found["products"], ceilings, figure=lambda rows, file: draw(rows, peak, levels, file))


def measure(quick: bool) -> dict[str, Any]:
    """Return the machine's ceilings and a row for each product; for a process of its own."""
    shapes, rows_of = (((1024, 256),), (1, 20)) if quick else (SHAPES, ROWS)
    peak, levels = peak_rate((1024,) if quick else (1024, 2048, 3072)), memory_levels()
    found = []
    bar = tqdm(total=len(shapes) * len(rows_of), desc="roofline", disable=None)
    for shape in shapes:
        matrices = dict(products(shape))
        for rows in rows_of:
            x = np.random.default_rng(1).standard_normal((rows, shape[1]), dtype=np.float32)
            steps = {name: lambda W=W, x=x: W.forward(x) for name, W in matrices.items()}
            for name, seconds in turns(steps, 3 if quick else 7, 0.02 if quick else 0.05).items():
                found.append({"matrix": name} | row(matrices[name], rows, seconds, peak, levels))
            bar.update()
    return {"peak": peak, "levels": levels, "products": found}


# ----------------------------------------------------------------------------------------------------- the machine


class Level(NamedTuple):
    """A cache, or the memory: the bytes it holds, and the bytes/s of some kernels on arrays that take half of it."""

    name: str
    holds: float
    rates: dict[str, float]

    @property
    def bandwidth(self) -> float:
        """The best of the rates."""
        return max(self.rates.values())


def peak_rate(sizes: Sequence[int]) -> float:
    """Measure square float32 GEMMs; return the best rate in FLOP/s."""
    rates = []
    for n in sizes:
        A, B = np.random.default_rng(0).standard_normal((2, n, n), dtype=np.float32)
        rates.append(2 * n**3 / min(run(partial(np.matmul, A, B), 1.0)))
    return max(rates)


def memory_levels() -> list[Level]:
    """Measure the caches from L2 on, then the memory on arrays of four times the last cache."""
    found = [Level(name, holds, bandwidths(holds // 2)) for name, holds in caches().items()]
    return [*found, Level("memory", inf, bandwidths(max(2**28, 4 * int(found[-1].holds))))]


def bandwidths(size: int) -> dict[str, float]:
    """Measure three kernels on arrays of `size` bytes together, in bytes a second.

    Every byte that a kernel reads or writes is counted once; those that a cache fetches before a write are not.
    """
    a, b, c = np.ones((3, size // 12), np.float32)

    def triad() -> None:  # a = b + 3 c, in NumPy two passes: read c, write a; read a and b, write a
        np.multiply(c, np.float32(3), out=a)
        np.add(a, b, out=a)

    two = np.ones((2, size // 8), np.float32)  # these two kernels have two arrays
    kernels = {
        "copy": (lambda: np.copyto(two[0], two[1]), size),
        "triad": (triad, 5 * a.nbytes),
        "read": (lambda: np.dot(two[0], two[1]), size),
    }
    return {name: moved / min(run(kernel, 0.3)) for name, (kernel, moved) in kernels.items()}


# ---------------------------------------------------------------------------------------------------- the products


def products(shape: tuple[int, int]) -> Iterator[tuple[str, Structure]]:
    """Make a matrix of every kind in float32: the overlay from dense to 1 %, and what is 25 times smaller."""
    rng, entries = np.random.default_rng(0), shape[0] * shape[1]
    overlay = Overlay.dense(shape, rng).astype(np.float32)
    yield "Dense", Dense(overlay.values.copy())
    yield "Overlay, dense storage", Overlay(overlay.values.copy(), overlay.mask)
    kronecker = Kronecker.drawn(Kronecker.sizes_doped(shape, 25), rng, entry_std(None, shape[1])).astype(np.float32)
    left = int(entries / 25) - kronecker.n_params
    for name, keep in (("10 %", 0.1), ("4 %", 0.04)):
        overlay.prune(int(keep * entries))
        yield f"CSR, {name}", overlay.to_csr()
    overlay.prune(left)
    yield "Doped, 25x, CSR", Doped(kronecker, overlay.to_csr())
    overlay.prune(int(0.01 * entries))
    yield "CSR, 1 %", overlay.to_csr()
    yield "Kronecker, 25x", Kronecker.for_compression(shape, 25, rng).astype(np.float32)
    yield "LMF, 25x", LMF.for_compression(shape, 25, rng).astype(np.float32)
    yield "HMD, 25x", Recipe("hmd", 25).matrix(shape, rng).astype(np.float32)  # as in an LSTM


def counts(W: Structure, rows: int) -> tuple[int, int]:
    """Return the multiply-adds of x Wᵀ, and the bytes that must move: parameters and indices, x and y, once each.

    An overlay's mask is stored, but no product reads it.
    """
    stored = [*W.params.values(), *W.constants.values()]
    itemsize = max(a.itemsize for a in W.params.values())
    read = sum(a.nbytes for a in stored if a.dtype != bool)
    return W.macs * rows, read + rows * sum(W.shape) * itemsize


def row(W: Structure, rows: int, seconds: float, peak: float, levels: Sequence[Level]) -> dict[str, Any]:
    """Return a product's place under the roof."""
    macs, moved = counts(W, rows)
    level = next(level for level in levels if moved <= level.holds)
    bound = min(peak, level.bandwidth * 2 * macs / moved)
    return {
        "shape": f"{W.shape[0]} x {W.shape[1]}",
        "rows": rows,
        "multiply-adds": macs,
        "bytes": moved,
        "FLOP/byte": f"{2 * macs / moved:.3f}",
        "µs": f"{seconds * 1e6:.1f}",
        "GFLOP/s": f"{2 * macs / seconds / 1e9:.2f}",
        "fits": level.name,
        "bound, GFLOP/s": f"{bound / 1e9:.1f}",
        "of bound": f"{2 * macs / seconds / bound:.2f}",
    }


# ------------------------------------------------------------------------------------------------------ the figure


def draw(rows: Sequence[Mapping[str, Any]], peak: float, levels: Sequence[Level], file: IO[bytes]) -> None:
    """Draw a panel a row count: products under the roof, the small matrix joined to the large one."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from refdope.style import RC

    peak /= 1e9
    shapes, counted = list(dict.fromkeys(r["shape"] for r in rows)), list(dict.fromkeys(r["rows"] for r in rows))
    reached = [float(r["GFLOP/s"]) for r in rows]
    intensities = [float(r["FLOP/byte"]) for r in rows]
    left, right = min(intensities) / 2, max(intensities) * 1.6
    with mpl.rc_context(RC):
        figure: Any = Figure(figsize=(4.7 * len(counted), 4.6), layout="constrained")
        for axes, count in zip(figure.subplots(1, len(counted), squeeze=False)[0], counted, strict=True):
            axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(min(reached) / 2, peak * 2))
            axes.set(title=f"{count} row{'s' * (count > 1)} of x", xlabel="intensity, FLOP / byte")
            x = np.geomspace(left, right, 200)
            for line, level in zip(("-", "--", ":"), reversed(levels), strict=False):
                rate = level.bandwidth / 1e9
                label = f"{level.name}, {rate:.0f} GB/s"
                axes.plot(x, np.minimum(peak, rate * x), color="0.6", linestyle=line, linewidth=1.2, label=label)
            axes.text(right, peak * 1.08, f"{peak:.0f} GFLOP/s ", color="0.35", ha="right", va="bottom", fontsize=8)
            points, names = [], []
            for name in dict.fromkeys(r["matrix"] for r in rows):
                of = [r for r in rows if r["matrix"] == name and r["rows"] == count]
                place = [(float(r["FLOP/byte"]), float(r["GFLOP/s"])) for r in of]
                axes.plot(*zip(*place, strict=True), color=_color(name), linewidth=0.8)
                for at, marker in zip(place, "os", strict=False):
                    axes.plot(*at, marker=marker, color=_color(name), markersize=5, linestyle="none")
                points.append(place[-1])
                names.append(name)
            label_right(axes, points, names, [_color(name) for name in names])
        figure.axes[0].set_ylabel("GFLOP / s")
        for shape, marker in zip(shapes, "os", strict=False):
            axes.plot([], [], marker=marker, color="0.3", markersize=5, linestyle="none", label=f"W {shape}")
        axes.legend(frameon=False, fontsize=7.5, loc="lower left")
        figure.savefig(file, format="png")


def _color(name: str) -> str:
    kinds = {"Dense": BLACK, "Overlay": BLACK, "CSR": ORANGE, "Doped": BLUE}
    return next((color for kind, color in kinds.items() if name.startswith(kind)), GREEN)
