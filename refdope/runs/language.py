"""The language task: predict every token of a text from those before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from refdope.data import Batches, Text, load
from refdope.models import LanguageModel, evaluation_batches
from refdope.runs.config import Config
from refdope.runs.task import Measure
from refdope.units import brief_unit, in_unit, unit


@dataclass
class Language:
    """A text, cut as a config says. What its parts do is told in `refdope.runs.task.Task`.

    Parameters
    ----------
    config : Config
    text : Text
    """

    config: Config
    text: Text

    @classmethod
    def of(cls, config: Config) -> Self:
        """Load the text that a config names, by default the docstrings of NumPy and SciPy."""
        return cls(config, Text.of(load(config.data or None), config.level, config.words))

    @property
    def about(self) -> str:
        """What the corpus says of itself."""
        return self.text.about

    @property
    def hash(self) -> str:
        """The corpus's."""
        return self.text.hash

    @cached_property
    def train(self) -> Batches:
        """The training text, as parallel streams cut into windows."""
        return Batches(self.text.train, self.config.unroll, self.config.batch)

    @property
    def rows(self) -> int:
        """Tokens per update."""
        return self.config.unroll * self.config.batch

    def evaluation(self, part: str, limit: int = 0, *, brief: bool = False) -> Batches:
        """Return the first tokens of the validation or the test text; brief: in many streams, of few steps."""
        tokens = getattr(self.text, part)[: limit or None]
        return Batches(tokens, 20, max(1, min(100, len(tokens) // 20))) if brief else evaluation_batches(tokens)

    def record(self) -> dict[str, Any]:
        """Return the vocabulary, and how the words of the text are told apart."""
        return {"spaced": self.text.spaced, "vocabulary": list(self.text.vocabulary.tokens)}

    @classmethod
    def model(cls, config: Config, record: Mapping[str, Any]) -> LanguageModel:
        """Make a language model of as many tokens as the vocabulary has, in float32."""
        std = config.init or None
        return LanguageModel.from_recipe(
            len(record["vocabulary"]),
            config.hidden,
            config.recipe,
            np.random.default_rng([config.seed, 0]),
            layers=config.layers,
            dropout=config.dropout,
            embedding_std=config.embedding_std or config.init or 1.0,
            softmax_std=std,
            layer=config.layer_kind,
            std=std,
            **config.of_layer,
        ).astype(np.float32)

    @classmethod
    def measure(cls, config: Config) -> Measure:
        """Return bits per character, or the perplexity of words."""
        level = config.level
        return Measure(unit(level), brief_unit(level), lambda loss: in_unit(loss, level))

    def __str__(self) -> str:
        return str(self.text)
