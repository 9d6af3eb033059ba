"""What recurrent layers share: the bookkeeping of their weights, and how one is made.

A layer reads x: (T, B, D) and gives h: (T, B, H), with a state that it hands from step to step: a tuple of arrays
(B, H), as many as the layer has (two for an LSTM, one for a GRU). Its weights are structures, its biases arrays:

    h, state, cache     = layer.forward(x, state=None, rng=None)
    dx, d_state, grads  = layer.backward(dh, cache, d_state=None)

A subclass says how many gates its matrices have (`gates`), how many arrays its state has (`states`), how wide its
matrices are (`widths`) and where its biases start (`biases`); it writes `forward` and `backward`.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np

from refdope.arrays import Array, Params, Tree, check_arrays
from refdope.structures.base import Structure
from refdope.structures.recipe import Recipe

State: TypeAlias = tuple[Array, ...]


class Cache(Protocol):
    """What a forward pass leaves for its backward pass."""

    @property
    def products(self) -> list[tuple[Structure, Array]]:
        """The matrices, as the pass sampled them, and the rows that each multiplied."""


class Recurrent(Tree, ABC):
    """A recurrent layer over weight structures.

    Attributes
    ----------
    D, H : int
        Inputs and hidden units.
    gates, states : int
        Blocks of H rows in every matrix, and arrays (B, H) in the state.
    """

    names: ClassVar[tuple[str, ...]]
    gates: ClassVar[int]
    states: ClassVar[int]
    D: int
    H: int

    @abstractmethod
    def forward(
        self, x: Array, state: State | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Array, State, Any]:
        """Run T steps: return h (T, B, H), the last state, and the cache."""

    @abstractmethod
    def backward(self, dh: Array, cache: Any, d_state: State | None = None) -> tuple[Array, State, Params]:
        """Backpropagate through the T steps: return dx (T, B, D), d_state and the gradients under `params`' keys."""

    @classmethod
    @abstractmethod
    def biases(cls, H: int) -> list[Array]:
        """Return the biases that a layer of H units starts with; their options are further keywords."""

    @classmethod
    def widths(cls, D: int, H: int) -> tuple[int, ...]:
        """Return how many columns each matrix has."""
        return D, H

    @property
    @abstractmethod
    def torch_biases(self) -> tuple[Array, Array]:
        """PyTorch's two biases, of the input and of the recurrence: (gates·H,) each."""

    @classmethod
    @abstractmethod
    def of_torch_biases(cls, b_ih: Array, b_hh: Array) -> list[Array]:
        """Return the biases that the constructor takes, given PyTorch's two."""

    @property
    def weights(self) -> dict[str, Structure]:
        """The matrices by name, in the order in which the constructor takes them; biases come after them."""
        return {name: child for name, child in self.children() if isinstance(child, Structure)}

    def passing(self, rng: np.random.Generator | None, lead: tuple[int, int]) -> list[Structure]:
        """Return the matrices of one pass over (T, B) rows: sampled, if it is a training pass, and prepared."""
        matrices = list(self.weights.values())
        return [(W if rng is None else W.sample(rng, lead)).prepared() for W in matrices]

    def to_dense(self) -> tuple[Array, Array]:
        """Return the columns that multiply x and those that multiply h, as arrays (gates·H, D) and (gates·H, H)."""
        W = np.concatenate([W.to_dense() for W in self.weights.values()], axis=1)
        return W[:, : self.D], W[:, self.D :]

    @classmethod
    def from_recipe(
        cls,
        D: int,
        H: int,
        recipe: Recipe,
        rng: np.random.Generator | int | None = None,
        *,
        std: float | None = None,
        **biases: Any,
    ) -> Self:
        """Make a layer.

        Parameters
        ----------
        D, H : int
            Inputs and hidden units.
        recipe : Recipe
            How every one of its matrices is made.
        rng : numpy.random.Generator or int, optional
            Where the initial weights come from.
        std : float, optional
            Root mean square of the matrices' entries; (3H)^-1/2 by default, that of U(-H^-1/2, H^-1/2).
        **biases
            Options of `biases`: an LSTM's `forget_bias`, 1 by default.

        Raises
        ------
        ValueError
            If the factor is out of reach; the message says what can be had.
        """
        if D < 1 or H < 1:
            raise ValueError(f"{cls.__name__}: D and H must be at least 1, got {D} and {H}")
        rng, std = np.random.default_rng(rng), (3 * H) ** -0.5 if std is None else std
        shapes = [(cls.gates * H, n) for n in cls.widths(D, H)]
        matrices: list[Any] = [recipe.matrix(shape, rng, std, gates=cls.gates) for shape in shapes]
        return cls(*matrices, *cls.biases(H, **biases))

    def __repr__(self) -> str:
        matrices = ", ".join(f"{name}={W!r}" for name, W in self.weights.items())
        return f"{type(self).__name__}({matrices})"

    def start(self, name: str, state: State | None, B: int, dtype: Any) -> State:
        """Return a state that the caller gave, or zeros.

        Raises
        ------
        ValueError
            If it is not as many arrays (B, H) as the layer has.
        """
        shape = (B, self.H)
        if state is None:
            return tuple(np.zeros((self.states, *shape), dtype))
        if not isinstance(state, tuple | list):
            raise TypeError(f"{type(self).__name__}: {name} must be a tuple of arrays, got {type(state).__name__}")
        check_arrays(type(self).__name__, **{f"{name}[{k}]": part for k, part in enumerate(state)})
        if len(state) != self.states or any(np.shape(part) != shape for part in state):
            many = {1: "one array", 2: "two arrays"}.get(self.states, f"{self.states} arrays")
            got = " and ".join(str(np.shape(part)) for part in state)
            raise ValueError(f"{type(self).__name__}: {name} must be {many} of shape {shape}, got {got}")
        return state


def check_structures(owner: str, **matrices: Structure) -> None:
    """Raise TypeError unless every matrix is a structure."""
    for name, W in matrices.items():
        if not isinstance(W, Structure):
            raise TypeError(f"{owner}: {name} must be a structure, such as Dense(array), got {type(W).__name__}")
