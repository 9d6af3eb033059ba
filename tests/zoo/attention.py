"""Attention of one head, with layer norm on its output; and layer norm alone.

Q, K, V = x Wq, x Wk, x Wv             x (N, D), Wq and Wk (D, d), Wv (D, M)
P = softmax(Q Kᵀ / √d) by rows (N, N);  u = P V (N, M)
y = gamma∘û + beta,  û = (u - mean u) / √(var u + ε) by rows;  gamma, beta (M,)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def normalised(u, eps):
    centred = u - u.mean(axis=1, keepdims=True)
    std = np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + eps)
    return centred / std, std


def norm_backward(u, gamma, dy, eps, bug=""):
    unit, std = normalised(u, eps)
    dunit = dy * gamma
    if bug == "no epsilon":
        with np.errstate(invalid="ignore", divide="ignore"):
            unit, std = normalised(u, 0.0)
            through_mean = dunit.mean(axis=1, keepdims=True)
            du = (dunit - through_mean - unit * np.mean(dunit * unit, axis=1, keepdims=True)) / std
        return {"u": du, "gamma": np.sum(dy * normalised(u, eps)[0], axis=0), "beta": dy.sum(axis=0)}
    through_mean = 0 if bug == "mean constant" else dunit.mean(axis=1, keepdims=True)
    through_var = unit * np.mean(dunit * unit, axis=1, keepdims=True)
    dgamma = np.sum(dy * (u if bug == "gamma times u" else unit), axis=0)
    dbeta = dy.mean(axis=0) if bug == "beta mean" else dy.sum(axis=0)
    return {"u": (dunit - through_mean - through_var) / std, "gamma": dgamma, "beta": dbeta}


def forward(params):
    x, Wq, Wk, Wv = (params[name] for name in ("x", "Wq", "Wk", "Wv"))
    Q, K, V = x @ Wq, x @ Wk, x @ Wv
    exp = np.exp(Q @ K.T / np.sqrt(Wq.shape[1]))
    return Q, K, V, exp / exp.sum(axis=1, keepdims=True)


def backward(params, dy, eps, bug=""):
    x, Wq, Wk, Wv = (params[name] for name in ("x", "Wq", "Wk", "Wv"))
    Q, K, V, P = forward(params)
    d = Wq.shape[1]
    norm = norm_backward(P @ V, params["gamma"], dy, eps, bug)
    du = norm.pop("u")
    dP, dV = du @ V.T, P.T @ du
    dS = P * (dP - np.sum(P * dP, axis=0 if bug == "sum by columns" else 1, keepdims=True))
    if bug == "sum without P":
        dS = P * (dP - dP.sum(axis=1, keepdims=True))
    if bug == "no sum":
        dS = P * dP
    if bug != "no √d":
        dS = dS / np.sqrt(d)
    dQ = dS @ K
    dK = (dS if bug == "dS for dSᵀ" else dS.T) @ Q
    dWq, dWk, dWv = x.T @ dQ, x.T @ dK, x.T @ dV
    if bug == "dWq for dWk":
        dWq, dWk = dWk, dWq
    if bug == "keys constant":
        dWk = np.zeros_like(dWk)
    if bug == "Wv transposed":
        dWv = dV.T @ x
    dx = dQ @ Wq.T + dV @ Wv.T
    if bug != "dx without keys":
        dx = dx + dK @ Wk.T
    return {"x": dx, "Wq": dWq, "Wk": dWk, "Wv": dWv, **norm}


def problem(bug="", N=5, D=3, d=2, M=4, eps=1e-3, evaluated=False):
    rng = np.random.default_rng(100)
    params = {"x": uniform(rng, N, D), "Wq": uniform(rng, D, d), "Wk": uniform(rng, D, d), "Wv": uniform(rng, D, M)}
    params |= {"gamma": uniform(rng, M), "beta": uniform(rng, M)}
    dy = uniform(rng, N, M)

    def loss(params):
        P, V = forward(params)[-1], params["x"] @ params["Wv"]
        return np.sum(dy * (params["gamma"] * normalised(P @ V, eps)[0] + params["beta"]))

    def grads(params):
        return backward(params, dy, eps, bug)

    return Problem(loss, params, grads(params) if evaluated else grads)


def layer_norm(bug="", N=3, M=4, eps=1e-3):
    rng = np.random.default_rng(101)
    params = {"x": uniform(rng, N, M), "gamma": uniform(rng, M), "beta": uniform(rng, M)}
    params["x"][1] = 0.5  # all the same, as a row of padding is: its variance is 0
    dy = uniform(rng, N, M)

    def loss(params):
        return np.sum(dy * (params["gamma"] * normalised(params["x"], eps)[0] + params["beta"]))

    def grads(params):
        grad = norm_backward(params["x"], params["gamma"], dy, eps, bug)
        return {"x": grad["u"], "gamma": grad["gamma"], "beta": grad["beta"]}

    return Problem(loss, params, grads)
