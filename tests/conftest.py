import shutil

import pytest

from refdope.cli import main
from refdope.experiments import experiment as study
from tests.experiments.small import FILE, TEXT
from tests.runs.small import flags


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def small(tmp_path, text):
    """Return an experiment and the arguments of `conduct` but for the executor."""
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    return study.read(path, data=str(text)), tmp_path / "out", tmp_path / "small.csv"


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two runs that ended and one that was stopped half way, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text(TEXT)
    assert main(["train", str(folder / "ended"), *flags(folder / "text.txt")]) == 0
    assert main(["train", str(folder / "other"), *flags(folder / "text.txt", seed=1, steps=20)]) == 0
    shutil.copytree(folder / "ended", folder / "stopped")
    for name in ("weights.npz", "result.json"):
        (folder / "stopped" / name).unlink()
    return folder
