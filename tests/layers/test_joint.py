"""The layer with one matrix is the layer with two, whose matrices are its columns; and its gradients are right."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import CMR, HMD, LMF, LSTM, Dense, JointLSTM, Kronecker, Recipe, Stack, Stepper, gradcheck, interop
from refdope.analysis.adaptation import adaptation
from refdope.data.batches import Batches
from refdope.layers import LSTMStepper
from refdope.models import LanguageModel

T, B, D, H = 4, 3, 8, 4


def layer(kind=Kronecker, *, doped=False, cmr=None, csr=False) -> JointLSTM:
    rng = np.random.default_rng(0)
    factor = 1 if kind is Dense else 1.2
    made = JointLSTM.from_recipe(D, H, Recipe(kind, factor, doped=doped, cmr=cmr), rng, std=0.5)
    if doped:
        made.W.overlay.prune(made.W.overlay.n_params // 3)
    made = made.to_csr() if csr else made
    return made.replace(made.params | {"b": rng.standard_normal(4 * H) / 2})


def inputs():
    rng = np.random.default_rng(1)
    return rng.standard_normal((T, B, D)), (rng.standard_normal((B, H)) / 2, rng.standard_normal((B, H)) / 2)


WAYS = [(Dense, False), *((kind, doped) for kind in (Kronecker, LMF, HMD) for doped in (False, True))]


@pytest.mark.parametrize(("kind", "doped"), WAYS)
@pytest.mark.parametrize("start", ["zero", "given"])
def test_it_is_the_layer_of_its_columns(kind, doped, start):
    joint, (x, state) = layer(kind, doped=doped), inputs()
    state = None if start == "zero" else state
    Wx, Wh = joint.to_dense()
    two = LSTM(Dense(Wx), Dense(Wh), joint.b)
    (h, end, cache), (h2, end2, cache2) = joint.forward(x, state), two.forward(x, state)
    assert_allclose(h, h2, rtol=1e-12)
    assert_allclose(end, end2, rtol=1e-12)
    dh, d_end = np.random.default_rng(2).standard_normal((T, B, H)), (h[0].copy(), h[1].copy())
    (dx, d_state, grads), (dx2, d_state2, grads2) = joint.backward(dh, cache, d_end), two.backward(dh, cache2, d_end)
    assert_allclose(dx, dx2, rtol=1e-11, atol=1e-14)
    assert_allclose(d_state, d_state2, rtol=1e-11, atol=1e-14)
    assert_allclose(grads["b"], grads2["b"], rtol=1e-11, atol=1e-13)
    if kind is Dense:
        assert_allclose(grads["W.W"], np.hstack([grads2["Wx.W"], grads2["Wh.W"]]), rtol=1e-11, atol=1e-13)


def check(lstm, seed=None):
    x, (h0, c0) = inputs()
    rest, rng = {"x": x, "h0": h0, "c0": c0}, np.random.default_rng(5)
    d_h, d_hT, d_cT = rng.standard_normal((T, B, H)), rng.standard_normal((B, H)), rng.standard_normal((B, H))

    def passed(p):
        masks = None if seed is None else np.random.default_rng(seed)
        return lstm.replace(p).forward(p["x"], (p["h0"], p["c0"]), masks)

    def loss(p):
        h, (hT, cT), _ = passed(p)
        return (h * d_h).sum() + (hT * d_hT).sum() + (cT * d_cT).sum()

    def grads(p):
        dx, (dh0, dc0), found = lstm.replace(p).backward(d_h, passed(p)[2], (d_hT, d_cT))
        return found | {"x": dx, "h0": dh0, "c0": dc0}

    report = gradcheck(loss, lstm.params | rest, grads)
    assert report.ok, str(report)


@pytest.mark.parametrize(("kind", "csr"), [(Kronecker, True), (LMF, False), (HMD, True)])
def test_gradients_of_a_doped_layer(kind, csr):
    check(layer(kind, doped=True, csr=csr))


@pytest.mark.parametrize(  # every pair of the two is in test_lstm, and the loop is the same
    ("rows", "per"), [("both", "step"), ("sparse", "sequence"), ("exclusive", "step"), ("elements", "sequence")]
)
def test_gradients_of_a_sampled_pass(rows, per):
    check(layer(doped=True, cmr=CMR(0.4, rows, per)), seed=7)


def test_input_and_recurrence_share_the_second_factor():
    joint = layer()
    _, n1 = joint.W.A.shape
    n2 = joint.W.B.shape[1]
    assert D % n2 == H % n2 == 0
    assert_allclose(joint.to_dense()[0], np.kron(joint.W.A[:, : D // n2], joint.W.B), rtol=1e-13)
    assert_allclose(joint.to_dense()[1], np.kron(joint.W.A[:, D // n2 : n1], joint.W.B), rtol=1e-13)


def test_an_hmd_is_stacked_gate_by_gate():
    W = layer(HMD).W
    assert isinstance(W, Stack)
    assert [own.shape for own in W.matrices] == [(H, D + H)] * 4


@pytest.mark.parametrize(("kind", "doped"), WAYS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_stepper_gives_the_same(kind, doped, batch):
    joint = layer(kind, doped=doped)
    x = np.random.default_rng(3).standard_normal((T, batch, D))
    stepper = LSTMStepper(joint, batch)
    assert_allclose([stepper.step(x_t).copy() for x_t in x], joint.forward(x)[0], rtol=1e-12)


def test_a_model_of_it_trains_like_any_other():
    rng = np.random.default_rng(0)
    model = LanguageModel.from_recipe(
        20, 12, Recipe(Kronecker, 4, doped=True, cmr=CMR(0.1)), rng, layers=2, layer=JointLSTM
    )
    assert list(model.matrices) == ["layers.0.W", "layers.1.W"]
    for W in model.matrices.values():
        assert W.shape == (48, 24)
        W.overlay.prune(200)
    text = rng.integers(0, 20, 400)
    found = adaptation(model, Batches(text, 10, 2))
    assert np.isfinite(list(found.values())).all()
    before, tokens = Stepper(model).step(text[:1]).copy(), text[:1]
    model.to_csr()
    assert "layers.1.W.indptr" in model.constants
    assert_allclose(Stepper(model).step(tokens), before, rtol=1e-12)


def test_it_leaves_under_pytorchs_names():
    joint = layer(LMF, doped=True)
    arrays = interop.to_torch([joint])
    assert_array_equal(np.hstack([arrays["weight_ih_l0"], arrays["weight_hh_l0"]]), joint.W.to_dense())


def test_what_does_not_fit_is_told():
    joint, (x, state) = layer(), inputs()
    h, _, cache = joint.forward(x, state)
    with pytest.raises(ValueError, match=r"x must be \(T, B, 8\), got shape"):
        joint.forward(x[..., 1:])
    with pytest.raises(ValueError, match=r"state must be two arrays of shape \(3, 4\)"):
        joint.forward(x, (x[0], x[0]))
    with pytest.raises(ValueError, match=r"dh must be \(4, 3, 4\), as h was, got shape \(3, 3, 4\)"):
        joint.backward(h[1:], cache)
    with pytest.raises(ValueError, match=r"d_state must be two arrays of shape \(3, 4\)"):
        joint.backward(h, cache, (x[0], x[0]))
    for W, b in ((joint.W, joint.b[1:]), (Dense(np.ones((16, 4))), joint.b), (Dense(np.ones((15, 9))), joint.b[1:])):
        with pytest.raises(ValueError, match=r"JointLSTM: W and b must be \(4H, D \+ H\) and \(4H,\), got"):
            JointLSTM(W, b)
    with pytest.raises(TypeError, match="JointLSTM: W must be a structure"):
        JointLSTM(joint.W.to_dense(), joint.b)
