"""Sparse additive models, SpAM (Ravikumar, Lafferty, Liu, Wasserman, JRSS-B 71, 2009; arXiv 0711.4555).

    min E(Y − α − Σ_j f_j(X_j))²/2 + λ Σ_j √E f_j²,      E f_j = 0

Backfitting, with any linear smoother S_j and ‖v‖_n = √(Σ v_i²/n):

    R_j = y − α − Σ_{k≠j} f_k,     P_j = S_j R_j,     f_j = (1 − λ/‖P_j‖_n)₊ P_j, centred

With f_j = Ψ_j b_j on an orthonormal basis, ‖f_j‖_n = ‖b_j‖, this is the group lasso

    (1/2n) ‖y − α − Σ_j Ψ_j b_j‖² + λ Σ_j ‖b_j‖,     λ_max = max_j ‖Ψ_jᵀ(y − ȳ)‖/n

λ is chosen by Mallows's Cp or by generalised cross-validation, with df = Σ_j tr(S_j) over the f_j that are not zero.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from refdope.selection.descent import Design, Loss, Squares, descend, empty
from refdope.selection.prox import Array, group_l2
from refdope.selection.smooth import LocalLinear, Spline


class Path(NamedTuple):
    """Solutions along falling λ.

    Attributes
    ----------
    lambdas : array, (K,)
    coef : array, (K, D)
        Coefficients of the design's columns, the intercept first; of backfitting: values of the functions, (K, p, n).
    norms : array, (K, p)
        ‖f_j‖_n; 0 exactly where a function is out.
    df : array, (K,)
        Degrees of freedom of the functions that are in, the intercept not counted.
    loss : array, (K,)
        The loss on the sample: half the mean squared residual, or the mean negative log-likelihood.
    """

    lambdas: Array
    coef: Array
    norms: Array
    df: Array
    loss: Array


def bases(X: Array, df: int = 5) -> list[Spline]:
    """Return the spline basis of every column of X (n, p)."""
    return [Spline(x, df) for x in X.T]


def additive_design(splines: Sequence[Spline]) -> Design:
    """Return the design of an additive model: a block a covariate."""
    return Design([spline.basis for spline in splines])


def grid(largest: float, n_lambdas: int = 30, ratio: float = 5e-3) -> Array:
    """Return λ from the largest down to ratio times it, evenly in log λ."""
    if n_lambdas < 1 or not 0 < ratio < 1:
        raise ValueError(f"a path needs one lambda or more and a ratio in (0, 1), got {n_lambdas} and {ratio}")
    return largest * np.geomspace(1, ratio, n_lambdas)


def spline_path(
    X: Array,
    y: Array,
    lambdas: Array | None = None,
    df: int = 5,
    n_lambdas: int = 30,
    ratio: float = 5e-3,
    tol: float = 1e-10,
    progress: bool = False,
) -> Path:
    """Fit SpAM on splines along a path.

    Parameters
    ----------
    X : array, (n, p)
    y : array, (n,)
    lambdas : array, optional
        Falling; by default `n_lambdas` of them from λ_max down to `ratio` times it.
    df : int
        Functions a covariate.
    n_lambdas : int
    ratio : float
    tol : float
        See `refdope.selection.descent.descend`.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Path
    """
    return follow(additive_design(bases(X, df)), Squares(y), lambdas, n_lambdas, ratio, tol, progress)


def follow(
    design: Design,
    loss: Loss,
    lambdas: Array | None = None,
    n_lambdas: int = 30,
    ratio: float = 5e-3,
    tol: float = 1e-10,
    progress: bool = False,
) -> Path:
    """Solve a design along a path, each λ from the solution at the one before; see `spline_path`."""
    b, largest = empty(design, loss)
    lambdas = grid(largest, n_lambdas, ratio) if lambdas is None else np.asarray(lambdas, float)
    if (lambdas < 0).any():
        raise ValueError(f"lambda must be 0 or more, got {lambdas.min()}")
    rows = []
    for lam in tqdm(lambdas, "path", disable=not progress, leave=False):
        if lam < largest:
            b, _ = descend(design, loss, float(lam), b, tol)
        rows.append(b)
    coef = np.stack(rows)
    norms = np.stack([design.norms(b)[1:] for b in coef])
    width = np.bincount(design.owner, minlength=len(design.slices))[1:]
    value = np.array([loss.value(design.matrix @ b) for b in coef])
    return Path(lambdas, coef, norms, (norms > 0) @ width.astype(float), value)


def backfit(
    y: Array, smoothers: Array, lam: float, f: Array | None = None, tol: float = 1e-9, sweeps: int = 1000
) -> Array:
    """Fit SpAM by backfitting with any linear smoothers.

    Parameters
    ----------
    y : array, (n,)
    smoothers : array, (p, n, n)
        S_j.
    lam : float
        0: ordinary backfitting (Buja, Hastie, Tibshirani 1989).
    f : array, (p, n), optional
        Where to begin, by default 0.
    tol : float
        Ends when no value changes by more, in units of the standard deviation of y.
    sweeps : int

    Returns
    -------
    array, (p, n)
        f_j at the sample.

    Warns
    -----
    RuntimeWarning
        If the sweeps do not suffice, as where covariates all but repeat each other (concurvity).

    Notes
    -----
    Smoothers are no projections, so no objective falls and none is checked.
    """
    f = np.zeros((len(smoothers), len(y))) if f is None else f.copy()
    enough = tol * max(float(y.std()), 1e-300)
    r = y - y.mean() - f.sum(0)
    active, change = np.arange(len(f)), 0.0
    for sweep in range(sweeps):
        change = 0.0
        for j in active:
            R = r + f[j]
            new = shrunk(smoothers[j] @ R, lam)
            change = max(change, float(np.abs(new - f[j]).max()))
            r, f[j] = R - new, new
        everyone = len(active) == len(f)
        if change <= enough and everyone:
            return f
        # between sweeps over all, those that are not zero
        active = np.arange(len(f)) if everyone == (sweep == 0) or change <= enough else np.flatnonzero(f.any(1))
    told = f"backfitting at lam {lam:g} still changes by {change:.1e} after {sweeps} sweeps: do covariates repeat?"
    warnings.warn(told, RuntimeWarning, stacklevel=2)
    return f


def shrunk(P: Array, lam: float) -> Array:
    """Return (1 − λ/‖P‖_n)₊ P, centred."""
    root = np.sqrt(len(P))
    f = group_l2(P / root, lam) * root
    return f - f.mean()


def smoother_path(
    X: Array,
    y: Array,
    lambdas: Array | None = None,
    bandwidth: float | None = None,
    n_lambdas: int = 30,
    ratio: float = 5e-2,
    tol: float = 1e-5,
    progress: bool = False,
) -> Path:
    """Fit SpAM with local linear smoothers along a path; see `spline_path`.

    Parameters
    ----------
    X : array, (n, p)
    y : array, (n,)
    lambdas : array, optional
    bandwidth : float, optional
        By default 0.6·sd(x)·n^(-1/5) for every covariate.
    n_lambdas : int
    ratio : float
    tol : float
        See `backfit`.
    progress : bool

    Returns
    -------
    Path
    """
    kernels = [LocalLinear(x, bandwidth) for x in X.T]
    S, traces = np.stack([k.matrix for k in kernels]), np.array([k.trace for k in kernels])
    if lambdas is None:
        lambdas = grid(float(np.sqrt(np.square(S @ (y - y.mean())).mean(1)).max()), n_lambdas, ratio)
    f, rows = np.zeros((len(S), len(y))), []
    for lam in tqdm(np.asarray(lambdas, float), "path", disable=not progress, leave=False):
        f = backfit(y, S, float(lam), f, tol)
        rows.append(f)
    coef = np.stack(rows)
    norms = np.sqrt(np.square(coef).mean(2))
    loss = np.square(y - y.mean() - coef.sum(1)).mean(1) / 2
    return Path(np.asarray(lambdas, float), coef, norms, (norms > 0) @ traces, loss)


def cp(path: Path, n: int, variance: float | None = None) -> Array:
    """Return Mallows's Cp along a path of squares: mean squared residual + 2σ² df/n.

    Parameters
    ----------
    path : Path
    n : int
        Size of the sample.
    variance : float, optional
        σ², by default that of the last fit on the path with df < n/2: its squared residuals over n - df - 1.
    """
    if variance is None:
        roomy = np.flatnonzero(path.df < n / 2)
        last = roomy[-1] if len(roomy) else 0
        variance = 2 * path.loss[last] * n / max(n - path.df[last] - 1, 1)
    return np.asarray(2 * path.loss + 2 * variance * path.df / n)


def gcv(path: Path, n: int) -> Array:
    """Return generalised cross-validation along a path: twice the loss over (1 - (df + 1)/n)²; inf from df + 1 ≥ n on.

    The one is the intercept's. For a log-likelihood, twice the loss is the mean deviance.
    """
    left = 1 - (path.df + 1) / n
    return np.where(left > 0, 2 * path.loss / np.where(left > 0, left, 1) ** 2, np.inf)
