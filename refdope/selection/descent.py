"""Group lasso by block coordinate descent, with Newton's steps once it is known which blocks are not zero.

    F(b) = loss(Ψ b) + λ Σ_g w_g ‖b_g‖,       Ψ (n, D),  columns in blocks g

    descent   b_g ← prox(b_g − Ψ_gᵀ∇/L_g),    L_g ≥ the curvature of the loss along block g: F never rises
    Newton    on the blocks that are not zero, where F is smooth; a step is taken only if F falls
    KKT       b_g ≠ 0: Ψ_gᵀ∇ + λ w_g b_g/‖b_g‖ = 0;     b_g = 0: ‖Ψ_gᵀ∇‖ ≤ λ w_g

∇ (n,) is the loss's gradient in the fit f = Ψ b. For squares and an orthonormal block the descent step is exact: it is
SpAM's backfitting step (Ravikumar et al. 2009). The intercept is a block of ones of weight 0.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from refdope.selection.prox import Array, group_l2


class Loss(Protocol):
    """What is to be small, of fitted values f (n,)."""

    curvature: float  # n times the largest second derivative

    def value(self, f: Array) -> float:
        """Return the loss, a mean over the sample."""

    def gradient(self, f: Array) -> Array:
        """Return its gradient in f, (n,)."""

    def second(self, f: Array) -> Array:
        """Return its second derivatives in f, (n,); those across samples are zero."""


class Squares:
    """(1/2n) ‖y − f‖²."""

    curvature = 1.0

    def __init__(self, y: Array) -> None:
        self.y = y

    def value(self, f: Array) -> float:
        """Return half the mean square of what is left."""
        return float(np.square(self.y - f).mean() / 2)

    def gradient(self, f: Array) -> Array:
        """Return (f − y)/n."""
        return (f - self.y) / len(self.y)

    def second(self, f: Array) -> Array:
        """Return 1/n everywhere."""
        return np.full(len(self.y), 1 / len(self.y))


class Design:
    """The columns Ψ in their blocks, the first of which is the intercept.

    Parameters
    ----------
    blocks : sequence of arrays, (n, d_g)
        What is penalised, columns centred; a block may have no column.
    weights : array, (number of blocks,), optional
        w_g, by default 1.
    """

    def __init__(self, blocks: Sequence[Array], weights: Array | None = None) -> None:
        n = len(blocks[0])
        parts = [np.ones((n, 1)), *blocks]
        ends = np.cumsum([part.shape[1] for part in parts])
        self.slices = [slice(int(end - part.shape[1]), int(end)) for end, part in zip(ends, parts)]
        self.owner = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
        self.matrix: Array = np.asfortranarray(np.concatenate(parts, axis=1))
        self.weights = np.concatenate([[0.0], np.ones(len(blocks)) if weights is None else weights])
        # largest eigenvalues of Ψ_gᵀΨ_g/n, with room for rounding unless the block is orthonormal
        squares = [np.linalg.norm(part, 2) ** 2 / n if part.shape[1] else 1.0 for part in parts]
        self.lipschitz = np.where(np.abs(np.array(squares) - 1) < 1e-10, 1.0, np.array(squares) * (1 + 1e-10))
        self._gram: Array | None = None

    def norms(self, b: Array) -> Array:
        """Return ‖b_g‖ of every block, the intercept's first."""
        return np.sqrt(np.bincount(self.owner, b * b, minlength=len(self.slices)))

    def gram(self, kept: Array, second: Array) -> Array:
        """Return Ψᵀ diag(second) Ψ of the columns that are kept; for equal weights from a Gram matrix made once."""
        if np.ptp(second) == 0:
            if self._gram is None:
                self._gram = self.matrix.T @ self.matrix
            return self._gram[np.ix_(kept, kept)] * second[0]
        columns = self.matrix[:, kept]
        return columns.T @ (second[:, None] * columns)


def objective(design: Design, loss: Loss, lam: float, b: Array, f: Array | None = None) -> float:
    """Return F(b)."""
    return loss.value(design.matrix @ b if f is None else f) + lam * float(design.weights @ design.norms(b))


def violation(design: Design, loss: Loss, lam: float, b: Array, f: Array | None = None) -> Array:
    """Return by how much every block misses the KKT conditions; all 0: b is a minimum."""
    slope = design.matrix.T @ loss.gradient(design.matrix @ b if f is None else f)
    norms = design.norms(b)
    pull = lam * design.weights
    unit = b / np.where(norms > 0, norms, 1)[design.owner]
    at_zero = np.maximum(design.norms(slope) - pull, 0)
    return np.where(norms > 0, design.norms(slope + pull[design.owner] * unit), at_zero)


def empty(design: Design, loss: Loss) -> tuple[Array, float]:
    """Return the minimum with every penalised block zero, and λ_max, from which on it is the minimum."""
    b = np.zeros(len(design.owner))
    b, _ = descend(design, loss, np.inf, b)
    slope = design.norms(design.matrix.T @ loss.gradient(design.matrix @ b))[1:]
    return b, float((slope / design.weights[1:]).max(initial=0.0))


