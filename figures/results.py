"""What the scripts here share: the runs of an experiment from its CSV files, gathered by seeds; tables, pictures."""

import csv
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from refdope.analysis import markdown
from refdope.files import whole
from refdope.style import RC

# Okabe and Ito's colours, told apart by the colour-blind; line styles and markers tell them apart in grey
COLORS = {"black": "#000000", "orange": "#E69F00", "green": "#009E73", "blue": "#0072B2", "red": "#D55E00",
          "sky": "#56B4E9", "pink": "#CC79A7"}  # fmt: skip
BITS = 1 / math.log(2)  # a nat
SEEDS = (
    "Bits a character on the test text, mean ± standard deviation over seeds; differences are seed by seed, and in"
    " brackets stands how many seeds have the sign of the mean. Bold: the mean exceeds 2.5 times its ±, so that it"
    " differs from 0 (95 %, three seeds or more)."
)
CLEAR = 2.5  # of three seeds a mean differs from 0 (95 %) beyond 4.30 / √3 = 2.48 standard deviations


def folder() -> Path:
    """Return where the data are and the pictures go: the folder of these scripts, or the one that is named."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent


class Results:
    """The runs of an experiment that are done, without the short ones that chose settings."""

    def __init__(self, name: str) -> None:
        self.name, self.folder = name, folder()
        table = self.folder / f"{name}.csv"
        if not table.is_file():
            print(f"{name}: skipped, there is no {table} yet; `refdope experiment {name}` writes it", file=sys.stderr)
            sys.exit(0)
        self.runs = [row for row in _rows(table) if row["trial"] == "False"]
        self.trials = [row for row in _rows(table) if row["trial"] == "True"]
        courses = self.folder / f"{name}_courses.csv"
        self._courses: dict[tuple[str, int], list[dict[str, float]]] = {}
        for row in _rows(courses) if courses.exists() else []:
            key = row.pop("variant"), int(row.pop("seed"))
            self._courses.setdefault(key, []).append({column: float(value) for column, value in row.items()})

    def of(self, variant: str) -> dict[int, dict[str, str]]:
        """Return the runs of a variant by seed; none, if none is done."""
        return {int(row["seed"]): row for row in self.runs if row["variant"] == variant}

    def test(self, variant: str) -> dict[int, float]:
        """Return the loss on the test text, in its unit, by seed."""
        return {seed: float(row["test_in_unit"]) for seed, row in self.of(variant).items()}

    def valid(self, variant: str) -> dict[int, float]:
        """Return the last loss on the validation text, in nats a token, by seed."""
        return {seed: float(row["valid"]) for seed, row in self.of(variant).items()}

    def edges(self, variant: str) -> dict[str, str]:
        """Return the settings that a variant chose at an end of what it tried, and which end.

        With two values tried, each is an end.
        """
        found, run = {}, next(iter(self.of(variant).values()), {})
        trials = [row for row in self.trials if row["variant"] == variant]
        for setting in list(run)[: list(run).index("seed")] if trials and run else []:
            tried = {row[setting] for row in trials}
            if setting not in ("variant", "trial", "steps") and len(tried) > 1:
                values = sorted(map(float, tried))
                if float(run[setting]) in (values[0], values[-1]):
                    found[setting] = "lowest" if float(run[setting]) == values[0] else "highest"
        return found

    def course(self, variant: str, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps, and one line a seed of what was measured at each: (seeds, evaluations)."""
        found = [rows for (name, _), rows in self._courses.items() if name == variant]
        lines = [[row[column] for row in rows] for rows in found]
        return (np.array([row["step"] for row in found[0]]), np.array(lines)) if found else (np.empty(0), np.empty(0))

    def last(self, variant: str, column: str) -> dict[int, float]:
        """Return what was measured at the end, by seed."""
        return {seed: rows[-1][column] for (name, seed), rows in self._courses.items() if name == variant}

    def at(self, variant: str, column: str, step: int) -> dict[int, float]:
        """Return what was measured after so many updates, by seed."""
        return {
            seed: row[column]
            for (name, seed), rows in self._courses.items()
            for row in rows
            if name == variant and row["step"] == step
        }

    def climb(self, variant: str) -> dict[int, float]:
        """Return by how many bits validation loss rose above its lowest so far, at most, by seed."""
        climbs = {}
        for (name, seed), rows in self._courses.items():
            if name == variant:
                losses = np.array([row["loss"] for row in rows])
                climbs[seed] = float((losses - np.minimum.accumulate(losses)).max()) * BITS
        return climbs

    def write(self, *parts: str | Sequence[Mapping[str, Any]]) -> None:
        """Write NAME.md of sentences and tables, what has no rows left out."""
        text = [part if isinstance(part, str) else markdown(part) for part in parts if part]
        with whole(self.folder / f"{self.name}.md") as file:
            file.write(("\n\n".join(text) + "\n").encode())

    def draw(self, name: str, figure: Figure) -> None:
        """Write a picture."""
        with whole(self.folder / f"{name}.png") as file:
            figure.savefig(file, format="png")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def spread(values: Iterable[float], digits: int = 3, sign: str = "") -> str:
    """Write mean ± standard deviation over seeds; a single one as it is, with the word."""
    found = list(values)
    if not found:
        return "–"
    mean = f"{np.mean(found):{sign}.{digits}f}"
    return f"{mean} ± {np.std(found, ddof=1):.{digits}f}" if len(found) > 1 else f"{mean} (one seed)"


