"""A study: an experiment file that lists runs, and what brings them all to their end, side by side.

An experiment is a TOML file:

    about = "what it is to find out"
    [base]                          settings of every run: those of `Config`
    [short]                         changes to them while settings are tried
    [grid]                          tried for every variant, each value with each: lr = [0.002, 0.005]
    [[variant]]                     in order of importance
    name = "doped KP"
    seeds = 3                       1 where it says nothing
    settings = {structure = "kronecker"}
    each = {factor = [10, 20]}      several variants in one, named "doped KP, factor 10" and so on

First every variant tries the grid on short runs of seed 0, and keeps the settings of the lowest validation loss; a
setting that the variant names itself is not tried. Then come the runs proper, seed by seed. Each is a run folder
(`refdope.training.folder`): it can be killed at any moment, and what has ended is not run again.
"""

import csv
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, wait
from contextlib import ExitStack, redirect_stderr
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from refdope.data import Text, load
from refdope.data.batches import Batches
from refdope.data.vocabulary import Level
from refdope.files import write_csv
from refdope.training import folder
from refdope.training.config import PRESETS, Config, read_toml


@dataclass(frozen=True)
class Variant:
    """One line of the comparison."""

    name: str
    settings: dict[str, Any]
    seeds: int


@dataclass(frozen=True)
class Study:
    """An experiment file, read."""

    name: str
    about: str
    base: dict[str, Any]
    short: dict[str, Any]
    grid: dict[str, list[Any]]
    variants: list[Variant]


@dataclass(frozen=True)
class Run:
    """One training run of a study; `trial` where it only tries settings."""

    variant: str
    config: Config
    trial: bool

    def path(self, out: Path) -> Path:
        """Return its folder, named by what it is."""
        name = "".join(c if c.isalnum() else "-" for c in self.variant.lower())
        c = self.config
        tried = f"-lr{c.lr:g}-dropout{c.dropout:g}-ramp{c.ramp_start:g}-{c.ramp_end:g}" if self.trial else ""
        return out / f"{name}{tried}-seed{c.seed}"


def read(path: Path, preset: str = "", **more: Any) -> Study:
    """Read an experiment file; a preset's settings, then `more`, take the place of those in its base.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there or not an experiment; the message says what is wrong.
    """
    given = read_toml(path)
    unknown = sorted(given.keys() - {"about", "base", "short", "grid", "variant"})
    if unknown or not given.get("variant"):
        what = f"{unknown[0]!r} is no part of one" if unknown else "it lists no [[variant]]"
        raise ValueError(f"{path} is not an experiment: {what}")
    variants = []
    for one in given["variant"]:
        extra = sorted(one.keys() - {"name", "seeds", "settings", "each"})
        if extra or "name" not in one:
            raise ValueError(f"{path}: a variant has name, seeds, settings and each, not {[*extra, 'no name'][0]}")
        for chosen in _products(one.get("each", {})):
            name = ", ".join([one["name"], *(f"{setting} {value}" for setting, value in chosen.items())])
            variants.append(Variant(name, one.get("settings", {}) | chosen, one.get("seeds", 1)))
    names = [v.name for v in variants]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: variants must have different names, got {', '.join(names)}")
    of_preset = {name: value for name, value in PRESETS.get(preset, {}).items() if name not in ("structure", "overlay")}
    base = given.get("base", {}) | of_preset | more
    study = Study(path.stem, given.get("about", ""), base, given.get("short", {}), given.get("grid", {}), variants)
    for v in variants:  # what cannot be is told before anything is trained
        for run in (*trials(study, v), *proper(study, v, {})):
            assert run.config
    return study


def trials(study: Study, variant: Variant) -> list[Run]:
    """List the short runs on which a variant's settings are chosen; none, if it leaves nothing open."""
    open_ = {name: values for name, values in study.grid.items() if name not in variant.settings}
    if not asdict(_config(study, variant, {}))["overlay"]:
        open_ = {name: values for name, values in open_.items() if not name.startswith("ramp")}
    if all(len(values) == 1 for values in open_.values()):
        return []
    every = _products(open_)
    return [Run(variant.name, _config(study, variant, study.short | tried), trial=True) for tried in every]


def proper(study: Study, variant: Variant, chosen: Mapping[str, Any]) -> list[Run]:
    """List the runs of a variant, one a seed, with the settings that were chosen for it."""
    config = _config(study, variant, chosen)
    return [Run(variant.name, replace(config, seed=seed), trial=False) for seed in range(variant.seeds)]


