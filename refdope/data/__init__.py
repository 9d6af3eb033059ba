"""Text, vocabulary and batches."""

from refdope.data.batches import Batches, Window
from refdope.data.corpora import Corpus, load
from refdope.data.vocabulary import Vocabulary, tokenize

__all__ = ["Batches", "Corpus", "Vocabulary", "Window", "load", "tokenize"]
