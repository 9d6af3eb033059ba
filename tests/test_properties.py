"""What must hold of everything that can be made, over drawn shapes, factors, densities, masks, storages and dtypes.

Each property is tried on 25 examples, always the same, and in the slow suite on 2,000 others every time. What is drawn
are sizes, choices and seeds, so that the example that hypothesis prints is all one needs to make it again.

Gradients are held against the complex step in one direction v over all arrays at once: Im f(p + i h v) / h = ⟨g, v⟩.
Every array of v is scaled by its gradient, so that none hides behind a larger one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from refdope import CMR, LSTM, Doped, LanguageModel, Overlay, Stack
from refdope.layers import Dropout, Embedding, Softmax
from refdope.structures import STRUCTURES, Structure

EFFORTS = {
    "quick": settings(max_examples=25, derandomize=True, deadline=None, database=None),
    "slow": settings(max_examples=2000, deadline=None, database=None, print_blob=True),
}


def holds_for(**drawn: st.SearchStrategy) -> Callable:
    """Make a property, a function of what is drawn, into a test with both efforts."""

    def made(holds: Callable) -> Callable:
        @pytest.mark.parametrize("effort", ["quick", pytest.param("slow", marks=pytest.mark.slow)])
        def test(effort: str) -> None:
            EFFORTS[effort](given(**drawn)(holds))()

        return test

    return made


# -------------------------------------------------------------------------------------------------------- what is drawn


@dataclass(frozen=True)
class Recipe:
    """How a matrix is made, of any shape."""

    kind: type[Structure] | None  # None: an overlay alone
    factor: float
    pieces: int  # more than one: so many under each other, not all equally tall
    density: float | None  # of the overlay; None: no overlay
    cmr: CMR | None
    csr: bool
    seed: int

    def of(self, shape: tuple[int, int]) -> Structure:
        rng = np.random.default_rng(self.seed)
        W = self._overlay(shape, rng)
        if self.kind is not None:
            assume(shape[0] >= self.pieces)
            heights = [len(rows) for rows in np.array_split(np.arange(shape[0]), self.pieces)]
            pieces = [self._piece((height, shape[1]), rng) for height in heights]
            structure = Stack(pieces) if self.pieces > 1 else pieces[0]
            W = structure if self.density is None else Doped(structure, W, self.cmr)
        return W.to_csr() if self.csr else W

    def _piece(self, shape: tuple[int, int], rng: np.random.Generator) -> Structure:
        """Make one at the factor, or at 1 if that is out of reach."""
        for factor in (self.factor, 1):
            try:
                return self.kind.for_compression(shape, factor, rng, 0.5)
            except ValueError:
                continue
        return assume(False)  # not for this shape

    def _overlay(self, shape: tuple[int, int], rng: np.random.Generator) -> Overlay:
        S = Overlay.dense(shape, rng, 0.5)
        S.prune(round((self.density or 0) * S.n_params))
        return S


size = st.integers(1, 12)
seed = st.integers(0, 2**32 - 1)
fraction = st.floats(0, 1)
rate = st.floats(0, 0.7)
few = st.integers(1, 3)
steps = st.integers(1, 5)
dtypes = st.sampled_from([np.float32, np.float64])
leads = st.lists(st.integers(0, 4), max_size=3).map(tuple)
cmrs = st.builds(
    CMR, rate, st.sampled_from(["both", "sparse", "exclusive", "elements"]), st.sampled_from(["step", "sequence"])
)
recipes = st.builds(
    Recipe,
    kind=st.sampled_from([*STRUCTURES, None]),
    factor=st.floats(1, 4),
    pieces=st.integers(1, 3),
    density=st.none() | fraction,
    cmr=st.none() | cmrs,
    csr=st.booleans(),
    seed=seed,
)


def moderate(V: int, H: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw W and b of a softmax that is never sure: where p comes near 1, p - 1 has few digits."""
    return rng.standard_normal((V, H)) / (2 * H**0.5), rng.standard_normal(V) / 2


