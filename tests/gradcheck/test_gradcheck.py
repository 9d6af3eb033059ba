from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from refdope import LanguageModel, Recipe, gradcheck
from refdope.gradcheck import complex_step, stencil
from refdope.gradcheck.compared import place
from refdope.selfcheck import check_lstm, check_model
from refdope.selfcheck.every import CMRS, lstm, small
from refdope.structures import Dense, Kronecker


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


def with_wrong(**changed):
    return lambda p: grads(p) | {name: change(grads(p)[name]) for name, change in changed.items()}


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
        assert report.wrong == []
        assert report.diagnosis is None
        for array in report.arrays:
            assert array.errors["complex step"] < 1e-14
            assert array.errors["stencil"] < 1e-9


def test_nested_dicts_and_lists_are_checked_under_dotted_names():
    params = {"layers": [{"W": np.array([0.3, -0.4])}, {"W": np.array([0.5])}], "b": np.array(0.2)}

    def of_nested(p):
        return (p["layers"][0]["W"] ** 2).sum() * p["layers"][1]["W"][0] * p["b"]

    def backward(p):
        square, w, b = (p["layers"][0]["W"] ** 2).sum(), p["layers"][1]["W"][0], p["b"]
        first = {"W": 2 * p["layers"][0]["W"] * w * b}
        return {"layers": [first, {"W": np.array([square * b])}], "b": -square * w}

    report = gradcheck(of_nested, params, backward)
    assert {array.name for array in report.arrays} == {"layers.0.W", "layers.1.W", "b"}
    assert report.wrong == ["b"]
    assert report.diagnosis.cause == "sign"


def test_named_tuples_are_read_by_their_names():
    class Layer(NamedTuple):
        W: np.ndarray
        b: np.ndarray

    params = {"layer": Layer(np.array([0.3, -0.4]), np.array(0.2)), "pair": (np.array([0.5]), np.array([0.6]))}

    def of_named(p):
        return (p["layer"].W ** 2).sum() * p["layer"].b * (p["pair"][0] * p["pair"][1] ** 2).sum()

    def backward(p):
        (W, b), (u, v) = p["layer"], p["pair"]
        uv, WW = (u * v**2).sum(), (W**2).sum()
        return {"layer": Layer(2 * W * b * uv, WW * uv), "pair": (WW * b * v**2, WW * b * u * v)}

    report = gradcheck(of_named, params, backward)
    assert {array.name for array in report.arrays} == {"layer.W", "layer.b", "pair.0", "pair.1"}
    assert report.wrong == ["pair.1"]


def test_where_the_wrong_entries_lie_is_told_by_axis():
    bad = np.zeros((4, 3, 2), bool)
    bad[:2, 0] = bad[3, 0] = True
    looked = np.ones_like(bad)
    assert place(bad, looked, {}) == "axis 0 at 0-1, 3, axis 1 at 0"
    assert place(bad[0], looked[0], {}) == "row 0"
    assert place(bad[:, 0, 0], looked[:, 0, 0], {}) == "entry 0-1, 3"
    assert place(looked, looked, {}) == ""


def test_the_worst_of_no_arrays_is_told():
    rng = np.random.default_rng()
    report = gradcheck(lambda p: p["x"].sum() * rng.random(), {"x": np.ones(2)}, {"x": np.ones(2)})
    assert not report.ok
    with pytest.raises(ValueError, match=r"report\.worst: no array was compared: the loss is not deterministic"):
        _ = report.worst


def test_float32_parameters_are_checked_in_double():
    params = {k: a.astype(np.float32) for k, a in point().items()}
    report = gradcheck(loss, params, grads)
    assert not report.wrong
    assert max(array.errors["complex step"] for array in report.arrays) < 1e-14


