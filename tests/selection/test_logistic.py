import numpy as np
import pytest

from refdope.selection import Spline, local_scoring, logistic_path
from refdope.selection.additive import additive_design, bases
from refdope.selection.descent import violation
from refdope.selection.logistic import Logistic, sigmoid
from tests.selection.data import binary


def test_the_path_fulfils_kkt_and_begins_at_lambda_max():
    X, y = binary()
    design = additive_design(bases(X, 3))
    path = logistic_path(X, y, df=3, n_lambdas=8)
    assert path.lambdas[0] == pytest.approx((design.norms(design.matrix.T @ (y - y.mean()))[1:] / len(y)).max())
    for lam, b in zip(path.lambdas, path.coef):
        assert violation(design, Logistic(y), lam, b).max() < 1e-8
    assert {0, 1} <= set(np.flatnonzero(path.norms[3]))


def test_without_penalty_it_is_maximum_likelihood_on_the_basis():
    X, y = binary(300, 3)
    path = logistic_path(X, y, np.array([0.0]), df=3)
    psi = additive_design(bases(X, 3)).matrix
    b = np.zeros(psi.shape[1])
    for _ in range(30):  # iteratively reweighted least squares, in its plainest form
        p = sigmoid(psi @ b)
        b += np.linalg.solve(psi.T @ ((p * (1 - p))[:, None] * psi), psi.T @ (y - p))
    np.testing.assert_allclose(path.coef[0], b, atol=1e-7)


def test_local_scoring_keeps_what_the_group_lasso_keeps():
    X, y = binary(n=100, p=5)
    S = np.stack([Spline(x, 3).weights(x) + 1 / 100 for x in X.T])  # constants stay what they are
    lam = 0.4 * logistic_path(X, y, df=3, n_lambdas=1).lambdas[0]
    alpha, f = local_scoring(y, S, lam)
    path = logistic_path(X, y, np.array([lam]), df=3)
    np.testing.assert_array_equal(f.any(1), path.norms[0] > 0)
    assert np.isfinite(alpha)
    np.testing.assert_allclose(f.mean(1), 0, atol=1e-12)
    assert np.corrcoef(f.sum(0), additive_design(bases(X, 3)).matrix @ path.coef[0])[0, 1] > 0.99


def test_classes_must_be_zeros_and_ones_and_both():
    for y in (np.zeros(5), np.array([0, 1, 2.0])):
        with pytest.raises(ValueError, match="both of them"):
            Logistic(y)
