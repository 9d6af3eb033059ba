"""A report as a picture: where in an array the error is, and how the differences' error depends on the step."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from refdope.gradcheck.compared import Compared
from refdope.gradcheck.oracles import Around, complex_derivative, strictly_analytic
from refdope.gradcheck.problem import Problem
from refdope.gradcheck.steps import steps_for, v_curve
from refdope.style import RC


def figure(report: Any, name: str | None = None) -> Figure:
    """Draw one array of a `Report`; see its `figure`, which imports this file only then."""
    looked = [array for array in report.arrays if array.looked]
    array = next((a for a in looked if name in (None, a.name)), None)
    if array is None:
        known = ", ".join(a.name for a in looked)
        raise ValueError(f"figure: name must be an array that was looked at entry by entry ({known}), got {name!r}")
    with mpl.rc_context(RC):
        drawn = Figure(figsize=(9, 3.6), layout="constrained")
        heat, curve = drawn.subplots(1, 2, width_ratios=[1.4, 1])
        _heat(heat, array)
        _curve(curve, report, array)
        verdict = "right" if array.ok else str(array.diagnosis.text if array.diagnosis else "wrong")
        drawn.suptitle(f"{array.name} {array.shape}: {verdict}", x=0.01, ha="left", fontsize=10)
    return drawn


def _heat(axes: Axes, array: Compared) -> None:
    """Draw log₁₀ |a - n| / max |n|, an array of any shape as rows; what nobody looked at stays white."""
    at = array
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.log10(np.abs(at.a - at.n) / (at.scale or 1.0))
    error = np.where(np.isneginf(error), -17.0, error)
    rows = error.reshape(error.shape[0], -1) if error.ndim > 1 else error.reshape(1, -1)  # (k, …) -> (k, rest)
    image = axes.imshow(rows, aspect="auto", cmap="cividis", vmin=-17, vmax=0, interpolation="nearest")
    colours = axes.figure.colorbar(image, ax=axes)
    colours.set_label("log₁₀ of |a - n| / max |n|")
    axes.set_title("error of every entry")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("column" if error.ndim > 1 else "entry")
    axes.set_ylabel("row" if error.ndim > 1 else "")
    for label, index in array.blocks.items():
        inside = np.zeros(array.shape, bool)
        inside[index] = True
        hit = np.flatnonzero(inside.reshape(len(rows), -1).any(1)) if error.ndim > 1 else np.array([0])
        if error.ndim > 1 and len(hit) and len(hit) < len(rows):
            axes.axhline(hit[-1] + 0.5, color="white", linewidth=0.8)
            axes.text(-0.5, hit.mean(), f"{label} ", ha="right", va="center", color="0.4")
            axes.tick_params(labelleft=False)


def _curve(axes: Axes, report: Any, array: Compared) -> None:
    """Draw the V of the worst entry: error of the stencil against its step, the complex step as its floor."""
    assert report.loss is not None
    around = Around(Problem(report.loss, report.params), np.float64)
    line = around.entry(array.name, array.index)
    steps = steps_for(float(np.abs(around.arrays[array.name]).max(initial=0.0)))
    with np.errstate(all="ignore"):
        curve = v_curve(line, np.repeat(steps, 3) * np.tile([1.0, 0.5, 0.2], len(steps)))
    best = min(curve, key=lambda step: np.nan_to_num(step.error, nan=np.inf)).value
    try:
        with strictly_analytic(), np.errstate(all="ignore"):
            exact = complex_derivative(
                Around(Problem(report.loss, report.params), np.complex128).entry(array.name, array.index)
            )
        if abs(exact - best) <= 1e-4 * abs(best):
            best = exact
    except Exception:  # not analytic: the best of the differences stands for it
        exact = np.nan
    size = abs(best) or 1.0
    axes.loglog([s.h for s in curve], [abs(s.value - best) / size + 1e-17 for s in curve], "o-", ms=3, color="#0072B2")
    axes.axhline(abs(array.analytic - best) / size + 1e-17, color="#D55E00", linestyle="--")
    axes.text(
        curve[0].h,
        abs(array.analytic - best) / size + 1e-17,
        "the gradient checked",
        color="#D55E00",
        va="bottom",
        ha="right",
    )
    axes.set_title(f"differences at {array.name}{list(array.index)}")
    axes.set_xlabel("step h of the stencil")
    axes.set_ylabel("relative error")
