"""A language model of characters: a plain RNN and a softmax at each step.

h_t = tanh(Wxh[:, inputs_t] + h_{t-1} Whhᵀ + bh)       inputs, targets (T, B), Wxh (H, V), Whh (H, H), bh (H,)
logits_t = h_t Whyᵀ + by                               Why (V, H), by (V,)
loss = Σ_t Σ_b (log Σ exp(logits) - logits[target]) / B, h0 fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.softmax import cross_entropy, probabilities


def forward(p, inputs, h0):
    hs = [h0]
    for tokens in inputs:
        hs.append(np.tanh(p["Wxh"].T[tokens] + hs[-1] @ p["Whh"].T + p["bh"]))
    return hs


def backward(p, hs, inputs, targets, bug=""):
    T, B = inputs.shape
    V = len(p["by"])
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        h = hs[t + 1]
        wanted = targets[t - 1] if bug == "targets of the step before" else targets[t]
        dlogits = (probabilities(h @ p["Why"].T + p["by"]) - np.eye(V)[wanted]) / B
        grads["Why"] += dlogits.T @ h
        if bug == "by -=":
            grads["by"] -= dlogits.sum(axis=0)
        else:
            grads["by"] += dlogits.sum(axis=0)
        dz = (dlogits @ p["Why"] + dh_next) * (1 - h**2)
        grads["Wxh"] += dz.T @ np.eye(V)[inputs[t]]
        grads["Whh"] += dz.T @ (h if bug == "h of this step" else hs[t])
        grads["bh"] += dz.sum(axis=0)
        dh_next = dh_next + dz @ p["Whh"] if bug == "dh_next +=" else dz @ p["Whh"]
        if bug == "cut at each second step" and t % 2 == 0:
            dh_next = np.zeros_like(dh_next)
    if bug == "2 Why":
        grads["Why"] = 2 * grads["Why"]
    return grads


def problem(bug="", B=2, H=4, V=5, limit=0.5):
    def one(T):
        rng = np.random.default_rng(150 + T)
        params = {"Wxh": uniform(rng, H, V), "Whh": uniform(rng, H, H), "Why": uniform(rng, V, H)}
        params |= {"bh": uniform(rng, H), "by": uniform(rng, V)}
        h0 = uniform(rng, B, H)
        text = np.array([[0, 2], [3, 1], [1, 4], [2, 0]])
        inputs, targets = text[:T], text[1 : T + 1]
        state = h0

        def loss(params):
            hs = forward(params, inputs, h0)
            return sum(cross_entropy(hs[t + 1] @ params["Why"].T + params["by"], targets[t]) for t in range(T))

        def grads(params):
            nonlocal state
            hs = forward(params, inputs, state)
            if bug == "state of the call before":
                state = hs[-1]
            grad = backward(params, hs, inputs, targets, bug)
            if bug == "clipped":
                norm = np.sqrt(sum(np.sum(g**2) for g in grad.values()))
                grad = {name: g * min(1.0, limit / norm) for name, g in grad.items()}
            return grad

        return loss, params, grads

    return over_steps(one)
