"""A structure as a newcomer adds it: the file and the line that CONTRIBUTING.md shows, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the page's file and line in it."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    file, line = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    place = re.search(r"all of `(refdope/structures/\w+\.py)`", page)[1]
    copy = tmp_path_factory.mktemp("newcomer")
    for folder in ("refdope", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / place).write_text(file)
    kinds = copy / "refdope" / "structures" / "kinds.py"
    before = kinds.read_text()
    kinds.write_text(before.replace("from refdope.structures.hmd", line + "from refdope.structures.hmd"))
    assert len(kinds.read_text().splitlines()) == len(before.splitlines()) + 1
    return copy


def run(project, *command):
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_linted_and_typed_as_the_rest_is(project):
    new = "refdope/structures/diagonal.py"
    for command in (["ruff", "check", new], ["ruff", "format", "--check", new], ["mypy", "--no-incremental", new]):
        ended = run(project, *command)
        assert ended.returncode == 0, ended.stdout


def test_the_conformance_suite_takes_it(project):
    ended = run(project, "pytest", "-q", "-p", "no:cacheprovider", "tests/structures", "-k", "DiagonalPlusRankOne")
    assert ended.returncode == 0, ended.stdout
    passed = int(re.search(r"(\d+) passed", ended.stdout)[1])
    assert passed > 180, ended.stdout  # alone, stacked, doped, sampled in every way


def test_demo_and_cost_table_take_it(project):
    text = project / "text.txt"
    text.write_text("a short text that says the same again and again.\n" * 400)
    ended = run(
        project, "refdope", "demo", "--structure", "diagonalplusrankone", "--factor", "4", "--hidden", "32",
        "--steps", "12", "--data", str(text), "--out", "out",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    row = next(line for line in ended.stdout.splitlines() if line.startswith("| diagonalplusrankone"))
    assert str(2 * (32 + 32 + 128)) in row  # d, u and v of Wx and of Wh
    assert (project / "out" / "demo.png").stat().st_size > 10_000
