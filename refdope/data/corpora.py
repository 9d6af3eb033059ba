"""Text to train on: by default the docstrings of the NumPy and SciPy that are installed, so that nothing is downloaded.

The docstrings are read from source files with `ast` and never imported. Doctest lines, rulings and test folders are
left out, a paragraph that occurs again is kept once, and whole source files go to training, validation or test.
Paragraphs of validation and test that share a run of `RUN` words with training are dropped, since documentation
copies itself. Results belong to a text, so a corpus tells its hash.
"""

import ast
import gzip
import hashlib
import importlib.metadata
import importlib.util
import re
import string
import textwrap
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from refdope.data.vocabulary import WORD

LETTERS = dict.fromkeys(map(ord, string.ascii_letters + " "))  # what `str.translate` takes out
RUN = 8  # words: a shared run this long is a copy, not chance


@dataclass(frozen=True)
class Corpus:
    """Three texts.

    Parameters
    ----------
    name : str
        Where they are from.
    train, valid, test : str
        A paragraph or sentence a line.
    spaced : bool
        Whether tokens are separated by white space already (PTB), so that "<unk>" is one word.
    """

    name: str
    train: str
    valid: str
    test: str
    spaced: bool = False

    @property
    def hash(self) -> str:
        """The first 16 digits of the SHA-256 of the three texts."""
        return hashlib.sha256("\0".join((self.train, self.valid, self.test)).encode()).hexdigest()[:16]

    def overlap(self, run: int = RUN) -> float:
        """Return which share of the runs of so many words of the validation text occurs in training too."""
        return self._overlaps(run)[0]

    def _overlaps(self, *runs: int) -> list[float]:
        """Return the overlap in runs of several lengths; what takes long is to find the words."""
        train, valid = ([WORD.findall(line) for line in text.splitlines()] for text in (self.train, self.valid))
        found = []
        for run in runs:
            known, asked = set(_runs(train, run)), _runs(valid, run)
            found.append(sum(r in known for r in asked) / max(len(asked), 1))
        return found

    def __str__(self) -> str:
        sizes = ", ".join(f"{len(getattr(self, s)):,} {s}" for s in ("train", "valid", "test"))
        short, long = self._overlaps(5, RUN)
        return (
            f"{self.name}: {sizes} characters; {short:.1%} of the validation text's 5-word runs and "
            f"{long:.1%} of its {RUN}-word runs occur in training; sha256 {self.hash}…"
        )


def load(path: str | Path | None = None, packages: Iterable[str] = ("numpy", "scipy")) -> Corpus:
    """Load a corpus.

    Parameters
    ----------
    path : str or Path, optional
        A UTF-8 text file; a folder of .txt files; a folder with `*.train.txt`, `*.valid.txt` and `*.test.txt` as PTB
        comes, one sentence a line (its characters, `*.char.train.txt`, are left alone beside its words). Every file may
        be gzipped; beside the same file unpacked it is left alone. Without a path: the docstrings of `packages`.
    packages : iterable of str
        Installed packages.

    Returns
    -------
    Corpus

    Raises
    ------
    FileNotFoundError
        If there is no such path.
    ValueError
        If a file is empty or not UTF-8 text, or a folder has no text in it, or two training texts.
    """
    if path is None:
        return docstrings(packages)
    path = Path(path)
    if path.is_dir():
        splits = [_one(path, split) for split in ("train", "valid", "test")]
        if all(splits):
            train, valid, test = (read(file) for file in splits if file)
            return Corpus(path.name, train, valid, test, spaced=True)
        files = _texts(path, ".txt")
        if not files:
            raise ValueError(f"data: folder {path} has no .txt file in it")
        return _cut(path.name, "\n".join(read(file) for file in files))
    if not path.exists() and path.with_name(path.name + ".gz").exists():
        path = path.with_name(path.name + ".gz")
    return _cut(path.name, read(path))


def read(path: Path) -> str:
    """Read a UTF-8 file, gzipped or not; errors are those of `load`."""
    if not path.exists():
        raise FileNotFoundError(f"data: there is no file or folder {path}")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"data: {path} cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"data: {path} is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise ValueError(f"data: {path} is not text (it has a zero byte)")
    if not text.strip():
        raise ValueError(f"data: {path} is empty")
    return text


