"""Doped matrices: a structure plus a sparse overlay, and the overlay alone by its values.

Doped:
    y = s r1∘(x Sᵀ) + s r2∘(x (mask∘E)ᵀ),  S = U V,  s = 1 / (1 - p)
    x (N, D), U (H, k), V (k, D), E and mask (H, D), r1 and r2 (H,): the rows of each part that are not dropped
CSR:
    y = x Wᵀ, W (H, D) zero but for W[rows, cols] = values (nnz,)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform

PATTERN = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 1, 1, 0]], bool)


def backward(x, U, V, E, mask, r1, r2, p, dy, bug=""):
    s = 1 / (1 - p)
    if bug == "1 / p":
        s = 1 / p
    to_structure, to_overlay = s * r1 * dy, s * r2 * dy
    if bug == "not rescaled":
        to_structure, to_overlay = r1 * dy, r2 * dy
    if bug == "dropped rows":
        to_overlay = s * dy
    if bug == "r1 for r2":
        to_overlay = s * r1 * dy
    dS, dE = to_structure.T @ x, mask * (to_overlay.T @ x)
    dx = to_structure @ U @ V + to_overlay @ (mask * E)
    if bug == "leak":
        dE = to_overlay.T @ x
    if bug == "dx of structure only":
        dx = to_structure @ U @ V
    if bug == "all of E in dx":
        dx = to_structure @ U @ V + to_overlay @ E
    if bug == "mask inverted":
        dE = ~mask * (to_overlay.T @ x)
    if bug == "overlay twice":
        W = U @ V + mask * E  # already the whole matrix
        dx = to_structure @ W + to_overlay @ (mask * E)
    if bug == "prunes":
        E *= mask
    return {"x": dx, "U": dS @ V.T, "V": U.T @ dS, "E": dE}


def doped(bug="", N=3, k=2, p=0.2):
    rng = np.random.default_rng(70)
    mask = PATTERN
    H, D = mask.shape
    params = {"x": uniform(rng, N, D), "U": uniform(rng, H, k), "V": uniform(rng, k, D), "E": uniform(rng, H, D)}
    r1, r2, dy = np.array([1.0, 1, 0, 1, 1]), np.array([1.0, 0, 1, 1, 1]), uniform(rng, N, H)

    def loss(params):
        x, U, V, E = (params[name] for name in "xUVE")
        return np.sum(dy * (r1 * (x @ (U @ V).T) + r2 * (x @ (mask * E).T)) / (1 - p))

    def grads(params):
        rows = (rng.random(H) >= 0.5) * 1.0 if bug == "rows drawn anew" else r2
        return backward(**params, mask=mask, r1=r1, r2=rows, p=p, dy=dy, bug=bug)

    return Problem(loss, params, grads)


def csr(bug="", N=3):
    rng = np.random.default_rng(71)
    rows, cols = np.nonzero(PATTERN)
    H, D = PATTERN.shape
    params = {"x": uniform(rng, N, D), "values": uniform(rng, len(rows))}
    dy = uniform(rng, N, H)

    def dense(values):
        W = np.zeros((H, D), values.dtype)
        W[rows, cols] = values
        return W

    def loss(params):
        return np.sum(dy * (params["x"] @ dense(params["values"]).T))

    def grads(params):
        dW = dy.T @ params["x"]
        dvalues = dW[rows, cols]
        if bug == "by columns":
            dvalues = dW.T[np.nonzero(PATTERN.T)]
        if bug == "dense":
            dvalues = dense(dvalues)
        return {"x": dy @ dense(params["values"]), "values": dvalues}

    return Problem(loss, params, grads)
