"""A plain RNN whose recurrent matrix is of low rank, plus a sparse overlay known by its values.

h_t = tanh(x_t Wxᵀ + h_{t-1} Whᵀ + b), Wh = U V + S, S zero but for S[rows, cols] = values
x (T, B, D), Wx (H, D), U (H, k), V (k, H), values (nnz,), b (H,);  loss = Σ dy∘h, dy and h0 fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform

ROWS, COLS = np.array([0, 0, 1, 2, 3]), np.array([1, 3, 2, 0, 3])


def recurrent(p):
    S = np.zeros((len(p["U"]), len(p["U"])), p["values"].dtype)
    S[ROWS, COLS] = p["values"]
    return p["U"] @ p["V"] + S


def forward(p, h0):
    Wh, hs = recurrent(p), [h0]
    for x_t in p["x"]:
        hs.append(np.tanh(x_t @ p["Wx"].T + hs[-1] @ Wh.T + p["b"]))
    return hs


def problem(bug="", B=2, D=3, H=4, k=2):
    def one(T):
        rng = np.random.default_rng(570 + T)
        params = {"x": uniform(rng, T, B, D), "Wx": uniform(rng, H, D), "b": uniform(rng, H)}
        params |= {"U": uniform(rng, H, k), "V": uniform(rng, k, H), "values": uniform(rng, len(ROWS))}
        h0, dy = uniform(rng, B, H), uniform(rng, T, B, H)

        def loss(params):
            return np.sum(dy * np.stack(forward(params, h0)[1:]))

        def grads(params):
            hs, Wh = forward(params, h0), recurrent(params)
            dx, dWx, db = (np.zeros_like(params[name]) for name in ("x", "Wx", "b"))
            dWh, dh_next = np.zeros((H, H)), np.zeros((B, H))
            for t in reversed(range(T)):
                dz = (dy[t] + dh_next) * (1 - hs[t + 1] ** 2)
                dx[t] = dz @ params["Wx"]
                dWx += dz.T @ params["x"][t]
                dWh += dz.T @ hs[t]
                db += dz.sum(axis=0)
                dh_next = dz @ Wh
            dvalues = dWh[COLS, ROWS] if bug == "columns first" else dWh[ROWS, COLS]
            dU, dV = dWh @ params["V"].T, params["U"].T @ dWh
            return {"x": dx, "Wx": dWx, "b": db, "U": dU, "V": dV, "values": dvalues}

        return loss, params, grads

    return over_steps(one)
