"""The contract of `refdope.structures.base`, for every structure."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope.gradcheck import complex_step, stencil
from refdope.structures import CMR, STRUCTURES, Doped, Overlay, SparseOverlay
from tests.structures.conformance import SHAPES, B, Case, T, cases, half, made, overlays

LEADS = [(), (0,), (1,), (T, B)]

every = pytest.mark.parametrize("case", cases(), ids=str)
unsampled = pytest.mark.parametrize("case", [c for c in cases() if c.lead is None], ids=str)


def times(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y = W x row by row, for one W or one W for every row."""
    return np.einsum("...mn,...n->...m", W, x)


def test_every_kind_can_be_made_in_some_shape():
    for kind in STRUCTURES:
        assert any(made(kind, shape) for shape in SHAPES), kind.__name__


@unsampled
def test_forward_adjoint_and_gradient_are_those_of_the_dense_matrix(case: Case):
    rng, (m, n), W = np.random.default_rng(0), case.W.shape, case.W.to_dense()
    assert W.shape == (m, n)
    for lead in LEADS:
        x, dy = rng.standard_normal((*lead, n)), rng.standard_normal((*lead, m))
        assert_allclose(case.W.forward(x), x @ W.T, rtol=1e-12, atol=1e-12)
        assert_allclose(case.W.adjoint(dy), dy @ W, rtol=1e-12, atol=1e-12)
        for name, gradient in case.W.gradient(x, dy).items():
            assert gradient.shape == case.W.params[name].shape


@every
def test_a_pass_is_the_product_with_the_matrix_of_every_row(case: Case):
    rng, (m, n) = np.random.default_rng(0), case.W.shape
    x, dy, W = case.rows(n, rng), case.rows(m, rng), case.W.to_dense()
    assert_allclose(case.W.forward(x), times(W, x), rtol=1e-12, atol=1e-12)
    assert_allclose(case.W.adjoint(dy), times(np.swapaxes(W, -1, -2), dy), rtol=1e-12, atol=1e-12)


@every
def test_adjoint_is_the_transpose_by_the_dot_test(case: Case):
    rng, (m, n) = np.random.default_rng(1), case.W.shape
    x, y = case.rows(n, rng), case.rows(m, rng)
    left, right = np.vdot(case.W.forward(x), y), np.vdot(x, case.W.adjoint(y))
    scale = np.linalg.norm(x) * np.linalg.norm(y) * np.abs(case.W.to_dense()).max(initial=1)
    assert abs(left - right) <= 1e-12 * max(scale, 1e-300)


@every
def test_backward_is_adjoint_and_gradient_at_once(case: Case):
    rng, (m, n) = np.random.default_rng(1), case.W.shape
    x, dy = case.rows(n, rng), case.rows(m, rng)
    dx, grads = case.W.backward(x, dy)
    assert dx.shape == x.shape
    assert_allclose(dx, case.W.adjoint(dy), rtol=1e-12, atol=1e-13)
    expected = case.W.gradient(x, dy)
    assert grads.keys() == expected.keys()
    for name, g in grads.items():
        assert_allclose(g, expected[name], rtol=1e-12, atol=1e-13)
    says = "x and dy must share their leading axes" if case.W.lead is None else "sampled for leading axes"
    with pytest.raises(ValueError, match=says):
        case.W.backward(x, dy[None])


@every
def test_gradient_agrees_with_complex_step_and_stencil(case: Case):
    rng, (m, n) = np.random.default_rng(2), case.W.shape
    x, dy = case.rows(n, rng), case.rows(m, rng)

    def loss(params):
        y = case.W.replace(params).forward(x)
        return (dy * (y + y**2 / 3)).sum()

    weighed = case.W.gradient(x, dy * (1 + 2 * case.W.forward(x) / 3))  # by dloss/dy
    assert set(weighed) == set(case.W.params)
    for oracle, tolerance in ((complex_step, 1e-11), (stencil, 1e-8)):
        for name, numeric in oracle(loss, case.W.params).items():
            assert weighed[name].shape == numeric.shape
            error = np.abs(weighed[name] - numeric).max(initial=0)
            assert error <= tolerance * np.abs(numeric).max(initial=0), (oracle.__name__, name)


