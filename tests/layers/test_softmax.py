import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from refdope import gradcheck
from refdope.layers import Softmax

TARGETS = np.array([[0, 4], [2, 2], [1, 0]])


def made(scale=1.0):
    rng = np.random.default_rng(0)
    layer = Softmax(rng.standard_normal((5, 3)) * scale, rng.standard_normal(5) * scale)
    return layer, rng.standard_normal((3, 2, 3))


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_loss_is_the_mean_cross_entropy_and_is_stable(scale):
    layer, h = made(scale)
    p = log_softmax(h @ layer.W.T + layer.b, axis=-1)
    loss, _ = layer.forward(h, TARGETS)
    assert_allclose(loss, -np.take_along_axis(p, TARGETS[..., None], -1).mean(), rtol=1e-12)
    assert np.isfinite(loss)


def test_gradients_of_weights_and_input():
    layer, h = made()
    params = layer.params | {"h": h}

    def grads(p):
        layer_p = layer.replace(p)
        dh, g = layer_p.backward(1.7, layer_p.forward(p["h"], TARGETS)[1])
        return g | {"h": dh}

    report = gradcheck(lambda p: 1.7 * layer.replace(p).forward(p["h"], TARGETS)[0], params, grads)
    assert report.ok, str(report)


def test_backward_twice_gives_the_same_and_changes_nothing():
    layer, h = made()
    before = h.copy()
    _, cache = layer.forward(h, TARGETS)
    first, again = layer.backward(1.0, cache), layer.backward(1.0, cache)
    assert_array_equal(first[0], again[0])
    for name in first[1]:
        assert_array_equal(first[1][name], again[1][name])
    assert_array_equal(h, before)


def test_float32_is_kept():
    layer, h = made()
    layer, h = layer.replace({k: a.astype(np.float32) for k, a in layer.params.items()}), h.astype(np.float32)
    loss, cache = layer.forward(h, TARGETS)
    for d_loss in (1.0, np.float64(0.5)):
        dh, grads = layer.backward(d_loss, cache)
        assert {a.dtype for a in (loss, dh, *grads.values())} == {np.dtype(np.float32)}


def test_bad_arguments_are_refused_in_one_line():
    layer, h = made()
    with pytest.raises(ValueError, match=r"targets must have h's leading axes .* got \(2,\) for h \(3, 2, 3\)"):
        layer.forward(h, TARGETS[0])
    with pytest.raises(ValueError, match="at least one token"):
        layer.forward(h[:0], TARGETS[:0])
    with pytest.raises(ValueError, match=r"h must be \(…, 3\), got shape \(3, 2, 2\)"):
        layer.forward(h[..., :2], TARGETS)
    for targets, got in (
        (TARGETS - 1, "int64 from -1 to 3"),
        (TARGETS + 1, "int64 from 1 to 5"),
        (TARGETS / 2, "float"),
    ):
        with pytest.raises(ValueError, match=f"targets must be integers from 0 to 4, got {got}"):
            layer.forward(h, targets)
    with pytest.raises(ValueError, match=r"h must be \(…, 3\), got shape \(4,\)"):
        layer.logits(np.zeros(4))
    with pytest.raises(ValueError, match="b must have as many entries as W has rows"):
        Softmax(np.zeros((3, 2)), np.zeros(2))
