import numpy as np
import pytest

from refdope.selection import check_loss, joint_path, quantile_at, quantile_path, quantile_path_lp
from refdope.selection.groups import members


def problem(seed):
    """A random problem: continuous, rounded, small integers, repeated rows, or a column twice; groups at random."""
    rng = np.random.default_rng(seed)
    n, kind = int(rng.integers(8, 50)), seed % 5
    sizes = rng.integers(1, 2 if seed % 4 == 0 else 5, rng.integers(1, 6))
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(n, len(groups)))
    y = X[:, 0] + rng.normal(size=n)
    if kind == 1:
        X, y = np.round(X), np.round(y)
    elif kind == 2:
        X, y = rng.integers(0, 2, X.shape).astype(float), rng.integers(0, 4, n).astype(float)
    elif kind == 3:
        X[n // 2 :], y[n // 2 :] = X[: n - n // 2], y[: n - n // 2]
    elif kind == 4:
        X[:, -1] = X[:, 0]
    return X, y, groups, float(rng.choice([0.05, 1 / 3, 0.5, 0.95]))


def lines(X, y, groups, tau, path):
    """Loss and penalty of every row: unique, where the coefficients need not be."""
    caps = [np.abs(path.coef[:, columns]).max(1) for columns in members(groups, X.shape[1])]
    loss = [check_loss(y - b0 - X @ b, tau) for b0, b in zip(path.intercept, path.coef)]
    return np.array(loss), np.sum(caps, axis=0)


def compare(seed):
    X, y, groups, tau = problem(seed)
    events, programs = quantile_path(X, y, groups, tau), quantile_path_lp(X, y, groups, tau)
    assert len(events.lambdas) == len(programs.lambdas)
    np.testing.assert_allclose(events.lambdas, programs.lambdas, rtol=1e-6, atol=1e-7)
    if len(events.lambdas):
        assert (np.diff(events.lambdas) < 0).all()
        both = lines(X, y, groups, tau, events), lines(X, y, groups, tau, programs)
        np.testing.assert_allclose(*both, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_events_and_linear_programs_find_the_same_breakpoints(seed):
    compare(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 220))
def test_events_and_linear_programs_find_the_same_breakpoints_200_times(seed):
    compare(seed)


@pytest.mark.parametrize("seed", [0, 3, 5, 7])
def test_every_row_is_optimal_by_its_dual(seed):
    """A dual point with the same value: θ in [τ − 1, τ], Σθ = 0, ‖X_gᵀθ‖₁ ≤ λ, θᵀy = the objective."""
    from scipy.optimize import linprog

    X, y, groups, tau = problem(seed)
    path = quantile_path(X, y, groups, tau)
    loss, penalty = lines(X, y, groups, tau, path)
    columns, p = members(groups, X.shape[1]), X.shape[1]
    n, below = len(y), np.append(path.lambdas[1:], 0.0)
    for k in range(0, len(path.lambdas), 5):
        lam = (path.lambdas[k] + below[k]) / 2
        # θ, and c⁺, c⁻ with Xᵀθ = c⁺ − c⁻
        rows = np.zeros((len(columns), n + 2 * p))
        for g, own in enumerate(columns):
            rows[g, n + own] = rows[g, n + p + own] = 1
        equal = np.vstack([np.append(np.ones(n), np.zeros(2 * p)), np.hstack([X.T, -np.eye(p), np.eye(p)])])
        bounds = [(tau - 1, tau)] * n + [(0, None)] * (2 * p)
        dual = linprog(np.append(-y, np.zeros(2 * p)), rows, np.full(len(columns), lam), equal, np.zeros(1 + p), bounds)
        assert -dual.fun == pytest.approx(loss[k] + lam * penalty[k], abs=1e-8 * (1 + loss[0]))


def test_lambda_max_is_the_dual_norm_of_the_pull():
    X, y, groups, _ = problem(15)
    tau = 0.37  # n·τ is no integer: the multipliers at b = 0 are unique
    path = quantile_path(X, y, groups, tau)
    at = np.quantile(y, tau, method="inverted_cdf")
    theta = np.where(y > at, tau, tau - 1)
    theta[y == at] = 0
    theta[y == at] = -theta.sum()
    pull = max(np.abs(X[:, own].T @ theta).sum() for own in members(groups, X.shape[1]))
    assert path.lambdas[0] == pytest.approx(pull, rel=1e-12)
    b, b0 = quantile_at(X, y, groups, tau, path.lambdas[0] * 1.001)
    assert np.abs(b).max() < 1e-12
    assert b0 == pytest.approx(at)


def test_several_quantiles_at_once_are_one_program_with_blocks():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(25, 3))
    y = X[:, 0] * (1 + rng.random(25)) + rng.normal(size=25)
    taus = [0.2, 0.5, 0.9]
    path = joint_path(X, y, taus)
    assert path.coef.shape == (len(path.lambdas), 3, 3)
    assert path.intercept.shape == (len(path.lambdas), 3)
    from scipy.optimize import minimize_scalar

    k = len(path.lambdas) // 2
    lam = (path.lambdas[k] + path.lambdas[k + 1]) / 2

    def value(coef, intercept):
        fit = sum(check_loss(y - a - X @ b, tau) for tau, a, b in zip(taus, intercept, coef))
        return fit + lam * np.abs(coef).max(0).sum()

    best = value(path.coef[k], path.intercept[k])
    for q in range(3):  # it is convex: no lower along any of many lines means no lower
        for direction in rng.normal(size=(40, 4)):

            def along(step, q=q, direction=direction):
                coef, intercept = path.coef[k].copy(), path.intercept[k].copy()
                coef[q] += step * direction[1:]
                intercept[q] += step * direction[0]
                return value(coef, intercept)

            assert minimize_scalar(along, bounds=(-0.1, 0.1), method="bounded").fun >= best - 1e-9
    one = joint_path(X, y, [0.5])
    alone = quantile_path(X, y, range(3), 0.5)
    np.testing.assert_allclose(one.lambdas, alone.lambdas)
    np.testing.assert_allclose(one.coef[:, 0], alone.coef)
    # a covariate is in for all quantiles or for none
    assert ((path.coef[:6] != 0).any(1) == (np.abs(path.coef[:6]).max(1) > 0)).all()


