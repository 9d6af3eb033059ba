"""A trained language model, frozen, that reads one token at a time."""

import numpy as np

from refdope.arrays import Array
from refdope.layers.stepper import stepper
from refdope.models.language_model import LanguageModel


class Stepper:
    """A language model, a token a call.

    Parameters
    ----------
    model : LanguageModel
        Copied: what is trained later does not change the stepper.
    batch : int
        B, texts side by side.

    Raises
    ------
    ValueError
        If batch is below 1.
    """

    def __init__(self, model: LanguageModel, batch: int = 1) -> None:
        if batch < 1:
            raise ValueError(f"Stepper: batch must be at least 1, got {batch}")
        self.batch = batch
        self.E, self.W, self.b = model.embedding.E.copy(), model.softmax.W.copy(), model.softmax.b.copy()
        self.layers = [stepper(layer, batch) for layer in model.layers]
        self.logits = np.empty((batch, len(self.b)), np.result_type(*model.params.values()))

    def step(self, tokens: Array) -> Array:
        """Read a token of every text.

        Parameters
        ----------
        tokens : int array, (B,)

        Returns
        -------
        array, (B, V)
            Logits of the token that follows; written over by the next step.

        Raises
        ------
        ValueError
            If tokens are not B integers from 0 to V - 1.
        """
        tokens = np.asarray(tokens)
        V = len(self.E)
        if (
            tokens.shape != (self.batch,)
            or tokens.dtype.kind not in "iu"
            or not (0 <= tokens.min() <= tokens.max() < V)
        ):
            raise ValueError(f"Stepper: tokens must be {self.batch} integers from 0 to {V - 1}, got {tokens!r}")
        h = self.E[tokens]
        for layer in self.layers:
            h = layer.step(h)
        np.matmul(h, self.W.T, out=self.logits)
        self.logits += self.b
        return self.logits

    def reset(self) -> None:
        """Begin new texts: all states are zero."""
        for layer in self.layers:
            layer.reset()
