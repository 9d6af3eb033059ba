"""GRU with two matrices for each gate, whose update gate says how much of the state is kept.

z, r = σ(x_t W + h_{t-1} U + b);  n = tanh(x_t Wn + (r∘h_{t-1}) Un + bn);  h_t = z∘h_{t-1} + (1 - z)∘n
x (B, T, D), Wz, Wr, Wn (D, H), Uz, Ur, Un (H, H), bz, br, bn (H,);  loss = Σ dy∘h, dy (B, T, H) and h0 (B, H) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid


def forward(p, h0):
    hs, gates = [h0], []
    for t in range(p["x"].shape[1]):
        x_t, h = p["x"][:, t], hs[-1]
        z, r = (sigmoid(x_t @ p["W" + gate] + h @ p["U" + gate] + p["b" + gate]) for gate in "zr")
        n = np.tanh(x_t @ p["Wn"] + (r * h) @ p["Un"] + p["bn"])
        gates.append((z, r, n))
        hs.append(z * h + (1 - z) * n)
    return hs, gates


def backward(p, h0, dy, bug=""):
    hs, gates = forward(p, h0)
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next = np.zeros_like(h0)
    for t in reversed(range(dy.shape[1])):
        x_t, h, (z, r, n) = p["x"][:, t], hs[t], gates[t]
        dh = dy[:, t] + dh_next
        dn = dh * (1 - z) * (1 - n**2)
        drh = dn @ (p["Un"] if bug == "through Un itself" else p["Un"].T)
        dz = dh * (n - h if bug == "n - h" else h - n)
        if bug != "no slope of z":
            dz = dz * z * (1 - z)
        dr = drh * h * r * (1 - r)
        for gate, d, state in (("z", dz, h), ("r", dr, r * h if bug == "r∘h for Ur" else h), ("n", dn, r * h)):
            grads["W" + gate] += x_t.T @ d
            grads["U" + gate] += d.T @ state if bug == "Un transposed" and gate == "n" else state.T @ d
            grads["b" + gate] += d.sum(axis=0)
            grads["x"][:, t] += d @ p["W" + gate].T
        dh_next = dh * z + drh * r + dz @ p["Uz"].T
        if bug != "not through r":
            dh_next = dh_next + dr @ p["Ur"].T
    if bug == "Uz for Ur":
        grads["Ur"] = grads["Uz"].copy()
    return grads


def problem(bug="", B=2, D=4, H=3):
    def one(T):
        rng = np.random.default_rng(320 + T)
        params = {"x": uniform(rng, B, T, D)}
        for gate in "zrn":
            params |= {"W" + gate: uniform(rng, D, H), "U" + gate: uniform(rng, H, H), "b" + gate: uniform(rng, H)}
        h0, dy = uniform(rng, B, H), uniform(rng, B, T, H)

        def loss(params):
            return np.sum(dy * np.stack(forward(params, h0)[0][1:], axis=1))

        def grads(params):
            return backward(params, h0, dy, bug)

        return loss, params, grads

    return over_steps(one)
