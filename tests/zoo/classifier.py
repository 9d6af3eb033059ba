"""A classifier of two layers, its examples columns: ReLU, a sigmoid, cross-entropy and weight decay.

h = max(0, W1 x + b1);  a = σ(W2 h + b2)       x (D, N), W1 (H, D), b1 (H, 1), W2 (K, H), b2 (K, 1), labels (K, N)
loss = -Σ (labels log a + (1 - labels) log(1 - a)) / N + lambd / (2 N) (Σ W1² + Σ W2²)
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.lstm import sigmoid


def forward(p):
    z = p["W1"] @ p["x"] + p["b1"]
    h = np.where(z > 0, z, 0)
    return z, h, p["W2"] @ h + p["b2"]


def problem(bug="", D=3, H=5, K=2, N=4, lambd=0.7, limit=0.5):
    rng = np.random.default_rng(580)
    params = {"x": uniform(rng, D, N), "W1": uniform(rng, H, D), "b1": uniform(rng, H, 1)}
    params |= {"W2": uniform(rng, K, H), "b2": uniform(rng, K, 1)}
    labels = np.array([[1.0, 0, 0, 1], [0, 0, 1, 1]])

    def loss(params):
        s = forward(params)[-1]
        decay = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
        return np.sum(np.log(1 + np.exp(s)) - labels * s) / N + lambd / (2 * N) * decay

    def grads(params):
        x, W1, W2 = params["x"], params["W1"], params["W2"]
        z, h, s = forward(params)
        a = sigmoid(s)
        dz2 = (1 - labels) / (1 - a) - labels / a
        if bug != "σ left out":
            dz2 = dz2 * a * (1 - a)
        dz1 = W2.T @ dz2 * (h >= 0 if bug == "h >= 0" else z > 0)
        weight = lambd if bug == "decay not by N" else lambd / N
        grad = {"x": W1.T @ dz1 / N, "W1": dz1 @ x.T / N + weight * W1, "W2": dz2 @ h.T / N + weight * W2}
        db1 = dz1.sum(axis=1, keepdims=True)
        grad |= {"b1": db1 if bug == "b1 not by N" else db1 / N, "b2": dz2.sum(axis=1, keepdims=True) / N}
        if bug == "rows shortened":
            W1 *= np.minimum(1, limit / np.sqrt(np.sum(W1**2, axis=1, keepdims=True)))
        return grad

    return Problem(loss, params, grads)
