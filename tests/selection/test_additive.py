import numpy as np
import pytest

from refdope.selection import LocalLinear, Spline, backfit, cp, gcv, smoother_path, spline_path
from refdope.selection.additive import additive_design, bases, shrunk
from refdope.selection.descent import Squares, violation
from tests.selection.data import additive


def test_the_path_begins_at_lambda_max_fulfils_kkt_and_ends_at_least_squares():
    X, y = additive()
    design = additive_design(bases(X, 3))
    path = spline_path(X, y, df=3, n_lambdas=12)
    slopes = design.norms(design.matrix.T @ (y - y.mean()))[1:] / len(y)
    assert path.lambdas[0] == pytest.approx(slopes.max(), rel=1e-12)
    assert not path.norms[0].any()
    for lam, b in zip(path.lambdas[1:], path.coef[1:]):
        assert violation(design, Squares(y), lam, b).max() < 1e-8
    assert (np.diff(path.loss) < 0).all()
    free = spline_path(X, y, np.array([0.0]), df=3)
    least = np.linalg.lstsq(design.matrix, y, rcond=None)[0]
    np.testing.assert_allclose(free.coef[0], least, atol=1e-8)
    assert free.df[0] == 36


def test_the_norms_are_the_functions_root_mean_squares():
    X, y = additive()
    splines, path = bases(X, 4), spline_path(X, y, df=4, n_lambdas=5)
    b = path.coef[-1][1:].reshape(12, 4)
    f = np.array([spline.basis @ own for spline, own in zip(splines, b)])
    np.testing.assert_allclose(path.norms[-1], np.sqrt((f**2).mean(1)), atol=1e-12)


def test_backfitting_with_projections_is_the_group_lasso():
    X, y = additive()
    S = np.stack([Spline(x, 3).weights(x) for x in X.T])
    path = spline_path(X, y, np.array([0.05]), df=3)
    design = additive_design(bases(X, 3))
    f = backfit(y, S, 0.05, tol=1e-11)
    np.testing.assert_allclose(y.mean() + f.sum(0), design.matrix @ path.coef[0], atol=1e-8)
    np.testing.assert_allclose(np.sqrt((f**2).mean(1)), path.norms[0], atol=1e-8)
    assert 0 < np.count_nonzero(path.norms[0]) < 12


def test_backfitting_without_penalty_solves_the_normal_equations_of_backfitting():
    X, y = additive(40, 4)
    n, kernels = 40, [LocalLinear(x, 0.2) for x in X.T[:3]]
    S = np.stack([kernel.matrix for kernel in kernels])
    center = np.eye(n) - 1 / n
    rows = [[np.eye(n) if j == k else center @ S[j] for k in range(3)] for j in range(3)]
    right = np.concatenate([center @ S[j] @ (y - y.mean()) for j in range(3)])
    solved = np.linalg.solve(np.block(rows), right).reshape(3, n)
    np.testing.assert_allclose(backfit(y, S, 0.0, tol=1e-12), solved, atol=1e-8)


def test_with_local_linear_smoothers_every_component_is_a_fixed_point():
    X, y = additive(80, 6)
    path = smoother_path(X, y, n_lambdas=6, tol=1e-10)
    S = np.stack([LocalLinear(x).matrix for x in X.T])
    assert not path.norms[0].any()
    for lam, f in zip(path.lambdas, path.coef):
        rest = y - y.mean() - f.sum(0)
        for j in range(6):
            np.testing.assert_allclose(shrunk(S[j] @ (rest + f[j]), lam), f[j], atol=1e-8)


def test_a_warm_start_ends_where_a_cold_one_does():
    X, y = additive(80, 6)
    S = np.stack([LocalLinear(x).matrix for x in X.T])
    warm = backfit(y, S, 0.05, backfit(y, S, 0.2), tol=1e-11)
    np.testing.assert_allclose(warm, backfit(y, S, 0.05, tol=1e-11), atol=1e-8)
    with pytest.warns(RuntimeWarning, match="after 2 sweeps"):
        backfit(y, S, 0.01, sweeps=2)


def test_cp_and_gcv_are_their_formulas_and_find_the_four_functions():
    X, y = additive(200, 30)
    path = spline_path(X, y, df=3)
    n, k = 200, 17
    rss = 2 * path.loss[k] * n
    assert cp(path, n, 0.09)[k] == pytest.approx(rss / n + 2 * 0.09 * path.df[k] / n)
    assert gcv(path, n)[k] == pytest.approx(rss / n / (1 - (path.df[k] + 1) / n) ** 2)
    assert cp(path, n).argmin() > 0
    for criterion in (cp(path, n), gcv(path, n)):
        assert set(range(4)) <= set(np.flatnonzero(path.norms[criterion.argmin()]))
    crowded = spline_path(*additive(20, 30), df=3)
    assert np.isinf(gcv(crowded, 20)[-1])
    assert np.isfinite(gcv(crowded, 20).min())


@pytest.mark.parametrize(
    ("given", "told"),
    [({"n_lambdas": 0}, "one lambda"), ({"ratio": 2}, "ratio"), ({"lambdas": np.array([-1.0])}, "0 or more, got -1")],
)
def test_paths_that_cannot_be_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        spline_path(*additive(), **given)
