import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.data import Vocabulary, tokenize


def test_characters_go_round():
    text = "a tale\nof two\n"
    vocabulary = Vocabulary(tokenize(text, "char"))
    numbers = vocabulary.encode(tokenize(text, "char"))
    assert numbers.dtype == np.int32
    assert vocabulary.decode(numbers, "char") == text
    assert len(vocabulary) == len(set(text)) + 1


def test_words_are_split_from_marks_and_lines_end():
    assert tokenize("Don't stop.\nx_1 = 2", "word") == [
        *["Don", "'", "t", "stop", ".", "<eos>"],
        *["x_1", "=", "2", "<eos>"],
    ]
    assert tokenize("the <unk> N\n", "word", spaced=True) == ["the", "<unk>", "N", "<eos>"]


def test_empty_lines_read_well_again():
    words = tokenize("a\n\nb c\n", "word")
    assert Vocabulary(words).decode(Vocabulary(words).encode(words), "word") == "a\n\nb c\n"


def test_words_read_well_again():
    words = tokenize("a b\nc d\n", "word")
    assert Vocabulary(words).decode(Vocabulary(words).encode(words), "word") == "a b\nc d\n"


def test_the_most_frequent_stay_and_the_rest_is_unknown():
    words = ["b", "a", "a", "c", "b", "a", "<unk>"]
    vocabulary = Vocabulary(words, size=3)
    assert vocabulary.tokens == ("<unk>", "a", "b")
    assert_array_equal(vocabulary.encode(["a", "c", "new", "<unk>", "b"]), [1, 0, 0, 0, 2])


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level must be char or word, got 'byte'"):
        tokenize("x", "byte")