@pytest.mark.parametrize("name", ["W", "b", "s"])
def test_one_wrong_entry_is_found_and_named(name):
    params = point()
    wrong = {k: np.array(g) for k, g in grads(params).items()}
    index = (1,) * wrong[name].ndim
    wrong[name][index] *= -1
    report = gradcheck(loss, params, wrong)
    assert not report.ok
    assert report.wrong == [name]
    assert (report.worst.name, report.worst.index, report.worst.bad) == (name, index, 1)
    assert report.worst.analytic == pytest.approx(-report.worst.numeric)
    assert report.diagnosis.cause == "sign"
    assert f"1 of {wrong[name].size} entries" in str(report)


def test_a_small_bias_beside_a_large_matrix_does_not_hide():
    params = {"big": np.array([1e6, 1e6]), "small": np.array([1e-3])}

    def both(p):
        return (p["big"] ** 2).sum() / 2 + (p["small"] ** 2).sum() / 2

    # 2e-4 of rounding is allowed by the size of the loss, 1e12; the error here is 1
    assert gradcheck(both, params, lambda p: {"big": p["big"], "small": p["small"] + 1}).wrong == ["small"]
    small = {"big": np.array([10.0, 10.0]), "small": np.array([1e-3])}
    assert gradcheck(both, small, lambda p: {"big": p["big"], "small": p["small"] * 1.01}).wrong == ["small"]


def test_nan_is_wrong_and_worst():
    report = gradcheck(loss, point(), with_wrong(b=lambda b: np.array([0.0, np.nan, 0.0]), W=lambda W: -W))
    assert (report.worst.name, report.worst.index) == ("b", (1,))
    assert report.diagnosis.cause == "nan"


def test_a_gradient_that_is_zero_passes_and_one_that_should_be_does_not():
    params = {"used": np.array([1.0]), "unused": np.array([1.0, 2.0])}

    def only_one(p):
        return (p["used"] ** 2).sum() + 0 * p["unused"].sum()

    assert gradcheck(only_one, params, lambda p: {"used": 2 * p["used"], "unused": np.zeros(2)}).ok
    report = gradcheck(only_one, params, lambda p: {"used": 2 * p["used"], "unused": np.array([0.0, 1e-3])})
    assert (report.worst.name, report.worst.index) == ("unused", (1,))
    assert report.diagnosis.cause == "mask"


def test_code_that_is_not_analytic_is_checked_by_the_stencil_alone_and_that_is_said():
    params = {"x": np.array([0.5, -0.7])}
    report = gradcheck(lambda p: np.abs(p["x"]).sum(), params, lambda p: {"x": np.sign(p["x"])})
    assert report.ok
    assert list(report.worst.errors) == ["stencil"]
    assert "the complex step was skipped" in str(report)


def test_a_complex_step_that_is_silently_wrong_is_not_held_against_the_gradient():
    params = {"x": np.array([0.5, -0.7])}

    def half_real(p):
        return (p["x"] * np.real(p["x"])).sum()  # the second factor is a constant to the complex step

    report = gradcheck(half_real, params, lambda p: {"x": 2 * np.real(p["x"])})
    assert report.ok
    assert "the code is not analytic there" in str(report)
    assert gradcheck(half_real, params, lambda p: {"x": 1.0 * np.real(p["x"])}).diagnosis.cause == "factor"


def test_a_kink_within_the_stencil_is_a_remark_and_at_the_point_any_slope_between_is_right():
    def relu(p):
        return np.maximum(np.asarray(p["x"]).real, 0).sum()

    x = {"x": np.array([1e-6, 0.0, -0.8, 0.5])}
    for slope in (0.0, 0.3, 1.0):
        report = gradcheck(relu, x, {"x": np.array([1.0, slope, 0.0, 1.0])})
        assert report.ok
        assert "a kink or a jump between x - h and x + h" in str(report)
    assert not gradcheck(relu, x, {"x": np.array([1.0, -0.3, 0.0, 1.0])}).ok
    assert not gradcheck(relu, x, {"x": np.array([0.0, 0.0, 0.0, 1.0])}).ok


