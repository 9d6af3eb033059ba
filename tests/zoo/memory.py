"""Attention of a batch of queries to a memory; loss = Σ dy∘y, dy fixed.

Product:   Q = x Wq, K = memory Wk, V = memory Wv;  S = Q Kᵀ / √d, P = softmax(S) over the entries that mask has;
           y = P V Wo       x (B, T, D), memory (B, S, D), mask (B, 1, S), Wq, Wk, Wv (D, d), Wo (d, D)
Additive:  u = tanh(memory Wm + (x Wq)[:, None] + b), P = softmax(u v) over the entries, y = Σ P memory
           x (B, D), memory (B, S, M), Wm (M, H), Wq (D, H), b, v (H,)
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def product(bug="", B=2, T=3, S=4, D=4, d=3):
    rng = np.random.default_rng(620)
    params = {"x": uniform(rng, B, T, D), "memory": uniform(rng, B, S, D), "Wo": uniform(rng, d, D)}
    params |= {name: uniform(rng, D, d) for name in ("Wq", "Wk", "Wv")}
    mask, dy = np.array([[[1.0, 1, 1, 0]], [[1, 1, 1, 1]]]), uniform(rng, B, T, D)

    def forward(params, mask=mask):
        Q, K, V = params["x"] @ params["Wq"], params["memory"] @ params["Wk"], params["memory"] @ params["Wv"]
        scores = Q @ K.transpose(0, 2, 1) / np.sqrt(d)
        exp = mask * np.exp(scores)
        return Q, K, V, scores, exp / exp.sum(axis=2, keepdims=True)

    def loss(params):
        _, _, V, _, P = forward(params)
        return np.sum(dy * (P @ V @ params["Wo"]))

    def grads(params):
        x, memory = params["x"], params["memory"]
        Q, K, V, scores, P = forward(params, np.ones_like(mask) if bug == "no mask" else mask)
        read = P @ V
        dWo = np.einsum("btd,bte->ed" if bug == "Wo transposed" else "btd,bte->de", read, dy)
        dread = dy @ params["Wo"].T
        dP = dread @ V.transpose(0, 2, 1)
        dV = (scores if bug == "scores for P" else P).transpose(0, 2, 1) @ dread
        dscores = P * (dP - np.sum(P * dP, axis=2, keepdims=True)) / np.sqrt(d)
        dQ, dK = dscores @ K, dscores.transpose(0, 2, 1) @ Q
        dWq, dWk, dWv = (np.einsum("bsd,bse->de", of, by) for of, by in ((x, dQ), (memory, dK), (memory, dV)))
        if bug == "Wv for Wk":
            dWk, dWv = dWv, dWk
        dmemory = dK @ params["Wk"].T + dV @ params["Wv"].T
        return {"x": dQ @ params["Wq"].T, "memory": dmemory, "Wo": dWo, "Wq": dWq, "Wk": dWk, "Wv": dWv}

    return Problem(loss, params, grads)


def additive(bug="", B=2, S=4, D=3, M=2, H=5):
    rng = np.random.default_rng(621)
    params = {"x": uniform(rng, B, D), "memory": uniform(rng, B, S, M), "Wm": uniform(rng, M, H)}
    params |= {"Wq": uniform(rng, D, H), "b": uniform(rng, H), "v": uniform(rng, H)}
    dy = uniform(rng, B, M)

    def forward(params):
        u = np.tanh(params["memory"] @ params["Wm"] + (params["x"] @ params["Wq"])[:, None] + params["b"])
        exp = np.exp(u @ params["v"])
        return u, exp / exp.sum(axis=1, keepdims=True)

    def loss(params):
        return np.sum(dy * np.einsum("bs,bsm->bm", forward(params)[1], params["memory"]))

    def grads(params):
        memory, (u, P) = params["memory"], forward(params)
        dP = np.einsum("bm,bsm->bs", dy, memory)
        dscores = P * (dP - np.sum(P * dP, axis=1, keepdims=True))
        dz = dscores[..., None] * params["v"]
        if bug != "no slope":
            dz = dz * (1 - u**2)
        return {
            "x": dz.sum(axis=1) @ params["Wq"].T,
            "memory": dz @ params["Wm"].T + P[..., None] * dy[:, None],
            "Wm": np.einsum("bsm,bsh->mh", memory, dz),
            "Wq": params["x"].T @ dz.sum(axis=1),
            "b": dz.sum(axis=(0, 1)),
            "v": np.einsum("bs,bsh->h", dscores, u),
        }

    return Problem(loss, params, grads)
