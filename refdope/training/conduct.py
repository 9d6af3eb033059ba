"""What brings the runs of a study to their end, side by side, wherever they stand.

Each is a run folder (`refdope.training.folder`): it can be killed at any moment. What has ended, by its folder or by
the experiment's table (`refdope.training.table`), is not run again.
"""

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, wait
from contextlib import ExitStack, redirect_stderr
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from refdope.data import Text, load
from refdope.data.batches import Batches
from refdope.data.vocabulary import Level
from refdope.training import folder
from refdope.training.config import Config
from refdope.training.study import Run, Study, Variant, proper, trials
from refdope.training.table import Table


def conduct(study: Study, out: Path, table: Path, executor: Executor) -> list[str]:
    """Run what is not done yet, and write the table of all that is, after every run.

    Parameters
    ----------
    study : Study
    out : Path
        Where the run folders are; seen by all processes.
    table : Path
        The CSV file of the runs; NAME_courses.csv beside it is of their courses.
    executor : concurrent.futures.Executor
        Where runs are sent, any.

    Returns
    -------
    list of str
        The runs that failed, each with its reason.

    Raises
    ------
    ValueError, OSError
        If a text cannot be had, or the table has runs of another study or text; nothing is written then.
    """
    short = [run for v in study.variants for run in trials(study, v)]
    every = [*short, *(run for v in study.variants for run in proper(study, v, {}))]
    for run in every:
        _text(run)  # a text that cannot be had is told before anything is written
    record = Table(table, out)
    record.check([*short, *_proper(study, record, [])], lambda run: _text(run).hash)
    for folder_ in (out, table.parent):
        folder_.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    failed += _all(short, [], record, executor)
    failed += _all(_proper(study, record, failed), short, record, executor)
    return failed


def _proper(study: Study, record: Table, failed: list[str]) -> list[Run]:
    """List the runs proper, the first seed of every variant before the second of any."""
    found = []
    for v in study.variants:
        chosen = choice(study, v, record)
        if chosen is None:
            failed.append(f"{v.name}: none of the settings tried came to an end, so none was chosen")
        else:
            found.append(proper(study, v, chosen))
    return [runs[k] for k in range(max(map(len, found), default=0)) for runs in found if k < len(runs)]


def choice(study: Study, variant: Variant, record: Table) -> dict[str, Any] | None:
    """Return the settings with which the variant's short runs had the lowest validation loss; None if all failed."""
    runs = trials(study, variant)
    tried = [run for run in runs if record.done(run)]
    if not tried:
        return None if runs else {}
    best = asdict(min(tried, key=record.valid).config)
    return {name: best[name] for name in study.grid if name not in variant.settings}


def _all(runs: Sequence[Run], before: Sequence[Run], record: Table, executor: Executor) -> list[str]:
    """Send runs to an executor, and write the table after each, of those before and these; return what failed."""
    length = {run: _tokens(run) for run in runs}

    def read(run: Run) -> int:
        return length[run] if record.done(run) else _read(run, record.out)

    failed = []
    with tqdm(total=sum(length.values()), unit=" tokens", unit_scale=True, smoothing=0.02, disable=None) as bar:
        bar.initial = sum(map(read, runs))
        bar.update(bar.initial)
        left = [run for run in runs if not record.done(run)]
        waiting = {executor.submit(work, run.path(record.out), run.config): run for run in left}
        record.write([*before, *runs])
        while waiting:
            done, _ = wait(waiting, timeout=2, return_when=FIRST_COMPLETED)
            for future in done:
                run = waiting.pop(future)
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    raise error
                if error is not None:
                    failed.append(f"{run.path(record.out).name}: {error}")
                    bar.write(f"refdope: {failed[-1]}", file=sys.stderr)
            if done:
                record.write([*before, *runs])
            bar.update(sum(map(read, runs)) - bar.n)
    return failed


def work(path: Path, config: Config) -> bool:
    """Bring one run to its end, wherever it stands; return whether it got there. This is what a worker does.

    In a process of its own its messages go to a log beside its folder; in a thread, where they always go.

    Raises
    ------
    ValueError, OSError, FloatingPointError
        If it cannot be had, diverged, or its folder belongs to another config.
    """
    alone = threading.current_thread() is threading.main_thread()
    with ExitStack() as stack:
        if alone:
            stack.enter_context(redirect_stderr(stack.enter_context(path.with_name(path.name + ".log").open("a"))))
        if (path / "config.toml").exists():
            if folder.read_config(path) != config:
                raise ValueError(f"{path} is there already, with other settings")
            ended = folder.resume(path)
        else:
            ended = folder.start(path, config)
    if alone and not ended:
        os._exit(1)  # told to stop, with its checkpoint written: not to begin the next run
    return ended


def _text(run: Run) -> Text:
    return _texts(run.config.data, run.config.level, run.config.words)


@lru_cache(maxsize=4)
def _texts(data: str, level: Level, words: int) -> Text:
    return Text.of(load(data or None), level, words)


def _tokens(run: Run) -> int:
    """Return how many tokens a run reads in all: what its length is measured in."""
    c = run.config
    return c.total_steps(len(Batches(_text(run).train, c.unroll, c.batch))) * c.unroll * c.batch


def _read(run: Run, out: Path) -> int:
    """Return how many of them it had read when it was last measured."""
    times = folder.times(run.path(out))
    return times[-1][0] * run.config.unroll * run.config.batch if times else 0
