"""The run folder: what a run leaves on disk, so that it can be killed at any moment and go on with the same bits.

Its files, each written whole or not at all but for times.csv, which is a log:

    config.toml          the settings; `refdope train --config` repeats the run with them
    environment.json     versions, machine, corpus and its hash
    metrics.csv          a row an evaluation, losses in nats a token; no times, so a resumed run has the same file
    prunings.csv         a row a pruning: the loss on a little of the probe just before and just after
    times.csv            seconds of training so far and tokens per second, a row an evaluation
    checkpoints/         the last two; each holds all that a bit-exact resume needs
    weights.npz          when the run has ended: parameters, masks and CSR patterns
    result.json          when the run has ended: test loss, sizes
    lock                 held by the process that trains
"""

import json
import platform
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy
from tqdm import tqdm

from refdope.analysis.cost import cost
from refdope.files import whole, write_csv
from refdope.models import Model, evaluate
from refdope.runs import checkpoint, times
from refdope.runs.config import Config, read_toml
from refdope.runs.process import interruptible, locked
from refdope.runs.run import Run
from refdope.runs.task import Task
from refdope.runs.tasks import task_of
from refdope.threads import Threads

KEPT = 2  # checkpoints


def start(path: Path, config: Config) -> bool:
    """Train a new run in a folder that is not there yet, or empty; return whether it ended.

    Raises
    ------
    FileExistsError
        If there is something in the folder.
    ValueError
        If the text or the model cannot be had; nothing is written then.
    """
    if path.exists() and (not path.is_dir() or any(file.name != "lock" for file in path.iterdir())):
        raise FileExistsError(f"{path} is there already: go on with `refdope train --resume {path}`, or name another")
    run = Run(config, task_of(config).of(config))
    if told := out_of_reach(config):
        print(f"{path}: {told}", file=sys.stderr)
    path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        with whole(path / "config.toml") as file:  # first: from here on the run can be resumed
            file.write(config.to_toml().encode())
        return _go(path, run)


def resume(path: Path) -> bool:
    """Go on with a run from its last good checkpoint; return whether it ended.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no run in the folder, another process trains it, or no checkpoint of it is good.
    """
    config = read_config(path)
    with locked(path):
        if (path / "result.json").exists():
            print(f"{path}: has ended already", file=sys.stderr)
            return True
        return _go(path, Run(config, task_of(config).of(config)))


def _go(path: Path, run: Run) -> bool:
    """Bring the folder and the run to the same state, and train from there."""
    task = run.task
    (path / "checkpoints").mkdir(exist_ok=True)
    for partial in path.rglob("*.part"):  # of a process that was killed
        partial.unlink()
    write_json(path / "environment.json", environment(task))
    if checkpoints(path):
        read_checkpoint(path, run)
    else:
        run.measure()
        write_checkpoint(path, run)
    begins = f"goes on from update {run.step:,} of" if run.step else "begins,"
    print(f"{task}\n{path}: {begins} {run.total:,} updates", file=sys.stderr, flush=True)
    return train(path, run)


def train(path: Path, run: Run) -> bool:
    """Train until all updates are made or somebody interrupts; return which. The last state is on disk either way."""
    tokens = run.task.rows
    bar = tqdm(total=run.total, initial=run.step, unit=" updates", disable=None, leave=False)
    began, first = perf_counter(), run.step
    log, speed, threads = times.read(path), 0.0, Threads(run.config.hidden)
    before = log[-1].seconds if log else 0.0  # in earlier sessions
    with bar, interruptible() as interrupted:
        while not run.done and not interrupted():
            step = perf_counter()
            loss = run.update()
            threads.step(perf_counter() - step)
            bar.update()
            seconds = perf_counter() - began
            speed = tokens * (run.step - first) / seconds
            bar.set_postfix_str(f"loss {loss:.3f} nats, {speed:,.0f} tokens/s", refresh=False)
            row = run.measure()
            if row is not None:
                times.append(path, times.Time(run.step, before + seconds, speed))
                write_checkpoint(path, run)
                if bar.disable:
                    print(f"update {row['step']:,}: {_told(row)}, {speed:,.0f} tokens/s", file=sys.stderr, flush=True)
        if not run.done:
            times.append(path, times.Time(run.step, before + perf_counter() - began, speed))
            write_checkpoint(path, run)
    if not run.done:
        print(f"stopped after update {run.step:,}; go on with `refdope train --resume {path}`", file=sys.stderr)
        return False
    finish(path, run)
    return True