# ----------------------------------------------------------------------------------------------------- what is compared


def check_gradient(loss: Callable, params: dict, grads: dict, rng: np.random.Generator) -> None:
    """Compare gradients with the complex step in one direction, to 1e-12 of the sum of the terms' sizes."""
    assert {name: g.shape for name, g in grads.items()} == {name: np.shape(a) for name, a in params.items()}
    sizes = {name: np.abs(g).max(initial=0) for name, g in grads.items()}
    least = 1e-3 * max(sizes.values()) or 1.0  # a gradient that has cancelled to less is rounding in part
    v = {name: rng.standard_normal(g.shape) / max(sizes[name], least) for name, g in grads.items()}
    expected = np.imag(loss({name: a + 1e-30j * v[name] for name, a in params.items()})) / 1e-30
    terms = np.concatenate([(g * v[name]).ravel() for name, g in grads.items()])
    assert abs(terms.sum() - expected) <= 1e-12 * np.abs(terms).sum(), (terms.sum(), expected)


def check_rounding(of: Callable, params: dict) -> None:
    """Compare what is computed from float32 arrays with the same in double, to a few hundred roundings."""
    single = {name: a.astype(np.float32) for name, a in params.items()}
    double = of({name: a.astype(np.float64) for name, a in single.items()})
    for name, a in of(single).items():
        assert a.dtype == np.float32, name
        assert double[name].dtype == np.float64, name
        assert close(a, double[name], 3e-5), name


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays agree, by the largest entry where that is above 1."""
    return a.shape == b.shape and np.abs(a - b).max(initial=0) <= tolerance * np.abs(b).max(initial=1)


def check(of: Callable, loss: Callable, params: dict, dtype: type, rng: np.random.Generator) -> None:
    """Check the gradients "d …" among what is computed from params; if single is asked for, also what it rounds to."""
    grads = {name.removeprefix("d "): a for name, a in of(params).items() if name.startswith("d ")}
    check_gradient(loss, params, grads, rng)
    if dtype is np.float32:
        check_rounding(of, params)


# ------------------------------------------------------------------------------------------------------- the properties


@holds_for(recipe=recipes, shape=st.tuples(size, size), lead=leads, dtype=dtypes, seed=seed)
def test_a_structure_keeps_the_contract(recipe, shape, lead, dtype, seed):
    rng, (m, n) = np.random.default_rng(seed), shape
    W = recipe.of(shape).sample(rng, lead)
    x, dy = rng.standard_normal((*lead, n)), rng.standard_normal((*lead, m))
    y, dx, dense = W.forward(x), W.adjoint(dy), W.to_dense()
    assert close(y, np.einsum("...mn,...n->...m", dense, x), 1e-13)
    assert close(dx, np.einsum("...mn,...m->...n", dense, dy), 1e-13)
    assert abs((y * dy).sum() - (x * dx).sum()) <= 1e-13 * max(1, np.linalg.norm(y) * np.linalg.norm(dy))
    for t in range(lead[0] if lead else 0):
        assert close(W.at(t).forward(x[t]), y[t], 1e-13)
        assert close(W.at(t).adjoint(dy[t]), dx[t], 1e-13)

    def of(p):  # ⟨dy, y + y³/3⟩: not linear in W, and 1 + y² never cancels
        own, x = W.replace(p), p["x"]
        y = own.forward(x)
        weighed = (dy * (1 + y**2)).astype(y.dtype)
        grads = own.gradient(x, weighed) | {"x": own.adjoint(weighed)}
        return {"y": y} | {f"d {name}": g for name, g in grads.items()}

    def loss(p):
        y = W.replace(p).forward(p["x"])
        return (dy * (y + y**3 / 3)).sum()

    check(of, loss, W.params | {"x": x}, dtype, rng)


@holds_for(recipe=recipes, shape=st.tuples(size, size), dtype=dtypes)
def test_params_and_constants_make_a_structure_again(recipe, shape, dtype):
    W = recipe.of(shape).astype(dtype)
    copies = [{name: a.copy() for name, a in arrays.items()} for arrays in (W.params, W.constants)]
    for again in (W.replace(W.params), W.replace(*copies)):
        assert type(again) is type(W)
        assert_array_equal(again.to_dense(), W.to_dense())
        for ours, theirs in ((again.params, W.params), (again.constants, W.constants)):
            assert list(ours) == list(theirs)
            for name, a in ours.items():
                assert a.dtype == theirs[name].dtype
                assert_array_equal(a, theirs[name])
        assert (again.n_params, again.macs, again.nbytes) == (W.n_params, W.macs, W.nbytes)
    assert_array_equal(W.to_csr().to_dense(), W.to_dense())


@holds_for(shape=st.tuples(size, size), dtype=dtypes, ties=st.integers(1, 5), keeps=st.lists(fraction), seed=seed)
def test_pruning_keeps_exactly_the_largest(shape, dtype, ties, keeps, seed):
    values = np.random.default_rng(seed).integers(-ties, ties + 1, shape).astype(dtype)
    S, before = Overlay(values.copy(), np.ones(shape, dtype=bool)), values.ravel()
    alive = list(range(values.size))
    for share in keeps:
        keep = round(share * len(alive))
        alive = sorted(sorted(alive, key=lambda k: (-abs(before[k]), k))[:keep])
        S.prune(keep)
        assert_array_equal(np.flatnonzero(S.mask), alive)
        assert_array_equal(S.values, np.where(S.mask, values, 0))
        assert S.n_params == keep
        assert_array_equal(S.to_csr().params["overlay"], before[alive])


@holds_for(
    Wx=recipes, Wh=recipes, D=size, H=few, T=steps, B=few, training=st.booleans(), started=st.booleans(), dtype=dtypes,
    seed=seed,
)  # fmt: skip
def test_an_lstm_has_the_gradients_of_its_loss(Wx, Wh, D, H, T, B, training, started, dtype, seed):
    rng = np.random.default_rng(seed)
    lstm = LSTM(Wx.of((4 * H, D)), Wh.of((4 * H, H)), rng.standard_normal(4 * H) / 2)
    params = lstm.params | {"x": rng.standard_normal((T, B, D)) / 2}
    if started:
        params |= {"h0": rng.standard_normal((B, H)) / 2, "c0": rng.standard_normal((B, H)) / 2}
    dh, dhT, dcT = rng.standard_normal((T, B, H)), rng.standard_normal((B, H)), rng.standard_normal((B, H))

    def run(p):
        state = (p["h0"], p["c0"]) if started else None
        return lstm.replace(p).forward(p["x"], state, np.random.default_rng(seed) if training else None)

    def of(p):
        h, (hT, cT), cache = run(p)
        dh_, dhT_, dcT_ = (a.astype(h.dtype) for a in (dh, dhT, dcT))
        dx, (dh0, dc0), grads = lstm.replace(p).backward(dh_, cache, (dhT_, dcT_))
        grads |= {"x": dx} | ({"h0": dh0, "c0": dc0} if started else {})
        return {"h": h, "hT": hT, "cT": cT} | {f"d {name}": g for name, g in grads.items()}

    def loss(p):
        h, (hT, cT), _ = run(p)
        return (h * dh).sum() + (hT * dhT).sum() + (cT * dcT).sum()

    check(of, loss, params, dtype, rng)


@holds_for(lead=leads, V=size, H=size, d_loss=st.floats(0.1, 3), dtype=dtypes, seed=seed)
def test_a_softmax_has_the_gradients_of_its_loss(lead, V, H, d_loss, dtype, seed):
    assume(np.prod(lead) > 0)
    rng = np.random.default_rng(seed)
    W, b = moderate(V, H, rng)
    params = {"W": W, "b": b, "h": rng.standard_normal((*lead, H))}
    targets = rng.integers(0, V, lead)

    def of(p):
        layer = Softmax(p["W"], p["b"])
        loss, cache = layer.forward(p["h"], targets)
        dh, grads = layer.backward(d_loss, cache)
        return {"loss": loss, "d h": dh} | {f"d {name}": g for name, g in grads.items()}

    check(of, lambda p: d_loss * Softmax(p["W"], p["b"]).forward(p["h"], targets)[0], params, dtype, rng)


@holds_for(lead=leads, V=size, D=size, dtype=dtypes, seed=seed)
def test_an_embedding_has_the_gradient_of_its_loss(lead, V, D, dtype, seed):
    rng = np.random.default_rng(seed)
    tokens, dx = rng.integers(0, V, lead), rng.standard_normal((*lead, D))

    def of(p):
        layer = Embedding(p["E"])
        x, cache = layer.forward(tokens)
        _, grads = layer.backward((2 * x * dx).astype(x.dtype), cache)
        return {"x": x, "d E": grads["E"]}

    def loss(p):
        return (dx * Embedding(p["E"]).forward(tokens)[0] ** 2).sum()

    check(of, loss, {"E": rng.standard_normal((V, D))}, dtype, rng)


@holds_for(shape=leads, rate=rate, dtype=dtypes, training=st.booleans(), seed=seed)
def test_a_dropout_has_the_gradient_of_its_loss(shape, rate, dtype, training, seed):
    rng, layer = np.random.default_rng(seed), Dropout(rate)
    dy = rng.standard_normal(shape)

    def run(p):
        return layer.forward(p["x"], np.random.default_rng(seed) if training else None)

    def of(p):
        y, keep = run(p)
        if keep is None:
            assert y is p["x"]
        else:
            assert close(y, np.where(keep, p["x"] / (1 - rate), 0), 1e-6)
        return {"y": y, "d x": layer.backward((2 * y * dy).astype(y.dtype), keep)}

    check(of, lambda p: (dy * run(p)[0] ** 2).sum(), {"x": rng.standard_normal(shape)}, dtype, rng)


@holds_for(
    weights=st.lists(st.tuples(recipes, recipes, few), min_size=1, max_size=2), V=size, D=few, T=steps, B=few,
    dropout=rate, d_loss=st.floats(0.1, 3), training=st.booleans(), started=st.booleans(), dtype=dtypes, seed=seed,
)  # fmt: skip
def test_a_language_model_has_the_gradients_of_its_loss(
    weights, V, D, T, B, dropout, d_loss, training, started, dtype, seed
):
    rng, layers, below = np.random.default_rng(seed), [], D
    for Wx, Wh, H in weights:
        layers.append(LSTM(Wx.of((4 * H, below)), Wh.of((4 * H, H)), rng.standard_normal(4 * H) / 2))
        below = H
    model = LanguageModel(
        Embedding(rng.standard_normal((V, D)) / 2), layers, Softmax(*moderate(V, below, rng)), dropout
    )
    tokens, targets = rng.integers(0, V, (2, T, B))
    start = [(rng.standard_normal((B, own.H)) / 2, rng.standard_normal((B, own.H)) / 2) for own in layers]

    def run(p):
        dtype = p["embedding"].dtype
        state = [(h.astype(dtype), c.astype(dtype)) for h, c in start] if started else None
        return model.replace(p).forward(tokens, targets, state, np.random.default_rng(seed) if training else None)

    def of(p):
        loss, _, cache = run(p)
        return {"loss": loss} | {f"d {name}": g for name, g in model.replace(p).backward(cache, d_loss).items()}

    check(of, lambda p: d_loss * run(p)[0], model.params, dtype, rng)
