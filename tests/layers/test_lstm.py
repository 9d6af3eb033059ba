import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import CMR, HMD, LMF, LSTM, Dense, Doped, Kronecker, Overlay, Recipe, Stack, gradcheck

D, H = 6, 4  # unequal, so that Wx (16, 6) and Wh (16, 4) have unequal rectangular factors


def layer(kind=Kronecker, *, doped=True, cmr=None, seed=0, std=0.5, csr=False) -> LSTM:
    rng = np.random.default_rng(seed)
    lstm = LSTM.from_recipe(D, H, Recipe(kind, 1 if kind is Dense else 1.2, doped=kind is None), rng, std=std)
    if doped:
        Wx, Wh = (W if kind is None else Doped(W, Overlay.dense(W.shape, rng, std), cmr) for W in (lstm.Wx, lstm.Wh))
        for W in (Wx, Wh):
            W.overlay.prune(W.overlay.n_params // 3)
        lstm = LSTM(Wx, Wh, lstm.b)
    if csr:
        lstm = LSTM(lstm.Wx.to_csr(), lstm.Wh.to_csr(), lstm.b)
    return lstm.replace(lstm.params | {"b": rng.standard_normal(4 * H) / 2})


def inputs(T, B, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((T, B, D)), (rng.standard_normal((B, H)) / 2, rng.standard_normal((B, H)) / 2)


def by_definition(lstm, x, state):
    """The equations of the layer one by one, gate by gate, with W as a dense array."""
    Wx, Wh, (h, c) = lstm.Wx.to_dense(), lstm.Wh.to_dense(), state

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    hs = []
    for x_t in x:
        i, f, g, o = np.split(x_t @ Wx.T + h @ Wh.T + lstm.b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.array(hs), (h, c)


def check(lstm, T, B, rng_seed=None, with_state=True):
    """Check every gradient, those of x and of the initial state among them, through h and the final state."""
    x, state = inputs(T, B)
    rng = np.random.default_rng(5)
    weigh = rng.standard_normal((T, B, H)), rng.standard_normal((B, H)), rng.standard_normal((B, H))
    params = lstm.params | {"x": x} | ({"h0": state[0], "c0": state[1]} if with_state else {})

    def passed(p):
        masks = None if rng_seed is None else np.random.default_rng(rng_seed)
        return lstm.replace(p).forward(p["x"], (p["h0"], p["c0"]) if with_state else None, masks)

    def loss(p):
        h, (hT, cT), _ = passed(p)
        return (h * weigh[0]).sum() + (hT * weigh[1]).sum() + (cT * weigh[2]).sum()

    def grads(p):
        dx, (dh0, dc0), g = lstm.replace(p).backward(weigh[0], passed(p)[2], weigh[1:])
        return g | {"x": dx} | ({"h0": dh0, "c0": dc0} if with_state else {})

    report = gradcheck(loss, params, grads)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", [Dense, Kronecker, LMF, HMD, None])
def test_the_equations_are_those_of_an_lstm(kind):
    lstm, (x, state) = layer(kind), inputs(4, 3)
    h, end, _ = lstm.forward(x, state)
    h_ref, end_ref = by_definition(lstm, x, state)
    assert_allclose(h, h_ref, rtol=1e-12, atol=1e-14)
    assert_allclose(end, end_ref, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("T", "B"), [(1, 3), (2, 1), (3, 3), (5, 1), (1, 1)])
def test_gradients_of_a_dense_layer(T, B):
    check(layer(Dense, doped=False), T, B)


@pytest.mark.parametrize("kind", [Kronecker, LMF, HMD])
def test_gradients_of_a_structured_layer(kind):
    check(layer(kind, doped=False), 3, 2)


@pytest.mark.parametrize(
    ("kind", "csr"), [(Kronecker, False), (Kronecker, True), (LMF, False), (HMD, True), (None, False), (None, True)]
)
def test_gradients_of_a_doped_and_of_a_pruned_layer(kind, csr):
    check(layer(kind, csr=csr), 3, 2, with_state=False)


@pytest.mark.parametrize(
    ("rows", "per", "csr"),  # every pair of values
    [
        ("both", "step", False),
        ("both", "sequence", True),
        ("sparse", "step", True),
        ("sparse", "sequence", False),
        ("exclusive", "step", False),
        ("exclusive", "sequence", True),
        ("elements", "step", True),
        ("elements", "sequence", False),
    ],
)
def test_gradients_of_a_sampled_pass(rows, per, csr):
    check(layer(cmr=CMR(0.4, rows, per), csr=csr), 3, 2, rng_seed=7)


def test_a_training_pass_is_the_step_by_step_pass_through_the_matrices_of_every_row():
    lstm, (x, (h, c)) = layer(cmr=CMR(0.4)), inputs(4, 3)
    out, _, cache = lstm.forward(x, (h, c), np.random.default_rng(3))
    Wx, Wh = (W.to_dense() for W in cache.matrices)  # (T, B, 4H, n)
    for t in range(4):
        z = np.einsum("bmn,bn->bm", Wx[t], x[t]) + np.einsum("bmn,bn->bm", Wh[t], h) + lstm.b
        i, f, o = (1 / (1 + np.exp(-z[:, k * H : (k + 1) * H])) for k in (0, 1, 3))
        c = f * c + i * np.tanh(z[:, 2 * H : 3 * H])
        h = o * np.tanh(c)
        assert_allclose(out[t], h, rtol=1e-12)


def test_rows_of_a_pruned_layer_can_be_dropped_as_a_control():
    pruned = LSTM.from_recipe(D, H, Recipe(None, 2, doped=True, cmr=CMR(0.4)), _rng(), std=0.5)
    assert set(pruned.params) == {"Wx.overlay", "Wh.overlay", "b"}
    assert pruned.Wx.overlay.mask.all()
    x, _ = inputs(4, 3)
    _, _, cache = pruned.forward(x, rng=np.random.default_rng(3))
    W = cache.matrices[0].to_dense()  # (T, B, 4H, D)
    rows = (W != 0).any(-1)
    assert 0.4 < rows.mean() < 0.8
    assert_allclose(W, rows[..., None] / 0.6 * pruned.Wx.overlay.values)
    assert_allclose(pruned.forward(x)[0], LSTM(pruned.Wx.overlay, pruned.Wh.overlay, pruned.b).forward(x)[0])
    pruned.Wx.overlay.prune(20)
    check(pruned, 3, 2, rng_seed=7)


def test_two_windows_with_the_state_carried_are_one_long_one():
    lstm, (x, state) = layer(), inputs(6, 2)
    dh = np.random.default_rng(2).standard_normal((6, 2, H))
    h, end, cache = lstm.forward(x, state)
    h1, middle, cache1 = lstm.forward(x[:2], state)
    h2, end2, cache2 = lstm.forward(x[2:], middle)
    assert_allclose(np.concatenate([h1, h2]), h, rtol=1e-13)
    assert_allclose(end2, end, rtol=1e-13)
    dx, d_start, grads = lstm.backward(dh, cache)
    dx2, d_middle, grads2 = lstm.backward(dh[2:], cache2)
    dx1, d_start1, grads1 = lstm.backward(dh[:2], cache1, d_middle)
    assert_allclose(np.concatenate([dx1, dx2]), dx, rtol=1e-12)
    assert_allclose(d_start1, d_start, rtol=1e-12)
    for name in grads:
        assert_allclose(grads1[name] + grads2[name], grads[name], rtol=1e-11, atol=1e-13)


def test_backward_has_no_memory_and_changes_nothing():
    lstm, other = layer(cmr=CMR(0.3)), layer(seed=9)
    (x, state), dh = inputs(3, 2), np.random.default_rng(4).standard_normal((3, 2, H))
    before = x.copy(), dh.copy(), state[0].copy(), state[1].copy()
    _, _, cache = lstm.forward(x, state, np.random.default_rng(0))
    first = lstm.backward(dh, cache, (dh[0], dh[1]))
    _, _, cache_of_other = other.forward(x, state)
    other.backward(dh, cache_of_other)
    again = lstm.backward(dh, cache, (dh[0], dh[1]))
    assert_array_equal(first[0], again[0])
    for name in first[2]:
        assert_array_equal(first[2][name], again[2][name])
    for a, b in zip(before, (x, dh, *state), strict=True):
        assert_array_equal(a, b)


def test_the_final_state_is_the_callers_own():
    lstm, (x, state) = layer(), inputs(3, 2)
    h, (hT, cT), cache = lstm.forward(x, state)
    hT += 1
    cT += 1
    assert not np.shares_memory(hT, cache.u)
    assert not np.shares_memory(cT, cache.c)
    assert_array_equal(h, cache.u[1:])


def test_params_and_gradients_share_their_keys():
    lstm, (x, state) = layer(HMD), inputs(3, 2)
    h, _, cache = lstm.forward(x, state)
    grads = lstm.backward(np.ones_like(h), cache)[2]
    assert {k: g.shape for k, g in grads.items()} == {k: p.shape for k, p in lstm.params.items()}
    assert {"Wx.0.A", "Wx.3.c", "Wh.overlay", "b"} <= set(grads)
    assert set(lstm.constants) == {"Wx.mask", "Wh.mask"}


def test_an_hmd_layer_has_one_matrix_a_gate():
    lstm = LSTM.from_recipe(D, H, Recipe(HMD, 1.2), np.random.default_rng(0))
    assert isinstance(lstm.Wx, Stack)
    assert [W.shape for W in lstm.Wx.matrices] == [(H, D)] * 4
    doped = LSTM.from_recipe(D, 8, Recipe(HMD, 1.5, doped=True), np.random.default_rng(0))
    assert isinstance(doped.Wx, Doped)
    assert isinstance(doped.Wx.structure, Stack)


@pytest.mark.parametrize("doped", [False, True])
def test_any_kind_can_be_one_matrix_or_one_a_gate(doped):
    for kind, stacked in ((HMD, False), (Kronecker, True)):
        layer = LSTM.from_recipe(12, 8, Recipe(kind, 2, doped=doped, stacked=stacked), np.random.default_rng(0))
        W = layer.Wh.structure if doped else layer.Wh
        assert isinstance(W, Stack if stacked else kind)
        assert W.shape == (32, 8)


def test_a_pruned_layer_is_overlays_alone():
    lstm = LSTM.from_recipe(D, H, Recipe(None, 3, doped=True), np.random.default_rng(0))
    assert isinstance(lstm.Wx, Overlay)
    assert lstm.Wx.mask.all()


def test_the_start():
    lstm = LSTM.from_recipe(8, 10, Recipe(Dense, 1), np.random.default_rng(0), forget_bias=2.0)
    assert_array_equal(lstm.b, np.repeat([0, 2, 0, 0], 10))
    for W in (lstm.Wx, lstm.Wh):
        assert np.mean(W.to_dense() ** 2) == pytest.approx(1 / 30)  # that of U(-H^-1/2, H^-1/2)
    assert "Dense 40 x 8" in repr(lstm)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtypes_are_kept(dtype):
    lstm, (x, state) = layer(cmr=CMR(0.3)), inputs(3, 2)
    lstm = lstm.replace({name: a.astype(dtype) for name, a in lstm.params.items()})
    h, end, cache = lstm.forward(x.astype(dtype), (state[0].astype(dtype), state[1].astype(dtype)), _rng())
    dx, d_state, grads = lstm.backward(h, cache)
    assert {a.dtype for a in (h, *end, dx, *d_state, *grads.values())} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", ["Wx.A", "Wh.B", "Wh.overlay", "b"])
def test_one_complex_parameter_is_enough_for_a_complex_pass(name):
    lstm, (x, _) = layer(), inputs(3, 2)
    h, _, _ = lstm.replace(lstm.params | {name: lstm.params[name] + 1e-30j}).forward(x)
    assert h.dtype == np.complex128
    assert h.imag.any()


def test_no_steps_leave_the_state_as_it_was():
    lstm, (x, state) = layer(), inputs(0, 2)
    h, end, cache = lstm.forward(x, state)
    assert h.shape == (0, 2, H)
    assert_array_equal(end, state)
    dx, d_start, grads = lstm.backward(h, cache, state)
    assert dx.shape == x.shape
    assert_array_equal(d_start, state)
    assert not any(g.any() for g in grads.values())


def test_bad_arguments_are_refused_in_one_line():
    lstm, (x, state) = layer(), inputs(3, 2)
    h, _, cache = lstm.forward(x)
    for bad in (x[0], x[..., :-1]):
        with pytest.raises(ValueError, match=r"x must be \(T, B, 6\), got shape"):
            lstm.forward(bad)
    with pytest.raises(ValueError, match=r"state must be two arrays of shape \(2, 4\), got \(1, 4\) and \(2, 4\)"):
        lstm.forward(x, (state[0][:1], state[1]))
    with pytest.raises(ValueError, match=r"dh must be \(3, 2, 4\), as h was, got shape \(2, 2, 4\)"):
        lstm.backward(h[1:], cache)
    with pytest.raises(ValueError, match=r"d_state must be two arrays of shape \(2, 4\)"):
        lstm.backward(h, cache, (x[0], x[0]))
    with pytest.raises(ValueError, match=r"must be \(4H, D\), \(4H, H\) and \(4H,\), got"):
        LSTM(lstm.Wh, lstm.Wx, lstm.b)
    with pytest.raises(TypeError, match=r"LSTM: Wh must be a structure, such as Dense\(array\), got ndarray"):
        LSTM(lstm.Wx, lstm.Wh.to_dense(), lstm.b)
    with pytest.raises(ValueError, match="only with doped=True"):
        LSTM.from_recipe(D, H, Recipe(None, 2), _rng())
    with pytest.raises(ValueError, match=r"cmr drops rows of an overlay .* give doped=True"):
        LSTM.from_recipe(D, H, Recipe(Kronecker, 2, cmr=CMR(0.1)), _rng())
    with pytest.raises(ValueError, match="D and H must be at least 1, got 6 and 0"):
        LSTM.from_recipe(D, 0, Recipe(Dense, 1), _rng())
    with pytest.raises(ValueError, match=r"factor 100 is out of reach for shape \(16, 6\)"):
        LSTM.from_recipe(D, H, Recipe(Kronecker, 100), _rng())


def _rng():
    return np.random.default_rng(0)


def test_the_cache_names_the_matrices_and_what_they_multiplied():
    lstm, (x, state) = layer(), inputs(3, 2)
    h, _, cache = lstm.forward(x, state)
    (Wx, of_x), (Wh, of_h) = cache.products
    assert (Wx, Wh) == (lstm.Wx, lstm.Wh)
    assert_array_equal(of_x, x)
    assert_array_equal(of_h, np.concatenate([state[0][None], h[:-1]]))


def test_pytorchs_two_biases_are_one():
    b = np.arange(16.0)
    (own,) = LSTM.of_torch_biases(b, 2 * b)
    assert_array_equal(own, 3 * b)
    assert_array_equal(np.add(*layer().torch_biases), layer().b)
