import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope import CMR, Kronecker, LanguageModel, Recipe
from refdope.data import Batches
from refdope.models import evaluate
from refdope.training import SGD, Adam, Annealer, CubicRamp, LinearDecay, Trainer

PATTERN = np.tile(np.array([0, 1, 2, 3, 4, 5, 4, 3, 2, 1], dtype=np.int32), 60)


def made(optimizer=None, seed=0, lr=0.02, cmr=None, **how):
    rng = np.random.default_rng(seed)
    recipe = Recipe(Kronecker, 2, doped=True, cmr=cmr)
    m = LanguageModel.from_recipe(6, 8, recipe, rng, dropout=0.1).astype(np.float32)
    batches = Batches(PATTERN, 10, 4)
    annealer = Annealer(m, recipe, CubicRamp(10, 40, 5))
    return Trainer(
        m, batches, optimizer or Adam(), LinearDecay(lr, 60, 90), np.random.default_rng(seed), annealer, **how
    )


def test_a_pattern_is_learnt():
    t = made()
    first = t.update()
    for _ in range(90):
        last = t.update()
    assert first > 1.5
    assert last < 0.5
    assert evaluate(t.model, Batches(PATTERN, 10, 4)) < 0.4


def test_sgd_learns_too():
    t = made(SGD(), lr=2.0)
    losses = [t.update() for _ in range(90)]
    assert losses[-1] < 0.5 * losses[0]


def test_same_seed_same_bits():
    one, two, other = (made(seed=seed, cmr=CMR(0.2)) for seed in (3, 3, 4))
    losses = [[t.update() for _ in range(50)] for t in (one, two, other)]
    assert losses[0] == losses[1] != losses[2]
    for name, a in one.model.params.items():
        assert_array_equal(a, two.model.params[name])


def test_the_state_is_carried_until_the_text_begins_again():
    t = made()
    n = len(t.batches)
    for _ in range(n):
        t.update()
    assert t.state is not None
    carried = t.state
    seen = []
    forward = t.model.forward
    t.model.forward = lambda x, y, state, rng: seen.append(state) or forward(x, y, state, rng)
    t.update()
    t.update()
    assert seen[0] is None
    assert seen[1] is not carried
    assert seen[1] is not None


def test_evaluate_is_the_mean_over_all_tokens_however_the_text_is_cut():
    m = made().model.astype(np.float64)
    tokens = PATTERN[:43]
    one = evaluate(m, Batches(tokens, 100, 1))
    assert evaluate(m, Batches(tokens, 5, 1)) == pytest.approx(one, rel=1e-12)
    assert evaluate(m, Batches(tokens, 1, 1)) == pytest.approx(one, rel=1e-12)


def test_divergence_stops_with_the_parameters_of_before():
    t = made()
    t.update()
    t.model.softmax.b[0] = np.nan
    before = {name: a.copy() for name, a in t.model.params.items()}
    with pytest.raises(FloatingPointError, match="training diverged: the gradient's norm is nan at step 1"):
        t.update()
    for name, a in t.model.params.items():
        assert_array_equal(a, before[name])


def test_weight_decay_is_of_the_overlay_alone():
    plain, decayed = made(SGD(clip=100.0), lr=0.5), made(SGD(clip=100.0), lr=0.5, l2_overlay=0.1)
    before = {name: a.copy() for name, a in plain.model.params.items()}
    assert plain.descend() == decayed.descend()
    for name, a in plain.model.params.items():
        step = 0.5 * 0.1 * before[name] if name.endswith(".overlay") else 0
        np.testing.assert_allclose(decayed.model.params[name], a - step, rtol=1e-5, atol=1e-7)


def test_structure_and_overlay_are_trained_in_turns():
    t = made(SGD(), lr=0.5, alternate=2)
    matrices = [name for name in t.model.params if name.startswith("layers.0.W")]
    for turn in ("structure", "structure", "overlay", "overlay", "structure"):
        before = {name: a.copy() for name, a in t.model.params.items()}
        t.descend()
        moved = {name for name, a in t.model.params.items() if not np.array_equal(a, before[name])}
        overlays = {name for name in matrices if name.endswith(".overlay")}
        assert moved & set(matrices) == (overlays if turn == "overlay" else set(matrices) - overlays)
        assert "softmax.W" in moved
        assert "layers.0.b" in moved
