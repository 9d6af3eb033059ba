import pytest

from refdope.training import study
from tests.training.experiments import FILE, TEXT


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def small(tmp_path, text):
    """Return an experiment and the arguments of `conduct` but for the executor."""
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    return study.read(path, data=text), tmp_path / "out", tmp_path / "small.csv"
