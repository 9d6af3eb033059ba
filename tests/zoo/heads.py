"""Attention of several heads, each with a temperature, and dropout of its weights.

Q, K, V = x Wq, x Wk, x Wv by heads       x (N, D), Wq, Wk, Wv (D, h d), Q, K, V (h, N, d), tau (h,)
P = softmax(tau Q Kᵀ / √d) by rows;  y = (keep∘P / (1 - p)) V, heads side by side       keep (h, N, N), y (N, h d)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def problem(bug="", N=4, D=5, h=2, d=3, p=0.2):
    rng = np.random.default_rng(210)
    params = {"x": uniform(rng, N, D), "tau": uniform(rng, h)}
    params |= {name: uniform(rng, D, h * d) for name in ("Wq", "Wk", "Wv")}
    keep = (rng.random((h, N, N)) >= p) * 1.0
    dy = uniform(rng, N, h * d)

    def split(u):
        return u.reshape(N, h, d).transpose(1, 0, 2)

    def merged(u):
        return u.transpose(1, 0, 2).reshape(N, h * d)

    def forward(params):
        Q, K, V = (split(params["x"] @ params[name]) for name in ("Wq", "Wk", "Wv"))
        S = Q @ K.transpose(0, 2, 1) / np.sqrt(d)
        exp = np.exp(params["tau"][:, None, None] * S)
        return Q, K, V, S, exp / exp.sum(axis=2, keepdims=True)

    def loss(params):
        _, _, V, _, P = forward(params)
        return np.sum(dy * merged(keep * P / (1 - p) @ V))

    def grads(params):
        x, tau = params["x"], params["tau"][:, None, None]
        Q, K, V, S, P = forward(params)
        du = split(dy)
        used = keep * P if bug == "V not rescaled" else keep * P / (1 - p)
        dP = keep * (du @ V.transpose(0, 2, 1)) / (1 - p)
        if bug == "P not rescaled":
            dP = keep * (du @ V.transpose(0, 2, 1))
        dA = P * (dP - np.sum(P * dP, axis=2, keepdims=True))
        dtau = np.zeros(h) if bug == "tau constant" else np.sum(dA * S, axis=(1, 2))
        dS = tau * dA / np.sqrt(d)
        dQ, dK, dV = dS @ K, dS.transpose(0, 2, 1) @ Q, used.transpose(0, 2, 1) @ du
        dq, dk, dv = dQ.reshape(N, h * d) if bug == "heads reshaped" else merged(dQ), merged(dK), merged(dV)
        dx = dq @ params["Wq"].T + dk @ params["Wk"].T + dv @ params["Wv"].T
        return {"x": dx, "tau": dtau, "Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv}

    return Problem(loss, params, grads)
