import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import CMR, HMD, LMF, Dense, Doped, Kronecker, Overlay, Recipe, Stack
from refdope.structures.recipe import options_of
from refdope.structures.sizes import Sizes
from refdope.structures.zero import Zero


def test_a_kind_may_be_given_by_its_name_as_on_the_command_line():
    assert Recipe("Kronecker", 3) == Recipe(Kronecker, 3)
    assert Recipe("none", 3, doped=True).kind is None
    with pytest.raises(ValueError, match="there is no structure 'kron'; there are dense, hmd, kronecker, lmf, none"):
        Recipe("kron", 3)


def test_an_integer_is_a_fine_rng():
    for made in (Recipe("kronecker", 3, doped=True).matrix, lambda s, rng: LMF.for_compression(s, 2, rng)):
        W, same, other = (made((24, 18), rng) for rng in (3, np.random.default_rng(3), 4))
        assert_array_equal(W.to_dense(), same.to_dense())
        assert not np.array_equal(W.to_dense(), other.to_dense())


def test_a_plain_matrix_is_the_largest_of_its_kind():
    assert_array_equal(
        Recipe(LMF, 3).matrix((24, 18), 0, 0.5).to_dense(), LMF.for_compression((24, 18), 3, 0, 0.5).to_dense()
    )


@pytest.mark.parametrize("gates", [3, 4])
def test_hmd_is_stacked_one_per_gate_unless_told_otherwise(gates):
    W = Recipe(HMD, 2).matrix((24, 18), 0, gates=gates)
    assert [part.shape for part in W.matrices] == [(24 // gates, 18)] * gates
    assert isinstance(Recipe(HMD, 2, stacked=False).matrix((24, 18), 0), HMD)
    assert isinstance(Recipe(LMF, 2, stacked=True).matrix((24, 18), 0), Stack)


def test_without_a_kind_it_is_an_overlay_that_cmr_can_drop_rows_of():
    assert isinstance(Recipe(None, 3, doped=True).matrix((8, 6), 0), Overlay)
    W = Recipe(None, 3, doped=True, cmr=CMR(0.2)).matrix((8, 6), 0)
    assert isinstance(W, Doped)
    assert isinstance(W.structure, Zero)


@pytest.mark.parametrize("kind", [Kronecker, LMF, HMD, None])
def test_what_is_kept_fills_the_budget(kind):
    recipe = Recipe(kind, 2, doped=True)
    W = recipe.matrix((24, 18), 0)
    W.overlay.prune(recipe.kept(W))
    assert W.n_params == 24 * 18 // 2
    assert recipe.kept(W) == W.overlay.n_params  # the same, wherever the overlay stands


@pytest.mark.parametrize("how", [{}, {"doped": True}, {"stacked": True}, {"doped": True, "stacked": True}])
@pytest.mark.parametrize("kind", [Kronecker, LMF, HMD, None])
def test_the_nearest_has_the_sizes_of_the_recipe_and_draws_nothing(kind, how):
    recipe = Recipe(kind, 2, **({"doped": True} if kind is None else {}) | how)
    M = np.random.default_rng(1).standard_normal((24, 18))
    near, drawn = recipe.nearest(M), recipe.matrix((24, 18), 0)
    if recipe.doped:
        drawn.overlay.prune(recipe.kept(drawn))
    assert (near.n_params, set(near.params)) == (drawn.n_params, set(drawn.params))
    assert np.linalg.norm(M - near.to_dense()) < np.linalg.norm(M)
    assert_array_equal(near.to_dense(), recipe.nearest(M).to_dense())
    if not recipe.doped:
        assert_allclose(recipe.nearest(near.to_dense()).to_dense(), near.to_dense(), atol=1e-12)  # it is its own


def test_options_are_the_keywords_of_a_kinds_sizes():
    assert options_of(Kronecker) == {"first": None}
    assert Recipe(Kronecker, 3, options={"first": (8, 3)}).matrix((24, 18), 0).A.shape == (8, 3)
    with pytest.raises(ValueError, match="Kronecker: there is no option 'block'; it has first"):
        Recipe(Kronecker, 3, options={"block": 8})
    with pytest.raises(ValueError, match="LMF: there is no option 'block'; it has none"):
        Recipe(LMF, 3, options={"block": 8})
    with pytest.raises(ValueError, match="first must be the shape of the first factor, such as 50x4, got 8"):
        Recipe(Kronecker, 3, options={"first": 8}).matrix((24, 18), 0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Recipe(Kronecker, 0.5), "factor must be a finite number from 1 up, got 0.5"),
        (lambda: Recipe(Kronecker, "20"), "factor must be a finite number from 1 up, got '20'"),
        (lambda: Recipe(Kronecker, 3, share=1.5), r"share must be in \[0, 1\], got 1.5"),
        (lambda: Recipe(None, 3), "kind None makes sense only with doped=True"),
        (lambda: Recipe(LMF, 3, cmr=CMR(0.1)), "cmr drops rows .* give doped=True"),
        (lambda: Recipe(None, 3, doped=True, options={"first": 1}), "without a kind there are no options, got first"),
        (
            lambda: Recipe(Dense, stacked=True).matrix((6, 3), 0),
            "6 rows do not divide into 4 equal parts, one per",
        ),
        (lambda: Recipe(LMF, 2).matrix((0, 3), 0), r"shape must be two positive numbers, got \(0, 3\)"),
        (lambda: Recipe(LMF, 100, doped=True).matrix((20, 10), 0), "doped at factor 100, half of it for the structure"),
        (
            lambda: Recipe(LMF, 30, doped=True).kept(Recipe(LMF, 2, doped=True).matrix((20, 10), 0)),
            r"factor 30 leaves 7 parameters to W, 20 x 10, but its structure alone has 30",
        ),
        (
            lambda: Recipe(None, 300, doped=True).kept(Recipe(None, 3, doped=True).matrix((20, 10), 0)),
            "factor 300 leaves no entry of W, 20 x 10",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make, says):
    with pytest.raises(ValueError, match=says) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_what_is_no_kind_is_refused():
    with pytest.raises(TypeError, match="kind must be a kind of structure, its name, or None, got 3"):
        Recipe(3, 2)
    with pytest.raises(TypeError, match=r"shape must be two integers \(m, n\), got 10"):
        Kronecker.for_compression(10, 3, 0)


def test_what_is_put_together_is_neither_sized_nor_drawn():
    for kind in (Stack, Doped, Zero):
        with pytest.raises(TypeError, match=f"{kind.__name__} is put together from other matrices"):
            kind.sizes((4, 4), 2)
        with pytest.raises(TypeError, match=f"{kind.__name__} is not drawn"):
            kind.drawn(Sizes({}), np.random.default_rng(0), 1.0)
    assert Sizes({"A": (3, 4), "b": (5,)}).n_params == 17
