"""Where a choice falls on the edge of its grid, what lies beyond is tried too.

An experiment file asks for it by `widen = true`. An axis of the grid has ratio steps if its values are two or more
positive numbers, each the same multiple of the one before, as 0.004, 0.008, 0.016. When all trials of a variant have
ended, and the best of them has the least or the greatest value of such an axis, the next value outward is tried with
the other settings of the best. That goes on until the choice lies within, or two values beyond that end of the grid
have been tried, or the setting can have no such value.

The budget is the same rule for every contender: the whole grid, then at most these. What is tried follows from the
losses in the experiment's table alone, so an experiment goes on from it.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from math import isclose
from typing import Any

from refdope.experiments.experiment import Experiment, Job, Variant, open_settings, products, trial, trials

BEYOND = 2  # values beyond either end of an axis


def beyond(experiment: Experiment, variant: Variant) -> list[Job]:
    """List every trial that widening may come to; none where the experiment does not ask for it."""
    inside = trials(experiment, variant)
    if not (experiment.widen and inside):
        return []
    axes = {name: _longer(values) for name, values in open_settings(experiment, variant).items()}
    every = (run for tried in products(axes) for run in _possible(experiment, variant, tried))
    return [run for run in every if run not in inside]


def edges(experiment: Experiment, variant: Variant, tried: Collection[Job], best: Job) -> dict[str, Any]:
    """Return those settings of the best of the trials that are the least or the greatest that were tried."""
    found = {}
    for name in open_settings(experiment, variant):
        values, value = {getattr(run.config, name) for run in tried}, getattr(best.config, name)
        if len(values) > 1 and type(value) in (int, float) and value in (min(values), max(values)):
            found[name] = value
    return found


def outward(experiment: Experiment, variant: Variant, tried: Collection[Job], best: Job) -> list[Job]:
    """List the trials that come next: one for each edge on which the best lies, if there is room beyond it."""
    axes = open_settings(experiment, variant) if experiment.widen else {}
    found = []
    for name, value in edges(experiment, variant, tried, best).items() if axes else ():
        axis = _longer(axes[name])
        place = axis.index(value) + (1 if value == max(getattr(run.config, name) for run in tried) else -1)
        if 0 <= place < len(axis):
            settings = {other: getattr(best.config, other) for other in axes} | {name: axis[place]}
            found += _possible(experiment, variant, settings)
    return found


def _possible(experiment: Experiment, variant: Variant, tried: Mapping[str, Any]) -> list[Job]:
    """Return a trial of these settings; none where a setting cannot be so, such as a share of 1.2."""
    try:
        return [trial(experiment, variant, tried)]
    except ValueError:
        return []


def _longer(values: Sequence[Any]) -> list[Any]:
    """Return an axis of ratio steps from its least value up, with those beyond its ends; any other as it is."""
    if len(values) < 2 or any(type(value) not in (int, float) or value <= 0 for value in values):
        return list(values)
    inside = sorted(values)
    ratio = inside[1] / inside[0]
    if not all(isclose(after / before, ratio, rel_tol=1e-3) for before, after in pairwise(inside)):
        return list(values)
    below = [_short(inside[0] / ratio**k, inside[0]) for k in range(BEYOND, 0, -1)]
    return [*below, *inside, *(_short(inside[-1] * ratio**k, inside[0]) for k in range(1, BEYOND + 1))]


def _short(value: float, like: int | float) -> int | float:
    """Return a value to six digits; a whole number is one where the others of its axis are."""
    short = float(f"{value:.6g}")
    return int(short) if type(like) is int and short.is_integer() else short
