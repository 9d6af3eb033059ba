import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import Recipe
from refdope.structures import CMR, HMD, LMF, Dense, Doped, Kronecker, Overlay, Stack
from refdope.structures.cmr import DroppedElements, DroppedRows
from refdope.structures.zero import Zero


def doped(cmr=None, shape=(12, 10)) -> Doped:
    return Recipe(Kronecker, 3, doped=True, cmr=cmr).matrix(shape, np.random.default_rng(0))


def test_the_overlay_starts_dense_over_the_smallest_full_rank_product():
    W = doped()
    assert isinstance(W.structure, Kronecker)
    assert W.overlay.mask.all()
    assert W.n_params == 120 + W.structure.n_params
    full = [f for f in Kronecker.factorings((12, 10)) if f.rank == 10]
    assert W.structure.n_params == min(f.n_params for f in full)


@pytest.mark.parametrize(("kind", "how"), [(Kronecker, {}), (LMF, {}), (HMD, {"stacked": True})])
@pytest.mark.parametrize("share", [0.9, 0.5])
def test_the_variance_is_shared_as_asked_for(kind, how, share):
    W = Recipe(kind, 2, doped=True, share=share, **how).matrix((32, 20), np.random.default_rng(0), 0.3)
    assert np.mean(W.structure.to_dense() ** 2) == pytest.approx(0.3**2 * (1 - share))
    assert np.mean(W.overlay.to_dense() ** 2) == pytest.approx(0.3**2 * share)


def test_a_structure_under_an_overlay_takes_half_the_budget_unless_it_says_otherwise():
    W = Recipe(LMF, 2, doped=True).matrix((30, 20), np.random.default_rng(0))
    assert W.structure.n_params == 150  # rank 3; rank 6 fits the budget of 300


@pytest.mark.parametrize("rows", ["both", "sparse", "exclusive", "elements"])
def test_cmr_drops_what_it_says_and_scales_by_the_mean(rows):
    p, T, B = 0.4, 50, 40
    W = doped(CMR(p, rows))
    drawn = W.sample(np.random.default_rng(0), (T, B))
    if rows == "elements":
        keep = drawn.overlay.keep
        assert drawn.structure is W.structure
        assert isinstance(drawn.overlay, DroppedElements)
        assert_allclose(drawn.overlay.to_dense(), W.overlay.to_dense() * keep / (1 - p))
        return
    b2 = drawn.overlay.b
    assert b2.shape == (T, B, 12)
    assert b2.dtype == bool
    mean = 1 - p / 2 if rows == "exclusive" else 1 - p
    assert drawn.overlay.mean == mean
    assert b2.mean() == pytest.approx(mean, abs=0.01)
    if rows == "sparse":
        assert drawn.structure is W.structure
        return
    b1 = drawn.structure.b
    assert isinstance(drawn.structure, DroppedRows)
    assert b1.mean() == pytest.approx(mean, abs=0.01)
    neither, both = (~b1 & ~b2).mean(), (b1 & b2).mean()
    assert neither == (0 if rows == "exclusive" else pytest.approx(p**2, abs=0.01))
    assert both == pytest.approx(1 - p if rows == "exclusive" else (1 - p) ** 2, abs=0.01)


def test_a_mask_a_sequence_is_stored_once():
    drawn = doped(CMR(0.3, per="sequence")).sample(np.random.default_rng(0), (5, 4))
    assert drawn.overlay.b.shape == (5, 4, 12)
    assert drawn.overlay.b.strides[0] == 0


def test_without_cmr_or_at_rate_zero_nothing_is_sampled():
    for W in (doped(), doped(CMR(0.0))):
        assert W.sample(np.random.default_rng(0), (3, 2)) is W
        assert W.at(1) is W


def test_a_pass_is_bound_to_its_leading_axes():
    drawn = doped(CMR(0.3)).sample(np.random.default_rng(0), (3, 2))
    for W in (drawn, Stack([drawn, drawn])):
        with pytest.raises(ValueError, match=r"sampled for leading axes \(3, 2\), got x with \(2, 2\)"):
            W.forward(np.ones((2, 2, 10)))
        with pytest.raises(ValueError, match=r"got dy with \(2, 3\)"):  # as many rows, but whose masks are whose?
            W.adjoint(np.ones((2, 3, W.shape[0])))
        with pytest.raises(ValueError, match=r"got x with \(6,\)"):
            W.backward(np.ones((6, 10)), np.ones((6, W.shape[0])))
    with pytest.raises(ValueError, match=r"leading axes \(2,\), got x with \(3,\)"):
        drawn.at(0).forward(np.ones((3, 10)))


