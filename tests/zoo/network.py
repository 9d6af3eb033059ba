"""A classifier of three layers, its input centred, with ReLU, softmax and weight decay.

h1 = max(0, (x - mean x) W1 + b1);  h2 = max(0, h1 W2 + b2);  scores = h2 W3 + b3
x (N, D), W1 (D, H), W2 (H, H), W3 (H, K), b1, b2 (H,), b3 (K,)
loss = mean (log Σ exp(scores) - scores[labels]) + reg / 2 (Σ W1² + Σ W2² + Σ W3²)
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.softmax import cross_entropy, probabilities


def forward(p):
    centred = p["x"] - p["x"].mean(axis=0)
    z1 = centred @ p["W1"] + p["b1"]
    h1 = np.where(z1 > 0, z1, 0)
    z2 = h1 @ p["W2"] + p["b2"]
    h2 = np.where(z2 > 0, z2, 0)
    return centred, z1, h1, z2, h2, h2 @ p["W3"] + p["b3"]


def backward(p, labels, reg, bug=""):
    N, K = len(labels), len(p["b3"])
    if bug == "centred in place":
        p["x"] -= p["x"].mean(axis=0)
    centred, z1, h1, z2, h2, scores = forward(p)
    onehot = np.eye(K)[labels - 1 if bug == "labels from 1" else labels]
    dscores = (probabilities(scores) - onehot) / N
    dz2 = dscores @ p["W3"].T * (z2 > 0)
    dz1 = dz2 @ p["W2"].T
    if bug == "slope of layer 2":
        dz1 = dz1 * (z2 > 0)
    elif bug != "no slope":
        dz1 = dz1 * (z1 > 0)
    dcentred = dz1 @ p["W1"].T
    grads = {"x": dcentred - dcentred.mean(axis=0)}
    for k, below, d in (("1", centred, dz1), ("2", h1, dz2), ("3", h2, dscores)):
        dW = below.T @ d
        if bug == "W2 transposed" and k == "2":
            dW = dW.T
        if bug == "weights / N":
            dW = dW / N
        grads["W" + k] = dW + (2 * reg if bug == "2 reg" else reg) * p["W" + k]
        grads["b" + k] = d.sum(axis=0)
    return grads


def problem(bug="", N=6, D=3, H=5, K=4, reg=0.1, dtype=np.float64):
    rng = np.random.default_rng(370)
    params = {"x": uniform(rng, N, D), "W1": uniform(rng, D, H), "W2": uniform(rng, H, H), "W3": uniform(rng, H, K)}
    params |= {"b1": uniform(rng, H), "b2": uniform(rng, H), "b3": uniform(rng, K)}
    params = {name: value.astype(dtype) for name, value in params.items()}
    labels = np.array([1, 0, 3, 1, 2, 2])

    def loss(params):
        decay = sum(np.sum(params["W" + k] ** 2) for k in "123")
        return cross_entropy(forward(params)[-1], labels) + reg / 2 * decay

    def grads(params):
        if bug == "centred in place":
            return backward(params, labels, reg, bug)
        grad = backward({name: value.astype(np.float64) for name, value in params.items()}, labels, reg, bug)
        wide = ("b1", "b2", "b3") if bug == "wide biases" else ()
        return {name: g if name in wide else g.astype(params[name].dtype) for name, g in grad.items()}

    return Problem(loss, params, grads)
