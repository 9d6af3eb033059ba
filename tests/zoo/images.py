"""Pictures: a convolution with a border of zeros and average pooling; and batch norm by channels.

Convolution:  u[n, f, i, j] = Σ_{c, a, b} k[f, c, a, b] x[n, c, i + a - 1, j + b - 1] + bias[f];  v = tanh(u)
              y: means of v over squares of 2 by 2       x (N, C, S, S), k (F, C, 3, 3), bias (F,), y (N, F, S/2, S/2)
Batch norm:   y = gamma û + beta, û = (x - mean) / √(var + ε) by channels       x (N, C, L), gamma, beta (C,)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def convolution(bug="", N=2, C=2, F=3, S=4):
    rng = np.random.default_rng(400)
    params = {"x": uniform(rng, N, C, S, S), "k": uniform(rng, F, C, 3, 3), "bias": uniform(rng, F)}
    dy = uniform(rng, N, F, S // 2, S // 2)
    shifts = [(a, b) for a in range(3) for b in range(3)]
    kept = {"k": np.zeros((F, C, 3, 3)), "bias": np.zeros(F)}

    def forward(params):
        padded = np.pad(params["x"], ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = {(a, b): padded[:, :, a : a + S, b : b + S] for a, b in shifts}
        u = sum(np.einsum("fc,ncij->nfij", params["k"][:, :, a, b], windows[a, b]) for a, b in shifts)
        return windows, np.tanh(u + params["bias"][:, None, None])

    def loss(params):
        v = forward(params)[1].reshape(N, F, S // 2, 2, S // 2, 2)
        return np.sum(dy * v.mean(axis=(3, 5)))

    def grads(params):
        windows, v = forward(params)
        k = params["k"]
        dv = dy.repeat(2, axis=2).repeat(2, axis=3)
        if bug != "not a mean":
            dv = dv / 4
        du = dv * (1 - v**2)
        dk, dpadded = np.zeros_like(k), np.zeros((N, C, S + 2, S + 2))
        for a, b in shifts:
            dk[:, :, a, b] = np.einsum("nfij,ncij->fc", du, windows[a, b])
            of = k[:, :, 2 - a, 2 - b] if bug == "k turned" else k[:, :, a, b]
            dpadded[:, :, a : a + S, b : b + S] += np.einsum("nfij,fc->ncij", du, of)
        dx = dpadded[:, :, :-2, :-2] if bug == "border at the end" else dpadded[:, :, 1:-1, 1:-1]
        dbias = du.sum(axis=(0, 2, 3))
        if bug == "kept":
            kept["k"] += dk
            kept["bias"] += dbias
            dk, dbias = kept["k"].copy(), kept["bias"].copy()
        return {"x": dx, "k": dk, "bias": dbias}

    return Problem(loss, params, grads)


def batch_norm(bug="", N=3, C=2, L=4, eps=1e-3):
    rng = np.random.default_rng(401)
    params = {"x": uniform(rng, N, C, L), "gamma": uniform(rng, C), "beta": uniform(rng, C)}
    dy = uniform(rng, N, C, L)
    axes, M = (0, 2), N * L

    def forward(params):
        centred = params["x"] - params["x"].mean(axis=axes, keepdims=True)
        std = np.sqrt(np.mean(centred**2, axis=axes, keepdims=True) + eps)
        return centred, std

    def loss(params):
        centred, std = forward(params)
        return np.sum(dy * (params["gamma"][:, None] * centred / std + params["beta"][:, None]))

    def grads(params):
        centred, std = forward(params)
        dunit = dy if bug == "no gamma" else dy * params["gamma"][:, None]
        dstd = -np.sum(dunit * centred, axis=axes, keepdims=True) / std**2
        dvar = dstd / std if bug == "1 / std" else dstd / (2 * std)
        dcentred = dunit / std + 2 / M * centred * dvar
        dx = dcentred - dcentred.mean(axis=axes, keepdims=True)
        return {"x": dx, "gamma": np.sum(dy * centred / std, axis=axes), "beta": dy.sum(axis=axes)}

    return Problem(loss, params, grads)
