"""An LSTM that forecasts at each step: a linear layer on its states, squared error.

z_t = x_t Wx + h_{t-1} Wh + b        x (B, T, D), Wx (D, 4H), Wh (H, 4H), b (4H,), gates in the order f, i, g, o
c_t = f∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t);  y_t = h_t Wy + by       h0, c0 (B, H), Wy (H, K), by (K,)
loss = Σ (y - targets)² / (2 B T), targets (B, T, K) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid


def forward(p, bug=""):
    hs, cs, gates = [p["h0"]], [p["c0"]], []
    c = p["c0"]
    if bug == "c in place":
        cs = [c.copy()]
    for t in range(p["x"].shape[1]):
        f, i, g, o = np.split(p["x"][:, t] @ p["Wx"] + hs[-1] @ p["Wh"] + p["b"], 4, axis=1)
        f, i, g, o = sigmoid(f), sigmoid(i), np.tanh(g), sigmoid(o)
        if bug == "c in place":
            c *= f
            c += i * g
            cs.append(c.copy())
        else:
            c = f * c + i * g
            cs.append(c)
        hs.append(o * np.tanh(cs[-1]))
        gates.append((f, i, g, o))
    return hs, cs, gates


def outputs(p, hs):
    return np.stack(hs[1:], axis=1) @ p["Wy"] + p["by"]


def backward(p, cache, targets, kept, bug=""):
    """Adds the gradients of the linear layer to what is in `kept`."""
    hs, cs, gates = cache
    B, T, _ = targets.shape
    error = outputs(p, hs) - targets
    if bug == "targets - y":
        error = -error
    dy = error / B if bug == "not by T" else error / (B * T)
    grads = {}
    for name, value in p.items():
        narrow = bug == "float32" and name in ("Wx", "Wh", "b")
        grads[name] = np.zeros_like(value, dtype=np.float32 if narrow else None)
    dh_next, dc_next = np.zeros_like(hs[0]), np.zeros_like(hs[0])
    for t in reversed(range(T)):
        (f, i, g, o), c_prev, tanh_c = gates[t], cs[t], np.tanh(cs[t + 1])
        kept["Wy"] += hs[t if bug == "h before" else t + 1].T @ dy[:, t]
        kept["by"] += dy[:, t].sum(axis=0)
        dh = dy[:, t] @ p["Wy"].T + dh_next
        if bug == "dh of y only":
            dh = dy[:, t] @ p["Wy"].T
        dc = dc_next + dh * o * ((1 - tanh_c) ** 2 if bug == "(1 - tanh(c))²" else 1 - tanh_c**2)
        df, di = dc * c_prev, dc * g
        if bug == "c and g exchanged":
            df, di = dc * g, dc * c_prev
        if bug == "h for c":
            df = dc * hs[t]
        df, di, dg = df * f * (1 - f), di * i * (1 - i), dc * i * (1 - g**2)
        do = (dc if bug == "dc for o" else dh) * tanh_c * o * (1 - o)
        dz = np.concatenate([di, df, dg, do] if bug == "i before f" else [df, di, dg, do], axis=1)
        grads["x"][:, t] = dz @ p["Wx"].T
        grads["Wx"] += p["x"][:, t].T @ dz
        grads["Wh"] += hs[t].T @ dz
        grads["b"] += dz.sum(axis=0)
        dh_next, dc_next = dz @ p["Wh"].T, dc * f
    return grads | {"h0": dh_next, "c0": dc_next} | {name: total.copy() for name, total in kept.items()}


def problem(bug="", B=2, D=4, H=3, K=5):
    def one(T):
        rng = np.random.default_rng(500 + T)
        params = {"x": uniform(rng, B, T, D), "h0": uniform(rng, B, H), "c0": uniform(rng, B, H)}
        params |= {"Wx": uniform(rng, D, 4 * H), "Wh": uniform(rng, H, 4 * H), "b": uniform(rng, 4 * H)}
        params |= {"Wy": uniform(rng, H, K), "by": uniform(rng, K)}
        targets = uniform(rng, B, T, K)
        kept = {"Wy": np.zeros((H, K)), "by": np.zeros(K)}
        before = None

        def loss(params):
            y = outputs(params, forward(params)[0])
            return np.sum((y - targets) ** 2) / (2 * B * T)

        def grads(params):
            nonlocal before, kept
            cache = forward(params, bug)
            used = before if bug == "cache of the call before" and before is not None else cache
            before = cache
            if bug != "kept":
                kept = {"Wy": np.zeros((H, K)), "by": np.zeros(K)}
            return backward(params, used, targets, kept, bug)

        return loss, params, grads

    columns = {gate: np.s_[..., k * H : (k + 1) * H] for k, gate in enumerate("figo")}
    return over_steps(one, dict.fromkeys(("Wx", "Wh", "b"), columns))
