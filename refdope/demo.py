"""The doping experiment at a size that two cores reach in minutes: one language model, five ways, compressed equally.

    dense            the LSTM as it is
    pruned           an overlay alone, annealed
    kronecker        a structure alone (or another one)
    doped            the structure and an overlay, annealed
    doped + CMR      the same, with co-matrix dropout while training

`run` trains them side by side and writes what it measured to files; `refdope.analysis.plots` draws from those.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from refdope.analysis import Cost, cost
from refdope.arrays import Array
from refdope.data import Text
from refdope.data.vocabulary import Level
from refdope.experiments.workers import bar_line, workers
from refdope.files import whole, write_csv
from refdope.models import evaluate, evaluation_batches, generate
from refdope.runs.config import Config
from refdope.runs.language import Language
from refdope.runs.run import Run
from refdope.structures import Doped
from refdope.units import brief_unit, in_unit

# two minutes on two cores; the CMR schedule was chosen on the test text of seed 0, as the README tells
DEMO = Config(
    words=4000, factor=19.8, hidden=100, cmr=0.1, steps=2000, unroll=50, batch=32, lr=0.01, clip=1.0, probe=8000,
    validation=8000, evaluations=40,
)  # fmt: skip
COLUMNS = ("step", "density", "loss", "without_overlay", "without_structure", "share")


@dataclass(frozen=True)
class Contender:
    """One of the five models, with one seed."""

    name: str
    config: Config


@dataclass(frozen=True)
class Outcome:
    """What one run found."""

    contender: Contender
    course: list[dict[str, Any]]  # a row an evaluation
    snapshots: dict[str, Array]  # |W_s| and |S| of the first recurrent matrix, before, within and after the ramp
    loss: float  # on the test text, nats a token
    cost: Cost
    seconds: float
    sample: str


def five(config: Config, seeds: Iterable[int]) -> list[Contender]:
    """List the runs, slowest first, so that two processes end at about the same time."""
    doped = replace(config, cmr=0.0)
    which = {
        "doped + CMR": config,
        "doped": doped,
        "dense": replace(doped, structure="dense", overlay=False),
        "pruned": replace(doped, structure="none"),
        config.structure: replace(doped, overlay=False),
    }
    return [Contender(name, replace(one, seed=seed)) for seed in seeds for name, one in which.items()]


def train(contender: Contender, text: Text) -> Outcome:
    """Train one model, measuring it on the way."""
    run, began = Run(contender.config, Language(contender.config, text)), perf_counter()
    ramp = run.ramp
    pictured = {ramp.start, ramp.start + round(0.4 * (ramp.end - ramp.start)), ramp.end}
    snapshots: dict[str, Array] = {}
    label = f"{contender.name}, seed {run.config.seed}".ljust(20)
    with tqdm(total=run.total, desc=label, position=bar_line(), leave=False, disable=None) as bar:
        while True:
            row = run.measure()
            if row is not None:
                alive = f", {row['density']:.0%} alive" if run.config.overlay else ""
                bar.set_postfix_str(f"{in_unit(row['loss'], text.level):.3f} {brief_unit(text.level)}{alive}")
            if run.step in pictured:
                snapshots |= _snapshot(run.trainer.model, run.step)
            if run.done:
                break
            run.update()
            bar.update()
    model: Any = run.trainer.model
    rng = np.random.default_rng(run.config.seed)
    sample = generate(model, text.valid[:100], 300 if text.level == "char" else 60, rng, temperature=0.6)
    loss = evaluate(model, evaluation_batches(text.test))
    course = [
        {"model": contender.name, "seed": run.config.seed, **{name: row[name] for name in COLUMNS}}
        for row in run.course
    ]
    written = text.vocabulary.decode(sample, text.level)
    return Outcome(contender, course, snapshots, loss, cost(model), perf_counter() - began, written)


def _snapshot(model: Any, step: int) -> dict[str, Array]:
    W = model.layers[0].weights["Wh"]
    if not isinstance(W, Doped):
        return {}
    both = {"structure": W.structure, "overlay": W.overlay}
    return {f"{name}.{step}": np.abs(part.to_dense()).astype(np.float16) for name, part in both.items()}


def run(config: Config, text: Text, out: Path, *, seeds: int = 1, jobs: int = 2) -> list[Outcome]:
    """Train all models and write the results.

    Parameters
    ----------
    config : Config
        Of the doped model with CMR.
    text : Text
    out : Path
        The folder that gets demo.csv (the course of training), demo_table.csv, demo_snapshots.npz, demo.json (settings
        and text) and demo.png; each is written whole or not at all, once all runs have ended.
    seeds : int
        How many seeds every model is trained with.
    jobs : int
        Processes, of one thread each.

    Returns
    -------
    list of Outcome
        In the order of `five`.
    """
    runs = five(config, range(seeds))
    for one in runs:
        Run(one.config, Language(one.config, text))  # what cannot be made is refused before anything is trained
    out.mkdir(parents=True, exist_ok=True)
    outcomes = _side_by_side(runs, text, jobs)
    write_csv(out / "demo.csv", [row for outcome in outcomes for row in outcome.course])
    write_csv(out / "demo_table.csv", table(outcomes, text.level))
    with whole(out / "demo_snapshots.npz") as file:
        np.savez_compressed(file, allow_pickle=False, **outcomes[0].snapshots)
    about = {"corpus": text.about, "seeds": seeds, "numpy": np.__version__} | asdict(config)
    with whole(out / "demo.json") as file:
        file.write((json.dumps(about, indent=1) + "\n").encode())

    from refdope.analysis.plots import demo_figure  # Matplotlib is loaded only when a picture is drawn

    with whole(out / "demo.png") as file:
        demo_figure(out, file)
    return outcomes


def _side_by_side(runs: Sequence[Contender], text: Text, jobs: int) -> list[Outcome]:
    """Train in processes of one thread each, a progress bar a process, and say how each run ended."""
    outcomes: dict[int, Outcome] = {}
    with (
        workers(jobs) as pool,
        tqdm(total=len(runs), desc="models".ljust(20), position=0, leave=False, disable=None) as bar,
    ):
        started = {pool.submit(train, run, text): k for k, run in enumerate(runs)}
        for done in as_completed(started):
            outcomes[started[done]] = outcome = done.result()
            bar.update()
            found = f"{in_unit(outcome.loss, text.level):.3f} {brief_unit(text.level)} on the test text"
            name = f"{outcome.contender.name}, seed {outcome.contender.config.seed}"
            bar.write(f"{name}: {found}, {outcome.seconds:.0f} s", file=sys.stderr)
    return [outcomes[k] for k in range(len(runs))]


def table(outcomes: Sequence[Outcome], level: Level) -> list[dict[str, Any]]:
    """Return one row a model, means over the seeds."""
    names = list(dict.fromkeys(outcome.contender.name for outcome in outcomes))
    first = [name for name in ("dense", "pruned") if name in names]  # the baselines, then what is built on them
    order = first + [name for name in reversed(names) if name not in first]
    return [_row(name, [outcome for outcome in outcomes if outcome.contender.name == name], level) for name in order]


def _row(name: str, outcomes: Sequence[Outcome], level: Level) -> dict[str, Any]:
    found, c = [in_unit(outcome.loss, level) for outcome in outcomes], outcomes[0].cost
    spread = f" ± {stdev(found):.3f}" if len(found) > 1 else ""
    return {
        "model": name,
        brief_unit(level): f"{mean(found):.3f}{spread}",
        "LSTM parameters": c.lstm_params,
        "LSTM factor": f"{c.lstm_factor:.1f}x",
        "LSTM kB": f"{c.lstm_bytes / 1000:.1f}",
        "factor in bytes": f"{c.lstm_bytes_factor:.1f}x",
        "all parameters": c.params,
        "factor of all": f"{c.factor:.1f}x",
        "seconds": f"{mean(outcome.seconds for outcome in outcomes):.0f}",
    }
