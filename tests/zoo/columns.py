"""A plain RNN whose examples are columns and whose steps are the last axis.

a_t = tanh(Wax x_t + Waa a_{t-1} + ba)       x (D, B, T), Wax (H, D), Waa (H, H), ba (H, 1), a (H, B, T)
loss = Σ da∘a, da and a0 (H, B) fixed
"""

import numpy as np

from tests.zoo.base import over_steps, uniform


def forward(p, a0):
    states = [a0]
    for t in range(p["x"].shape[2]):
        states.append(np.tanh(p["Wax"] @ p["x"][:, :, t] + p["Waa"] @ states[-1] + p["ba"]))
    return states


def backward(p, a0, da, dba, bug=""):
    """Adds the gradient of ba to `dba`."""
    states = forward(p, a0)
    T = da.shape[2]
    dx, dWax, dWaa = np.zeros_like(p["x"]), np.zeros_like(p["Wax"]), np.zeros_like(p["Waa"])
    da_prev = np.zeros_like(a0)
    for t in reversed(range(T)):
        da_next = da[:, :, t] if bug == "da alone" else da[:, :, t] + da_prev
        dz = da_next * (1 - states[t + 1] ** 2)
        dx[:, :, t - 1 if bug == "t - 1" else t] = p["Wax"].T @ dz
        dWax += dz @ p["x"][:, :, t].T
        dWaa += dz @ states[t].T
        dba += dz.sum(axis=1, keepdims=True)
        da_prev = p["Waa"].T @ (da_next if bug == "carried without the slope" else dz)
    return {"x": dx, "Wax": dWax, "Waa": dWaa, "ba": dba[:, 0] if bug == "ba (H,)" else dba.copy()}


def problem(bug="", B=2, D=3, H=4):
    def one(T):
        rng = np.random.default_rng(310 + T)
        params = {"x": uniform(rng, D, B, T), "Wax": uniform(rng, H, D), "Waa": uniform(rng, H, H)}
        params["ba"] = uniform(rng, H, 1)
        a0, da = uniform(rng, H, B), uniform(rng, H, B, T)
        dba = np.zeros((H, 1))

        def loss(params):
            return np.sum(da * np.stack(forward(params, a0)[1:], axis=2))

        def grads(params):
            nonlocal dba
            if bug != "ba adds":
                dba = np.zeros((H, 1))
            return backward(params, a0, da, dba, bug)

        return loss, params, grads

    return over_steps(one)
