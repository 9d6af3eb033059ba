"""A plain RNN that reads its own output of the step before.

h_t = tanh(y_{t-1} Wx + h_{t-1} Wh + b);  y_t = h_t Wy + by       y_0 = x (B, K), Wx (K, H), Wh (H, H), Wy (H, K)
loss = Σ dy∘y, dy (T, B, K) and h0 (B, H) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform


def forward(p, h0, T):
    hs, ys = [h0], [p["x"]]
    for _ in range(T):
        hs.append(np.tanh(ys[-1] @ p["Wx"] + hs[-1] @ p["Wh"] + p["b"]))
        ys.append(hs[-1] @ p["Wy"] + p["by"])
    return hs, ys


def problem(bug="", B=2, H=4, K=3):
    def one(T):
        rng = np.random.default_rng(560 + T)
        params = {"x": uniform(rng, B, K), "Wx": uniform(rng, K, H), "Wh": uniform(rng, H, H), "b": uniform(rng, H)}
        params |= {"Wy": uniform(rng, H, K), "by": uniform(rng, K)}
        h0, dy = uniform(rng, B, H), uniform(rng, T, B, K)

        def loss(params):
            return np.sum(dy * np.stack(forward(params, h0, T)[1][1:]))

        def grads(params):
            hs, ys = forward(params, h0, T)
            grad = {name: np.zeros_like(value) for name, value in params.items()}
            dh_next, dread = np.zeros((B, H)), np.zeros((B, K))
            for t in reversed(range(T)):
                dout = dy[t] if bug == "not read back" else dy[t] + dread
                grad["Wy"] += hs[t + 1].T @ dout
                grad["by"] += dout.sum(axis=0)
                dz = (dout @ params["Wy"].T + dh_next) * (1 - hs[t + 1] ** 2)
                grad["Wx"] += ys[t].T @ dz
                grad["Wh"] += hs[t].T @ dz
                grad["b"] += dz.sum(axis=0)
                dh_next, dread = dz @ params["Wh"].T, dz @ params["Wx"].T
            return grad | {"x": dread}

        return loss, params, grads

    return over_steps(one)
