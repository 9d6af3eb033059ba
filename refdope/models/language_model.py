"""LSTM language model: predict every token from those before it.

    x = E[tokens];  for every layer:  x = LSTM(dropout(x));  loss = cross-entropy(softmax(dropout(x) Wᵀ + b), targets)

Dropout is on the connections between layers, never on those between steps; the state of the last step is handed to the
next stretch of text, and gradients stop there (truncated backpropagation through time).

Source: Zaremba, Sutskever and Vinyals, "Recurrent neural network regularization", arXiv 1409.2329.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from refdope.arrays import Array, Params, Tree, join, numbered
from refdope.layers.dropout import Dropout
from refdope.layers.embedding import Embedding
from refdope.layers.lstm import LSTM
from refdope.layers.recurrent import Recurrent, State
from refdope.layers.softmax import Softmax, SoftmaxCache
from refdope.structures.base import Structure
from refdope.structures.recipe import Recipe
from refdope.structures.sizes import gaussian


class ModelCache(NamedTuple):
    """What a forward pass leaves for its backward pass."""

    embedding: Array
    layers: list[tuple[Array | None, Any]]  # of the dropout below each layer, and of the layer
    dropout: Array | None  # of the dropout above the last layer
    softmax: SoftmaxCache

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The weight matrices of all layers and the rows that each multiplied."""
        return [product for _, layer in self.layers for product in layer.products]


class LanguageModel(Tree):
    """Embedding, recurrent layers and softmax, with dropout between them.

    Parameters
    ----------
    embedding : Embedding, (V, D)
    layers : sequence of Recurrent
        The first of D inputs, every other of as many as the one below it has units.
    softmax : Softmax, (V, H)
    dropout : float
        The rate, in [0, 1).
    """

    def __init__(
        self, embedding: Embedding, layers: Sequence[Recurrent], softmax: Softmax, dropout: float = 0.0
    ) -> None:
        self.embedding, self.layers, self.softmax = embedding, list(layers), softmax
        self.dropout = Dropout(dropout)
        widths = [embedding.E.shape[1], *(size for layer in layers for size in (layer.D, layer.H)), softmax.W.shape[1]]
        if not layers or any(below != above for below, above in list(pairwise(widths))[::2]):
            raise ValueError(f"LanguageModel: embedding, layers and softmax do not fit each other, widths {widths}")

    def children(self) -> list[tuple[str, Any]]:
        """List the embedding's table, the layers, "layers.0" and so on, and the softmax."""
        return [("embedding", self.embedding.E), *numbered(self.layers, "layers."), ("softmax", self.softmax)]

    def over(self, children: Sequence[Any]) -> Self:
        """Return the same model of these parts."""
        E, *layers, softmax = children
        return type(self)(Embedding(E), layers, softmax, self.dropout.rate)

    def forward(
        self,
        tokens: Array,
        targets: Array,
        state: Sequence[State] | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, list[State], ModelCache]:
        """Compute the mean loss of a stretch of text.

        Parameters
        ----------
        tokens, targets : int arrays, (T, B)
        state : list of (h, c), one a layer, optional
            That of an earlier stretch; zeros by default.
        rng : numpy.random.Generator, optional
            With one this is a training pass (dropout and CMR draw their masks); without one it is deterministic.

        Returns
        -------
        loss : scalar
            Nats a token.
        state : list of (h, c)
        cache : ModelCache
        """
        h, state, (embedding, layers, top) = self._hidden(tokens, state, rng)
        loss, softmax = self.softmax.forward(h, targets)
        return loss, state, ModelCache(embedding, layers, top, softmax)

    def _hidden(
        self, tokens: Array, state: Sequence[State] | None, rng: np.random.Generator | None
    ) -> tuple[Array, list[State], tuple[Array, list[tuple[Array | None, Any]], Array | None]]:
        x, embedding = self.embedding.forward(tokens)
        caches: list[tuple[Array | None, Any]] = []
        states = []
        before: Sequence[State | None] = state or [None] * len(self.layers)
        if len(before) != len(self.layers):
            raise ValueError(f"LanguageModel: state must have one (h, c) for each of {len(self.layers)} layers")
        for layer, start in zip(self.layers, before, strict=True):
            x, keep = self.dropout.forward(x, rng)
            x, end, cache = layer.forward(x, start, rng)
            states.append(end)
            caches.append((keep, cache))
        x, top = self.dropout.forward(x, rng)
        return x, states, (embedding, caches, top)

    def backward(self, cache: ModelCache, d_loss: float = 1.0) -> Params:
        """Return the gradient of the loss by every parameter, under the keys of `params`."""
        dx, softmax = self.softmax.backward(d_loss, cache.softmax)
        dx = self.dropout.backward(dx, cache.dropout)
        grads = {}
        for k in reversed(range(len(self.layers))):
            keep, layer = cache.layers[k]
            dx, _, grads[f"layers.{k}"] = self.layers[k].backward(dx, layer)
            dx = self.dropout.backward(dx, keep)
        _, embedding = self.embedding.backward(dx, cache.embedding)
        return {"embedding": embedding["E"]} | join(**grads, softmax=softmax)

    @property
    def matrices(self) -> dict[str, Structure]:
        """The weight structures by name, "layers.0.Wx", "layers.0.Wh" and so on."""
        return {f"layers.{k}.{name}": W for k, layer in enumerate(self.layers) for name, W in layer.weights.items()}

    @property
    def macs(self) -> int:
        """Multiply-adds of all matrix products for one token."""
        return sum(W.macs for W in self.matrices.values()) + self.softmax.W.size

    def to_csr(self) -> None:
        """Switch every overlay to CSR storage, in place: the parameter keeps its name and holds the alive entries."""
        self.layers = [layer.to_csr() for layer in self.layers]

    @classmethod
    def from_recipe(
        cls,
        V: int,
        H: int,
        recipe: Recipe,
        rng: np.random.Generator | int | None = None,
        *,
        layers: int = 1,
        dropout: float = 0.0,
        embedding_std: float = 1.0,
        softmax_std: float | None = None,
        layer: type[Recurrent] = LSTM,
        **of_layer: Any,
    ) -> Self:
        """Make a model of V tokens and H units per layer, the embedding as wide.

        Parameters
        ----------
        V, H : int
            Tokens and units.
        recipe : Recipe
            How every matrix of the recurrent layers is made.
        rng : numpy.random.Generator or int, optional
            Where the initial weights come from.
        layers : int
        dropout : float
            The rate, in [0, 1).
        embedding_std, softmax_std : float
            Root mean square of the entries of the embedding and the softmax; (3H)^-1/2 by default for the softmax,
            whose bias starts at zero.
        layer : a subclass of Recurrent
            What the layers are.
        **of_layer
            What its `from_recipe` takes besides: `std`, an LSTM's `forget_bias`.

        Raises
        ------
        ValueError
            If the factor is out of reach; the message says what can be had.
        """
        rng = np.random.default_rng(rng)
        softmax_norm = (V / 3) ** 0.5 if softmax_std is None else softmax_std * (V * H) ** 0.5
        return cls(
            Embedding(gaussian(rng, (V, H), embedding_std * (V * H) ** 0.5)),
            [layer.from_recipe(H, H, recipe, rng, **of_layer) for _ in range(layers)],
            Softmax(gaussian(rng, (V, H), softmax_norm), np.zeros(V)),
            dropout,
        )
