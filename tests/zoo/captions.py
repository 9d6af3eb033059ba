"""A captioning model: an LSTM that starts from a picture's features, words in, a softmax over words at each step.

h0 = x Wp + bp, c0 = 0;  e = E[tokens]         x (B, F), Wp (F, H), bp (H,), E (V, D), tokens and targets (B, T)
z_t = e_t Wx + h_{t-1} Wh + b                  Wx (D, 4H), Wh (H, 4H), b (4H,), gates in the order i, f, o, g
c_t = f∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t);  scores_t = h_t Wv + bv         Wv (H, V), bv (V,)
loss = Σ_{b, t} mask∘(log Σ exp(scores) - scores[targets]) / B, mask 0 where the target is the empty word 0
"""

import numpy as np

from tests.zoo.base import adding, over_steps, uniform
from tests.zoo.lstm import sigmoid

CAPTIONS = np.array([[1, 2, 0, 0], [1, 4, 3, 2]])


def forward(p, tokens):
    h0 = p["x"] @ p["Wp"] + p["bp"]
    hs, cs, gates = [h0], [np.zeros_like(h0)], []
    for t in range(tokens.shape[1]):
        z = p["E"][tokens[:, t]] @ p["Wx"] + hs[-1] @ p["Wh"] + p["b"]
        i, f, o, g = np.split(z, 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        gates.append((i, f, o, g))
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    return hs, cs, gates, np.stack(hs[1:], axis=1) @ p["Wv"] + p["bv"]


def backward(p, tokens, targets, mask, words, bug=""):
    """`words` are the embedded tokens, (B, T, D)."""
    hs, cs, gates, scores = forward(p, tokens)
    (B, T), V = tokens.shape, len(p["bv"])
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    exp = np.exp(scores)
    dscores = (exp / exp.sum(axis=2, keepdims=True) - np.eye(V)[targets]) / B
    if bug != "no mask":
        dscores *= mask[..., None]
    if bug == "B twice":
        dscores /= B
    if bug == "Wv (V, H)":
        grads["Wv"] = np.einsum("bth,btv->vh", np.stack(hs[1:], axis=1), dscores)
    else:
        grads["Wv"] += np.einsum("bth,btv->hv", np.stack(hs[1:], axis=1), dscores)
    grads["bv"] += dscores.sum(axis=(0, 1))
    dhs = dscores @ p["Wv"].T
    dh_next, dc_next = np.zeros_like(hs[0]), np.zeros_like(hs[0])
    for t in reversed(range(T)):
        (i, f, o, g), tanh_c = gates[t], np.tanh(cs[t + 1])
        dh = dhs[:, t] + dh_next
        if bug == "last step's scores" and t < T - 1:
            dh = dh_next
        dc = dc_next + dh * o * (1 - tanh_c**2)
        di = dc * g * (i * (i - 1) if bug == "i (i - 1)" else i * (1 - i))
        df = dc * cs[t] * f * (1 - f)
        do = dh * (cs[t + 1] if bug == "c for tanh(c)" else tanh_c)
        if bug != "no slope of o":
            do = do * o * (1 - o)
        dz = np.concatenate([di, df, do, dc * i * (1 - g**2)], axis=1)
        np.add.at(grads["E"], tokens[:, t], dz @ p["Wx"].T)
        grads["Wx"] += words[:, t].T @ dz
        grads["Wh"] += hs[t].T @ dz
        grads["b"] += dz.sum(axis=0)
        dh_next = dz @ p["Wh"].T
        dc_next = (dc_next if bug == "dc_next for dc" else dc) * f
    if bug == "h0 not returned":
        dh_next = np.zeros_like(dh_next)
    if bug == "empty word zeroed":
        p["E"][0] = 0
    return grads | {"Wp": p["x"].T @ dh_next, "bp": dh_next.sum(axis=0), "x": dh_next @ p["Wp"].T}


def problem(bug="", F=3, V=5, D=2, H=4):
    def one(T):
        rng = np.random.default_rng(300 + T)
        B = len(CAPTIONS)
        params = {"x": uniform(rng, B, F), "Wp": uniform(rng, F, H), "bp": uniform(rng, H), "E": uniform(rng, V, D)}
        params |= {"Wx": uniform(rng, D, 4 * H), "Wh": uniform(rng, H, 4 * H), "b": uniform(rng, 4 * H)}
        params |= {"Wv": uniform(rng, H, V), "bv": uniform(rng, V)}
        tokens, targets = CAPTIONS[:, :T], CAPTIONS[:, 1 : T + 1]
        mask = (targets != 0) * 1.0
        kept: dict = {}

        def loss(params):
            scores = forward(params, tokens)[-1]
            chosen = np.sum(scores * np.eye(V)[targets], axis=2)
            return np.sum(mask * (np.log(np.exp(scores).sum(axis=2)) - chosen)) / B

        def grads(params):
            words = params["E"][tokens]
            if bug == "embedded once":
                words = kept.setdefault("words", words)
            return backward(params, tokens, targets, mask, words, bug)

        return loss, params, adding(grads) if bug == "adds" else grads

    columns = {gate: np.s_[..., k * H : (k + 1) * H] for k, gate in enumerate("ifog")}
    return over_steps(one, dict.fromkeys(("Wx", "Wh", "b"), columns))
