"""Losses on top of one linear layer, and those of a variational autoencoder.

y = x Wᵀ + b       x (N, D), W (K, D), b (K,)
Squared:  mean (y - targets)² over all N K entries
Hinge:    Σ_n Σ_{k ≠ labels[n]} max(0, y[n, k] - y[n, labels[n]] + 1) / N
Entropy:  mean_n -Σ_k soft[n, k] log softmax(y)[n, k] over the rows whose label is not -1,
          with soft = (1 - smoothing) onehot + smoothing / K
Divergence:   Σ (mu² + exp(logvar) - logvar - 1) / 2 / N       mu, logvar (N, D)
Variational:  Σ dy∘tanh(mu + exp(logvar / 2)∘noise), dy and noise fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.softmax import probabilities


def linear(seed, N, D, K):
    rng = np.random.default_rng(seed)
    return rng, {"x": uniform(rng, N, D), "W": uniform(rng, K, D), "b": uniform(rng, K)}


def above(params):
    return params["x"] @ params["W"].T + params["b"]


def below(params, dy):
    return {"x": dy @ params["W"], "W": dy.T @ params["x"], "b": dy.sum(axis=0)}


def squared(bug="", N=5, D=3, K=4):
    rng, params = linear(180, N, D, K)
    targets = uniform(rng, N, K)

    def loss(params):
        return np.mean((above(params) - targets) ** 2)

    def grads(params):
        error = above(params) - targets
        return below(params, 2 * error / (len(error) if bug == "rows only" else error.size))

    return Problem(loss, params, grads)


def hinge(bug="", N=5, D=3, K=4):
    _, params = linear(181, N, D, K)
    labels = np.array([1, 0, 3, 1, 2])

    def margins(params):
        y = above(params)
        return np.maximum(0, y - y[np.arange(N), labels][:, None] + 1) * (1 - np.eye(K)[labels])

    def loss(params):
        return np.sum(margins(params)) / N

    def grads(params):
        dy = (margins(params) > 0) * 1.0
        if bug == "label once":
            dy[np.arange(N), labels] = -1
        elif bug != "no label":
            dy[np.arange(N), labels] -= dy.sum(axis=1)
        return below(params, dy / N)

    return Problem(loss, params, grads)


def entropy(bug="", N=5, D=3, K=4, smoothing=0.0):
    _, params = linear(182, N, D, K)
    labels = np.array([1, -1, 3, 1, 2] if smoothing == 0 else [1, 0, 3, 1, 2])
    valid = labels >= 0
    onehot = np.eye(K)[labels]
    soft = (1 - smoothing) * onehot + smoothing / K

    def loss(params):
        y = above(params)[valid]
        return np.sum(np.log(np.exp(y).sum(axis=1)) - np.sum(soft[valid] * y, axis=1)) / valid.sum()

    def grads(params):
        dy = (probabilities(above(params)) - (onehot if bug == "hard" else soft)) / valid.sum()
        if bug != "ignored rows":
            dy[~valid] = 0
        return below(params, dy)

    return Problem(loss, params, grads)


def divergence(bug="", N=3, D=4):
    rng = np.random.default_rng(183)
    params = {"mu": uniform(rng, N, D), "logvar": uniform(rng, N, D)}

    def loss(params):
        mu, logvar = params["mu"], params["logvar"]
        return np.sum(mu**2 + np.exp(logvar) - logvar - 1) / 2 / N

    def grads(params):
        mu, var = params["mu"], np.exp(params["logvar"])
        return {"mu": mu / N, "logvar": (1 - var if bug == "1 - var" else var - 1) / 2 / N}

    return Problem(loss, params, grads)


def variational(bug="", N=3, D=4):
    rng = np.random.default_rng(184)
    params = {"mu": uniform(rng, N, D), "logvar": uniform(rng, N, D)}
    noise, dy = rng.standard_normal((N, D)), uniform(rng, N, D)

    def loss(params):
        return np.sum(dy * np.tanh(params["mu"] + np.exp(params["logvar"] / 2) * noise))

    def grads(params):
        drawn = rng.standard_normal((N, D)) if bug == "noise drawn anew" else noise
        std = np.exp(params["logvar"] / 2)
        dz = dy * (1 - np.tanh(params["mu"] + std * drawn) ** 2)
        return {"mu": dz, "logvar": dz * drawn * std / (1 if bug == "no 1 / 2" else 2)}

    return Problem(loss, params, grads)