def test_a_top_k_that_changes_is_a_remark():
    def top_two(p):
        x = np.asarray(p["x"]).real
        kept = np.argsort(-np.abs(x))[:2]
        return (x[kept] ** 3).sum()

    x = {"x": np.array([0.9, 0.5, 0.5 - 1e-9, 0.1])}
    report = gradcheck(top_two, x, {"x": np.array([3 * 0.81, 0.75, 0.0, 0.0])})
    assert report.ok
    assert "a kink or a jump" in str(report)


@pytest.mark.parametrize(
    ("given", "cause", "told"),
    [
        (lambda p: {"W": grads(p)["W"], "b": grads(p)["b"]}, "missing", "no gradient for s"),
        (lambda p: grads(p) | {"c": np.ones(2)}, "missing", "'c', which is no parameter"),
        (with_wrong(W=np.transpose), "shape", r"has shape (2, 3), not (3, 2); it is the transpose's"),
        (with_wrong(W=lambda W: W.astype(np.float32)), "dtype", "the gradient of W is float32, not float64"),
        (with_wrong(W=lambda W: W * 0), "zero", "zero, where there should be a gradient"),
        (with_wrong(W=lambda W: W / 3), "factor", "1 / axis 0 of W"),
        (with_wrong(b=lambda b: b[::-1]), "order", "axis 0 is reversed"),
    ],
)
def test_what_is_wrong_is_named(given, cause, told):
    report = gradcheck(loss, point(), given)
    assert not report.ok
    assert report.diagnosis.cause == cause
    assert told in str(report)
    assert told.split(";")[0].replace("'", "&#x27;") in report._repr_html_()


def test_a_gradient_in_the_place_of_another_is_recognised():
    two = {"A": np.array([0.5, -0.3, 0.8]), "B": np.array([0.2, 0.9, -0.4])}

    def product(p):
        return (p["A"] ** 2 * p["B"]).sum()

    report = gradcheck(product, two, lambda p: {"A": p["A"] ** 2, "B": p["A"] ** 2})
    assert report.diagnosis.cause == "other array"
    assert "this is the gradient of B" in str(report)


def test_what_would_tell_more_is_told_where_the_cause_is_one_of_two():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 4))
    params = {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(4)}

    def layer(p):
        return (dy * np.tanh(x @ p["W"].T + p["b"])).sum()

    def without_derivative(p):
        return {"W": dy.T @ x, "b": dy.sum(0)}

    given = gradcheck(layer, params, without_derivative(params))
    assert given.diagnosis.causes == ("derivative", "term")
    assert "grads as a function, blocks (the gates), cases (T = 1, 2, 3) would tell more" in str(given)
    called = gradcheck(layer, params, without_derivative)
    assert called.diagnosis.cause == "derivative"
    assert "with all parameters 1e-2 and 1e-3 times as large" in called.diagnosis.evidence
    assert "grads as a function" not in str(called)


def test_a_loss_that_is_random_is_told_and_nothing_else_is_claimed():
    rng = np.random.default_rng(0)
    report = gradcheck(lambda p: loss(p) * rng.random(), point(), grads)
    assert report.diagnosis.cause == "random"
    assert "the loss is not deterministic" in str(report)
    assert not report.ok
    assert report.arrays == []


def test_what_calls_do_is_told():
    upstream, total = np.array([1.0, 2.0]), {"x": np.zeros(2)}
    x = {"x": np.array([0.5, -0.3])}

    def weighed(p):
        return (p["x"] ** 2 * upstream).sum()

    def scales_upstream(p):
        g = {"x": 2 * p["x"] * upstream}
        upstream[:] *= 2
        return g

    def accumulates(p):
        total["x"] += 2 * p["x"] * upstream
        return total

    def moves_parameters(p):
        g = {"x": 2 * p["x"] * upstream}
        p["x"] -= 0.1
        return g

    def remembers(p, seen={}):  # noqa: B006
        return seen.setdefault("first", {"x": 2 * p["x"] * upstream})

    for given, cause in (
        (scales_upstream, "mutated"),
        (accumulates, "accumulated"),
        (moves_parameters, "mutated"),
        (remembers, "stale"),
        (lambda p: {"x": 2 * p["x"] * upstream * np.random.default_rng().random()}, "random"),
    ):
        report = gradcheck(weighed, x, given)
        assert report.diagnosis.cause == cause
        assert not report.ok
        assert_array_equal(upstream, [1.0, 2.0])  # put back
    assert "upstream" in str(gradcheck(weighed, x, scales_upstream).diagnosis)


