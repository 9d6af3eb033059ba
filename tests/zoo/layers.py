"""Feed-forward layers: three of them with unlike activations; a highway layer; words with positions.

Deep:  h1 = σ(z1), h2 = z2∘σ(z2), h3 = z3 where z3 > 0, else slope z3;  z = h W + b       x (N, D), W1… (D, D), b1… (D,)
Highway:  t = σ(x Wtᵀ + bt);  u = tanh(x Whᵀ + bh);  y = t∘u + (1 - t)∘x                   Wt, Wh (D, D), bt, bh (D,)
Words:  y = tanh(E[tokens] + P)       tokens (B, T) with repeats, E (V, D), P (T, D)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.lstm import sigmoid


def deep(bug="", N=5, D=4, slope=0.1):
    rng = np.random.default_rng(220)
    params = {"x": uniform(rng, N, D)}
    for layer in "123":
        params |= {"W" + layer: uniform(rng, D, D), "b" + layer: uniform(rng, D)}
    dy = uniform(rng, N, D)

    def forward(params):
        z1 = params["x"] @ params["W1"] + params["b1"]
        h1 = sigmoid(z1)
        z2 = h1 @ params["W2"] + params["b2"]
        h2 = z2 * sigmoid(z2)
        z3 = h2 @ params["W3"] + params["b3"]
        return z1, h1, z2, h2, z3

    cache = forward(params)

    def loss(params):
        nonlocal cache
        cache = forward(params)
        z3 = cache[-1]
        return np.sum(dy * np.where(z3 > 0, z3, slope * z3))

    def grads(params):
        z1, h1, z2, h2, z3 = cache if bug == "cache of the loss" else forward(params)
        dz3 = dy if bug == "in place" else dy.copy()
        dz3[z3 <= 0] *= 0 if bug == "no slope where z < 0" else slope
        dh2 = dz3 @ params["W3"].T
        s = sigmoid(z2)
        dz2 = dh2 * (s if bug == "σ alone" else s + z2 * s * (1 - s))
        dh1 = dz2 @ params["W2"].T
        dz1 = dh1 * (z1 * (1 - z1) if bug == "σ at z" else h1 * (1 - h1))
        grad = {"x": dz1 @ params["W1"].T}
        inputs = {"1": params["x"], "2": h1, "3": h2}
        for layer, dz in zip("321", (dz3, dz2, dz1)):
            dW = dz.T @ inputs[layer] if bug == "operands exchanged" else inputs[layer].T @ dz
            grad |= {"W" + layer: dW, "b" + layer: dz.sum(axis=0)}
        if bug == "one variable":
            grad |= {"W2": grad["W1"], "W3": grad["W1"]}
        if bug == "W_3":
            grad["W_3"] = grad.pop("W3")
        return grad

    return Problem(loss, params, grads)


def highway(bug="", N=3, D=4):
    rng = np.random.default_rng(221)
    params = {"x": uniform(rng, N, D), "Wt": uniform(rng, D, D), "bt": uniform(rng, D)}
    params |= {"Wh": uniform(rng, D, D), "bh": uniform(rng, D)}
    dy = uniform(rng, N, D)

    def forward(params):
        x = params["x"]
        return sigmoid(x @ params["Wt"].T + params["bt"]), np.tanh(x @ params["Wh"].T + params["bh"])

    def loss(params):
        t, u = forward(params)
        return np.sum(dy * (t * u + (1 - t) * params["x"]))

    def grads(params):
        x, (t, u) = params["x"], forward(params)
        dt = dy * (x - u if bug == "x - u" else u - x) * t * (1 - t)
        du = dy * t * (1 - u**2)
        dx = dt @ params["Wt"] + du @ params["Wh"] + dy * (1 - t)
        return {"x": dx, "Wt": dt.T @ x, "bt": dt.sum(axis=0), "Wh": du.T @ x, "bh": du.sum(axis=0)}

    return Problem(loss, params, grads)


def words(bug="", V=6, D=4):
    rng = np.random.default_rng(222)
    tokens = np.array([[1, 4, 4], [0, 1, 5]])
    B, T = tokens.shape
    params = {"E": uniform(rng, V, D), "P": uniform(rng, T, D)}
    dy = uniform(rng, B, T, D)
    dE = np.zeros((V, D))

    def loss(params):
        return np.sum(dy * np.tanh(params["E"][tokens] + params["P"]))

    def grads(params):
        nonlocal dE
        if bug != "E adds":
            dE = np.zeros((V, D))
        de = dy * (1 - np.tanh(params["E"][tokens] + params["P"]) ** 2)
        np.add.at(dE, tokens, de)
        return {"E": dE.copy(), "P": de.sum(axis=0)}

    return Problem(loss, params, grads)
