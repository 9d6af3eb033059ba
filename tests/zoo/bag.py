"""A sentence's label from the mean of its words, with their positions.

u = tanh(√D E[tokens] + P);  e = Σ_t share∘u;  scores = e W + b       tokens, share (B, T), E (V, D), P (T, D), W (D, K)
share: 1 / (the row's number of tokens that are not 0), and 0 for these;  b (K,)
loss = mean (log Σ exp(scores) - scores[labels])
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.softmax import cross_entropy, probabilities


def problem(bug="", V=6, D=3, K=4):
    rng = np.random.default_rng(650)
    tokens, labels = np.array([[2, 4, 2, 0], [1, 2, 0, 0], [5, 3, 3, 4]]), np.array([3, 0, 1])
    B, T = tokens.shape
    params = {"E": uniform(rng, V, D), "P": uniform(rng, T, D), "W": uniform(rng, D, K), "b": uniform(rng, K)}
    share = (tokens != 0) / np.sum(tokens != 0, axis=1, keepdims=True)

    def forward(params):
        u = np.tanh(np.sqrt(D) * params["E"][tokens] + params["P"])
        return u, np.einsum("bt,btd->bd", share, u)

    def loss(params):
        return cross_entropy(forward(params)[1] @ params["W"] + params["b"], labels)

    def grads(params):
        u, e = forward(params)
        dscores = (probabilities(e @ params["W"] + params["b"]) - np.eye(K)[labels]) / B
        dz = share[..., None] * (dscores @ params["W"].T)[:, None] * (1 - u**2)
        dE, dP = np.zeros_like(params["E"]), dz.sum(axis=0)
        np.add.at(dE, tokens, dz if bug == "no √D" else np.sqrt(D) * dz)
        if bug == "P of each row":
            dP = dz
        if bug == "P constant":
            dP = np.zeros_like(params["P"])
        return {"E": dE, "P": dP, "W": e.T @ dscores, "b": dscores.sum(axis=0)}

    return Problem(loss, params, grads)
