"""What the tests here fit."""

import numpy as np


def additive(n=120, p=12, noise=0.3, seed=0):
    """SpAM's four functions, and covariates without any."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, p))
    f = -2 * np.sin(2 * X[:, 0]) + X[:, 1] ** 2 - 1 / 3 + X[:, 2] - 0.5 + np.exp(-X[:, 3]) + np.exp(-1) - 1
    return X, f + noise * rng.normal(size=n)


def binary(n=160, p=8, seed=0):
    """A disc and a line, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, p))
    f = 8 * (X[:, 0] - 0.5) ** 2 + 3 * X[:, 1] - 2 + rng.logistic(size=n) / 2
    return X, (f > 0).astype(float)
