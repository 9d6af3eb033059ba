"""An encoder and a decoder, both plain RNNs: the decoder starts from the encoder's last state.

h_t = tanh(x_t Wx + h_{t-1} Wh + b)      x of the encoder and `words`, those of the decoder, (T, B, D)
Wx_enc, Wx_dec (D, H), Wh_enc, Wh_dec (H, H), b_enc, b_dec (H,)
loss = Σ dy∘h of the decoder, dy (T, B, H), words and the encoder's h0 (B, H) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform


def run(params, part, inputs, start):
    hs = [start]
    for x_t in inputs:
        hs.append(np.tanh(x_t @ params["Wx_" + part] + hs[-1] @ params["Wh_" + part] + params["b_" + part]))
    return hs


def back(params, part, inputs, hs, before, dy, dh_next, carried=True):
    """The gradients of one part, and of its first state; `before` are the states that dWh is made of."""
    grads = {name + part: np.zeros_like(params[name + part]) for name in ("Wx_", "Wh_", "b_")}
    dx = np.zeros_like(inputs)
    for t in reversed(range(len(inputs))):
        dz = (dy[t] + dh_next) * (1 - hs[t + 1] ** 2)
        dx[t] = dz @ params["Wx_" + part].T
        grads["Wx_" + part] += inputs[t].T @ dz
        grads["Wh_" + part] += before[t].T @ dz
        grads["b_" + part] += dz.sum(axis=0)
        dh_next = dz @ params["Wh_" + part].T if carried else np.zeros_like(dh_next)
    return grads, dx, dh_next


def problem(bug="", B=2, D=3, H=4):
    def one(T):
        rng = np.random.default_rng(360 + T)
        params = {"x": uniform(rng, T, B, D)}
        for part in ("enc", "dec"):
            params |= {"Wx_" + part: uniform(rng, D, H), "Wh_" + part: uniform(rng, H, H), "b_" + part: uniform(rng, H)}
        words, h0, dy = uniform(rng, T, B, D), uniform(rng, B, H), uniform(rng, T, B, H)
        kept: dict = {}

        def forward(params):
            encoder = run(params, "enc", params["x"], h0)
            if bug == "encoded once":
                encoder = kept.setdefault("encoder", encoder)
            return encoder, run(params, "dec", words, encoder[-1])

        def loss(params):
            start = run(params, "enc", params["x"], h0)[-1]
            return np.sum(dy * np.stack(run(params, "dec", words, start)[1:]))

        def grads(params):
            encoder, decoder = forward(params)
            before = encoder if bug == "encoder's states" else decoder
            of_decoder, _, dstart = back(params, "dec", words, decoder, before, dy, np.zeros((B, H)))
            if bug == "start constant":
                dstart = np.zeros((B, H))
            carried = bug != "not back in the encoder"
            of_encoder, dx, _ = back(params, "enc", params["x"], encoder, encoder, np.zeros_like(dy), dstart, carried)
            return {"x": dx} | of_encoder | of_decoder

        return loss, params, grads

    return over_steps(one)
