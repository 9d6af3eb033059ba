"""Parts of deeper networks; loss = Σ dy∘y, dy fixed.

GELU:        y = gelu(x W1 + b1) W2, gelu(z) = z / 2 (1 + tanh(√(2/π) (z + 0.044715 z³)))       W1 (D, H), W2 (H, D)
Layer norm:  y = gamma∘û + beta + x, û = (x - mean) / √(var + ε) over the last axis      x (B, T, D), gamma, beta (D,)
Batch norm:  y = gamma∘û + beta, û = (x - mean) / √(var + ε) by columns, one step after the other      x (N, D)
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def gelu(bug="", N=3, D=4, H=5):
    rng = np.random.default_rng(610)
    params = {"x": uniform(rng, N, D), "W1": uniform(rng, D, H), "b1": uniform(rng, H), "W2": uniform(rng, H, D)}
    dy, k, cubed = uniform(rng, N, D), np.sqrt(2 / np.pi), 0.044715

    def hidden(params):
        z = params["x"] @ params["W1"] + params["b1"]
        return z, np.tanh(k * (z + cubed * z**3))

    def loss(params):
        z, u = hidden(params)
        return np.sum(dy * (z / 2 * (1 + u) @ params["W2"]))

    def grads(params):
        z, u = hidden(params)
        inner = k if bug == "no cube" else k * (1 + 3 * cubed * z**2)
        slope = (1 + u) / 2 + z / 2 * (1 - u**2) * inner
        dz = dy @ params["W2"].T * slope
        dW2 = (z / 2 * (1 + u)).T @ dy
        return {"x": dz @ params["W1"].T, "W1": params["x"].T @ dz, "b1": dz.sum(axis=0), "W2": dW2}

    return Problem(loss, params, grads)


def layer_norm(bug="", B=2, T=3, D=4, eps=1e-3):
    rng = np.random.default_rng(611)
    params = {"x": uniform(rng, B, T, D), "gamma": uniform(rng, D), "beta": uniform(rng, D)}
    dy = uniform(rng, B, T, D)

    def normalised(x):
        centred = x - x.mean(axis=-1, keepdims=True)
        std = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + eps)
        return centred / std, std

    def loss(params):
        return np.sum(dy * (params["gamma"] * normalised(params["x"])[0] + params["beta"] + params["x"]))

    def grads(params):
        unit, std = normalised(params["x"])
        du = dy * params["gamma"]
        dx = du - du.mean(axis=-1, keepdims=True) - unit * np.mean(du * unit, axis=-1, keepdims=True)
        dgamma = np.sum(dy * unit, axis=0 if bug == "batch only" else (0, 1))
        dbeta = None if bug == "no beta" else dy.sum(axis=(0, 1))
        return {"x": dx / std + dy, "gamma": dgamma, "beta": dbeta}

    return Problem(loss, params, grads)


def batch_norm(bug="", N=5, D=3, eps=1e-3):
    rng = np.random.default_rng(612)
    kept: dict = {}
    params = {"x": uniform(rng, N, D) + 0.5, "gamma": uniform(rng, D), "beta": uniform(rng, D)}
    dy = uniform(rng, N, D)

    def steps(params):
        mu = params["x"].mean(axis=0)
        xmu = params["x"] - mu
        std = np.sqrt(np.mean(xmu**2, axis=0) + eps)
        return xmu, std, xmu / std

    def loss(params):
        return np.sum(dy * (params["gamma"] * steps(params)[-1] + params["beta"]))

    def grads(params):
        xmu, std, unit = steps(params)
        if bug == "std of the first call":
            std = kept.setdefault("std", std)
        dunit = dy * params["gamma"]
        dvar = -np.sum(dunit * xmu, axis=0) / std**3 / 2
        dxmu = dunit / std + 2 / N * xmu * dvar
        dmu = -dxmu.sum(axis=0)
        if bug == "plus dmu":
            dmu = -dmu
        return {"x": dxmu + dmu / N, "gamma": np.sum(dy * unit, axis=0), "beta": dy.sum(axis=0)}

    return Problem(loss, params, grads)
