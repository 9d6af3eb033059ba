import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import gradcheck
from refdope.checks import complex_step, stencil


def point():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((3, 2)), "b": rng.standard_normal(3), "s": np.array(0.7)}


X = np.array([0.3, -1.2])


def loss(p):
    return p["s"] * np.tanh(p["W"] @ X + p["b"]).sum()


def grads(p):
    y = np.tanh(p["W"] @ X + p["b"])
    d = p["s"] * (1 - y**2)
    return {"W": np.outer(d, X), "b": d, "s": y.sum()}


@pytest.mark.parametrize(("oracle", "tolerance"), [(complex_step, 1e-14), (stencil, 1e-10)])
def test_the_oracles_find_the_derivative_and_leave_the_point_alone(oracle, tolerance):
    params = point()
    before = {k: a.copy() for k, a in params.items()}
    for name, numeric in oracle(loss, params).items():
        assert numeric.dtype == np.float64
        assert numeric.shape == params[name].shape
        assert_allclose(numeric, grads(params)[name], rtol=tolerance, atol=tolerance)
        assert_array_equal(params[name], before[name])


def test_a_right_gradient_passes_given_or_computed():
    params = point()
    for given in (grads, grads(params)):
        report = gradcheck(loss, params, given)
        assert report.ok
        assert "3 arrays, all right" in str(report)
        assert len(report.errors) == 6
        assert report.worst.ok


def test_float32_parameters_are_checked_in_double():
    params = {k: a.astype(np.float32) for k, a in point().items()}
    assert gradcheck(loss, params, grads).ok


@pytest.mark.parametrize("name", ["W", "b", "s"])
def test_one_wrong_entry_is_found_and_named(name):
    params = point()
    wrong = {k: np.array(g) for k, g in grads(params).items()}
    index = (1,) * wrong[name].ndim
    wrong[name][index] *= -1
    report = gradcheck(loss, params, wrong)
    assert not report.ok
    assert (report.worst.name, report.worst.index) == (name, index)
    assert report.worst.analytic == pytest.approx(-report.worst.numeric)
    assert "1 WRONG" in str(report)
    assert {error.name for error in report.errors if not error.ok} == {name}


def test_a_small_bias_beside_a_large_matrix_does_not_hide():
    params = {"big": np.array([1e6, 1e6]), "small": np.array([1e-3])}

    def both(p):
        return (p["big"] ** 2).sum() / 2 + (p["small"] ** 2).sum() / 2

    report = gradcheck(both, params, lambda p: {"big": p["big"], "small": p["small"] * 1.01})
    assert {error.name for error in report.errors if error.oracle == "complex step" and not error.ok} == {"small"}


def test_nan_is_wrong_and_worst():
    params = point()
    wrong = grads(params) | {"b": np.array([0.0, np.nan, 0.0])}
    report = gradcheck(loss, params, wrong)
    assert not report.ok
    assert (report.worst.name, report.worst.index) == ("b", (1,))


def test_a_gradient_that_is_zero_passes_and_one_that_should_be_does_not():
    params = {"used": np.array([1.0]), "unused": np.array([1.0, 2.0])}

    def only_one(p):
        return (p["used"] ** 2).sum() + 0 * p["unused"].sum()

    assert gradcheck(only_one, params, lambda p: {"used": 2 * p["used"], "unused": np.zeros(2)}).ok
    report = gradcheck(only_one, params, lambda p: {"used": 2 * p["used"], "unused": np.array([0.0, 1e-3])})
    assert (report.worst.name, report.worst.index) == ("unused", (1,))


def test_code_that_is_not_analytic_is_checked_by_the_stencil_alone_and_that_is_said():
    params = {"x": np.array([0.5, -0.7])}
    report = gradcheck(lambda p: np.abs(p["x"]).sum(), params, lambda p: {"x": np.sign(p["x"])})
    assert report.ok
    assert {error.oracle for error in report.errors} == {"stencil"}
    assert "complex step not asked" in str(report)


def test_gradients_of_other_names_or_shapes_are_refused():
    params = point()
    with pytest.raises(ValueError, match=r"gradients are for \['W'\], parameters are \['W', 'b', 's'\]"):
        gradcheck(loss, params, {"W": params["W"]})
    with pytest.raises(ValueError, match=r"the gradient of 'W' has shape \(2, 3\), the parameter \(3, 2\)"):
        gradcheck(loss, params, grads(params) | {"W": grads(params)["W"].T})
