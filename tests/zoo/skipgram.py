"""Word vectors with negative sampling.

s = E[centers]·C[contexts];  u = E[centers]·C[negatives]      centers, contexts (N,), negatives (N, K), E, C (V, D)
loss = Σ (log(1 + exp(-s)) + Σ_k log(1 + exp(u))) / N
"""

import numpy as np

from tests.zoo.base import Problem, uniform
from tests.zoo.lstm import sigmoid


def problem(bug="", V=6, D=3):
    rng = np.random.default_rng(380)
    params = {"E": uniform(rng, V, D), "C": uniform(rng, V, D)}
    centers, contexts = np.array([0, 2, 2, 5]), np.array([2, 1, 3, 1])
    negatives = np.array([[3, 4], [4, 0], [5, 4], [0, 2]])
    N = len(centers)

    def scores(params, negatives=negatives):
        e, c, n = params["E"][centers], params["C"][contexts], params["C"][negatives]
        return e, c, n, np.sum(e * c, axis=1), np.einsum("nd,nkd->nk", e, n)

    def loss(params):
        s, u = scores(params)[3:]
        return (np.sum(np.log(1 + np.exp(-s))) + np.sum(np.log(1 + np.exp(u)))) / N

    def grads(params):
        drawn = rng.integers(V, size=negatives.shape) if bug == "drawn anew" else negatives
        e, c, n, s, u = scores(params, drawn)
        ds, du = ((sigmoid(s) - 1) / N)[:, None], sigmoid(u) / N
        de = ds * c
        if bug != "no negatives":
            de = de + np.einsum("nk,nkd->nd", du, n)
        dE, dC = np.zeros_like(params["E"]), np.zeros_like(params["C"])
        for k in range(N):
            row = dE[[centers[k]]] if bug == "rows of a copy" else dE[centers[k]]
            row += de[k]
        np.add.at(dC, contexts, ds * e)
        np.add.at(dC, drawn, du[..., None] * e[:, None])
        return {"E": dC, "C": dE} if bug == "C for E" else {"E": dE, "C": dC}

    return Problem(loss, params, grads)
