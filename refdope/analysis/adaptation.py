"""Co-matrix adaptation, measured: how the structured part and the overlay of a doped model lean on each other.

On a probe text, for z = W_s x + S x over all doped matrices together:

    share               ‖S x‖ / (‖W_s x‖ + ‖S x‖)                     how much of z the overlay makes
    without overlay     the loss with S := 0                           what the structure can do alone
    without structure   the loss with W_s := 0                         what the overlay can do alone

Source: the quantities are ours; co-matrix adaptation is Thakker et al.'s, "Doping", MLSys 2021.
"""

from collections.abc import Iterator

import numpy as np

from refdope.data.batches import Batches
from refdope.models.language_model import LanguageModel
from refdope.structures.base import Array
from refdope.structures.doped import Doped
from refdope.training.trainer import evaluate


def without(model: LanguageModel, what: str) -> LanguageModel:
    """Return the model with one co-matrix of every doped matrix set to zero.

    Parameters
    ----------
    model : LanguageModel
    what : {"overlay", "structure"}

    Returns
    -------
    LanguageModel
        Arrays that stay are shared with the model.
    """
    gone = {
        f"{name}.{param}"
        for name, W in model.matrices.items()
        if isinstance(W, Doped)
        for param in (W.overlay if what == "overlay" else W.structure).params
    }
    return model.replace({name: np.zeros_like(a) if name in gone else a for name, a in model.params.items()})


def adaptation(model: LanguageModel, probe: Batches) -> dict[str, float]:
    """Measure a model on a probe text: its loss and, if it is doped, what its parts make of z and of the loss.

    Returns
    -------
    dict
        "loss", "without_overlay", "without_structure" in nats a token and "share"; NaN where a model is not doped.
    """
    loss = evaluate(model, probe)
    if not any(isinstance(W, Doped) for W in model.matrices.values()):
        return {"loss": loss, "without_overlay": np.nan, "without_structure": np.nan, "share": np.nan}
    structure = overlay = 0.0
    for W, x in _products(model, probe):
        structure += float(np.sum(W.structure.forward(x) ** 2))
        overlay += float(np.sum(W.overlay.forward(x) ** 2))
    return {
        "loss": loss,
        "without_overlay": evaluate(without(model, "overlay"), probe),
        "without_structure": evaluate(without(model, "structure"), probe),
        "share": overlay**0.5 / (structure**0.5 + overlay**0.5),
    }


def _products(model: LanguageModel, probe: Batches) -> Iterator[tuple[Doped, Array]]:
    """Yield every doped matrix with what it multiplies in the first window of a text."""
    _, _, cache = model.forward(*probe[0])
    for layer, (_, passed) in zip(model.layers, cache.layers, strict=True):
        for W, x in ((layer.Wx, passed.x), (layer.Wh, passed.h[:-1])):
            if isinstance(W, Doped):
                yield W, x
