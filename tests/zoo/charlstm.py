"""A language model of characters, an LSTM with a matrix for each gate; examples are columns.

v = [h_{t-1}; onehot(inputs_t)]        inputs, targets (T, B), Wf, Wi, Wc, Wo (H, H + V), bf, bi, bc, bo (H, 1)
f, i, o = σ(W v + b);  g = tanh(Wc v + bc);  c_t = f∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t)
scores_t = Wv h_t + bv                 Wv (V, H), bv (V, 1)
loss = Σ_t Σ_b (log Σ exp(scores) - scores[target]) / B, h0 and c0 (H, B) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform
from tests.zoo.lstm import sigmoid

TEXT = np.array([[1, 0], [4, 3], [2, 1], [0, 4]])


def forward(p, inputs, h0, c0):
    V = len(p["bv"])
    hs, cs, gates = [h0], [c0], []
    for letters in inputs:
        v = np.concatenate([hs[-1], np.eye(V)[letters].T])
        f, i, o = (sigmoid(p["W" + gate] @ v + p["b" + gate]) for gate in "fio")
        g = np.tanh(p["Wc"] @ v + p["bc"])
        gates.append((v, f, i, g, o))
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    return hs, cs, gates, [p["Wv"] @ h + p["bv"] for h in hs[1:]]


def backward(p, inputs, targets, h0, c0, bug=""):
    hs, cs, gates, scores = forward(p, inputs, h0, c0)
    T, B = inputs.shape
    H, V = len(p["bf"]), len(p["bv"])
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next, dc_next = np.zeros((H, B)), np.zeros((H, B))
    for t in reversed(range(T)):
        (v, f, i, g, o), tanh_c = gates[t], np.tanh(cs[t + 1])
        exp = np.exp(scores[t])
        ds = (exp / exp.sum(axis=0) - np.eye(V)[targets[t]].T) / B
        grads["Wv"] += ds @ hs[t + 1].T
        grads["bv"] += ds.sum(axis=1, keepdims=True)
        dh = p["Wv"].T @ ds + dh_next
        dc = dc_next + dh * o * (1 - tanh_c**2)
        dz = {
            "f": dc * cs[t] * f * (1 - f),
            "i": dc * g * i * (1 - i),
            "c": dc * i * (1 - g if bug == "1 - g" else 1 - g**2),
            "o": dh * tanh_c * o * (1 - o),
        }
        for gate, d in dz.items():
            grads["W" + gate] += (dz["f"] if bug == "f for i" and gate == "i" else d) @ v.T
            if bug == "bo of each column" and gate == "o":
                grads["bo"] = grads["bo"] + d
            else:
                grads["b" + gate] += (d.mean if bug == "biases mean" else d.sum)(axis=1, keepdims=True)
        through = "fio" if bug == "not through Wc" else "fico"
        dv = sum(p["W" + gate].T @ dz[gate] for gate in through)
        dh_next = dv[V:] if bug == "as if x came first" else dv[:H]
        if bug != "dc not carried":
            dc_next = dc * f
    return grads


def problem(bug="", H=3, V=5):
    def one(T):
        rng = np.random.default_rng(510 + T)
        params = {"W" + gate: uniform(rng, H, H + V) for gate in "fico"}
        params |= {"b" + gate: uniform(rng, H, 1) for gate in "fico"}
        params |= {"Wv": uniform(rng, V, H), "bv": uniform(rng, V, 1)}
        inputs, targets = TEXT[:T], TEXT[1 : T + 1]
        B = inputs.shape[1]
        h0, c0 = uniform(rng, H, B), uniform(rng, H, B)
        kept = {name: np.zeros_like(params[name]) for name in params if name[0] == "W"}

        def loss(params):
            total = 0
            for s, wanted in zip(forward(params, inputs, h0, c0)[-1], targets):
                total = total + np.sum(np.log(np.exp(s).sum(axis=0)) - s[wanted, np.arange(B)])
            return total / B

        def grads(params):
            grad = backward(params, inputs, targets, h0, c0, bug)
            if bug == "matrices kept":
                for name, total in kept.items():
                    total += grad[name]
                    grad[name] = total.copy()
            return grad

        return loss, params, grads

    columns = {"h": np.s_[:, :H], "x": np.s_[:, H:]}
    return over_steps(one, {"W" + gate: columns for gate in "fico"})