def bits(nats: Mapping[int, float]) -> dict[int, float]:
    """Return nats by seed as bits."""
    return {seed: value * BITS for seed, value in nats.items()}


def less(one: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    """Return one less the other, of the seeds that both have."""
    return [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]


def clear(values: Sequence[float]) -> bool:
    """Return whether the mean over three seeds or more differs from 0 by the rule of these pages."""
    return len(values) > 2 and abs(np.mean(values)) > CLEAR * np.std(values, ddof=1)


def difference(one: Mapping[int, float], other: Mapping[int, float], digits: int = 3) -> str:
    """Write one less the other, seed by seed: mean ± standard deviation, and how many have the sign of the mean.

    What differs from 0 is bold.
    """
    found = less(one, other)
    if len(found) < 2:
        return spread(found, digits, "+")
    same = sum(np.sign(d) == np.sign(np.mean(found)) for d in found)
    mean = spread(found, digits, "+")
    return f"{f'**{mean}**' if clear(found) else mean} ({same} of {len(found)})"


def share(part: Sequence[Sequence[float]], whole: Sequence[Sequence[float]]) -> str:
    """Write how much of a gain another one makes, each summed over settings: of all seeds, and seed by seed.

    Parameters
    ----------
    part, whole : list of lists
        (settings, seeds): differences, as `less` gives them.
    """
    of, in_all = np.array(part), np.array(whole)
    by_seed = sorted(of.sum(0) / in_all.sum(0))
    return f"{of.sum() / in_all.sum():.0%} (by seed {by_seed[0]:.0%} to {by_seed[-1]:.0%})"


def figure(width: float, height: float) -> Any:
    """Return an empty picture in the project's style, to be drawn within `style`."""
    return Figure(figsize=(width, height), layout="constrained")


def style() -> Any:
    """Return the project's style, as a context."""
    return mpl.rc_context(RC)


def band(axes: Any, steps: np.ndarray, lines: np.ndarray, **how: Any) -> None:
    """Draw the mean over seeds as a line, and from the lowest to the highest as a band."""
    if len(lines):
        axes.plot(steps, lines.mean(0), **how)
        axes.fill_between(steps, lines.min(0), lines.max(0), color=how["color"], alpha=0.18, linewidth=0)


def dots(axes: Any, y: float, values: Sequence[float], **how: Any) -> None:
    """Draw every seed as a small dot, and their mean as a large one, on the line y."""
    if len(values):
        axes.plot(values, np.full(len(values), y), linestyle="", markersize=3, alpha=0.6, **how)
        axes.plot(np.mean(values), y, linestyle="", markersize=7, **how)
