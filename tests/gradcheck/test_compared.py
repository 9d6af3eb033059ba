"""The checker never says "all right" of what it has not compared: one test a kind, right value beside wrong."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refdope
from refdope import gradcheck
from tests.gradcheck.storm import storm


def real(f):
    """Take the complex step from a loss."""
    return lambda p: float(f({name: np.real(a) for name, a in p.items()}))


def test_an_entry_whose_coarse_difference_is_not_finite_is_compared_with_a_finer_one():
    v, x = np.array([0.5, 0.001, 0.3]), np.array([0.3, -3.4, 0.7])
    loss = real(lambda p: (0.5 * (x**2 / p["v"] + np.log(p["v"]))).sum())
    right = 0.5 * (1 / v - x**2 / v**2)
    assert right[1] == pytest.approx(-5.78e6, rel=1e-3)
    assert gradcheck(loss, {"v": v}, {"v": right}).ok
    report = gradcheck(loss, {"v": v}, {"v": right * [1, 0, 1]})
    assert report.wrong == ["v"]
    assert report.worst.index == (1,)
    assert report.worst.numeric == pytest.approx(right[1], rel=1e-8)


def test_an_entry_that_stays_so_is_not_compared_and_that_is_not_ok():
    x = np.array([0.5, 2.0])
    loss = real(lambda p: (p["x"] ** 2).sum() if p["x"][1] == 2.0 else np.nan)
    report = gradcheck(loss, {"x": x}, {"x": 2 * x})
    assert not report.ok
    assert (report.wrong, report.not_compared) == ([], ["x"])
    assert "NOT COMPARED x                    (2,)         1 of 2 entries, [1]: the loss is not finite" in str(report)


@pytest.mark.parametrize("x", [[1e-3, 10.0], [1e-8, 1e8], [1e-5, 1.0, 1e3]])
def test_entries_of_all_sizes_have_steps_of_their_own(x):
    x = np.array(x)
    for f, d in ((lambda a: 1 / a, lambda a: -1 / a**2), (np.log, lambda a: 1 / a)):
        loss = real(lambda p, f=f: f(p["x"]).sum())
        assert gradcheck(loss, {"x": x}, {"x": d(x)}).ok
    lost = d(x) * (np.arange(x.size) == 0)  # of the logarithm
    assert gradcheck(loss, {"x": x}, lambda p: {"x": lost}).wrong == ["x"]


@pytest.mark.parametrize("gap", [1e-7, 1e-9, 1e-12])
def test_a_kink_nearby_excuses_no_other_slope(gap):
    x = np.array([0.5, -0.3])

    def loss(p):
        z = p["x"] - x + gap
        return (z * (z.real > 0)).sum() + (p["x"] ** 2).sum()

    assert gradcheck(loss, {"x": x}, {"x": 2 * x + 1}).ok
    for slope in (0.0, 0.5):
        assert gradcheck(loss, {"x": x}, {"x": 2 * x + slope}).wrong == ["x"]


def test_a_loss_that_ignores_its_argument_is_said_to():
    W = np.array([[0.3, -0.5], [0.2, 0.4]])
    report = gradcheck(lambda p: (W**2).sum(), {"W": W}, lambda p: {"W": 2 * W})
    assert report.diagnosis.cause == "constant"
    assert "the loss does not change with params" in str(report)


def test_one_array_under_two_names_is_said_to_be_one():
    E = np.array([[0.3, -0.5, 0.1], [0.2, 0.4, -0.6]])

    def loss(p):
        return (p["E"] ** 2 * p["out"]).sum()

    both = 3 * E**2
    report = gradcheck(loss, {"E": E, "out": E}, {"E": both, "out": both})
    assert report.diagnosis.cause == "tied"
    assert "one array under two names" in str(report)
    right = gradcheck(loss, {"E": E, "out": E}, {"E": 2 * E * E, "out": E**2})
    assert right.ok
    assert "E and out are one array under two names" in str(right)


def test_a_relu_without_its_mask_is_not_taken_for_a_softmax():
    rng = np.random.default_rng(0)
    x, params = rng.standard_normal((9, 4)), {"W": rng.standard_normal((4, 5)), "b": rng.standard_normal(5)}

    def loss(p):
        z = x @ p["W"] + p["b"]
        return (z * (z.real > 0)).sum()

    report = gradcheck(loss, params, lambda p: {"W": x.T @ np.ones((9, 5)), "b": np.full(5, 9.0)})
    assert report.wrong
    assert "target" not in str(report)
    assert "softmax" not in str(report)


def test_an_fft_that_drowns_the_complex_step_is_recognised():
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((2, 6))

    def loss(p):
        y = np.fft.ifft(np.fft.fft(p["w"]) * np.fft.fft(x))
        return ((y if np.iscomplexobj(p["w"]) else y.real) ** 2).sum()

    y = np.fft.ifft(np.fft.fft(w) * np.fft.fft(x)).real
    right = np.fft.ifft(np.fft.fft(2 * y) * np.conj(np.fft.fft(x))).real
    report = gradcheck(loss, {"w": w}, {"w": right})
    assert report.ok
    assert "as in an FFT" in str(report)
    assert gradcheck(loss, {"w": w}, {"w": right * (1 + 1e-6)}).wrong == ["w"]


@pytest.mark.parametrize(
    "first",
    ["", "import refdope.gradcheck", "import refdope.gradcheck.report", "from refdope.gradcheck import Report",
     "import refdope.selfcheck", "import refdope.pytest_plugin"],
)  # fmt: skip
def test_the_function_is_what_the_top_exports_in_whatever_order(first):
    code = f"{first}\nfrom refdope import gradcheck\nassert callable(gradcheck), gradcheck\nimport refdope.gradcheck.check\n"  # noqa: E501
    code += "from refdope import gradcheck as again\nassert again is gradcheck is refdope.gradcheck"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_checker_needs_numpy_alone_and_its_picture_matplotlib():
    folder = Path(refdope.__file__).parent / "gradcheck"
    for path in folder.rglob("*.py"):
        allowed = {"numpy", "refdope.gradcheck"} | (
            {"matplotlib", "refdope.style"} if path.name == "picture.py" else set()
        )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = ".".join(name.split(".")[:2]) if name.startswith("refdope") else name.split(".")[0]
                assert ours in allowed or ours in sys.stdlib_module_names, f"{path.name}: {name}"


@pytest.mark.slow
def test_a_storm_is_weathered():
    counts, complaints = storm(600)
    assert not complaints, complaints[0]
    assert counts["wrong ones found"] > 0.9 * counts["wrong ones"]
