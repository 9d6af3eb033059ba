"""Text, vocabulary and batches."""

from refdope.data.batches import Batches, Window
from refdope.data.corpora import Corpus, load
from refdope.data.text import Text
from refdope.data.vocabulary import Vocabulary, tokenize

__all__ = ["Batches", "Corpus", "Text", "Vocabulary", "Window", "load", "tokenize"]
