import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import CMR, GRU, HMD, LMF, Dense, Kronecker, LanguageModel, Recipe, Stepper, gradcheck
from refdope.interop import from_torch, to_torch

D, H, T, B = 5, 6, 4, 3  # unequal, so that Wx (18, 5) and Wh (18, 6) have unequal rectangular factors
KINDS = {Dense: 1, Kronecker: 2, LMF: 1.4, HMD: 1.4}


def layer(kind=Kronecker, csr=False, **how) -> GRU:
    rng = np.random.default_rng(0)
    made = GRU.from_recipe(D, H, Recipe(kind, KINDS.get(kind, 2), **how), rng, std=0.5)
    for W in made.weights.values():
        if W.overlay is not None:
            W.overlay.prune(W.overlay.n_params // 3)
    made = made.to_csr() if csr else made
    return made.replace(made.params | {name: rng.standard_normal(3 * H) / 2 for name in ("bx", "bh")})


def inputs(seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((T, B, D)), (rng.standard_normal((B, H)) / 2,)


def check(gru, rng_seed=None):
    x, (h0,) = inputs()
    rng = np.random.default_rng(5)
    d_h, d_end = rng.standard_normal((T, B, H)), rng.standard_normal((B, H))

    def passed(p):
        masks = None if rng_seed is None else np.random.default_rng(rng_seed)
        return gru.replace(p).forward(p["x"], (p["h0"],), masks)

    def loss(p):
        h, (end,), _ = passed(p)
        return (h * d_h).sum() + (end * d_end).sum()

    def grads(p):
        dx, (dh0,), found = gru.replace(p).backward(d_h, passed(p)[2], (d_end,))
        return found | {"x": dx, "h0": dh0}

    report = gradcheck(loss, gru.params | {"x": x, "h0": h0}, grads)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", KINDS)
def test_the_equations_are_those_of_pytorchs_gru(kind):
    gru, (x, (h,)) = layer(kind), inputs()
    Wx, Wh = gru.to_dense()
    out, (end,), _ = gru.forward(x, (h,))
    for t in range(T):
        a, e = np.split(x[t] @ Wx.T + gru.bx, 3, axis=1), np.split(h @ Wh.T + gru.bh, 3, axis=1)
        r, z = (1 / (1 + np.exp(-a[k] - e[k])) for k in (0, 1))
        h = (1 - z) * np.tanh(a[2] + r * e[2]) + z * h
        assert_allclose(out[t], h, rtol=1e-12)
    assert_array_equal(end, out[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_structured_layer(kind):
    check(layer(kind))


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("cmr", [CMR(0.4), CMR(0.4, "exclusive", "sequence"), CMR(0.4, "elements")])
def test_gradients_of_a_sampled_pass(cmr, csr):
    check(layer(doped=True, cmr=cmr, csr=csr), rng_seed=7)


def test_hmd_is_stacked_one_per_gate_of_which_a_gru_has_three():
    assert [len(W.matrices) for W in layer(HMD).weights.values()] == [3, 3]


def test_backward_changes_nothing_and_can_be_called_twice():
    gru, (x, state) = layer(doped=True), inputs()
    h, _, cache = gru.forward(x, state)
    dh = np.random.default_rng(2).standard_normal(h.shape)
    (dx, (d0,), grads), again = gru.backward(dh, cache), gru.backward(dh, cache)
    assert_array_equal(dx, again[0])
    assert_array_equal(d0, again[1][0])
    assert all(np.array_equal(g, again[2][name]) for name, g in grads.items())
    assert {name: g.shape for name, g in grads.items()} == {name: a.shape for name, a in gru.params.items()}


def test_weights_go_to_pytorchs_names_and_back():
    gru = layer(Dense)
    arrays = to_torch([gru])
    assert {name: a.shape for name, a in arrays.items()} == {
        "weight_ih_l0": (18, 5), "weight_hh_l0": (18, 6), "bias_ih_l0": (18,), "bias_hh_l0": (18,)
    }  # fmt: skip
    (back,) = from_torch(arrays)
    assert isinstance(back, GRU)
    assert_array_equal(back.forward(*inputs())[0], gru.forward(*inputs())[0])


def test_layers_that_do_not_fit_each_other_are_refused():
    below, above = to_torch([layer(Dense)]), to_torch([layer(Dense)])
    with pytest.raises(ValueError, match=r"weight_ih_l1 must have 6 columns, the units of layer 0, got \(18, 5\)"):
        from_torch(below | {name.replace("l0", "l1"): a for name, a in above.items()})
    with pytest.raises(ValueError, match=r"weight_hh_l0 must be \(4H, H\), of an LSTM, or \(3H, H\), of a GRU, got"):
        from_torch(below | {"weight_hh_l0": np.zeros((18, 7))})


def test_a_language_model_of_it_steps_as_it_runs():
    recipe = Recipe(Kronecker, 3, doped=True)
    model = LanguageModel.from_recipe(11, H, recipe, 0, layers=2, layer=GRU, embedding_std=0.5)
    tokens = np.random.default_rng(1).integers(0, 11, (T, 2))
    h, _, _ = model._hidden(tokens, None, None)
    stepper = Stepper(model, 2)
    assert_allclose([stepper.step(t).copy() for t in tokens], model.softmax.logits(h), rtol=1e-12)
    stepper.reset()
    assert_allclose(stepper.step(tokens[0]), model.softmax.logits(h[0]), rtol=1e-12)


def test_float32_stays_float32():
    gru, (x, (h,)) = layer(doped=True).astype(np.float32), inputs()
    out, (end,), cache = gru.forward(x.astype(np.float32), (h.astype(np.float32),))
    dx, (dh0,), grads = gru.backward(out, cache)
    assert {a.dtype for a in (out, end, dx, dh0, *grads.values())} == {np.dtype(np.float32)}


def test_bad_arguments_are_refused_in_one_line():
    gru, (x, state) = layer(), inputs()
    for call, says in [
        (lambda: gru.forward(x[0]), r"GRU.forward: x must be \(T, B, 5\), got shape \(3, 5\)"),
        (lambda: gru.forward(x, (state[0], state[0])), r"GRU: state must be one array of shape \(3, 6\), got"),
        (lambda: gru.backward(x, gru.forward(x)[2]), r"GRU.backward: dh must be \(4, 3, 6\), as h was"),
        (lambda: GRU(gru.Wx, gru.Wx, gru.bx, gru.bh), r"GRU: Wx, Wh, bx and bh must be \(3H, D\)"),
    ]:
        with pytest.raises(ValueError, match=says) as refused:
            call()
        assert "\n" not in str(refused.value)
    with pytest.raises(TypeError, match="GRU: Wh must be a structure, such as"):
        GRU(gru.Wx, np.zeros((18, 6)), gru.bx, gru.bh)


def test_the_cache_names_the_matrices_and_what_they_multiplied():
    gru, (x, (h0,)) = layer(), inputs()
    h, _, cache = gru.forward(x, (h0,))
    (Wx, of_x), (Wh, of_h) = cache.products
    assert (Wx, Wh) == (gru.Wx, gru.Wh)
    assert_array_equal(of_x, x)
    assert_array_equal(of_h, np.concatenate([h0[None], h[:-1]]))


def test_a_state_is_a_tuple():
    with pytest.raises(TypeError, match="GRU: state must be a tuple of arrays, got dict"):
        layer().forward(inputs()[0], {"h": 1})
