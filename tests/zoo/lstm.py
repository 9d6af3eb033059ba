"""LSTM of one layer and of two, gates i, f, g, o fused in one matrix.

z_t = x_t Wxᵀ + h_{t-1} Whᵀ + b        x (T, B, D), Wx (4H, D), Wh (4H, H), b (4H,), z (B, 4H)
i, f, o = σ(z's 1st, 2nd, 4th H columns); g = tanh(the 3rd)
c_t = f∘c_{t-1} + i∘g;  h_t = o∘tanh(c_t)       h0, c0 (B, H)
loss = Σ dy∘h + Σ dc_end∘c_T           dy (T, B, H), dc_end (B, H) fixed
"""

import numpy as np

from tests.zoo.base import adding, over_steps, uniform


def sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))  # unlike 1 / (1 + exp(-z)) as scipy has it, also for complex z


def gates_of(z):
    i, f, g, o = np.split(z, 4, axis=1)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)


def forward(p):
    """All states, hs[0] = h0 and cs[0] = c0, and the gates of each step."""
    hs, cs, gates = [p["h0"]], [p["c0"]], []
    for x_t in p["x"]:
        i, f, g, o = gates_of(x_t @ p["Wx"].T + hs[-1] @ p["Wh"].T + p["b"])
        gates.append((i, f, g, o))
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    return hs, cs, gates


def slopes(i, f, g, o, bug):
    """The derivative of each gate by its z, written by its value."""
    slope = {"i": i * (1 - i), "f": f * (1 - f), "g": 1 - g**2, "o": o * (1 - o)}
    if bug == "no slope of f":
        slope["f"] = 1.0
    if bug == "no slope of g":
        slope["g"] = 1.0
    if bug == "sigmoid's slope for g":
        slope["g"] = g * (1 - g)
    if bug == "slope of o at o":
        slope["o"] = sigmoid(o) * (1 - sigmoid(o))
    return slope


def backward(p, cache, dy, dc_end, bug=""):
    hs, cs, gates = cache
    T, _B, H = dy.shape
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next, dc_next = np.zeros_like(p["h0"]), dc_end
    backwards = []
    for t in reversed(range(T)):
        h_prev, c_prev, c = hs[t], cs[t], cs[t + 1]
        i, f, g, o = gates[t]
        if bug == "bias of o in i and f":
            bo = p["b"][3 * H :]
            wrong = np.concatenate([bo, bo, p["b"][2 * H :]])
            i, f, g, o = gates_of(p["x"][t] @ p["Wx"].T + h_prev @ p["Wh"].T + wrong)

        dh = dy[t] + dh_next
        if bug == "dy changed":
            dh = dy[t]
            dh += dh_next
        tanh_c = np.tanh(c)
        through_h = dh * o * (1 - tanh_c**2)
        if bug == "no slope of tanh(c)":
            through_h = dh * o
        if bug == "slope of tanh(c) at c":
            through_h = dh * o * (1 - c**2)
        dc = dc_next + through_h
        if bug == "dc =":
            dc = through_h
        if bug == "dc_end changed":
            dc = dc_next
            dc += through_h

        slope = slopes(i, f, g, o, bug)
        di = dc * g * slope["i"]
        df = dc * (c if bug == "c of this step" else c_prev) * slope["f"]
        dg = dc * i * slope["g"]
        do = dh * tanh_c * slope["o"]
        if bug == "minus f":
            df = -df
        if bug == "nothing for o":
            do = np.zeros_like(do)
        dz = np.concatenate([di, df, dg, do], axis=1)

        if bug == "dWx =":
            grads["Wx"][:] = 0
        if bug == "db =":
            grads["b"][:] = 0
        grads["Wx"] += dz.T @ p["x"][t]
        grads["Wh"] += dz.T @ (hs[t + 1] if bug == "h of this step" else h_prev)
        grads["b"] += dz.sum(axis=0)
        gate = np.s_[: 3 * H] if bug == "dx without o" else np.s_[:]
        grads["x"][t] = dz[:, gate] @ p["Wx"][gate]
        backwards.append(grads["x"][t])

        dh_prev, dc_prev = dz @ p["Wh"], dc * f
        if bug == "dh overwritten":
            dh = dh_prev
            dc_prev = f * (dc_next + dh * o * (1 - tanh_c**2))
        if bug == "dc through i":
            dc_prev = dc * i
        grads["h0"], grads["c0"] = dh_prev, dc_prev
        if bug not in ("dh not carried", "neither carried"):
            dh_next = dh_prev
        dc_next = np.zeros_like(dc) if bug in ("dc not carried", "neither carried") else dc_prev

    if bug == "b of f for i and o":
        grads["b"][:H] = grads["b"][3 * H :] = grads["b"][H : 2 * H]
    if bug == "gates i, f, o, g":
        i, f, g, o = np.split(grads["Wx"], 4)
        grads["Wx"] = np.concatenate([i, f, o, g])
    if bug == "dx backwards":
        grads["x"] = np.stack(backwards)
    if bug == "h0 zero":
        grads["h0"] = np.zeros_like(p["h0"])
    if bug == "no h0":
        del grads["h0"], grads["c0"]
    if bug == "weights / T":
        grads |= {name: grads[name] / T for name in ("Wx", "Wh", "b")}
    return grads


