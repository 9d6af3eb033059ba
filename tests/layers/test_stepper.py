"""A frozen layer and a frozen model give what the layer and the model give."""

import tracemalloc

import numpy as np
import pytest

from refdope import CMR, HMD, LMF, LSTM, Dense, Doped, Kronecker, LanguageModel, Overlay, Recipe, Stepper
from refdope.layers import LSTMStepper
from refdope.layers.stepper import CSR_BELOW

D, H = 12, 8


def rng():
    return np.random.default_rng(0)


def pruned(W, keep):
    W.overlay.prune(keep)
    return W


def weights():
    """Name pairs (Wx, Wh) of every kind of join: arrays, sparse arrays, neither, and two kinds beside each other."""
    x, h = (4 * H, D), (4 * H, H)

    def doped(shape, keep=None, kind=Kronecker):
        made = Recipe(kind, 2, doped=True, cmr=CMR(0.5)).matrix(shape, rng())
        return made if keep is None else pruned(made, keep)

    return {
        "dense": (Dense.for_compression(x, 1, rng()), Dense.for_compression(h, 1, rng())),
        "kronecker": (Kronecker.for_compression(x, 4, rng()), Kronecker.for_compression(h, 2, rng())),
        "doped, overlays dense": (doped(x), doped(h)),
        "doped, overlays sparse": (doped(x, 9), doped(h, 5)),
        "doped, overlays in CSR": (doped(x, 9).to_csr(), doped(h, 5).to_csr()),
        "doped, one overlay sparse": (doped(x), doped(h, 5)),
        "doped, the other": (doped(x, 9), doped(h)),
        "overlays alone": (pruned(Overlay.dense(x, rng()), 9), pruned(Overlay.dense(h, rng()), 0)),
        "an array and an overlay": (Dense.for_compression(x, 1, rng()), pruned(Overlay.dense(h, rng()), 7)),
        "a structure and an array": (HMD.for_compression(x, 2, rng()), Dense.for_compression(h, 1, rng())),
        "dense and doped": (
            Doped(Dense.for_compression(x, 1, rng()), Overlay.dense(x, rng())),
            Doped(LMF.for_compression(h, 2, rng()), Overlay.dense(h, rng())),
        ),
    }


@pytest.mark.parametrize("name", weights())
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_are_those_of_the_layer(name, batch, dtype):
    Wx, Wh = weights()[name]
    layer = LSTM(Wx.astype(dtype), Wh.astype(dtype), rng().standard_normal(4 * H).astype(dtype))
    x = rng().standard_normal((5, batch, D)).astype(dtype)
    h, (_, c), _ = layer.forward(x)
    stepper = LSTMStepper(layer, batch)
    for _ in range(2):  # the second time after a reset
        stepped = np.stack([stepper.step(x_t).copy() for x_t in x])
        assert stepped.dtype == dtype
        np.testing.assert_allclose(stepped, h, **({"atol": 2e-6} if dtype == np.float32 else {"atol": 1e-14}))
        np.testing.assert_allclose(stepper.c, c, **({"atol": 5e-6} if dtype == np.float32 else {"atol": 1e-13}))
        stepper.reset()


def test_what_is_trained_later_does_not_change_a_stepper():
    for name, (Wx, Wh) in weights().items():
        layer = LSTM(Wx, Wh, np.ones(4 * H))
        x = rng().standard_normal((1, D))
        expected = LSTMStepper(layer).step(x).copy()
        stepper = LSTMStepper(layer)
        for array in layer.params.values():
            array[...] = np.nan
        np.testing.assert_array_equal(stepper.step(x), expected, err_msg=name)


def test_overlays_are_sparse_below_the_share_that_pays():
    S = Overlay.dense((40, 25), rng())
    for keep, arrays in ((round(1000 * CSR_BELOW) - 1, 0), (round(1000 * CSR_BELOW), 1)):
        found = pruned(Overlay(S.values.copy(), S.mask.copy()), keep)
        layer = LSTM(Overlay.dense((40, 3), rng()), Overlay.dense((40, 10), rng()), np.zeros(40))
        layer.Wx = found
        layer.D = 25
        stepper = LSTMStepper(layer)
        assert len(stepper.products) == 2 - arrays  # an array joins the array of Wh; a sparse one stands by itself


def model(dtype=np.float64):
    made = LanguageModel.from_recipe(30, 16, Recipe(Kronecker, 4, doped=True), rng(), layers=2, dropout=0.3)
    return made.astype(dtype)


@pytest.mark.parametrize("batch", [1, 4])
def test_logits_are_those_of_the_model(batch):
    made, tokens = model(), rng().integers(0, 30, (6, batch))
    h, _, _ = made._hidden(tokens, None, None)
    expected = made.softmax.logits(h)
    stepper = Stepper(made, batch)
    for _ in range(2):
        np.testing.assert_allclose([stepper.step(t).copy() for t in tokens], expected, atol=1e-13)
        stepper.reset()


def test_steps_of_a_model_leave_nothing_and_take_next_to_nothing():
    stepper, token = Stepper(model(np.float32)), np.array([3])
    for _ in range(3):
        stepper.step(token)
    tracemalloc.start()
    for _ in range(50):
        stepper.step(token)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 1000
    assert peak < 20 * 64 * 4  # bytes: a few vectors of 4H, and no matrix of them (4H x H is 4,096 bytes x 2)


@pytest.mark.parametrize(
    "tokens", [np.array([30]), np.array([-1]), np.array([1, 2]), np.array([[1]]), np.array([0.5]), 3]
)
def test_wrong_tokens_are_told(tokens):
    with pytest.raises(ValueError, match=r"Stepper: tokens must be 1 integers from 0 to 29, got"):
        Stepper(model()).step(tokens)


def test_wrong_batch_is_told():
    with pytest.raises(ValueError, match="Stepper: batch must be at least 1, got 0"):
        Stepper(model(), 0)
