import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope import gradcheck
from refdope.layers import Dropout


def test_without_an_rng_or_at_rate_zero_nothing_happens():
    x = np.ones((3, 2))
    for layer, rng in ((Dropout(0.5), None), (Dropout(0.0), np.random.default_rng(0))):
        y, cache = layer.forward(x, rng)
        assert y is x
        assert layer.backward(x, cache) is x


def test_the_share_that_is_kept_is_scaled_so_that_the_mean_stays():
    x = np.ones((400, 500), np.float32)
    y, keep = Dropout(0.3).forward(x, np.random.default_rng(0))
    assert keep.dtype == bool
    assert y.dtype == np.float32
    assert keep.mean() == pytest.approx(0.7, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert_array_equal(y != 0, keep)
    assert (x == 1).all()


def test_gradient():
    rng = np.random.default_rng(1)
    x, dy, layer = {"x": rng.standard_normal((3, 4))}, rng.standard_normal((3, 4)), Dropout(0.4)

    def loss(p):
        return (layer.forward(p["x"], np.random.default_rng(2))[0] * dy).sum()

    def grads(p):
        return {"x": layer.backward(dy, layer.forward(p["x"], np.random.default_rng(2))[1])}

    report = gradcheck(loss, x, grads)
    assert report.ok, str(report)


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan")])
def test_a_rate_outside_0_1_is_refused(rate):
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got"):
        Dropout(rate)
