"""LSTM over sequences of unequal lengths, padded; inputs dropped, the same ones at each step.

d_t = keep∘x_t / (1 - p);  z_t = d_t Wxᵀ + h_{t-1} Whᵀ + b       x (T, B, D), keep (B, D), weights as in lstm.py
c_t and h_t from z_t as in lstm.py where t < lengths, else those of the step before;  lengths (B,)
loss = Σ mask∘dy∘h / M, with M the number of steps that are not padding; or Σ dh_end∘h_T of the last states
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import gate_blocks, gates_of, parameters


def forward(params, mask, keep, p, h0, c0):
    hs, cs, gates = [h0], [c0], []
    for x_t, m in zip(params["x"], mask):
        i, f, g, o = gates_of(keep * x_t / (1 - p) @ params["Wx"].T + hs[-1] @ params["Wh"].T + params["b"])
        c = f * cs[-1] + i * g
        gates.append((i, f, g, o, c))
        hs.append(m * o * np.tanh(c) + (1 - m) * hs[-1])
        cs.append(m * c + (1 - m) * cs[-1])
    return hs, cs, gates


def backward(params, mask, keep, p, h0, c0, upstream, dh_end, bug=""):
    hs, cs, gates = forward(params, mask, keep, p, h0, c0)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dh_next, dc_next = dh_end, np.zeros_like(c0)
    for t in reversed(range(len(mask))):
        i, f, g, o, c = gates[t]
        m = np.ones_like(mask[t]) if bug == "no mask" else mask[t]
        dh, dc = upstream[t] + dh_next, dc_next
        tanh_c = np.tanh(c)
        dc_new = m * (dc + dh * o * (1 - tanh_c**2))
        di, df, dg = dc_new * g * i * (1 - i), dc_new * cs[t] * f * (1 - f), dc_new * i * (1 - g**2)
        dz = np.concatenate([di, df, dg, m * dh * tanh_c * o * (1 - o)], axis=1)
        dd = dz @ params["Wx"]
        grads["x"][t] = keep * dd if bug == "not rescaled" else keep * dd / (1 - p)
        grads["Wx"] += dz.T @ (keep * params["x"][t] / (1 - p))
        grads["Wh"] += dz.T @ hs[t]
        grads["b"] += dz.sum(axis=0)
        dh_next, dc_next = dz @ params["Wh"], dc_new * f
        if bug != "stops at padding":
            dh_next, dc_next = dh_next + (1 - m) * dh, dc_next + (1 - m) * dc
    return grads


def problem(bug="", last=False, B=2, D=3, H=4, p=0.25):
    def one(T):
        rng = np.random.default_rng(160 + T)
        params = {"x": uniform(rng, T, B, D), **parameters(rng, D, H)}
        h0, c0, dh_end = uniform(rng, 3, B, H)
        dy = uniform(rng, T, B, H)
        keep = np.array([[1.0, 0, 1], [1, 1, 0]])
        lengths = np.array([max(1, T - 1), T])
        mask = (np.arange(T)[:, None] < lengths)[..., None] * 1.0
        M = int(lengths.sum())

        def loss(params):
            hs = forward(params, mask, keep, p, h0, c0)[0]
            return np.sum(dh_end * hs[-1]) if last else np.sum(mask * dy * np.stack(hs[1:])) / M

        def grads(params):
            upstream = dy if bug == "no mask" else mask * dy
            upstream = upstream / (T * B if bug == "padding counted" else M)
            if last:
                upstream = np.zeros_like(dy)
            end = dh_end if last else np.zeros_like(dh_end)
            grad = backward(params, mask, keep, p, h0, c0, upstream, end, bug)
            if bug == "sorted by length":
                grad["x"] = grad["x"][:, np.argsort(-lengths, kind="stable")]
            return grad

        return loss, params, grads

    return over_steps(one, gate_blocks(H, "Wx", "Wh", "b"))