def _products(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """List every choice of one value each; `{}` where there is nothing to choose."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def _config(study: Study, variant: Variant, more: Mapping[str, Any]) -> Config:
    first = {name: values[0] for name, values in study.grid.items()}
    return Config.from_dict(study.base | first | variant.settings | dict(more), f"{study.name}, {variant.name}")


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
    """
    short = [run for v in study.variants for run in trials(study, v)]
    for run in (*short, *(run for v in study.variants for run in proper(study, v, {}))):
        _text(run)  # a text that cannot be had is told before anything is written
    for folder_ in (out, table.parent):
        folder_.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    failed += _all(short, [], out, table, executor)
    failed += _all(_proper(study, out, failed), short, out, table, executor)
    return failed


def _proper(study: Study, out: Path, failed: list[str]) -> list[Run]:
    """List the runs proper, the first seed of every variant before the second of any."""
    found = []
    for v in study.variants:
        chosen = choice(study, v, out)
        if chosen is None:
            failed.append(f"{v.name}: none of the settings tried came to an end, so none was chosen")
        else:
            found.append(proper(study, v, chosen))
    return [runs[k] for k in range(max(map(len, found), default=0)) for runs in found if k < len(runs)]


def choice(study: Study, variant: Variant, out: Path) -> dict[str, Any] | None:
    """Return the settings with which the variant's short runs had the lowest validation loss; None if all failed."""
    runs = trials(study, variant)
    tried = [run for run in runs if _done(run, out)]
    if not tried:
        return None if runs else {}
    best = asdict(min(tried, key=lambda run: _valid(run.path(out))).config)
    return {name: best[name] for name in study.grid if name not in variant.settings}


def _valid(path: Path) -> float:
    """Return the last validation loss of a run that has ended, in nats a token."""
    with (path / "metrics.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["valid"])


# --------------------------------------------------------------------------------------------------- side by side


def _all(runs: Sequence[Run], before: Sequence[Run], out: Path, table: Path, executor: Executor) -> list[str]:
    """Send runs to an executor, and write the table after each, of those before and these; return what failed."""
    length = {run: _tokens(run) for run in runs}
    failed = []
    with tqdm(total=sum(length.values()), unit=" tokens", unit_scale=True, smoothing=0.02, disable=None) as bar:
        bar.initial = sum(length[run] if _done(run, out) else _read(run, out) for run in runs)
        bar.update(bar.initial)
        left = [run for run in runs if not _done(run, out)]
        waiting = {executor.submit(work, run.path(out), run.config): run for run in left}
        _write([*before, *runs], out, table)
        while waiting:
            done, _ = wait(waiting, timeout=2, return_when=FIRST_COMPLETED)
            for future in done:
                run = waiting.pop(future)
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    raise error
                if error is not None:
                    failed.append(f"{run.path(out).name}: {error}")
                    bar.write(f"refdope: {failed[-1]}", file=sys.stderr)
            if done:
                _write([*before, *runs], out, table)
            bar.update(sum(length[run] if _done(run, out) else _read(run, out) for run in runs) - bar.n)
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


def _done(run: Run, out: Path) -> bool:
    path = run.path(out)
    return (path / "result.json").exists() and folder.read_config(path) == run.config


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


# ------------------------------------------------------------------------------------------------------ the table


def _write(runs: Sequence[Run], out: Path, table: Path) -> None:
    """Write a row for each run that is done: what it was, what it reached, where and in how long.

    Beside it, NAME_courses.csv has the course of each but the trials: a row an evaluation, as in its metrics.csv.
    """
    done = [run for run in runs if _done(run, out)]
    if done:
        write_csv(table, [_row(run, run.path(out)) for run in done])
    courses = [row for run in done if not run.trial for row in _course(run, run.path(out))]
    if courses:
        write_csv(table.with_name(f"{table.stem}_courses.csv"), courses)


def _course(run: Run, path: Path) -> list[dict[str, Any]]:
    """Return what was measured at every evaluation, to five digits."""
    with (path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {name: f"{float(value):.5g}" for name, value in row.items() if name != "step"}
    return [{"variant": run.variant, "seed": run.config.seed, **row} for row in rows]


def _row(run: Run, path: Path) -> dict[str, Any]:
    result, environment = (json.loads((path / name).read_text()) for name in ("result.json", "environment.json"))
    result["all_factor"] = result.pop("factor")  # of the whole model; the config's factor is what was asked for
    where = {name: environment[name] for name in ("refdope", "commit", "python", "numpy", "scipy", "corpus_hash")}
    settings = asdict(run.config) | {"data": environment["corpus"]}  # not the path on one machine
    return {
        "variant": run.variant,
        "trial": run.trial,
        **settings,
        "valid": _valid(path),
        **result,
        "seconds": round(seconds(path)),
        **where,
    }


def seconds(path: Path) -> float:
    """Return how long a run took, all its sessions together, but for what a killed one did after its last line."""
    lines = folder.times(path)
    ends = [took for (_, took), (_, after) in zip(lines, [*lines[1:], (0, 0.0)], strict=True) if after < took]
    return sum(ends)
