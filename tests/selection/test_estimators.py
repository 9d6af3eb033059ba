import pickle

import numpy as np
import pytest

from refdope.selection.additive import bases
from refdope.selection.descent import Squares, violation
from refdope.selection.estimators import GreedyAdditive, SparseAdditive, SparseAdditiveClassifier
from refdope.selection.groups import group_design
from tests.selection.data import additive, binary

REGRESSIONS = [SparseAdditive(), SparseAdditive("cp", df=3), SparseAdditive(smoother="kernel"), GreedyAdditive()]


@pytest.mark.parametrize("model", [*REGRESSIONS, SparseAdditive(groups=[0, 1, 2, 3, 4, 4, 5, 5])], ids=str)
def test_a_fit_predicts_what_its_components_sum_to(model):
    X, y = additive(150, 8)
    assert model.fit(X, y) is model
    np.testing.assert_allclose(model.predict(X), model.intercept_ + model.components_.sum(1), atol=1e-10)
    np.testing.assert_allclose(model.functions(X), model.components_, atol=1e-10)
    np.testing.assert_allclose(model.components_.mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(model.norms_, np.sqrt((model.components_**2).mean(0)))
    assert set(np.flatnonzero(model.norms_)) >= {0, 1, 2, 3}
    assert np.nanmin(model.criterion_) == model.criterion_[model.chosen_]
    new, truth = additive(400, 8, noise=0, seed=5)
    assert model.score(new, truth) > 0.9
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(new), model.predict(new))


def test_a_given_lambda_is_the_fit_there_and_its_functions_are_where_they_belong():
    X, y = additive(150, 8)
    groups = ["c", "a", "b", "b", "a", "d", "d", "c"]
    model = SparseAdditive(0.03, df=3, groups=groups).fit(X, y)
    assert model.lam_ == 0.03
    assert violation(group_design(bases(X, 3), groups), Squares(y), 0.03, model.path_.coef[0]).max() < 1e-8
    assert np.corrcoef(model.components_[:, 0], -np.sin(2 * X[:, 0]))[0, 1] > 0.95
    fit = group_design(bases(X, 3), groups).matrix @ model.path_.coef[0]
    np.testing.assert_allclose(model.predict(X), fit, atol=1e-10)


def test_the_kernel_fit_is_that_of_backfitting():
    X, y = additive(80, 5)
    model = SparseAdditive(0.1, smoother="kernel").fit(X, y)
    np.testing.assert_allclose(model.components_, model.path_.coef[0].T, atol=1e-4)
    np.testing.assert_array_equal(model.norms_ > 0, model.path_.norms[0] > 0)


def test_a_number_of_components_is_kept_by_the_greedy_fit():
    X, y = additive(150, 8)
    model = GreedyAdditive(2).fit(X, y)
    assert sorted(model.order_) == np.flatnonzero(model.norms_).tolist()
    assert len(model.order_) == 2
    assert model.order_[0] == 0
    assert GreedyAdditive("cp", most=3).fit(X, y).path_.norms.shape == (4, 8)


def test_the_classifier_tells_the_second_of_its_classes():
    X, y = binary(400)
    model = SparseAdditiveClassifier().fit(X, np.where(y, "spam", "ham"))
    assert model.classes_.tolist() == ["ham", "spam"]
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_array_equal(model.predict(X) == "spam", p[:, 1] > 0.5)
    new, truth = binary(400, seed=3)
    assert model.score(new, np.where(truth, "spam", "ham")) > 0.8
    assert (p[y == 1, 1].mean() - p[y == 0, 1].mean()) > 0.3


def test_parameters_are_read_set_and_shown():
    model = SparseAdditive(0.1, df=4)
    assert repr(model) == "SparseAdditive(lam=0.1, df=4)"
    assert model.set_params(df=6).get_params()["df"] == 6
    with pytest.raises(ValueError, match="no parameter 'dof'; it has lam, df"):
        model.set_params(dof=3)


def test_a_column_of_one_value_and_a_constant_target_are_no_matter():
    X, y = additive(60, 5)
    X[:, 4] = 7
    for model in REGRESSIONS:
        assert model.fit(X, y).norms_[4] == 0
        assert not model.fit(X, np.full(60, 3.0)).norms_.any()
        assert model.predict(X) == pytest.approx(3)


X, y = additive(20, 4)
WRONG = [
    (SparseAdditive(), X[0], y, ValueError, "Reshape your data"),
    (SparseAdditive(), X, y[:-1], ValueError, "as many samples, got 20 and 19"),
    (SparseAdditive(), X, None, ValueError, "requires y"),
    (SparseAdditive(), X * np.nan, y, ValueError, "Input X contains NaN"),
    (SparseAdditive(), X * 1j, y, ValueError, "Complex data not supported"),
    (SparseAdditive("aic"), X, y, ValueError, "lam must be a number or one of"),
    (SparseAdditive(-1), X, y, ValueError, "lam must be 0 or more"),
    (SparseAdditive(smoother="loess"), X, y, ValueError, "'spline' or 'kernel', got 'loess'"),
    (SparseAdditive(smoother="kernel", groups=[0, 0, 1, 1]), X, y, ValueError, "groups need smoother 'spline'"),
    (SparseAdditiveClassifier(), X, y, ValueError, "needs two classes, not measurements"),
    (SparseAdditiveClassifier(), X, np.arange(20) % 3, ValueError, "Only binary classification"),
    (SparseAdditiveClassifier(), X, np.ones(20), ValueError, "got 1 class"),
]


@pytest.mark.parametrize(("model", "X", "y", "error", "told"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_fitted_is_told(model, X, y, error, told):
    with pytest.raises(error, match=told):
        model.fit(X, y)


def test_nothing_is_predicted_before_a_fit_or_from_other_columns():
    with pytest.raises(ValueError, match="not fitted yet"):
        SparseAdditive().predict(X)
    with pytest.raises(ValueError, match="X has 2 features, but SparseAdditive is expecting 4"):
        SparseAdditive(0.1).fit(X, y).predict(X[:, :2])
