"""Two LSTMs of lstm.py, one on the other, with dropout between them, drawn for each step.

h1 = LSTM(x), h2 = LSTM(keep∘h1 / (1 - p))        x (T, B, D), keep (T, B, H), h0 and c0 (2, B, H)
loss = Σ dy∘h2, dy fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import backward, forward, gate_blocks, parameters


def problem(bug="", B=2, D=4, H=3, p=0.4):
    def one(T):
        rng = np.random.default_rng(550 + T)
        params = {"x": uniform(rng, T, B, D), "h0": uniform(rng, 2, B, H), "c0": uniform(rng, 2, B, H)}
        for layer, width in (("1", D), ("2", H)):
            params |= {name + layer: value for name, value in parameters(rng, width, H).items()}
        dy, dc_end = uniform(rng, T, B, H), np.zeros((B, H))
        keep = np.array([[[1.0, 0, 1], [0, 1, 1]], [[1, 1, 0], [1, 0, 1]], [[0, 1, 1], [1, 1, 0]]])[:T]

        def run(params):
            below, layers = params["x"], []
            for k, layer in enumerate("12"):
                own = {name: params[name + layer] for name in ("Wx", "Wh", "b")}
                own |= {"x": below, "h0": params["h0"][k], "c0": params["c0"][k]}
                layers.append((own, forward(own)))
                below = keep * np.stack(layers[-1][1][0][1:]) / (1 - p)
            return layers

        def loss(params):
            return np.sum(dy * np.stack(run(params)[1][1][0][1:]))

        def grads(params):
            below, above = run(params)
            top = backward(*above, dy, dc_end)
            dh1 = keep * top["x"] / (1 - p)
            if bug == "not rescaled":
                dh1 = keep * top["x"]
            if bug == "not dropped":
                dh1 = top["x"] / (1 - p)
            bottom = backward(*below, dh1, dc_end)
            visited = [top, bottom] if bug == "top first" else [bottom, top]
            grad = {"x": bottom["x"]} | {name: np.stack([of[name] for of in visited]) for name in ("h0", "c0")}
            for layer, of in zip("12", (bottom, top)):
                grad |= {name + layer: of[name] for name in ("Wx", "Wh", "b")}
            return grad

        return loss, params, grads

    return over_steps(one, gate_blocks(H, "Wx1", "Wh1", "b1", "Wx2", "Wh2", "b2"))
