"""What a run has trained: its model, read from its weights or its last good checkpoint, and the text that it is of."""

from pathlib import Path
from typing import Any, NamedTuple

from refdope.runs import checkpoint
from refdope.runs.config import Config
from refdope.runs.folder import checkpoints, read_config
from refdope.runs.run import restored
from refdope.runs.tasks import task_of


class Trained(NamedTuple):
    """The model of a run, and what it was trained on."""

    model: Any  # as the run's task makes it
    config: Config
    corpus: str  # its hash
    record: dict[str, Any]  # what the task keeps of its data, such as a vocabulary

    def check(self, data_hash: str) -> None:
        """Raise ValueError if data are not those that the model was trained on: their test part might have been."""
        if data_hash != self.corpus:
            where = self.config.data or "what is installed"
            raise ValueError(
                f"data: {where} is not the text any more that the model was trained on: its SHA-256 begins with "
                f"{data_hash}, not {self.corpus}"
            )


def read_model(path: Path) -> Trained:
    """Read the model of a run that has ended, or else of its last good checkpoint."""
    config = read_config(path)
    files = [path / "weights.npz"] if (path / "weights.npz").exists() else checkpoints(path)[::-1]
    if not files:
        raise FileNotFoundError(f"{path} has neither weights nor a checkpoint")

    def trained(file: Path) -> Trained:
        """Read one of its files."""
        arrays, record = checkpoint.load(file)
        if not config.wrote(record.get("config")):
            raise ValueError(f"{file} belongs to another config")
        model = restored(task_of(config).model(config, record), arrays, str(file))
        return Trained(model, config, record["corpus"], record)

    return checkpoint.first_good(files, trained)
