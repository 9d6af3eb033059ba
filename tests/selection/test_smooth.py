import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from refdope.selection import LocalLinear, Spline


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=40)


@pytest.mark.parametrize("df", [1, 2, 3, 5, 8])
def test_a_basis_is_orthonormal_and_centred(x, df):
    spline = Spline(x, df)
    assert spline.basis.shape == (40, df)
    np.testing.assert_allclose(spline.basis.T @ spline.basis / 40, np.eye(df), atol=1e-12)
    np.testing.assert_allclose(spline.basis.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(spline(x), spline.basis, atol=1e-9)
    S = spline.weights(x)
    np.testing.assert_allclose(S @ S, S, atol=1e-9)
    assert np.trace(S) == pytest.approx(spline.trace)


def test_the_basis_spans_the_natural_cubics_of_its_knots(x):
    spline = Spline(x, 5)
    knots = spline.low + spline.width * spline.knots
    values = np.random.default_rng(1).normal(size=6)
    target = CubicSpline(knots, values, bc_type="natural")
    at = np.linspace(knots[0], knots[-1], 200)
    columns = np.column_stack([np.ones(200), spline(at)])
    left = target(at) - columns @ np.linalg.lstsq(columns, target(at), rcond=None)[0]
    assert np.abs(left).max() < 1e-9


def test_splines_are_lines_beyond_the_sample(x):
    far = Spline(x, 5)(np.array([10.0, 11.0, 12.0]))
    np.testing.assert_allclose(far[2] - far[1], far[1] - far[0], rtol=1e-8)


def test_few_values_give_few_functions():
    assert Spline(np.repeat([0.0, 1.0], 10), 5).trace == 1
    assert Spline(np.repeat([0.0, 1.0, 2.0], 10), 5).trace == 2
    assert Spline(np.full(10, 7.0), 5).trace == 0
    assert Spline(np.full(10, 7.0), 5)(np.array([1.0, 2.0])).shape == (2, 0)


def test_local_linear_smoothing_is_a_weighted_line_at_every_point(x):
    S = LocalLinear(x, 0.4)
    y = np.sin(x)
    for i in (0, 7, 31):
        w = np.sqrt(np.exp(-0.5 * ((x - x[i]) / 0.4) ** 2))
        Z = np.column_stack([np.ones(40), x - x[i]])
        line = np.linalg.lstsq(w[:, None] * Z, w * y, rcond=None)[0]
        assert S.matrix[i] @ y == pytest.approx(line[0], abs=1e-10)
    np.testing.assert_allclose(S.matrix @ (3 + 2 * x), 3 + 2 * x, atol=1e-10)
    assert S.trace == pytest.approx(np.trace(S.matrix))


def test_local_linear_far_away_and_on_one_value_stays_finite(x):
    assert np.isfinite(LocalLinear(x, 0.1).weights(np.array([1e4]))).all()
    np.testing.assert_allclose(LocalLinear(np.full(5, 2.0)).matrix, 0.2)
    assert LocalLinear(x).bandwidth == pytest.approx(0.6 * x.std() * 40**-0.2)


def test_settings_that_make_no_smoother_are_refused(x):
    with pytest.raises(ValueError, match="df must be 1"):
        Spline(x, 0)
    with pytest.raises(ValueError, match="bandwidth must be above 0"):
        LocalLinear(x, -1.0)
