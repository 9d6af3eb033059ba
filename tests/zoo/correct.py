"""Two hundred functions whose gradients are right: on none of them may a gradient checker raise an alarm.

    correct()    [(name, make), …];  make() returns (loss, params, grads), or these and a dict of gradcheck's keywords

Everything is built afresh by make(). At a kink any value between the two one-sided slopes is right. `hints()` tells
`test_correct_itself`, for some names, how to look at them: `kink` is the step of one-sided differences; `ref` the same
loss in float64, where the loss itself is coarser; `atol` and `rtol` the rounding that a gradient has a right to, `rtol`
to the largest of its array; `weak` says that an error of 5% would drown in that rounding.
"""

import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.special

from refdope import CMR, HMD, LMF, LSTM, Dense, Doped, Kronecker, LanguageModel, Overlay, Recipe, SparseOverlay, Stack
from refdope.layers import Embedding, Softmax
from refdope.layers.dropout import Dropout

Made = tuple[Any, ...]
Case = tuple[str, Callable[[], Made], dict[str, Any]]
R = np.random.default_rng
inv = np.linalg.inv


def correct() -> list[tuple[str, Callable[[], Made]]]:
    """Return the functions, by name."""
    return [(name, make) for name, make, _ in _all()]


def hints() -> dict[str, dict[str, Any]]:
    """Return what the test of this file has to know of some of them."""
    return {name: hint for name, _, hint in _all() if hint}


def _all() -> Iterator[Case]:
    for family in FAMILIES:
        for name, make, *hint in family():
            yield f"{family.__name__}: {name}", make, hint[0] if hint else {}


def families() -> dict[str, int]:
    """Count the functions of each family."""
    return {family.__name__: sum(1 for _ in family()) for family in FAMILIES}


# ------------------------------------------------------------------------------------------------------------- builders


def draw(*shape, seed=0, scale=1.0, dtype=np.float64):
    return (R(seed).standard_normal(shape) * scale).astype(dtype)


def single(f, df, w):
    """Make a function of one array."""

    def make():
        return lambda p: f(p["w"]), {"w": w.copy(order="K")}, lambda p: {"w": df(p["w"])}

    return make


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softmax(a):
    e = np.exp(a - a.real.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def lse(a):
    top = a.real.max(-1, keepdims=True)
    return np.log(np.exp(a - top).sum(-1)) + top[..., 0]


def nest(f, *trees):
    """Apply f to the arrays of nested dicts and lists."""
    first = trees[0]
    if isinstance(first, dict):
        return {name: nest(f, *(tree[name] for tree in trees)) for name in first}
    if isinstance(first, list):
        return [nest(f, *items) for items in zip(*trees, strict=True)]
    return f(*trees)


def waves(params, amplitude=1.0):
    """Make loss and grads of any tree of arrays: amplitude · Σ c sin w, with c drawn for every array."""
    generator = R(7)
    c = nest(lambda w: generator.uniform(0.5, 1.5, np.shape(w)), params)

    def loss(p):
        found = []
        nest(lambda w, k: found.append((k * np.sin(w)).sum()), p, c)
        return amplitude * sum(found)

    def grads(p):
        return nest(lambda w, k: (amplitude * k * np.cos(w)).astype(w.dtype), p, c)

    return loss, params, grads


# ------------------------------------------------------------------------------------------------------- linear algebra


def linear_algebra():
    W, C = draw(4, 4, seed=1, scale=0.4) + 2 * np.eye(4), draw(4, 4, seed=2)
    u, eye = draw(4, seed=3), np.eye(4)
    table = {
        "C . W^T W^T": (lambda w: (C * (w.T @ w.T)).sum(), lambda w: (C @ w + w @ C).T),
        "det": (np.linalg.det, lambda w: np.linalg.det(w) * inv(w).T),
        "slogdet": (lambda w: np.linalg.slogdet(w)[1], lambda w: inv(w).T),
        "C . W^-1": (lambda w: (C * inv(w)).sum(), lambda w: -inv(w).T @ C @ inv(w).T),
        "logdet by Cholesky": (
            lambda w: 2 * np.log(np.diag(np.linalg.cholesky(w @ w.T + eye))).sum(),
            lambda w: 2 * inv(w @ w.T + eye) @ w,
        ),
        "W^5, a square one transposed": (
            lambda w: (C * np.linalg.matrix_power(w, 5)).sum(),
            lambda w: sum(np.linalg.matrix_power(w.T, k) @ C @ np.linalg.matrix_power(w.T, 4 - k) for k in range(5)),
        ),
        "spectral norm": (lambda w: np.linalg.norm(w, 2), lambda w: _outer_top(*np.linalg.svd(w))),
        "eigenvalues weighed": (
            lambda w: np.linalg.eigvalsh((w + w.T) / 2) @ u,
            lambda w: (np.linalg.eigh((w + w.T) / 2)[1] * u) @ np.linalg.eigh((w + w.T) / 2)[1].T,
        ),
    }
    for name, (f, df) in table.items():
        yield name, single(f, df, W)

    def solve():
        dy, params = draw(4, 2, seed=5), {"W": W.copy(), "b": draw(4, 2, seed=6)}

        def grads(p):
            db = np.linalg.solve(p["W"].T, dy)
            return {"W": -db @ np.linalg.solve(p["W"], p["b"]).T, "b": db}

        return lambda p: (np.linalg.solve(p["W"], p["b"]) * dy).sum(), params, grads

    def three():
        x, dy = draw(5, 3, seed=7), draw(5, 2, seed=8)
        params = {"A": draw(3, 4), "B": draw(4, 4, seed=9), "C": draw(4, 2, seed=10)}

        def grads(p):
            A, B, C = p["A"], p["B"], p["C"]
            return {"A": x.T @ dy @ (B @ C).T, "B": (x @ A).T @ dy @ C.T, "C": (x @ A @ B).T @ dy}

        return lambda p: (x @ p["A"] @ p["B"] @ p["C"] * dy).sum(), params, grads

    def kron():
        dy = draw(6, 8, seed=11)
        params = {"A": draw(2, 4), "B": draw(3, 2, seed=12)}
        tiles = dy.reshape(2, 3, 4, 2)  # (6, 8) -> (m1, m2, n1, n2)

        def grads(p):
            return {"A": np.einsum("ipjq,pq", tiles, p["B"]), "B": np.einsum("ipjq,ij", tiles, p["A"])}

        return lambda p: (np.kron(p["A"], p["B"]) * dy).sum(), params, grads

    yield "solve", solve
    yield "three matrices", three
    yield "np.kron", kron


def _outer_top(U, s, Vt):
    return np.outer(U[:, 0], Vt[0])


# ----------------------------------------------------------------------------------------------------------------- MLPs


ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "silu": (lambda a: a * sigmoid(a), lambda a: sigmoid(a) * (1 + a * (1 - sigmoid(a)))),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(a.dtype)),
    "elu": (lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))), lambda a: np.exp(np.minimum(a, 0))),
    "softsign": (lambda a: a / (1 + np.abs(a)), lambda a: 1 / (1 + np.abs(a)) ** 2),
}


