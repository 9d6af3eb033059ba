"""Which storage of the overlay trains faster, along the whole ramp: `python -m benchmarks ramp`.

One LSTM layer, forward and backward, T 35, batch 20, float32, one thread, both matrices overlays of which a share of
the entries is alive: in dense storage (`Overlay`), whose cost does not depend on that share, and in CSR
(`SparseOverlay`), whose does. Where the lines cross, annealing should change over. Every size and density takes turns.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from benchmarks.pictures import BLACK, ORANGE
from benchmarks.process import alone
from benchmarks.results import publish
from benchmarks.timing import turns
from refdope import LSTM, Overlay
from refdope.memory import keep_memory

HIDDEN = (100, 200, 650)
DENSITIES = (1.0, 0.5, 0.25, 0.16, 0.08, 0.04, 0.02, 0.01)
T, B = 35, 20


def command(out: Path, quick: bool) -> None:
    """Measure all sizes, and draw the times."""
    publish(out, "ramp-quick" if quick else "ramp", alone("ramp", quick=quick), figure=draw)


def measure(quick: bool) -> list[dict[str, Any]]:
    """Return a row for each size and density; for a process of its own."""
    keep_memory()
    hidden, densities, rounds, seconds = ((100,), DENSITIES[::3], 3, 0.05) if quick else (HIDDEN, DENSITIES, 5, 0.4)
    rows = []
    for H in tqdm(hidden, desc="ramp", disable=None):
        rng = np.random.default_rng(0)
        x, dh = rng.standard_normal((2, T, B, H), dtype=np.float32)
        Wx, Wh = (Overlay.dense((4 * H, H), rng).astype(np.float32).overlay for _ in "xh")
        b = np.zeros(4 * H, np.float32)
        for density in densities:
            for W in (Wx, Wh):
                W.prune(round(density * W.values.size))
            layers = {"dense": LSTM(Wx, Wh, b), "CSR": LSTM(Wx.to_csr(), Wh.to_csr(), b)}
            took = turns({name: step(layer, x, dh) for name, layer in layers.items()}, rounds, seconds)
            rows.append(
                {"H": H, "density": f"{density:g}"}
                | {f"{name}, ms": f"{1e3 * found:.3f}" for name, found in took.items()}
                | {"speed-up of CSR": f"{took['dense'] / took['CSR']:.2f}"}
            )
    return rows


def step(layer: LSTM, x: np.ndarray, dh: np.ndarray) -> Callable[[], None]:
    """Return one pass forward and backward."""

    def both() -> None:
        _, _, cache = layer.forward(x)
        layer.backward(dh, cache)

    return both


def draw(rows: Sequence[Mapping[str, Any]], file: IO[bytes]) -> None:
    """Draw the times of the two storages against density, a panel for each size."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from refdope.style import RC

    hidden = list(dict.fromkeys(r["H"] for r in rows))
    with mpl.rc_context(RC):
        figure: Any = Figure(figsize=(3.6 * len(hidden), 3.2), layout="constrained")
        for axes, H in zip(figure.subplots(1, len(hidden), squeeze=False)[0], hidden, strict=True):
            of = [r for r in rows if r["H"] == H]
            x = [float(r["density"]) for r in of]
            for name, color, line, marker in (("dense", BLACK, "-", "o"), ("CSR", ORANGE, "--", "s")):
                y = [float(r[f"{name}, ms"]) for r in of]
                axes.plot(x, y, color=color, linestyle=line, marker=marker, markersize=3.5, label=f"{name} storage")
            axes.set(xscale="log", yscale="log", title=f"H {H}", xlabel="share of the entries alive")
            axes.set_xticks(x[:: 2 if len(x) > 4 else 1], [f"{100 * d:g} %" for d in x[:: 2 if len(x) > 4 else 1]])
            axes.set_xticks([], minor=True)
            axes.invert_xaxis()  # as training goes
            for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                formatter("{x:g}")
        figure.axes[0].set_ylabel("layer step, ms")
        figure.axes[0].legend(frameon=False)
        figure.savefig(file, format="png")
