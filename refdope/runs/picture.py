"""The picture of a report: runs side by side, drawn from their folders. Importing this loads Matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from refdope.runs import times
from refdope.runs.folder import read_config
from refdope.runs.report import read_csv
from refdope.runs.tasks import task_of
from refdope.style import RC, STYLE

PANELS = {
    "share": "how much of z the overlay makes",
    "cosine": "cosine of the two products",
    "structure_explains": "variance of z that the structure explains",
    "without_overlay": "loss with the overlay set to zero / nats",
    "without_structure": "loss with the structure set to zero / nats",
}


def report_figure(runs: Sequence[Path], file: IO[bytes]) -> None:
    """Draw runs side by side from their folders: loss against updates, time and sparsity, and what their parts do."""
    with mpl.rc_context(RC):
        figure: Any = Figure(figsize=(12, 9), layout="constrained")
        axes = figure.subplots(3, 3)
        units = set()
        for k, run in enumerate(runs):
            course, config = read_csv(run / "metrics.csv")[1:], read_config(run)  # the first row is before training
            measure = task_of(config).measure(config)
            units.add(measure.name)
            color, line = list(STYLE.values())[k % 5][0], ["-", "--", "-.", ":"][k // 5 % 4]
            style: Any = {"color": color, "linestyle": line, "label": str(run)}
            step = [row["step"] for row in course]
            valid = [measure.of(row["valid"]) for row in course]
            minutes = {float(time.step): time.seconds / 60 for time in times.read(run)}
            timed = [(minutes[s], v) for s, v in zip(step, valid, strict=True) if s in minutes]
            axes[0, 0].plot(step, valid, **style)
            axes[0, 1].plot([t for t, _ in timed], [v for _, v in timed], **style)
            if not config.overlay:
                continue
            axes[0, 2].plot([1 - row["density"] for row in course], valid, **style)
            for ax, name in zip(axes[1:].ravel(), PANELS, strict=False):
                ax.plot(step, [row[name] for row in course], **style)
            axes[2, 2].plot(step, [row["structure_moves"] for row in course], **style)
            axes[2, 2].plot(step, [row["overlay_moves"] for row in course], **style | {"linewidth": 0.7, "marker": "."})
        for ax, x in zip(axes[0], ("updates", "minutes", "sparsity of the overlay"), strict=True):
            ax.set(xlabel=x, ylabel="validation " + ", ".join(sorted(units)))
        for ax, about in zip(axes[1:].ravel(), PANELS.values(), strict=False):
            ax.set(xlabel="updates", title=about)
        axes[2, 2].set(xlabel="updates", title="an update moves W_s (line), S (dots) / ‖W‖", yscale="log")
        axes[0, 0].legend(frameon=False)
        figure.savefig(file, format="png")
