"""What is special to the other structures: what they are, what they can reach, what they refuse."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope import Recipe
from refdope.structures import HMD, LMF, Dense, Stack

rng = np.random.default_rng(0)


def test_lmf_is_u_at_v_and_takes_the_highest_rank_that_fits():
    U, V = rng.standard_normal((6, 2)), rng.standard_normal((2, 5))
    assert_array_equal(LMF(U, V).to_dense(), U @ V)
    W = LMF.for_compression((2600, 650), 25, rng)
    assert W.U.shape == (2600, 20)
    assert np.linalg.norm(W.U) == pytest.approx(np.linalg.norm(W.V))
    assert LMF.for_compression((9, 3), 1, rng).U.shape[1] == 2


def test_hmd_is_free_rows_above_a_block_of_rank_one():
    A, b, c = rng.standard_normal((2, 5)), rng.standard_normal(4), rng.standard_normal(5)
    assert_array_equal(HMD(A, b, c).to_dense(), np.vstack([A, np.outer(b, c)]))
    W = HMD.for_compression((650, 650), 25, rng)
    assert W.A.shape == (24, 650)
    assert np.linalg.norm(W.b) == pytest.approx(np.linalg.norm(W.c))
    assert HMD.for_compression((4, 5), 1, rng).A.shape == (2, 5)


def test_hmd_without_free_rows_is_of_rank_one():
    W = HMD.for_compression((4, 6), 2.4, rng)
    assert W.A.shape == (0, 6)
    assert np.linalg.matrix_rank(W.to_dense()) == 1


def test_a_stack_names_its_parameters_by_place():
    W = Stack([Dense(np.ones((2, 3))), LMF(np.ones((4, 1)), np.ones((1, 3)))])
    assert set(W.params) == {"0.W", "1.U", "1.V"}
    assert W.shape == (6, 3)
    assert W.macs == 6 + 7


def test_a_stack_of_one_kind_is_made_for_a_factor_part_by_part():
    W = Recipe(HMD, 1.5, stacked=True).matrix((20, 9), rng, gates=4)
    assert [type(part) for part in W.matrices] == [HMD] * 4
    assert {part.shape for part in W.matrices} == {(5, 9)}
    assert Recipe(HMD, 1.2, stacked=True, doped=True).matrix((20, 9), rng, gates=4).structure.n_params <= 180 / 2.4


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Dense(np.zeros(3)), r"Dense: W must have 2 axes, got shape \(3,\)"),
        (lambda: Dense.for_compression((4, 3), 2, rng), "factor 2 is out of reach .*at most 1 "),
        (lambda: Dense.for_compression((4, 3), 0.5, rng), "factor must be a finite number from 1 up, got 0.5"),
        (lambda: Dense.for_compression((4, 3), np.nan, rng), "factor must be a finite number from 1 up, got nan"),
        (lambda: Dense.for_compression((0, 3), 1, rng), r"shape must be two positive numbers, got \(0, 3\)"),
        (lambda: LMF(np.zeros((4, 2)), np.zeros((3, 5))), r"U must have as many columns as V has rows, got"),
        (lambda: LMF.for_compression((4, 3), 2, rng), r"out of reach for shape \(4, 3\): at most 1.714 \(7 parameters"),
        (lambda: HMD(np.zeros((4, 2)), np.zeros(3), np.zeros(5)), "c must have as many entries as A has columns"),
        (lambda: HMD.for_compression((4, 1), 1, rng), r"out of reach for shape \(4, 1\): no compression can be had"),
        (lambda: HMD.for_compression((4, 3), 2, rng), "at most 1.714 "),
        (lambda: Stack([Dense(np.zeros((2, 3))), Dense(np.zeros((2, 4)))]), "must share their number of columns"),
        (lambda: Stack([]), "matrices must be at least one"),
        (
            lambda: Recipe(Dense, stacked=True).matrix((6, 3), rng),
            "6 rows do not divide into 4 equal parts",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_line(make, says):
    with pytest.raises(ValueError, match=says) as refused:
        make()
    assert "\n" not in str(refused.value)
