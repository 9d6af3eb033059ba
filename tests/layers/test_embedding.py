import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import gradcheck
from refdope.layers import Embedding

TOKENS = np.array([[0, 3, 3], [4, 0, 3]])


def test_forward_takes_rows():
    E = np.arange(10.0).reshape(5, 2)
    x, _ = Embedding(E).forward(TOKENS)
    assert_array_equal(x, E[TOKENS])


def test_gradient_sums_over_repeated_tokens():
    rng = np.random.default_rng(0)
    params, dx = {"E": rng.standard_normal((5, 2))}, rng.standard_normal((2, 3, 2))

    def grads(p):
        layer = Embedding(p["E"])
        return layer.backward(dx, layer.forward(TOKENS)[1])[1]

    report = gradcheck(lambda p: (Embedding(p["E"]).replace(p).forward(TOKENS)[0] * dx).sum(), params, grads)
    assert report.ok, str(report)
    by_hand = np.zeros((5, 2))
    np.add.at(by_hand, TOKENS, dx)
    assert_allclose(grads(params)["E"], by_hand, rtol=1e-14)
    assert not grads(params)["E"][[1, 2]].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    layer = Embedding(np.ones((5, 2), dtype))
    x, cache = layer.forward(TOKENS)
    assert x.dtype == dtype
    assert layer.backward(x, cache)[1]["E"].dtype == dtype
    assert layer.params["E"] is layer.E


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (np.array([0, 5]), "integers from 0 to 4, got int64 from 0 to 5"),
        (np.array([-1, 0]), "got int64 from -1 to 0"),
        (np.array([0.5]), "got float64 from 0.5"),
        (np.array([], dtype=float), "got float64"),
    ],
)
def test_bad_tokens_are_refused(tokens, says):
    with pytest.raises(ValueError, match=says):
        Embedding(np.zeros((5, 2))).forward(tokens)
    with pytest.raises(ValueError, match="E must have 2 axes"):
        Embedding(np.zeros(5))


def test_a_gradient_of_another_shape_is_refused():
    layer = Embedding(np.zeros((5, 2)))
    with pytest.raises(ValueError, match=r"dx must be \(2, 3, 2\), as x was, got shape \(3, 2, 2\)"):
        layer.backward(np.zeros((3, 2, 2)), layer.forward(TOKENS)[1])
