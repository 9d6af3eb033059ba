"""Runs side by side: what they are, what they reached, what they cost. Reads run folders, never models."""

import csv
import json
from collections.abc import Sequence
from math import isfinite, nan
from pathlib import Path
from statistics import median
from typing import Any

from refdope.runs import times
from refdope.runs.folder import read_config
from refdope.runs.tasks import task_of

FAR = 0.03  # of ‖W‖: how far one update of a well-chosen rate moves a part; 0.002 to 0.01 where training goes well


def rows(runs: Sequence[Path]) -> list[dict[str, str]]:
    """Return a row a run, to be laid out as a table.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no run in a folder, or a file of it cannot be read.
    """
    return [_row(run) for run in runs]


def warnings(runs: Sequence[Path]) -> list[str]:
    """Return a line for each part of a doped model that an update moves far: its rate is too high to learn well.

    A part is told if it moved by more than `FAR` of ‖W‖ in half of the evaluations after the start.
    """
    cures = {
        "structure": "take --structure-steps scaled, or a lower --lr-structure",
        "overlay": "take a lower --lr",
    }
    said = []
    for run in runs:
        course = read_csv(run / "metrics.csv")
        for part, cure in cures.items():
            far = [row[f"{part}_moves"] for row in course if isfinite(row.get(f"{part}_moves", nan))]
            if far and (mid := median(far)) > FAR:
                said.append(f"{run}: an update moves the {part} by {mid:.1%} of the norm of W: {cure}")
    return said


def _row(run: Path) -> dict[str, str]:
    config, course, log = read_config(run), read_csv(run / "metrics.csv"), times.read(run)
    if course and not {"step", "valid"} <= course[0].keys():
        raise ValueError(f"{run / 'metrics.csv'} cannot be read: it has no column step, or none valid")
    result = read_json(run / "result.json") if (run / "result.json").exists() else {}
    kind = "pruned" if config.structure == "none" else config.structure + " doped" * config.overlay
    also = {
        f"CMR {config.cmr:g} {config.cmr_rows}": config.cmr and config.overlay,
        f"L2 {config.l2_overlay:g}": config.l2_overlay and config.overlay,
        "on [x; h]": config.joint,
        f"dropout {config.dropout:g}": config.dropout,
    }
    what = " ".join([kind, *(text for text, said in also.items() if said)])

    def told(key: str, form: str, unit: float = 1) -> str:
        """Return a number of the result in a unit of it; "-" while it has none."""
        value = result.get(key)
        return format(value / unit if unit > 1 else value, form) if isinstance(value, int | float) else "-"

    measure = task_of(config).measure(config)
    last = course[-1] if course else {"step": 0, "valid": nan}
    return {
        "run": str(run),
        "model": f"{what}, {config.layers} x {config.hidden}",
        "updates": f"{last['step']:.0f}" + ("" if result else " so far"),
        "hours": f"{log[-1].seconds / 3600:.2f}" if log else "-",
        "tokens/s": f"{log[-1].speed:.0f}" if log else "-",
        "unit": measure.brief,
        "valid": f"{measure.of(last['valid']):.3f}",
        "test": told("test_in_unit", ".3f"),
        "LSTM params": told("lstm_params", "d"),
        "LSTM factor": told("lstm_factor", ".2f"),
        "LSTM kB": told("lstm_bytes", ".1f", 1000),
        "without indices": told("lstm_value_bytes", ".1f", 1000),
        "all params": told("params", "d"),
        "factor of all": told("factor", ".2f"),
        "kB on disk": told("bytes_on_disk", ".1f", 1000),
        "MACs/token": told("macs", "d"),
    }


def read_csv(path: Path) -> list[dict[str, float]]:
    """Read a CSV file of numbers; no rows if it is not there."""
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} cannot be read: it is not a JSON object")
    return content
