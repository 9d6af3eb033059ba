"""A sentence's label: embedding, LSTM, dropout of the last state, logistic regression.

z_t = [E[tokens_t], h_{t-1}] W + b             tokens (B, T), E (V, D), W (D + H, 4H), b (4H,), gates i, f, g, o
c_t = f∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t);  s = (keep∘h_T / (1 - p)) w + bias         keep (B, H), w (H,), bias (1,)
loss = mean (log(1 + exp(s)) - labels s), h0 and c0 zero
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import gates_of, sigmoid

TOKENS = np.array([[2, 0, 2], [4, 2, 1]])


def forward(params, tokens, H):
    hs, cs, steps = [np.zeros((len(tokens), H))], [np.zeros((len(tokens), H))], []
    for t in range(tokens.shape[1]):
        v = np.concatenate([params["E"][tokens[:, t]], hs[-1]], axis=1)
        i, f, g, o = gates_of(v @ params["W"] + params["b"])
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
        steps.append((v, i, f, g, o))
    return hs, cs, steps


def backward(params, tokens, labels, keep, p, bug=""):
    B, H = keep.shape
    hs, cs, steps = forward(params, tokens, H)
    E, W, w = params["E"], params["W"], params["w"]
    d = keep * hs[-1] / (1 - p)
    a = sigmoid(d @ w + params["bias"])
    ds = (labels - a if bug == "labels - a" else a - labels) / B
    if bug == "slope once more":
        ds = ds * a * (1 - a)
    dE, dW, db = np.zeros_like(E), np.zeros_like(W), np.zeros_like(params["b"])
    dh = keep * np.outer(ds, w) / (1 - p)
    if bug == "not rescaled":
        dh = keep * np.outer(ds, w)
    if bug == "times 1 - p":
        dh = keep * np.outer(ds, w) * (1 - p)
    dc_next = np.zeros((B, H))
    for t in reversed(range(len(steps))):
        (v, i, f, g, o), tanh_c = steps[t], np.tanh(cs[t + 1])
        dc = dc_next + dh * o * (1 - tanh_c**2)
        slopes = i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)
        if bug == "slope of f for i":
            slopes = f * (1 - f), f * (1 - f), 1 - g**2, o * (1 - o)
        dz = np.concatenate([dc * g, dc * cs[t], dc * i, dh * tanh_c], axis=1) * np.concatenate(slopes, axis=1)
        if bug == "h first":
            v = np.concatenate([hs[t], E[tokens[:, t]]], axis=1)
        dW += v.T @ dz
        db += dz.sum(axis=0)
        dv = dz @ W.T
        np.add.at(dE, tokens[:, t], dv[:, : E.shape[1]])
        dh = dv[:, E.shape[1] :]
        if bug != "dc after the loop":
            dc_next = dc * (f * (1 - f) if bug == "f overwritten" else f)
    return {"E": dE, "W": dW, "b": db, "w": d.T @ ds, "bias": ds.sum(keepdims=True)}


def problem(bug="", V=5, D=3, H=4, p=0.4):
    def one(T):
        rng = np.random.default_rng(330 + T)
        params = {"E": uniform(rng, V, D), "W": uniform(rng, D + H, 4 * H), "b": uniform(rng, 4 * H)}
        params |= {"w": uniform(rng, H), "bias": uniform(rng, 1)}
        tokens, labels = TOKENS[:, :T], np.array([1.0, 0.0])
        keep = np.array([[1.0, 0, 1, 1], [0, 1, 1, 0]])

        def loss(params):
            h = forward(params, tokens, H)[0][-1]
            s = (keep * h / (1 - p)) @ params["w"] + params["bias"]
            return np.mean(np.log(1 + np.exp(s)) - labels * s)

        def grads(params):
            drawn = (rng.random(keep.shape) >= p) * 1.0 if bug == "drawn anew" else keep
            return backward(params, tokens, labels, drawn, p, bug)

        return loss, params, grads

    columns = {gate: np.s_[..., k * H : (k + 1) * H] for k, gate in enumerate("ifgo")}
    return over_steps(one, dict.fromkeys(("W", "b"), columns))
