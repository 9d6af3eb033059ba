import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import CMR, HMD, LMF, Dense, Kronecker, LanguageModel, Recipe, gradcheck
from refdope.layers import Softmax
from refdope.models import evaluate, evaluation_batches, generate

V, H = 5, 4
FACTOR = {Dense: 1, HMD: 1}  # 1.3 for others


def model(kind=Kronecker, *, doped=True, cmr=None, layers=2, dropout=0.0, seed=0, csr=False, H=H) -> LanguageModel:
    rng = np.random.default_rng(seed)
    made = LanguageModel.from_recipe(
        V,
        H,
        Recipe(kind, FACTOR.get(kind, 1.3), doped=doped, cmr=cmr),
        rng,
        layers=layers,
        dropout=dropout,
        std=0.5,
        embedding_std=0.5,
    )
    if doped:
        for W in made.matrices.values():
            W.overlay.prune(W.overlay.n_params // 3)
    if csr:
        made.to_csr()
    bias = {
        name: rng.standard_normal(a.shape) / 2 for name, a in made.params.items() if a.ndim == 1 and name[-1] == "b"
    }
    return made.replace(made.params | bias)


def text(T, B, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B))


def check(m, T, B, seed=None):
    """Every parameter array by itself, with a state carried in."""
    tokens, targets = text(T, B)
    rng = np.random.default_rng(9)
    state = [(rng.standard_normal((B, layer.H)) / 2, rng.standard_normal((B, layer.H)) / 2) for layer in m.layers]

    def passed(p):
        return m.replace(p).forward(tokens, targets, state, None if seed is None else np.random.default_rng(seed))

    report = gradcheck(lambda p: passed(p)[0], m.params, lambda p: m.replace(p).backward(passed(p)[2]))
    assert report.ok, str(report)
    assert {array.name for array in report.arrays} == set(m.params)


@pytest.mark.parametrize("csr", [False, True])
def test_gradients_of_the_whole_model_with_masks_on(csr):
    check(model(cmr=CMR(0.3), dropout=0.3, csr=csr), 3, 3, seed=3)


@pytest.mark.parametrize("kind", [Dense, LMF, pytest.param(HMD, marks=pytest.mark.slow), None])
def test_gradients_of_models_of_other_kinds(kind):
    H = 6 if kind is HMD else 4  # smaller, an HMD has no unconstrained row
    check(model(kind, doped=kind is not Dense, dropout=0.3, H=H), 3, 2, seed=3)


def test_the_loss_is_scaled_by_its_upstream_gradient():
    m, (tokens, targets) = model(), text(3, 2)
    _, _, cache = m.forward(tokens, targets)
    one, three = m.backward(cache), m.backward(cache, 3.0)
    for name in one:
        assert_allclose(three[name], 3 * one[name], rtol=1e-12)


def test_the_state_carries_on_where_the_text_was_cut():
    m, (tokens, targets) = model(), text(6, 2)
    whole, end, _ = m.forward(tokens, targets)
    first, middle, _ = m.forward(tokens[:2], targets[:2])
    second, end2, _ = m.forward(tokens[2:], targets[2:], middle)
    assert_allclose((2 * first + 4 * second) / 6, whole, rtol=1e-13)
    assert_allclose(np.array(end2), np.array(end), rtol=1e-13)


def test_a_seed_draws_the_same_masks_and_another_seed_others():
    m, (tokens, targets) = model(cmr=CMR(0.3), dropout=0.3), text(3, 2)
    losses = [float(m.forward(tokens, targets, rng=np.random.default_rng(seed))[0]) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    assert float(m.forward(tokens, targets)[0]) == float(m.forward(tokens, targets)[0])


def test_names_of_parameters_and_constants():
    m = model()
    assert {"embedding", "layers.0.Wx.A", "layers.1.Wh.overlay", "layers.1.b", "softmax.W", "softmax.b"} <= set(
        m.params
    )
    assert set(m.constants) == {f"layers.{k}.{W}.mask" for k in (0, 1) for W in ("Wx", "Wh")}
    assert set(m.matrices) == {f"layers.{k}.{W}" for k in (0, 1) for W in ("Wx", "Wh")}
    m.to_csr()
    assert "layers.0.Wx.indptr" in m.constants


def test_a_cast_model_computes_the_same_to_rounding():
    m, (tokens, targets) = model(), text(4, 3)
    loss, _, cache = m.astype(np.float32).forward(tokens, targets)
    assert loss.dtype == np.float32
    assert {g.dtype for g in m.astype(np.float32).backward(cache).values()} == {np.dtype(np.float32)}
    assert float(loss) == pytest.approx(float(m.forward(tokens, targets)[0]), rel=1e-5)


def test_generate_continues_a_prompt_and_follows_the_model():
    m = model()
    prompt = np.array([1, 2, 3])
    one, two = (generate(m, prompt, 20, np.random.default_rng(0)) for _ in range(2))
    assert one.shape == (20,)
    assert one.min() >= 0
    assert one.max() < V
    assert_array_equal(one, two)
    sure = LanguageModel(m.embedding, m.layers, Softmax(np.zeros((V, H)), np.array([0, 0, 50.0, 0, 0])))
    assert (generate(sure, prompt, 10, np.random.default_rng(0)) == 2).all()
    cold = generate(m, prompt, 5, np.random.default_rng(0), temperature=1e-6)
    assert_array_equal(cold, generate(m, prompt, 5, np.random.default_rng(7), temperature=1e-6))


def test_what_does_not_fit_is_refused():
    m = model()
    with pytest.raises(ValueError, match="do not fit each other, widths"):
        LanguageModel(m.embedding, m.layers, Softmax(np.zeros((V, H + 1)), np.zeros(V)))
    with pytest.raises(ValueError, match="do not fit each other"):
        LanguageModel(m.embedding, [], m.softmax)
    tokens = np.zeros((3, 2), int)
    with pytest.raises(ValueError, match=r"state must have one \(h, c\) for each of 2 layers"):
        m.forward(tokens, tokens, [(np.zeros((2, H)), np.zeros((2, H)))])
    with pytest.raises(ValueError, match="temperature must be a number above 0, got 0"):
        generate(m, np.array([1]), 3, np.random.default_rng(0), temperature=0)
    with pytest.raises(ValueError, match="temperature must be a number above 0, got nan"):
        generate(m, np.array([1]), 3, np.random.default_rng(0), temperature=np.nan)
    with pytest.raises(ValueError, match="length must be 0 or more, got -1"):
        generate(m, np.array([1]), -1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="prompt must have at least one token"):
        generate(m, np.array([], dtype=int), 3, np.random.default_rng(0))


def test_the_loss_of_a_text_is_that_of_its_windows_with_the_state_carried():
    rng = np.random.default_rng(0)
    m = LanguageModel.from_recipe(7, 6, Recipe(Dense), rng, embedding_std=0.5)
    tokens = rng.integers(0, 7, 400)
    batches = evaluation_batches(tokens)
    assert batches[0].inputs.shape == (49, 8)
    at_once, _, cache = m.forward(batches.inputs, batches.targets)
    assert evaluate(m, batches) == pytest.approx(at_once)
    (Wx, x), _ = cache.products
    assert Wx is m.layers[0].Wx
    assert x.shape == (*batches.inputs.shape, 6)


def test_the_work_of_a_token_is_that_of_all_matrices():
    m = LanguageModel.from_recipe(7, 6, Recipe(Dense), 0, layers=2)
    assert m.macs == 4 * 24 * 6 + 7 * 6