def test_the_switch_to_csr_keeps_the_matrix_and_the_cmr():
    W = doped(CMR(0.3))
    W.overlay.prune(20)
    sparse = W.to_csr()
    assert_array_equal(sparse.to_dense(), W.to_dense())
    assert sparse.cmr is W.cmr
    assert sparse.n_params == W.structure.n_params + 20
    assert set(sparse.constants) == {"indices", "indptr"}
    assert Dense(np.ones((2, 2))).to_csr().shape == (2, 2)


def test_a_stack_of_doped_matrices_is_sampled_and_switched_part_by_part():
    W = Stack([doped(CMR(0.3)), doped(CMR(0.3))])
    drawn, x = W.sample(np.random.default_rng(0), (3, 2)), np.random.default_rng(1).standard_normal((3, 2, 10))
    y = drawn.forward(x)
    assert not np.allclose(y, W.forward(x))
    for t in range(3):
        assert_allclose(drawn.at(t).forward(x[t]), y[t], rtol=1e-13)
    assert set(W.to_csr().constants) == {f"{k}.{name}" for k in (0, 1) for name in ("indices", "indptr")}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: CMR(1.0), r"rate must be in \[0, 1\), got 1.0"),
        (lambda: CMR(-0.1), r"rate must be in \[0, 1\), got -0.1"),
        (lambda: CMR(float("nan")), r"rate must be in \[0, 1\), got nan"),
        (lambda: CMR(0.1, "rows"), "rows must be one of both, sparse, exclusive, elements, got 'rows'"),
        (lambda: CMR(0.1, per="batch"), "per must be one of step, sequence, got 'batch'"),
        (
            lambda: Doped(Dense(np.zeros((2, 3))), Overlay.dense((3, 2), np.random.default_rng(0))),
            r"must share a shape, got \(2, 3\), \(3, 2\)",
        ),
        (
            lambda: Recipe(Kronecker, 3, doped=True, share=2),
            r"share must be in \[0, 1\]",
        ),
        (
            lambda: Doped(*[Overlay.dense((3, 2), np.random.default_rng(0))] * 2),
            "structure must not be an overlay itself, got <Overlay 3 x 2",
        ),
        (
            lambda: Doped(*[Dense(np.zeros((3, 2)))] * 2),
            "overlay must be an Overlay or a SparseOverlay, got <Dense 3 x 2",
        ),
        (lambda: Stack([]), "Stack: matrices must be at least one"),
        (
            lambda: LMF.for_compression((8, 6), 2, np.random.default_rng(0), std=-1.0),
            "std must be .* from 0 up, got -1",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_line(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_sampled_pass_is_as_large_as_its_matrix():
    rng = np.random.default_rng(0)
    W = Recipe(Kronecker, 3, doped=True, cmr=CMR(0.3)).matrix((12, 10), rng)
    W.overlay.prune(7)
    passed = W.sample(rng, (3, 2))
    assert (passed.n_params, passed.macs, passed.factor) == (W.n_params, W.macs, W.factor)


def test_a_sampled_pass_is_not_made_for_a_factor():
    with pytest.raises(TypeError, match="not made for a compression factor"):
        DroppedRows.for_compression((2, 3), 1, np.random.default_rng(0))


def test_zero_under_an_overlay_is_the_overlay():
    rng = np.random.default_rng(0)
    S, x, dy = Overlay.for_compression((6, 4), 3, rng), rng.standard_normal((5, 4)), rng.standard_normal((5, 6))
    W = Doped(Zero((6, 4)), S)
    assert (W.n_params, W.macs, set(W.params)) == (S.n_params, S.n_params, {"overlay"})
    assert_array_equal(W.to_dense(), S.to_dense())
    assert_array_equal(W.forward(x), S.forward(x))
    assert_array_equal(W.adjoint(dy), S.adjoint(dy))
    assert_array_equal(W.gradient(x, dy)["overlay"], S.gradient(x, dy)["overlay"])
