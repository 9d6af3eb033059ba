"""What brings the runs of an experiment to their end, side by side, wherever they stand.

Each is a run folder (`refdope.runs.folder`): it can be killed at any moment. What has ended, by its folder or by
the experiment's table (`refdope.experiments.table`), is not run again.
"""

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, redirect_stderr
from functools import cache, lru_cache
from pathlib import Path

from tqdm import tqdm

from refdope.experiments.experiment import Experiment, Job, proper, trials
from refdope.experiments.order import Order
from refdope.experiments.table import Table
from refdope.runs import folder, times
from refdope.runs.config import Config
from refdope.runs.task import Task
from refdope.runs.tasks import task_of


def conduct(
    experiment: Experiment, out: Path, table: Path, executor: Executor, at_once: int | None = None
) -> list[str]:
    """Run what is not done yet, the most important first, and write the table of all that is, after every run.

    Parameters
    ----------
    experiment : Experiment
    out : Path
        Where the run folders are; seen by all processes.
    table : Path
        The CSV file of the runs; NAME_courses.csv beside it is of their courses.
    executor : concurrent.futures.Executor
        Where runs are sent, any.
    at_once : int, optional
        How many are sent at a time: as many as the executor works on at once, if runs are to begin in the order of
        their importance. By default all that can begin; then the trials of all variants come before any run proper.

    Returns
    -------
    list of str
        The runs that failed, each with its reason.

    Raises
    ------
    ValueError, OSError
        If a text cannot be had, or the table has runs of another experiment or text; nothing is written then.
    """
    # a text that cannot be had is told before anything is written
    total = sum(_rows(run) for v in experiment.variants for run in (*trials(experiment, v), *proper(experiment, v, {})))
    record = Table(table, out)
    order = Order(experiment, record)
    record.check(order.known(), lambda run: _task(run).hash)
    for folder_ in (out, table.parent):
        folder_.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    waiting: dict[Job, Future[bool]] = {}
    with tqdm(total=total, unit=" tokens", unit_scale=True, smoothing=0.02, disable=None) as bar:
        bar.n = bar.last_print_n = bar.initial = _read(order.known(), record)  # not of this session's speed
        while True:
            record.write(order.known())
            bar.total = total + sum(_rows(run) for run in order.beyond())
            for run in order.begin(waiting, at_once):
                waiting[run] = executor.submit(work, run.path(out), run.config)
            if not waiting:
                break
            while not (ended := wait(waiting.values(), timeout=2, return_when=FIRST_COMPLETED).done):
                bar.update(_read(order.known(), record) - bar.n)
            for run in [run for run, future in waiting.items() if future in ended]:
                error = waiting.pop(run).exception()
                if isinstance(error, BrokenExecutor):
                    raise error
                if error is not None:
                    failed.append(f"{run.path(out).name}: {error}")
                    bar.write(f"refdope: {failed[-1]}", file=sys.stderr)
            bar.update(_read(order.known(), record) - bar.n)
    return failed + [f"{name}: none of the settings tried came to an end, so none was chosen" for name in order.lost()]


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


@lru_cache(maxsize=4)
def _data(task: type[Task], config: Config) -> Task:
    return task.of(config)


def _task(run: Job) -> Task:
    """Return the data of a run, loaded once for all runs on the same."""
    c = run.config
    return _data(
        task_of(c), Config(data=c.data, task=c.task, level=c.level, words=c.words, unroll=c.unroll, batch=c.batch)
    )


@cache
def _rows(run: Job) -> int:
    """Return how many targets a run reads in all: what its length is measured in."""
    task = _task(run)
    return run.config.total_steps(len(task.train)) * task.rows


def _read(runs: Sequence[Job], record: Table) -> int:
    """Return how many tokens runs have read, those under way when they were last measured."""
    read = 0
    for run in runs:
        if record.done(run):
            read += _rows(run)
        elif log := times.read(run.path(record.out)):
            read += log[-1].step * _task(run).rows
    return read
