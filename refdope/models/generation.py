"""Texts that a language model writes, one token at a time."""

import numpy as np

from refdope.arrays import Array
from refdope.models.language_model import LanguageModel
from refdope.models.stepper import Stepper


def generate(
    model: LanguageModel, prompt: Array, length: int, rng: np.random.Generator, temperature: float = 1.0
) -> Array:
    """Continue a text.

    Parameters
    ----------
    model : LanguageModel
    prompt : int array, (P,), P ≥ 1
    length : int
        How many tokens to add.
    rng : numpy.random.Generator
    temperature : float
        Above 0; logits are divided by it.

    Returns
    -------
    int array, (length,)

    Raises
    ------
    ValueError
        If the prompt is empty, the length negative, or the temperature not a number above 0.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"generate: temperature must be a number above 0, got {temperature}")
    if length < 0:
        raise ValueError(f"generate: length must be 0 or more, got {length}")
    if np.size(prompt) == 0:
        raise ValueError("generate: prompt must have at least one token")
    stepper, text = Stepper(model), np.empty(length, dtype=np.int64)
    for token in np.reshape(prompt, (-1, 1)):
        logits = stepper.step(token)
    for k in range(length):
        a = logits[0].astype(np.float64) / temperature
        p = np.exp(a - a.max())
        text[k] = rng.choice(len(p), p=p / p.sum())
        logits = stepper.step(text[k : k + 1])
    return text
