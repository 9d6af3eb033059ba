"""Greedy additive regression: components come in one by one, the one that explains most of what is left first.

    A = {},  R = y − ȳ
    repeat   j = argmax ‖S_k R‖_n over k not in A;   A ← A ∪ {j};   refit the additive model on A;   R = y − its fit

(Additive forward regression; Liu, Chen 2009.) With projections, the refit is least squares on the bases of A, which is
where ordinary backfitting ends. It stops where GCV is least, or after a stated number of components.
"""

from typing import NamedTuple

import numpy as np

from refdope.selection.additive import bases
from refdope.selection.prox import Array


class Forward(NamedTuple):
    """Models of 0, 1, 2, … components.

    Attributes
    ----------
    order : array of int, (K,)
        Which component came in k-th.
    coef : array, (K + 1, D)
        Coefficients of all bases' columns, side by side.
    df : array, (K + 1,)
    loss : array, (K + 1,)
        Half the mean squared residual.
    """

    order: Array
    coef: Array
    df: Array
    loss: Array


def forward(X: Array, y: Array, df: int = 5, most: int | None = None) -> Forward:
    """Add components to an additive model on splines, one by one.

    Parameters
    ----------
    X : array, (n, p)
    y : array, (n,)
    df : int
        Functions a covariate.
    most : int, optional
        Most components, by default all; never so many that df would reach n - 1.

    Returns
    -------
    Forward
    """
    splines = bases(X, df)
    psi = np.concatenate([spline.basis for spline in splines], axis=1)
    owner = np.repeat(np.arange(len(splines)), [spline.basis.shape[1] for spline in splines])
    width = np.bincount(owner, minlength=len(splines))
    inside = np.zeros(len(splines), bool)
    order: list[int] = []
    r, coef = y - y.mean(), [np.zeros(len(owner))]
    loss = [float(np.square(r).mean() / 2)]
    while len(order) < (len(splines) if most is None else most):
        gain = np.bincount(owner, np.square(psi.T @ r / len(y)), minlength=len(splines))
        gain[inside] = -1
        j = int(gain.argmax())
        if gain[j] <= 1e-20 * max(loss[0], 1e-300) or width[inside].sum() + width[j] >= len(y) - 1:
            break
        inside[j] = True
        order.append(j)
        kept = inside[owner]
        b = np.zeros(len(owner))
        b[kept] = np.linalg.lstsq(psi[:, kept], y - y.mean(), rcond=None)[0]
        r = y - y.mean() - psi @ b
        coef.append(b)
        loss.append(float(np.square(r).mean() / 2))
    df_of = np.concatenate([[0.0], np.cumsum(width[order])])
    return Forward(np.array(order, int), np.stack(coef), df_of, np.array(loss))
