"""A perceptron with inverted dropout, squared error and weight decay.

z = x W1ᵀ + b1;  h = tanh(z);  d = mask∘h / (1 - p)     x (N, D), W1 (H, D), b1 (H,), mask (N, H)
y = d W2ᵀ + b2                                          W2 (K, H), b2 (K,)
loss = Σ (y - targets)² / N + λ/2 (Σ W1² + Σ W2²)
"""

import numpy as np

from tests.zoo.base import Problem, adding, uniform


def forward(params, mask, p):
    z = params["x"] @ params["W1"].T + params["b1"]
    h = np.tanh(z)
    d = mask * h / (1 - p)
    return z, h, d, d @ params["W2"].T + params["b2"]


def backward(params, cache, mask, p, targets, decay, bug="", lr=0.1):
    x, W1, W2 = params["x"], params["W1"], params["W2"]
    z, h, d, y = cache
    N = len(x)
    dy = 2 * (y - targets) / N
    if bug == "no 2":
        dy = (y - targets) / N
    if bug == "targets - y":
        dy = 2 * (targets - y) / N
    dW2 = dy.T @ (h if bug == "h before dropout" else d) + decay * W2
    if bug == "updated before use":
        W2 -= lr * dW2
    dh = mask * (dy @ W2) / (1 - p)
    if bug == "not rescaled":
        dh = mask * (dy @ W2)
    if bug == "rescaled twice":
        dh = mask * (dy @ W2) / (1 - p) ** 2
    if bug == "no mask":
        dh = dy @ W2 / (1 - p)
    dz = dh * (1 - (z if bug == "slope at z" else h) ** 2)
    grads = {"x": dz @ W1, "W1": dz.T @ x + decay * W1, "b1": dz.sum(axis=0), "W2": dW2, "b2": dy.sum(axis=0)}
    if bug == "b1 zero":
        grads["b1"] = np.zeros_like(grads["b1"])
    if bug == "b1 (1, H)":
        grads["b1"] = dz.sum(axis=0, keepdims=True)
    if bug == "no biases":
        del grads["b1"], grads["b2"]
    if bug == "no decay of W1":
        grads["W1"] = dz.T @ x
    if bug == "decay of b1":
        grads["b1"] = dz.sum(axis=0) + decay * params["b1"]
    if bug == "float32":
        grads = {name: grad.astype(np.float32) for name, grad in grads.items()}
    if bug == "step":
        for name, grad in grads.items():
            params[name] -= lr * grad
    return grads


def problem(bug="", N=4, D=3, H=5, K=2, p=0.25, decay=0.3):
    rng = np.random.default_rng(90)
    params = {"x": uniform(rng, N, D), "W1": uniform(rng, H, D), "b1": uniform(rng, H)}
    params |= {"W2": uniform(rng, K, H), "b2": uniform(rng, K)}
    targets = uniform(rng, N, K)
    mask = (rng.random((N, H)) >= p) * 1.0
    kept: dict = {}

    def loss(params):
        y = forward(params, mask, p)[-1]
        return np.sum((y - targets) ** 2) / N + decay / 2 * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))

    def grads(params):
        drawn = (rng.random((N, H)) >= p) * 1.0 if bug == "mask drawn anew" else mask
        cache = forward(params, mask, p)
        if bug == "cache by shape":
            cache = kept.setdefault(params["x"].shape, cache)
        if bug == "random half":
            half = rng.permutation(N)[: N // 2]
            some = backward(
                params | {"x": params["x"][half]}, [a[half] for a in cache], mask[half], p, targets[half], decay
            )
            dx = np.zeros_like(params["x"])
            dx[half] = some["x"]
            return some | {"x": dx}
        return backward(params, cache, drawn, p, targets, decay, bug)

    return Problem(loss, params, adding(grads) if bug == "adds" else grads)
