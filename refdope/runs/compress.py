"""Compress a trained dense LSTM: the doped matrix nearest to each of its matrices, then a short fine-tuning.

The nearest structure comes from a singular value decomposition (`nearest` of each kind), the overlay takes the largest
residuals, and the two are fitted in turn until the error settles. In fine-tuning the sparsity pattern is fixed.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from refdope.arrays import Array
from refdope.files import whole, write_csv
from refdope.layers import Recurrent
from refdope.models import Model, evaluate
from refdope.runs import checkpoint, times
from refdope.runs.folder import result, write_json
from refdope.runs.process import locked
from refdope.runs.tasks import task_of
from refdope.runs.trained import read_model
from refdope.structures import Recipe, Structure
from refdope.training.optimizers import Adam, LinearDecay
from refdope.training.trainer import Trainer


def compress_layers(
    layers: Sequence[Recurrent], recipe: Recipe, note: bool = True
) -> tuple[list[Recurrent], list[dict[str, Any]]]:
    """Compress the matrices of a stack of layers.

    Parameters
    ----------
    layers : sequence of Recurrent
    recipe : Recipe
        Of every matrix, doped, its kind one that has `nearest`.

    Returns
    -------
    layers : list of Recurrent
        Doped, the overlays in CSR storage; biases are the same arrays.
    errors : list of dict
        A row a matrix: ‖W - W'‖ / ‖W‖ of the nearest structure, of the nearest pruned and of the doped matrix at this
        factor.

    Raises
    ------
    ValueError
        If the factor is out of reach.
    """
    made, errors = [], []
    alone = replace(recipe, doped=False, cmr=None)
    bar = tqdm(total=sum(len(layer.weights) for layer in layers), desc="matrices", disable=None if note else True)
    for k, layer in enumerate(layers):
        near = []
        for name, dense in layer.weights.items():
            W = dense.to_dense().astype(np.float64)
            near.append(recipe.nearest(W, gates=layer.gates))
            structure = alone.nearest(W, gates=layer.gates)
            errors.append({"matrix": f"layers.{k}.{name}", **_errors(W, near[-1], structure, recipe.factor)})
            bar.update()
        biases = [child for _, child in layer.children() if not isinstance(child, Structure)]
        made.append(layer.over([*(W.to_csr() for W in near), *biases]).astype(biases[0].dtype))
    bar.close()
    return made, errors


def _errors(W: Array, doped: Structure, alone: Structure, factor: float) -> dict[str, Any]:
    """Return a row of errors of what is near W."""
    norm = float(np.linalg.norm(W))
    smallest = np.sort(np.abs(W).ravel())[: W.size - int(W.size / factor)]

    def told(gap: Array) -> str:
        """Return a difference's norm, relative to W's."""
        return f"{np.linalg.norm(gap) / norm:.4f}"

    return {
        "parameters": doped.n_params,
        "structure alone": told(W - alone.to_dense()),
        "pruned": told(smallest),
        "doped": told(W - doped.to_dense()),
    }


def recurrent(model: Model) -> list[Recurrent]:
    """List the recurrent layers of a model."""
    return [part for _, part in model.children() if isinstance(part, Recurrent)]


def compress_run(source: Path, out: Path, structure: str, factor: float, updates: int, lr: float) -> dict[str, Any]:
    """Compress the model of a run that was trained dense, fine-tune it, and write it as a run that has ended.

    Parameters
    ----------
    source, out : Path
        Run folders; `out` is not there yet.
    structure : str
        A kind's name in lower case.
    factor : float
    updates : int
        Of the fine-tuning; 0: none.
    lr : float
        Its learning rate at the start (Adam); it falls linearly.

    Returns
    -------
    dict
        "errors", a row a matrix, and the test losses in nats a token: "before", "after", "tuned".
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is there already: name another folder")
    trained = read_model(source)
    model, dense = trained.model, trained.config
    if dense.structure != "dense" or dense.overlay:
        raise ValueError(f"{source} is not a dense model: its structure is {dense.structure}, overlay {dense.overlay}")
    config = replace(  # of matrices as `compress_layers` makes them
        dense, structure=structure, factor=factor, overlay=True, steps=max(updates, 1), gates="auto"
    )
    task = task_of(config).of(config)
    trained.check(task.hash)
    layers, errors = compress_layers(recurrent(model), config.recipe)
    compressed = dict(zip(map(id, recurrent(model)), layers, strict=True))
    near = model.mapped(lambda part: compressed.get(id(part), part))
    near = near.replace({name: a.copy() for name, a in near.params.items()})  # fine-tuning leaves the source alone
    test, valid = task.evaluation("test"), task.evaluation("valid", config.validation)
    losses = {"before": evaluate(model, test), "after": evaluate(near, test)}
    course, began = [{"step": 0, "valid": evaluate(near, valid)}], perf_counter()
    rng = np.random.default_rng([config.seed, 1])
    trainer = Trainer(near, task.train, Adam(1.0), LinearDecay(lr, 0, max(updates, 1), 0.02), rng)
    for _ in tqdm(range(updates), "fine-tuning", disable=None, leave=False):
        trainer.update()
    seconds = perf_counter() - began
    if updates:
        course.append({"step": updates, "valid": evaluate(near, valid)})
    losses["tuned"] = evaluate(near, test)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        arrays = {f"params.{name}": a for name, a in near.params.items()}
        arrays |= {f"constants.{name}": a for name, a in near.constants.items()}
        record = {"config": config.to_toml(), "corpus": task.hash, "step": updates, **task.record()}
        checkpoint.save(out / "weights.npz", arrays, record)
        write_csv(out / "compress.csv", errors)
        write_csv(out / "metrics.csv", course)
        times.append(out, times.Time(updates, seconds, updates * task.rows / max(seconds, 1e-9)))
        write_json(out / "compress.json", {"source": str(source.absolute()), "factor": factor, **losses})
        write_json(out / "result.json", result(config, losses["tuned"], near, out / "weights.npz"))
        with whole(out / "config.toml") as file:  # last: with it the folder is a run
            file.write(config.to_toml().encode())
    print(f"{out}: written", file=sys.stderr)
    return {"errors": errors, **losses}
