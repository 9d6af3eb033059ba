from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope import CMR, Dense, Kronecker, LanguageModel, Overlay, Recipe, SparseOverlay, Stack
from refdope.data import Batches
from refdope.training import Adam, Annealer, CubicRamp, LinearDecay, Trainer

FACTOR = 3
RECIPE = Recipe(Kronecker, FACTOR, doped=True)
RAMP = CubicRamp(4, 20, 4)


def model(kind=Kronecker, doped=True, cmr=None):
    rng = np.random.default_rng(0)
    factor = 1 if kind is Dense else FACTOR
    return LanguageModel.from_recipe(7, 10, Recipe(kind, factor, doped=doped, cmr=cmr), rng, layers=2)


def trainer(m, annealer):
    tokens = np.random.default_rng(1).integers(0, 7, 400).astype(np.int32)
    return Trainer(m, Batches(tokens, 5, 4), Adam(), LinearDecay(0.01, 20, 40), np.random.default_rng(2), annealer)


def test_the_ramp_is_zhu_and_guptas_cubic():
    ramp = CubicRamp(100, 1100, 100)
    s_f = 0.95
    for step in range(0, 1400, 50):
        s = 1 - ramp.kept(step, 10_000, 500) / 10_000
        t = min(max(step, 100), 1100)
        assert s == pytest.approx(s_f + (0 - s_f) * (1 - (t - 100) / 1000) ** 3, abs=1e-4)
    assert [step for step in range(1400) if ramp.due(step)] == list(range(200, 1101, 100))
    kept = [ramp.kept(step, 10_000, 500) for step in range(1400)]
    assert kept == sorted(kept, reverse=True)
    assert (kept[0], kept[-1]) == (10_000, 500)


def test_the_last_step_is_due_whatever_the_interval():
    assert [step for step in range(30) if CubicRamp(3, 20, 6).due(step)] == [9, 15, 20]


@pytest.mark.parametrize("ramp", [(5, 5, 1), (-1, 4, 1), (0, 4, 0)])
def test_bad_ramps_are_refused(ramp):
    with pytest.raises(ValueError, match="needs 0 <= start < end and interval >= 1, got"):
        CubicRamp(*ramp)


@pytest.mark.parametrize("kind", [Kronecker, None])
def test_training_ends_with_exactly_the_budget_in_csr(kind):
    m = model(kind)
    t = trainer(m, Annealer(m, RECIPE, RAMP))
    for step in range(1, 31):
        t.update()
        for name, W in m.matrices.items():
            m_n, rest = W.shape[0] * W.shape[1], W.n_params - W.overlay.n_params
            due = max([s for s in range(step + 1) if RAMP.due(s)], default=0)
            assert W.overlay.n_params == RAMP.kept(due, m_n, int(m_n / FACTOR) - rest)
            assert isinstance(W.overlay, SparseOverlay if step >= RAMP.end else Overlay)
            for moments in t.optimizer.arrays.values():
                assert moments[f"{name}.overlay"].shape == W.overlay.params["overlay"].shape
    for W in m.matrices.values():
        assert W.n_params == int(W.shape[0] * W.shape[1] / FACTOR)
        assert W.factor >= FACTOR


def test_what_was_dropped_stays_zero_and_its_moments_with_it():
    m = model()
    t = trainer(m, Annealer(m, RECIPE, RAMP))
    for _ in range(RAMP.end - 1):
        t.update()
        for name, W in m.matrices.items():
            dead = ~W.overlay.mask
            assert not W.overlay.values[dead].any()
            assert not any(table[f"{name}.overlay"][dead].any() for table in t.optimizer.arrays.values())


def test_the_switch_to_csr_changes_neither_loss_nor_course():
    runs = []
    for to_csr in (True, False):
        m = model().astype(np.float64)
        annealer = Annealer(m, RECIPE, RAMP)
        t = trainer(m, annealer)
        if not to_csr:
            m.to_csr = lambda: None  # what stays an Overlay trains on under its mask
            t.optimizer.remap = lambda name, follow, done=t.optimizer.remap: done(name, _masks_only(follow))
        losses = [t.update() for _ in range(30)]
        runs.append(losses)
    assert runs[0] == pytest.approx(runs[1], rel=1e-9)


def _masks_only(follow):
    def only(a):
        followed = follow(a)
        return followed if followed.shape == a.shape else a

    return only


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", {0: 0.4, 4: 0.4, 12: 0.4, 20: 0.4, 25: 0.4}),
        ("ramp", {0: 0.4, 4: 0.4, 12: 0.4, 19: 0.4, 20: 0.0, 25: 0.0}),
        ("annealed", {0: 0.4, 4: 0.4, 12: 0.2, 20: 0.0, 25: 0.0}),
    ],
)
def test_the_rate_of_cmr_follows_its_schedule(schedule, rates):
    m = model(cmr=CMR(0.4, "both"))
    t = trainer(m, Annealer(m, RECIPE, RAMP, schedule))
    for step in range(26):
        if step:
            t.update()
        if step in rates:
            assert [W.cmr.rate for W in m.matrices.values()] == pytest.approx([rates[step]] * 4)
            assert {W.cmr.rows for W in m.matrices.values()} == {"both"}


def test_a_model_without_overlays_is_left_alone():
    m = model(Dense, doped=False)
    t = trainer(m, Annealer(m, RECIPE, RAMP))
    for _ in range(21):
        t.update()
    assert all(W.overlay is None for W in m.matrices.values())


def test_out_of_reach_and_unknown_schedules_are_refused():
    m = model()
    with pytest.raises(ValueError, match=r"layers.0.Wx: factor 30 leaves 13 parameters to W, 40 x 10, but"):
        Annealer(m, replace(RECIPE, factor=30), RAMP)
    with pytest.raises(ValueError, match=r"layers.0.Wx: factor 1000 leaves no entry"):
        Annealer(model(None), replace(RECIPE, factor=1000), RAMP)
    m = model()
    m.layers[0].Wh = Stack([Overlay.dense((10, 10), np.random.default_rng(0)) for _ in range(4)])
    with pytest.raises(ValueError, match=r"layers.0.Wh has overlays within a Stack; dope the stack"):
        Annealer(m, RECIPE, CubicRamp(0, 1, 1))
    with pytest.raises(ValueError, match="cmr must be one of constant, ramp, annealed, got 'never'"):
        Annealer(m, RECIPE, RAMP, "never")


def test_pruning_takes_the_smallest_of_each_matrix():
    m = model(None)
    before = {name: W.overlay.values.copy() for name, W in m.matrices.items()}
    annealer = Annealer(m, RECIPE, CubicRamp(0, 1, 1))
    assert not annealer.update(Adam(), 0)
    assert annealer.update(Adam(), 1)
    for name, W in m.matrices.items():
        size = np.abs(before[name])
        edge = np.sort(size.ravel())[-W.n_params]
        assert_array_equal(W.to_dense(), np.where(size >= edge, before[name], 0))