@every
def test_inputs_and_upstream_gradients_are_left_alone_and_results_are_new(case: Case):
    rng, (m, n) = np.random.default_rng(3), case.W.shape
    x, dy = case.rows(n, rng), case.rows(m, rng)
    x_before, dy_before = x.copy(), dy.copy()
    before = {name: a.copy() for name, a in (case.W.params | case.W.constants).items()}
    y, dx, gradient = case.W.forward(x), case.W.adjoint(dy), case.W.gradient(x, dy)
    assert_array_equal(x, x_before)
    assert_array_equal(dy, dy_before)
    for name, a in (case.W.params | case.W.constants).items():
        assert_array_equal(a, before[name])
        assert not any(np.shares_memory(a, new) for new in (y, dx, *gradient.values()))
    assert not np.shares_memory(y, x)
    assert not np.shares_memory(dx, dy)
    assert_array_equal(case.W.forward(x), y)  # and asking again gives the same


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtypes_are_kept(case: Case, dtype):
    rng, (m, n) = np.random.default_rng(4), case.W.shape
    W, x, dy = case.W.astype(dtype), case.rows(n, rng, dtype), case.rows(m, rng, dtype)
    assert W.forward(x).dtype == dtype
    assert W.adjoint(dy).dtype == dtype
    assert {g.dtype for g in W.gradient(x, dy).values()} == {np.dtype(dtype)}
    assert_allclose(W.forward(x), case.W.forward(x), rtol=1e-4, atol=1e-4)


@every
def test_params_constants_and_replace_go_round(case: Case):
    W = case.W
    again = W.replace(W.params)
    assert list(again.params) == list(W.params)
    assert {name: a.shape for name, a in again.params.items()} == {name: a.shape for name, a in W.params.items()}
    for name, a in W.params.items():
        assert again.params[name] is a or np.shares_memory(again.params[name], a), "replace must not copy"
    assert set(again.constants) == set(W.constants)
    for name, a in W.constants.items():
        assert_array_equal(again.constants[name], a)
    assert_array_equal(again.to_dense(), W.to_dense())
    for a in W.replace({name: a.copy() for name, a in W.params.items()}).params.values():
        assert not any(np.shares_memory(a, old) for old in W.params.values())


@every
def test_saved_params_and_constants_make_the_same_matrix_again(case: Case):
    params = {name: a.copy() for name, a in case.W.params.items()}
    again = case.W.replace(params, {name: a.copy() for name, a in case.W.constants.items()})
    assert_array_equal(again.to_dense(), case.W.to_dense())
    for name, a in again.constants.items():
        assert a.dtype == case.W.constants[name].dtype
        assert not np.shares_memory(a, case.W.constants[name])


def test_an_overlay_is_loaded_in_the_storage_that_it_was_saved_in():
    dense = Overlay.dense((9, 4), np.random.default_rng(0))
    pruned = overlays((9, 4))
    for saved in pruned.values():
        loaded = dense.replace(saved.params, saved.constants)
        assert type(loaded) is type(saved)
        assert_array_equal(loaded.to_dense(), saved.to_dense())
    assert isinstance(pruned["csr"].replace(dense.params, dense.constants), Overlay)


@unsampled
def test_params_are_updated_in_place(case: Case):
    W = case.W.replace({name: a.copy() for name, a in case.W.params.items()})
    before = W.to_dense().copy()
    for a in W.params.values():
        a *= 0
    assert before.any()
    assert not W.to_dense().any()
    assert not W.forward(np.ones(W.shape[1])).any()


@unsampled
def test_sizes(case: Case):
    W = case.W
    assert 0 < W.n_params <= sum(a.size for a in W.params.values())
    assert W.macs >= 1
    assert W.nbytes == sum(a.nbytes for a in (*W.params.values(), *W.constants.values()))
    assert W.factor == pytest.approx(W.shape[0] * W.shape[1] / W.n_params)
    assert type(W).__name__ in repr(W)


@pytest.mark.parametrize("kind", [*STRUCTURES, Overlay, SparseOverlay])
@pytest.mark.parametrize("shape", SHAPES)
def test_for_compression_stays_within_its_budget_and_has_the_spread_that_was_asked_for(kind, shape):
    m, n = shape
    for factor in (1, 1.5, 3):
        if f"{kind.__name__} {m}x{n} at {factor}" not in dict(made(kind, shape)):
            with pytest.raises(ValueError, match=re.escape(f"factor {factor:g} is out of reach for shape {shape}")):
                kind.for_compression(shape, factor, np.random.default_rng(0))
            continue
        W = kind.for_compression(shape, factor, np.random.default_rng(0), std=0.25)
        assert W.shape == shape
        assert W.n_params <= m * n / factor
        assert W.factor >= factor
        assert np.sqrt(np.mean(W.to_dense() ** 2)) == pytest.approx(0.25, rel=1e-9)


