"""What other packages find: `make test-selection` installs them."""

import numpy as np
import pytest

from refdope.selection import logistic_path, quantile_path, spline_path
from refdope.selection.additive import additive_design, bases
from refdope.selection.descent import Squares, objective
from refdope.selection.estimators import GreedyAdditive, SparseAdditive, SparseAdditiveClassifier
from refdope.selection.groups import group_design
from tests.selection.data import additive, binary
from tests.selection.test_quantile import problem

pytestmark = pytest.mark.selection
ESTIMATORS = [SparseAdditive(), SparseAdditive(smoother="kernel"), SparseAdditiveClassifier(), GreedyAdditive()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_estimators_pass_scikit_learns_checks(estimator):
    from sklearn.utils.estimator_checks import check_estimator

    for result in check_estimator(estimator, on_fail=None):
        assert result["status"] != "failed", (result["check_name"], result["exception"])


def test_they_work_within_scikit_learn():
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = additive(150, 8)
    found = GridSearchCV(SparseAdditive(), {"lam": [0.02, 0.5], "df": [3, 4]}, cv=3).fit(X, y)
    assert found.best_params_["lam"] == 0.02
    assert cross_val_score(make_pipeline(StandardScaler(), SparseAdditive(0.02)), X, y, cv=3).mean() > 0.4
    assert clone(SparseAdditive(0.3, df=7)).get_params() == SparseAdditive(0.3, df=7).get_params()


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # that it is good enough is asserted
@pytest.mark.parametrize("share", [0.7, 0.2, 0.03])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_group_lasso_is_cvxpys(share, grouped):
    import cvxpy

    X, y = additive(80, 12)
    splines = bases(X, 3)
    design = group_design(splines, np.arange(12) // 3) if grouped else additive_design(splines)
    from refdope.selection.additive import follow

    largest = follow(design, Squares(y), n_lambdas=1).lambdas[0]
    b = follow(design, Squares(y), np.array([share * largest])).coef[0]
    theirs = cvxpy.Variable(len(b))
    penalty = sum(w * cvxpy.norm(theirs[at]) for w, at in zip(design.weights[1:], design.slices[1:]))
    loss = cvxpy.sum_squares(y - design.matrix @ theirs) / (2 * len(y))
    problem = cvxpy.Problem(cvxpy.Minimize(loss + share * largest * penalty))
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    ours = objective(design, Squares(y), share * largest, b)
    assert ours == pytest.approx(problem.value, abs=1e-8)
    assert ours <= problem.value + 1e-10
    np.testing.assert_allclose(b, theirs.value, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_the_group_lasso_is_skglms():
    from skglm import GroupLasso

    X, y = additive(80, 12)
    design = additive_design(bases(X, 3))
    lam = 0.2 * spline_path(X, y, df=3, n_lambdas=1).lambdas[0]
    theirs = GroupLasso(groups=3, alpha=lam, tol=1e-11, fit_intercept=False, weights=np.ones(12))
    theirs.fit(np.ascontiguousarray(design.matrix[:, 1:]), y - y.mean())
    ours = spline_path(X, y, np.array([lam]), df=3).coef[0]
    np.testing.assert_allclose(ours[1:], theirs.coef_, atol=1e-7)
    assert ours[0] == pytest.approx(y.mean())


def test_without_penalty_the_logistic_fit_is_statsmodels():
    import statsmodels.api as sm

    X, y = binary(300, 3)
    theirs = sm.GLM(y, additive_design(bases(X, 3)).matrix, family=sm.families.Binomial()).fit(tol=1e-14)
    ours = logistic_path(X, y, np.array([0.0]), df=3)
    np.testing.assert_allclose(ours.coef[0], theirs.params, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 4, 8, 12, 16, 20])
def test_groups_of_one_are_scikit_learns_quantile_regressor(seed):
    """Its penalty is alpha·Σ|b| on a mean loss: alpha = λ/n."""
    from sklearn.linear_model import QuantileRegressor

    from refdope.selection import check_loss

    X, y, _, tau = problem(seed)
    path = quantile_path(X, y, range(X.shape[1]), tau)
    for k in range(0, len(path.lambdas) - 1, 4):
        lam = (path.lambdas[k] + path.lambdas[k + 1]) / 2
        theirs = QuantileRegressor(quantile=tau, alpha=lam / len(y), solver="highs").fit(X, y)
        values = [
            check_loss(y - b0 - X @ b, tau) + lam * np.abs(b).sum()
            for b, b0 in ((path.coef[k], path.intercept[k]), (theirs.coef_, theirs.intercept_))
        ]
        assert values[0] == pytest.approx(values[1], rel=1e-7, abs=1e-7)


def test_where_nothing_is_penalised_the_median_is_statsmodels():
    import statsmodels.api as sm

    from refdope.selection import check_loss

    X, y, groups, tau = problem(10)
    path = quantile_path(X, y, groups, tau)
    theirs = sm.QuantReg(y, sm.add_constant(X)).fit(tau, p_tol=1e-10, max_iter=5000)
    ours = check_loss(y - path.intercept[-1] - X @ path.coef[-1], tau)
    assert ours <= check_loss(y - theirs.fittedvalues, tau) + 1e-10
    assert ours == pytest.approx(check_loss(y - theirs.fittedvalues, tau), rel=1e-4)
