"""GRU on [h, x], and a logistic regression on each of its states.

z, r = σ([h_{t-1}, x_t] W + b);  n = tanh([r∘h_{t-1}, x_t] Wn + bn);  h_t = (1 - z)∘h_{t-1} + z∘n
s_t = h_t w + bias        x (T, B, D), Wz, Wr, Wn (H + D, H), bz, br, bn (H,), w (H,), bias (1,), labels (T, B)
loss = Σ (log(1 + exp(s)) - labels s) / B, h0 (B, H) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid

NAMES = ("x", "Wz", "Wr", "Wn", "bz", "br", "bn", "w", "bias")


def forward(p, h0):
    hs, steps = [h0], []
    for x_t in p["x"]:
        h = hs[-1]
        v = np.concatenate([h, x_t], axis=1)
        z, r = (sigmoid(v @ p["W" + gate] + p["b" + gate]) for gate in "zr")
        u = np.concatenate([r * h, x_t], axis=1)
        n = np.tanh(u @ p["Wn"] + p["bn"])
        steps.append((v, u, z, r, n))
        hs.append((1 - z) * h + z * n)
    return hs, steps


def backward(p, h0, labels, bug=""):
    hs, steps = forward(p, h0)
    B, H = h0.shape
    dx, dWz, dWr, dWn, dbz, dbr, dbn, dw, dbias = (np.zeros_like(p[name]) for name in NAMES)
    dh_next = np.zeros_like(h0)
    for t in reversed(range(len(labels))):
        (v, u, z, r, n), h = steps[t], hs[t]
        ds = (sigmoid(hs[t + 1] @ p["w"] + p["bias"]) - labels[t]) / B
        dw += hs[t + 1].T @ ds
        dbias += ds.sum()
        dh = np.outer(ds, p["w"]) + dh_next
        to_n, to_h = (1 - z, z) if bug == "z keeps" else (z, 1 - z)
        dn = dh * to_n
        if bug != "no slope of n":
            dn = dn * (1 - n**2)
        dz = dh * (n - h) * z * (1 - z)
        du = dn @ p["Wn"].T
        drh = du[:, :H]
        dr = drh * h * r * (1 - r)
        dv = dz @ p["Wz"].T + dr @ p["Wr"].T
        dWz += v.T @ dz
        if bug == "copied line":
            dWz += v.T @ dr
        else:
            dWr += v.T @ dr
        dWn += u.T @ dn
        dbz += dz.sum(axis=0)
        dbr += dr.sum(axis=0)
        dbn += dn.sum(axis=0)
        dx[t] = du[:, H:] + dv[:, H:]
        dh_next = dh * to_h + dv[:, :H] + (drh if bug == "without r" else drh * r)
        if bug == "direct path only":
            dh_next = dh * to_h
    found = dx, dWz, dWr, dWn, dbz, dbr, dbn, dw, dbias
    if bug == "r before z":
        found = dx, dWr, dWz, dWn, dbr, dbz, dbn, dw, dbias
    return dict(zip(NAMES, found[:-1] if bug == "one short" else found))


def problem(bug="", B=2, D=4, H=3):
    def one(T):
        rng = np.random.default_rng(530 + T)
        params = {"x": uniform(rng, T, B, D), "w": uniform(rng, H), "bias": uniform(rng, 1)}
        for gate in "zrn":
            params |= {"W" + gate: uniform(rng, H + D, H), "b" + gate: uniform(rng, H)}
        h0, labels = uniform(rng, B, H), np.array([[1.0, 0], [1, 1], [0, 1]])[:T]

        def loss(params):
            s = np.stack(forward(params, h0)[0][1:]) @ params["w"] + params["bias"]
            return np.sum(np.log(1 + np.exp(s)) - labels * s) / B

        def grads(params):
            return backward(params, h0, labels, bug)

        return loss, params, grads

    rows = {"h": np.s_[:H], "x": np.s_[H:]}
    return over_steps(one, {"W" + gate: rows for gate in "zrn"})
