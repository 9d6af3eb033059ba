"""A task that is not language: which of three motifs a short sequence of tokens was made of, many to one.

    x = E[tokens];  h = LSTM(x);  loss = cross-entropy(softmax(h_T Wᵀ + b), class)

It proves that training, annealing, run folders, reports, tables, compressing and the checker know nothing of language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from refdope.arrays import Array, Params, Tree, join
from refdope.layers import LSTM, Embedding, Softmax
from refdope.layers.softmax import SoftmaxCache
from refdope.runs.config import Config
from refdope.runs.task import Measure
from refdope.structures import Structure

TOKENS, CLASSES, T = 12, 3, 9


class Cache(NamedTuple):
    tokens: Array
    layer: Any
    softmax: SoftmaxCache

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        return self.layer.products


class Classifier(Tree):
    """Embedding, LSTM, softmax of the last state."""

    def __init__(self, embedding: Embedding, layer: LSTM, softmax: Softmax) -> None:
        self.embedding, self.layer, self.softmax = embedding, layer, softmax

    def children(self) -> Sequence[tuple[str, Any]]:
        return [("embedding", self.embedding), ("lstm", self.layer), ("softmax", self.softmax)]

    def forward(self, inputs, targets, state=None, rng=None):
        x, tokens = self.embedding.forward(inputs)
        h, _, layer = self.layer.forward(x, None, rng)
        loss, softmax = self.softmax.forward(h[-1], targets)
        return loss, None, Cache(tokens, layer, softmax)

    def backward(self, cache: Cache, d_loss: float = 1.0) -> Params:
        d_last, softmax = self.softmax.backward(d_loss, cache.softmax)
        dh = np.zeros((len(cache.tokens), *d_last.shape), d_last.dtype)
        dh[-1] = d_last
        dx, _, layer = self.layer.backward(dh, cache.layer)
        _, embedding = self.embedding.backward(dx, cache.tokens)
        return join(embedding=embedding, lstm=layer, softmax=softmax)

    @property
    def matrices(self) -> dict[str, Structure]:
        return {f"lstm.{name}": W for name, W in self.layer.weights.items()}

    @property
    def macs(self) -> int:
        return sum(W.macs for W in self.matrices.values()) + self.softmax.W.size

    def to_csr(self) -> None:
        self.layer = self.layer.to_csr()


class Sequences(NamedTuple):
    """Batches of sequences with a class each."""

    inputs: Array  # (N, T, B)
    targets: Array  # (N, B)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, k: int) -> tuple[Array, Array]:
        return self.inputs[k], self.targets[k]


@dataclass
class Motifs:
    """Sequences of noise, in which the motif of their class stands once."""

    config: Config
    about: str = "motifs in noise"
    hash: str = "0123456789abcdef"

    @classmethod
    def of(cls, config: Config) -> Self:
        return cls(config)

    @property
    def train(self) -> Sequences:
        return self._made(0, 24)

    @property
    def rows(self) -> int:
        return self.config.batch

    def evaluation(self, part: str, limit: int = 0, *, brief: bool = False) -> Sequences:
        return self._made({"valid": 1, "test": 2}[part], max(1, min(6, (limit or 10**6) // self.config.batch)))

    def record(self) -> dict[str, Any]:
        return {"classes": CLASSES}

    @classmethod
    def model(cls, config: Config, record: Mapping[str, Any]) -> Classifier:
        rng, H = np.random.default_rng([config.seed, 0]), config.hidden
        layer = config.layer_kind.from_recipe(H, H, config.recipe, rng)
        E, W = rng.standard_normal((TOKENS, H)), rng.standard_normal((record["classes"], H)) / H
        return Classifier(Embedding(E), layer, Softmax(W, np.zeros(len(W)))).astype(np.float32)

    @classmethod
    def measure(cls, config: Config) -> Measure:
        return Measure("nats per sequence", "nats", lambda loss: loss)

    def _made(self, seed: int, many: int) -> Sequences:
        rng, B = np.random.default_rng(seed), self.config.batch
        inputs, targets = rng.integers(3, TOKENS, (many, T, B)), rng.integers(0, CLASSES, (many, B))
        start = rng.integers(0, T - 1, (many, B))
        for at in (0, 1):  # the motif of class c is c, c
            np.put_along_axis(inputs, (start + at)[:, None], targets[:, None], 1)
        return Sequences(inputs, targets)
