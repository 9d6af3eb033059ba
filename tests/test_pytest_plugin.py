"""The fixture that comes with the package, used as a stranger's tests use it: in another folder, by pytest alone."""

import subprocess
import sys

RIGHT = """
import numpy as np

def test_mine(gradcheck):
    x = {"x": np.array([0.5, -0.3])}
    report = gradcheck(lambda p: (p["x"] ** 3).sum(), x, lambda p: {"x": 3 * p["x"] ** 2})
    assert report.ok
"""
WRONG = RIGHT.replace("3 * p", "-3 * p")
WITHOUT = """
import sys

def test_that_needs_no_gradient():
    assert "refdope.pytest_plugin" in sys.modules
    assert not {"numpy", "scipy", "refdope.gradcheck.check"} & set(sys.modules)
"""


def run(folder, test):
    (folder / "test_mine.py").write_text(test)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:cov",
    ]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=folder, check=False)


def test_a_right_gradient_passes(tmp_path):
    assert "1 passed" in run(tmp_path, RIGHT).stdout


def test_a_wrong_gradient_fails_with_the_report_and_nothing_else(tmp_path):
    ended = run(tmp_path, WRONG)
    assert ended.returncode == 1
    assert "most likely: [sign] x: the sign is flipped" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert "def check" not in ended.stdout


def test_tests_that_use_no_fixture_of_ours_load_none_of_the_package(tmp_path):
    ended = run(tmp_path, WITHOUT)
    assert "1 passed" in ended.stdout, ended.stdout