def test_nothing_to_explain_has_no_breakpoint_and_units_only_scale():
    X = np.random.default_rng(0).normal(size=(20, 4))
    assert len(quantile_path(X, np.ones(20), [0, 0, 1, 1], 0.3).lambdas) == 0
    assert len(quantile_path(0 * X, X[:, 0], [0, 0, 1, 1], 0.3).lambdas) == 0
    y = X[:, 0] + X[:, 2] ** 2
    small, large = quantile_path(X, y, [0, 0, 1, 1], 0.3), quantile_path(X * 1e4 + 5e4, y * 1e-3 + 7, [0, 0, 1, 1], 0.3)
    np.testing.assert_allclose(large.lambdas, small.lambdas * 1e4, rtol=1e-8)
    np.testing.assert_allclose(large.coef, small.coef * 1e-7, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("find", [quantile_path, quantile_path_lp])
@pytest.mark.parametrize(
    ("X", "y", "groups", "tau", "told"),
    [
        (np.ones((3, 2)), np.ones(3), [0, 1], 1.0, "tau must lie between 0 and 1, got 1.0"),
        (np.ones((3, 2)), np.ones(4), [0, 1], 0.5, "got shapes"),
        (np.ones((3, 2)), np.array([1, np.nan, 1]), [0, 1], 0.5, "finite"),
        (np.ones((3, 2)), np.ones(3), [0], 0.5, "label for each of the 2 columns"),
    ],
)
def test_what_is_no_problem_is_refused(find, X, y, groups, tau, told):
    with pytest.raises(ValueError, match=told):
        find(X, y, groups, tau)
