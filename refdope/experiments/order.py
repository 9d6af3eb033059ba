"""Which runs of an experiment come first: a variant's trials, then its first seed, then what is less important.

Variants stand in the order of their importance. So whenever an experiment is stopped, what it has is what matters most:
the first seed of all variants comes before the second of any, and a variant's trials come right before its first seed;
among them are those beyond the grid, where its choice falls on an edge. Controls come after all that.
"""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

from refdope.experiments.experiment import Experiment, Job, Variant, proper, trials
from refdope.experiments.table import Table
from refdope.experiments.widen import beyond, edges, outward


class Order:
    """The runs of an experiment in the order of their importance.

    Parameters
    ----------
    experiment : Experiment
    record : Table
        What is done.
    """

    def __init__(self, experiment: Experiment, record: Table) -> None:
        self.experiment, self.record = experiment, record
        self._trials = {v.name: trials(experiment, v) for v in experiment.variants}
        self._beyond = {v.name: beyond(experiment, v) for v in experiment.variants}
        self._begun: set[Job] = set()

    def choice(self, variant: Variant) -> dict[str, Any] | None:
        """Return the settings with which a variant's trials had the lowest validation loss; None if none has ended."""
        best = self._best(variant)
        if best is None:
            return None if self._trials[variant.name] else {}
        return {name: getattr(best.config, name) for name in self.experiment.grid if name not in variant.settings}

    def _best(self, variant: Variant) -> Job | None:
        """Return the trial of a variant with the lowest validation loss of those that are done."""
        every = self._trials[variant.name] + self._beyond[variant.name]
        return min((run for run in every if self.record.done(run)), key=self.record.valid, default=None)

    def at_an_edge(self) -> list[str]:
        """Say which settings that were chosen are the least or the greatest of those that were tried."""
        said = []
        for v in self.experiment.variants:
            if best := self._best(v):
                found = edges(self.experiment, v, self.tried(v), best)
                said += [
                    f"{v.name}: {name} {value:g} is at the edge of its grid; widen it" for name, value in found.items()
                ]
        return said

    def tried(self, variant: Variant) -> list[Job]:
        """List the trials of a variant: those of the grid, and those beyond it that were begun or are done."""
        beyond = [run for run in self._beyond[variant.name] if run in self._begun or self.record.done(run)]
        return self._trials[variant.name] + beyond

    def known(self) -> list[Job]:
        """List all trials, and the runs proper of which the settings are known, seed by seed: the table's order."""
        found = [self._proper(v) for v in self.experiment.variants]
        short = [run for v in self.experiment.variants for run in self._trials[v.name] + self._beyond[v.name]]
        return short + _by_seed(found)

    def begin(self, waiting: Collection[Job], at_once: int | None) -> list[Job]:
        """List what is to begin now, the most important first, so that `at_once` are under way; all, if that is None.

        Parameters
        ----------
        waiting : collection of Job
            What was begun and has not ended.
        """
        listed = []
        for controls in (False, True):
            first, later = [], []
            for v in (v for v in self.experiment.variants if v.control is controls):
                short = self._short(v, waiting)
                first += short
                if all(self._over(run, waiting) for run in short):
                    runs = self._proper(v)
                    first += runs[:1]
                    later.append(runs[1:])
            listed += [*first, *_by_seed(later)]
        due = (run for run in listed if run not in self._begun and not self.record.done(run))
        begun = list(islice(due, None if at_once is None else max(at_once - len(waiting), 0)))
        self._begun.update(begun)
        return begun

    def lost(self) -> list[str]:
        """List the variants of which all trials failed."""
        return [v.name for v in self.experiment.variants if self.choice(v) is None]

    def beyond(self) -> list[Job]:
        """List the trials beyond the grid that were begun or are done."""
        return [run for v in self.experiment.variants for run in self.tried(v)[len(self._trials[v.name]) :]]

    def _short(self, variant: Variant, waiting: Collection[Job]) -> list[Job]:
        """List the trials of a variant, and once all are over, those that lie beyond the best of them."""
        tried, best = self.tried(variant), self._best(variant)
        if best and all(self._over(run, waiting) for run in tried):
            return tried + outward(self.experiment, variant, tried, best)
        return tried

    def _over(self, run: Job, waiting: Collection[Job]) -> bool:
        """Whether a run has ended, or failed since this process began."""
        return run not in waiting and (run in self._begun or self.record.done(run))

    def _proper(self, variant: Variant) -> list[Job]:
        chosen = self.choice(variant)
        return [] if chosen is None else proper(self.experiment, variant, chosen)


def _by_seed(variants: Sequence[Sequence[Job]]) -> list[Job]:
    """List the first run of each variant, then the second of each, and so on."""
    return [runs[k] for k in range(max(map(len, variants), default=0)) for runs in variants if k < len(runs)]
