"""Products with matrices that are never formed: Kronecker and low rank.

Kronecker: y_n = (A⊗B) x_n, by rows Y_n = A X_n Bᵀ with A (m, p), B (q, r), x (N, p r) = N times X (p, r), y (N, m q)
    dA = Σ_n dY_n B X_nᵀ;  dB = Σ_n dY_nᵀ A X_n;  dX_n = Aᵀ dY_n B
Low rank: y = (α / r) x Vᵀ Uᵀ with U (H, r), V (r, D), x (N, D), y (N, H)
Symmetric: y = x (U Uᵀ), U (D, r)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def backward(x, A, B, dy, bug=""):
    N, (m, p), (q, r) = len(x), A.shape, B.shape
    X, dY = x.reshape(N, p, r), dy.reshape(N, m, q)
    if bug == "x by columns":
        X = x.reshape(N, r, p).transpose(0, 2, 1)
    dA = np.einsum("niq,qr,npr->ip", dY, B, X)
    dB = np.einsum("niq,ip,npr->qr", dY, A, X)
    if bug == "last row of A":
        dB = np.einsum("niq,ip,npr->qr", dY[:, :-1], A[:-1], X)
    dX = A.T @ dY @ B
    if bug == "B⊗A":
        dX = B.T @ dY @ A
    if bug == "A not transposed":
        dX = A @ dY @ B
    if bug == "dx by columns":
        dX = dX.transpose(0, 2, 1)
    if bug == "dA for dB":
        dA, dB = dB, dA
    if bug == "dA transposed":
        dA = dA.T
    return {"x": dX.reshape(N, p * r), "A": dA, "B": dB}


def problem(bug="", A=(3, 2), B=(4, 5), N=2, evaluated=False):
    """A and B are the shapes of the factors; with `evaluated`, the gradients are given instead of a function."""
    rng = np.random.default_rng(60)
    params = {"x": uniform(rng, N, A[1] * B[1]), "A": uniform(rng, *A), "B": uniform(rng, *B)}
    dy = uniform(rng, N, A[0] * B[0])

    def loss(params):
        X = params["x"].reshape(len(params["x"]), params["A"].shape[1], -1)
        Y = params["A"] @ X @ params["B"].T
        return np.sum(dy * Y.reshape(dy.shape))

    def grads(params):
        return backward(**params, dy=dy, bug=bug)

    return Problem(loss, params, grads(params) if evaluated else grads)


def low_rank(bug="", H=4, D=5, r=2, N=3, alpha=3.0):
    rng = np.random.default_rng(61)
    params = {"x": uniform(rng, N, D), "U": uniform(rng, H, r), "V": uniform(rng, r, D)}
    dy = uniform(rng, N, H)

    def loss(params):
        return np.sum(dy * (alpha / r * (params["x"] @ params["V"].T @ params["U"].T)))

    def grads(params):
        x, U, V = params["x"], params["U"], params["V"]
        dscaled = dy if bug == "no scale" else alpha / r * dy
        dlow = dscaled @ U
        if bug == "V scaled twice":
            dlow = alpha / r * dlow
        return {"x": alpha / r * dy @ U @ V, "U": dscaled.T @ (x @ V.T), "V": dlow.T @ x}

    return Problem(loss, params, grads)


def symmetric(bug="", D=4, r=2, N=3):
    rng = np.random.default_rng(62)
    params = {"x": uniform(rng, N, D), "U": uniform(rng, D, r)}
    dy = uniform(rng, N, D)

    def loss(params):
        return np.sum(dy * (params["x"] @ params["U"] @ params["U"].T))

    def grads(params):
        x, U = params["x"], params["U"]
        dW = x.T @ dy
        dU = dW @ U if bug == "one term" else dW @ U + dW.T @ U
        if bug == "2 of one":
            dU = 2 * dW @ U
        return {"x": dy @ U @ U.T, "U": dU}

    return Problem(loss, params, grads)
