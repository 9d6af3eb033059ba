"""Doped matrices of two other structures; loss = Σ dy∘y, dy fixed.

Hybrid:  y = x Wᵀ, W = [A; U V] + keep∘mask∘E / (1 - p): the first m rows dense, the others of low rank
         x (N, D), A (m, D), U (H - m, k), V (k, D), E, mask and keep (H, D)
Formed:  y = x (A⊗B)ᵀ + bias, the product formed, and its gradient taken apart       A (3, 2), B (2, 4), x (N, 8)
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def hybrid(bug="", N=3, D=4, H=5, m=2, k=2, p=0.4):
    rng = np.random.default_rng(640)
    params = {"x": uniform(rng, N, D), "A": uniform(rng, m, D), "U": uniform(rng, H - m, k), "V": uniform(rng, k, D)}
    params["E"] = uniform(rng, H, D)
    mask = np.array([[1.0, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]])
    keep = np.array([[1.0, 1, 0, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 1, 0], [0, 1, 1, 1]])
    dy = uniform(rng, N, H)

    def dense(params):
        structure = np.concatenate([params["A"], params["U"] @ params["V"]])
        return structure + keep * mask * params["E"] / (1 - p)

    first = dense(params)

    def loss(params):
        return np.sum(dy * (params["x"] @ dense(params).T))

    def grads(params):
        dW = dy.T @ params["x"]
        lower = dW[: H - m] if bug == "rows from 0" else dW[m:]
        dE = keep * mask * dW / (1 - p)
        if bug == "not masked":
            dE = keep * dW / (1 - p)
        if bug == "not rescaled":
            dE = keep * mask * dW
        dx = dy @ (first if bug == "formed once" else dense(params))
        return {"x": dx, "A": dW[:m], "U": lower @ params["V"].T, "V": params["U"].T @ lower, "E": dE}

    return Problem(loss, params, grads)


def formed(bug="", N=3):
    rng = np.random.default_rng(641)
    params = {"x": uniform(rng, N, 8), "A": uniform(rng, 3, 2), "B": uniform(rng, 2, 4), "b": uniform(rng, 6)}
    dy = uniform(rng, N, 6)

    def loss(params):
        return np.sum(dy * (params["x"] @ np.kron(params["A"], params["B"]).T + params["b"]))

    def grads(params):
        A, B = params["A"], params["B"]
        dW = dy.T @ params["x"]
        blocks = dW.reshape(3, 2, 2, 4)
        if bug == "B's axes first":
            blocks = dW.reshape(2, 3, 4, 2).transpose(1, 0, 3, 2)
        dA, dB = np.einsum("iqpr,qr->ip", blocks, B), np.einsum("iqpr,ip->qr", blocks, A)
        return {"x": dy @ np.kron(A, B), "A": dA, "B": dB, "b": dy.sum(axis=0)}

    return Problem(loss, params, grads)
