import numpy as np
import pytest

from refdope.selection import pictures, quantile_path
from refdope.selection.estimators import GreedyAdditive, SparseAdditive, SparseAdditiveClassifier
from tests.selection.data import additive, binary


@pytest.mark.parametrize("model", [SparseAdditive(), GreedyAdditive(3), SparseAdditiveClassifier()], ids=str)
def test_every_function_that_is_in_is_drawn_over_its_data(model):
    X, y = binary() if isinstance(model, SparseAdditiveClassifier) else additive(100, 6)
    model.fit(X, y)
    figure = pictures.components(model, X, y, list("abcdefgh")[: X.shape[1]])
    drawn = np.argsort(-model.norms_)[: np.count_nonzero(model.norms_)]
    assert [axes.get_xlabel() for axes in figure.axes] == ["abcdefgh"[j] for j in drawn]
    data, line = figure.axes[0].lines[:2]
    assert len(data.get_xdata()) == len(X)
    x = line.get_xdata()
    at = np.interp(X[:, drawn[0]], x, line.get_ydata())
    np.testing.assert_allclose(at, model.components_[:, drawn[0]], atol=0.05)


def test_a_constant_fit_says_so():
    X, y = additive(50, 4)
    assert "no function is left" in pictures.components(SparseAdditive(1e3).fit(X, y), X, y).get_suptitle()


def test_norms_are_drawn_against_lambda_and_the_chosen_is_marked():
    X, y = additive(100, 6)
    model = SparseAdditive().fit(X, y)
    axes = pictures.norm_path(model.path_, list("abcdef"), model.chosen_)
    named = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(named["a"], model.path_.norms[:, 0])
    assert axes.lines[-1].get_xdata()[0] == model.lam_


def test_quantile_paths_are_steps_from_zero():
    X, y = additive(40, 4)
    path = quantile_path(X, y, range(4), 0.3)
    axes = pictures.quantile_steps(path, list("abcd"))
    line = axes.lines[0]
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(line.get_ydata()[1:-1], path.coef[:, 0])
    assert line.get_ydata()[0] == 0
    fits = [(0.1, 0.0, 1.0), (0.9, 1.0, 2.0)]
    lines = pictures.quantile_lines(X[:, 0], y, fits).lines
    assert [line.get_label() for line in lines[1:]] == ["τ = 0.1", "τ = 0.9"]
    assert not pictures.quantile_steps(quantile_path(0 * X, y, range(4), 0.3), list("abcd")).get_legend()
