"""The doping experiment at a size that two cores reach in minutes: one language model, five ways, compressed equally.

    dense            the LSTM as it is
    pruned           an overlay alone, annealed
    kronecker        a structure alone (or another one)
    doped            the structure and an overlay, annealed
    doped + CMR      the same, with co-matrix dropout while training

`run` trains them side by side and writes what it measured to files; `refdope.analysis.plots` draws from those.
"""

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import exp, log
from multiprocessing import active_children, get_context
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from refdope.analysis import Cost, adaptation, cost
from refdope.data import Batches, Text
from refdope.data.vocabulary import Level
from refdope.files import whole, write_csv
from refdope.models import LanguageModel
from refdope.structures import CMR, Dense, Doped, Kronecker, Structure
from refdope.structures.base import Array
from refdope.training import Adam, Annealer, CubicRamp, LinearDecay, Trainer, evaluate
from refdope.training.annealing import CMRSchedule


@dataclass(frozen=True)
class Settings:
    """What is trained, and how; the ramp and the decay of the learning rate are fractions of `steps`."""

    kind: type[Structure] = Kronecker
    factor: float = 19.8
    level: Level = "char"
    words: int = 4000
    H: int = 100
    layers: int = 1
    T: int = 50
    B: int = 32
    steps: int = 2000
    lr: float = 0.01
    decay_from: float = 0.7
    ramp: tuple[float, float] = (0.1, 0.6)
    prunings: int = 40
    dropout: float = 0.0
    cmr: CMR = field(default_factory=lambda: CMR(0.1))
    cmr_schedule: CMRSchedule = "annealed"
    evaluations: int = 40
    probe: int = 8_000

    def __post_init__(self) -> None:
        for name in ("words", "H", "layers", "T", "B", "steps", "evaluations", "prunings"):
            if getattr(self, name) < 1:
                raise ValueError(f"demo: {name} must be at least 1, got {getattr(self, name)}")

    @property
    def schedule(self) -> CubicRamp:
        """The ramp in steps."""
        start, end = (round(share * self.steps) for share in self.ramp)
        return CubicRamp(start, max(end, start + 1), max((end - start) // self.prunings, 1))


@dataclass(frozen=True)
class Run:
    """One of the five models, with one seed."""

    name: str
    kind: type[Structure] | None
    doped: bool
    cmr: CMR | None
    seed: int

    def model(self, V: int, s: Settings) -> LanguageModel:
        """Make the model that this run trains, in float32."""
        return LanguageModel.for_compression(
            V,
            s.H,
            self.kind,
            1 if self.kind is Dense else s.factor,
            np.random.default_rng([self.seed, 0]),
            layers=s.layers,
            dropout=s.dropout,
            doped=self.doped,
            cmr=self.cmr,
        ).astype(np.float32)


@dataclass(frozen=True)
class Outcome:
    """What one run found."""

    run: Run
    course: list[dict[str, Any]]  # a row an evaluation
    snapshots: dict[str, Array]  # |W_s| and |S| of the first recurrent matrix, before, within and after the ramp
    loss: float  # on the test text, nats a token
    cost: Cost
    seconds: float
    sample: str


def five(s: Settings, seeds: Iterable[int]) -> list[Run]:
    """List the runs, slowest first, so that two processes end at about the same time."""
    which: list[tuple[str, type[Structure] | None, bool, CMR | None]] = [
        ("doped + CMR", s.kind, True, s.cmr),
        ("doped", s.kind, True, None),
        ("dense", Dense, False, None),
        ("pruned", None, True, None),
        (s.kind.__name__.lower(), s.kind, False, None),
    ]
    return [Run(name, kind, doped, cmr, seed) for seed in seeds for name, kind, doped, cmr in which]


def train(run: Run, s: Settings, text: Text) -> Outcome:
    """Train one model, measuring it on the way."""
    model, ramp = run.model(len(text.vocabulary), s), s.schedule
    trainer = Trainer(
        model,
        Batches(text.train, s.T, s.B),
        Adam(clip=1.0),
        LinearDecay(s.lr, round(s.decay_from * s.steps), s.steps, floor=0.02),
        np.random.default_rng([run.seed, 1]),
        Annealer(model, s.factor, ramp, s.cmr_schedule) if run.doped else None,
    )
    probe = Batches(text.valid[: s.probe], 100, 16)
    evaluated = {round(k * s.steps / s.evaluations) for k in range(s.evaluations + 1)} | {ramp.end}
    pictured = {ramp.start, ramp.start + round(0.4 * (ramp.end - ramp.start)), ramp.end}
    course: list[dict[str, Any]] = []
    snapshots: dict[str, Array] = {}
    began = perf_counter()
    label = f"{run.name}, seed {run.seed}".ljust(20)
    bar = tqdm(range(s.steps + 1), label, position=_bar_line, leave=False, disable=None)
    for step in bar:
        if step:
            trainer.update()
        if step in evaluated:
            found = adaptation(model, probe)
            density = float(np.mean([1.0 if W.overlay is None else _density(W) for W in model.matrices.values()]))
            course.append({"model": run.name, "seed": run.seed, "step": step, "density": density, **found})
            alive = f", {density:.0%} alive" if run.doped else ""
            bar.set_postfix_str(f"{per_token(found['loss'], s.level):.3f} {unit(s.level)}{alive}")
        if step in pictured:
            snapshots |= _snapshot(model, step)
    rng = np.random.default_rng(run.seed)
    sample = model.generate(text.valid[:100], 300 if s.level == "char" else 60, rng, temperature=0.6)
    loss = evaluate(model, Batches(text.test, 100, 16))
    seconds = perf_counter() - began
    return Outcome(run, course, snapshots, loss, cost(model), seconds, text.vocabulary.decode(sample, s.level))


def _density(W: Structure) -> float:
    return float(W.overlay.n_params / (W.shape[0] * W.shape[1]))


def _snapshot(model: LanguageModel, step: int) -> dict[str, Array]:
    W = model.layers[0].Wh
    if not isinstance(W, Doped):
        return {}
    both = {"structure": W.structure, "overlay": W.overlay}
    return {f"{name}.{step}": np.abs(part.to_dense()).astype(np.float16) for name, part in both.items()}


def run(s: Settings, text: Text, out: Path, *, seeds: int = 1, jobs: int = 2) -> list[Outcome]:
    """Train all models and write the results.

    Parameters
    ----------
    s : Settings
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
    runs = five(s, range(seeds))
    for r in runs:
        r.model(2, s)  # what cannot be made is refused before anything is trained
    out.mkdir(parents=True, exist_ok=True)
    outcomes = _side_by_side(runs, s, text, jobs)
    write_csv(out / "demo.csv", [row for outcome in outcomes for row in outcome.course])
    write_csv(out / "demo_table.csv", table(outcomes, s.level))
    with whole(out / "demo_snapshots.npz") as file:
        np.savez_compressed(file, allow_pickle=False, **outcomes[0].snapshots)
    about = {"corpus": text.about, "seeds": seeds, "numpy": np.__version__} | asdict(s) | {"kind": s.kind.__name__}
    with whole(out / "demo.json") as file:
        file.write((json.dumps(about, indent=1) + "\n").encode())

    from refdope.analysis.plots import demo_figure  # Matplotlib is loaded only when a picture is drawn

    with whole(out / "demo.png") as file:
        demo_figure(out, file)
    return outcomes


_bar_line = 0  # of this process's progress bar; line 0 is the parent's


def _start_worker(lock: Any, workers: Any) -> None:
    """Give a worker process the lock that progress bars share, and a line of its own for its bar.

    An interrupt is left to the parent, which ends its workers.
    """
    global _bar_line
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(lock)
    with workers.get_lock():
        workers.value += 1
        _bar_line = workers.value


def _side_by_side(runs: Sequence[Run], s: Settings, text: Text, jobs: int) -> list[Outcome]:
    """Train in processes of one thread each, a progress bar a process, and say how each run ended."""
    context = get_context("spawn")
    outcomes: dict[int, Outcome] = {}
    with (
        _one_thread_each(),
        ProcessPoolExecutor(jobs, context, _start_worker, (context.RLock(), context.Value("i", 0))) as pool,
        tqdm(total=len(runs), desc="models".ljust(20), position=0, leave=False, disable=None) as bar,
    ):
        started = {pool.submit(train, run, s, text): k for k, run in enumerate(runs)}
        try:
            for done in as_completed(started):
                outcomes[started[done]] = outcome = done.result()
                bar.update()
                found = f"{per_token(outcome.loss, s.level):.3f} {unit(s.level)} on the test text"
                name = f"{outcome.run.name}, seed {outcome.run.seed}"
                bar.write(f"{name}: {found}, {outcome.seconds:.0f} s", file=sys.stderr)
        except BaseException:  # an interrupt too: do not wait for what is still training
            for child in active_children():
                child.terminate()
            raise
    return [outcomes[k] for k in range(len(runs))]


def table(outcomes: Sequence[Outcome], level: Level) -> list[dict[str, Any]]:
    """Return one row a model, means over the seeds."""
    names = list(dict.fromkeys(outcome.run.name for outcome in outcomes))
    first = [name for name in ("dense", "pruned") if name in names]  # the baselines, then what is built on them
    order = first + [name for name in reversed(names) if name not in first]
    return [_row(name, [outcome for outcome in outcomes if outcome.run.name == name], level) for name in order]


def _row(name: str, outcomes: Sequence[Outcome], level: Level) -> dict[str, Any]:
    found, c = [per_token(outcome.loss, level) for outcome in outcomes], outcomes[0].cost
    spread = f" ± {stdev(found):.3f}" if len(found) > 1 else ""
    return {
        "model": name,
        unit(level): f"{mean(found):.3f}{spread}",
        "LSTM parameters": c.lstm_params,
        "LSTM factor": f"{c.lstm_factor:.1f}x",
        "LSTM kB": f"{c.lstm_bytes / 1000:.1f}",
        "factor in bytes": f"{c.lstm_bytes_factor:.1f}x",
        "all parameters": c.params,
        "factor of all": f"{c.factor:.1f}x",
        "seconds": f"{mean(outcome.seconds for outcome in outcomes):.0f}",
    }


def per_token(nats: float, level: Level) -> float:
    """Return a loss in the unit of its level: bits per character, or perplexity."""
    return nats / log(2) if level == "char" else exp(nats)


def unit(level: Level) -> str:
    """Return the name of that unit."""
    return "bits/char" if level == "char" else "perplexity"


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let child processes that start within have one BLAS thread each."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