def parameters(rng, D, H):
    return {"Wx": uniform(rng, 4 * H, D), "Wh": uniform(rng, 4 * H, H), "b": uniform(rng, 4 * H)}


def gate_blocks(H, *names):
    return {name: {gate: np.s_[k * H : (k + 1) * H] for k, gate in enumerate("ifgo")} for name in names}


def problem(bug="", fixed=False, B=2, D=3, H=4):
    """One layer; its initial state is fixed, or one of the parameters."""

    def one(T):
        rng = np.random.default_rng(10 + T)
        params = {"x": uniform(rng, T, B, D), **parameters(rng, D, H)}
        start = {"h0": uniform(rng, B, H), "c0": uniform(rng, B, H)}
        dy, dc_end = uniform(rng, T, B, H), uniform(rng, B, H)
        if not fixed:
            params |= start
        first = forward(params | start)

        def loss(params):
            hs, cs, _ = forward(start | params)
            return np.sum(dy * np.stack(hs[1:])) + np.sum(dc_end * cs[-1])

        def grads(params):
            p = start | params
            grad = backward(p, first if bug == "first cache" else forward(p), dy, dc_end, bug)
            return {name: grad[name] for name in params if name in grad}

        return loss, params, adding(grads) if bug == "adds" else grads

    return over_steps(one, gate_blocks(H, "Wx", "Wh", "b"))


def two_layers(bug="", B=2, H=3):
    """The second layer reads the states of the first; inputs as wide as states, so that they can be mistaken."""

    def one(T):
        rng = np.random.default_rng(20 + T)
        params = {"x": uniform(rng, T, B, H)}
        for layer in "12":
            params |= {name + layer: value for name, value in parameters(rng, H, H).items()}
        h0, c0, dy = uniform(rng, 2, B, H), uniform(rng, 2, B, H), uniform(rng, T, B, H)
        dc_end = np.zeros((B, H))

        def run(params):
            below, layers = params["x"], []
            for k, layer in enumerate("12"):
                p = {"x": below, "h0": h0[k], "c0": c0[k]} | {n: params[n + layer] for n in ("Wx", "Wh", "b")}
                layers.append((p, forward(p)))
                below = np.stack(layers[-1][1][0][1:])
            return layers

        def loss(params):
            return np.sum(dy * np.stack(run(params)[1][1][0][1:]))

        def grads(params):
            (p1, cache1), (p2, cache2) = run(params)
            top = backward(p2, cache2, dy, dc_end)
            if bug == "gates of layer 2":
                cache1 = cache1[0], cache1[1], cache2[2]
            bottom = backward(p1, cache1, top["x"], dc_end)
            if bug == "one buffer":
                top["Wh"][:] = bottom["Wh"]
            if bug == "no bias on top":
                top["b"] = np.zeros_like(top["b"])
            if bug == "input of layer 1":
                top["Wx"] = backward(p2 | {"x": params["x"]}, cache2, dy, dc_end)["Wx"]
            grad = {"x": bottom["x"]}
            for layer, of in zip("12", (bottom, top)):
                grad |= {name + layer: of[name] for name in ("Wx", "Wh", "b")}
            return grad

        return loss, params, grads

    return over_steps(one, gate_blocks(H, "Wx1", "Wh1", "b1", "Wx2", "Wh2", "b2"))
