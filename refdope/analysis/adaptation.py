"""Co-matrix adaptation, measured: how the structured part and the overlay of a doped model lean on each other.

On a probe text, for z = W_s x + S x over all rows x and all doped matrices together:

    share                 ‖S x‖ / (‖W_s x‖ + ‖S x‖)                   how much of z the overlay makes
    cosine                ⟨W_s x, S x⟩ / (‖W_s x‖ ‖S x‖)              whether the two pull together (1) or apart (-1)
    structure_explains    1 - var(z - W_s x) / var(z)                 how much of z's variance each part explains; the
    overlay_explains      1 - var(z - S x) / var(z)                   two do not add up to 1, and may be below 0
    without_overlay       the loss with S := 0                        what the structure can do alone
    without_structure     the loss with W_s := 0                      what the overlay can do alone

and, over one update of the weights,

    structure_moves       ‖ΔW_s‖ / ‖W‖,   for a Kronecker product ΔW_s = dA ⊗ B + A ⊗ dB + dA ⊗ dB
    overlay_moves         ‖ΔS‖ / ‖W‖

which is how far each part of W moves; norms of factor gradients depend on how the factors are scaled, and prove
nothing.

Source: the quantities are ours; co-matrix adaptation is Thakker et al.'s, "Doping", MLSys 2021.
"""

from collections.abc import Iterator

import numpy as np

from refdope.arrays import Array
from refdope.models.evaluation import evaluate
from refdope.models.protocol import Batches, Model
from refdope.structures.doped import Doped

QUANTITIES = (
    "share", "cosine", "structure_explains", "overlay_explains", "without_overlay", "without_structure"
)  # fmt: skip


def doped(model: Model) -> dict[str, Doped]:
    """Return the doped matrices of a model by name."""
    return {name: W for name, W in model.matrices.items() if isinstance(W, Doped)}


def without(model: Model, what: str) -> Model:
    """Return the model with one co-matrix of every doped matrix set to zero.

    Parameters
    ----------
    model : Model
    what : {"overlay", "structure"}

    Returns
    -------
    Model
        Arrays that stay are shared with the model.
    """
    gone = {f"{name}.{param}" for name, W in doped(model).items() for param in getattr(W, what).params}
    return model.replace({name: np.zeros_like(a) if name in gone else a for name, a in model.params.items()})


def adaptation(model: Model, probe: Batches) -> dict[str, float]:
    """Measure a model on a probe text: its loss and, if it is doped, what its parts make of z and of the loss.

    Parameters
    ----------
    model : Model
    probe : Batches
        The losses are over all of it, the products over its first window.

    Returns
    -------
    dict
        "loss" and the `QUANTITIES`, losses in nats a token; NaN where a model is not doped.
    """
    loss = evaluate(model, probe)
    if not doped(model):
        return {"loss": loss} | dict.fromkeys(QUANTITIES, float("nan"))
    ss = oo = so = var_s = var_o = var_z = 0.0  # sums over the matrices of squares, products, variances
    for zs, zo in _products(model, probe):
        ss, oo, so = ss + float(np.vdot(zs, zs)), oo + float(np.vdot(zo, zo)), so + float(np.vdot(zs, zo))
        var_s, var_o, var_z = var_s + _variance(zs), var_o + _variance(zo), var_z + _variance(zs + zo)
    tiny = float(np.finfo(np.float32).tiny)
    return {
        "loss": loss,
        "share": oo**0.5 / (ss**0.5 + oo**0.5 + tiny),
        "cosine": so / ((ss * oo) ** 0.5 + tiny),
        "structure_explains": 1 - var_o / (var_z + tiny),
        "overlay_explains": 1 - var_s / (var_z + tiny),
        "without_overlay": evaluate(without(model, "overlay"), probe),
        "without_structure": evaluate(without(model, "structure"), probe),
    }


def parts(model: Model) -> list[tuple[Array, Array]]:
    """Return copies of W_s and S of every doped matrix, dense: what `moves` compares an updated model with."""
    return [(W.structure.to_dense().copy(), W.overlay.to_dense().copy()) for W in doped(model).values()]


def moves(before: list[tuple[Array, Array]], model: Model) -> dict[str, float]:
    """Return how far one update moved each part of W, against the norm of W; NaN where a model is not doped."""
    if not before:
        return {"structure_moves": float("nan"), "overlay_moves": float("nan")}
    after = [(W.structure.to_dense(), W.overlay.to_dense()) for W in doped(model).values()]
    norm = sum(float(np.sum((s + o) ** 2)) for s, o in before) ** 0.5 or 1.0
    moved = [
        sum(float(np.sum((new[k] - old[k]) ** 2)) for old, new in zip(before, after, strict=True)) ** 0.5
        for k in (0, 1)
    ]
    return {"structure_moves": moved[0] / norm, "overlay_moves": moved[1] / norm}


def _variance(z: Array) -> float:
    """Return the variance of z over its rows, summed over its columns."""
    return float(z.reshape(-1, z.shape[-1]).var(0).sum())


def _products(model: Model, probe: Batches) -> Iterator[tuple[Array, Array]]:
    """Yield W_s x and S x of every doped matrix over the first window of a text."""
    _, _, cache = model.forward(*probe[0])
    for W, x in cache.products:
        if isinstance(W, Doped):
            yield W.structure.forward(x), W.overlay.forward(x)
