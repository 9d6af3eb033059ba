"""A corpus as numbers."""

from dataclasses import dataclass

from refdope.arrays import Array
from refdope.data.corpora import Corpus
from refdope.data.vocabulary import Level, Vocabulary, tokenize


@dataclass(frozen=True)
class Text:
    """Training, validation and test text as token numbers, int32.

    Parameters
    ----------
    about : str
        What the corpus says of itself.
    hash : str
        The corpus's.
    vocabulary : Vocabulary
        Of the training text.
    train, valid, test : int arrays, (N,)
    level : {"char", "word"}
    spaced : bool
        Of the corpus: whether words are what stands between white space.
    """

    about: str
    hash: str
    vocabulary: Vocabulary
    train: Array
    valid: Array
    test: Array
    level: Level
    spaced: bool = False

    @classmethod
    def of(cls, corpus: Corpus, level: Level, words: int | None = None) -> "Text":
        """Tokenise a corpus; of words, keep the most frequent, so many in all."""
        splits = [tokenize(text, level, corpus.spaced) for text in (corpus.train, corpus.valid, corpus.test)]
        vocabulary = Vocabulary(splits[0], words if level == "word" else None)
        train, valid, test = (vocabulary.encode(split) for split in splits)
        return cls(str(corpus), corpus.hash, vocabulary, train, valid, test, level, corpus.spaced)

    def __str__(self) -> str:
        sizes = ", ".join(f"{len(tokens):,}" for tokens in (self.train, self.valid, self.test))
        return f"{self.about}\n{sizes} tokens ({self.level}s) of {len(self.vocabulary):,} kinds"
