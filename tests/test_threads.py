"""How many threads BLAS takes while a model is trained."""

import subprocess
import sys

import pytest

from refdope import threads
from refdope.structures import product


@pytest.fixture
def told(monkeypatch):
    """A machine with two free cores whose user asks for nothing; what BLAS was told."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    told = []
    monkeypatch.setattr(threads, "set_threads", lambda n: told.append(n) or True)
    monkeypatch.setattr(threads, "free_cores", lambda: 2.0)
    return told


@pytest.mark.parametrize(("units", "free", "taken"), [(256, 9, 1), (257, 2, 2), (650, 1.9, 1)])
def test_threads_follow_size_and_free_cores(told, monkeypatch, units, free, taken):
    said = []
    monkeypatch.setattr(threads, "free_cores", lambda: free)
    assert threads.Threads(units, said.append).taken == taken
    assert told == [taken]
    assert said[0].startswith(f"BLAS threads: {taken}, ")


@pytest.mark.parametrize("name", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])
def test_the_users_setting_wins(told, monkeypatch, name):
    monkeypatch.setenv(name, "7")
    said = []
    chosen = threads.Threads(650, said.append)
    for _ in range(50):
        chosen.step(1.0)
    assert (chosen.taken, told) == (None, [])
    assert said == ["BLAS threads: 7, as the environment asks"]


def test_back_to_one_where_steps_become_slow_and_not_for_a_few(told):
    said = []
    chosen = threads.Threads(650, said.append)
    for seconds in [0.1] * 20 + [0.9] * (threads.WINDOW // 2) + [0.1] * 20:
        chosen.step(seconds)
    assert told == [2]
    for _ in range(threads.WINDOW):
        chosen.step(0.25)
    assert told == [2, 1]
    assert chosen.taken == 1
    assert said[-1] == "BLAS threads: back to 1, a step takes 2.5 times the best"


def test_a_library_that_cannot_be_told_is_left_alone(told, monkeypatch):
    said = []
    monkeypatch.setattr(threads, "set_threads", lambda n: False)
    assert threads.Threads(20, said.append).taken is None
    assert "cannot be told" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries of a process are listed by Linux")
def test_openblas_is_told_and_products_follow():
    code = """
import ctypes, numpy, scipy.linalg
from refdope import threads
from refdope.structures import product
for n in (2, 1):
    assert threads.set_threads(n)
    assert product.THREADS == str(n)
    asked = []
    for line in open("/proc/self/maps"):
        if "openblas" in line:
            library = ctypes.CDLL(line.split(maxsplit=5)[5].strip())
            names = [name.replace("_set_", "_get_") for name in threads.SYMBOLS]
            asked.append(next(getattr(library, name)() for name in names if hasattr(library, name)))
    assert set(asked) == {n}, asked
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert product.THREADS
