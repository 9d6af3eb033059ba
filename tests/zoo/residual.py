"""Two plain RNN layers, dropout between them, and a path around the second.

h1 = RNN(x), h2 = RNN(keep∘h1 / (1 - p)), y = h1 + h2          x (T, B, D), keep (B, H), h1, h2, y (T, B, H)
RNN: h_t = tanh(x_t Wx + h_{t-1} Wh + b)         Wx1 (D, H), Wx2, Wh1, Wh2 (H, H), b1, b2 (H,)
loss = Σ dy∘y, dy and h0 (2, B, H) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform


def forward(params, h0, keep, p):
    """The inputs and the states of each layer."""
    inputs, layers = params["x"], []
    for k, start in zip("12", h0):
        hs = [start]
        for x_t in inputs:
            hs.append(np.tanh(x_t @ params["Wx" + k] + hs[-1] @ params["Wh" + k] + params["b" + k]))
        layers.append((inputs, np.stack(hs)))
        inputs = keep * layers[-1][1][1:] / (1 - p)
    return layers


def backward(params, h0, keep, p, dy, bug=""):
    layers = forward(params, h0, keep, p)
    grads, upstream, left = {}, dy, np.zeros(keep.shape)
    for k in "21":
        inputs, hs = layers[int(k) - 1]
        Wx, Wh = params["Wx" + k], params["Wh" + k]
        dx, dWx, dWh, db = np.zeros_like(inputs), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wh[0])
        dh_next = left if bug == "dh of the layer above" else np.zeros(keep.shape)
        for t in reversed(range(len(inputs))):
            dz = (upstream[t] + dh_next) * (1 - hs[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += inputs[t].T @ dz
            dWh += hs[t].T @ dz
            db += dz.sum(axis=0)
            dh_next = dz @ Wh.T
        left = dh_next
        names = ("Wx", "Wh") if bug == "no b2" and k == "2" else ("Wx", "Wh", "b")
        grads |= {name + k: grad for name, grad in zip(names, (dWx, dWh, db))}
        if k == "2":
            through = keep * dx / (1 - p)
            if bug == "dy +=":
                upstream += through
            else:
                upstream = through if bug == "not around" else dy + through
    return {"x": dx} | grads


def problem(bug="", B=2, D=3, H=4, p=0.3):
    def one(T):
        rng = np.random.default_rng(340 + T)
        params = {"x": uniform(rng, T, B, D)}
        for k, width in (("1", D), ("2", H)):
            params |= {"Wx" + k: uniform(rng, width, H), "Wh" + k: uniform(rng, H, H), "b" + k: uniform(rng, H)}
        keep, dy = np.array([[1.0, 1, 0, 1], [0, 1, 1, 1]]), uniform(rng, T, B, H)
        h0 = uniform(rng, 2, B, H)

        def loss(params):
            (_, h1), (_, h2) = forward(params, h0, keep, p)
            return np.sum(dy * (h1[1:] + h2[1:]))

        def grads(params):
            return backward(params, h0, keep, p, dy, bug)

        return loss, params, grads

    return over_steps(one)
