"""Sparse additive logistic regression: SpAM by local scoring (Ravikumar et al. 2009, section on classification).

    min E[log(1 + e^f) − Y f] + λ Σ_j √E f_j²,     f = α + Σ_j f_j(X_j),  Y in {0, 1},  p = σ(f)

Local scoring expands the loss around f: w = p(1 − p), Z = f + (Y − p)/w, and for each j, R_j = Z − α − Σ_{k≠j} f_k:

    ‖S_j(w R_j)‖_n ≤ λ:   f_j = 0
    else                  f_j ← S_j(w R_j) / (S_j w + λ/‖f_j‖_n),   centred, to its fixed point

On an orthonormal basis it is a group lasso of the log-likelihood; `refdope.selection.descent` finds its minimum, with
λ_max = max_j ‖Ψ_jᵀ(y − ȳ)‖/n. One step of `descent` bounds w by 1/4, so the objective never rises.
"""

import numpy as np

from refdope.selection.additive import Path, additive_design, bases, follow
from refdope.selection.prox import Array


def sigmoid(f: Array) -> Array:
    """Return 1/(1 + e^(-f)) without overflow."""
    return np.asarray((1 + np.tanh(f / 2)) / 2)


class Logistic:
    """Mean of log(1 + e^f) − y f.

    Parameters
    ----------
    y : array, (n,)
        0 and 1, both of them.
    """

    curvature = 0.25

    def __init__(self, y: Array) -> None:
        if not np.isin(y, (0, 1)).all() or np.ptp(y) == 0:
            raise ValueError("y must hold zeros and ones, both of them")
        self.y = y

    def value(self, f: Array) -> float:
        """Return the mean negative log-likelihood."""
        return float((np.logaddexp(0, f) - self.y * f).mean())

    def gradient(self, f: Array) -> Array:
        """Return (p − y)/n."""
        return (sigmoid(f) - self.y) / len(self.y)

    def second(self, f: Array) -> Array:
        """Return p(1 − p)/n."""
        return sigmoid(f) * sigmoid(-f) / len(self.y)


def logistic_path(
    X: Array,
    y: Array,
    lambdas: Array | None = None,
    df: int = 5,
    n_lambdas: int = 20,
    ratio: float = 0.05,
    tol: float = 1e-9,
    progress: bool = False,
) -> Path:
    """Fit logistic SpAM on splines along a path; see `refdope.selection.additive.spline_path`.

    Parameters
    ----------
    X : array, (n, p)
    y : array, (n,)
        0 and 1.
    lambdas : array, optional
    df : int
    n_lambdas : int
    ratio : float
        Where the classes can be separated, no minimum exists at λ = 0: keep away from it.
    tol : float
    progress : bool

    Returns
    -------
    Path
    """
    return follow(additive_design(bases(X, df)), Logistic(y), lambdas, n_lambdas, ratio, tol, progress)


def local_scoring(y: Array, smoothers: Array, lam: float, tol: float = 1e-8, rounds: int = 200) -> tuple[float, Array]:
    """Fit logistic SpAM with any linear smoothers, as the paper has it.

    Parameters
    ----------
    y : array, (n,)
        0 and 1.
    smoothers : array, (p, n, n)
        S_j, which leave constants as they are: a projection on centred splines needs 1/n more.
    lam : float
    tol : float
        Ends when no value of f changes by more.
    rounds : int
        Most expansions of the loss.

    Returns
    -------
    alpha : float
    f : array, (p, n)

    Raises
    ------
    ArithmeticError
        If the rounds do not suffice, as when the classes can be separated and λ is small.
    """
    Logistic(y)  # y is what it must be
    f, alpha = np.zeros((len(smoothers), len(y))), float(np.log(y.mean() / (1 - y.mean())))
    for _ in range(rounds):
        fit = alpha + f.sum(0)
        p = sigmoid(fit)
        w = np.maximum(p * (1 - p), 1e-5)  # Z stays finite
        Z = fit + (y - p) / w
        before, start = alpha, f.copy()
        for _ in range(rounds):  # weighted backfitting of Z
            inner, last = f.copy(), alpha
            alpha = float(w @ (Z - f.sum(0)) / w.sum())
            for j, S in enumerate(smoothers):
                f[j] = _component(S, w, Z - alpha - (f.sum(0) - f[j]), lam, f[j])
            if max(np.abs(f - inner).max(), abs(alpha - last)) <= tol / 10:
                break
        if max(np.abs(f - start).max(), abs(alpha - before)) <= tol:
            return alpha, f
    raise ArithmeticError(f"local scoring at lam {lam:g} does not settle in {rounds} rounds")


def _component(S: Array, w: Array, R: Array, lam: float, f: Array, steps: int = 1000) -> Array:
    """Return the fixed point of one component."""
    P, mass = S @ (w * R), S @ w
    if np.sqrt(np.square(P).mean()) <= lam:
        return np.zeros_like(P)
    f = f if f.any() else P / np.maximum(mass, 1e-8)
    for _ in range(steps):
        new = P / (mass + lam / max(float(np.sqrt(np.square(f).mean())), 1e-12))
        if np.abs(new - f).max() <= 1e-12 * (1 + np.abs(new).max()):
            break
        f = new
    return np.asarray(new - new.mean())
