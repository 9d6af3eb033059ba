"""Where a compressed matrix begins to be faster than a dense one: `python -m benchmarks crossover`.

Against hidden units H, batch, and the share of the overlay's entries that are alive, for

    product          y = x Wᵀ, W: (4H, H)
    lstm tokens      an LSTM layer of H inputs, batch 1, one token a call, the state carried

with W a sparse overlay alone, a Kronecker product under that overlay (doped), and the Kronecker product alone. All
matrices of one H and batch take turns, and a speed-up is dense over compressed, of medians. One thread, float32.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from benchmarks.pictures import BLACK, BLUE, GREEN, ORANGE, RED, label_right
from benchmarks.process import alone
from benchmarks.results import publish, read
from benchmarks.timing import turns
from refdope import LSTM, Dense, Doped, Kronecker, Overlay
from refdope.files import whole
from refdope.layers import LSTMStepper
from refdope.layers.stepper import CSR_BELOW
from refdope.structures import Structure
from refdope.structures.sizes import entry_std

HIDDEN = (128, 256, 512, 1024, 1500)
DENSITIES = (0.32, 0.16, 0.08, 0.04, 0.02, 0.01, 0.005)
BATCHES = (1, 4, 20, 100)
TOKENS = 4
STYLES = ((BLACK, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (BLUE, ":", "D"), (RED, "-", "v"))  # of H
Key = tuple[str, float | None]  # what W is, and the density of its overlay


def command(out: Path, quick: bool, redraw: bool = False) -> None:
    """Measure all sizes, and draw the speed-ups; with `redraw` draw those of the CSV file that is there."""
    name = "crossover-quick" if quick else "crossover"
    if not redraw:
        publish(out, name, alone("crossover", quick=quick), figure=draw)
        return
    rows = [row | {"H": int(row["H"]), "batch": int(row["batch"])} for row in read(out / f"{name}.csv")]
    with whole(out / f"{name}.png") as file:
        draw(rows, file)


def measure(quick: bool) -> list[dict[str, Any]]:
    """Return a row for each compressed matrix of each size; for a process of its own."""
    hidden, densities, batches = ((128, 256), DENSITIES[::3], (1, 20)) if quick else (HIDDEN, DENSITIES, BATCHES)
    rounds, seconds = (3, 0.01) if quick else (5, 0.04)
    found = []
    bar = tqdm(total=len(hidden) * (len(batches) + 1), desc="crossover", disable=None)
    for H in hidden:
        rng = np.random.default_rng(0)
        Wxs, Whs = matrices(H, densities, rng), matrices(H, densities, rng)
        for batch in batches:
            x = rng.standard_normal((batch, H), dtype=np.float32)
            steps = {key: lambda W=W, x=x: W.forward(x) for key, W in Whs.items()}
            found += _rows("product", H, batch, turns(steps, rounds, seconds))
            bar.update()
        b, x = np.zeros(4 * H, np.float32), rng.standard_normal((TOKENS, 1, H), dtype=np.float32)
        layers = {key: tokens(LSTM(Wx, Whs[key], b), x) for key, Wx in Wxs.items()}
        found += _rows("lstm tokens", H, 1, turns(layers, rounds, seconds), TOKENS)
        bar.update()
    return found


def matrices(H: int, densities: Sequence[float], rng: np.random.Generator) -> dict[Key, Structure]:
    """Make every matrix of one size in float32; the overlay is pruned to one density after the other."""
    shape = 4 * H, H
    overlay = Overlay.dense(shape, rng).astype(np.float32).overlay
    kronecker = Kronecker.drawn(Kronecker.sizes_doped(shape, 1), rng, entry_std(None, shape[1])).astype(np.float32)
    found: dict[Key, Structure] = {("dense", None): Dense(overlay.values.copy()), ("Kronecker", None): kronecker}
    for density in sorted(densities, reverse=True):
        overlay.prune(round(density * overlay.values.size))
        found["overlay", density] = sparse = overlay.to_csr()
        found["doped", density] = Doped(kronecker, sparse)
    return found


def tokens(lstm: LSTM, x: np.ndarray) -> Callable[[], None]:
    """Return a step that runs a frozen layer over x, (T, 1, H), a token a call."""
    stepper = LSTMStepper(lstm)

    def step() -> None:
        stepper.reset()
        for x_t in x:
            stepper.step(x_t)

    return step


def _rows(work: str, H: int, batch: int, seconds: Mapping[Key, float], calls: int = 1) -> list[dict[str, Any]]:
    dense = seconds["dense", None]
    return [
        {
            "work": work,
            "matrix": matrix,
            "H": H,
            "batch": batch,
            "density": "–" if density is None else f"{density:g}",
            "µs": f"{time / calls * 1e6:.1f}",
            "dense, µs": f"{dense / calls * 1e6:.1f}",
            "speed-up": f"{dense / time:.3f}",
        }
        for (matrix, density), time in seconds.items()
        if matrix != "dense"
    ]


def draw(rows: Sequence[Mapping[str, Any]], file: IO[bytes]) -> None:
    """Draw speed-up against density, a line for each H: a column for each batch and the tokens, a row for each kind."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from refdope.style import RC

    columns = list(dict.fromkeys((r["work"], r["batch"]) for r in rows if r["work"] == "product"))
    columns.append(("lstm tokens", 1))
    hidden = list(dict.fromkeys(r["H"] for r in rows))
    densities = sorted({float(r["density"]) for r in rows if r["density"] != "–"})
    alone_at = densities[0] / 2  # where the axis says "0": the Kronecker product with no overlay on it
    speeds = [float(r["speed-up"]) for r in rows]
    limits = min(speeds) / 1.3, max(speeds) * 1.3
    with mpl.rc_context(RC):
        figure: Any = Figure(figsize=(2.9 * len(columns) + 1, 6.4), layout="constrained")
        grid = figure.subplots(2, len(columns), sharex=True, sharey=True, squeeze=False)
        for line, matrix in zip(grid, ("overlay", "doped"), strict=True):
            for axes, (work, batch) in zip(line, columns, strict=True):
                axes.set(xscale="log", yscale="log", xlim=(alone_at * 0.8, densities[-1] * 1.15), ylim=limits)
                axes.axhline(1, color="0.4", linewidth=1)
                ends, colors = [], []
                for H, (color, style, marker) in zip(hidden, STYLES, strict=False):
                    of = [r for r in rows if (r["work"], r["batch"], r["H"]) == (work, batch, H)]
                    points = sorted((float(r["density"]), float(r["speed-up"])) for r in of if r["matrix"] == matrix)
                    drawn = {"color": color, "marker": marker, "markersize": 3.5}
                    axes.plot(*zip(*points, strict=True), linestyle=style, **drawn)
                    if matrix == "doped":
                        speed = next(float(r["speed-up"]) for r in of if r["matrix"] == "Kronecker")
                        first_x, first_y = points[0]
                        axes.plot([alone_at, first_x], [speed, first_y], linestyle=(0, (1, 3)), linewidth=0.9, **drawn)
                    ends.append(points[-1])
                    colors.append(color)
                if axes is line[-1]:
                    label_right(axes, ends, [f"H {H}" for H in hidden], colors)
                what = "LSTM, token by token" if work == "lstm tokens" else "one product"
                storage = f"in CSR below {100 * CSR_BELOW:g} % alive, else dense" if work == "lstm tokens" else "in CSR"
                axes.set_title(f"{'Overlay' if matrix == 'overlay' else 'Doped'}, {storage}\n{what}, batch {batch}")
            line[0].set_ylabel("speed-up over dense")
        ticks = densities[:: 2 if len(densities) > 4 else 1]
        for axes in grid[-1]:
            axes.set_xticks([alone_at, *ticks], ["0", *(f"{100 * d:g} %" for d in ticks)])
            axes.set_xticks([], minor=True)
        grid[0, 0].set_yticks([y for y in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if limits[0] < y < limits[1]])
        grid[0, 0].yaxis.set_major_formatter("{x:g}x")
        grid[0, 0].yaxis.set_minor_formatter("")
        figure.supxlabel("share of the overlay's entries alive (0: the Kronecker product alone)", fontsize=9)
        figure.savefig(file, format="png")