def _one(folder: Path, split: str) -> Path | None:
    """Return the folder's one file of a split, if it has one."""
    files = _texts(folder, f".{split}.txt")
    files = [file for file in files if ".char." not in file.name] or files
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ValueError(f"data: folder {folder} must have one {split} text, got {names}")
    return files[0] if files else None


def _texts(folder: Path, end: str) -> list[Path]:
    """List a folder's files whose names end so, or so and .gz where the plain one is not there."""
    plain = set(folder.glob(f"*{end}"))
    return sorted(plain | {file for file in folder.glob(f"*{end}.gz") if file.with_suffix("") not in plain})


def _cut(name: str, text: str) -> Corpus:
    """Cut one text: 90 % training, then 5 % validation and 5 % test, at ends of lines where there are any."""
    cuts = [_line_end(text, int(len(text) * share)) for share in (0.9, 0.95)]
    return Corpus(name, text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :])


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place, place + len(text) // 100) + 1
    return end or place


# ------------------------------------------------------------------------------------------------------- docstrings


def docstrings(packages: Iterable[str] = ("numpy", "scipy")) -> Corpus:
    """Return the English prose of the docstrings of installed packages. See the module's docstring."""
    return _docstrings(tuple(packages))


@lru_cache(maxsize=4)  # what is installed does not change while we run
def _docstrings(packages: tuple[str, ...]) -> Corpus:
    texts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    seen: set[str] = set()
    files = [file for package in packages for file in _sources(package)]
    for k, file in enumerate(files):
        split = {7: "valid", 17: "test"}.get(k % 20, "train")
        for paragraph in _paragraphs(file):
            if paragraph not in seen:
                seen.add(paragraph)
                texts[split].append(paragraph)
    known = set(_runs(map(WORD.findall, texts["train"]), RUN))
    for split in ("valid", "test"):
        texts[split] = [text for text in texts[split] if known.isdisjoint(_runs([WORD.findall(text)], RUN))]
    name = "docstrings of " + ", ".join(f"{package} {_version(package)}" for package in packages)
    train, valid, test = ("\n".join(paragraphs) + "\n" for paragraphs in texts.values())
    return Corpus(name, train, valid, test)


def _sources(package: str) -> list[Path]:
    """List the source files of an installed package, without importing it, tests left out."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"data: package {package} is not installed")
    root = Path(spec.submodule_search_locations[0])
    files = (file for file in root.rglob("*.py") if not {"test", "tests"} & set(file.relative_to(root).parts))
    return sorted(files, key=lambda file: file.relative_to(root).as_posix())


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _paragraphs(file: Path) -> Iterator[str]:
    """Yield the paragraphs of prose in a source file's docstrings, each as one line."""
    for node in _statements(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for block in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                lines = [line.strip() for line in textwrap.dedent(block).splitlines()]
                if any(line.startswith(">>>") for line in lines):
                    continue  # an example, and what it prints
                lines = [line for line in lines if not re.fullmatch(r"[-=~^*.#\s]*", line)]  # rulings
                text = " ".join(" ".join(lines).split())
                if _is_prose(text):
                    yield text


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield a tree's statements as `ast.walk` does, level by level, without going into expressions."""
    todo = deque([tree])
    while todo:
        yield (node := todo.popleft())
        for part in ("body", "handlers", "orelse", "finalbody", "cases"):
            todo.extend(getattr(node, part, ()))


def _is_prose(text: str) -> bool:
    """Whether a paragraph is ASCII and mostly of letters, not a table or a formula."""
    return text.isascii() and text.isprintable() and 5 * len(text.translate(LETTERS)) <= len(text) > 0


def _runs(texts: Iterable[list[str]], length: int) -> list[int]:
    """Return the hashes of all runs of so many words; runs do not cross from one text to the next."""
    return [hash(run) for words in texts for run in zip(*(words[k:] for k in range(length)), strict=False)]
