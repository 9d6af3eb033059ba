"""Proximal operators of the two norms that zero whole groups, and the projection that joins them.

    prox_t(v) = argmin_u ½‖u − v‖² + t·N(u),    v: (…, k), a group a row

    N = ‖·‖₂    (1 − t/‖v‖₂)₊ v                          group lasso (Yuan, Lin 2006): SpAM, and the units of an LSTM
    N = ‖·‖_∞   v − P(v),  P onto {u: ‖u‖₁ ≤ t}          by Moreau's decomposition: prox_N + P_{dual ball} = identity

Both are zero exactly where the dual norm, ‖v‖₂ or ‖v‖₁, is at most t.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def group_l2(v: Array, t: ArrayLike) -> Array:
    """Shrink every group by t in its Euclidean length: (1 − t/‖v‖)₊ v.

    Parameters
    ----------
    v : array, (…, k)
        Groups along the last axis.
    t : float or array, (…)
        How far each is shrunk, 0 or more.

    Returns
    -------
    array, (…, k)
        Of v's dtype; groups with ‖v‖ ≤ t are exactly zero.
    """
    v, t = _checked(v, t)
    norm = np.sqrt((v * v).sum(-1))
    longer = norm > t
    scale = np.where(longer, 1 - t / np.where(longer, norm, 1), 0)
    return scale[..., None] * v


def group_linf(v: Array, t: ArrayLike) -> Array:
    """Shrink the largest entries of every group, by t in all: the proximal operator of t·max|v|.

    Parameters
    ----------
    v : array, (…, k)
        Groups along the last axis.
    t : float or array, (…)
        How much is taken from each group's largest entries, 0 or more.

    Returns
    -------
    array, (…, k)
        Of v's dtype; groups with ‖v‖₁ ≤ t are exactly zero.
    """
    v, t = _checked(v, t)
    return v - project_l1(v, t)


def project_l1(v: Array, radius: ArrayLike) -> Array:
    """Project every group onto the ℓ1 ball: sign(v)·(|v| − c)₊ with c such that the sum is the radius.

    Parameters
    ----------
    v : array, (…, k)
        Groups along the last axis.
    radius : float or array, (…)
        0 or more.

    Returns
    -------
    array, (…, k)
        What lies in the ball already comes back as it is.

    Notes
    -----
    c is found by sorting (Held, Wolfe, Crowder 1974): with |v| falling, the largest m such that
    |v|₍m₎ > (|v|₍1₎ + … + |v|₍m₎ − radius)/m.
    """
    v, radius = _checked(v, radius)
    size = np.abs(v)
    falling = -np.sort(-size, axis=-1)
    cut = (np.cumsum(falling, axis=-1) - radius[..., None]) / np.arange(1, v.shape[-1] + 1, dtype=v.dtype)
    last = np.maximum((falling > cut).sum(-1, keepdims=True) - 1, 0)
    inside = size.sum(-1, keepdims=True) <= radius[..., None]
    c = np.where(inside, 0, np.take_along_axis(cut, last, axis=-1))
    return np.where(inside, v, np.sign(v) * np.maximum(size - c, 0))


def _checked(v: Array, t: ArrayLike) -> tuple[Array, Array]:
    """Return v and t as arrays, t in v's dtype and one for each group."""
    v = np.asarray(v)
    if v.ndim == 0 or v.shape[-1] == 0 or not np.issubdtype(v.dtype, np.floating):
        raise ValueError(f"v must hold real groups of one entry or more, got {v.dtype} of shape {v.shape}")
    t = np.asarray(t, v.dtype)
    if not (t >= 0).all():
        raise ValueError(f"a group is shrunk by 0 or more, got {t.min()}")
    return v, np.broadcast_to(t, v.shape[:-1])
