import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope.training import SGD, Adam, LinearDecay, ZarembaDecay


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {"a": rng.standard_normal((3, 2)), "b": rng.standard_normal(4)}


def test_sgd_steps_against_the_gradient_in_place():
    params, grads = arrays(), arrays(1)
    before = {k: a.copy() for k, a in params.items()}
    held = params["a"]
    SGD(clip=100).step(params, {k: g.copy() for k, g in grads.items()}, 0.1)
    assert params["a"] is held
    for k in params:
        assert_allclose(params[k], before[k] - 0.1 * grads[k], rtol=1e-14)


def test_clipping_is_by_the_norm_over_all_arrays():
    params, grads = arrays(), arrays(1)
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    before = {k: a.copy() for k, a in params.items()}
    assert SGD(clip=norm / 4).step(params, {k: g.copy() for k, g in grads.items()}, 1.0) == pytest.approx(norm)
    for k in params:
        assert_allclose(before[k] - params[k], grads[k] / 4, rtol=1e-13)


def test_adam_is_kingma_and_bas():
    params, ref = arrays(), arrays()
    m = {k: np.zeros_like(a) for k, a in ref.items()}
    v = {k: np.zeros_like(a) for k, a in ref.items()}
    adam = Adam(clip=1e9)
    for t in range(1, 6):
        grads = arrays(t)
        adam.step(params, {k: g.copy() for k, g in grads.items()}, 0.01)
        for k, g in grads.items():
            m[k] = 0.9 * m[k] + 0.1 * g
            v[k] = 0.999 * v[k] + 0.001 * g**2
            ref[k] -= 0.01 * (m[k] / (1 - 0.9**t)) / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-8)
    for k in params:
        assert_allclose(params[k], ref[k], rtol=1e-12)


def test_adam_counts_the_updates_of_each_parameter():
    late, alone = arrays(), arrays()
    adam, other = Adam(clip=1e9), Adam(clip=1e9)
    name = next(iter(late))
    for t in range(7):
        grads = arrays(t)
        adam.step(late, {k: g.copy() for k, g in grads.items() if k != name or t >= 4}, 0.01)
        if t >= 4:
            other.step({name: alone[name]}, {name: grads[name].copy()}, 0.01)
    assert_allclose(late[name], alone[name], rtol=1e-13)
    assert adam.steps == 7


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_float32_stays(optimizer):
    params = {k: a.astype(np.float32) for k, a in arrays().items()}
    optimizer.step(params, {k: a.astype(np.float32) for k, a in arrays(1).items()}, 0.1)
    held = [*params.values(), *(a for table in optimizer.arrays.values() for a in table.values())]
    assert {a.dtype for a in held} == {np.dtype(np.float32)}


def test_entries_without_a_gradient_stay_where_they_are():
    params, adam = {"a": np.array([1.0, 0.0])}, Adam()
    for _ in range(3):
        adam.step(params, {"a": np.array([0.5, 0.0])}, 0.1)
    assert params["a"][1] == 0


def test_remap_reaches_every_array_of_one_parameter():
    adam = Adam()
    adam.step(arrays(), arrays(1), 0.1)
    mask = np.array([True, False, True, False])
    adam.remap("b", lambda a: a[mask])
    adam.remap("nothing", lambda a: a[mask])
    assert {name: adam.arrays[name]["b"].shape for name in adam.arrays} == {"m": (2,), "v": (2,)}
    assert adam.arrays["m"]["a"].shape == (3, 2)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_divergence_is_said_and_changes_nothing(optimizer, bad):
    params, grads = arrays(), arrays(1)
    before = params["a"].copy()
    grads["b"][0] = bad
    with pytest.raises(FloatingPointError, match="training diverged: the gradient's norm is"):
        optimizer.step(params, grads, 0.1)
    assert_array_equal(params["a"], before)
    with pytest.raises(ValueError, match="clip must be above 0, got 0"):
        type(optimizer)(clip=0)


def test_linear_decay():
    rate = LinearDecay(0.2, 10, 20, floor=0.5)
    assert [rate(step) for step in (0, 10, 15, 20, 30)] == pytest.approx([0.2, 0.2, 0.15, 0.1, 0.1])


def test_zarembas_decay_starts_after_the_constant_epochs():
    rate = ZarembaDecay(1.0, 10, 4, 0.5)
    assert [rate(epoch * 10 + 9) for epoch in range(7)] == [1, 1, 1, 1, 0.5, 0.25, 0.125]
