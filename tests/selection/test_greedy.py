import numpy as np

from refdope.selection import Spline, backfit, forward
from tests.selection.data import additive


def test_components_come_in_by_what_they_explain_and_the_refit_is_backfitting():
    X, y = additive(150, 10)
    found = forward(X, y, df=3, most=4)
    S = np.stack([Spline(x, 3).weights(x) for x in X.T])
    R, inside = y - y.mean(), []
    for k in range(4):
        gains = np.sqrt(((S @ R) ** 2).mean(1))
        gains[inside] = 0
        assert found.order[k] == gains.argmax()
        inside.append(found.order[k])
        R = y - y.mean() - backfit(y, S[inside], 0.0, tol=1e-11).sum(0)
        assert found.loss[k + 1] == np.float64((R**2).mean() / 2) or abs(found.loss[k + 1] - (R**2).mean() / 2) < 1e-9
    np.testing.assert_array_equal(found.df, [0, 3, 6, 9, 12])
    assert set(found.order[:2]) == {0, 2}


def test_it_stops_before_nothing_is_left_to_fit():
    X, y = additive(12, 10)
    assert forward(X, y, df=3).df.max() < 11
    assert len(forward(X, np.ones(12)).order) == 0