def test_input_that_is_no_dict_of_float_arrays_or_has_no_finite_loss_is_refused_in_one_line():
    for params, told in (
        (np.ones(2), "params must be a dict of arrays, got ndarray"),
        ({}, "params must be a dict of arrays, got dict"),
        ({"k": np.arange(3)}, r"params\['k'\] must be a float array, got int64"),
        ({"k": np.array([np.nan])}, r"params\['k'\] must be finite"),
    ):
        with pytest.raises(ValueError, match=told):
            gradcheck(loss, params, grads)
    with pytest.raises(ValueError, match=r"loss\(params\) must be a scalar, got None"):
        gradcheck(lambda p: None, {"x": np.ones(3)}, lambda p: {})
    with pytest.raises(ValueError, match=r"loss\(params\) must be a scalar, got shape \(3,\)"):
        gradcheck(lambda p: p["b"], point(), grads)
    with pytest.raises(ValueError, match=r"loss\(params\) must be finite, got nan"):
        gradcheck(lambda p: p["s"] * np.nan, point(), grads)


def test_blocks_and_cases_name_the_gate_and_the_recurrence(monkeypatch):
    layer = lstm(small(Kronecker, (16, 6)), "Wx")
    backward = type(layer).backward

    def forget_gate_without_derivative(self, dh, cache, d_state=None):
        gates = cache.gates.copy()
        f = gates[..., 4:8]
        found = backward(self, dh, cache, d_state)
        right = {name: np.array(g) for name, g in found[2].items()}
        right["b"][4:8] *= 3 + f.mean()
        right["Wh.W"][4:8] *= 1 + f.mean((0, 1))[:, None]
        return found[0], found[1], right

    monkeypatch.setattr(type(layer), "backward", forget_gate_without_derivative)
    report = check_lstm(layer)
    assert set(report.cases) == {1, 2, 3}
    assert {array.name for array in report.arrays if not array.ok} == {"b", "Wh.W"}
    assert "block f" in str(report)
    assert report.arrays[0].entry.split(" is ")[0].endswith("(f)")


def test_a_recurrent_gradient_that_is_not_carried_is_told_by_the_sizes(monkeypatch):
    layer = lstm(small(Kronecker, (16, 6)), "Wx")
    backward = type(layer).backward

    def one_step_at_a_time(self, dh, cache, d_state=None):
        if len(dh) == 1:
            return backward(self, dh, cache, d_state)
        steps = []
        for t in range(len(dh)):
            x, h, c, gates, tanh_c, matrices = cache
            one = type(cache)(x[t : t + 1], h[t : t + 2], c[t : t + 2], gates[t : t + 1], tanh_c[t : t + 1], matrices)
            steps.append(backward(self, dh[t : t + 1], one, d_state if t == len(dh) - 1 else None))
        summed = {name: sum(step[2][name] for step in steps) for name in steps[0][2]}
        return np.concatenate([step[0] for step in steps]), steps[0][1], summed

    monkeypatch.setattr(type(layer), "backward", one_step_at_a_time)
    report = check_lstm(layer)
    assert report.diagnosis.cause == "recurrent"
    assert "right at T = 1 and wrong from T = 2" in str(report)


