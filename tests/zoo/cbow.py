"""A word guessed from those around it: the mean of their embeddings, a linear layer, softmax.

e = Σ_c share∘E[tokens]        tokens (N, C) with repeats, share (N, C), E (V, D)
share: 1 / C; or, padded, 1 / (the row's number of tokens that are not 0), and 0 for these;
       or, dropped, keep / (1 - p) / C
scores = e W + b               W (D, V), b (V,);  loss = mean (log Σ exp(scores) - scores[targets])
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.softmax import cross_entropy, probabilities

TOKENS = np.array([[1, 3, 3], [0, 4, 1], [5, 0, 0], [2, 3, 4]])
TARGETS = np.array([2, 5, 1, 3])


def problem(bug="", padded=False, dropped=False, V=6, D=3, p=0.3):
    rng = np.random.default_rng(590)
    params = {"E": uniform(rng, V, D), "W": uniform(rng, D, V), "b": uniform(rng, V)}
    tokens, targets = TOKENS, TARGETS
    N, C = tokens.shape
    total = np.zeros((V, D))
    mask = tokens != 0
    keep = np.array([[1.0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]])

    def shares(keep):
        if padded:
            return mask / mask.sum(axis=1, keepdims=True)
        return keep / (1 - p) / C if dropped else np.ones((N, C)) / C

    def mean(params, share):
        return np.einsum("nc,ncd->nd", share, params["E"][tokens])

    def loss(params):
        return cross_entropy(mean(params, shares(keep)) @ params["W"] + params["b"], targets)

    def grads(params):
        nonlocal total
        share = shares((rng.random((N, C)) >= p) * 1.0 if bug == "drawn anew" else keep)
        e = mean(params, share)
        dscores = (probabilities(e @ params["W"] + params["b"]) - np.eye(V)[targets]) / N
        if bug == "not by C":
            share = share * C
        if bug == "padding":
            share = np.ones((N, C)) / mask.sum(axis=1, keepdims=True)
        if bug != "kept":
            total = np.zeros((V, D))
        np.add.at(total, tokens, share[..., None] * (dscores @ params["W"].T)[:, None])
        return {"E": total.copy(), "W": e.T @ dscores, "b": dscores.sum(axis=0)}

    return Problem(loss, params, grads)
