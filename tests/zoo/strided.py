"""A convolution in one dimension with channels and a stride, as a product with a matrix of windows.

y[n, f, s] = tanh(Σ_{c, j} k[f, c, j] x[n, c, 2 s + j] + bias[f])       x (N, C, L), k (F, C, J), bias (F,), y (N, F, S)
loss = Σ dy∘y, dy fixed
"""

import numpy as np

from tests.zoo.base import Problem, uniform


def problem(bug="", N=3, C=2, L=9, F=4, J=3, stride=2):
    rng = np.random.default_rng(630)
    params = {"x": uniform(rng, N, C, L), "k": uniform(rng, F, C, J), "bias": uniform(rng, F)}
    S = (L - J) // stride + 1
    dy = uniform(rng, N, F, S)

    def forward(params):
        """The windows (N, S, J C), the kernels (J C, F) and y."""
        windows = [
            params["x"][:, :, stride * s : stride * s + J].transpose(0, 2, 1).reshape(N, J * C) for s in range(S)
        ]
        windows, kernels = np.stack(windows, axis=1), params["k"].transpose(2, 1, 0).reshape(J * C, F)
        return windows, kernels, np.tanh(windows @ kernels + params["bias"]).transpose(0, 2, 1)

    def loss(params):
        return np.sum(dy * forward(params)[-1])

    def grads(params):
        windows, kernels, y = forward(params)
        du = (dy * (1 - y**2)).transpose(0, 2, 1)
        dkernels = np.einsum("nsw,nsf->wf", windows, du)
        dk = dkernels.reshape(J, C, F).transpose(2, 1, 0)
        if bug == "k reshaped":
            dk = dkernels.T.reshape(F, C, J)
        if bug == "k mean":
            dk = dk / N
        dbias = np.zeros_like(params["bias"])
        if bug != "bias not filled":
            dbias += du.sum(axis=(0, 1))
        dx = np.zeros_like(params["x"])
        for s in range(S):
            at = s if bug == "no stride" else stride * s
            dx[:, :, at : at + J] += (du[:, s] @ kernels.T).reshape(N, J, C).transpose(0, 2, 1)
        return {"x": dx, "k": dk, "bias": dbias}

    return Problem(loss, params, grads)
