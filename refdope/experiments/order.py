"""Which runs of an experiment come first: a variant's trials, then its first seed, then what is less important.

Variants stand in the order of their importance. So whenever an experiment is stopped, what it has is what matters most:
the first seed of all variants comes before the second of any, and a variant's trials come right before its first seed.
Controls come after all that.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from refdope.experiments.experiment import Experiment, Job, Variant, proper, trials
from refdope.experiments.table import Table


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
        self._begun: set[Job] = set()

    def choice(self, variant: Variant) -> dict[str, Any] | None:
        """Return the settings with which a variant's trials had the lowest validation loss; None if none has ended."""
        runs = self._trials[variant.name]
        tried = [run for run in runs if self.record.done(run)]
        if not tried:
            return None if runs else {}
        best = asdict(min(tried, key=self.record.valid).config)
        return {name: best[name] for name in self.experiment.grid if name not in variant.settings}

    def known(self) -> list[Job]:
        """List all trials, and the runs proper of which the settings are known, seed by seed: the table's order."""
        found = [self._proper(v) for v in self.experiment.variants]
        return [run for runs in self._trials.values() for run in runs] + _by_seed(found)

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
                short = self._trials[v.name]
                first += short
                if all(run not in waiting and (run in self._begun or self.record.done(run)) for run in short):
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

    def _proper(self, variant: Variant) -> list[Job]:
        chosen = self.choice(variant)
        return [] if chosen is None else proper(self.experiment, variant, chosen)


def _by_seed(variants: Sequence[Sequence[Job]]) -> list[Job]:
    """List the first run of each variant, then the second of each, and so on."""
    return [runs[k] for k in range(max(map(len, variants), default=0)) for runs in variants if k < len(runs)]