def descend(
    design: Design, loss: Loss, lam: float, b: Array, tol: float = 1e-10, rounds: int = 500
) -> tuple[Array, list[float]]:
    """Minimise F from b on.

    Parameters
    ----------
    design : Design
    loss : Loss
    lam : float
        λ, 0 or more; infinite: only the intercept is fitted.
    b : array, (D,)
        Where to begin; it is not changed.
    tol : float
        Largest violation of the KKT conditions that is left, in units of the largest ‖Ψ_gᵀ∇‖ at b = 0.
    rounds : int
        Most rounds of descent and Newton's steps.

    Returns
    -------
    b : array, (D,)
    course : list of float
        F before each round, and at the end.

    Raises
    ------
    ArithmeticError
        If the rounds do not suffice.
    """
    b, psi = b.copy(), design.matrix
    free = np.arange(len(design.slices)) if np.isfinite(lam) else np.array([0])
    lam = lam if np.isfinite(lam) else 0.0
    mean, *pulls = design.norms(psi.T @ loss.gradient(np.zeros(len(psi))))
    enough = tol * max(pulls) + 1e-15 * mean + 1e-300  # what a mean far from 0 costs in rounding is allowed
    f, course = psi @ b, []
    for _ in range(rounds):
        course.append(objective(design, loss, lam, b, f))
        missed = violation(design, loss, lam, b, f)[free]
        if missed.max() <= enough:
            return b, course
        active = free[(missed > enough) | (design.norms(b)[free] > 0)]
        for _ in range(3):
            f = _sweep(design, loss, lam, b, f, active)
        for _ in range(20):
            f, fell = _newton(design, loss, lam, b, f, active)
            if not fell or violation(design, loss, lam, b, f)[active].max() <= enough:
                break
        f = psi @ b  # without the rounding of many small changes
    raise ArithmeticError(f"no minimum at lam {lam:g} in {rounds} rounds: KKT missed by {missed.max():.1e}")


def _sweep(design: Design, loss: Loss, lam: float, b: Array, f: Array, active: Array) -> Array:
    """Take the descent step of every active block in turn, b in place; return the fit."""
    for g in active:
        at = design.slices[g]
        columns, bound = design.matrix[:, at], design.lipschitz[g] * loss.curvature
        new = group_l2(b[at] - columns.T @ loss.gradient(f) / bound, lam * design.weights[g] / bound)
        if (new != b[at]).any():
            f = f + columns @ (new - b[at])
            b[at] = new
    return f


def _newton(design: Design, loss: Loss, lam: float, b: Array, f: Array, active: Array) -> tuple[Array, bool]:
    """Take one Newton step on the active blocks that are not zero, b in place; return the fit, and whether F fell."""
    norms, pull = design.norms(b), lam * design.weights
    smooth = active[(norms[active] > 0) | (design.weights[active] == 0)]
    kept = np.flatnonzero(np.isin(design.owner, smooth))
    own = design.owner[kept]
    length = np.where(norms > 0, norms, 1)[own]
    unit = b[kept] / length
    slope = _slope(design, loss, lam, b, f, kept)
    hessian = design.gram(kept, loss.second(f))
    same = own[:, None] == own  # λ w (I − u uᵀ)/‖b‖ in every block
    hessian -= np.where(same, (pull[own] / length)[:, None] * np.outer(unit, unit), 0)
    hessian[np.diag_indices_from(hessian)] += pull[own] / length + 1e-13 * np.trace(hessian) / len(kept)
    try:
        step = -cho_solve(cho_factor(hessian), slope)
    except LinAlgError:
        return f, False
    before = objective(design, loss, lam, b, f)
    steep = float(np.abs(slope).max())
    for size in (1.0, 0.5, 0.25, 0.1):
        new = b.copy()
        new[kept] += size * step
        turned = np.bincount(own, new[kept] * b[kept], minlength=len(norms)) < 0
        new[(turned & (design.weights > 0))[design.owner]] = 0  # a block that would pass through zero stays there
        fit = f + design.matrix[:, kept] @ (new - b)[kept]
        value = objective(design, loss, lam, new, fit)
        flatter = (
            value <= before + 1e-15 * abs(before) and np.abs(_slope(design, loss, lam, new, fit, kept)).max() < steep
        )
        if value < before or flatter:  # within rounding of F, its gradient tells
            b[:] = new
            return fit, True
    return f, False


def _slope(design: Design, loss: Loss, lam: float, b: Array, f: Array, kept: Array) -> Array:
    """Return F's gradient in the columns kept, all in blocks that are not zero."""
    norms = design.norms(b)
    pull = lam * design.weights / np.where(norms > 0, norms, 1)
    return np.asarray(design.matrix[:, kept].T @ loss.gradient(f) + pull[design.owner[kept]] * b[kept])