def test_large_arrays_are_tested_along_directions_and_one_wrong_entry_is_located():
    model = LanguageModel.from_recipe(60, 40, Recipe(Dense, 1), np.random.default_rng(0), embedding_std=0.5)
    report = check_model(model, how="directions")
    assert report.ok
    assert "an error of relative norm 1e-06 is missed with probability at most" in str(report)
    assert max(e for a in report.arrays for o, e in a.errors.items() if o == "complex step") < 1e-12

    def passed(p):
        made = model.replace(p)
        return made, made.forward(np.array([[1, 2], [3, 4]]), np.array([[3, 4], [5, 6]]))

    def one_wrong(p):
        made, (_, _, cache) = passed(p)
        found = made.backward(cache)
        found["layers.0.Wh.W"][17, 33] *= -1
        return found

    report = gradcheck(lambda p: passed(p)[1][0], model.params, one_wrong, how="directions")
    assert report.wrong == ["layers.0.Wh.W"]
    assert report.worst.index == (17, 33)
    assert report.diagnosis.cause == "sign"


@pytest.mark.slow
def test_a_million_parameters_get_their_verdict_in_ten_seconds_and_a_wrong_entry_is_located(monkeypatch):
    model = LanguageModel.from_recipe(1500, 256, Recipe(Dense, 1), np.random.default_rng(0), embedding_std=0.5)
    assert sum(a.size for a in model.params.values()) > 1_000_000
    report = check_model(model, 10, 8)
    assert report.ok
    assert report.seconds < 10
    backward = LanguageModel.backward

    def one_wrong(self, cache, d_loss=1.0):
        found = backward(self, cache, d_loss)
        found["layers.0.Wh.W"][17, 33] *= -1
        return found

    monkeypatch.setattr(LanguageModel, "backward", one_wrong)
    report = check_model(model, 10, 8)
    assert report.wrong == ["layers.0.Wh.W"]
    assert (report.worst.index, report.diagnosis.cause) == ((17, 33), "sign")


def test_rounding_of_a_complex_step_that_is_not_believed_excuses_nothing():
    rng = np.random.default_rng(0)
    x, dy, w = *rng.standard_normal((2, 6)), rng.standard_normal(6) / 2

    def loss(p):  # an inverse transform of a transform: of a tiny imaginary part nothing but rounding comes out
        y = fft.ifft(fft.fft(p["w"]) * fft.fft(x))
        y = y if np.iscomplexobj(p["w"]) else y.real
        return (dy * (y + y**2 / 3)).sum()

    def grads(p):
        y = fft.irfft(fft.rfft(p["w"]) * fft.rfft(x), 6)
        return {"w": fft.irfft(fft.rfft(x).conj() * fft.rfft(dy * (1 + 2 * y / 3)), 6)}

    assert gradcheck(loss, {"w": w}, grads).ok
    assert gradcheck(loss, {"w": w}, lambda p: {"w": -grads(p)["w"]}).wrong == ["w"]


