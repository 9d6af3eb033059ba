"""Steps of factors: a rate of their own, and steps that do not depend on how factors share their product's scale."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from refdope import CMR, HMD, LMF, Kronecker, LanguageModel, Recipe
from refdope.data import Batches
from refdope.training import SGD, Adam, Annealer, CubicRamp, LinearDecay, Steps, Trainer

PATTERN = np.tile(np.array([0, 1, 2, 3, 4, 5, 4, 3, 2, 1], dtype=np.int32), 30)
PAIRS = {Kronecker: ("A", "B"), LMF: ("U", "V"), HMD: ("b", "c")}  # of which W is a product
MADE = {
    "alone": lambda kind: Recipe(kind, 2),
    "doped": lambda kind: Recipe(kind, 2, doped=True, cmr=CMR(0.2)),
    "one a gate": lambda kind: Recipe(kind, 2, stacked=True),
}


def trainer(recipe, optimizer, steps, c=1.0):
    """Return the trainer of a tiny LSTM in float64, the factors of its matrices scaled by c and 1 / c."""
    m = LanguageModel.from_recipe(6, 8, recipe, 0, dropout=0.1)
    one, other = PAIRS[recipe.kind]
    scale = {one: c, other: 1 / c}
    factors = {f"{name}.{p}": scale.get(p.rpartition(".")[2], 1.0) for name, W in m.matrices.items() for p in W.params}
    m = m.replace({name: a * factors.get(name, 1.0) for name, a in m.params.items()})
    annealer = Annealer(m, recipe, CubicRamp(3, 8, 2)) if recipe.doped else None
    rate = LinearDecay(0.02 if isinstance(optimizer, Adam) else 2.0, 60, 90)
    return Trainer(m, Batches(PATTERN, 10, 4), optimizer, rate, np.random.default_rng(1), annealer, steps=steps)


def matrices(t, updates=12):
    for _ in range(updates):
        t.update()
    return {name: W.to_dense() for name, W in t.model.matrices.items()}


@pytest.mark.parametrize("optimizer", [lambda: SGD(clip=0.1), lambda: SGD(clip=100.0), Adam])
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", PAIRS)
def test_scaled_steps_do_not_depend_on_how_the_scale_is_shared(kind, made, optimizer):
    recipe = MADE[made](kind)
    start = trainer(recipe, optimizer(), Steps()).model.matrices
    one, other = (matrices(trainer(recipe, optimizer(), Steps(0.5, "scaled"), c)) for c in (1.0, 7.0))
    plain = [matrices(trainer(recipe, optimizer(), Steps(), c)) for c in (1.0, 7.0)]
    for name in one:
        moved = np.linalg.norm(one[name] - start[name].to_dense())
        assert moved > 1e-2, "W moves"
        assert_allclose(other[name], one[name], rtol=1e-10, atol=1e-10)
        assert np.linalg.norm(plain[1][name] - plain[0][name]) > 0.1 * moved


def test_a_scaled_step_of_sgd_moves_a_product_by_the_rate_times_the_projected_gradient():
    """δW = -lr (P_A + P_B) dW to first order: the projections onto X ⊗ B and A ⊗ Y, by least squares."""
    t = trainer(Recipe(Kronecker, 2), SGD(clip=1e9), Steps(scaling="scaled"), c=3.0)
    t.learning_rate = lambda step: 1e-5
    before = {name: W.to_dense() for name, W in t.model.matrices.items()}
    W = t.model.matrices["layers.0.Wh"]
    A, B = W.A.copy(), W.B.copy()
    plain = trainer(Recipe(Kronecker, 2), SGD(clip=1e9), Steps(), c=3.0)
    _, _, cache = plain.model.forward(*plain.batches[0], None, plain.rng)
    grads = plain.model.backward(cache)  # dA = <dW, · ⊗ B>, whose norm is ‖B‖ ‖P_A dW‖
    t.descend()
    moved = t.model.matrices["layers.0.Wh"].to_dense() - before["layers.0.Wh"]
    dA, dB = grads["layers.0.Wh.A"], grads["layers.0.Wh.B"]
    expected = -1e-5 * (np.kron(dA, B) / np.vdot(B, B) + np.kron(A, dB) / np.vdot(A, A))
    assert_allclose(moved, expected, rtol=1e-3, atol=1e-9 * np.abs(expected).max() + 1e-11)


@pytest.mark.parametrize("made", MADE)
def test_the_rate_of_structures_is_of_them_alone(made):
    recipe = MADE[made](LMF)
    ours, plain = (trainer(recipe, SGD(clip=0.1), Steps(lr)) for lr in (0.25, 1.0))
    before = {name: a.copy() for name, a in plain.model.params.items()}
    ours.descend(), plain.descend()
    for name, a in plain.model.params.items():
        factor = 0.25 if name.startswith("layers.0.W") and not name.endswith("overlay") else 1.0
        assert_allclose(ours.model.params[name] - before[name], factor * (a - before[name]), rtol=1e-9, atol=1e-13)


def test_a_rate_of_zero_holds_the_structures_fast():
    t = trainer(Recipe(Kronecker, 2, doped=True), Adam(), Steps(0.0, "scaled"))
    before = {name: a.copy() for name, a in t.model.params.items()}
    matrices(t, 2)
    for name, a in t.model.params.items():
        assert np.array_equal(a, before[name]) == name.endswith((".A", ".B")), name


@pytest.mark.parametrize("kind", PAIRS)
def test_factors_that_are_zero_stay_so(kind):
    t = trainer(Recipe(kind, 2, doped=True, share=1.0), SGD(), Steps(scaling="scaled"))
    one, _ = PAIRS[kind]
    matrices(t, 2)
    for name, a in t.model.params.items():
        assert np.isfinite(a).all(), name
        if name.startswith("layers.0.W") and name.endswith(f".{one}"):
            assert not a.any()
