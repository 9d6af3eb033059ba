import numpy as np
import pytest

from refdope.selection import group_path, spline_path
from refdope.selection.additive import bases
from refdope.selection.descent import Squares, violation
from refdope.selection.groups import group_design, members
from tests.selection.data import additive

LABELS = ["b", "a", "b", "a", "c", "c", "d", "d", "d", "e", "e", "f"]


def test_groups_come_and_go_whole_and_kkt_holds():
    X, y = additive()
    path = group_path(X, y, LABELS, df=3, n_lambdas=8)
    design = group_design(bases(X, 3), LABELS)
    assert path.norms.shape == (8, 6)
    for lam, b in zip(path.lambdas, path.coef):
        assert violation(design, Squares(y), lam, b).max() < 1e-8
        own = np.abs(b[1:]).reshape(12, 3).max(1)  # covariates in the order of their groups
        sizes = [2, 2, 2, 3, 2, 1]
        inside = [part.any() for part in np.split(own > 0, np.cumsum(sizes)[:-1])]
        assert inside == [part.all() for part in np.split(own > 0, np.cumsum(sizes)[:-1])]


def test_groups_of_one_are_spam():
    X, y = additive()
    one, other = group_path(X, y, range(12), n_lambdas=5), spline_path(X, y, n_lambdas=5)
    np.testing.assert_allclose(one.coef, other.coef, atol=1e-9)


def test_labels_must_be_one_a_column():
    with pytest.raises(ValueError, match="label for each of the 3 columns, got shape \\(2,\\)"):
        members([0, 1], 3)
    assert [group.tolist() for group in members(["y", "x", "y"], 3)] == [[1], [0, 2]]


def test_a_group_in_is_pulled_at_with_lambda_times_the_root_of_its_size():
    X, y = additive()
    path = group_path(X, y, LABELS, df=3, n_lambdas=8)
    splines, k = bases(X, 3), 3
    blocks = [np.concatenate([splines[j].basis for j in own], axis=1) for own in members(LABELS, 12)]
    fit = y.mean() + np.concatenate(blocks, axis=1) @ path.coef[k][1:]
    pull = np.array([np.linalg.norm(block.T @ (y - fit)) / len(y) for block in blocks])
    most = path.lambdas[k] * np.sqrt([2, 2, 2, 3, 2, 1])
    inside = path.norms[k] > 0
    assert inside.any()
    assert not inside.all()
    np.testing.assert_allclose(pull[inside], most[inside], atol=1e-8)
    assert (pull[~inside] <= most[~inside]).all()
