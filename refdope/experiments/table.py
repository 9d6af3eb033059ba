"""The table of an experiment: a row for each run that is done, and beside it, in NAME_courses.csv, their courses.

It is the record. A run whose row it has is done, whether or not its folder is there still; so an experiment goes on
from a table alone, on another machine or months later, and nothing that a table has is lost. What its runs were is
compared before anything is added: a table of other settings, or of another text, is refused.
"""

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from refdope.experiments.experiment import Job
from refdope.files import write_csv
from refdope.runs import folder, times
from refdope.runs.config import Config

Row = dict[str, Any]
SETTINGS = {f.name: f.default for f in fields(Config) if f.name != "data"}  # a path on one machine; the hash tells


class Table:
    """What an experiment's runs have reached so far: of its CSV file, and of the run folders.

    Parameters
    ----------
    path : Path
        The CSV file, there or not.
    out : Path
        Where the run folders are.

    Raises
    ------
    ValueError
        If there is another file under that name.
    """

    def __init__(self, path: Path, out: Path) -> None:
        self.path, self.out = path, out
        self.courses = path.with_name(f"{path.stem}_courses.csv")
        rows = _read(path)
        needed = {"variant", "trial", "seed", "valid", "corpus_hash"}
        if path.exists() and not (rows and needed <= rows[0].keys()):
            raise ValueError(f"{path} is there already, and is no table of an experiment: name another --table")
        self._rows = {_key(row): row for row in rows}
        self._courses: dict[tuple[str, str], list[Row]] = {}
        courses = _read(self.courses)
        if courses and not {"variant", "seed", "step"} <= courses[0].keys():
            raise ValueError(f"{self.courses} is there already, and is of no experiment: name another --table")
        for row in courses:
            self._courses.setdefault((row["variant"], row["seed"]), []).append(row)

    def done(self, run: Job) -> bool:
        """Whether a run has ended, by its folder or by the file."""
        return _key_of(run) in self._rows or self._ended(run)

    def valid(self, run: Job) -> float:
        """Return the last validation loss of a run that is done, in nats a token."""
        return float(self._row(run)["valid"])

    def check(self, runs: Iterable[Job], corpus_hash: Callable[[Job], str]) -> None:
        """Make sure that the file's rows are of these runs, and of their texts.

        Raises
        ------
        ValueError
            If one is not: what it has must not be mixed with others, nor be lost.
        """
        known = {_key_of(run): run for run in runs}
        for key, row in self._rows.items():
            what, instead = f"{row['variant']}, seed {row['seed']}", "name another --table, or move this one away"
            if key not in known:
                raise ValueError(f"{self.path} has a run that this experiment does not list so ({what}): {instead}")
            text = corpus_hash(known[key])
            if row["corpus_hash"] != text:
                raise ValueError(f"{self.path} has {what} on text {row['corpus_hash']}, not on {text}: {instead}")

    def write(self, runs: Iterable[Job]) -> None:
        """Write the rows of those runs that are done, in their order, and the courses of those that are no trials.

        What the files have of other runs stays, after them.
        """
        done = [run for run in runs if self.done(run)]
        rows = {_key_of(run): self._row(run) for run in done}
        rows |= {key: row for key, row in self._rows.items() if key not in rows}
        if rows:
            _write(self.path, list(rows.values()))
        proper = [run for run in done if not run.trial]
        names = {(run.variant, str(run.config.seed)) for run in proper}
        courses = [self._course(run) for run in proper]
        courses += [course for name, course in self._courses.items() if name not in names]
        if courses:
            _write(self.courses, [row for course in courses for row in course])

    def _ended(self, run: Job) -> bool:
        path = run.path(self.out)
        return (path / "result.json").exists() and folder.read_config(path) == run.config

    def _row(self, run: Job) -> Row:
        """Return what a run was, what it reached, where and in how long."""
        if not self._ended(run):
            return self._rows[_key_of(run)]
        path = run.path(self.out)
        result, environment = (json.loads((path / name).read_text()) for name in ("result.json", "environment.json"))
        result["all_factor"] = result.pop("factor")  # of the whole model; the config's factor is what was asked for
        where = {name: environment[name] for name in ("refdope", "commit", "python", "numpy", "scipy", "corpus_hash")}
        return {
            "variant": run.variant,
            "trial": run.trial,
            **asdict(run.config),
            "data": environment["corpus"],
            "valid": float(_read(path / "metrics.csv")[-1]["valid"]),
            **result,
            "seconds": round(times.read(path)[-1].seconds),
            **where,
        }

    def _course(self, run: Job) -> list[Row]:
        """Return what was measured at every evaluation, to five digits."""
        if not self._ended(run):
            return self._courses.get((run.variant, str(run.config.seed)), [])
        rows = _read(run.path(self.out) / "metrics.csv")
        for row in rows:
            row |= {name: f"{float(value):.5g}" for name, value in row.items() if name != "step"}
        return [{"variant": run.variant, "seed": run.config.seed, **row} for row in rows]


def _key_of(run: Job) -> tuple[str, ...]:
    return _key({"variant": run.variant, "trial": run.trial, **asdict(run.config)})


def _key(row: Row) -> tuple[str, ...]:
    """Return what tells a run from others, as text; a setting that an older row has not is at its default."""
    return str(row["variant"]), str(row["trial"]), *(str(row.get(name, SETTINGS[name])) for name in SETTINGS)


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows: list[Row] = list(csv.DictReader(file))
    for row in rows:
        if first := row.pop("first", ""):  # what the option of that name was before there were options
            row["options"] = f"first={first}"
    return rows


def _write(path: Path, rows: list[Row]) -> None:
    """Write rows under the columns of all; a setting that an older row has not is at its default."""
    columns = dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row)
    write_csv(path, [{name: row.get(name, SETTINGS.get(name, "")) for name in columns} for row in rows])
