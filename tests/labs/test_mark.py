"""Marks hold whatever a notebook does, and are those of nbgrader."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest

from .conftest import LABS, ROOT, read, submission
from .submissions import BEYOND_NBGRADER, HONEST, HOSTILE, SUBMISSIONS


def put(path, notebook):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), encoding="utf-8")
    return path


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_teacher_marks_a_folder(labs, capsys, tmp_path):
    inside, out = tmp_path / "in", tmp_path / "out"
    wrong = [("a-cost", "min(left, right)", "0")]
    own = read("solution", "a_kronecker")
    fake = submission(wrong, more=own["cells"][:0])
    for cell in fake["cells"]:
        if cell["id"] == "a-forward":
            cell["source"] += "\nclass check:\n    kron_entry = kron_forward = print"
        if cell["id"] == "a-question-1":
            cell["source"] = "<script>alert(1)</script> By the product with the two factors exchanged, as far as I see."
    put(inside / "ann" / "Lab A (1).ipynb", fake)
    put(inside / "bob_a_kronecker.ipynb", fake)
    put(inside / "broken_a_kronecker.ipynb", "{")
    assert labs[1].main([str(inside), "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert "12 of 14 points by checks" in told
    assert "multiply-adds is 0, should be 64" in told
    assert "could not be marked: it is broken JSON in line 1" in told
    ann, bob = table(out / "a_kronecker.csv")
    assert (ann["student"], ann["code"], ann["a-cost-test"], ann["total"]) == ("ann", "12", "0", "")
    assert "labchecks" in ann["flags"]
    assert "all code equals that of ann" in bob["flags"]
    assert "a-question-1 equals that of ann" in bob["flags"]
    assert len(table(out / "a_kronecker.checks.csv")) == 14
    assert "broken" in table(out / "not_marked.csv")[0]["notebook"]
    page = (out / "a-question-1.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert page.count("<article") == 2
    for k in (1, 2, 3):
        put(out / f"points-{k}.csv", f"student;question;points\nann;a-question-{k};1,5\nbob;a-question-{k};9\n")
    assert labs[1].main(["--out", str(out)]) == 0
    assert "should be from 0 to 2" in capsys.readouterr().err
    ann, bob = table(out / "a_kronecker.csv")
    assert (ann["written"], ann["total"], bob["total"]) == ("4.5", "16.5", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("{", "broken JSON in line 1"),
        ("[]", "has no cells"),
        ('{"cells": [3]}', "its cell 0 has no text"),
        ('{"cells": [{"cell_type": "code", "source": 3}]}', "its cell 0 has no text"),
        ('{"worksheets": [], "nbformat": 3}', "an old format"),
        ('{"cells": []}', "no cell of a lab"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_marked_is_told(labs, tmp_path, text, words):
    path, sources = put(tmp_path / "a.ipynb", text), {"a_kronecker": read("source", "a_kronecker")}
    with pytest.raises(labs[1].NotMarkedError, match=words):
        labs[1].lab_of(labs[1].loaded(path), sources)


def test_a_lab_is_known_by_its_cells(labs, tmp_path):
    sources = {name: read("source", name) for name in ("a_kronecker", "b_bptt")}
    notebook = read("student", "b_bptt")
    for cell in notebook["cells"]:
        cell["metadata"] = {}  # an editor drops it; the cells' ids are left
    assert labs[1].lab_of(notebook, sources) == "b_bptt"
    for cell in notebook["cells"]:
        del cell["id"]
    with pytest.raises(labs[1].NotMarkedError, match="lost its metadata"):
        labs[1].lab_of(notebook, sources)


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("in/ann/Lab A (1).ipynb", "ann"),
        ("in/ann_a_kronecker.ipynb", "ann"),
        ("submitted/ann/lab_a/a_kronecker.ipynb", "ann"),
        ("in/Ann Lee_12345_assignsubmission_file_/a_kronecker.ipynb", "Ann Lee_12345"),
        ("in/leeann_77_a_kronecker-2.ipynb", "leeann_77"),
    ],
)
def test_a_student_is_known_by_the_file_or_its_folder(labs, tmp_path, path, student):
    assert labs[1].student_of(tmp_path / path, ["a_kronecker", "b_bptt"]) == student


def test_flags_tell_what_to_look_at(labs):
    import flags

    source = read("source", "a_kronecker")

    def entry(text):
        return {"cells": {"a-entry": text}, "code": [text]}

    cases = {
        "from refdope import Kronecker": "imports refdope.Kronecker",
        "import labchecks.compare as c": "imports labchecks.compare",
        "check._factors": "reaches into labchecks",
        "check.kron_entry = print": "reaches into labchecks",
        "import sys\nsys._getframe(1)": "the caller's frame (_getframe)",
        "import inspect": "the caller's frame (inspect)",
        "__import__('refdope')": "__import__",
    }
    for text, words in cases.items():
        (told,) = flags.flags({"ann": entry(text)}, source).values()
        assert words in "; ".join(told), text
    (told,) = flags.flags(
        {"ann": entry("from labchecks import a_kronecker as check\n%time x = A @ B")}, source
    ).values()
    assert told == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HONEST, *HOSTILE, *BEYOND_NBGRADER])
def test_a_notebook_costs_itself_its_own_steps_alone(labs, name):
    notebook, points = (SUBMISSIONS | BEYOND_NBGRADER)[name]
    import execute

    marks = execute.marked(notebook, read("source", "a_kronecker"), execute.Limits(seconds=8))
    assert sum(each.points for each in marks.values()) == points, marks


@pytest.mark.slow
def test_nbgrader_gives_the_same_marks(labs, tmp_path):
    assert len(SUBMISSIONS) >= 30
    course = tmp_path
    shutil.copytree(LABS / "labchecks", course / "source/lab_a/labchecks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(LABS / "source/a_kronecker.ipynb", course / "source/lab_a")
    for name, (notebook, _) in SUBMISSIONS.items():
        put(course / "submitted" / name / "lab_a/a_kronecker.ipynb", notebook)
    options = ["--ExecutePreprocessor.timeout=12", "--CourseDirectory.course_id=c"]
    beside = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])  # nbgrader calls alembic
    environment = os.environ | {"PATH": beside, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}

    def nbgrader(*words):
        call = [sys.executable, "-m", "nbgrader", *words, *options]
        return subprocess.run(call, cwd=course, env=environment, capture_output=True, text=True)

    assert nbgrader("generate_assignment", "lab_a").returncode == 0
    told = nbgrader("autograde", "lab_a").stderr
    assert nbgrader("export").returncode == 0, told
    theirs = {row["student_id"]: float(row["score"]) for row in table(course / "grades.csv")}
    import execute

    source = read("source", "a_kronecker")
    ours = {
        name: sum(each.points for each in execute.marked(notebook, source, execute.Limits(seconds=12)).values())
        for name, (notebook, _) in SUBMISSIONS.items()
    }
    assert ours == {name: points for name, (_, points) in SUBMISSIONS.items()}
    assert theirs == ours, told[-3000:]
