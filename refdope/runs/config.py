"""The settings of a run: one list, from which the command line, the TOML file and every check are made."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from refdope.data.vocabulary import Level
from refdope.layers import LAYERS, LSTM, Recurrent
from refdope.structures import CMR, Recipe
from refdope.structures.cmr import Per, Rows
from refdope.structures.kinds import KINDS
from refdope.structures.recipe import check_options
from refdope.training.annealing import CMRSchedule, CubicRamp
from refdope.training.optimizers import SGD, Adam, LinearDecay, Optimizer, ZarembaDecay
from refdope.training.steps import Scaling, Steps


def setting(default: Any, about: str, choices: Any = None, least: float | None = None) -> Any:
    """Return a dataclass field that knows its help text, what it may be, and the least that it may be."""
    return field(default=default, metadata={"help": about, "choices": choices, "least": least})


@dataclass(frozen=True)
class Config:
    """What is trained, on what, and how. Every field is a flag of `refdope train` and a key of its TOML file.

    Raises
    ------
    ValueError
        If a setting is not what it may be; the message names it.
    """

    data: str = setting("", "text file, folder of .txt files, or PTB's folder; empty: docstrings of NumPy and SciPy")
    task: str = setting("language", "what is learnt: one of those that `refdope.runs.tasks` lists")
    level: Level = setting("char", "what a token is", get_args(Level))
    words: int = setting(10_000, "with level word: how many of the most frequent words are kept", least=2)

    structure: str = setting("kronecker", "what the LSTM matrices are; none: an overlay alone (pruning)", tuple(KINDS))
    factor: float = setting(20.0, "compression factor of the LSTM matrices; without meaning for plain dense", least=1)
    overlay: bool = setting(True, "dope the matrices: put a sparse overlay on them, annealed while training")
    gates: str = setting(
        "auto", "one matrix for the four gates, or one each; auto: each for hmd", ("auto", "one", "each")
    )
    layer: str = setting("lstm", "what the recurrent layers are", tuple(name for name in LAYERS if name != "joint"))
    joint: bool = setting(False, "one matrix on [x; h] in each LSTM layer, in place of two")
    options: str = setting("", "options of the structure, as first=50x4; several are separated by commas")
    share: float = setting(0.9, "how much of the variance of a doped matrix is the overlay's at the start", least=0)
    hidden: int = setting(200, "units of each LSTM layer, and width of the embedding", least=1)
    layers: int = setting(1, "LSTM layers", least=1)
    dropout: float = setting(0.0, "dropout between layers, in [0, 1)", least=0)
    init: float = setting(0.0, "root mean square of all weights at the start; 0: each layer's own default", least=0)
    embedding_std: float = setting(0.0, "that of the embedding; 0: as init, or 1 where that is 0", least=0)
    forget_bias: float = setting(1.0, "bias of the forget gate at the start")

    l2_overlay: float = setting(0.0, "weight decay of the overlay: half of it times ‖S‖² is added to the loss", least=0)
    alternate: int = setting(0, "train structure and overlay in turns of so many updates; 0: together", least=0)
    cmr: float = setting(0.0, "rate of co-matrix dropout, in [0, 1); 0: none; of structure none, a control", least=0)
    cmr_rows: Rows = setting("both", "what co-matrix dropout drops", get_args(Rows))
    cmr_per: Per = setting("step", "draw its masks for every step, or once a sequence", get_args(Per))
    cmr_schedule: CMRSchedule = setting("annealed", "its rate: constant; until the ramp ends; falling along the ramp",
                                        get_args(CMRSchedule))  # fmt: skip

    epochs: float = setting(10.0, "passes over the training text", least=0)
    steps: int = setting(0, "updates in all; 0: as many as epochs say", least=0)
    unroll: int = setting(35, "steps of backpropagation through time", least=1)
    batch: int = setting(20, "streams of text trained side by side", least=1)
    optimizer: str = setting("adam", "how weights are updated", ("adam", "sgd"))
    lr: float = setting(0.005, "learning rate at the start", least=0)
    lr_structure: float = setting(1.0, "a factor on the rate of the structures' parameters, not of overlays", least=0)
    structure_steps: Scaling = setting("plain", "their steps; scaled: the same whichever factor has a product's scale",
                                       get_args(Scaling))  # fmt: skip
    clip: float = setting(5.0, "largest global norm of the gradient", least=0)
    decay: str = setting("linear", "how the learning rate falls", ("linear", "zaremba"))
    decay_from: float = setting(0.7, "linear: the share of training after which it falls to a fiftieth", least=0)
    constant_epochs: int = setting(6, "zaremba: epochs before it falls", least=0)
    decay_factor: float = setting(0.8, "zaremba: by what it is multiplied every epoch from then on", least=0)
    ramp_start: float = setting(0.1, "the share of training after which the overlay loses its first entries", least=0)
    ramp_end: float = setting(0.6, "the share of training after which it has its final size", least=0)
    prunings: int = setting(40, "in how many steps it gets there, or some more", least=1)

    evaluations: int = setting(25, "how often the model is measured, and a checkpoint written", least=1)
    validation: int = setting(0, "tokens of validation text that an evaluation takes; 0: all", least=0)
    probe: int = setting(2_000, "tokens of validation text on which the two parts are watched", least=100)
    seed: int = setting(0, "seed of the initial weights and of all masks", least=0)

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for f in fields(self):
            value, kind = getattr(self, f.name), hints[f.name]
            kind = kind if isinstance(kind, type) else str  # a Literal's values are strings
            if kind is float and type(value) is int:
                object.__setattr__(self, f.name, value := float(value))
            if type(value) is not kind:
                raise ValueError(f"{f.name} must be {kind.__name__}, got {value!r}")
            choices, least = f.metadata["choices"], f.metadata["least"]
            if choices and value not in choices:
                raise ValueError(f"{f.name} must be one of {', '.join(choices)}, got {value!r}")
            if least is not None and not least <= value < float("inf"):
                raise ValueError(f"{f.name} must be a finite number from {least:g} up, got {value}")
        for name in ("dropout", "cmr"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.share > 1:
            raise ValueError(f"share must be in [0, 1], got {self.share}")
        if not self.ramp_start < self.ramp_end <= 1:
            raise ValueError(f"ramp_start must be below ramp_end, at most 1, got {self.ramp_start}, {self.ramp_end}")
        if self.structure == "none" and not self.overlay:
            raise ValueError("structure none needs the overlay: there is nothing else")
        if self.cmr and not self.overlay:
            raise ValueError("cmr needs the overlay: it drops rows of it, and of the structure under it")
        if self.joint and self.layer != "lstm":
            raise ValueError(f"joint is of LSTM layers, got layer {self.layer}")
        if KINDS[self.structure] is None and self.options:
            raise ValueError(f"options are those of a structure, of which there is none, got {self.options!r}")
        if kind := KINDS[self.structure]:
            check_options(kind, parsed(self.options))
        if self.alternate and not (self.overlay and self.structure != "none"):
            raise ValueError("alternate needs two co-matrices: a structure and the overlay")
        if self.steps == 0 and self.epochs == 0:
            raise ValueError("steps or epochs must be above 0")

    # --------------------------------------------------------------------------------------- what is made of a config

    @property
    def layer_kind(self) -> type[Recurrent]:
        """What the recurrent layers are."""
        return LAYERS["joint" if self.joint else self.layer]

    @property
    def of_layer(self) -> dict[str, Any]:
        """What such a layer is made with, beside its recipe."""
        return {"forget_bias": self.forget_bias} if issubclass(self.layer_kind, LSTM) else {}

    @property
    def recipe(self) -> Recipe:
        """How the LSTM matrices are made."""
        return Recipe(
            self.structure if self.structure != "none" else None,
            1 if self.structure == "dense" and not self.overlay else self.factor,
            self.overlay,
            CMR(self.cmr, self.cmr_rows, self.cmr_per) if self.cmr else None,
            self.share,
            None if self.gates == "auto" else self.gates == "each",
            parsed(self.options),
        )

    def total_steps(self, steps_an_epoch: int) -> int:
        """Return how many updates a run makes."""
        return self.steps or max(round(self.epochs * steps_an_epoch), 1)

    def make_optimizer(self) -> Optimizer:
        """Make the optimiser."""
        return Adam(self.clip) if self.optimizer == "adam" else SGD(self.clip)

    def make_steps(self) -> Steps:
        """Make the rule by which the structures' parameters are stepped."""
        return Steps(self.lr_structure, self.structure_steps)

    def learning_rate(self, steps_an_epoch: int) -> LinearDecay | ZarembaDecay:
        """Return the schedule of the learning rate."""
        if self.decay == "zaremba":
            return ZarembaDecay(self.lr, steps_an_epoch, self.constant_epochs, self.decay_factor)
        total = self.total_steps(steps_an_epoch)
        return LinearDecay(self.lr, round(self.decay_from * total), total, floor=0.02)

    def ramp(self, steps_an_epoch: int) -> CubicRamp:
        """Return the sparsity ramp in steps."""
        total = self.total_steps(steps_an_epoch)
        start = min(round(self.ramp_start * total), total - 1)  # so that it ends before training does
        end = max(round(self.ramp_end * total), start + 1)
        return CubicRamp(start, end, max((end - start) // self.prunings, 1))

    # ------------------------------------------------------------------------------------------------------ and TOML

    def to_toml(self) -> str:
        """Return the file that repeats this run."""
        # JSON's strings, numbers and truth values are TOML's, but for escaped surrogates
        return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in asdict(self).items())

    def wrote(self, toml: Any) -> bool:
        """Whether a text is what `to_toml` gives; a setting that it has not, since it is newer, is at its default."""
        try:
            return isinstance(toml, str) and Config.from_dict(tomllib.loads(toml), "") == self
        except ValueError:
            return False

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], where: str) -> "Config":
        """Make a config of some settings, the others at their defaults; errors say where they were given."""
        names, given = [f.name for f in fields(cls)], dict(given)
        if first := given.pop("first", ""):  # what the option of that name was before there were options
            given["options"] = f"first={first}"
        if isinstance(options := given.get("options"), Mapping):  # a table of TOML
            given["options"] = ",".join(f"{name}={_written(value)}" for name, value in options.items())
        for name in given:
            if name not in names:
                raise ValueError(f"{where}: there is no setting {name!r}; there are {', '.join(names)}")
        try:
            return cls(**given)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def parsed(options: str) -> dict[str, Any]:
    """Return the options of a structure: "block=8,first=50x4" is {"block": 8, "first": (50, 4)}.

    Raises
    ------
    ValueError
        If one is not a name and a value.
    """
    found: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        if not (name.strip().isidentifier() and equals and value.strip()):
            raise ValueError(f"an option must be NAME=VALUE, such as block=8, got {option!r}")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    """Read an integer, a number, sizes such as 50x4, true or false; anything else is text."""
    if re.fullmatch(r"\d+(x\d+)+", text):
        return tuple(map(int, text.split("x")))
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _written(value: Any) -> str:
    """Return an option's value as `_value` reads it."""
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_toml(path: Path) -> dict[str, Any]:
    """Read the settings of a TOML file.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, or not TOML.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration file {path}")
    try:
        return tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None


_ZAREMBA = {
    "level": "word", "words": 10_000, "structure": "dense", "overlay": False, "layers": 2, "batch": 20,
    "optimizer": "sgd", "decay": "zaremba", "forget_bias": 0.0,
}  # fmt: skip


def _of_the_sum(lr: float, clip: float, T: int) -> dict[str, Any]:
    """Zaremba's loss is summed over the T steps, ours is a mean: the same updates need T times the rate, clip / T."""
    return {"unroll": T, "lr": lr * T, "clip": clip / T}


# Zaremba, Sutskever and Vinyals, arXiv 1409.2329, as in TensorFlow's PTB tutorial; U(±a) has root mean square a / √3
PRESETS: dict[str, dict[str, Any]] = {
    "zaremba-small": _ZAREMBA | _of_the_sum(1.0, 5.0, 20) | {
        "hidden": 200, "init": 0.0577, "dropout": 0.0, "epochs": 13.0, "constant_epochs": 4, "decay_factor": 0.5,
        "evaluations": 13,
    },
    "zaremba-medium": _ZAREMBA | _of_the_sum(1.0, 5.0, 35) | {
        "hidden": 650, "init": 0.0289, "dropout": 0.5, "epochs": 39.0, "constant_epochs": 6, "decay_factor": 0.8,
        "evaluations": 39,
    },
    "zaremba-large": _ZAREMBA | _of_the_sum(1.0, 10.0, 35) | {
        "hidden": 1500, "init": 0.0231, "dropout": 0.65, "epochs": 55.0, "constant_epochs": 14,
        "decay_factor": 1 / 1.15, "evaluations": 55,
    },
}  # fmt: skip
