"""What a run has trained: its model, read from its weights or its last good checkpoint, and the text that it is of."""

from pathlib import Path
from typing import NamedTuple

from refdope.data import Corpus, Text, Vocabulary
from refdope.models import LanguageModel
from refdope.runs import checkpoint
from refdope.runs.config import Config
from refdope.runs.run import restored
from refdope.runs.folder import checkpoints, read_config


class Trained(NamedTuple):
    """The model of a run, and what it was trained on."""

    model: LanguageModel
    config: Config
    vocabulary: Vocabulary
    corpus: str  # its hash
    spaced: bool  # whether its words are what stands between white space

    def check(self, text: Corpus | Text) -> None:
        """Raise ValueError if a text is not the one that the model was trained on: its test part might have been."""
        if text.hash != self.corpus:
            where = self.config.data or "what is installed"
            raise ValueError(
                f"data: {where} is not the text any more that the model was trained on: its SHA-256 begins with "
                f"{text.hash}, not {self.corpus}"
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
        vocabulary = Vocabulary.of(record["vocabulary"])
        model = restored(config.model(len(vocabulary)), arrays, str(file))
        return Trained(model, config, vocabulary, record["corpus"], record["spaced"])

    return checkpoint.first_good(files, trained)
