"""A structure, for whoever knows NumPy and SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import aslinearoperator, lsqr

from refdope import HMD, Doped, Kronecker, Overlay, Recipe

RNG = np.random.default_rng(0)
MADE = {
    "kronecker": Recipe("kronecker", 3).matrix((12, 15), 0),
    "hmd": Recipe("hmd", 2).matrix((12, 15), 0),
    "doped": Recipe("lmf", 2, doped=True).matrix((12, 15), 0),
    "csr": Recipe("lmf", 2, doped=True).matrix((12, 15), 0).to_csr(),
    "transposed": Recipe("lmf", 2, doped=True).matrix((15, 12), 0).T,
}


@pytest.mark.parametrize("W", MADE.values(), ids=MADE)
def test_products_are_those_of_the_array(W):
    dense = np.asarray(W)
    assert_array_equal(dense, W.to_dense())
    assert (dense.dtype, dense.shape) == (W.dtype, W.shape)
    for x in (RNG.standard_normal(15), RNG.standard_normal((15, 4)), RNG.integers(0, 9, 15)):
        assert_allclose(W @ x, dense @ x, atol=1e-12)
    for y in (RNG.standard_normal(12), RNG.standard_normal((4, 12))):
        assert_allclose(y @ W, y @ dense, atol=1e-12)


@pytest.mark.parametrize("W", MADE.values(), ids=MADE)
def test_the_transpose_is_a_structure(W):
    x, dy = RNG.standard_normal((4, 12)), RNG.standard_normal((4, 15))
    assert_array_equal(W.T.T.to_dense(), W.to_dense())
    assert MADE["doped"].T.T is MADE["doped"]
    assert W.T.shape == (15, 12)
    assert_allclose(W.T.forward(x), W.adjoint(x))
    assert_allclose(W.T.adjoint(dy), W.forward(dy))
    for name, g in W.T.gradient(x, dy).items():
        assert_allclose(g, W.gradient(dy, x)[name])
    assert (W.T.macs, W.T.n_params, set(W.T.params)) == (W.macs, W.n_params, set(W.params))
    assert_array_equal(W.T.to_dense(), W.to_dense().T)


def test_the_nearest_transpose_is_the_transpose_of_the_nearest():
    W, M = MADE["kronecker"], RNG.standard_normal((15, 12))
    assert_array_equal(W.T.nearest(M).to_dense(), W.nearest(M.T).to_dense().T)


def test_scipy_takes_it_as_a_linear_operator():
    W, y = MADE["doped"].T, RNG.standard_normal(15)
    operator = aslinearoperator(W)
    assert (operator.shape, operator.dtype) == (W.shape, np.float64)
    assert_allclose(operator.T @ y, W.T @ y)
    assert_allclose(operator @ np.eye(12), W.to_dense(), atol=1e-12)
    assert_allclose(lsqr(operator, y, atol=1e-12, btol=1e-12)[0], np.linalg.lstsq(W.to_dense(), y, rcond=None)[0])


def test_rmatvec_is_conjugated_and_the_adjoint_is_not():
    A, B = (RNG.standard_normal((3, 4)) + 1j * RNG.standard_normal((3, 4)) for _ in range(2))
    W, u, v = Kronecker(A, B), RNG.standard_normal(16) + 1j, RNG.standard_normal(9) + 2j
    assert_allclose(np.vdot(v, W.matvec(u)), np.vdot(W.rmatvec(v), u))  # PyLops' dot test
    assert_allclose(W.adjoint(v), W.to_dense().T @ v)


def test_the_dtype_is_that_of_the_parameters():
    assert MADE["doped"].astype(np.float32).dtype == np.float32
    assert np.asarray(MADE["doped"], np.float32).dtype == np.float32
    assert Doped(HMD(np.ones((1, 3)), np.ones(1), np.ones(3)), Overlay.dense((2, 3), RNG)).dtype == np.float64


def test_what_does_not_fit_is_told():
    W = MADE["kronecker"]
    for call, says in [
        (lambda: W @ np.zeros(12), r"W @ x: x must be \(15,\) or \(15, k\), got shape \(12,\)"),
        (lambda: np.zeros((2, 15)) @ W, r"y @ W: y must be \(12,\) or \(k, 12\), got shape \(2, 15\)"),
    ]:
        with pytest.raises(ValueError, match=says):
            call()
    with pytest.raises(TypeError, match="the array must be of numbers, with one axis or two"):
        W @ np.zeros((2, 15, 3))
    with pytest.raises(TypeError, match="the array must be of numbers"):
        W @ "a text"
