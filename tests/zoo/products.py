"""Products with matrices of few parameters, each a function of its own; loss = Σ dy∘y, dy fixed.

Raveled:    y = x (A⊗B)ᵀ + bias, with a (m p,) the columns of A one after the other; B (q, r), x (N, p r)
Singular:   y = x Vᵀ diag(s) Uᵀ, with U (H, k), s (k,), V (k, D), x (N, D)
Rows:       y = x (S + keep∘E)ᵀ, with S and E (D, D), keep (D, 1) the rows of E that are not dropped
COO:        y = x W, W (D, D) zero but for W[row, col] = values (nnz,)
Circulant:  y[n, i] = Σ_j c[i - j mod D] x[n, j], its gradient by the FFT
Bilinear:   y[n] = left[n] W right[n]ᵀ, with W (D, D), left and right (N, D)
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def raveled(bug="", m=3, p=2, q=4, r=5, N=2):
    rng = np.random.default_rng(170)
    params = {"x": uniform(rng, N, p * r), "a": uniform(rng, m * p), "B": uniform(rng, q, r), "b": uniform(rng, m * q)}
    dy = uniform(rng, N, m * q)

    def loss(params):
        A, X = params["a"].reshape(p, m).T, params["x"].reshape(N, p, r)
        return np.sum(dy * ((A @ X @ params["B"].T).reshape(N, m * q) + params["b"]))

    def grads(params):
        A, B, X, dY = params["a"].reshape(p, m).T, params["B"], params["x"].reshape(N, p, r), dy.reshape(N, m, q)
        dA = np.einsum("niq,qr,npr->ip", dY, B, X)
        dB = np.einsum("niq,ip,npr->nqr", dY, A, X)
        return {
            "x": (A.T @ dY @ B).reshape(N, p * r),
            "a": dA.ravel() if bug == "a by rows" else dA.T.ravel(),
            "B": dB.mean(axis=0) if bug == "B mean" else dB.sum(axis=0),
            "b": dy.sum(axis=0),
        }

    return Problem(loss, params, grads)


def singular(bug="", H=4, D=5, k=3, N=2):
    rng = np.random.default_rng(171)
    params = {"x": uniform(rng, N, D), "U": uniform(rng, H, k), "s": uniform(rng, k), "V": uniform(rng, k, D)}
    dy = uniform(rng, N, H)

    def loss(params):
        return np.sum(dy * (params["s"] * (params["x"] @ params["V"].T) @ params["U"].T))

    def grads(params):
        x, U, s, V = params["x"], params["U"], params["s"], params["V"]
        dW = dy.T @ x
        ds = U.T @ dW @ V.T
        dU, dV = dW @ V.T * s, (U * s).T @ dW
        return {"x": dy @ (U * s) @ V, "U": dU, "s": ds if bug == "no diagonal" else np.diag(ds).copy(), "V": dV}

    return Problem(loss, params, grads)


def rows(bug="", D=4, N=3):
    rng = np.random.default_rng(172)
    params = {"x": uniform(rng, N, D), "S": uniform(rng, D, D), "E": uniform(rng, D, D)}
    keep, dy = np.array([[1.0], [0], [1], [1]]), uniform(rng, N, D)

    def loss(params):
        return np.sum(dy * (params["x"] @ (params["S"] + keep * params["E"]).T))

    def grads(params):
        dW = dy.T @ params["x"]
        dE = keep.ravel() * dW if bug == "by columns" else keep * dW
        return {"x": dy @ (params["S"] + keep * params["E"]), "S": dW, "E": dE}

    return Problem(loss, params, grads)


def coo(bug="", D=4, N=3):
    rng = np.random.default_rng(173)
    row, col = np.array([0, 0, 1, 2, 3, 3]), np.array([1, 3, 1, 0, 2, 0])
    params = {"x": uniform(rng, N, D), "values": uniform(rng, len(row))}
    dy = uniform(rng, N, D)

    def dense(values):
        W = np.zeros((D, D), values.dtype)
        W[row, col] = values
        return W

    def loss(params):
        return np.sum(dy * (params["x"] @ dense(params["values"])))

    def grads(params):
        x, values = params["x"], params["values"]
        dvalues = np.sum(x[:, row] * dy[:, col], axis=0)
        if bug == "as for x Wᵀ":
            dvalues = np.sum(dy[:, row] * x[:, col], axis=0)
        return {"x": dy @ dense(values).T, "values": dvalues}

    return Problem(loss, params, grads)


def circulant(bug="", D=5, N=3):
    rng = np.random.default_rng(174)
    params = {"x": uniform(rng, N, D), "c": uniform(rng, D)}
    shift = (np.arange(D)[:, None] - np.arange(D)) % D
    dy = uniform(rng, N, D)

    def loss(params):
        return np.sum(dy * (params["x"] @ params["c"][shift].T))

    def grads(params):
        dc = np.fft.ifft(np.sum(np.conj(np.fft.fft(params["x"])) * np.fft.fft(dy), axis=0))
        return {"x": dy @ params["c"][shift], "c": dc if bug == "complex" else dc.real}

    return Problem(loss, params, grads)


def bilinear(bug="", D=4, N=3):
    rng = np.random.default_rng(175)
    params = {"left": uniform(rng, N, D), "W": uniform(rng, D, D), "right": uniform(rng, N, D)}
    dy = uniform(rng, N)

    def loss(params):
        return np.sum(dy * np.einsum("ni,ij,nj->n", params["left"], params["W"], params["right"]))

    def grads(params):
        left, W, right = params["left"], params["W"], params["right"]
        dW = np.einsum("n,ni,nj->ji" if bug == "W transposed" else "n,ni,nj->ij", dy, left, right)
        return {"left": dy[:, None] * (right @ W.T), "W": dW, "right": dy[:, None] * (left @ W)}

    return Problem(loss, params, grads)
