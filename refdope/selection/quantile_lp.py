"""The ℓ1,∞ quantile path a second way: linear programs by HiGHS, and the concavity of the minimum in λ.

    V(λ) = min_b L(b) + λ P(b),    L = Σ ρ_τ(y − b₀ − X b),   P = Σ_g ‖b_g‖_∞

V is concave and piecewise linear; a solution with (L, P) touches it along the line L + λ P. Two touching lines cross at
λ = (L_c − L_a)/(P_a − P_c). If V lies on them there, that is a breakpoint; else the solution at the crossing is a third
line, and the search goes on on both sides. K breakpoints take 2K − 1 programs, and no step rests on another's rounding.

    LP:  min τ 1ᵀu + (1 − τ) 1ᵀv + λ 1ᵀt   s.t.   b₀ + X b + u − v = y,   −t_g ≤ b_j ≤ t_g,   u, v ≥ 0
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.optimize import linprog

from refdope.selection.groups import members
from refdope.selection.prox import Array
from refdope.selection.quantile import QuantilePath, check_loss, checked

FLAT = 1e-11  # V is on two lines when it is no further below, relative to V


class _Programs:
    """The linear program of one data set, for any λ."""

    def __init__(self, X: Array, y: Array, groups: list[Array], tau: float) -> None:
        self.X, self.y, self.groups, self.tau = X, y, groups, tau
        (n, p), G = X.shape, len(groups)
        own = np.empty(p, int)
        for g, columns in enumerate(groups):
            own[columns] = g
        cap, eye = sparse.csr_array(np.eye(G)[own]), sparse.eye_array(p)
        none = sparse.csr_array((p, 1 + 2 * n))
        self.equal = sparse.hstack(
            [np.ones((n, 1)), X, sparse.csr_array((n, G)), sparse.eye_array(n), -sparse.eye_array(n)], format="csr"
        )
        below = [sparse.hstack([none[:, :1], s * eye, -cap, none[:, 1:]]) for s in (1, -1)]
        self.below = sparse.vstack(below, format="csr")
        self.bounds = [(None, None)] * (1 + p) + [(0, None)] * (G + 2 * n)
        self.penalty = np.repeat([0.0, 1.0, 0.0], [1 + p, G, 2 * n])
        self.loss = np.repeat([0.0, tau, 1 - tau], [1 + p + G, n, n])

    def solve(self, lam: float, most: float | None = None) -> tuple[float, float, Array]:
        """Return L, P and (b₀, b) at λ; with `most`, those of least P among all with L no larger."""
        below, limits = self.below, np.zeros(self.below.shape[0])
        if most is not None:
            below, limits = sparse.vstack([below, self.loss[None]], format="csr"), np.append(limits, most)
        cost = self.penalty if most is not None else self.loss + lam * self.penalty
        tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        found = linprog(cost, below, limits, self.equal, self.y, self.bounds, "highs", options=tight)
        if found.status:
            raise ArithmeticError(f"HiGHS found no solution at lam {lam:g}: {found.message}")
        b0, b = found.x[0], found.x[1 : 1 + self.X.shape[1]]
        L = check_loss(self.y - b0 - self.X @ b, self.tau)
        return L, float(sum(np.abs(b[columns]).max() for columns in self.groups)), np.append(b0, b)


def quantile_at(X: ArrayLike, y: ArrayLike, groups: ArrayLike, tau: float, lam: float) -> tuple[Array, float]:
    """Return coefficients (p,) and intercept at one λ, by one linear program; see `quantile_path_lp`."""
    rows, values = checked(X, y, tau)
    _, _, b = _Programs(rows, values, members(groups, rows.shape[1]), tau).solve(lam)
    return b[1:], float(b[0])


def quantile_path_lp(X: ArrayLike, y: ArrayLike, groups: ArrayLike, tau: float) -> QuantilePath:
    """Find every breakpoint by linear programs; see `refdope.selection.quantile.quantile_path`.

    Parameters
    ----------
    X : array-like, (n, p)
    y : array-like, (n,)
    groups : array-like, (p,)
    tau : float

    Returns
    -------
    QuantilePath
        Where a solution is not unique, `coef` may be another than the event path's; loss and penalty are the same.
    """
    rows, values = checked(X, y, tau)
    programs = _Programs(rows, values, members(groups, rows.shape[1]), tau)
    zero = float(np.quantile(values, tau, method="inverted_cdf"))
    first = check_loss(values - zero, tau), 0.0, np.append(zero, np.zeros(rows.shape[1]))
    least = programs.solve(0.0)[0]
    last = programs.solve(0.0, least * (1 + 1e-12) + 1e-12)
    scale = max(first[0], 1e-300)
    found: list[tuple[float, Array]] = []
    pending = [(first, last)]
    while pending:
        a, c = pending.pop()
        if c[1] - a[1] <= 1e-10 * (1 + last[1]) or a[0] - c[0] <= FLAT * scale:
            continue
        lam = (a[0] - c[0]) / (c[1] - a[1])
        middle = programs.solve(lam)
        if a[0] + lam * a[1] - (middle[0] + lam * middle[1]) <= FLAT * scale:
            found.append((lam, c[2]))
        else:
            pending += [(middle, c), (a, middle)]
    solved = np.array([b for _, b in found]).reshape(len(found), len(first[2]))
    return QuantilePath(np.array([lam for lam, _ in found]), solved[:, 1:], solved[:, 0])
