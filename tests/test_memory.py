import subprocess
import sys

import pytest

from refdope import memory

MEASURE = """
import resource, numpy as np
from refdope.memory import keep_memory
told = {told} and keep_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(1 << 21)
before = faults()
for _ in range(20): np.ones(1 << 21)  # 16 MB
print(int(told), faults() - before)
"""


def run(told):
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE.format(told=told)], capture_output=True, text=True, check=True
    )
    return map(int, ended.stdout.split())


def test_memory_that_was_freed_is_used_again():
    told, faults = run(True)
    if not told:
        pytest.xfail("this C library cannot be told")
    _, otherwise = run(False)
    assert faults < 20 < otherwise


@pytest.mark.parametrize("failing", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(failing, monkeypatch):
    def refuse(_):
        raise failing

    monkeypatch.setattr(memory.ctypes, "CDLL", refuse)
    assert memory.keep_memory() is False
