import gzip
import sys

import pytest

from refdope.data import Corpus, load
from refdope.data.corpora import RUN, _docstrings, docstrings

WORDS = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on disk whose import would fail: its docstrings are read, not run."""
    root = tmp_path / "pretend"
    (root / "tests").mkdir(parents=True)
    (root / "tests" / "test_x.py").write_text('"""Text of a test."""')
    for k in range(20):
        (root / f"m{k:02}.py").write_text(
            f'''"""Module number {"abcdefghijklmnopqrst"[k] * 3} speaks.

            A ruling and an example follow
            ------------------------------

            >>> 1 + 1
            2

            x = 1.234 [5, 6] (7 + 8) ** 9 / 10

            Every module says this line, which is kept once.
            """

def f():
    """{WORDS if k in (3, 7) else "Do a thing of kind " + "abcdefghijklmnopqrst"[k] * 4}."""
    raise RuntimeError

raise ImportError
'''
        )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("refdope.data.corpora._version", lambda package: "1.0")
    monkeypatch.setattr("refdope.data.corpora._docstrings", _docstrings.__wrapped__)  # nothing kept from test to test
    return root


def test_docstrings_are_prose_without_examples_rulings_tests_and_repetitions(package):
    corpus = docstrings(["pretend"])
    assert "pretend" not in sys.modules
    whole = corpus.train + corpus.valid + corpus.test
    assert "Module number aaa speaks." in corpus.train
    assert "A ruling and an example follow\n" in whole
    for gone in (">>>", "---", "1.234", "Text of a test"):
        assert gone not in whole
    assert whole.count("Every module says this line") == 1
    assert str(corpus).startswith("docstrings of pretend 1.0: ")


def test_whole_files_go_to_one_split_and_copies_are_dropped_from_validation_and_test(package):
    corpus = docstrings(["pretend"])
    assert "Do a thing of kind rrrr." in corpus.test  # module 17
    assert "Do a thing of kind aaaa." in corpus.train
    assert WORDS in corpus.train  # module 3 has it, module 7, of the validation split, copies it
    assert WORDS not in corpus.valid
    assert "Module number hhh speaks." in corpus.valid
    assert corpus.overlap(RUN) == 0


def test_overlap_is_the_share_of_runs_that_training_has():
    corpus = Corpus("x", "a b c d e f\n", "a b c x\n", "")
    assert corpus.overlap(2) == pytest.approx(2 / 3)
    assert corpus.overlap(3) == pytest.approx(1 / 2)
    assert corpus.overlap(9) == 0


def test_the_hash_tells_texts_and_splits_apart():
    hashes = {Corpus("x", *texts).hash for texts in (("ab", "c", "d"), ("a", "bc", "d"), ("ab", "c", "e"))}
    assert len(hashes) == 3
    assert Corpus("y", "ab", "c", "d").hash in hashes
    assert Corpus("x", "ab", "c", "d").hash in str(Corpus("x", "ab", "c", "d"))


def test_the_default_corpus_is_the_docstrings_that_are_installed():
    numpy_only = load(packages=["numpy"])
    assert len(numpy_only.train) > 300_000
    assert numpy_only.name.startswith("docstrings of numpy ")
    assert load(packages=["numpy"]).hash == numpy_only.hash
    assert numpy_only.overlap() == 0
    with pytest.raises(ValueError, match="package nonsuch is not installed"):
        load(packages=["nonsuch"])


def test_a_file_is_cut_at_ends_of_lines(tmp_path):
    lines = [f"line {k} of the text\n" for k in range(1000)]
    (tmp_path / "a.txt").write_text("".join(lines))
    corpus = load(tmp_path / "a.txt")
    assert corpus.train + corpus.valid + corpus.test == "".join(lines)
    assert all(text.endswith("\n") for text in (corpus.train, corpus.valid, corpus.test))
    assert len(corpus.train) == pytest.approx(0.9 * len("".join(lines)), rel=0.01)
    assert not corpus.spaced


def test_gzipped_files_are_found_under_either_name(tmp_path):
    text = "some text\n" * 100
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("b.txt", "b.txt.gz"):
        assert load(tmp_path / name).train.startswith("some text")


def test_a_folder_of_texts_is_one_text_in_the_order_of_names(tmp_path):
    (tmp_path / "2.txt").write_text("second " * 50)
    (tmp_path / "1.txt").write_text("first " * 50)
    (tmp_path / "3.dat").write_text("no text")
    corpus = load(tmp_path)
    assert (corpus.train + corpus.valid + corpus.test).startswith("first ")
    assert "no text" not in corpus.train


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_as_ptb_comes_keeps_its_splits(tmp_path, suffix):
    for split in ("train", "valid", "test"):
        text = f"the {split} <unk> sentence \n".encode()
        (tmp_path / f"ptb.{split}.txt{suffix}").write_bytes(gzip.compress(text, mtime=0) if suffix else text)
    (tmp_path / "README.txt").write_text("not part of it")
    corpus = load(tmp_path)
    assert (corpus.train, corpus.test) == ("the train <unk> sentence \n", "the test <unk> sentence \n")
    assert corpus.spaced


def test_a_folder_with_ptbs_words_and_characters_is_its_words(tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / f"ptb.{split}.txt").write_text(f"the {split} text\n")
        (tmp_path / f"ptb.char.{split}.txt").write_text("t h e\n")
    assert load(tmp_path).train == "the train text\n"
    for split in ("train", "valid", "test"):
        (tmp_path / f"ptb.{split}.txt").unlink()
    assert load(tmp_path).train == "t h e\n"
    (tmp_path / "other.train.txt").write_text("one more\n")
    (tmp_path / "ptb.train.txt").write_text("and another\n")
    with pytest.raises(ValueError, match=r"must have one train text, got other\.train\.txt, ptb\.train\.txt"):
        load(tmp_path)


@pytest.mark.parametrize("names", [("a.txt",), tuple(f"a.{split}.txt" for split in ("train", "valid", "test"))])
def test_a_file_beside_itself_unpacked_is_read_once(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("some text\n" * 50)
    once = load(tmp_path)
    for name in names:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert load(tmp_path) == once


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.txt", b"", "is empty"),
        ("blank.txt", b" \n ", "is empty"),
        ("binary.txt", b"\x89PNG\xff\xfe", r"is not UTF-8 text \(byte 0\)"),
        ("zeros.txt", b"a\0b", "is not text"),
        ("broken.txt.gz", b"no gzip", "cannot be read"),
        ("odd.txt.gz", gzip.compress(b"text " * 100, mtime=0)[:12] + b"\xff" * 20, "cannot be read"),
        ("cut.txt.gz", gzip.compress(b"text " * 100, mtime=0)[:-8], "cannot be read"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says) as refused:
        load(tmp_path / name)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_paths_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        load(tmp_path / "nowhere.txt")
    with pytest.raises(ValueError, match=r"has no \.txt file in it"):
        load(tmp_path)