@pytest.mark.parametrize("small", [1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
def test_a_complex_step_that_is_wrong_somewhere_is_believed_nowhere_in_that_array(small):
    c = np.array([1.0, -0.7, small, 0.4, 1.3])  # where c is small the complex step is nearly right
    params = {"x": np.array([0.5, -0.4, 0.6, 0.7, -0.3])}

    def loss(p):
        return (p["x"] + c * p["x"] * np.abs(p["x"])).sum()

    def grads(p):
        return {"x": 1 + 2 * c * np.abs(p["x"])}

    assert gradcheck(loss, params, grads).ok
    assert not gradcheck(loss, params, lambda p: {"x": grads(p)["x"] * (1 + 1e-5 * (np.arange(5) == 2))}).ok


def test_code_that_is_not_analytic_is_tested_along_directions_by_differences():
    x = {"x": np.linspace(0.5, 2, 400), "y": np.linspace(-2, -0.5, 300)}

    def real_only(p):
        return np.abs(p["x"]).sum() ** 2 + (np.abs(p["y"]) ** 3).sum()

    def backward(p, wrong=1.0):
        dy = 3 * np.abs(p["y"]) ** 2 * np.sign(p["y"])
        dy[123] *= wrong
        return {"x": 2 * np.abs(p["x"]).sum() * np.sign(p["x"]), "y": dy}

    assert gradcheck(real_only, x, backward, how="directions").ok
    report = gradcheck(real_only, x, lambda p: backward(p, 2.0), how="directions")
    assert report.wrong == ["y"]
    assert report.worst.index == (123,)


def test_a_report_is_drawn_with_its_heat_map_and_v_curve():
    report = gradcheck(loss, point(), with_wrong(W=lambda W: -W), blocks={"W": {"top": np.s_[:1], "rest": np.s_[1:]}})
    figure = report.figure()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert "error of every entry" in titles
    assert any(title.startswith("differences at W[") for title in titles)
    assert "the sign is flipped" in figure.get_suptitle()
    curve = next(axes for axes in figure.axes if axes.get_xlabel().startswith("step h")).lines[0].get_ydata()
    assert curve.min() < 1e-9
    assert curve.argmin() not in (0, len(curve) - 1)  # a V
    assert report.figure("b")
    with pytest.raises(ValueError, match=r"name must be an array that was looked at .*\(W, b, s\), got 'V'"):
        report.figure("V")


def test_all_of_a_layer_is_checked_with_masks_on():
    for cmr in CMRS[:2]:
        from refdope import Doped, Overlay

        W = small(Kronecker, (16, 6))
        doped = Doped(W, Overlay.for_compression(W.shape, 3, np.random.default_rng(0), 0.5), cmr)
        report = check_lstm(lstm(doped, "Wx"), sampled=True)
        assert report.ok, str(report)
        assert {"Wx.A", "Wx.B", "Wx.overlay", "Wh.W", "b", "x", "h0", "c0"} == {a.name for a in report.arrays}


def test_a_report_as_a_value_is_one_line():
    report = gradcheck(loss, point(), grads)
    assert repr(report) == f"<{report.head}>"
    assert "3 arrays, all right" in repr(report)
    assert "\n" not in repr(report)


# ---------------------------------------------------------------------------- what once was missed, or wrongly alarmed


def test_ties_do_not_excuse_a_wrong_gradient():
    image = np.array([[3.0, 3, 1, 0], [2, 1, 0, 5], [7, 6, 1, 2], [0, 1, 4, 3]])
    weights = np.array([[4.0, 1], [1, 1]])

    def windows(p):
        return p["x"].reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(2, 2, 4)

    def loss(p):
        return (weights * windows(p).max(-1) ** 2).sum()

    def right(p):
        first = np.eye(4)[windows(p).real.argmax(-1)]
        d = first * (2 * weights * windows(p).max(-1))[..., None]
        return {"x": d.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)}

    params = {"x": image}
    assert gradcheck(loss, params, right).ok
    assert gradcheck(loss, params, lambda p: {"x": 0 * p["x"]}).diagnosis.cause == "zero"
    assert gradcheck(loss, params, lambda p: {"x": right(p)["x"] / 2}).diagnosis.cause == "factor"
    assert not gradcheck(loss, params, lambda p: {"x": right(p)["x"] * np.where(np.arange(4) < 2, 1, 3)}).ok


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-5, 1e-6])
def test_a_small_penalty_that_is_not_analytic_is_judged_by_differences(size):
    rng = np.random.default_rng(0)
    x, params = rng.standard_normal((6, 4)), {"W": rng.standard_normal((4, 3)) / 2}

    def loss(p):
        return (np.tanh(x @ p["W"]) ** 2).sum() / 2 + size * np.abs(p["W"]).sum()

    def without(p):
        h = np.tanh(x @ p["W"])
        return x.T @ (h * (1 - h**2))

    assert gradcheck(loss, params, lambda p: {"W": without(p) + size * np.sign(p["W"])}).ok
    assert not gradcheck(loss, params, lambda p: {"W": without(p)}).ok