def mlp(act, sizes=(5, 7, 3), N=6, skip=False, dtype=np.float64, zero=False, scale=0.5, seed=0):
    f, df = ACTIVATIONS[act]
    x, y = draw(N, sizes[0], seed=seed + 1, dtype=dtype), draw(N, sizes[-1], seed=seed + 2, dtype=dtype)
    params = {
        "layers": [
            {
                "W": draw(n, m, seed=seed + 3 + k, scale=0 if zero else scale, dtype=dtype),
                "b": draw(n, seed=seed + 30 + k, scale=0 if zero else scale, dtype=dtype),
            }
            for k, (m, n) in enumerate(itertools.pairwise(sizes))
        ]
    }
    L = len(sizes) - 1

    def run(p):
        h, z = [x], []
        for k, layer in enumerate(p["layers"]):
            z.append(h[-1] @ layer["W"].T + layer["b"])
            out = f(z[-1]) if k < L - 1 else z[-1]
            h.append(out + h[-1] if skip and out.shape == h[-1].shape else out)
        return h, z

    def loss(p):
        return ((run(p)[0][-1] - y) ** 2).sum() / (2 * N)

    def grads(p):
        h, z = run(p)
        d, found = (h[-1] - y) / N, []
        for k in reversed(range(L)):
            dz = d * df(z[k]) if k < L - 1 else d
            found.append({"W": dz.T @ h[k], "b": dz.sum(0)})
            through = dz @ p["layers"][k]["W"]
            d = through + d if skip and h[k].shape == h[k + 1].shape else through
        return {"layers": found[::-1]}

    return loss, params, grads


def mlps():
    for act in ACTIVATIONS:
        yield act, partial(mlp, act)
    yield "residual, square", partial(mlp, "silu", (5, 5, 5, 5), skip=True)
    yield "a batch of one, a unit of one", partial(mlp, "tanh", (1, 1, 1), N=1)

    def tied():  # W is used twice: as the encoder and, transposed, as the decoder
        x, params = draw(6, 5, seed=1), {"W": draw(3, 5, scale=0.5), "b": draw(3, seed=2)}
        N = len(x)

        def run(p):
            h = np.tanh(x @ p["W"].T + p["b"])
            return h, (h @ p["W"] - x) / N

        def grads(p):
            h, d = run(p)
            dz = (d @ p["W"].T) * (1 - h**2)
            return {"W": dz.T @ x + h.T @ d, "b": dz.sum(0)}

        return lambda p: N / 2 * (run(p)[1] ** 2).sum(), params, grads

    yield "tied autoencoder", tied


# -------------------------------------------------------------------------------------------------- recurrent, our own


def _rnn_step(p, x, h):
    new = np.tanh(x @ p["Wx"].T + h @ p["Wh"].T + p["b"])
    return (new,), (x, h, new)


def _rnn_back(p, cache, dh):
    x, h, new = cache
    dz = dh * (1 - new**2)
    return (dz @ p["Wh"],), {"Wx": dz.T @ x, "Wh": dz.T @ h, "b": dz.sum(0)}


def _lstm_step(p, x, h, c):
    zi, zf, zg, zo = np.split(x @ p["Wx"].T + h @ p["Wh"].T + p["b"], 4, axis=1)
    i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
    new = f * c + i * g
    return (o * np.tanh(new), new), (x, h, c, i, f, g, o, np.tanh(new))


def _lstm_back(p, cache, dh, dc):
    x, h, c, i, f, g, o, tc = cache
    dc = dc + dh * o * (1 - tc**2)
    gates = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)]
    dz = np.concatenate(gates, axis=1)
    return (dz @ p["Wh"], dc * f), {"Wx": dz.T @ x, "Wh": dz.T @ h, "b": dz.sum(0)}


def _gru_step(p, x, h):
    (az, ar, an), (Uz, Ur, Un) = np.split(x @ p["Wx"].T + p["b"], 3, axis=1), np.split(p["Wh"], 3)
    z, r = sigmoid(az + h @ Uz.T), sigmoid(ar + h @ Ur.T)
    n = np.tanh(an + (r * h) @ Un.T)
    return ((1 - z) * n + z * h,), (x, h, z, r, n)


def _gru_back(p, cache, dh):
    (x, h, z, r, n), (Uz, Ur, Un) = cache, np.split(p["Wh"], 3)
    dn, dz = dh * (1 - z) * (1 - n**2), dh * (h - n) * z * (1 - z)
    da = dn @ Un
    dr = da * h * r * (1 - r)
    d = np.concatenate([dz, dr, dn], axis=1)
    dWh = np.concatenate([dz.T @ h, dr.T @ h, dn.T @ (r * h)])
    return (dh * z + da * r + dz @ Uz + dr @ Ur,), {"Wx": d.T @ x, "Wh": dWh, "b": d.sum(0)}


CELLS = {
    "RNN": (_rnn_step, _rnn_back, "h"),
    "LSTM": (_lstm_step, _lstm_back, "ifgo"),
    "GRU": (_gru_step, _gru_back, "zrn"),
}


def recurrent(cell, T, B, D=3, H=4, dtype=np.float64, scale=0.5):
    step, back, gates = CELLS[cell]
    x, dy, G = draw(T, B, D, seed=1, dtype=dtype), draw(T, B, H, seed=2, dtype=dtype), len(gates)
    names = {"Wx": (G * H, D), "Wh": (G * H, H), "b": (G * H,)}
    params = {name: draw(*shape, seed=k, scale=scale, dtype=dtype) for k, (name, shape) in enumerate(names.items())}

    def run(p):
        state, caches, hs = (np.zeros((B, H), dtype),) * (2 if cell == "LSTM" else 1), [], []
        for t in range(T):
            state, cache = step(p, x[t], *state)
            caches.append(cache)
            hs.append(state[0])
        return hs, caches

    def loss(p):
        return sum((h * d).sum() for h, d in zip(run(p)[0], dy, strict=True))

    def grads(p):
        total, state = nest(np.zeros_like, p), (np.zeros((B, H), dtype),) * (2 if cell == "LSTM" else 1)
        for t, cache in reversed(list(enumerate(run(p)[1]))):
            state, g = back(p, cache, state[0] + dy[t], *state[1:])
            total = nest(np.add, total, g)
        return total

    return loss, params, grads


def _with_cases(cell, sizes, H=4, **more):
    rows = {gate: np.s_[k * H : (k + 1) * H] for k, gate in enumerate(CELLS[cell][2])}
    kwargs = {
        "blocks": dict.fromkeys(("Wx", "Wh", "b"), rows),
        "cases": {T: recurrent(cell, T, B, H=H, **more) for T, B in sizes},
    }
    return *recurrent(cell, *sizes[-1], H=H, **more), kwargs


def recurrents():
    sizes = {"RNN": [(1, 1), (2, 3)], "LSTM": [(1, 1), (1, 3), (5, 3)], "GRU": [(1, 2), (2, 1), (5, 3)]}
    for cell, pairs in sizes.items():
        for T, B in pairs:
            yield f"{cell}, T = {T}, B = {B}", partial(recurrent, cell, T, B)
        yield f"{cell}, with cases and blocks", partial(_with_cases, cell, [(1, 2), (2, 2), (3, 2)])
    yield "RNN over 60 steps, its gradients vanishing", partial(recurrent, "RNN", 60, 1, scale=0.15)
    yield "RNN over 40 steps, chaotic", partial(recurrent, "RNN", 40, 1, scale=1.2), {"rtol": 1e-7}


# -------------------------------------------------------------------------------------------------------------- refdope


def _half(made, seed=0):
    """Return it over weights that no initialisation has left at zero; what is pruned stays pruned."""
    moved = {name: a + (a != 0) * draw(*a.shape, seed=seed, scale=0.2) for name, a in made.params.items()}
    return made.replace(moved | {name: a + 0.1 for name, a in moved.items() if a.ndim == 1})


