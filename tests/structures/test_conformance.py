"""The contract of `refdope.structures.base`, for every structure."""

import re
from copy import copy
from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from refdope.structures import CMR, STRUCTURES, Doped, Kronecker, Overlay, SparseOverlay, Stack, Structure
from tests.structures.conformance import (
    BASE,
    SHAPES,
    B,
    Case,
    T,
    cases,
    made,
    pairwise,
    reachable,
    right_gradient,
    thinnest,
)

every = pytest.mark.parametrize("case", cases(), ids=str)
unsampled = pytest.mark.parametrize("case", [c for c in cases() if c.lead is None], ids=str)
DTYPES = {np.float32: 1e-4, np.float64: 1e-12, np.complex128: 1e-12}


def times(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y = W x row by row, for one W or one W for every row."""
    return np.einsum("...mn,...n->...m", W, x)


def drawn(case: Case, lead: tuple[int, ...] | None = None, dtype=np.complex128) -> tuple[np.ndarray, np.ndarray]:
    """Draw x and dy, with imaginary parts unless told otherwise, so that a conjugate shows."""
    rng, lead = np.random.default_rng(0), case.leads[0] if lead is None else lead
    x, dy = (rng.standard_normal((*lead, size, 2)) @ [1, 1j] for size in case.W.shape[::-1])
    return (x, dy) if dtype == np.complex128 else (x.real.astype(dtype), dy.real.astype(dtype))


def same(found: dict[str, np.ndarray], right: dict[str, np.ndarray], tolerance: float = 1e-12) -> None:
    assert found.keys() == right.keys()
    for name, a in right.items():
        assert found[name].shape == a.shape
        assert_allclose(found[name], a, rtol=tolerance, atol=tolerance * 10, err_msg=name)


def test_every_kind_can_be_made_where_blocks_are_larger_than_two():
    for kind in STRUCTURES:
        assert thinnest(made(kind, BASE)) > 2, kind.__name__


def test_sampled_cases_hold_every_pair_of_values():
    axes = [0, 1, 2], [0, 1], [0, 1, 2, 3]
    cover = pairwise(*axes)
    for i, j in combinations(range(3), 2):
        assert {(one[i], one[j]) for one in cover} == set(product(axes[i], axes[j]))
    assert len(cover) < 3 * 2 * 4


@every
def test_forward_is_the_product_with_the_dense_matrix(case: Case):
    complex_weights = {name: a * (1 + 0.5j) for name, a in case.W.params.items()}
    for W in (case.W, case.W.replace(complex_weights)):
        for lead in case.leads:
            x, _ = drawn(case, lead)
            assert_allclose(W.forward(x), times(W.to_dense(), x), rtol=1e-12, atol=1e-12)


@every
def test_adjoint_is_the_product_with_the_plain_transpose(case: Case):
    complex_weights = {name: a * (1 + 0.5j) for name, a in case.W.params.items()}
    for W in (case.W, case.W.replace(complex_weights)):
        for lead in case.leads:
            _, dy = drawn(case, lead)
            assert_allclose(W.adjoint(dy), times(np.swapaxes(W.to_dense(), -1, -2), dy), rtol=1e-12, atol=1e-12)


@every
def test_gradient_is_that_of_the_dense_matrix(case: Case):
    for lead in case.leads:
        x, dy = drawn(case, lead)
        same(case.W.gradient(x, dy), right_gradient(case.W, x, dy))


@every
def test_backward_is_adjoint_and_gradient_at_once(case: Case):
    for lead in case.leads:
        x, dy = drawn(case, lead)
        dx, grads = case.W.backward(x, dy)
        assert dx.shape == x.shape
        assert_allclose(dx, times(np.swapaxes(case.W.to_dense(), -1, -2), dy), rtol=1e-12, atol=1e-12)
        same(grads, right_gradient(case.W, x, dy))
    says = "x and dy must share their leading axes" if case.W.lead is None else "sampled for leading axes"
    with pytest.raises(ValueError, match=says):
        case.W.backward(x, dy[None])


@every
def test_dtypes_are_kept_and_the_numbers_with_them(case: Case):
    for dtype, tolerance in DTYPES.items():
        W = case.W.astype(dtype)
        for lead in case.leads:
            x, dy = drawn(case, lead, dtype)
            y, dx, grads, both = W.forward(x), W.adjoint(dy), W.gradient(x, dy), W.backward(x, dy)
            assert {a.dtype for a in (y, dx, *grads.values(), both[0], *both[1].values())} == {np.dtype(dtype)}
            assert_allclose(y, times(case.W.to_dense(), x), rtol=tolerance, atol=tolerance)
            assert_allclose(dx, times(np.swapaxes(case.W.to_dense(), -1, -2), dy), rtol=tolerance, atol=tolerance)
            same(grads, right_gradient(case.W, x, dy), tolerance)


@every
def test_inputs_and_upstream_gradients_are_left_alone_and_results_are_new(case: Case):
    x, dy = drawn(case, dtype=np.float64)
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


@unsampled
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


@unsampled
def test_saved_params_and_constants_make_the_same_matrix_again(case: Case):
    params = {name: a.copy() for name, a in case.W.params.items()}
    again = case.W.replace(params, {name: a.copy() for name, a in case.W.constants.items()})
    assert_array_equal(again.to_dense(), case.W.to_dense())
    for name, a in again.constants.items():
        assert a.dtype == case.W.constants[name].dtype
        assert not np.shares_memory(a, case.W.constants[name])


def test_an_overlay_is_loaded_in_the_storage_that_it_was_saved_in():
    dense = Overlay.dense((9, 4), np.random.default_rng(0))
    pruned = {form: made(kind, (9, 4)) for form, kind in (("masked", Overlay), ("csr", SparseOverlay))}
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
    assert W.factor == pytest.approx(W.shape[0] * W.shape[1] / W.n_params)
    assert type(W).__name__ in repr(W)


class Counted:
    """A number that counts the products of two numbers that are not zero; a zero of a mask is no work."""

    products = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __mul__(self, other):
        Counted.products += self.value != 0 != other.value
        return Counted(self.value * other.value)

    def __add__(self, other):
        return Counted(self.value + getattr(other, "value", other))

    __radd__ = __add__


@unsampled
def test_macs_are_the_multiplications_that_a_forward_pass_makes(case: Case):
    try:
        assert case.W.macs == counted(case.W)
    except TypeError:  # a transform of SciPy's takes no numbers that count: its file tells how its work is reckoned
        assert isinstance(case.W.macs, int)
        assert case.W.macs > 0


def counted(W: Structure) -> int:
    """Count the multiplications of W x by running them over numbers that count; TypeError where that cannot be."""
    if isinstance(W, Stack):
        return sum(counted(own) for own in W.matrices)
    if isinstance(W, Doped):
        return counted(W.structure) + counted(W.overlay)
    if isinstance(W, SparseOverlay):  # SciPy multiplies no objects
        return int(np.count_nonzero(W.to_dense()))
    number, made = np.vectorize(Counted, otypes=[object]), copy(W)
    parameters = {id(a) for a in W.params.values()}
    for name, a in vars(W).items():
        if id(a) in parameters:
            setattr(made, name, number(a) if a.size else a.astype(object))  # the constructor takes no objects
    before = Counted.products
    made._forward(number(np.ones((1, W.shape[1]))))
    return Counted.products - before


@unsampled
def test_nbytes_are_those_of_all_arrays_that_it_holds(case: Case):
    held: dict[int, np.ndarray] = {}

    def walk(found) -> None:
        if isinstance(found, np.ndarray):
            held[found.__array_interface__["data"][0]] = found
        elif isinstance(found, list):
            for one in found:
                walk(one)
        elif isinstance(found, Structure | csr_array):
            walk(list(vars(found).values()))

    walk(case.W)
    assert case.W.nbytes == sum(a.nbytes for a in held.values())


@unsampled
def test_reach_is_how_far_a_step_of_a_parameter_moves_the_matrix(case: Case):
    """It is the spectral norm of ∂W/∂p, here by central differences."""
    params, h = case.W.params, 1e-4
    assert list(case.W.reach()) == list(params)
    for name, far in case.W.reach().items():
        columns = []
        for k in range(params[name].size):
            step = np.zeros(params[name].size)
            step[k] = h
            ends = [{**params, name: params[name] + sign * step.reshape(params[name].shape)} for sign in (1, -1)]
            up, down = (case.W.replace(end).to_dense() for end in ends)
            columns.append((up - down).ravel() / (2 * h))
        assert far == pytest.approx(np.linalg.norm(np.array(columns), 2), rel=1e-6), name


@pytest.mark.parametrize("kind", [*STRUCTURES, Overlay, SparseOverlay])
@pytest.mark.parametrize("shape", SHAPES)
def test_for_compression_stays_within_its_budget_and_has_the_spread_that_was_asked_for(kind, shape):
    m, n = shape
    for factor in (1, 1.5, 3):
        if factor not in reachable(kind, shape):
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
    x, dy = drawn(case)
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
@pytest.mark.parametrize("form", ["doped", "doped CSR"])
def test_the_mean_of_many_sampled_passes_is_the_deterministic_one(rows, form):
    W = made(Kronecker, (12, 6), form, CMR(0.3, rows))
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
    x = np.random.default_rng(0).standard_normal((T, B, 6))
    W = {form: made(Kronecker, (12, 6), form, CMR(0.3, rows)) for form in ("doped", "doped CSR")}
    y = {
        (form, dtype): own.astype(dtype).sample(np.random.default_rng(2), (T, B)).forward(x.astype(dtype))
        for form, own in W.items()
        for dtype in (np.float32, np.float64)
    }
    for form in W:
        assert_allclose(y[form, np.float32], y[form, np.float64], rtol=1e-4, atol=1e-5)
    if rows != "elements":  # whose masks have the shape of the values
        assert_allclose(y["doped", np.float64], y["doped CSR", np.float64], rtol=1e-12, atol=1e-12)
