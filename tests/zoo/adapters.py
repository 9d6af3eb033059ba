"""More products with matrices that are never formed, or only in part; loss = Σ dy∘y, dy fixed.

Three:    y = x (A⊗B⊗C)ᵀ, one factor after the other; A (3, 3), B (4, 2), C (2, 2), x (N, 12), y (N, 24)
Adapter:  y = x W0ᵀ + alpha / r (keep∘x / (1 - p)) Aᵀ Bᵀ, with W0 (H, D) fixed, A (r, D), B (H, r), x and keep (N, D)
CSR:      y = x Wᵀ, row h of W (H, D) has values[indptr[h] : indptr[h + 1]] in the columns indices[…], in any order
Entries:  y = x (U V + keep∘E / (1 - p))ᵀ, with U (H, k), V (k, D), E and keep (H, D), x (N, D)
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def three(bug="", N=2):
    rng = np.random.default_rng(420)
    params = {"x": uniform(rng, N, 12), "A": uniform(rng, 3, 3), "B": uniform(rng, 4, 2), "C": uniform(rng, 2, 2)}
    dy = uniform(rng, N, 24)
    dense = np.kron(np.kron(params["A"], params["B"]), params["C"])

    def forward(params):
        X = params["x"].reshape(N, 3, 2, 2)
        XA = np.einsum("ip,npqr->niqr", params["A"], X)
        XAB = np.einsum("jq,niqr->nijr", params["B"], XA)
        return X, XA, XAB, np.einsum("kr,nijr->nijk", params["C"], XAB)

    def loss(params):
        return np.sum(dy * forward(params)[-1].reshape(N, 24))

    def grads(params):
        X, XA, XAB, _ = forward(params)
        dY = dy.reshape(N, 3, 4, 2)
        dC = np.einsum("nijk,nijr->rk" if bug == "C transposed" else "nijk,nijr->kr", dY, XAB)
        dXAB = np.einsum("kr,nijk->nijr", params["C"], dY)
        dB = np.einsum("nijr,niqr->jq", dXAB, XA)
        dXA = np.einsum("jq,nijr->niqr", params["B"], dXAB)
        dA = np.einsum("niqr,npqr->ip", dXA, XA if bug == "A's own product" else X)
        dx = np.einsum("ip,niqr->npqr", params["A"], dXA).reshape(N, 12)
        return {"x": dy @ dense if bug == "formed once" else dx, "A": dA, "B": dB, "C": dC}

    return Problem(loss, params, grads)


def adapter(bug="", N=3, D=5, H=4, r=2, alpha=3.0, p=0.4):
    rng = np.random.default_rng(421)
    params = {"x": uniform(rng, N, D), "A": uniform(rng, r, D), "B": uniform(rng, H, r)}
    W0, dy = uniform(rng, H, D), uniform(rng, N, H)
    keep = np.array([[1.0, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 0, 1, 1]])

    def loss(params):
        x, A, B = params["x"], params["A"], params["B"]
        return np.sum(dy * (x @ W0.T + alpha / r * (keep * x / (1 - p)) @ A.T @ B.T))

    def grads(params):
        x, A, B = params["x"], params["A"], params["B"]
        dropped = keep * x / (1 - p)
        dlow = alpha / r * dy @ B
        dx = keep * (dlow @ A) / (1 - p)
        if bug != "W0 left out":
            dx = dx + dy @ W0
        dA = dlow.T @ (keep * x if bug == "not rescaled" else dropped)
        return {"x": dx, "A": dA, "B": alpha / r * dy.T @ (dropped @ A.T)}

    return Problem(loss, params, grads)


def csr(bug="", N=3):
    rng = np.random.default_rng(422)
    indptr, indices = np.array([0, 3, 4, 6, 8]), np.array([4, 0, 2, 1, 3, 0, 1, 4])
    H, D = 4, 5
    rows = np.repeat(np.arange(H), np.diff(indptr))
    params = {"x": uniform(rng, N, D), "values": uniform(rng, len(indices))}
    dy = uniform(rng, N, H)

    def dense(values):
        W = np.zeros((H, D), values.dtype)
        W[rows, indices] = values
        return W

    def loss(params):
        return np.sum(dy * (params["x"] @ dense(params["values"]).T))

    def grads(params):
        columns = indices[np.lexsort((indices, rows))] if bug == "columns sorted" else indices
        dvalues = np.sum(dy[:, rows] * params["x"][:, columns], axis=0)
        if bug == "float32":
            dvalues = dvalues.astype(np.float32)
        return {"x": dy @ dense(params["values"]), "values": dvalues}

    return Problem(loss, params, grads)


def entries(bug="", N=3, H=4, D=5, k=2, p=0.4):
    rng = np.random.default_rng(423)
    params = {"x": uniform(rng, N, D), "U": uniform(rng, H, k), "V": uniform(rng, k, D), "E": uniform(rng, H, D)}
    keep, dy = (rng.random((H, D)) >= p) * 1.0, uniform(rng, N, H)

    def loss(params):
        W = params["U"] @ params["V"] + keep * params["E"] / (1 - p)
        return np.sum(dy * (params["x"] @ W.T))

    def grads(params):
        U, V = params["U"], params["V"]
        dW = dy.T @ params["x"]
        dE = dW / (1 - p) if bug == "all entries" else keep * dW / (1 - p)
        dx = dy @ (U @ V + keep * params["E"] / (1 - p))
        return {"x": dx, "U": dW @ V.T, "V": U.T @ dW, "E": dE}

    return Problem(loss, params, grads)
