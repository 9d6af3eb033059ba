"""Vocabulary: characters or words to integers and back."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from refdope.arrays import Array

Level = Literal["char", "word"]
WORD = re.compile(r"\w+|[^\w\s]")
UNKNOWN, END = "<unk>", "<eos>"


def tokenize(text: str, level: Level, spaced: bool = False) -> list[str]:
    """Split a text into tokens.

    Parameters
    ----------
    text : str
    level : {"char", "word"}
        Words are runs of letters, digits and underscores, and single other marks; every line ends with "<eos>".
    spaced : bool
        Words are what stands between white space, as in PTB.

    Returns
    -------
    list of str
    """
    if level == "char":
        return list(text)
    if level != "word":
        raise ValueError(f"level must be char or word, got {level!r}")
    return [word for line in text.splitlines() for word in (*(line.split() if spaced else WORD.findall(line)), END)]


class Vocabulary:
    """Tokens and their numbers; number 0 is "<unk>".

    Parameters
    ----------
    tokens : iterable of str
        Of the training text.
    size : int, optional
        Keep the most frequent only, so many in all; ties in the order of the text.
    """

    def __init__(self, tokens: Iterable[str], size: int | None = None) -> None:
        counts = Counter(tokens)
        counts.pop(UNKNOWN, None)
        kept = counts.most_common(None if size is None else size - 1)
        self.tokens: Sequence[str] = (UNKNOWN, *(token for token, _ in kept))
        self._number = {token: number for number, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, tokens: Sequence[str]) -> "Vocabulary":
        """Return the vocabulary with these tokens, in the order of their numbers."""
        made = cls(())
        made.tokens = tuple(tokens)
        made._number = {token: number for number, token in enumerate(tokens)}
        return made

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Sequence[str]) -> Array:
        """Return the numbers of tokens, int32."""
        number = self._number
        return np.fromiter((number.get(token, 0) for token in tokens), np.int32, len(tokens))

    def decode(self, numbers: Iterable[int], level: Level) -> str:
        """Return the text of numbers: characters side by side, words a space apart, "<eos>" as the end of a line."""
        tokens = (self.tokens[number] for number in numbers)
        return "".join(tokens) if level == "char" else re.sub(f" ?{END} ?", "\n", " ".join(tokens))
