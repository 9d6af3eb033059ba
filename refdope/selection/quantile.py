"""Grouped quantile regression under an ℓ1,∞ penalty: the whole path, breakpoint by breakpoint.

    min_{b₀, b} Σ_i ρ_τ(y_i − b₀ − x_iᵀb) + λ Σ_g ‖b_g‖_∞,     ρ_τ(u) = u·(τ − 1[u < 0])

(Nassiri, Loris 2014, arXiv 1302.6088, pose the problem with a bound on the penalty; for groups of one it is the path of
Li, Zhu 2008.) With t_g = ‖b_g‖_∞ it is linear in z = (b₀, b, t). A solution is a vertex: as many rows are tight as z
has entries, among

    residuals  r_i = y_i − b₀ − x_iᵀb = 0     multiplier θ_i in [τ − 1, τ]   (elsewhere θ_i = τ for r_i > 0, else τ − 1)
    bounds     t_g − s·b_j = 0,  s = ±1       multiplier μ ≥ 0               (elsewhere 0)

    stationary:  Σ_i θ_i = 0,   x_jᵀθ = Σ_s s·μ_js,   Σ_{j in g, s} μ_js = λ

In λ the multipliers are linear and z is constant. So, from λ = ∞ down: follow the multipliers to the first that reaches
an end of its interval, the breakpoint; let its row go; move z until another row becomes tight. That is one event.

Ties (equal y, repeated rows, t_g = 0) would make an event's move zero and could let it cycle. So the right-hand sides
carry a tiny fixed random shift while the path is followed; multipliers do not depend on it, hence neither do the
breakpoints, and every solution is computed without it. Breakpoints at which Σ‖b_g‖_∞ does not change are dropped.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from refdope.selection.groups import members
from refdope.selection.prox import Array

SHIFT = 1e-9  # of the right-hand sides, the data having size 1
SAME = 1e-10  # two λ, or two penalties, that are no further apart, relative to the largest, are one


class QuantilePath(NamedTuple):
    """All solutions: `lambdas, coef, intercept = quantile_path(...)`.

    Attributes
    ----------
    lambdas : array, (K,)
        Every breakpoint, falling. From the first on, which is λ_max, all coefficients are zero.
    coef : array, (K, p)
        Row k holds for λ between `lambdas[k + 1]` and `lambdas[k]`; the last, down to 0.
    intercept : array, (K,), or (K, q) for q quantiles at once
    """

    lambdas: Array
    coef: Array
    intercept: Array


def check_loss(residual: Array, tau: ArrayLike) -> float:
    """Return Σ ρ_τ(residual)."""
    return float((residual * (np.asarray(tau) - (residual < 0))).sum())


def quantile_path(X: ArrayLike, y: ArrayLike, groups: ArrayLike, tau: float, progress: bool = False) -> QuantilePath:
    """Follow the solutions from λ_max down to 0.

    Parameters
    ----------
    X : array-like, (n, p)
    y : array-like, (n,)
    groups : array-like, (p,)
        A label a column; columns of one label are one group.
    tau : float
        The quantile, in (0, 1).
    progress : bool
        Whether to show a bar.

    Returns
    -------
    QuantilePath

    Raises
    ------
    ValueError
        If the arrays do not belong together, are not finite, or tau is not in (0, 1).
    """
    rows, values = checked(X, y, tau)
    everywhere, one = np.full(len(values), float(tau)), np.zeros(len(values), int)
    found = _follow(rows, values, members(groups, rows.shape[1]), everywhere, one, progress)
    lambdas, coef, intercept = found
    return QuantilePath(lambdas, coef, intercept[:, 0])


def joint_path(X: ArrayLike, y: ArrayLike, taus: ArrayLike, progress: bool = False) -> QuantilePath:
    """Follow several quantiles at once: a covariate is in for all of them or for none (Zou, Yuan 2008, their F∞ norm).

    It is the same problem with a block of rows and columns for each quantile; the group of covariate j is made of its
    coefficients at all quantiles.

    Parameters
    ----------
    X : array-like, (n, p)
    y : array-like, (n,)
    taus : array-like, (q,)
    progress : bool

    Returns
    -------
    QuantilePath
        `coef` is (K, q, p), `intercept` is (K, q).
    """
    taus = np.atleast_1d(np.asarray(taus, float))
    wrong = [tau for tau in taus if not 0 < tau < 1]
    rows, values = checked(X, y, wrong[0] if wrong else taus[0])
    (n, p), q = rows.shape, len(taus)
    groups = members(np.tile(np.arange(p), q), p * q)
    whose = np.repeat(taus, n), np.repeat(np.arange(q), n)
    lambdas, coef, intercept = _follow(np.kron(np.eye(q), rows), np.tile(values, q), groups, *whose, progress)
    return QuantilePath(lambdas, coef.reshape(-1, q, p), intercept)


def checked(X: ArrayLike, y: ArrayLike, tau: float) -> tuple[Array, Array]:
    """Return X and y as arrays, after a look at them and at tau."""
    rows, values = np.asarray(X, float), np.asarray(y, float)
    if rows.ndim != 2 or values.shape != rows.shape[:1] or not rows.size:
        raise ValueError(f"X must be (n, p) and y (n,), got shapes {rows.shape} and {values.shape}")
    if not (np.isfinite(rows).all() and np.isfinite(values).all()):
        raise ValueError("X and y must be finite")
    if not 0 < tau < 1:
        raise ValueError(f"tau must lie between 0 and 1, got {tau}")
    return rows, values


def _follow(
    X: Array, y: Array, groups: list[Array], tau: Array, part: Array, progress: bool
) -> tuple[Array, Array, Array]:
    """Return breakpoints, coefficients, intercepts; every row has a tau, and every part of rows an intercept."""
    center, middle = X.mean(0), float(np.median(y))
    sx, sy = float(np.abs(X - center).max()) or 1.0, float(np.abs(y - middle).max()) or 1.0
    walk = _Walk((X - center) / sx, (y - middle) / sy, groups, tau, part)
    found: list[tuple[float, Array]] = []
    penalty = 0.0
    with tqdm(desc="events", disable=not progress, leave=False) as bar:
        while walk.event():
            bar.update()
            z = walk.exact()
            now = float(z[walk.t].sum())
            if abs(now - penalty) > SAME * max(1.0, now):
                if found and found[-1][0] - walk.lam <= SAME * found[0][0]:
                    found.pop()  # several events at one λ: what holds below it is the last
                found.append((walk.lam, z))
                penalty = now
    q, p = walk.q, X.shape[1]
    Z = np.array([z for _, z in found]).reshape(len(found), len(walk.slope))
    coef = Z[:, q : q + p] * sy / sx
    lambdas = np.array([lam for lam, _ in found]) * sx
    return lambdas, coef, Z[:, :q] * sy + middle - (coef * center).sum(1, keepdims=True)


class _Walk:
    """A vertex, and the way to the next.

    Rows of `A` z: b₀ + x_iᵀb, to be compared with y_i; then t_g − b_j; then t_g + b_j, both to be at least 0.
    """

    def __init__(self, X: Array, y: Array, groups: list[Array], tau: Array, part: Array) -> None:
        (n, p), G, q = X.shape, len(groups), int(part.max()) + 1
        self.n, self.q, self.tau, self.t = n, q, tau, slice(q + p, q + p + G)
        own = np.empty(p, int)
        for g, columns in enumerate(groups):
            own[columns] = g
        cap, eye, none = np.eye(G)[own], np.eye(p), np.zeros((p, q))
        self.A = np.block([[np.eye(q)[part], X, np.zeros((n, G))], [none, -eye, cap], [none, eye, cap]])
        self.slope = np.zeros(q + p + G)  # the objective's, a unit of λ
        self.slope[self.t] = 1
        self.rhs = np.concatenate([y, np.zeros(2 * p)])
        self.shifted = self.rhs + SHIFT * np.random.default_rng(0).uniform(0.5, 1, len(self.rhs))
        self.shifted[n:] *= -1
        self.lam, self.events = np.inf, 0
        self._start(X, groups, part)

    def _start(self, X: Array, groups: list[Array], part: Array) -> None:
        """Go to the vertex of λ = ∞: every intercept a quantile; every b_j 0, held on the side to which X_jᵀθ pulls."""
        n, p, q = self.n, X.shape[1], self.q
        theta, tight = self.tau - 1, []
        for k in range(q):
            rows = np.flatnonzero(part == k)
            rows, tau = rows[np.argsort(self.shifted[rows])], self.tau[rows[0]]
            at = min(int(np.ceil(tau * len(rows) - 1e-12)), len(rows)) - 1
            theta[rows[at + 1 :]] = tau
            theta[rows[at]] -= theta[rows].sum()
            tight.append(rows[at])
        pull = X.T @ theta
        for columns in groups:
            both = columns[np.argmax(self.shifted[n + columns] + self.shifted[n + p + columns])]
            tight += [n + both, n + p + both]
            tight += [n + j + (0 if pull[j] > 0 else p) for j in columns if j != both]
        self.tight = np.array(tight)
        self.is_tight = np.zeros(len(self.A), bool)
        self.is_tight[self.tight] = True
        self._invert()
        # b is as small as the shift, but not zero: the same again on y, and the quantiles are what they were
        self.shifted[:n] += self.A[:n, q:] @ self.z[q:]
        self._invert()
        self.side = np.ones(len(self.A))  # sign of what is not tight: a residual, or a slack
        self.side[:n] = np.where(self.shifted[:n] > self.A[:n] @ self.z, 1, -1)

    def _invert(self) -> None:
        """Compute the inverse of the tight rows, and z, afresh."""
        self.inverse = np.linalg.inv(self.A[self.tight])
        self.z = self.inverse @ self.shifted[self.tight]

    def exact(self) -> Array:
        """Return the vertex without the shift."""
        rows, rhs = self.A[self.tight], self.rhs[self.tight]
        z = self.inverse @ rhs
        return np.asarray(z + self.inverse @ (rhs - rows @ z))

    def event(self) -> bool:
        """Go to the next vertex; False: this one holds down to λ = 0."""
        at, lam = self._next_breakpoint()
        if at is None:
            return False
        leaving = self.tight[at]
        # r leaves 0 upwards where θ = τ, and row·z falls; downwards where θ = τ − 1; a slack opens
        rise = -1.0 if leaving < self.n and self.theta_up[at] else 1.0
        dz = rise * self.inverse[:, at]
        entering, step = self._blocked(dz)
        self.side[leaving] = -rise if leaving < self.n else 1.0
        self.is_tight[leaving], self.is_tight[entering] = False, True
        self.tight[at], self.lam = entering, min(lam, self.lam)
        self.events += 1
        row = self.A[entering] @ self.inverse
        if self.events % 50 == 0 or abs(row[at]) < 1e-7:
            self._invert()
        else:  # one row of what is inverted was exchanged
            column = self.inverse[:, at] / row[at]
            row[at] -= 1
            self.inverse -= np.outer(column, row)
            self.z = self.z + step * dz
        return True

    def _next_breakpoint(self) -> tuple[int | None, float]:
        """Return which tight row's multiplier is the first to reach its end, and at which λ."""
        n, residual = self.n, self.tight < self.n
        theta = np.where(self.side[:n] > 0, self.tau, self.tau - 1) * ~self.is_tight[:n]
        m0, m1 = theta @ self.A[:n] @ self.inverse, self.slope @ self.inverse  # multipliers: λ·m1 − m0
        tau = self.tau[np.where(residual, self.tight, 0)]
        low, high = np.where(residual, tau - 1, 0), np.where(residual, tau, np.inf)
        self.theta_up = m1 < 0  # grows as λ falls
        end = np.where(self.theta_up, high, low)
        moves = (np.abs(m1) > 1e-11) & np.isfinite(end)
        reached = np.where(moves, np.where(moves, end + m0, 0) / np.where(moves, m1, 1), -np.inf)
        at = int(reached.argmax())
        # entries of X are at most 1 here, so this is rounding of a multiplier, a sum of n terms
        return (at, float(reached[at])) if reached[at] > 1e-13 * n else (None, 0.0)

    def _blocked(self, dz: Array) -> tuple[int, float]:
        """Return the first row that becomes tight on the way along dz, and how far that is."""
        n = self.n
        gap, speed = self.A @ self.z - self.shifted, self.A @ dz
        gap[:n], speed[:n] = -gap[:n] * self.side[:n], -speed[:n] * self.side[:n]
        meets = ~self.is_tight & (speed < -1e-10)
        if not meets.any():
            raise ArithmeticError("the quantile path has an edge without end: are columns of X scaled too differently?")
        steps = np.where(meets, np.maximum(gap, 0) / np.where(meets, -speed, 1), np.inf)
        row = int(steps.argmin())
        return row, float(steps[row])
