"""Pictures, drawn from the files that a run wrote. Importing this loads Matplotlib."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from refdope.style import RC, STYLE
from refdope.units import in_unit, unit

DOPED = ("doped", "doped + CMR")


def demo_figure(folder: Path, file: IO[bytes]) -> None:
    """Draw the demo's picture from demo.csv, demo_snapshots.npz and demo.json in a folder, as PNG into a file."""
    about = json.loads((folder / "demo.json").read_text())
    with (folder / "demo.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    with np.load(folder / "demo_snapshots.npz", allow_pickle=False) as saved:
        snapshots = dict(saved)
    names = sorted({row["model"] for row in rows}, key=lambda name: list(STYLE).index(_known(name)))
    courses = {name: _course(rows, name, about["level"]) for name in names}
    with mpl.rc_context(RC):
        figure: Any = Figure(figsize=(11, 7.2), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[1.25, 1])
        left, middle, right = above.subplots(1, 3)
        _losses(left, courses, about)
        _parts(middle, courses, about)
        _shares(right, courses)
        for axes in (left, middle, right):
            axes.set_xlabel("training step")
            _ramp(axes, courses)
        _matrices(below, snapshots, about)
        figure.savefig(file, format="png")


def _course(rows: Sequence[Mapping[str, str]], name: str, level: str) -> dict[str, Any]:
    """Return the columns of one model over its steps, losses in the unit of the level, means over the seeds."""
    columns: dict[str, Any] = {}
    steps = sorted({int(row["step"]) for row in rows if row["model"] == name})
    for column in ("density", "share", "loss", "without_overlay", "without_structure"):
        of = {step: [float(r[column]) for r in rows if r["model"] == name and int(r["step"]) == step] for step in steps}
        loss = column.startswith(("loss", "without"))
        columns[column] = np.array([np.mean([in_unit(v, level) if loss else v for v in of[step]]) for step in steps])
    return columns | {"step": np.array(steps)}


def _known(name: str) -> str:
    """Return the name of a model in STYLE, where every structure alone is drawn alike."""
    return name if name in STYLE else "structure"


def _style(name: str) -> dict[str, Any]:
    color, line = STYLE[_known(name)]
    return {"color": color, "linestyle": line}


def _ramp(axes: Axes, courses: Mapping[str, Mapping[str, Any]]) -> None:
    """Shade how much of the overlay is alive, from the bottom to the top of the axes."""
    course = courses["doped"]
    low, high = axes.get_ylim()
    alive = low + (high - low) * course["density"]
    axes.fill_between(course["step"], low, alive, color="0.5", alpha=0.13, linewidth=0, zorder=0)
    axes.set_ylim(low, high)
    axes.set_xlim(0, course["step"][-1])


def _losses(axes: Axes, courses: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    for name, course in courses.items():
        axes.plot(course["step"], course["loss"], label=name, **_style(name))
    final = [course["loss"][-1] for course in courses.values()]
    if about["level"] == "char":
        axes.set_ylim(min(final) - 0.1, max(final) + 0.75)
    else:
        axes.set_yscale("log")
        axes.set_ylim(min(final) * 0.9, max(final) * 2.5)
    axes.set_ylabel(f"validation {unit(about['level'])}")
    axes.set_title(f"One model, five ways, {about['factor']:g}x smaller")
    axes.legend(frameon=False, loc="upper right")
    axes.text(0.02, 0.02, "grey: share of the overlay alive", transform=axes.transAxes, color="0.35")


def _parts(axes: Axes, courses: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    for name in DOPED:
        course, style = courses[name], _style(name)
        axes.plot(course["step"], course["loss"], **style)
        for column, marker in (("without_overlay", "o"), ("without_structure", "s")):
            axes.plot(course["step"], course[column], marker=marker, markersize=3, markevery=3, linewidth=0.9, **style)
    from matplotlib.lines import Line2D

    what = [("both parts", ""), ("overlay set to zero", "o"), ("structure set to zero", "s")]
    shapes = [Line2D([], [], color="0.3", marker=m, markersize=4, label=label) for label, m in what]
    axes.set_yscale("log" if about["level"] == "word" else "linear")
    low, high = axes.get_ylim()
    above = high * (high / low) ** 0.2 if about["level"] == "word" else high + 0.2 * (high - low)
    axes.set_ylim(low, above)  # room for the legend above the curves
    axes.legend(handles=shapes, frameon=False, loc="upper right", fontsize=8)
    axes.set_ylabel(f"validation {unit(about['level'])}")
    axes.set_title("What each part can do alone")


def _shares(axes: Axes, courses: Mapping[str, Mapping[str, Any]]) -> None:
    for name in DOPED:
        course = courses[name]
        axes.plot(course["step"], course["share"], **_style(name))
        end = course["step"][-1], course["share"][-1]
        beside = 4 if course["share"][-1] == max(courses[other]["share"][-1] for other in DOPED) else -4
        where: Any = {"xytext": (0, beside), "textcoords": "offset points", "va": "bottom" if beside > 0 else "top"}
        axes.annotate(name, end, color=_style(name)["color"], ha="right", **where)
    axes.set_ylim(0, 1)
    axes.set_ylabel("‖S x‖ / (‖W_s x‖ + ‖S x‖)")
    axes.set_title("How much of z the overlay makes")


def _matrices(figure: Any, snapshots: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Show |W_s| and |S| of the first recurrent matrix before, within and after the ramp, on one scale."""
    steps = sorted({int(name.split(".")[1]) for name in snapshots})
    # one grey for all, and the gates lying side by side: (4H, H) -> (H, 4H)
    top = float(np.quantile(np.concatenate([a.ravel() for a in snapshots.values()]).astype(np.float32), 0.99))
    axes = figure.subplots(2, len(steps), squeeze=False)
    for column, step in enumerate(steps):
        for line, part in enumerate(("structure", "overlay")):
            picture, ax = snapshots[f"{part}.{step}"].astype(np.float32), axes[line, column]
            ax.imshow(picture.T, cmap="Greys", vmin=0, vmax=top, aspect="auto", interpolation="nearest")
            ax.set_xticks([], [])
            ax.set_yticks([], [])
            alive = np.count_nonzero(picture) / picture.size
            if part == "structure":
                ax.set_title(f"step {step}", fontsize=9)
            else:
                ax.set_xlabel(f"{alive:.0%} of the overlay alive")
            if column == 0:
                ax.set_ylabel("|W_s|" if part == "structure" else "|S|")
    figure.suptitle("Recurrent weights of the doped model with CMR (gates i, f, g, o from left to right)", fontsize=10)


# what is drawn of the course of runs, with its title; losses are in nats
