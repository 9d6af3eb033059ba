"""Max pooling, then a convolution in one dimension.

u[n, s] = max(x[n, 2 s], x[n, 2 s + 1]);  y[n, t] = Σ_j k[j] u[n, t + j]       x (N, 2S), k (J,), y (N, S - J + 1)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def problem(bug="", N=2, S=5, J=3):
    rng = np.random.default_rng(190)
    params = {"x": uniform(rng, N, 2 * S), "k": uniform(rng, J)}
    L = S - J + 1
    dy = uniform(rng, N, L)
    buffer = np.zeros(J)

    def loss(params):
        u = params["x"].reshape(N, S, 2).max(axis=2)
        return np.sum(dy * sum(params["k"][j] * u[:, j : j + L] for j in range(J)))

    def grads(params):
        windows = params["x"].reshape(N, S, 2)
        u = windows.max(axis=2)
        du, dk = np.zeros_like(u), buffer if bug == "k adds" else np.zeros(J)
        for j in range(J):
            du[:, j : j + L] += dy * params["k"][j]
            dk[j] += np.sum(dy * u[:, j : j + L])
        chosen = np.ones_like(windows) if bug == "whole window" else windows == u[..., None]
        return {"x": (chosen * du[..., None]).reshape(N, 2 * S), "k": dk.copy()}

    return Problem(loss, params, grads)
