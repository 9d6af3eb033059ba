"""Losses of scores and of distances.

Softmax:   scores = x W + b; mean (log Σ exp(scores) - scores[labels])       x (N, D), W (D, K), b (K,)
Distilled: tau² mean -Σ_k soft log softmax(scores / tau), soft (N, K) fixed
Triplet:   Σ max(0, |anchor - positive|² - |anchor - negative|² + margin) / N by rows, all (N, D)
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.softmax import probabilities


def log_sum(scores):
    top = scores.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))


def linear(params):
    return params["x"] @ params["W"] + params["b"]


def below(params, dscores):
    return {"x": dscores @ params["W"].T, "W": params["x"].T @ dscores, "b": dscores.sum(axis=0)}


def softmax(bug="", large=False, N=4, D=3, K=5):
    rng = np.random.default_rng(600)
    params = {"x": uniform(rng, N, D), "W": uniform(rng, D, K), "b": uniform(rng, K)}
    if large:
        params["x"][1] = 1000 * np.sign(params["W"][:, 2])  # exp of its score is not a number of 64 bits
    labels = np.array([3, 0, 2, 3])

    def loss(params):
        scores = linear(params)
        return np.mean(log_sum(scores) - scores[np.arange(N), labels])

    def grads(params):
        scores = linear(params)
        p = probabilities(scores - scores.max(axis=1, keepdims=True))
        if bug == "not shifted":
            with np.errstate(over="ignore", invalid="ignore"):
                p = probabilities(scores)
        dscores = (p - np.eye(K)[labels]) / (K if bug == "by K" else N)
        if bug == "p (1 - p)":
            dscores = dscores * p * (1 - p)
        return below(params, dscores)

    return Problem(loss, params, grads)


def distilled(bug="", N=4, D=3, K=5, tau=2.5):
    rng = np.random.default_rng(601)
    params = {"x": uniform(rng, N, D), "W": uniform(rng, D, K), "b": uniform(rng, K)}
    soft = probabilities(2 * uniform(rng, N, K) / tau)

    def loss(params):
        cold = linear(params) / tau
        return tau**2 * np.mean(log_sum(cold) - np.sum(soft * cold, axis=1))

    def grads(params):
        dcold = tau**2 * (probabilities(linear(params) / tau) - soft) / N
        if bug == "soft - p":
            dcold = -dcold
        return below(params, dcold if bug == "not by tau" else dcold / tau)

    return Problem(loss, params, grads)


def triplet(bug="", N=4, D=3, margin=0.2):
    rng = np.random.default_rng(602)
    params = {name: uniform(rng, N, D) for name in ("anchor", "positive", "negative")}
    params["negative"][1] = -params["anchor"][1]
    params["positive"][1] = params["anchor"][1] + 0.1  # this row has no loss
    params["negative"][2] = params["anchor"][2] + 0.2

    def excess(params):
        near, far = params["anchor"] - params["positive"], params["anchor"] - params["negative"]
        return near, far, np.sum(near**2, axis=1, keepdims=True) - np.sum(far**2, axis=1, keepdims=True) + margin

    def loss(params):
        e = excess(params)[-1]
        return np.sum(np.where(e > 0, e, 0)) / N

    def grads(params):
        near, far, e = excess(params)
        de = np.ones((N, 1)) / N if bug == "all rows" else (e > 0) / N
        dnear, dfar = 2 * de * near, -2 * de * far
        return {"anchor": dnear + dfar, "positive": -dnear, "negative": dfar if bug == "plus far" else -dfar}

    return Problem(loss, params, grads)
