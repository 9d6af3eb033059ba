"""Compress a trained dense LSTM: the doped matrix nearest to each of its matrices, then a short fine-tuning.

The nearest structure comes from a singular value decomposition (`nearest` of each kind), the overlay takes the largest
residuals, and the two are fitted in turn until the error settles. In fine-tuning the sparsity pattern is fixed.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from refdope.data import Batches
from refdope.files import whole, write_csv
from refdope.layers import LSTM
from refdope.models import LanguageModel
from refdope.structures import Doped, Structure
from refdope.structures.base import Array
from refdope.training import checkpoint
from refdope.training.annealing import overlay_budget
from refdope.training.config import KINDS
from refdope.training.folder import read_text, result, write_json
from refdope.training.optimizers import Adam, LinearDecay
from refdope.training.process import locked
from refdope.training.trained import read_model
from refdope.training.trainer import Trainer, evaluate, evaluation_batches


def compress_layers(
    layers: Sequence[LSTM], kind: type[Structure], factor: float, note: bool = True
) -> tuple[list[LSTM], list[dict[str, Any]]]:
    """Compress the matrices of a stack of layers.

    Parameters
    ----------
    layers : sequence of LSTM
    kind : a subclass of Structure that has `nearest`
    factor : float
        Of every matrix.

    Returns
    -------
    layers : list of LSTM
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
    bar = tqdm(total=2 * len(layers), desc="matrices", disable=None if note else True, leave=False)
    for k, layer in enumerate(layers):
        D, H = layer.D, layer.H
        start = LSTM.for_compression(D, H, kind, factor, np.random.default_rng(0), doped=True)
        alone = LSTM.for_compression(D, H, kind, factor, np.random.default_rng(0)).weights
        near: dict[str, Any] = {}
        dense = (W.astype(np.float64) for W in layer.to_dense())
        for (name, like), W in zip(start.weights.items(), dense, strict=True):
            like.overlay.prune(overlay_budget(f"layers.{k}.{name}", like, factor))
            near[name] = like.nearest(W)
            errors.append({"matrix": f"layers.{k}.{name}", **_errors(W, near[name], alone[name], factor)})
            bar.update()
        doped = LSTM(near["Wx"].to_csr(), near["Wh"].to_csr(), layer.b)
        made.append(doped.replace({name: a.astype(layer.b.dtype) for name, a in doped.params.items()}))
    bar.close()
    return made, errors


def _errors(W: Array, doped: Doped, alone: Structure, factor: float) -> dict[str, Any]:
    """Return a row of errors; of `alone`, only its kind and size count."""
    norm = float(np.linalg.norm(W))
    smallest = np.sort(np.abs(W).ravel())[: W.size - int(W.size / factor)]

    def told(gap: Array) -> str:
        """Return a difference's norm, relative to W's."""
        return f"{np.linalg.norm(gap) / norm:.4f}"

    return {
        "parameters": doped.n_params,
        "structure alone": told(W - alone.nearest(W).to_dense()),
        "pruned": told(smallest),
        "doped": told(W - doped.to_dense()),
    }


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
        dense, structure=structure, factor=factor, overlay=True, steps=max(updates, 1), gates="auto", joint=False
    )
    kind = KINDS[structure]
    assert kind is not None
    text = read_text(config)
    trained.check(text)
    layers, errors = compress_layers(model.layers, kind, factor)
    near = LanguageModel(model.embedding, layers, model.softmax, dense.dropout)
    near = near.replace({name: a.copy() for name, a in near.params.items()})  # fine-tuning leaves the source alone
    test = evaluation_batches(text.test)
    losses = {"before": evaluate(model, test), "after": evaluate(near, test)}
    batches = Batches(text.train, config.unroll, config.batch)
    rng = np.random.default_rng([config.seed, 1])
    trainer = Trainer(near, batches, Adam(1.0), LinearDecay(lr, 0, max(updates, 1), 0.02), rng)
    for _ in tqdm(range(updates), "fine-tuning", disable=None, leave=False):
        trainer.update()
    losses["tuned"] = evaluate(near, test)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        arrays = {f"params.{name}": a for name, a in near.params.items()}
        arrays |= {f"constants.{name}": a for name, a in near.constants.items()}
        record = {
            "config": config.to_toml(),
            "corpus": text.hash,
            "spaced": text.spaced,
            "vocabulary": list(text.vocabulary.tokens),
            "step": updates,
        }
        checkpoint.save(out / "weights.npz", arrays, record)
        write_csv(out / "compress.csv", errors)
        write_json(out / "compress.json", {"source": str(source.absolute()), "factor": factor, **losses})
        write_json(out / "result.json", result(text.level, losses["tuned"], near, out / "weights.npz"))
        with whole(out / "config.toml") as file:  # last: with it the folder is a run
            file.write(config.to_toml().encode())
    print(f"{out}: written", file=sys.stderr)
    return {"errors": errors, **losses}
