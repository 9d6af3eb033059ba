"""Other norms: root mean square, weight norm, and a layer norm that keeps its output only.

Root mean square:  y = gamma∘x / √(mean x² + ε) by rows       x (N, M), gamma (M,)
Weight norm:       y = x wᵀ, w = g v / |v| by rows             x (N, D), v (H, D), g (H,)
Inverted:          y = gamma∘û + beta as in attention.py; its backward finds û again from y
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.attention import normalised
from tests.zoo.base import Problem, uniform


def root_mean_square(bug="", N=3, M=4, eps=1e-3):
    rng = np.random.default_rng(200)
    params = {"x": uniform(rng, N, M), "gamma": uniform(rng, M)}
    dy = uniform(rng, N, M)

    def scale(x):
        return np.sqrt(np.mean(x**2, axis=1, keepdims=True) + eps)

    def loss(params):
        return np.sum(dy * params["gamma"] * params["x"] / scale(params["x"]))

    def grads(params):
        x, gamma = params["x"], params["gamma"]
        rms = scale(x)
        unit, dunit = x / rms, dy * gamma
        dgamma = np.zeros_like(gamma)
        if bug != "gamma zero":
            dgamma += np.sum(dy * unit, axis=0)
        return {"x": (dunit - unit * np.mean(dunit * unit, axis=1, keepdims=True)) / rms, "gamma": dgamma}

    return Problem(loss, params, grads)


def weight(bug="", N=3, D=4, H=2):
    rng = np.random.default_rng(201)
    params = {"x": uniform(rng, N, D), "v": uniform(rng, H, D), "g": uniform(rng, H)}
    dy = uniform(rng, N, H)

    def loss(params):
        v, g = params["v"], params["g"]
        return np.sum(dy * (params["x"] @ (v * (g / np.sqrt(np.sum(v**2, axis=1)))[:, None]).T))

    def grads(params):
        x, v, g = params["x"], params["v"], params["g"][:, None]
        length = np.sqrt(np.sum(v**2, axis=1, keepdims=True))
        unit = v / length
        dw = dy.T @ x
        dg = np.sum(dw * unit, axis=1, keepdims=True)
        dv = g / length * dw
        if bug != "length constant":
            dv = dv - g / length * dg * unit
        return {"x": dy @ (g * unit), "v": dv, "g": dg.ravel()}

    return Problem(loss, params, grads)


def inverted(bug="", N=3, M=4, eps=1e-3):
    rng = np.random.default_rng(202)
    params = {"x": uniform(rng, N, M), "gamma": uniform(rng, M), "beta": uniform(rng, M)}
    params["gamma"][2] = 0  # as where the last norm of a residual branch starts with zeros
    dy = uniform(rng, N, M)

    def forward(params):
        unit, std = normalised(params["x"], eps)
        return params["gamma"] * unit + params["beta"], unit, std

    def loss(params):
        return np.sum(dy * forward(params)[0])

    def grads(params):
        y, unit, std = forward(params)
        gamma, beta = params["gamma"], params["beta"]
        if bug == "divides by gamma":
            with np.errstate(invalid="ignore", divide="ignore"):
                unit = (y - beta) / gamma
        dunit = dy * gamma
        dx = dunit - dunit.mean(axis=1, keepdims=True) - unit * np.mean(dunit * unit, axis=1, keepdims=True)
        return {"x": dx / std, "gamma": np.sum(dy * unit, axis=0), "beta": dy.sum(axis=0)}

    return Problem(loss, params, grads)