@pytest.mark.parametrize("kind", STRUCTURES)
def test_for_compression_is_the_same_for_the_same_seed(kind):
    one, two, other = (kind.for_compression((6, 4), 1, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert_array_equal(one.to_dense(), two.to_dense())
    assert not np.array_equal(one.to_dense(), other.to_dense())


@unsampled
def test_wrong_axes_are_refused_in_one_line(case: Case):
    m, n = case.W.shape
    for call, size in ((case.W.forward, n), (case.W.adjoint, m)):
        for shape in ((2, size + 1), (size - 1,), ()):
            with pytest.raises(ValueError, match=rf"must be \(…, {size}\) for W of shape \({m}, {n}\), got shape"):
                call(np.ones(shape))
    with pytest.raises(ValueError, match=r"leading axes, got \(2,\) and \(3,\)"):
        case.W.gradient(np.ones((2, n)), np.ones((3, m)))


@unsampled
def test_what_is_not_random_is_its_own_sample(case: Case):
    x = np.ones((T, B, case.W.shape[1]))
    drawn = case.W.sample(np.random.default_rng(0), (T, B))
    assert_array_equal(drawn.forward(x), case.W.forward(x))
    assert_array_equal(drawn.at(1).forward(x[1]), case.W.forward(x[1]))


@pytest.mark.parametrize("case", [c for c in cases() if c.lead == (T, B)], ids=str)
def test_the_hoisted_pass_is_the_step_by_step_one(case: Case):
    rng, (m, n) = np.random.default_rng(6), case.W.shape
    x, dy = case.rows(n, rng), case.rows(m, rng)
    y, dx = case.W.forward(x), case.W.adjoint(dy)
    steps = [case.W.at(t) for t in range(T)]
    for t, step in enumerate(steps):
        assert_allclose(step.forward(x[t]), y[t], rtol=1e-13, atol=1e-13)
        assert_allclose(step.adjoint(dy[t]), dx[t], rtol=1e-13, atol=1e-13)
    hoisted = case.W.gradient(x, dy)
    stepwise = [step.gradient(x[t], dy[t]) for t, step in enumerate(steps)]
    for name in hoisted:
        assert_allclose(hoisted[name], sum(g[name] for g in stepwise), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in cases() if c.lead == (T, B) and "per sequence" in str(c)], ids=str)
def test_a_mask_a_sequence_is_the_same_at_all_steps(case: Case):
    for t in range(1, T):
        assert_array_equal(case.W.at(t).to_dense(), case.W.at(0).to_dense())


@pytest.mark.parametrize("case", [c for c in cases() if c.lead == (T, B) and "per step" in str(c)], ids=str)
def test_a_mask_a_step_differs_from_step_to_step(case: Case):
    same = all(np.array_equal(case.W.at(t).to_dense(), case.W.at(0).to_dense()) for t in range(1, T))
    assert same == ("elements" in str(case))  # elements are dropped once a pass


@pytest.mark.parametrize("rows", ["both", "sparse", "exclusive", "elements"])
@pytest.mark.parametrize("form", ["masked", "csr"])
def test_the_mean_of_many_sampled_passes_is_the_deterministic_one(rows, form):
    W = doped(rows, form)
    N, x = 4000, np.random.default_rng(0).standard_normal(W.shape[1])
    rng = np.random.default_rng(1)
    if rows == "elements":  # one mask a pass
        y = np.array([W.sample(rng, ()).forward(x) for _ in range(N)])
    else:
        y = W.sample(rng, (N,)).forward(np.tile(x, (N, 1)))
    standard_error = y.std(0) / N**0.5  # zero for a row without entries in S, if only S is sampled
    assert standard_error.any()
    assert (np.abs(y.mean(0) - W.forward(x)) <= 4.5 * standard_error + 1e-12).all()


@pytest.mark.parametrize("rows", ["both", "sparse", "exclusive", "elements"])
def test_a_seed_draws_the_same_masks_in_every_dtype_and_storage(rows):
    x = np.random.default_rng(0).standard_normal((T, B, 4))
    y = {
        (form, dtype): doped(rows, form).astype(dtype).sample(np.random.default_rng(2), (T, B)).forward(x.astype(dtype))
        for form in ("masked", "csr")
        for dtype in (np.float32, np.float64)
    }
    for form in ("masked", "csr"):
        assert_allclose(y[form, np.float32], y[form, np.float64], rtol=1e-4, atol=1e-5)
    if rows != "elements":  # whose masks have the shape of the values
        assert_allclose(y["masked", np.float64], y["csr", np.float64], rtol=1e-12, atol=1e-12)


def doped(rows: str, form: str) -> Doped:
    structure = half(STRUCTURES[0].for_compression((9, 4), 1, np.random.default_rng(0)))
    return Doped(structure, overlays((9, 4))[form], CMR(0.3, rows))
