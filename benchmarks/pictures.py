"""What the figures share: the colours, and labels beside the axes that do not cover each other."""

from collections.abc import Sequence
from itertools import pairwise
from math import log10

from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by the colour-blind; markers and line styles tell them apart in grey
BLACK, ORANGE, GREEN, BLUE, RED = "#000000", "#E69F00", "#009E73", "#0072B2", "#D55E00"


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move places apart until no two are closer than a gap, in the same order and about the same middle."""
    order = sorted(range(len(places)), key=lambda k: places[k])
    found = list(places)
    for below, above in pairwise(order):
        found[above] = max(found[above], found[below] + gap)
    shift = (sum(found) - sum(places)) / max(len(places), 1)
    return [place - shift for place in found]


def label_right(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], colors: Sequence[str]) -> None:
    """Write names in a column right of axes whose y is logarithmic, each joined to its point by a thin line.

    The limits of the axes must be final.
    """
    low, high = (log10(y) for y in axes.get_ylim())
    heights = spread([(log10(y) - low) / (high - low) for _, y in points], 0.052)
    for (x, y), name, color, height in zip(points, names, colors, heights, strict=True):
        axes.annotate(
            name,
            (x, y),
            xytext=(1.03, height),
            textcoords="axes fraction",
            color=color,
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3},
        )
