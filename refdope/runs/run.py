"""One training run in memory: a model, its trainer, what was measured, and all that a bit-exact resume needs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refdope.analysis.adaptation import adaptation, moves, parts
from refdope.arrays import Array, Params, join, part
from refdope.models import evaluate
from refdope.runs.config import Config
from refdope.runs.task import Task
from refdope.training.annealing import Annealer
from refdope.training.trainer import Trainer

STATE = "hcdefg"  # names of the arrays of a layer's state, as far as it has them


class Run:
    """A run of a config on a text.

    Parameters
    ----------
    config : Config
    task : Task
        Of that config.

    Attributes
    ----------
    trainer : Trainer
    course : list of dict
        A row an evaluation: step, density, train (mean loss since the row before), valid, and the adaptation on the
        probe; losses in nats a token. No times: the same run gives the same rows.
    prunings : list of dict
        A row per pruning: step, density, and the loss just before and just after, on the first 2,000 targets of the
        probe, in brief.
    total : int
        Updates in all.
    """

    def __init__(self, config: Config, task: Task) -> None:
        self.config, self.task = config, task
        batches = task.train
        self.total, self.ramp = config.total_steps(len(batches)), config.ramp(len(batches))
        self.valid = task.evaluation("valid", config.validation)
        self.probe = task.evaluation("valid", config.probe)
        model = task.model(config, task.record())
        annealer = Annealer(model, config.recipe, self.ramp, config.cmr_schedule) if config.overlay else None
        rng = np.random.default_rng([config.seed, 1])
        rate = config.learning_rate(len(batches))
        self.trainer = Trainer(
            model, batches, config.make_optimizer(), rate, rng, annealer,
            l2_overlay=config.l2_overlay, alternate=config.alternate, steps=config.make_steps(),
        )  # fmt: skip
        self.brief = task.evaluation("valid", min(config.probe, 2000), brief=True)
        self.course: list[dict[str, Any]] = []
        self.prunings: list[dict[str, Any]] = []
        self._moves = moves([], model)
        self._losses: list[float] = []
        share = self.total / config.evaluations
        self.evaluated = {round(k * share) for k in range(config.evaluations + 1)}
        self.evaluated |= {self.ramp.end} if config.overlay else set()

    @property
    def step(self) -> int:
        """Updates made."""
        return self.trainer.step

    @property
    def done(self) -> bool:
        """Whether all updates were made."""
        return self.step >= self.total

    def update(self) -> float:
        """Train on the next window; return its loss. Raises FloatingPointError if training diverged."""
        t, watched = self.trainer, self.step + 1 in self.evaluated and self.config.overlay
        before = parts(t.model) if watched else []
        loss = t.descend()
        if watched:
            self._moves = moves(before, t.model)
        if self.config.overlay and self.ramp.due(t.step):
            loss_before = evaluate(t.model, self.brief)
            t.anneal()
            after = evaluate(t.model, self.brief)
            self.prunings.append({"step": t.step, "density": density(t), "before": loss_before, "after": after})
        else:
            t.anneal()
        self._losses.append(loss)
        return loss

    def measure(self) -> dict[str, Any] | None:
        """Add a row to the course if one is due at this step, and return it."""
        if self.step not in self.evaluated or (self.course and self.course[-1]["step"] == self.step):
            return None
        model = self.trainer.model
        found = adaptation(model, self.probe)
        same = self.config.validation == self.config.probe
        row: dict[str, Any] = {
            "step": self.step,
            "density": density(self.trainer),
            "train": float(np.mean(self._losses)) if self._losses else float("nan"),
            "valid": found["loss"] if same else evaluate(model, self.valid),
            **found,
            **self._moves,
        }
        if not np.isfinite(row["valid"]):
            raise FloatingPointError(f"training diverged: the validation loss is {row['valid']} at step {self.step}")
        self._losses = []
        self.course.append(row)
        return row

    # ------------------------------------------------------------------------------------------------- save and load

    def state(self) -> tuple[Params, dict[str, Any]]:
        """Return the arrays and the record that `restore` goes on from."""
        t = self.trainer
        carried = {f"{k}.{name}": a for k, s in enumerate(t.state or []) for name, a in zip(STATE, s, strict=False)}
        arrays = join(
            params=t.model.params,
            constants=t.model.constants,
            optimizer=join(**t.optimizer.arrays),
            state=carried,
        )
        record = {
            "config": self.config.to_toml(),
            "corpus": self.task.hash,
            **self.task.record(),
            "step": t.step,
            "optimizer_steps": t.optimizer.steps,
            "optimizer_counts": t.optimizer.counts,
            "rng": t.rng.bit_generator.state,
            "course": self.course,
            "prunings": self.prunings,
            "moves": self._moves,
            "losses": self._losses,
        }
        return arrays, record

    def restore(self, arrays: Mapping[str, Array], record: Mapping[str, Any], where: str) -> None:
        """Go on from a state.

        Raises
        ------
        ValueError
            If the state is another config's, another text's, does not fit the model, or is not finite; the message
            starts with `where`, and nothing has been changed.
        """
        if not self.config.wrote(record.get("config")):
            raise ValueError(f"{where} belongs to another config")
        if record.get("corpus") != self.task.hash:
            raise ValueError(f"{where} belongs to another corpus")
        t = self.trainer
        model = restored(t.model, arrays, where)
        t.model = model
        if t.annealer is not None:
            t.annealer.model = model
            t.annealer.set_rates(record["step"])
        t.step, t.optimizer.steps = record["step"], record["optimizer_steps"]
        t.optimizer.counts = dict(record["optimizer_counts"])
        moments = part(arrays, "optimizer")
        t.optimizer.arrays = {kind: part(moments, kind) for kind in t.optimizer.arrays}
        carried = part(arrays, "state")
        layers = sorted({int(name.split(".")[0]) for name in carried})
        t.state = [tuple(part(carried, str(k)).values()) for k in layers] or None
        t.rng.bit_generator.state = record["rng"]
        self.course, self.prunings = list(record["course"]), list(record["prunings"])
        self._moves, self._losses = dict(record["moves"]), list(record["losses"])


def restored(model: Any, arrays: Mapping[str, Array], where: str) -> Any:
    """Return the model over saved arrays ("params.…", "constants.…"), once they are known to fit it."""
    params, constants = part(arrays, "params"), part(arrays, "constants")
    if set(params) != set(model.params):
        raise ValueError(f"{where} has other parameters than the model: {sorted(set(params) ^ set(model.params))[:3]}")
    for name, a in params.items():
        own = model.params[name]
        if a.dtype != own.dtype or (a.shape != own.shape and not name.endswith("overlay")):
            raise ValueError(f"{where}: {name} is {a.dtype} of shape {a.shape}, the model's is {own.dtype} {own.shape}")
        if not np.isfinite(a).all():
            raise ValueError(f"{where}: {name} has entries that are not finite")
    try:
        return model.replace(params, constants)
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{where} does not fit the model: {error}") from None


def density(trainer: Trainer) -> float:
    """Return which share of the entries of the overlays is alive; 1 without overlays."""
    overlays = [W.overlay for W in trainer.model.matrices.values() if W.overlay is not None]
    entries = sum(S.shape[0] * S.shape[1] for S in overlays)
    return sum(S.n_params for S in overlays) / entries if overlays else 1.0
