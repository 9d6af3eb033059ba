"""A plain RNN whose last state is classified.

h_t = tanh(x_t Wx + h_{t-1} Wh + b);  scores = h_T Wo + bo      x (B, T, D), Wx (D, H), Wh (H, H), Wo (H, K), bo (K,)
loss = mean (log Σ exp(scores) - scores[labels]), h0 fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.softmax import cross_entropy, probabilities


def forward(p, h0):
    hs = [h0]
    for t in range(p["x"].shape[1]):
        hs.append(np.tanh(p["x"][:, t] @ p["Wx"] + hs[-1] @ p["Wh"] + p["b"]))
    return hs


def problem(bug="", B=2, D=3, H=4, K=3):
    def one(T):
        rng = np.random.default_rng(520 + T)
        params = {"x": uniform(rng, B, T, D), "Wx": uniform(rng, D, H), "Wh": uniform(rng, H, H), "b": uniform(rng, H)}
        params |= {"Wo": uniform(rng, H, K), "bo": uniform(rng, K)}
        h0, labels = uniform(rng, B, H), np.array([2, 0])

        def loss(params):
            return cross_entropy(forward(params, h0)[-1] @ params["Wo"] + params["bo"], labels)

        def grads(params):
            hs = forward(params, h0)
            dscores = (probabilities(hs[-1] @ params["Wo"] + params["bo"]) - np.eye(K)[labels]) / B
            grad = {name: np.zeros_like(value) for name, value in params.items()}
            grad |= {"Wo": hs[-1].T @ dscores, "bo": dscores.sum(axis=0)}
            dh = dscores @ params["Wo"].T
            for t in range(T - 1, 0 if bug == "down to 1" else -1, -1):
                dz = dh * (hs[t + 1] ** 2 - 1 if bug == "h² - 1" else 1 - hs[t + 1] ** 2)
                grad["x"][:, t] = dz @ params["Wx"].T
                grad["Wx"] += params["x"][:, t].T @ dz
                grad["Wh"] += hs[t].T @ dz
                grad["b"] += dz.sum(axis=0)
                dh = dz @ params["Wh"].T
                if bug == "scores of each step":
                    dh = dh + dscores @ params["Wo"].T
            return grad

        return loss, params, grads

    return over_steps(one)
