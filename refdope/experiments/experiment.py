"""An experiment: a file that lists runs.

An experiment is a TOML file:

    about = "what it is to find out"
    [base]                          settings of every run: those of `Config`
    [short]                         changes to them while settings are tried
    widen = true                    where a choice falls on an edge of the grid, what lies beyond is tried too
    [grid]                          tried for every variant, each value with each: lr = [0.002, 0.005]
    [[variant]]                     in order of importance
    name = "doped KP"
    seeds = 3                       1 where it says nothing
    settings = {structure = "kronecker"}
    each = {factor = [10, 20]}      several variants in one, named "doped KP, factor 10" and so on
    control = true                  it is begun after all seeds of those that are none

First every variant tries the grid on short runs of seed 0, and keeps the settings of the lowest validation loss; a
setting that the variant names itself is not tried. What `widen` adds is said in `refdope.experiments.widen`. Then come
the runs proper, seed by seed: `refdope.experiments.conduct` brings them to their end, `refdope.experiments.table` keeps
what came out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from refdope.runs.config import PRESETS, Config, read_toml


@dataclass(frozen=True)
class Variant:
    """One line of the comparison."""

    name: str
    settings: dict[str, Any]
    seeds: int
    control: bool = False


@dataclass(frozen=True)
class Experiment:
    """An experiment file, read."""

    name: str
    about: str
    base: dict[str, Any]
    short: dict[str, Any]
    grid: dict[str, list[Any]]
    variants: list[Variant]
    widen: bool = False


@dataclass(frozen=True)
class Job:
    """One training run of an experiment; where it only tries settings, `tried` says which."""

    variant: str
    config: Config
    tried: str = ""

    @property
    def trial(self) -> bool:
        """Whether it only tries settings."""
        return bool(self.tried)

    def path(self, out: Path) -> Path:
        """Return its folder, named by what it is."""
        name = "".join(c if c.isalnum() else "-" for c in self.variant.lower())
        tried = "".join(c if c.isalnum() or c in "._" else "-" for c in self.tried)
        return out / f"{name}{tried}-seed{self.config.seed}"


def read(path: Path, preset: str = "", **more: Any) -> Experiment:
    """Read an experiment file; a preset's settings, then `more`, take the place of those in its base.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there or not an experiment; the message says what is wrong.
    """
    given = read_toml(path)
    _check(f"{path}: an experiment", given, PARTS)
    variants = []
    for one in given["variant"]:
        _check(f"{path}: a variant", one, PARTS_OF_VARIANT)
        for chosen in products(one.get("each", {})):
            name = ", ".join([one["name"], *(f"{setting} {value}" for setting, value in chosen.items())])
            how = one.get("seeds", 1), one.get("control", False)
            variants.append(Variant(name, one.get("settings", {}) | chosen, *how))
    of_preset = {name: value for name, value in PRESETS.get(preset, {}).items() if name not in ("structure", "overlay")}
    base = given.get("base", {}) | of_preset | more
    tables = base, given.get("short", {}), given.get("grid", {})
    experiment = Experiment(path.stem, given.get("about", ""), *tables, variants, given.get("widen", False))
    folders: dict[Path, str] = {}
    for v in variants:  # what cannot be is told before anything is trained
        for run in (*trials(experiment, v), *proper(experiment, v, {})):
            folder = run.path(Path())
            if folder in folders:
                what = f"{folders[folder]!r} and {v.name!r} would both train in {folder}"
                raise ValueError(f"{path}: variants must have different names: {what}")
            folders[folder] = v.name
    return experiment


def _check(owner: str, given: Any, parts: Mapping[str, tuple[str, Callable[[Any], bool]]]) -> None:
    """Raise ValueError unless something is a table of these parts, each as it has to be."""
    if not isinstance(given, dict):
        raise ValueError(f"{owner} must be a table, got {given!r}")
    if unknown := sorted(given.keys() - parts.keys()):
        raise ValueError(f"{owner} has {', '.join(parts)}, not {unknown[0]!r}")
    for name, (what, is_so) in parts.items():
        if not is_so(given.get(name)):
            raise ValueError(f"{owner}: {name} must be {what}, got {given.get(name)!r}")


def _table(given: Any) -> bool:
    return given is None or isinstance(given, dict)


def _lists(given: Any) -> bool:
    return given is None or (isinstance(given, dict) and all(isinstance(v, list) and v for v in given.values()))


PARTS = {
    "about": ("a text", lambda given: given is None or isinstance(given, str)),
    "base": ("a table of settings", _table),
    "short": ("a table of settings", _table),
    "widen": ("true or false", lambda given: given is None or isinstance(given, bool)),
    "grid": ("a table of lists of settings", _lists),
    "variant": ("written [[variant]], one or more", lambda given: isinstance(given, list) and bool(given)),
}
PARTS_OF_VARIANT = {
    "name": ("a text", lambda given: isinstance(given, str)),
    "seeds": ("a number from 1 up", lambda given: given is None or (type(given) is int and given >= 1)),
    "control": ("true or false", lambda given: given is None or isinstance(given, bool)),
    "settings": ("a table of settings", _table),
    "each": ("a table of lists of settings", _lists),
}


def trials(experiment: Experiment, variant: Variant) -> list[Job]:
    """List the short runs on which a variant's settings are chosen; none, if it leaves nothing open."""
    open_ = open_settings(experiment, variant)
    if all(len(values) == 1 for values in open_.values()):
        return []
    return [trial(experiment, variant, tried) for tried in products(open_)]


def trial(experiment: Experiment, variant: Variant, tried: Mapping[str, Any]) -> Job:
    """Return the short run of a variant that tries some settings."""
    config = _config(experiment, variant, experiment.short | dict(tried))
    return Job(variant.name, config, "".join(f"-{name}{value}" for name, value in tried.items()))


def open_settings(experiment: Experiment, variant: Variant) -> dict[str, list[Any]]:
    """Return those axes of the grid of which a variant leaves the choice open."""
    open_ = {name: values for name, values in experiment.grid.items() if name not in variant.settings}
    if not _config(experiment, variant, {}).overlay:
        return {name: values for name, values in open_.items() if not name.startswith("ramp")}
    return open_


def proper(experiment: Experiment, variant: Variant, chosen: Mapping[str, Any]) -> list[Job]:
    """List the runs of a variant, one a seed, with the settings that were chosen for it."""
    config = _config(experiment, variant, chosen)
    return [Job(variant.name, replace(config, seed=seed)) for seed in range(variant.seeds)]


def products(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """List every choice of one value each; `{}` where there is nothing to choose."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def _config(experiment: Experiment, variant: Variant, more: Mapping[str, Any]) -> Config:
    first = {name: values[0] for name, values in experiment.grid.items()}
    settings = experiment.base | first | variant.settings | dict(more)
    return Config.from_dict(settings, f"{experiment.name}, {variant.name}")
