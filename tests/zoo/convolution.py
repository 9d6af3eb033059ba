"""Convolution in one dimension, and batch norm.

Convolution: y[n, t] = Σ_j k[j] x[n, t + j]      x (N, L), k (J,), y (N, L - J + 1)
Batch norm:  y = gamma∘û + beta, û = (x - mean) / √(var + ε) by columns;  x (N, D), gamma, beta (D,)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def convolution(bug="", N=2, L=7, J=3):
    rng = np.random.default_rng(110)
    params = {"x": uniform(rng, N, L), "k": uniform(rng, J)}
    dy = uniform(rng, N, L - J + 1)
    S = dy.shape[1]

    def loss(params):
        return np.sum(dy * sum(params["k"][j] * params["x"][:, j : j + S] for j in range(J)))

    def grads(params):
        x, k = params["x"], params["k"]
        dx, dk = np.zeros_like(x), np.zeros(J, int if bug == "integers" else k.dtype)
        for j in range(J):
            dk[j] = np.sum(dy * x[:, j : j + S])
        for t in range(S):
            if bug == "windows =":
                dx[:, t : t + J] = 0
            dx[:, t : t + J] += dy[:, t : t + 1] * k
        if bug == "dk reversed":
            dk = dk[::-1]
        if bug == "dx shifted":
            dx = np.roll(dx, 1, axis=1)
        return {"x": dx, "k": dk}

    return Problem(loss, params, grads)


def batch_norm(bug="", N=5, D=3, eps=1e-3):
    rng = np.random.default_rng(111)
    params = {"x": uniform(rng, N, D), "gamma": uniform(rng, D), "beta": uniform(rng, D)}
    dy = uniform(rng, N, D)
    running_mean = 0.1 * uniform(rng, D)

    def normalised(x, count=N):
        centred = x - x.mean(axis=0)
        std = np.sqrt(np.sum(centred**2, axis=0) / count + eps)
        return centred / std, std

    def loss(params):
        return np.sum(dy * (params["gamma"] * normalised(params["x"])[0] + params["beta"]))

    def grads(params):
        unit, std = normalised(params["x"], N - 1 if bug == "N - 1" else N)
        if bug == "running mean":
            unit = (params["x"] - running_mean) / std
        dunit = dy * params["gamma"]
        dx = dunit - dunit.mean(axis=0)
        if bug != "variance constant":
            dx = dx - unit * np.mean(dunit * unit, axis=0)
        dgamma, dbeta = np.sum(dy * unit, axis=0), dy.sum(axis=0)
        if bug == "dgamma for dbeta":
            dgamma, dbeta = dbeta, dgamma
        if bug == "dy times gamma":
            np.multiply(dy, params["gamma"], out=dy)
        return {"x": dx / std, "gamma": dgamma, "beta": dbeta}

    return Problem(loss, params, grads)
