"""`nearest`: each kind's best approximation of a given matrix, against optima that are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from refdope import HMD, LMF, Dense, Kronecker, Overlay, Recipe, Stack
from refdope.structures import Structure

rng = np.random.default_rng(0)
W = rng.standard_normal((12, 10))


def error(near: Structure, M=W) -> float:
    return float(np.linalg.norm(M - near.to_dense()))


def test_a_matrix_of_the_kind_is_found_again():
    for own in (
        Kronecker(rng.standard_normal((3, 5)), rng.standard_normal((4, 2))),
        LMF(rng.standard_normal((12, 3)), rng.standard_normal((3, 10))),
        HMD(rng.standard_normal((4, 10)), rng.standard_normal(8), rng.standard_normal(10)),
        Dense(W),
        Stack([LMF(rng.standard_normal((6, 1)), rng.standard_normal((1, 10))) for _ in range(2)]),
        Overlay.for_compression((12, 10), 4, rng),
    ):
        near = own.nearest(own.to_dense())
        assert type(near) is type(own)
        assert {n: a.shape for n, a in near.params.items()} == {n: a.shape for n, a in own.params.items()}
        assert_allclose(near.to_dense(), own.to_dense(), rtol=1e-9, atol=1e-11)


def test_the_nearest_kronecker_product_is_the_leading_singular_pair_of_the_rearranged_matrix():
    near = Kronecker(np.zeros((3, 5)), np.zeros((4, 2))).nearest(W)
    blocks = np.array([W[4 * i : 4 * i + 4, 2 * j : 2 * j + 2].ravel() for i in range(3) for j in range(5)])
    s = np.linalg.svd(blocks, compute_uv=False)
    assert error(near) == pytest.approx(np.sqrt((s[1:] ** 2).sum()))
    assert np.linalg.norm(near.A) == pytest.approx(np.linalg.norm(near.B))


def test_the_nearest_of_low_rank_is_the_truncated_svd():
    near = LMF(np.zeros((12, 3)), np.zeros((3, 10))).nearest(W)
    assert error(near) == pytest.approx(np.sqrt((np.linalg.svd(W, compute_uv=False)[3:] ** 2).sum()))


def test_no_step_in_the_neighbourhood_is_nearer():
    for like in (
        Kronecker(np.zeros((3, 5)), np.zeros((4, 2))),
        LMF(np.zeros((12, 2)), np.zeros((2, 10))),
        HMD(np.zeros((4, 10)), np.zeros(8), np.zeros(10)),
    ):
        near = like.nearest(W)
        for _ in range(20):
            moved = near.replace({n: a + 1e-3 * rng.standard_normal(a.shape) for n, a in near.params.items()})
            assert error(moved) > error(near)


def test_the_nearest_overlay_is_the_largest_entries():
    near = Overlay.for_compression((12, 10), 4, rng).nearest(W)
    kept = np.abs(W) >= np.sort(np.abs(W).ravel())[-30]
    assert_allclose(near.to_dense(), np.where(kept, W, 0))


@pytest.mark.parametrize("kind", [Kronecker, LMF])
def test_a_doped_matrix_is_nearer_than_either_part_and_keeps_its_size(kind):
    M = np.kron(rng.standard_normal((3, 5)), rng.standard_normal((4, 2))) + 0.05 * rng.standard_normal((12, 10))
    M[rng.integers(0, 12, 9), rng.integers(0, 10, 9)] += 5
    like = Recipe(kind, 2, doped=True).matrix((12, 10), rng)
    like.overlay.prune(60 - like.structure.n_params)
    near = like.nearest(M)
    assert near.n_params == like.n_params == 60
    assert error(near, M) < error(like.structure.nearest(M), M)
    one_round = like._nearest(M, rounds=1)
    assert error(near, M) <= error(one_round, M)


def test_kinds_without_a_nearest_say_so():
    class Odd(Dense):
        _nearest = Structure._nearest

    with pytest.raises(NotImplementedError, match="Odd: the nearest one to a given matrix is not known"):
        Odd(W).nearest(W)
