"""A language model of one word: embedding, linear layer, softmax, mean cross-entropy.

    e = E[tokens]                        tokens (N,) with repeats, E (V, D)
    logits = e Wᵀ + b                    W (V, D), b (V,)
    loss = mean_n (log Σ_v exp(logits[n, v]) - logits[n, targets[n]])
Padded: the rows e of token 0 are zero whatever E[0] is.  Tied: W is E, with e = tanh(E[tokens]).
"""

import numpy as np

from tests.zoo.base import Problem, adding, uniform

TOKENS = np.array([1, 3, 3, 0, 1, 3])
TARGETS = np.array([3, 3, 0, 1, 2, 4])
target = np.array([0, 1, 2, 3, 4, 2])  # that of another batch, left by a training loop


def probabilities(logits):
    exp = np.exp(logits)
    return exp / exp.sum(axis=1, keepdims=True)


def cross_entropy(logits, targets):
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets])


def backward(params, tokens, targets, keep, bug=""):
    E, W, b = params["E"], params["W"], params["b"]
    N = len(tokens)
    e = keep * E[tokens]
    p = probabilities(e @ W.T + b)
    onehot = np.eye(len(b))[target if bug == "global target" else tokens if bug == "tokens" else targets]
    dlogits = (p - onehot) / N
    if bug == "y - p":
        dlogits = (onehot - p) / N
    if bug == "no one-hot":
        dlogits = p / N
    if bug == "sum":
        dlogits = p - onehot
    if bug == "divides by p":
        with np.errstate(invalid="ignore", divide="ignore"):
            dp = -onehot / p / N
            dlogits = p * (dp - np.sum(p * dp, axis=1, keepdims=True))
    de = keep * (dlogits @ W)
    if bug == "padding":
        de = dlogits @ W
    dE = np.zeros_like(E, dtype=np.float32 if bug == "float32" else None)
    if bug == "E[tokens] +=":
        dE[tokens] += de
    else:
        np.add.at(dE, tokens, de)
    db = dlogits.sum(axis=0)
    if bug == "db mean":
        db = dlogits.mean(axis=0)
    if bug == "db of each row":
        db = dlogits
    return {"E": None if bug == "no dE" else dE, "W": dlogits.T @ e, "b": db}


def problem(bug="", padded=False, underflow=False, V=5, D=3):
    rng = np.random.default_rng(80)
    params = {"E": uniform(rng, V, D), "W": uniform(rng, V, D), "b": uniform(rng, V)}
    if underflow:
        params["b"][2] = -800.0  # a word that is never a target there, and whose probability is exactly 0
    tokens, targets = TOKENS, np.where(TARGETS == 2, 4, TARGETS) if underflow else TARGETS
    keep = (tokens != 0)[:, None] if padded else np.ones((len(tokens), 1))
    model = {name: value.copy() for name, value in params.items()}

    def loss(params):
        return cross_entropy(keep * params["E"][tokens] @ params["W"].T + params["b"], targets)

    def grads(params):
        return backward(model if bug == "own parameters" else params, tokens, targets, keep, bug)

    return Problem(loss, params, adding(grads) if bug == "adds" else grads)


def tied(bug="", V=5, D=3):
    rng = np.random.default_rng(81)
    params = {"E": uniform(rng, V, D), "b": uniform(rng, V)}
    tokens, targets = TOKENS, TARGETS

    def loss(params):
        return cross_entropy(np.tanh(params["E"][tokens]) @ params["E"].T + params["b"], targets)

    def grads(params):
        E, b = params["E"], params["b"]
        e = np.tanh(E[tokens])
        dlogits = (probabilities(e @ E.T + b) - np.eye(V)[targets]) / len(tokens)
        read, written = np.zeros_like(E), dlogits.T @ e
        np.add.at(read, tokens, dlogits @ E * (1 - e**2))
        return {"E": written if bug == "one use" else read + written, "b": dlogits.sum(axis=0)}

    return Problem(loss, params, grads)
