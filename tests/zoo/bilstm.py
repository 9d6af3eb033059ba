"""Two LSTMs of lstm.py, one from each end, and a linear layer on both.

y_t = [right_t, left_t] Wo         x (T, B, D), Wx_, Wh_, b_ of each way as in lstm.py, Wo (2H, K), y (T, B, K)
loss = Σ dy∘y / T, dy and the initial states fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import backward, forward, gate_blocks, parameters

WAYS = {"right": np.s_[:], "left": np.s_[::-1]}


def problem(bug="", B=2, D=3, H=3, K=2):
    def one(T):
        rng = np.random.default_rng(540 + T)
        params = {"x": uniform(rng, T, B, D), "Wo": uniform(rng, 2 * H, K)}
        for way in WAYS:
            params |= {f"{name}_{way}": value for name, value in parameters(rng, D, H).items()}
        start = {way: {"h0": uniform(rng, B, H), "c0": uniform(rng, B, H)} for way in WAYS}
        dy, dc_end = uniform(rng, T, B, K), np.zeros((B, H))

        def run(params):
            found = {}
            for way, order in WAYS.items():
                p = {name: params[f"{name}_{way}"] for name in ("Wx", "Wh", "b")}
                p |= {"x": params["x"][order], **start[way]}
                found[way] = p, forward(p)
            hs = [np.stack(found[way][1][0][1:])[order] for way, order in WAYS.items()]
            return found, np.concatenate(hs, axis=2)

        def loss(params):
            return np.sum(dy * (run(params)[1] @ params["Wo"])) / T

        def grads(params):
            found, h = run(params)
            grad = {"x": np.zeros_like(params["x"]), "Wo": np.einsum("tbh,tbk->hk", h, dy) / T}
            dh = dy @ params["Wo"].T / T
            for (way, order), of in zip(WAYS.items(), (dh[..., :H], dh[..., H:])):
                cut = "dh not carried" if bug == "not carried on the way back" and way == "left" else ""
                one_way = backward(*found[way], of[order], dc_end, cut)
                if bug == "x =":
                    grad["x"][:] = 0
                grad["x"] += one_way["x"] if bug == "x left reversed" else one_way["x"][order]
                grad |= {f"{name}_{way}": one_way[name] for name in ("Wx", "Wh", "b")}
            return grad

        return loss, params, grads

    return over_steps(one, gate_blocks(H, *(f"{name}_{way}" for way in WAYS for name in ("Wx", "Wh", "b"))))
