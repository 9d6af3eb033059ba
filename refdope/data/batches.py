"""Batches: a text as B parallel streams, cut into windows of T steps that follow each other.

    tokens, B·L + 1 of them  ->  stream b is tokens[b·L : (b + 1)·L]  ->  window k is steps k·T … (k + 1)·T of all
    streams

so that the LSTM's state after one window is its state before the next.
"""

from typing import NamedTuple

import numpy as np

from refdope.arrays import Array


class Window(NamedTuple):
    """One window: what goes in, and what comes next."""

    inputs: Array  # (T, B)
    targets: Array  # (T, B)


class Batches:
    """The windows of a text, by number; the last may be shorter. Fewer than B tokens at the end are left out.

    Parameters
    ----------
    tokens : int array, (N,)
    T : int
        Steps a window.
    B : int
        Streams.

    Raises
    ------
    ValueError
        If the text has too few tokens for one step of B streams.
    """

    def __init__(self, tokens: Array, T: int, B: int) -> None:
        if T < 1 or B < 1:
            raise ValueError(f"Batches: T and B must be at least 1, got {T} and {B}")
        length = (len(tokens) - 1) // B
        if length < 1:
            raise ValueError(f"Batches: a text of {len(tokens)} tokens is too short for {B} streams")
        self.T = T
        self.inputs = np.ascontiguousarray(tokens[: B * length].reshape(B, length).T)  # (B·L,) -> (L, B)
        self.targets = np.ascontiguousarray(tokens[1 : B * length + 1].reshape(B, length).T)

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.T)

    def __getitem__(self, k: int) -> Window:
        if not 0 <= k < len(self):
            raise IndexError(f"Batches: window {k} of {len(self)}")
        steps = slice(k * self.T, (k + 1) * self.T)
        return Window(self.inputs[steps], self.targets[steps])
