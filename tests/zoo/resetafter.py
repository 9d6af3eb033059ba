"""GRU with two biases, whose reset gate acts after the product, as cuDNN and PyTorch have it.

a = x_t Wxᵀ + bx;  u = h_{t-1} Whᵀ + bh       x (T, B, D), Wx (3H, D), Wh (3H, H), bx and bh (3H,), in the order r, z, n
r = σ(a_r + u_r);  z = σ(a_z + u_z);  n = tanh(a_n + r∘u_n);  h_t = (1 - z)∘n + z∘h_{t-1}
loss = Σ dy∘h, dy and h0 fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid
from tests.zoo.peephole import rows


def forward(x, Wx, Wh, bx, bh, h0):
    hs, gates = [h0], []
    for x_t in x:
        ar, az, an = np.split(x_t @ Wx.T + bx, 3, axis=1)
        ur, uz, un = np.split(hs[-1] @ Wh.T + bh, 3, axis=1)
        r, z = sigmoid(ar + ur), sigmoid(az + uz)
        n = np.tanh(an + r * un)
        gates.append((r, z, n, un))
        hs.append((1 - z) * n + z * hs[-1])
    return hs, gates


def backward(p, h0, dy, back, bug=""):
    """`back` is the matrix through which dh goes to the step before: Wh."""
    hs, gates = forward(**p, h0=h0)
    H = h0.shape[1]
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next = np.zeros_like(h0)
    for t in reversed(range(len(dy))):
        (r, z, n, un), h = gates[t], hs[t]
        dh = dy[t] + dh_next
        dn = dh * (z if bug == "z for n" else 1 - z) * (1 - n**2)
        dz = dh * (h - n) * (1 - z**2 if bug == "slope of tanh for z" else z * (1 - z))
        dr = dn * (h if bug == "h for u" else un) * r * (1 - r)
        da, du = np.concatenate([dr, dz, dn], axis=1), np.concatenate([dr, dz, dn * r], axis=1)
        grads["x"][t] = da @ p["Wx"]
        grads["Wx"] += da.T @ p["x"][t]
        grads["Wh"] += du.T @ h
        grads["bx"] += da.sum(axis=0)
        grads["bh"] += du.sum(axis=0)
        dh_next = du @ back + dh * z
    if bug == "one bias":
        grads["bh"] = grads["bx"].copy()
    if bug == "gates z, r, n":
        for name in ("Wx", "bx"):
            r, z, n = np.split(grads[name], 3)
            grads[name] = np.concatenate([z, r, n])
    if bug == "r of Wh transposed":
        grads["Wh"][:H] = grads["Wh"][:H].T.copy()
    return grads


def problem(bug="", B=2, D=4, H=3):
    def one(T):
        rng = np.random.default_rng(130 + T)
        params = {"x": uniform(rng, T, B, D), "Wx": uniform(rng, 3 * H, D), "Wh": uniform(rng, 3 * H, H)}
        params |= {"bx": uniform(rng, 3 * H), "bh": uniform(rng, 3 * H)}
        h0, dy = uniform(rng, B, H), uniform(rng, T, B, H)
        contiguous = params["Wh"].copy()

        def loss(params):
            return np.sum(dy * np.stack(forward(**params, h0=h0)[0][1:]))

        def grads(params):
            return backward(params, h0, dy, contiguous if bug == "Wh copied once" else params["Wh"], bug)

        return loss, params, grads

    return over_steps(one, rows(H, "rzn", "Wx", "Wh", "bx", "bh"))
