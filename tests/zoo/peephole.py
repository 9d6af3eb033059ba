"""LSTMs whose gates are not the usual ones: with peepholes, and with the input and the forget gate coupled.

Peephole: z_t = [x_t, h_{t-1}] Wᵀ + b       x (T, B, D), W (4H, D + H), b (4H,), pi, pf, po (H,)
    i = σ(z_i + pi∘c_{t-1});  f = σ(z_f + pf∘c_{t-1});  g = tanh(z_g)
    c_t = f∘c_{t-1} + i∘g;  o = σ(z_o + po∘c_t);  h_t = o∘tanh(c_t)       gates in the order i, f, o, g
Coupled: z_t = x_t Wxᵀ + h_{t-1} Whᵀ + b     Wx (3H, D), Wh (3H, H), b (3H,), gates in the order i, g, o
    c_t = (1 - i)∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t)
loss = Σ dy∘h, dy, h0 and c0 fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid


def rows(H, gates, *names):
    return {name: {gate: np.s_[k * H : (k + 1) * H] for k, gate in enumerate(gates)} for name in names}


def peephole_forward(p, h0, c0):
    hs, cs, gates = [h0], [c0], []
    for x_t in p["x"]:
        zi, zf, zo, zg = np.split(np.concatenate([x_t, hs[-1]], axis=1) @ p["W"].T + p["b"], 4, axis=1)
        i, f, g = sigmoid(zi + p["pi"] * cs[-1]), sigmoid(zf + p["pf"] * cs[-1]), np.tanh(zg)
        cs.append(f * cs[-1] + i * g)
        o = sigmoid(zo + p["po"] * cs[-1])
        hs.append(o * np.tanh(cs[-1]))
        gates.append((i, f, o, g))
    return hs, cs, gates


def peephole_backward(p, h0, c0, dy, bug=""):
    hs, cs, gates = peephole_forward(p, h0, c0)
    T, _B, D = p["x"].shape
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    if bug == "pi of each row":
        grads["pi"] = np.zeros_like(h0)
    dh_next, dc_next = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(T)):
        (i, f, o, g), c_prev, tanh_c = gates[t], cs[t], np.tanh(cs[t + 1])
        dh = dy[t] + dh_next
        do = dh * tanh_c * o * (1 - o)
        dc = dc_next + dh * o * (1 - tanh_c**2)
        if bug != "c without po":
            dc = dc + do * p["po"]
        di, df, dg = dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g**2)
        if bug == "f for i":
            dg = dc * f * (1 - g**2)
        dz = np.concatenate([di, df, do, dg], axis=1)
        grads["W"] += dz.T @ np.concatenate([p["x"][t], hs[t]], axis=1)
        grads["b"] += dz.sum(axis=0)
        grads["pi"] += di * c_prev if bug == "pi of each row" else np.sum(di * c_prev, axis=0)
        grads["pf"] += np.sum(df * c_prev, axis=0)
        grads["po"] += np.sum(do * cs[t + 1], axis=0)
        dxh = dz @ p["W"]
        grads["x"][t], dh_next = dxh[:, :D], dxh[:, D:]
        dc_next = dc * f + di * p["pi"] + df * p["pf"]
    if bug == "pi for pf":
        grads["pf"] = grads["pi"].copy()
    return grads


def peephole(bug="", B=2, D=3, H=4):
    def one(T):
        rng = np.random.default_rng(120 + T)
        params = {"x": uniform(rng, T, B, D), "W": uniform(rng, 4 * H, D + H), "b": uniform(rng, 4 * H)}
        params |= {name: uniform(rng, H) for name in ("pi", "pf", "po")}
        h0, c0, dy = uniform(rng, B, H), uniform(rng, B, H), uniform(rng, T, B, H)

        def loss(params):
            return np.sum(dy * np.stack(peephole_forward(params, h0, c0)[0][1:]))

        def grads(params):
            return peephole_backward(params, h0, c0, dy, bug)

        return loss, params, grads

    return over_steps(one, rows(H, "ifog", "W", "b"))


def coupled_forward(x, Wx, Wh, b, h0, c0):
    hs, cs, gates = [h0], [c0], []
    for x_t in x:
        i, g, o = np.split(x_t @ Wx.T + hs[-1] @ Wh.T + b, 3, axis=1)
        i, g, o = sigmoid(i), np.tanh(g), sigmoid(o)
        gates.append((i, g, o))
        cs.append((1 - i) * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    return hs, cs, gates


def coupled(bug="", B=2, D=4, H=3):
    def one(T):
        rng = np.random.default_rng(124 + T)
        params = {"x": uniform(rng, T, B, D), "Wx": uniform(rng, 3 * H, D), "Wh": uniform(rng, 3 * H, H)}
        params["b"] = uniform(rng, 3 * H)
        h0, c0, dy = uniform(rng, B, H), uniform(rng, B, H), uniform(rng, T, B, H)

        def loss(params):
            return np.sum(dy * np.stack(coupled_forward(**params, h0=h0, c0=c0)[0][1:]))

        def grads(params):
            x, Wx, Wh = params["x"], params["Wx"], params["Wh"]
            hs, cs, gates = coupled_forward(**params, h0=h0, c0=c0)
            grad = {name: np.zeros_like(value) for name, value in params.items()}
            dh_next, dc_next = np.zeros_like(h0), np.zeros_like(c0)
            for t in reversed(range(T)):
                (i, g, o), tanh_c = gates[t], np.tanh(cs[t + 1])
                dh = dy[t] + dh_next
                dc = dc_next + dh * o * (1 - tanh_c**2)
                di = dc * (g + cs[t] if bug == "g + c" else g - cs[t]) * i * (1 - i)
                if bug == "c - g":
                    di = dc * (cs[t] - g) * i * (1 - i)
                dz = np.concatenate([di, dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)], axis=1)
                grad["x"][t] = dz @ Wx
                grad["Wx"] += dz.T @ x[t]
                grad["Wh"] += dz.T @ hs[t]
                grad["b"] += dz.sum(axis=0)
                dh_next, dc_next = dz @ Wh, dc if bug == "dc whole" else dc * (1 - i)
            return grad

        return loss, params, grads

    return over_steps(one, rows(H, "igo", "Wx", "Wh", "b"))
