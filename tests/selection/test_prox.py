import numpy as np
import pytest
from scipy.optimize import minimize

from refdope.selection import group_l2, group_linf, project_l1


@pytest.fixture
def v():
    return np.random.default_rng(0).normal(size=(3, 4, 5))


@pytest.mark.parametrize(("prox", "norm", "dual"), [(group_l2, 2, 2), (group_linf, np.inf, 1)])
def test_the_prox_minimises_its_objective(prox, norm, dual, v):
    t = np.linspace(0.1, 4, 12).reshape(3, 4)
    u = prox(v, t)
    # optimality: v − u is t times a subgradient of the norm at u
    zero = ~u.any(-1)
    np.testing.assert_array_equal(zero, np.linalg.norm(v, dual, axis=-1) <= t)
    np.testing.assert_array_less(np.linalg.norm(v - u, dual, axis=-1), t + 1e-12)
    aligned = ((v - u) * u).sum(-1)
    np.testing.assert_allclose(aligned, t * np.linalg.norm(u, norm, axis=-1), atol=1e-12)
    assert zero.any()
    assert not zero.all()


def test_the_linf_prox_is_what_a_general_minimiser_finds():
    v = np.array([2.0, -1.9, 0.3, -2.5])

    def smooth(z):  # z = (u, bound)
        return ((z[:4] - v) ** 2).sum() / 2 + 1.3 * z[4]

    kept = [{"type": "ineq", "fun": lambda z, s=s: z[4] - s * z[:4]} for s in (1, -1)]
    found = minimize(smooth, np.append(v, 3.0), constraints=kept, method="SLSQP", options={"ftol": 1e-14})
    np.testing.assert_allclose(group_linf(v, 1.3), found.x[:4], atol=1e-6)


def test_projection_on_the_l1_ball(v):
    p = project_l1(v, 1.5)
    size = np.abs(v).sum(-1)
    np.testing.assert_allclose(np.abs(p).sum(-1), np.minimum(size, 1.5))
    np.testing.assert_array_equal(project_l1(v, 100.0), v)
    np.testing.assert_array_equal(project_l1(v, 0.0), np.zeros_like(v))


def test_dtypes_are_kept_and_entries_that_tie_are_shrunk_alike():
    v = np.array([[1, -1, 1]], np.float32)
    for prox in (group_l2, group_linf):
        assert prox(v, 0.3).dtype == np.float32
        assert len(np.unique(np.abs(prox(v, 0.3)))) == 1
    np.testing.assert_allclose(group_linf(v, 0.3), [[0.9, -0.9, 0.9]], rtol=1e-6)


@pytest.mark.parametrize(("v", "t"), [(np.ones(3), -1.0), (np.ones(3), np.nan), (np.ones(3, int), 1.0), (1.0, 1.0)])
def test_what_is_no_group_or_no_length_is_refused(v, t):
    with pytest.raises(ValueError, match="got"):
        group_l2(v, t)