def test_along_directions_one_array_does_not_hide_behind_another():
    rng = np.random.default_rng(0)
    x, params = rng.standard_normal((6, 4)), {"W": rng.standard_normal((4, 3)) / 2, "b": rng.standard_normal(3)}

    def loss(p):
        return 1e7 * np.tanh(x @ p["W"]).sum() + (p["b"] * np.real(p["b"])).sum()

    def grads(p):
        return {"W": 1e7 * x.T @ (1 - np.tanh(x @ p["W"]) ** 2), "b": p["b"]}

    assert gradcheck(loss, params, grads, how="directions").wrong == ["b"]
    assert gradcheck(loss, params, lambda p: grads(p) | {"b": 2 * p["b"]}, how="directions").ok


def test_a_relation_must_explain_the_error_that_there_is():
    size = np.array([1e6, 1, 1, 1, 1, 1.0])
    params = {"w": 0.3 + 0.1 * np.arange(6)}
    found = gradcheck(
        lambda p: (size * np.sin(p["w"])).sum(),
        params,
        lambda p: {"w": size * np.cos(p["w"]) * np.where(size > 1, 1, 3)},
    ).diagnosis
    assert found.cause == "factor"
    assert "constant factor 3" in found.text


def test_a_loss_may_put_something_into_its_dict():
    rng = np.random.default_rng(0)
    x, mask = rng.standard_normal((6, 4)), rng.random((4, 3)) < 0.5
    params = {"W": rng.standard_normal((4, 3)) * mask, "b": rng.standard_normal(3)}

    def loss(p):
        p["W"] = p["W"] * mask
        p["h"] = np.tanh(x @ p["W"] + p["b"])
        return p["h"].sum()

    def grads(p):
        d = 1 - np.tanh(x @ (p["W"] * mask) + p["b"]) ** 2
        return {"W": x.T @ d * mask, "b": d.sum(0)}

    assert gradcheck(loss, params, grads).ok


def test_the_tolerance_holds_at_the_second_point_too():
    params = {"w": np.array([0.3, 0.5])}
    near = 1 + np.array([1e-4, 2e-4])
    assert gradcheck(lambda p: (p["w"] ** 3).sum(), params, lambda p: {"w": 3 * p["w"] ** 2 * near}, tolerance=1e-3).ok


def test_a_forgotten_two_is_called_a_half():
    rng = np.random.default_rng(0)
    x, y, params = rng.standard_normal((6, 4)), rng.standard_normal((6, 3)), {"W": rng.standard_normal((4, 3)) / 2}
    found = gradcheck(
        lambda p: ((x @ p["W"] - y) ** 2).mean(), params, lambda p: {"W": x.T @ (x @ p["W"] - y) / 18}
    ).diagnosis
    assert "which is 1/2" in found.text


def test_a_constant_is_not_taken_for_targets_left_out():
    found = gradcheck(
        lambda p: (p["b"] ** 2).sum(), {"b": np.array([0.3, 0.5, -0.2])}, lambda p: {"b": 2 * p["b"] + 0.1}
    ).diagnosis
    assert "targets" not in found.text


@pytest.mark.parametrize(
    ("more", "says"),
    [({"how": "entry"}, "how must be of 'auto', 'entries', 'directions', got 'entry'"),
     ({"tolerance": {"complex": 1e-3}}, "tolerance must be of 'complex step', 'stencil', got 'complex'")],
)  # fmt: skip
def test_names_that_there_are_not_are_refused(more, says):
    with pytest.raises(ValueError, match=says):
        gradcheck(lambda p: p["x"].sum(), {"x": np.ones(2)}, {"x": np.ones(2)}, **more)


def test_an_array_without_a_gradient_is_said_not_to_be_compared():
    report = gradcheck(lambda p: p["x"].sum() + p["y"].sum(), {"x": np.ones(2), "y": np.ones(3)}, {"x": np.ones(2)})
    assert "WRONG y                    (3,)         not compared" in str(report)
    assert "inf" not in str(report)
