"""What the tests of the labs share."""

import contextlib
import io
import json
import sys
from pathlib import Path

import matplotlib.pyplot
import pytest

ROOT = Path(__file__).parents[2]
LABS = ROOT / "tutorials" / "labs"
NAMES = sorted(path.stem for path in (LABS / "source").glob("*.ipynb"))


@pytest.fixture
def labs(monkeypatch):
    """The modules of the labs, as one who runs them there would import them; gone afterwards."""
    monkeypatch.syspath_prepend(LABS)
    before = set(sys.modules)
    matplotlib.use("Agg")
    import make
    import mark

    yield make, mark
    matplotlib.pyplot.close("all")
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("make", "mark", "execute", "flags", "pages", "labchecks"):
            del sys.modules[name]


def read(kind, name):
    return json.loads((LABS / kind / f"{name}.ipynb").read_text(encoding="utf-8"))


def text_of(cell):
    return "".join(cell["source"])


def told_of(cell):
    return cell["metadata"].get("nbgrader", {})


def marks_of(mark, notebook, name):
    with contextlib.redirect_stdout(io.StringIO()):
        return mark.mark(notebook, read("source", name))


def submission(answers=(), scratch="", lab="a_kronecker", without=(), more=()):
    """A solution with (cell, old, new) replaced, a cell of the student's own before the fourth, and cells left out."""
    notebook = read("solution", lab)
    for cell, old, new in answers:
        (found,) = [each for each in notebook["cells"] if each["id"] == cell]
        assert old in text_of(found)
        found["source"] = text_of(found).replace(old, new)
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] not in without]
    for k, text in enumerate([scratch] if scratch else []):
        own = {"cell_type": "code", "id": f"own-{k}", "metadata": {}, "source": text, "outputs": [],
               "execution_count": None}  # fmt: skip
        notebook["cells"].insert(3, own)
    notebook["cells"] += list(more)
    return notebook
