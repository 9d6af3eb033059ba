"""Pictures of sparse models: component functions with their data, paths of norms, quantile paths, several quantiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from refdope.selection.additive import Path
from refdope.selection.estimators import Additive, SparseAdditiveClassifier
from refdope.selection.prox import Array
from refdope.selection.quantile import QuantilePath

MANY = 7  # colours of the cycle


def components(model: Additive, X: Array, y: Array, names: Sequence[str] | None = None, most: int = 12) -> Figure:
    """Draw the functions that are not zero, the largest first, over what is left when all others are taken away.

    Parameters
    ----------
    model : fitted SparseAdditive, SparseAdditiveClassifier or GreedyAdditive
    X : array, (n, p)
        The sample that it was fitted to.
    y : array, (n,)
        What was fitted; of a classifier only the sample's places are shown.
    names : sequence of str, optional
        The covariates' names, by default x0, x1, …
    most : int
        How many functions are drawn.
    """
    names = [f"x{j}" for j in range(X.shape[1])] if names is None else names
    shown = [int(j) for j in np.argsort(-model.norms_)[:most] if model.norms_[j] > 0]
    rows = max(1, -(-len(shown) // 4))
    figure = Figure(figsize=(11, 2.6 * rows), layout="constrained")
    for place, j in enumerate(shown):
        axes = figure.add_subplot(rows, 4, place + 1)
        fit = model.components_[:, j]
        if isinstance(model, SparseAdditiveClassifier):
            axes.plot(X[:, j], np.full(len(X), fit.min()), "|", color="0.6", markersize=5)
        else:
            rest = y - model.intercept_ - model.components_.sum(1)
            axes.plot(X[:, j], rest + fit, ".", color="0.7", markersize=3)
        points = np.repeat(np.median(X, axis=0)[None], 200, axis=0)
        points[:, j] = np.linspace(X[:, j].min(), X[:, j].max(), 200)
        axes.plot(points[:, j], model.functions(points)[:, j], color="C0")
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.set(xlabel=names[j], title=f"norm {model.norms_[j]:.3g}")
    if not shown:
        figure.suptitle("no function is left: the fit is constant")
    return figure


def norm_path(path: Path, names: Sequence[str], chosen: int | None = None, axes: Axes | None = None) -> Axes:
    """Draw every function's norm against λ, the largest in colour and with their names.

    Parameters
    ----------
    path : Path
    names : sequence of str
        One a column of `path.norms`.
    chosen : int, optional
        Which fit was chosen; a line marks it.
    axes : matplotlib.axes.Axes, optional
        Where to draw, by default on a figure of its own.
    """
    axes = _axes(axes)
    at = len(path.lambdas) - 1 if chosen is None else chosen
    largest = [int(j) for j in np.argsort(-path.norms[at])[:MANY] if path.norms[at, j] > 0]
    others = [j for j in range(path.norms.shape[1]) if j not in largest]
    axes.plot(path.lambdas, path.norms[:, others], color="0.8", linewidth=0.8)
    for j in largest:
        axes.plot(path.lambdas, path.norms[:, j], label=names[j])
    if chosen is not None:
        axes.axvline(path.lambdas[chosen], color="0.4", linestyle=":", linewidth=1)
    axes.set(xlabel="λ", ylabel="norm of the function")
    if (path.lambdas > 0).all():
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_xaxis()
    if largest:
        axes.legend(frameon=False, fontsize=7)
    return axes


def quantile_steps(path: QuantilePath, names: Sequence[str], axes: Axes | None = None) -> Axes:
    """Draw the coefficients along a quantile path: steps, as they are constant between breakpoints.

    Parameters
    ----------
    path : QuantilePath
        Of one quantile.
    names : sequence of str
        One a coefficient.
    axes : matplotlib.axes.Axes, optional
    """
    axes = _axes(axes)
    if len(path.lambdas):
        lambdas = np.concatenate([[path.lambdas[0] * 1.1], path.lambdas, [path.lambdas[-1] / 2]])
        coef = np.concatenate([np.zeros((1, path.coef.shape[1])), path.coef, path.coef[-1:]])
        for j, name in enumerate(names):
            label = name if j < 2 * MANY else None
            axes.step(lambdas, coef[:, j], where="post", linestyle="-" if j < MANY else "--", label=label)
        axes.set_xscale("log")
        axes.legend(frameon=False, fontsize=7)
    axes.invert_xaxis()
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="λ", ylabel="coefficient")
    return axes


def quantile_lines(
    x: Array, y: Array, fits: Sequence[tuple[float, float, float]], name: str = "x", axes: Axes | None = None
) -> Axes:
    """Draw several quantiles at once over the data of one covariate.

    Parameters
    ----------
    x, y : array, (n,)
    fits : sequence of (tau, intercept, slope)
    name : str
        The covariate's.
    axes : matplotlib.axes.Axes, optional
    """
    axes = _axes(axes)
    axes.plot(x, y, ".", color="0.7", markersize=4)
    ends = np.array([x.min(), x.max()])
    for tau, intercept, slope in fits:
        axes.plot(ends, intercept + slope * ends, label=f"τ = {tau:g}")
    axes.set(xlabel=name, ylabel="y")
    axes.legend(frameon=False, fontsize=7)
    return axes


def _axes(axes: Axes | None) -> Any:
    """Return axes to draw on."""
    return Figure(figsize=(6, 4), layout="constrained").add_subplot() if axes is None else axes
