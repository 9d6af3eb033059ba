"""Attention to the words before, and a path around it.

Q, K, V = x Wq, x Wk, x Wv;  P = softmax(Q Kᵀ / √d) over the words up to each one's own;  y = x + P V Wo
x (T, D), Wq, Wk (D, d), Wv (D, M), Wo (M, D);  loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def problem(bug="", T=4, D=5, d=3, M=2):
    rng = np.random.default_rng(410)
    params = {"x": uniform(rng, T, D), "Wq": uniform(rng, D, d), "Wk": uniform(rng, D, d)}
    params |= {"Wv": uniform(rng, D, M), "Wo": uniform(rng, M, D)}
    mask, dy = np.tri(T), uniform(rng, T, D)

    def forward(params):
        Q, K, V = (params["x"] @ params[name] for name in ("Wq", "Wk", "Wv"))
        exp = mask * np.exp(Q @ K.T / np.sqrt(d))
        return Q, K, V, exp / exp.sum(axis=1, keepdims=True)

    def loss(params):
        _, _, V, P = forward(params)
        return np.sum(dy * (params["x"] + P @ V @ params["Wo"]))

    def grads(params):
        x, (Q, K, V, P) = params["x"], forward(params)
        du = dy @ params["Wo"].T
        dP, dV = du @ V.T, (P if bug == "P for Pᵀ" else P.T) @ du
        through_sum = P * dP if bug == "diagonal" else np.sum(P * dP, axis=1, keepdims=True)
        dS = P * (dP - through_sum)
        dS = dS / np.sqrt(d)
        dQ, dK = dS @ K, dS.T @ Q
        if bug == "√d twice":
            dQ, dK = dQ / np.sqrt(d), dK / np.sqrt(d)
        around = np.zeros_like(dy) if bug == "not around" else dy
        dx = around + dQ @ params["Wq"].T + dK @ params["Wk"].T + dV @ params["Wv"].T
        return {"x": dx, "Wq": x.T @ dQ, "Wk": x.T @ dK, "Wv": x.T @ dV, "Wo": (P @ V).T @ dy}

    return Problem(loss, params, grads)
