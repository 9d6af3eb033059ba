"""LSTM with a matrix and a bias for each gate, its batch first, as many tutorials write it.

v = [h_{t-1}, x_t]       x (B, T, D), Wf, Wi, Wc, Wo (H, H + D), bf, bi, bc, bo (H,)
f, i, o = σ(v Wᵀ + b);  g = tanh(v Wcᵀ + bc);  c_t = f∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t)
loss = Σ dy∘h + Σ dc_end∘c_T       h0, c0 (B, H), dy (B, T, H), dc_end (B, H); dy, dc_end and c0 fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid


def quotient(z):
    return np.exp(z) / (1 + np.exp(z))


def forward(p, c0, sigmoid=sigmoid):
    hs, cs, gates = [p["h0"]], [c0], []
    for t in range(p["x"].shape[1]):
        v = np.concatenate([hs[-1], p["x"][:, t]], axis=1)
        f, i, o = (sigmoid(v @ p["W" + gate].T + p["b" + gate]) for gate in "fio")
        g = np.tanh(v @ p["Wc"].T + p["bc"])
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
        gates.append((v, f, i, g, o))
    return hs, cs, gates


def backward(p, c0, dy, dc_end, dh_next, bug=""):
    """The gradients, and what is left of dh after the first step."""
    if bug == "quotient":
        with np.errstate(over="ignore", invalid="ignore"):
            hs, cs, gates = forward(p, c0, quotient)
    else:
        hs, cs, gates = forward(p, c0)
    B, T, D = p["x"].shape
    H = c0.shape[1]
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dxs = np.zeros((T, B, D))
    dc_next = np.zeros_like(c0) if bug == "no dc_end" else dc_end
    for t in range(T) if bug == "from the first step" else reversed(range(T)):
        v, f, i, g, o = gates[t]
        tanh_c = np.tanh(cs[t + 1])
        dh = dy[:, t] + dh_next
        dc = dc_next + dh * o * (1 - (np.tanh(tanh_c) if bug == "tanh of tanh" else tanh_c) ** 2)
        if bug == "dc without o":
            dc = dc_next + dh * (1 - tanh_c**2)
        dz = {
            "f": dc * cs[t] * f * (1 - f),
            "i": dc * g * i * (1 - i),
            "c": dc * i * (1 - g**2),
            "o": dh * tanh_c * o * (1 - o),
        }
        for gate, d in dz.items():
            grads["W" + gate] += d.T @ v
            grads["b" + gate] += d.sum(axis=0)
        dv = sum(d @ p["W" + gate] for gate, d in dz.items())
        dh_next, dxs[t] = dv[:, :H], dv[:, H:]
        dc_next = dc * f
    grads["x"] = dxs.reshape(B, T, D) if bug == "reshaped" else dxs.transpose(1, 0, 2)
    grads["h0"] = dh_next
    if bug == "h of Wf":
        grads["Wf"][:, :H] = 0  # as where it is written into a copy
    if bug == "last state kept":
        p["h0"][:] = hs[-1]
    return grads, dh_next


def problem(bug="", saturated=False, B=2, D=3, H=4):
    """With `saturated`, one entry of the forget gate is exactly 1."""

    def one(T):
        rng = np.random.default_rng(140 + T)
        params = {"x": uniform(rng, B, T, D), "h0": uniform(rng, B, H)}
        params |= {"W" + gate: uniform(rng, H, H + D) for gate in "fico"}
        params |= {"b" + gate: uniform(rng, H) for gate in "fico"}
        if saturated:
            params["bf"][2] = 800.0
        c0, dy, dc_end = uniform(rng, B, H), uniform(rng, B, T, H), uniform(rng, B, H)
        left = np.zeros((B, H))

        def loss(params):
            hs, cs, _ = forward(params, c0)
            return np.sum(dy * np.stack(hs[1:], axis=1)) + np.sum(dc_end * cs[-1])

        def grads(params):
            nonlocal left
            grad, dh_next = backward(params, c0, dy, dc_end, left, bug)
            if bug == "dh of the call before":
                left = dh_next
            return grad

        return loss, params, grads

    columns = {"h": np.s_[:, :H], "x": np.s_[:, H:]}
    return over_steps(one, {"W" + gate: columns for gate in "fico"})
