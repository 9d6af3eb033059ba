"""Three more losses.

Huber:     Σ huber(x Wᵀ + b - targets) / N, huber(e) = e² / 2 where |e| ≤ delta, else delta |e| - delta² / 2
Cosine:    mean_n (1 - left[n]·right[n] / (|left[n]| |right[n]|))         left, right (N, D)
Logistic:  mean (log(1 + exp(s)) - labels s), s = x W + b         x (N, D), W (D, 1), b (1,), labels (N, 1)
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.losses import above, below, linear
from tests.zoo.lstm import sigmoid


def huber(bug="", N=5, D=3, K=4, delta=0.4):
    rng, params = linear(390, N, D, K)
    targets = uniform(rng, N, K)

    def loss(params):
        e = above(params) - targets
        beyond = np.where(e > 0, delta * e, -delta * e) - delta**2 / 2
        return np.sum(np.where((e > delta) | (e < -delta), beyond, e**2 / 2)) / N

    def grads(params):
        e = above(params) - targets
        de = np.clip(e, -delta, delta)
        if bug == "e everywhere":
            de = e
        if bug == "no sign":
            de = np.where(np.abs(e) <= delta, e, delta)
        return below(params, de / N)

    return Problem(loss, params, grads)


def cosine(bug="", N=3, D=4):
    rng = np.random.default_rng(391)
    params = {"left": uniform(rng, N, D), "right": uniform(rng, N, D)}

    def parts(params):
        left, right = params["left"], params["right"]
        a, b = (np.sqrt(np.sum(u**2, axis=1, keepdims=True)) for u in (left, right))
        return left / a, right / b, a, b

    def loss(params):
        u, v, _, _ = parts(params)
        return np.mean(1 - np.sum(u * v, axis=1))

    def grads(params):
        u, v, a, b = parts(params)
        cos = np.sum(u * v, axis=1, keepdims=True)
        dcos = (1 if bug == "of the similarity" else -1) / N
        return {"left": dcos * (v - cos * u) / a, "right": dcos * (u - cos * v) / b}

    return Problem(loss, params, grads)


def logistic(bug="", saturated=False, N=5, D=3):
    rng = np.random.default_rng(392)
    params = {"x": uniform(rng, N, D), "W": uniform(rng, D, 1), "b": uniform(rng, 1)}
    labels = np.array([[1.0], [0], [1], [1], [0]])
    if saturated:
        params["x"][2] = 80 * np.sign(params["W"][:, 0])  # whose probability is exactly 1

    def score(params):
        return params["x"] @ params["W"] + params["b"]

    def loss(params):
        s = score(params)
        return np.mean(np.log(1 + np.exp(s)) - labels * s)

    def grads(params):
        a = sigmoid(score(params))
        ds = (a - labels) / N
        if bug == "through a":
            with np.errstate(invalid="ignore", divide="ignore"):
                da = ((1 - labels) / (1 - a) - labels / a) / N
                ds = da * a * (1 - a)
        dW = params["x"].T @ ds
        return {"x": ds @ params["W"].T, "W": dW.ravel() if bug == "W (D,)" else dW, "b": ds.sum(axis=0)}

    return Problem(loss, params, grads)