def _layer(kind, doped=False, cmr=None, csr=False, D=6, H=4):
    rng = R(0)
    lstm = LSTM.from_recipe(D, H, Recipe(kind, 1 if kind is Dense else 1.2, doped=kind is None), rng, std=0.5)
    if doped:
        Wx, Wh = (W if kind is None else Doped(W, Overlay.dense(W.shape, rng, 0.5), cmr) for W in (lstm.Wx, lstm.Wh))
        for W in (Wx, Wh):
            W.overlay.prune(W.overlay.n_params // 3)
        if csr:
            Wx, Wh = Wx.to_csr(), Wh.to_csr()
        lstm = LSTM(Wx, Wh, lstm.b)
    return lstm.replace(lstm.params | {"b": draw(4 * H, seed=1, scale=0.5)})


def layer(kind=Kronecker, T=3, B=2, seed=None, inputs=False, dtype=np.float64, **more):
    lstm = _layer(kind, **more)
    H = lstm.H
    x, dh, h0, c0 = (draw(*s, seed=k, dtype=dtype) for k, s in enumerate([(T, B, lstm.D), (T, B, H), (B, H), (B, H)]))
    params = {name: a.astype(dtype) for name, a in lstm.params.items()}
    params |= {"x": x, "h0": h0, "c0": c0} if inputs else {}

    def run(p):
        start = (p["h0"], p["c0"]) if inputs else (h0, c0)
        return lstm.replace(p).forward(p["x"] if inputs else x, start, None if seed is None else R(seed))

    def loss(p):
        h, (_, cT), _ = run(p)
        return (h * dh).sum() + cT.sum()

    def grads(p):
        dx, (dh0, dc0), found = lstm.replace(p).backward(dh, run(p)[2], (np.zeros_like(h0), np.ones_like(c0)))
        return found | ({"x": dx, "h0": dh0, "c0": dc0} if inputs else {})

    return loss, params, grads


def _layer_cases(T=3):
    H = 4
    rows = {gate: np.s_[k * H : (k + 1) * H] for k, gate in enumerate("ifgo")}
    blocks = {"b": rows, "Wx.overlay": rows, "Wh.overlay": rows}
    cases = {t: layer(doped=True, T=t) for t in range(1, T)}
    return *layer(doped=True, T=T), {"blocks": blocks, "cases": cases}


def language_model(kind=Kronecker, T=4, B=2, V=5, H=4, layers=1, dropout=0.0, seed=None, csr=False, dtype=None, **more):
    factor = 1 if kind in (Dense, HMD) else 1.3
    recipe, sizes = Recipe(kind, factor, **more), {"layers": layers, "std": 0.5, "embedding_std": 0.5}
    model = LanguageModel.from_recipe(V, H, recipe, R(0), dropout=dropout, **sizes)
    if more.get("doped"):
        for W in model.matrices.values():
            W.overlay.prune(W.overlay.n_params // 3)
    if csr:
        model.to_csr()
    model = _half(model)
    if dtype is not None:
        model = model.astype(dtype)
    tokens, targets = R(1).integers(0, V - 1, (2, T, B))  # the last token never comes

    def run(p):
        return model.replace(p).forward(tokens, targets, rng=None if seed is None else R(seed))

    return lambda p: run(p)[0], model.params, lambda p: model.replace(p).backward(run(p)[2])


def structure(W, T=3, B=2, seed=None):
    W = _half(W)
    m, n = W.shape
    x, y = draw(T, B, n, seed=1), draw(T, B, m, seed=2)
    lead = (T, B)

    def made(p):
        made = W.replace(p)
        return made if seed is None else made.sample(R(seed), lead)

    def loss(p):
        return ((made(p).forward(x) - y) ** 2).sum() / 2

    return loss, W.params, lambda p: made(p).gradient(x, made(p).forward(x) - y)


def refdope():
    f32 = {"rtol": 2e-6}
    for kind in (Dense, Kronecker, LMF, HMD):
        yield f"LSTM over {kind.__name__}", partial(layer, kind)
    for kind in (Kronecker, LMF, HMD, None):
        for csr in (False, True) if kind in (Kronecker, None) else (False,):
            name = "a pruned matrix" if kind is None else f"doped {kind.__name__}"
            yield f"LSTM over {name}{', CSR' * csr}", partial(layer, kind, doped=True, csr=csr)
    for rows, per in itertools.product(("both", "sparse", "exclusive", "elements"), ("step", "sequence")):
        how = {"doped": True, "cmr": CMR(0.4, rows, per), "csr": per == "step", "seed": 7}
        yield f"LSTM with CMR of {rows}, per {per}", partial(layer, **how)
    yield "LSTM, T = 1, its inputs among the parameters", partial(layer, T=1, B=1, inputs=True)
    yield "LSTM, T = 6, its inputs among the parameters", partial(layer, LMF, T=6, inputs=True)
    yield "LSTM, with cases and blocks", _layer_cases
    yield "LSTM in float32", partial(layer, doped=True, dtype=np.float32), f32
    yield "LSTM with CMR in float32", partial(layer, doped=True, cmr=CMR(0.3), seed=1, dtype=np.float32), f32
    yield "language model", partial(language_model, Dense)
    yield "language model, 2 layers, dropout", partial(language_model, layers=2, dropout=0.3, seed=3)
    yield "language model, doped, CMR", partial(language_model, LMF, doped=True, cmr=CMR(0.3), seed=4, layers=2)
    yield "language model, pruned, CSR", partial(language_model, None, doped=True, csr=True)
    yield "language model in float32", partial(language_model, doped=True, dtype=np.float32, layers=2), f32
    dense = Overlay.for_compression((8, 15), 3, R(3))
    bare = {
        "Kronecker": Kronecker(draw(4, 3), draw(2, 5, seed=1)),
        "LMF": LMF(draw(8, 3), draw(3, 15, seed=1)),
        "Stack": Stack([Kronecker(draw(2, 3), draw(2, 5, seed=1)), LMF(draw(4, 1), draw(1, 15, seed=1))]),
        "SparseOverlay": SparseOverlay(dense.to_csr().csr),
    }
    for name, W in bare.items():
        yield name, partial(structure, W)
    yield "Doped, sampled", partial(structure, Doped(bare["Kronecker"], dense, CMR(0.5)), seed=2)

    def softmax_layer():
        targets, params = (
            R(1).integers(0, 4, (3, 2)),
            {"W": draw(4, 5), "b": draw(4, seed=1), "h": draw(3, 2, 5, seed=2)},
        )

        def run(p):
            layer = Softmax(p["W"], p["b"])
            return layer, *layer.forward(p["h"], targets)

        def grads(p):
            layer, _, cache = run(p)
            dh, found = layer.backward(1.0, cache)
            return found | {"h": dh}

        return lambda p: run(p)[1], params, grads

    def embedding_layer():
        tokens, dx = np.array([[4, 1], [1, 1], [0, 4]]), draw(3, 2, 3, seed=1)
        return (
            lambda p: (np.sin(Embedding(p["E"]).forward(tokens)[0]) * dx).sum(),
            {"E": draw(7, 3)},
            lambda p: Embedding(p["E"]).backward(np.cos(p["E"][tokens]) * dx, tokens)[1],
        )

    def dropout_layer():
        p_drop, dy = 0.4, draw(5, 3, seed=1)
        drop = Dropout(p_drop)

        def grads(p):
            y, keep = drop.forward(p["x"], R(2))
            return {"x": drop.backward(2 * y * dy, keep)}

        return lambda p: (drop.forward(p["x"], R(2))[0] ** 2 * dy).sum(), {"x": draw(5, 3)}, grads

    yield "Softmax", softmax_layer
    yield "Embedding, rows 2, 3, 5 and 6 unused", embedding_layer
    yield "Dropout", dropout_layer


# ------------------------------------------------------------------------------------------------ softmax cross-entropy


def cross_entropy(scale, smooth=0.0, dtype=np.float64, right=False):
    N, V = 6, 5
    targets = R(1).integers(0, V, N)
    x = draw(N, 3, seed=2, dtype=dtype)
    want = np.full((N, V), smooth / V, dtype)
    want[np.arange(N), targets] += 1 - smooth
    b = draw(N, V, seed=4, scale=scale)
    if right:
        b[np.arange(N), targets] += 100
    params = {"W": draw(V, 3, seed=3, scale=scale, dtype=dtype), "b": b.astype(dtype)}

    def loss(p):
        a = x @ p["W"].T + p["b"]
        return (lse(a) - (want * a).sum(1)).mean()

    def grads(p):
        d = (softmax(x @ p["W"].T + p["b"]) - want) / N
        return {"W": d.T @ x, "b": d}

    return loss, params, grads


def softmaxes():
    yield "cross-entropy, smoothed", partial(cross_entropy, 1.0, 0.1)
    yield "cross-entropy, logits of 1e3", partial(cross_entropy, 1e3)
    yield "cross-entropy, right by e^100", partial(cross_entropy, 0.5, right=True), {"atol": 1e-15, "weak": True}
    yield "cross-entropy, float32, logits of 1e3", partial(cross_entropy, 1e3, dtype=np.float32), {"rtol": 1e-4}
    c, w = draw(4, 6, seed=1), draw(4, 6)
    yield "log-sum-exp at 1e3", single(lambda w: lse(w).sum(), softmax, 1e3 + w)
    yield "Σ softmax, a gradient of rounding", single(lambda w: softmax(w).sum(), _of_softmax(np.ones((4, 6))), w)
    y = (c > 0).astype(float)
    binary = single(
        lambda w: (np.logaddexp(0, w) - y * w).mean(), lambda w: (scipy.special.expit(w) - y) / w.size, 5 * w
    )
    yield "binary, by logaddexp", binary


def _of_softmax(c):
    return lambda w: softmax(w) * (c - (c * softmax(w)).sum(-1, keepdims=True))


# ----------------------------------------------------------------------------------- normalisation, attention, the like


def normalised(axis, eps=1e-5, dtype=np.float64, bias=False, scale=1.0):
    """Make layer norm (axis 1) or batch norm (axis 0) after a linear layer; its bias then has no gradient at all."""
    N, H = 6, 5
    x, dy = draw(N, 3, seed=1, scale=scale, dtype=dtype), draw(N, H, seed=2, dtype=dtype)
    params = {"W": draw(H, 3, dtype=dtype), "gain": 1 + draw(H, seed=3, scale=0.1, dtype=dtype), "shift": dy[0] / 2}
    if bias:
        params["b"] = draw(H, seed=4, dtype=dtype)

    def run(p):
        a = x @ p["W"].T + (p["b"] if bias else 0)
        centred = a - a.mean(axis, keepdims=True)
        std = np.sqrt((centred**2).mean(axis, keepdims=True) + eps)
        return centred / std, std

    def loss(p):
        return ((run(p)[0] * p["gain"] + p["shift"]) * dy).sum()

    def grads(p):
        n, std = run(p)
        dn = dy * p["gain"]
        da = (dn - dn.mean(axis, keepdims=True) - n * (dn * n).mean(axis, keepdims=True)) / std
        found = {"W": da.T @ x, "gain": (dy * n).sum(0), "shift": dy.sum(0)}
        return found | ({"b": da.sum(0)} if bias else {})

    return loss, params, grads


def attention(heads=1, causal=False, key_bias=False):
    T, S, D = 5, 5, 4
    d, scale = D // heads, (D // heads) ** -0.5
    x, dy = draw(T, D, seed=1), draw(T, D, seed=2)
    params = {name: draw(D, D, seed=k, scale=0.7) for k, name in enumerate(("Wq", "Wk", "Wv"), 3)}
    params |= {"bk": draw(D, seed=6)} if key_bias else {}
    hide = np.where(np.tril(np.ones((T, S))) > 0, 0.0, -np.inf) if causal else np.zeros((T, S))

    def split(a):
        return a.reshape(T, heads, d).swapaxes(0, 1)  # (T, D) -> (heads, T, d)

    def merge(a):
        return a.swapaxes(0, 1).reshape(T, D)  # (heads, T, d) -> (T, D)

    def run(p):
        q, k, v = (split(x @ p[W].T + (p["bk"] if key_bias and W == "Wk" else 0)) for W in ("Wq", "Wk", "Wv"))
        return q, k, v, softmax(q @ k.swapaxes(1, 2) * scale + hide)

    def loss(p):
        _, _, v, a = run(p)
        return (merge(a @ v) * dy).sum()

    def grads(p):
        q, k, v, a = run(p)
        g = split(dy)
        da = g @ v.swapaxes(1, 2)
        ds = a * (da - (da * a).sum(-1, keepdims=True)) * scale
        dq, dk, dv = merge(ds @ k), merge(ds.swapaxes(1, 2) @ q), merge(a.swapaxes(1, 2) @ g)
        return {"Wq": dq.T @ x, "Wk": dk.T @ x, "Wv": dv.T @ x} | ({"bk": dk.sum(0)} if key_bias else {})

    return loss, params, grads


def convolution(stride=1, pool=False):
    N, C, F, size, k = 2, 2, 3, 6, 3
    x = draw(N, C, size, size, seed=1)
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))[
        :, :, ::stride, ::stride
    ]  # (N, C, h, w, k, k)
    h = windows.shape[2]
    dy = draw(N, F, h // 2 if pool else h, h // 2 if pool else h, seed=2)
    params = {"K": draw(F, C, k, k), "b": draw(F, seed=3)}

    def run(p):
        y = np.einsum("nchwij,fcij->nfhw", windows, p["K"]) + p["b"][:, None, None]
        if not pool:
            return np.tanh(y), 1 - np.tanh(y) ** 2
        tiles = y.reshape(N, F, h // 2, 2, h // 2, 2)
        best = tiles.max((3, 5), keepdims=True)
        return best[:, :, :, 0, :, 0], (tiles == best).reshape(y.shape)

    def grads(p):
        slope = run(p)[1]
        d = (dy.repeat(2, 2).repeat(2, 3) if pool else dy) * slope
        return {"K": np.einsum("nchwij,nfhw->fcij", windows, d), "b": d.sum((0, 2, 3))}

    return lambda p: (run(p)[0] * dy).sum(), params, grads


def bag(V, D=4):
    tokens, dy = np.array([[1, 4, 4], [7, 1, 4]]), draw(2, D, seed=1)
    N = tokens.shape[1]

    def grads(p):
        dE = np.zeros_like(p["E"])
        np.add.at(dE, tokens, ((1 - np.tanh(p["E"][tokens].mean(1)) ** 2) * dy / N)[:, None])
        return {"E": dE}

    return lambda p: (np.tanh(p["E"][tokens].mean(1)) * dy).sum(), {"E": draw(V, D)}, grads


def layers():
    yield "layer norm", partial(normalised, 1)
    yield "layer norm of inputs of 1e-3, its variance near eps", partial(normalised, 1, scale=1e-3)
    yield "batch norm", partial(normalised, 0)
    yield "batch norm after a bias that has no effect", partial(normalised, 0, bias=True), {"atol": 1e-13}
    yield "attention, two heads, causal with -inf", partial(attention, 2, True)
    yield "attention, with a key bias that has no effect", partial(attention, key_bias=True), {"atol": 1e-13}
    yield "convolution, stride 2", partial(convolution, 2)
    yield "convolution, max-pooled", partial(convolution, pool=True)
    yield "bag of embeddings, 500 rows of which 3 are used", partial(bag, 500)


# ------------------------------------------------------------------------------------------------------ dropout, masks


def dropped(p=0.3, inside=False, connect=False):
    """Make a linear layer under a dropout of its outputs or weights, its mask in the closure or drawn from a seed."""
    N, D, H, seed = 5, 4, 6, 3
    x, y = draw(N, D, seed=1), draw(N, H, seed=2)
    mask = R(seed).random((H, D) if connect else (N, H)) >= p

    def run(w):
        keep = (R(seed).random((H, D) if connect else (N, H)) >= p if inside else mask) / (1 - p)
        W = w["W"] * keep if connect else w["W"]
        return keep, (x @ W.T + w["b"]) * (1 if connect else keep)

    def loss(w):
        return ((run(w)[1] - y) ** 2).mean()

    def grads(w):
        keep, out = run(w)
        d = 2 * (out - y) / out.size
        if connect:
            return {"W": d.T @ x * keep, "b": d.sum(0)}
        return {"W": (d * keep).T @ x, "b": (d * keep).sum(0)}

    return loss, {"W": draw(H, D), "b": draw(H, seed=4)}, grads


def masks():
    yield "dropout, mask in the closure", dropped
    yield "dropout of 0.9, drawn from a seed inside", partial(dropped, 0.9, True)
    yield "dropped connections", partial(dropped, 0.5, connect=True)
    w, c = draw(6, 5), draw(6, 5, seed=1)
    mask = c > 0.5
    yield "pruned weights", single(lambda w: (np.sin(w * mask) * c).sum(), lambda w: np.cos(w) * c * mask, w * mask)
    yield "masked, all of it", single(lambda w: (w * 0.0 * c).sum() + 3.0, lambda w: w * 0.0, w)

    def decay():  # only of W, and b has a gradient of another size
        weight_decay, x, y = 1e-4, draw(5, 3, seed=1), draw(5, seed=2)

        def grads(p):
            d = (x @ p["W"] + p["b"] - y) / len(y)
            return {"W": x.T @ d + weight_decay * p["W"], "b": d.sum()}

        def loss(p):
            return ((x @ p["W"] + p["b"] - y) ** 2).mean() / 2 + weight_decay / 2 * (p["W"] ** 2).sum()

        return loss, {"W": draw(3), "b": np.array(0.3)}, grads

    yield "weight decay of W alone, b a scalar", decay


# --------------------------------------------------------------------------------------------------------------- scales


def scales():
    w, c = draw(4, 3), draw(4, 3, seed=1)
    for size in (1e-20, 1e-100, 1e12):
        yield f"loss of {size:.0e}", partial(lambda size: waves({"a": draw(4, 3), "b": draw(5, seed=2)}, size), size)
    yield "parameters of 1e6", single(lambda w: (w**2 * c).sum(), lambda w: 2 * w * c, 1e6 * w)
    yield "parameters of 1e12", single(lambda w: np.log(1 + w**2).mean(), lambda w: 2 * w / (1 + w**2) / 12, 1e12 * w)
    yield "1e6 + a small loss", single(lambda w: 1e6 + 1e-2 * np.sin(w).sum(), lambda w: 1e-2 * np.cos(w), w)
    yield (
        "1e6 + a small loss, real numbers only",
        single(lambda w: 1e6 + sum(math.sin(a) for a in w.ravel()), np.cos, w),
    )
    yield "1e9 + a small loss, real only", single(lambda w: 1e9 + np.hypot(w, c).sum(), lambda w: w / np.hypot(w, c), w)

    def mixed(real):
        params = {"tiny": draw(3) * 1e-8, "plain": draw(3, seed=1), "huge": draw(3, seed=2) * 1e8}
        size = {"tiny": 1e8, "plain": 1.0, "huge": 1e-8}
        weigh = {"tiny": 1e-10, "plain": 1.0, "huge": 1e4} if real else dict.fromkeys(params, 1.0)

        def loss(p):
            if real and any(np.iscomplexobj(a) for a in p.values()):
                raise TypeError("real numbers only")
            return sum(weigh[k] * np.tanh(size[k] * a).sum() for k, a in p.items())

        return loss, params, lambda p: {k: weigh[k] * size[k] / np.cosh(size[k] * a) ** 2 for k, a in p.items()}

    def analytic_mixed(p):
        return sum(
            s * np.tanh(t * p[k]).sum() for k, s, t in (("tiny", 1e-10, 1e8), ("plain", 1, 1), ("huge", 1e4, 1e-8))
        )

    yield "parameters of 1e-8, 1 and 1e8", partial(mixed, False)
    yield (
        "parameters of 1e-8, 1 and 1e8, terms of 1e-10, 1 and 1e4, real only",
        partial(mixed, True),
        {"ref": analytic_mixed},
    )
    spread = 10.0 ** np.arange(-6, 6).reshape(4, 3)
    yield "one array from 1e-6 to 1e5", single(lambda w: np.log(w).sum(), lambda w: 1 / w, spread)

    def unused():
        loss, params, grads = mlp("tanh")
        own = {"net": params, "unused": draw(3, 2), "and": [np.zeros(4)]}
        return lambda p: loss(p["net"]), own, lambda p: nest(np.zeros_like, p) | {"net": grads(p["net"])}

    yield "parameters that are not used", unused
    yield "all parameters zero", partial(mlp, "tanh", zero=True)
    flat = np.linspace(34, 36, 12).reshape(4, 3) * np.sign(c)
    yield (
        "tanh at 35, gradients of 1e-30",
        single(lambda w: np.tanh(w).sum(), lambda w: np.cosh(w) ** -2.0, flat),
        {"weak": True},
    )
    yield "tanh at 35, gradients rounded to 0", single(lambda w: np.tanh(w).sum(), lambda w: 1 - np.tanh(w) ** 2, flat)
    yield "a sum of both signs that cancels", single(lambda w: (w - w).sum() + 2.0, np.zeros_like, w)
    yield "a constant", single(lambda w: 1.25, np.zeros_like, w)

    def optimum(dtype):  # the gradient is what rounding leaves of it
        N, D = 200, 4
        x, y = draw(N, D, seed=1, dtype=dtype), draw(N, seed=2, dtype=dtype)
        best = np.linalg.lstsq(x.astype(float), y.astype(float), rcond=None)[0].astype(dtype)
        return lambda p: ((x @ p["w"] - y) ** 2).sum() / 2, {"w": best}, lambda p: {"w": x.T @ (x @ p["w"] - y)}

    yield "least squares at the optimum", partial(optimum, np.float64), {"atol": 1e-11, "weak": True}
    yield "least squares at the optimum, float32", partial(optimum, np.float32), {"atol": 1e-3, "weak": True}
    near = np.array([0.0, 1e-3, -1e-2, 0.3])
    yield "w^4 near 0", single(lambda w: (w**4).sum(), lambda w: 4 * w**3, near)
    bump = np.array([0.2, 0.1, 0.06])
    yield "exp(-1/w^2), flat", single(lambda w: np.exp(-1 / w**2).sum(), lambda w: 2 / w**3 * np.exp(-1 / w**2), bump)
    yield "1/w at 1e-4", single(lambda w: (1 / w).sum(), lambda w: -1 / w**2, np.array([1e-4, -3e-4, 1.0]))
    yield (
        "a bell of width 1e-4",
        single(lambda w: np.exp(-((w * 1e4) ** 2)).sum(), lambda w: -2e8 * w * np.exp(-((w * 1e4) ** 2)), w * 1e-4),
    )


# ----------------------------------------------------------------------------------------------- containers and layouts


def _tree(name):
    flat, w = draw(30), draw(4, 3)
    frozen = draw(4, 3, seed=1)
    frozen.flags.writeable = False
    trees = {
        "zero-size arrays": {"w": w, "none": np.zeros((0, 4)), "nor": np.zeros((3, 0, 2))},
        "zero-size arrays alone": {"none": np.zeros(0), "nor": [np.zeros((2, 0))]},
        "scalars, 0-d and of one entry": {"a": np.array(0.3), "b": np.array([1.2]), "c": np.full((1, 1, 1), -0.4)},
        "3-d and 4-d": {"three": draw(2, 3, 4), "four": draw(2, 1, 3, 2, seed=1)},
        "Fortran order": {"w": np.asfortranarray(w), "v": np.asfortranarray(draw(2, 3, 4))},
        "not contiguous": {"w": draw(8, 9)[::2, ::-3], "v": draw(3, 4, 5).transpose(2, 0, 1)},
        "read-only": {"w": frozen, "ones": np.broadcast_to(np.array([0.3, -0.2]), (3, 2))},
        "nested dicts and lists": {"a": {"W": w, "deep": [{"x": draw(2)}, [draw(3), draw(1, 2)]]}, "b": [draw(2, 2)]},
        "an empty list, an empty dict": {"layers": [], "more": {}, "w": w},
        "views of one flat vector": {"W": flat[:12].reshape(4, 3), "V": flat[12:24].reshape(3, 4), "b": flat[24:]},
        "one array under two names": {"a": w, "b": w, "c": [w]},
        "names with dots": {"a.b": draw(2), "a": {"b": draw(2, seed=1)}, "a.0": draw(2, seed=2), "": draw(1, seed=3)},
        "numbers for names": {0: draw(2), 1: {2: draw(3)}},
        "longdouble": {"w": w.astype(np.longdouble)},
        "float16": {"w": w.astype(np.float16)},
    }
    return trees[name]


def containers():
    for name in (
        *("zero-size arrays", "zero-size arrays alone", "scalars, 0-d and of one entry", "3-d and 4-d"),
        *("Fortran order", "not contiguous", "read-only", "nested dicts and lists", "an empty list, an empty dict"),
        *(
            "views of one flat vector",
            "one array under two names",
            "names with dots",
            "numbers for names",
            "longdouble",
        ),
    ):
        yield name, partial(lambda name: waves(_tree(name)), name)
    yield "float16", lambda: waves(_tree("float16")), {"rtol": 2e-3}

    def swapped():
        c = draw(5, seed=1)
        return lambda p: (c * np.exp(p["w"])).sum(), {"w": draw(5).astype(">f8")}, lambda p: {"w": c * np.exp(p["w"])}

    yield "big-endian", swapped


# -------------------------------------------------------------------------------------------------------------- float32


def float32s():
    f32, tight = np.float32, {"rtol": 2e-6}
    yield "MLP, relu, 5 layers", partial(mlp, "relu", (4, 6, 6, 6, 6, 2), dtype=f32), tight
    yield "LSTM", partial(recurrent, "LSTM", 5, 2, dtype=f32), tight
    yield "batch norm after a bias that has no effect", partial(normalised, 0, dtype=f32, bias=True), {"atol": 1e-5}

    def cast(name):
        """Make code that casts to float32 whatever it is given, and the same in float64."""
        x, y = draw(40, 5, seed=1), draw(40, seed=2)
        x32, y32 = x.astype(f32), y.astype(f32)

        def loss(p):
            w = np.asarray(p["w"]).astype(f32)
            r = np.tanh(x32 @ w) - y32
            return (r * r).sum() if name == "float32" else float((r * r).sum())

        def grads(p):
            t = np.tanh(x32 @ p["w"].astype(f32))
            return {"w": (2 * (t - y32) * (1 - t * t)) @ x32}

        def ref(p):
            return ((np.tanh(x @ p["w"]) - y) ** 2).sum()

        return (loss, {"w": draw(5, dtype=f32)}, grads), ref

    for name in ("float32", "float"):
        yield (
            f"cast inside, the loss a {name}",
            partial(lambda n: cast(n)[0], name),
            {"ref": cast(name)[1], "atol": 1e-5},
        )

    def wide():  # float64 inputs, so that all is float64, and the gradient cast at the end
        x, dy = draw(6, 5, seed=1), draw(6, 4, seed=2)

        def grads(p):
            return {"W": ((1 - np.tanh(x @ p["W"].T) ** 2) * dy).T.dot(x).astype(f32)}

        return lambda p: (np.tanh(x @ p["W"].T) * dy).sum(), {"W": draw(4, 5, dtype=f32)}, grads

    def offset():
        c, big = draw(8, seed=1, dtype=f32), f32(1e4)
        return (
            lambda p: big + (c * np.sin(p["w"])).sum(),
            {"w": draw(8, dtype=f32)},
            lambda p: {"w": c * np.cos(p["w"])},
        )

    def many():
        N = 50_000
        x = draw(N, 2, seed=1, dtype=f32)
        return (
            lambda p: np.tanh(x @ p["w"]).mean(),
            {"w": draw(2, dtype=f32)},
            lambda p: {"w": ((1 - np.tanh(x @ p["w"]) ** 2) / f32(N)) @ x},
        )

    def both():
        c = draw(4, 3, seed=1)

        def grads(p):
            d = c / np.cosh(p["a"] + p["b"]) ** 2
            return {"a": d.astype(f32), "b": d.sum(0)}

        return lambda p: (c * np.tanh(p["a"] + p["b"])).sum(), {"a": draw(4, 3, dtype=f32), "b": draw(3)}, grads

    yield "float64 inside", wide, tight
    yield "1e4 + a small loss", offset, tight
    yield "a mean of 50000", many, {"rtol": 1e-5}
    yield "a float32 and a float64 parameter", both, tight
    yield "loss of 1e-12", partial(lambda: waves({"w": draw(6, dtype=f32)}, f32(1e-12))), tight


# ---------------------------------------------------------------------------------------------------------------- kinks


def kinks():
    w, c = draw(12), draw(12, seed=1)
    zero = np.array([0.0, 0.4, 0.0, -0.3, 0.0])
    at = {"kink": 1e-6}
    for slope in (0.5, 1.0):
        f = (lambda w: np.maximum(w, 0).sum(), partial(lambda slope, w: np.heaviside(w, slope), slope))
        yield f"relu at 0, its slope taken as {slope}", single(*f, zero), at
    close = np.array([1e-3, -1e-4, 1e-5, -1e-6, 1e-7, -1e-9, 0.7])
    yield "abs from 1e-3 to 1e-9 beside its kink", single(lambda w: np.abs(w).sum(), np.sign, close), {"kink": 1e-11}
    tied = np.array([0.2, 1.5, 1.5, -0.3, 1.5])
    yield "max, three tied, to the first", single(np.max, lambda w: (np.arange(5) == w.argmax()) * 1.0, tied), at
    yield "max, three tied, shared", single(np.max, lambda w: (w == w.max()) / (w == w.max()).sum(), tied), at

    def hinge():  # some samples exactly at the margin
        x, y = np.array([[1.0, 0], [0, 1], [1, 1], [2, -1]]), np.array([1.0, -1, 1, -1])

        def grads(p):
            return {"w": -((y * (x @ p["w"]) < 1) * y) @ x}

        return lambda p: np.maximum(0, 1 - y * (x @ p["w"])).sum(), {"w": np.array([1.0, -0.5])}, grads

    yield "hinge, samples at the margin", hinge, at
    near = np.array([0.5, 0.5 + 1e-6, 2.0, -1.0, 0.5 - 1e-6])
    yield (
        "the largest two, 1e-6 apart",
        single(lambda w: np.sort(w)[-2:].sum(), lambda w: (w >= np.sort(w)[-2]) * 1.0, near),
        {"kink": 1e-8},
    )
    yield "median of 12", single(np.median, lambda w: np.isin(w, np.sort(w)[5:7]) / 2, w)
    yield "sorted, tied", single(lambda w: np.sort(w) @ c[:5], _sorted(c[:5]), zero), at
    edge = np.array([-1.0, 1.0, 0.3, 1.0 + 1e-5, -2.0, 1.0 - 1e-5])
    yield (
        "clip, at and beside its edges",
        single(lambda w: (np.clip(w, -1, 1) ** 2).sum(), lambda w: 2 * w * (np.abs(w) <= 1), edge),
        {"kink": 1e-7},
    )
    yield (
        "Huber, at and beside delta",
        single(lambda w: np.where(np.abs(w) <= 1, w**2 / 2, np.abs(w) - 0.5).sum(), lambda w: np.clip(w, -1, 1), edge),
        at,
    )

    def residuals():
        N = 3000
        x, y = draw(N, 3, seed=1), draw(N, seed=2)
        return lambda p: np.abs(x @ p["w"] - y).mean(), {"w": draw(3)}, lambda p: {"w": np.sign(x @ p["w"] - y) @ x / N}

    yield "L1 of 3000 residuals, kinks everywhere", residuals, {"kink": 1e-8}
    yield "relu, all parameters zero", partial(mlp, "relu", zero=True), at
    yield "relu, 2 x 40 units", partial(mlp, "relu", (10, 40, 40, 1), N=30)
    yield (
        "steps: sign and round",
        single(lambda w: (c * np.sign(w) + np.round(3 * w)).sum(), np.zeros_like, w + 0.01),
        at,
    )
    jump = np.array([1e-3, -1e-3, 1e-5, -0.4])
    yield (
        "a jump, 1e-3 and 1e-5 away",
        single(lambda w: np.where(w > 0, w + 1, w).sum(), np.ones_like, jump),
        {"kink": 1e-7},
    )
    yield (
        "total variation of a constant signal",
        single(
            lambda w: np.abs(np.diff(w)).sum(), lambda w: -np.diff(np.sign(np.diff(w)), prepend=0, append=0), 0 * w + 1
        ),
        at,
    )
    yield "norm at 0", single(lambda w: np.linalg.norm(w), lambda w: w * 0, np.zeros(3)), at
    yield (
        "|w|^1.5 at 0",
        single(lambda w: (np.abs(w) ** 1.5).sum(), lambda w: 1.5 * np.sign(w) * np.abs(w) ** 0.5, zero),
        {"kink": 1e-10},
    )


def _sorted(c):
    def df(w):
        g = np.empty_like(w)
        g[np.argsort(w, kind="stable")] = c
        return g

    return df


# ------------------------------------------------------------------------------------------- not fit for a complex step


def real_only():
    w, c = draw(5, 3), draw(5, 3, seed=1)

    def no_complex(w):
        if np.iscomplexobj(w):
            raise ValueError("expected real weights")
        return np.sin(w).sum()

    def only_float64(w):
        assert w.dtype == np.float64, w.dtype
        return np.exp(w).sum()

    def buffered(w):
        out = np.zeros(w.shape)
        out[...] = np.sin(w) * c
        return out.sum()

    def overflowing(w):  # right in real numbers; exp(800) is inf, and inf times a complex number NaN
        with np.errstate(over="ignore"):
            return sigmoid(w).sum()

    def slopes(w):
        with np.errstate(over="ignore"):
            return sigmoid(w) * sigmoid(-w)

    def root(a):  # x = cos(a x), by steps until they are short enough
        x = np.full_like(a, 0.7)
        for _ in range(500):
            x, last = np.cos(a * x), x
            if np.abs(x - last).max() < 1e-13:
                break
        return x

    scale = 1 / (1 + np.abs(w))
    table = {
        "a mean over abs": (lambda w: np.abs(np.sin(w) + 2).mean(), lambda w: np.cos(w) / w.size),
        "the real part taken midway": (lambda w: (np.sin(w.real) * w).sum(), lambda w: np.cos(w) * w + np.sin(w)),
        "expit": (lambda w: scipy.special.expit(w).sum(), lambda w: scipy.special.expit(w) * scipy.special.expit(-w)),
        "it raises ValueError": (no_complex, np.cos),
        "it asserts float64": (only_float64, np.exp),
        "astype(float)": (lambda w: np.tanh(w.astype(float)).sum(), lambda w: 1 - np.tanh(w) ** 2),
        "a float buffer": (buffered, lambda w: np.cos(w) * c),
        "np.linalg.norm": (np.linalg.norm, lambda w: w / np.linalg.norm(w)),
        "conj": (lambda w: np.vdot(w, w * c).real / 2, lambda w: w * c),
        "arctan2": (lambda w: np.arctan2(w, 2 + c**2).sum(), lambda w: (2 + c**2) / ((2 + c**2) ** 2 + w**2)),
        "by steps until they are short": (
            lambda w: root(w * scale).sum(),
            lambda w: _implicit(root(w * scale), w * scale) * scale,
        ),
    }
    for name, (f, df) in table.items():
        yield name, single(f, df, w)
    yield "exp that overflows", single(overflowing, slopes, np.array([-800.0, -1.0, 2.0, 800.0, -750.0]))
    inside = np.array([1e-8, 1e-3, 0.5, 1 - 1e-6])

    def entropy(w):
        if np.iscomplexobj(w) or not ((w > 0) & (w < 1)).all():
            raise ValueError("a probability is outside of (0, 1)")
        return -(w * np.log(w) + (1 - w) * np.log1p(-w)).sum()

    yield "it raises outside of (0, 1), 1e-8 away", single(entropy, lambda w: np.log1p(-w) - np.log(w), inside)
    yield (
        "sqrt by math, 1e-10 from 0",
        single(lambda w: sum(math.sqrt(a) for a in w), lambda w: 0.5 / np.sqrt(w), np.array([1e-10, 1e-4, 2.0])),
    )


def _implicit(x, a):  # x = cos(a x):  dx/da = -x s / (1 + a s),  s = sin(a x)
    s = np.sin(a * x)
    return -x * s / (1 + a * s)


# --------------------------------------------------------------------------------------- how they are called and return


class Quadratic:
    """A loss and its gradient as methods of an object, which keeps the weights of its last call."""

    def __init__(self):
        self.x, self.W = draw(5, 3, seed=1), np.zeros((4, 3))

    def __call__(self, p):
        return self.loss(p)

    def loss(self, p):
        self.W = p["W"]
        return ((self.x @ self.W.T) ** 2).sum() / 2

    def grads(self, p):
        self.W = p["W"]
        return {"W": self.W @ self.x.T @ self.x}


def forms():
    c = draw(4, 3, seed=1)

    def returning(form):
        loss, params, grads = waves({"w": draw(4, 3)})
        return lambda p: form(loss(p)), params, grads

    yield "loss as a 0-d array", partial(returning, np.asarray)
    yield "loss of shape (1,)", partial(returning, np.atleast_1d)
    yield "loss a Python float", partial(returning, float)

    def as_dict():
        loss, params, grads = mlp("tanh")
        return loss, params, grads(params)

    yield "grads a dict", as_dict

    def linear():
        x = draw(4, 3)
        found = {"w": x}
        return lambda p: (p["w"] * x).sum(), {"w": draw(4, 3, seed=1)}, lambda p: found

    yield "a linear loss, always the same arrays, the input itself", linear

    def identity():
        return lambda p: (p["w"] ** 2).sum() / 2 + (p["v"] ** 2).sum() / 2, {"w": draw(4, 3), "v": draw(4)}, lambda p: p

    yield "the gradients are the parameters, the dict itself", identity

    def views():
        x, dy = draw(6, 3, seed=1), draw(6, 4, seed=2)
        params = {"W": draw(4, 3), "V": draw(3, 4, seed=3), "b": draw(4, seed=4)}

        def grads(p):
            d = dy * np.cos(x @ p["W"].T + x @ p["V"] + p["b"])
            both = np.concatenate([x, np.ones((6, 1))], axis=1).T @ d  # (4, 4): that of V, and of b under it
            both.flags.writeable = False
            return OrderedDict(b=both[3], V=both[:3], W=both[:3].T)

        return lambda p: (dy * np.sin(x @ p["W"].T + x @ p["V"] + p["b"])).sum(), params, grads

    yield "read-only views, transposed, in another order", views

    def shared():
        def grads(p):
            g = c * np.cos(p["a"] + p["b"])
            return {"a": g, "b": g}

        return lambda p: (c * np.sin(p["a"] + p["b"])).sum(), {"a": draw(4, 3), "b": draw(4, 3, seed=2)}, grads

    yield "one array for two parameters", shared

    def cached():
        x, kept = draw(6, 3, seed=1), {}

        def hidden(p):
            key = p["W"].tobytes(), p["W"].dtype
            if key not in kept:
                kept.clear()
                kept[key] = np.tanh(x @ p["W"].T)
            return kept[key]

        return lambda p: hidden(p).sum(), {"W": draw(4, 3)}, lambda p: {"W": (1 - hidden(p) ** 2).T @ x}

    yield "a cache, keyed by the parameters", cached

    def buffer():
        x, buffer = draw(6, 3, seed=1), np.empty((6, 4))

        def loss(p):
            np.matmul(x, p["W"].T, out=buffer)
            return np.tanh(buffer, out=buffer).sum()

        return loss, {"W": draw(4, 3)}, lambda p: {"W": (1 - np.tanh(x @ p["W"].T) ** 2).T @ x}

    yield "a buffer that every call overwrites", buffer

    def out():
        x, found = draw(6, 3, seed=1), {"W": np.zeros((4, 3))}

        def grads(p):
            np.matmul((1 - np.tanh(x @ p["W"].T) ** 2).T, x, out=found["W"])
            return found

        return lambda p: np.tanh(x @ p["W"].T).sum(), {"W": draw(4, 3)}, grads

    yield "gradients in arrays that every call overwrites", out

    def restored():
        generator, calls = R(3), [0]
        start = generator.bit_generator.state

        def noisy(w):
            calls[0] += 1
            generator.bit_generator.state = start
            return w + generator.standard_normal(w.shape)

        return lambda p: np.sin(noisy(p["w"])).sum(), {"w": draw(4, 3)}, lambda p: {"w": np.cos(noisy(p["w"]))}

    yield "a generator set back at every call, and a counter", restored

    def objects(form):
        model = Quadratic()
        loss = {"method": model.loss, "object": model, "partial": partial(Quadratic.loss, model)}[form]
        return loss, {"W": draw(4, 3)}, partial(Quadratic.grads, model) if form == "partial" else model.grads

    for form in ("method", "object", "partial"):
        yield f"the loss is of another kind: {form}", partial(objects, form)

    def padded():  # the closure holds NaN, odd numbers, and things that cannot be copied or compared
        x, lengths, lock, numbers = draw(3, 4, seed=1), np.array([4, 2, 3]), threading.Lock(), iter([1, 2])
        p, N, T, limit, names, words = 1.0, 0, -1, np.inf, np.array(["a", "b"]), np.array([None, "x"], dtype=object)
        x[np.arange(4) >= lengths[:, None]] = np.nan

        def loss(params):
            with lock:
                _ = p, N, T, limit, names, words, numbers
                return sum(np.sin(row[:n] * params["w"][:n]).sum() for row, n in zip(x, lengths, strict=True))

        def grads(params):
            g = np.zeros(4)
            for row, n in zip(x, lengths, strict=True):
                g[:n] += np.cos(row[:n] * params["w"][:n]) * row[:n]
            return {"w": g}

        return loss, {"w": draw(4)}, grads

    yield "a closure with NaN as padding, odd numbers, a lock", padded

    def unset():
        trace = False

        def loss(p):
            if trace:
                print(history)
            return (c * p["w"] ** 2).sum()

        made = loss, {"w": draw(4, 3)}, lambda p: {"w": 2 * c * p["w"]}
        if trace:
            history: list[float] = []
        return made

    yield "a closure variable that is never set", unset


# ------------------------------------------------------------------------------------- FFT, polynomials, trigonometry


def analysis():
    w, c = draw(8), draw(8, seed=1)
    powers = np.arange(6)
    grid = np.linspace(-1, 1, 9)

    def power(w):
        return (c * np.abs(np.fft.fft(w)) ** 2).sum() / 8

    def d_power(w):
        return 2 * np.fft.ifft(c * np.fft.fft(w)).real

    yield "FFT, power spectrum", single(power, d_power, w)
    yield (
        "rfft filter",
        single(
            lambda w: (np.fft.irfft(np.fft.rfft(w) * c[:5], 8) ** 2).sum(),
            lambda w: 2 * np.fft.irfft(np.fft.rfft(w) * c[:5] ** 2, 8),
            w,
        ),
    )
    yield (
        "polynomial",
        single(
            lambda w: (np.sin(grid[:, None] ** powers @ w) ** 2).sum(),
            lambda w: np.sin(2 * (grid[:, None] ** powers @ w)) @ grid[:, None] ** powers,
            w[:6],
        ),
    )
    yield "sin 30w", single(lambda w: (c * np.sin(30 * w)).sum(), lambda w: 30 * c * np.cos(30 * w), w)
    product = np.array([0.5, 0.0, -2.0, 1.5])
    yield (
        "a product with one zero",
        single(np.prod, lambda w: np.array([np.prod(np.delete(w, k)) for k in range(4)]), product),
    )
    yield (
        "Rosenbrock, in its valley",
        single(
            lambda w: (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum(),
            lambda w: (
                np.append(-400 * w[:-1] * (w[1:] - w[:-1] ** 2) - 2 * (1 - w[:-1]), 0)
                + np.append(0, 200 * (w[1:] - w[:-1] ** 2))
            ),
            np.array([0.9, 0.81, 0.6561, 0.43]),
        ),
    )
    yield "gammaln", single(lambda w: scipy.special.gammaln(w).sum(), scipy.special.digamma, 0.5 + w**2)


# ---------------------------------------------------------------------------------------------------------------- large


def large():
    def wide(f, df, dtype=np.float64):
        x, dy = draw(20, 200, seed=1, dtype=dtype), draw(20, 300, seed=2, dtype=dtype)
        params = {"W": draw(300, 200, scale=0.07, dtype=dtype), "b": draw(300, seed=3, dtype=dtype)}

        def grads(p):
            dz = dy * df(x @ p["W"].T + p["b"])
            return {"W": dz.T @ x, "b": dz.sum(0)}

        return lambda p: (dy * f(x @ p["W"].T + p["b"])).sum(), params, grads

    yield "300 x 200, tanh", partial(wide, *ACTIVATIONS["tanh"])
    yield "300 x 200, relu, float32", partial(wide, *ACTIVATIONS["relu"], np.float32), {"rtol": 2e-5}
    c = draw(1000, 1000, seed=1)
    yield "a million", single(lambda w: (c * w).sum() + (w * w).sum() / 2, lambda w: c + w, draw(1000, 1000))

    def rows():
        tokens = R(1).integers(0, 20_000, 50)

        def grads(p):
            g = np.zeros_like(p["E"])
            np.add.at(g, tokens, 2 * p["E"][tokens])
            return {"E": g}

        return lambda p: (p["E"][tokens] ** 2).sum(), {"E": draw(20_000, 16)}, grads

    yield "an embedding of 20000 rows, 50 of them used", rows


FAMILIES = (
    *(linear_algebra, mlps, recurrents, refdope, softmaxes, layers, masks, scales),
    *(containers, float32s, kinks, real_only, forms, analysis, large),
)
