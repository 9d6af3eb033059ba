import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.structures import Overlay, SparseOverlay


def overlay(values, mask=None) -> Overlay:
    values = np.array(values, dtype=np.float64)
    return Overlay(values, np.ones(values.shape, dtype=bool) if mask is None else np.array(mask, dtype=bool))


def test_what_the_mask_hides_is_zero_and_the_callers_array_is_left_alone():
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    S = Overlay(values, np.array([[True, False], [False, True]]))
    assert_array_equal(S.to_dense(), [[1, 0], [0, 4]])
    assert_array_equal(values, [[1, 2], [3, 4]])
    assert Overlay(S.values, S.mask).values is S.values  # no copy where none is needed


def test_prune_keeps_exactly_the_largest_among_those_alive():
    S = overlay([[5, -1, 3], [-4, 2, 0.5]])
    S.prune(3)
    assert_array_equal(S.mask, [[1, 0, 1], [1, 0, 0]])
    assert_array_equal(S.to_dense(), [[5, 0, 3], [-4, 0, 0]])
    S.values[0, 0] = 0.0  # an entry that is alive may be small; a dead one does not come back
    S.prune(2)
    assert_array_equal(S.mask, [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("keep", range(9))
def test_ties_go_to_the_lowest_index_and_the_count_is_exact(keep):
    S = overlay([[1, -1, 2, 1], [1, 2, -1, 1]])
    S.prune(keep)
    order = [2, 5, 0, 1, 3, 4, 6, 7]
    assert set(np.flatnonzero(S.mask)) == set(order[:keep])
    assert S.n_params == keep


def test_prune_ranks_among_the_alive_only_and_zeros_may_be_alive():
    S = overlay([[0, 0, 0], [0, 0, 7]], [[1, 0, 1], [1, 0, 1]])
    S.prune(3)
    assert_array_equal(S.mask, [[1, 0, 1], [0, 0, 1]])


def test_prune_works_in_place_on_the_values_and_leaves_earlier_masks_alone():
    S = overlay([[3, 1], [2, 4]])
    values, mask, twin = S.params["overlay"], S.mask, S.replace(S.params)
    S.prune(2)
    assert S.params["overlay"] is values
    assert mask.all()
    assert twin.mask.all()
    with pytest.raises(ValueError, match="keep must be from 0 to 2, the entries alive, got 3"):
        S.prune(3)
    with pytest.raises(ValueError, match="keep must be from 0 to 2"):
        S.prune(-1)


def test_to_csr_has_the_masks_pattern_zeros_included():
    S = overlay([[1, 0, 3], [0, 0, 0]], [[1, 1, 0], [0, 0, 1]])
    sparse = S.to_csr()
    assert_array_equal(sparse.to_dense(), S.to_dense())
    assert_array_equal(sparse.params["overlay"], S.values[S.mask])
    assert sparse.n_params == S.n_params == 3
    assert_array_equal(sparse.constants["indices"], [0, 1, 2])
    assert_array_equal(sparse.constants["indptr"], [0, 2, 3])
    assert {a.dtype for a in sparse.constants.values()} == {np.dtype(np.int32)}
    assert sparse.overlay is sparse
    assert sparse.to_csr() is sparse


def test_csr_values_are_updated_in_place_forwards_and_backwards():
    sparse = overlay([[1, 0], [2, 3]], [[1, 0], [1, 1]]).to_csr()
    sparse.params["overlay"][:] = [10, 20, 30]
    assert_array_equal(sparse.forward(np.array([1.0, 1.0])), [10, 50])
    assert_array_equal(sparse.adjoint(np.array([1.0, 1.0])), [30, 30])


def test_bytes_count_the_indices():
    S = overlay(np.ones((10, 20)))
    assert S.nbytes == 200 * 8 + 200
    S.prune(10)
    assert S.to_csr().nbytes == 10 * 8 + 10 * 4 + 11 * 4


def test_an_empty_overlay_is_zero_both_ways():
    S = overlay(np.ones((3, 2)))
    S.prune(0)
    for form in (S, S.to_csr()):
        assert not form.forward(np.ones((4, 2))).any()
        assert form.adjoint(np.ones((4, 3))).shape == (4, 2)
        assert form.n_params == 0
        assert form.factor == 6


def test_bad_arguments_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"values must have 2 axes, got shape \(3,\)"):
        Overlay(np.zeros(3), np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match=r"mask must be a bool array of shape \(2, 3\), got bool of shape \(3, 2\)"):
        Overlay(np.zeros((2, 3)), np.ones((3, 2), dtype=bool))
    with pytest.raises(ValueError, match=r"mask must be a bool array .* got float64"):
        Overlay(np.zeros((2, 3)), np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"csr must be a scipy\.sparse CSR array, got ndarray"):
        SparseOverlay(np.zeros((2, 3)))
