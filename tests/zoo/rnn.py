"""Recurrent layers without a cell: the plain one, the bidirectional one and the GRU.

Plain:
    h_t = tanh(x_t Wxᵀ + h_{t-1} Whᵀ + b)          x (T, B, D), Wx (H, D), Wh (H, H), b (H,), h0 (B, H)
Bidirectional: two of them, one from the right to the left, y = [left-to-right, right-to-left] (T, B, 2H)
GRU:
    z, r = σ(x_t Wxᵀ + h_{t-1} Whᵀ + b), the first 2H columns;  Wx (3H, D), Wh (3H, H), b (3H,)
    n = tanh(x_t Wx[2H:]ᵀ + (r∘h_{t-1}) Wh[2H:]ᵀ + b[2H:])
    h_t = (1 - z)∘h_{t-1} + z∘n
loss = Σ dy∘h, dy fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid


def forward(x, h0, Wx, Wh, b):
    hs = [h0]
    for x_t in x:
        hs.append(np.tanh(x_t @ Wx.T + hs[-1] @ Wh.T + b))
    return hs


def backward(x, hs, Wx, Wh, b, dy, bug=""):
    T = len(x)
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        dh = dy[t] + dh_next
        h = hs[t] if bug == "slope at h before" else hs[t + 1]
        dz = dh * (1 - h**2)
        dx[t] = dz @ Wx
        dWx += dz.T @ x[t]
        dWh += dz.T @ hs[t]
        db += dz.sum(axis=0)
        dh_next = dz @ Wh
        if bug == "Wh not transposed":
            dh_next = dz @ Wh.T
        if bug == "Wx for Wh":
            dh_next = dz @ Wx
        if bug == "dh not carried":
            dh_next = np.zeros_like(dh)
        if bug == "cut after one step":
            # the gradient of y_t reaches step t - 1, as truncated backpropagation has it, and stops there
            dh_next = (dy[t] * (1 - h**2)) @ Wh
    if bug == "Wh transposed":
        dWh = dWh.T
    return {"x": dx, "Wx": dWx, "Wh": dWh, "b": db}


def plain(bug="", B=2, D=3, H=4):
    def one(T):
        rng = np.random.default_rng(30 + T)
        params = {"x": uniform(rng, T, B, D), "Wx": uniform(rng, H, D), "Wh": uniform(rng, H, H), "b": uniform(rng, H)}
        h0, dy = uniform(rng, B, H), uniform(rng, T, B, H)

        def loss(params):
            return np.sum(dy * np.stack(forward(h0=h0, **params)[1:]))

        def grads(params):
            return backward(hs=forward(h0=h0, **params), dy=dy, bug=bug, **params)

        return loss, params, grads

    return over_steps(one)


def bidirectional(bug="", B=2, H=2):
    """Inputs as wide as outputs, as in the middle of a stack: so dx fits into the workspace of dy."""

    def one(T):
        rng = np.random.default_rng(40 + T)
        params = {"x": uniform(rng, T, B, 2 * H)}
        for way in ("right", "left"):
            params |= {
                "Wx_" + way: uniform(rng, H, 2 * H),
                "Wh_" + way: uniform(rng, H, H),
                "b_" + way: uniform(rng, H),
            }
        h0, dy = uniform(rng, 2, B, H), uniform(rng, T, B, 2 * H)

        def of(params, way):
            x = params["x"] if way == "right" else params["x"][::-1]
            return {"x": x} | {name: params[f"{name}_{way}"] for name in ("Wx", "Wh", "b")}

        def loss(params):
            right, left = (forward(h0=h0[k], **of(params, way)) for k, way in enumerate(("right", "left")))
            return np.sum(dy[..., :H] * np.stack(right[1:])) + np.sum(dy[..., H:] * np.stack(left[1:])[::-1])

        def grads(params):
            space = dy.copy()
            p = of(params, "right")
            right = backward(hs=forward(h0=h0[0], **p), dy=space[..., :H], **p)
            if bug == "dx over dy":
                space[:] = right["x"]
            p = of(params, "left")
            if bug == "x reversed in place":
                params["x"][:] = p["x"].copy()
                p["x"] = params["x"]
            left = backward(hs=forward(h0=h0[1], **p), dy=space[::-1, :, H:], **p)
            grad = {"x": right["x"] + left["x"][::-1]}
            for way, one_way in (("right", right), ("left", left)):
                grad |= {f"{name}_{way}": one_way[name] for name in ("Wx", "Wh", "b")}
            return grad

        return loss, params, grads

    return over_steps(one)


def gru_step(x_t, h, Wx, Wh, b):
    H = h.shape[1]
    z, r = np.split(sigmoid(x_t @ Wx[: 2 * H].T + h @ Wh[: 2 * H].T + b[: 2 * H]), 2, axis=1)
    n = np.tanh(x_t @ Wx[2 * H :].T + (r * h) @ Wh[2 * H :].T + b[2 * H :])
    return z, r, n, (1 - z) * h + z * n


def gru_forward(x, h0, Wx, Wh, b):
    hs, gates = [h0], []
    for x_t in x:
        z, r, n, h = gru_step(x_t, hs[-1], Wx, Wh, b)
        gates.append((z, r, n))
        hs.append(h)
    return hs, gates


def gru_backward(x, h0, Wx, Wh, b, dy, bug=""):
    hs, gates = gru_forward(x, h0, Wx, Wh, b)
    H = h0.shape[1]
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh_next = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        (z, r, n), h = gates[t], hs[t]
        dh = dy[t] + dh_next
        dn = dh * z * (n * (1 - n) if bug == "sigmoid's slope for n" else 1 - n**2)
        drh = dn @ Wh[2 * H :]
        dz = dh * (h - n if bug == "h - n" else n - h) * z * (1 - z)
        dr = drh * h * (1 if bug == "no slope of r" else r * (1 - r))
        dzr = np.concatenate([dz, dr], axis=1)
        dall = np.concatenate([dzr, dn], axis=1)
        dx[t] = dall @ Wx
        dWx += dall.T @ x[t]
        dWh[: 2 * H] += dzr.T @ h
        dWh[2 * H :] += dn.T @ (h if bug == "h without r" else r * h)
        db += dall.sum(axis=0)
        dh_next = dzr @ Wh[: 2 * H] + drh * r
        if bug != "no direct path":
            dh_next = dh_next + dh * (1 - z)
    return {"x": dx, "h0": dh_next, "Wx": dWx, "Wh": dWh, "b": db}


def gru(bug="", B=2, D=4, H=3):
    def one(T):
        rng = np.random.default_rng(50 + T)
        params = {"x": uniform(rng, T, B, D), "h0": uniform(rng, B, H)}
        params |= {"Wx": uniform(rng, 3 * H, D), "Wh": uniform(rng, 3 * H, H), "b": uniform(rng, 3 * H)}
        dy = uniform(rng, T, B, H)

        def loss(params):
            return np.sum(dy * np.stack(gru_forward(**params)[0][1:]))

        def grads(params):
            return gru_backward(**params, dy=dy, bug=bug)

        return loss, params, grads

    rows = {gate: np.s_[k * H : (k + 1) * H] for k, gate in enumerate("zrn")}
    return over_steps(one, dict.fromkeys(("Wx", "Wh", "b"), rows))
