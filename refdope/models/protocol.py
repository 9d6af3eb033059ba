"""What a model, and what it is trained on, are to whoever trains, prunes, measures, saves or compresses it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure


class Batches(Protocol):
    """What is gone through in training or evaluation, window by window, each of inputs and targets."""

    def __len__(self) -> int:
        """Return how many windows there are."""

    def __getitem__(self, k: int) -> tuple[Array, Array]:
        """Return window k: inputs and targets."""


class Passed(Protocol):
    """What a forward pass leaves for its backward pass."""

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The weight matrices that the pass multiplied by, and the rows that each multiplied."""


class Model(Protocol):
    """Layers put together, with a loss. `refdope.arrays.Tree` gives most of it."""

    @property
    def params(self) -> Params:
        """What is trained, by name."""

    @property
    def constants(self) -> Params:
        """What is saved with it and never trained, by name."""

    @property
    def matrices(self) -> dict[str, Structure]:
        """The weight structures by name; the parameters of one begin with its name and a dot."""

    @property
    def n_params(self) -> int:
        """How many parameters are trained."""

    @property
    def macs(self) -> int:
        """Multiply-adds of all matrix products for one row of input."""

    def forward(
        self, inputs: Array, targets: Array, state: Any = None, rng: np.random.Generator | None = None
    ) -> tuple[Any, Any, Any]:
        """Return the mean loss in nats per target, the state that the next window starts from, and the cache.

        With an rng it is a training pass, which draws its masks; without one it is deterministic.
        """

    def backward(self, cache: Any, d_loss: float = 1.0) -> Params:
        """Return the gradient of the loss by every parameter, under the keys of `params`."""

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> Self:
        """Return the same model over other arrays."""

    def mapped(self, change: Any) -> Any:
        """Return the same model with each of its parts changed."""

    def children(self) -> Sequence[tuple[str, Any]]:
        """List its parts by name."""

    def to_csr(self) -> None:
        """Switch every overlay to CSR storage, in place."""
