"""LSTM whose recurrent matrix is a Kronecker product and a sparse overlay: Wh = A⊗B + mask∘E.

x (T, B, D), Wx (4H, D), A (8, 2), B (2, 2), E and mask (4H, H) with H = 4, b (4H,), gates i, f, g, o as in lstm.py
loss = Σ dy∘h, dy (T, N, H), h0 and c0 (N, H) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import gate_blocks, gates_of


def recurrent(p, mask):
    return np.kron(p["A"], p["B"]) + mask * p["E"]


def forward(p, mask, h0, c0):
    Wh = recurrent(p, mask)
    hs, cs, gates = [h0], [c0], []
    for x_t in p["x"]:
        i, f, g, o = gates_of(x_t @ p["Wx"].T + hs[-1] @ Wh.T + p["b"])
        gates.append((i, f, g, o))
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    return hs, cs, gates


def backward(p, mask, h0, c0, dy, bug=""):
    hs, cs, gates = forward(p, mask, h0, c0)
    A, B = p["A"], p["B"]
    Wh = recurrent(p, mask)
    through = np.kron(A, B) if bug == "through A⊗B only" else Wh
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dWh = np.zeros_like(Wh)
    dh_next, dc_next = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(dy))):
        if bug == "reset in the loop":
            dh_next = np.zeros_like(h0)
        (i, f, g, o), tanh_c = gates[t], np.tanh(cs[t + 1])
        dh = dy[t] + dh_next
        dc = dc_next + dh * o * (1 - tanh_c**2)
        if bug == "f of this step":
            dc = dc_next * f + dh * o * (1 - tanh_c**2)
        di, df, dg = dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dc * i * (1 - g**2)
        dz = np.concatenate([di, df, dg, dh * tanh_c * o * (1 - o)], axis=1)
        grads["x"][t] = dz @ p["Wx"]
        grads["Wx"] += dz.T @ p["x"][t]
        grads["b"] += dz.sum(axis=0)
        dWh += dz.T @ hs[t]
        dh_next, dc_next = dz @ through, dc if bug == "f of this step" else dc * f
    blocks = dWh.reshape(len(A), len(B), A.shape[1], B.shape[1])
    grads["A"] = np.einsum("iqpr,qr->ip", blocks, B)
    grads["B"] = np.einsum("iqpr,ip->rq" if bug == "B transposed" else "iqpr,ip->qr", blocks, A)
    grads["E"] = dWh if bug == "all of E" else mask * dWh
    return grads


def problem(bug="", N=2, D=3, H=4):
    def one(T):
        rng = np.random.default_rng(350 + T)
        params = {"x": uniform(rng, T, N, D), "Wx": uniform(rng, 4 * H, D), "b": uniform(rng, 4 * H)}
        params |= {"A": uniform(rng, 8, 2), "B": uniform(rng, 2, 2), "E": uniform(rng, 4 * H, H)}
        mask = (rng.random((4 * H, H)) < 0.4) * 1.0
        h0, c0, dy = uniform(rng, N, H), uniform(rng, N, H), uniform(rng, T, N, H)

        def loss(params):
            return np.sum(dy * np.stack(forward(params, mask, h0, c0)[0][1:]))

        def grads(params):
            return backward(params, mask, h0, c0, dy, bug)

        return loss, params, grads

    return over_steps(one, gate_blocks(H, "Wx", "b", "E"))
