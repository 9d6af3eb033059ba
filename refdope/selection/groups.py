"""GroupSpAM: sparse additive models in which covariates come and go by groups (Yin, Chen, Xing, ICML 2012).

    min E(Y − α − Σ_j f_j(X_j))²/2 + λ Σ_g √|g| · √(Σ_{j in g} E f_j²)

On orthonormal bases, with b_g the coefficients of all covariates of group g, the penalty is λ Σ_g √|g| ‖b_g‖: again a
group lasso, in which Ψ_gᵀΨ_g/n is no longer the identity; the descent step divides by its largest eigenvalue. Here |g|
counts the covariates of a group, as every covariate has as many functions. Groups of one are SpAM.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from refdope.selection.additive import Path, bases, follow
from refdope.selection.descent import Design, Squares
from refdope.selection.prox import Array
from refdope.selection.smooth import Spline


def members(groups: ArrayLike, p: int) -> list[Array]:
    """Return the columns of every group, groups in the order of their sorted labels.

    Parameters
    ----------
    groups : array-like, (p,)
        A label a column.
    p : int
        How many columns there are.
    """
    labels = np.asarray(groups)
    if labels.shape != (p,):
        raise ValueError(f"groups must hold a label for each of the {p} columns, got shape {labels.shape}")
    found, own = np.unique(labels, return_inverse=True)
    return [np.flatnonzero(own == g) for g in range(len(found))]


def group_design(splines: Sequence[Spline], groups: ArrayLike) -> Design:
    """Return the design of a group-sparse additive model: a block a group, columns covariate by covariate."""
    columns = members(groups, len(splines))
    blocks = [np.concatenate([splines[j].basis for j in group], axis=1) for group in columns]
    return Design(blocks, np.sqrt([len(group) for group in columns]))


def group_path(
    X: Array,
    y: Array,
    groups: ArrayLike,
    lambdas: Array | None = None,
    df: int = 5,
    n_lambdas: int = 30,
    ratio: float = 5e-3,
    tol: float = 1e-10,
    progress: bool = False,
) -> Path:
    """Fit GroupSpAM on splines along a path; see `refdope.selection.additive.spline_path`.

    Parameters
    ----------
    X : array, (n, p)
    y : array, (n,)
    groups : array-like, (p,)
        A label a column.
    lambdas : array, optional
    df : int
    n_lambdas : int
    ratio : float
    tol : float
    progress : bool

    Returns
    -------
    Path
        Norms are the groups' ‖b_g‖, a group a column, in the order of their sorted labels.
    """
    return follow(group_design(bases(X, df), groups), Squares(y), lambdas, n_lambdas, ratio, tol, progress)
