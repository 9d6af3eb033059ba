"""Arguments that are no arrays, or arrays that cannot be meant, are told by name."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from refdope import CMR, GRU, HMD, LMF, LSTM, Dense, JointLSTM, Kronecker, Overlay, Recipe, SparseOverlay
from refdope.layers import Dropout, Embedding, Softmax

A = np.ones((2, 3))
LAYER = LSTM.from_recipe(3, 2, Recipe(Dense), 0)
SEQUENCE = np.ones((4, 1, 3))
CACHE = LAYER.forward(SEQUENCE)[2]

CALLS = {
    "A": lambda bad: Kronecker(bad, A),
    "B": lambda bad: Kronecker(A, bad),
    "U": lambda bad: LMF(bad, A),
    "V": lambda bad: LMF(A.T, bad),
    "c": lambda bad: HMD(A, np.ones(1), bad),
    "W": lambda bad: Dense(bad),
    "values": lambda bad: Overlay(bad, A > 0),
    "mask": lambda bad: Overlay(A, bad),
    "M": lambda bad: Dense(A).nearest(bad),
    "b": lambda bad: LSTM(LAYER.Wx, LAYER.Wh, bad),
    "b ": lambda bad: JointLSTM(Dense(np.ones((8, 5))), bad),
    "bh": lambda bad: GRU(Dense(np.ones((6, 3))), Dense(np.ones((6, 2))), np.ones(6), bad),
    "x": lambda bad: LAYER.forward(bad),
    r"state\[0\]": lambda bad: LAYER.forward(SEQUENCE, (bad, bad)),
    "dh": lambda bad: LAYER.backward(bad, CACHE),
    "E": lambda bad: Embedding(bad),
    "tokens": lambda bad: Embedding(A).forward(bad),
    "dx": lambda bad: Embedding(A).backward(bad, np.zeros(3, int)),
    "h": lambda bad: Softmax(A, np.ones(2)).logits(bad),
    "targets": lambda bad: Softmax(A, np.ones(2)).forward(A, bad),
    "x ": lambda bad: Dropout(0.1).forward(bad, np.random.default_rng(0)),
}


@pytest.mark.parametrize("bad", [[[1.0, 2.0]], None, np.array(["a"])], ids=["list", "None", "text"])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_array_of_numbers_is_told_by_name(name, bad):
    with pytest.raises(TypeError, match=rf"{name.strip()} must be (a NumPy array|an array of numbers), got") as refused:
        CALLS[name](bad)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("call", ["forward", "adjoint"])
def test_products_take_lists_of_numbers_and_nothing_else(call):
    W = Dense(np.ones((3, 3)))
    assert getattr(W, call)([1, 2, 3]).shape == (3,)
    for bad in (None, ["a", "b", "c"], [None, 1, 2]):
        with pytest.raises(TypeError, match="must be an array of numbers"):
            getattr(W, call)(bad)


def test_the_nearest_is_asked_for_a_finite_matrix_of_ws_shape():
    W = Kronecker(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"Kronecker: M must be \(6, 6\), as W is, got shape \(6, 5\)"):
        W.nearest(np.ones((6, 5)))
    with pytest.raises(ValueError, match="M must be finite, got 1 others"):
        W.nearest(np.where(np.arange(36).reshape(6, 6) == 7, np.nan, 1.0))


@pytest.mark.parametrize(
    ("indices", "indptr"),
    [([0, 3], [0, 1, 2]), ([0, -5], [0, 1, 2]), ([0, 1], [0, 5, 2]), ([0, 1], [1, 1, 2]), ([0, 1], [0, 1, 9])],
    ids=["too large", "negative", "falling", "late", "too long"],
)
def test_a_csr_pattern_that_cannot_be_is_refused_before_it_is_read(indices, indptr):
    csr = csr_array((2, 3))
    csr.data, csr.indices, csr.indptr = np.ones(2), np.array(indices, np.int32), np.array(indptr, np.int32)
    with pytest.raises(ValueError, match=r"csr of shape \(2, 3\) has a pattern that cannot be"):
        SparseOverlay(csr)
    good = SparseOverlay(csr_array(A * [[1, 0, 0], [0, 0, 1]]))
    constants = {"indices": csr.indices, "indptr": csr.indptr}
    with pytest.raises(ValueError, match="SparseOverlay: "):
        good.replace({"overlay": np.ones(2)}, constants)


def test_nan_cannot_be_pruned_by_size():
    S = Overlay(np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]]), np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="values must be numbers, got NaN"):
        S.prune(2)
    assert S.mask.all()


def test_a_rate_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"CMR: rate must leave something, at most 0\.999985, got 0\.999999"):
        CMR(0.999999)
    assert CMR(1 - 2**-16).rate < 1


def test_a_sparse_overlay_is_its_own_overlay_and_can_be_drawn():
    S = SparseOverlay.for_compression((6, 4), 3, 0)
    assert S.overlay is S
    assert S.n_params == 8
    assert S.mapped(lambda part: part) is S
    again = S.over([array for _, array in S.children()])
    assert np.array_equal(again.to_dense(), S.to_dense())
