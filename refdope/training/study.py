"""A study: an experiment file that lists runs.

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
setting that the variant names itself is not tried. Then come the runs proper, seed by seed: `refdope.training.conduct`
brings them to their end, `refdope.training.table` keeps what came out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

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