def _told(row: dict[str, Any]) -> str:
    alive = "" if row["density"] == 1 else f", {row['density']:.1%} of the overlay alive"
    return f"validation {row['valid']:.4f} nats{alive}"


def finish(path: Path, run: Run) -> None:
    """Write the weights and the result of a run that has made all its updates."""
    model, task = run.trainer.model, run.task
    arrays, record = run.state()
    weights = {name: a for name, a in arrays.items() if name.startswith(("params.", "constants."))}
    about = {name: record[name] for name in ("config", "corpus", "step", *task.record())}
    checkpoint.save(path / "weights.npz", weights, about)
    found = result(run.config, evaluate(model, task.evaluation("test")), model, path / "weights.npz")
    write_json(path / "result.json", found)
    print(f"{path}: {found['test_in_unit']:.3f} {found['unit']} on the test text", file=sys.stderr)


def result(config: Config, test: float, model: Model, weights: Path) -> dict[str, Any]:
    """Return what result.json holds: the test loss in nats and as the task tells it, and the sizes."""
    measure = task_of(config).measure(config)
    return {
        "level": config.level,
        "test": test,
        "test_in_unit": measure.of(test),
        "unit": measure.name,
        **asdict(cost(model)),
        "bytes_on_disk": weights.stat().st_size,
    }


# ----------------------------------------------------------------------------------------------------- what is on disk


def write_checkpoint(path: Path, run: Run) -> None:
    """Write the metrics and a checkpoint, and forget all but the last two."""
    write_rows(path, run)
    checkpoint.save(path / "checkpoints" / f"update-{run.step:09d}.npz", *run.state())
    for old in checkpoints(path)[:-KEPT]:
        old.unlink()


def write_rows(path: Path, run: Run) -> None:
    """Write what was measured until now."""
    for name, rows in (("metrics.csv", run.course), ("prunings.csv", run.prunings)):
        if rows:
            write_csv(path / name, rows)


def checkpoints(path: Path) -> list[Path]:
    """List the checkpoints of a run, oldest first."""
    return sorted((path / "checkpoints").glob("update-*.npz"))


def read_checkpoint(path: Path, run: Run) -> None:
    """Restore the last good checkpoint; say which ones are not."""
    checkpoint.first_good(checkpoints(path)[::-1], lambda file: run.restore(*checkpoint.load(file), str(file)))
    write_rows(path, run)


def read_config(path: Path) -> Config:
    """Read the config of a run."""
    if not (path / "config.toml").is_file():
        raise FileNotFoundError(f"there is no run in {path}: it has no config.toml")
    return Config.from_dict(read_toml(path / "config.toml"), str(path / "config.toml"))


def out_of_reach(config: Config) -> str:
    """Say in one line what a structure without an overlay took where it cannot reach the factor asked; else nothing.

    Its next size up is the first that a lower factor brings, in steps of 1 %. An overlay fills any budget.
    """
    if config.overlay or config.structure == "dense":
        return ""

    def reached(factor: float) -> float:
        matrix = replace(config, factor=factor).recipe.matrix
        kind = config.layer_kind
        shapes = [(kind.gates * config.hidden, n) for n in kind.widths(config.hidden, config.hidden)]
        made = [matrix(shape, 0, gates=kind.gates) for shape in shapes]
        return sum(m * n for m, n in shapes) / sum(W.n_params for W in made)

    took = reached(config.factor)
    if took < 1.02 * config.factor:
        return ""
    lower = (config.factor / 1.01**k for k in range(1, 1000) if config.factor / 1.01**k >= 1)
    before = next((f"{r:.1f}x" for factor in lower if (r := reached(factor)) < took), "the dense matrix")
    kind = {"kronecker": "Kronecker product", "lmf": "LMF", "hmd": "HMD"}.get(config.structure, config.structure)
    return f"asked for {config.factor:g}x; the next {kind} is {took:.1f}x, the one before {before}"


def environment(task: Task) -> dict[str, Any]:
    """Return what the results of a run belong to."""
    from refdope import __version__

    return {
        "refdope": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
        "system": platform.system(),
        "corpus": task.about,
        "corpus_hash": task.hash,
    }


def _commit() -> str | None:
    """Return the commit of the checkout that this package runs from, if it is one."""
    here = Path(__file__).parent
    try:
        asked = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with whole(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
