import numpy as np
import pytest
from numpy.testing import assert_allclose

from refdope import LSTM, Recipe
from refdope.structures import Kronecker


@pytest.mark.parametrize("shapes", [((3, 5), (4, 2)), ((2, 7), (5, 3)), ((1, 4), (6, 1)), ((5, 1), (1, 3))])
def test_it_is_np_kron_of_unequal_rectangular_factors(shapes):
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal(shape) for shape in shapes)
    W, x = Kronecker(A, B), rng.standard_normal((4, shapes[0][1] * shapes[1][1]))
    assert_allclose(W.forward(x), x @ np.kron(A, B).T, rtol=1e-12, atol=1e-13)


def test_the_swapped_product_is_another_matrix():
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((3, 5)), rng.standard_normal((4, 2))
    assert not np.allclose(Kronecker(A, B).to_dense(), Kronecker(B, A).to_dense())


def test_factorings_are_all_pairs_of_divisors_with_fewer_parameters_than_the_matrix():
    found = Kronecker.factorings((12, 10))
    every = [
        (m1, n1, m2, n2) for m1 in range(1, 13) for n1 in range(1, 11) for m2 in range(1, 13) for n2 in range(1, 11)
    ]
    every = [f for f in every if f[0] * f[2] == 12 and f[1] * f[3] == 10 and f[0] * f[1] + f[2] * f[3] < 120]
    assert set(map(tuple, found)) == set(every)
    assert [f.n_params for f in found] == sorted(f.n_params for f in found)
    for f in found:
        A, B = (np.random.default_rng(0).standard_normal(s) for s in ((f.m1, f.n1), (f.m2, f.n2)))
        assert np.linalg.matrix_rank(np.kron(A, B)) == f.rank


def test_the_figures_of_the_medium_language_model():
    shape, rng = (2600, 1300), np.random.default_rng(0)
    fewest, full = Kronecker.factorings(shape)[0], Recipe(Kronecker, 25, doped=True).matrix(shape, rng).structure
    assert (fewest.n_params, fewest.rank) == (3690, 1040)
    assert (full.n_params, full.factoring.rank) == (3852, 1300)  # 52x26 and 50x50
    assert sorted([full.A.shape, full.B.shape]) == [(50, 50), (52, 26)]
    assert full.macs == 132_600


def test_full_rank_is_preferred_to_more_parameters():
    W = Kronecker.for_compression((24, 18), 5, np.random.default_rng(0))
    assert str(W.factoring) == "(8, 6) ⊗ (3, 3)"
    assert W.n_params == 57
    assert W.factoring.rank == np.linalg.matrix_rank(W.to_dense()) == 18
    fitting = [f for f in Kronecker.factorings((24, 18)) if f.n_params <= 24 * 18 / 5]
    assert max(fitting, key=lambda f: f.n_params).n_params == 78  # (8, 9) ⊗ (3, 2), of rank 16


def test_where_no_full_rank_fits_the_highest_does():
    W = Kronecker.for_compression((7, 5), 2.5, np.random.default_rng(0))
    assert (W.A.shape, W.B.shape, W.factoring.rank) == ((7, 1), (1, 5), 1)


def test_the_factors_are_balanced():
    W = Kronecker.for_compression((12, 10), 2, np.random.default_rng(0))
    assert np.linalg.norm(W.A) == pytest.approx(np.linalg.norm(W.B))


def test_macs_are_those_of_the_cheaper_order():
    for f in Kronecker.factorings((24, 18)):
        first_B = f.n1 * f.n2 * f.m2 + f.m1 * f.n1 * f.m2
        first_A = f.m1 * f.n1 * f.n2 + f.m1 * f.n2 * f.m2
        assert f.macs == min(first_A, first_B)


def test_refusals_say_what_can_be_had():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"factor 9 is out of reach for shape \(12, 10\): at most 5.455 \(22 param"):
        Kronecker.for_compression((12, 10), 9, rng)
    with pytest.raises(ValueError, match=r"its factorings: .*\(6, 2\) ⊗ \(2, 5\) \(5\.455x\)"):
        Kronecker.for_compression((12, 10), 5.5, rng)
    with pytest.raises(ValueError, match=r"shape \(1, 5\) has no factoring with fewer than 5 parameters"):
        Kronecker.for_compression((1, 5), 1, rng)
    with pytest.raises(ValueError, match=r"shape \(7, 5\) has no full-rank factoring with fewer than 35 parameters"):
        Recipe(Kronecker, 2, doped=True).matrix((7, 5), rng)
    with pytest.raises(
        ValueError, match=r"at most 100 \(400 parameters\) can be had; its full-rank factorings: \(20, 10\)"
    ):
        Recipe(Kronecker, 300, doped=True).matrix((400, 100), rng)
    with pytest.raises(ValueError, match=r"A must have 2 axes, got shape \(3,\)"):
        Kronecker(np.zeros(3), np.zeros((2, 2)))


def test_the_shape_of_the_first_factor_can_be_chosen():
    rng = np.random.default_rng(0)
    for doped in (False, True):

        def make(shape, factor, first, doped=doped):
            W = Recipe(Kronecker, factor, doped, options={"first": first}).matrix(shape, rng)
            return W.structure if doped else W

        W = make((24, 18), 3, first=(8, 3))
        assert (W.A.shape, W.B.shape, W.shape) == ((8, 3), (3, 6), (24, 18))
        with pytest.raises(ValueError, match=r"the first factor must divide those of \(24, 18\), got \(5, 3\)"):
            make((24, 18), 3, first=(5, 3))
        with pytest.raises(ValueError, match=r"factor 40 .*at most 10\.29 \(42 parameters\) .*\(8, 3\) ⊗ \(3, 6\)"):
            make((24, 18), 40, first=(8, 3))
    lstm = LSTM.from_recipe(18, 24, Recipe(Kronecker, 3, doped=True, options={"first": (8, 3)}), rng)
    assert [W.structure.A.shape for W in lstm.weights.values()] == [(8, 3), (8, 3)]
    stacked = LSTM.from_recipe(18, 24, Recipe(Kronecker, 3, stacked=True, options={"first": (8, 3)}), rng)
    assert [W.A.shape for W in stacked.Wx.matrices] == [(8, 3)] * 4
