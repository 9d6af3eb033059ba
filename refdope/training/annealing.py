"""Annealing: the overlay starts dense and is pruned while training, along a cubic ramp, to what its budget allows.

With N = m·n entries, of which k_f are kept in the end, and t₀, t₁ the ends of the ramp:

    k_f  = ⌊N / factor⌋ - |θ_s|                                        `Recipe.kept`: what W_s leaves of the budget
    k(t) = k_f + (N - k_f) (1 - (t - t₀) / (t₁ - t₀))³                 entries alive, at t = t₀, t₀ + Δt, …, t₁

At every such t the entries of largest magnitude among those alive are kept (`Overlay.prune`). At t₁ the mask is final
and the overlay goes over to CSR storage. In terms of sparsity s = 1 - k / N this is the schedule of Zhu and Gupta,
"To prune, or not to prune", arXiv 1710.01878, with s_i = 0.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from refdope.arrays import Array
from refdope.models.protocol import Model
from refdope.structures.base import Structure
from refdope.structures.doped import Doped
from refdope.structures.recipe import Recipe
from refdope.training.optimizers import Optimizer

CMRSchedule = Literal["constant", "ramp", "annealed"]


@dataclass(frozen=True)
class CubicRamp:
    """When entries go.

    Parameters
    ----------
    start, end : int
        t₀ and t₁, in training steps.
    interval : int
        Δt.
    """

    start: int
    end: int
    interval: int

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end and self.interval >= 1):
            raise ValueError(
                f"CubicRamp: needs 0 <= start < end and interval >= 1, got {self.start}, {self.end}, {self.interval}"
            )

    def progress(self, step: int) -> float:
        """Return how much of the ramp has passed, from 0 to 1."""
        return min(max((step - self.start) / (self.end - self.start), 0.0), 1.0)

    def due(self, step: int) -> bool:
        """Whether entries go at this step."""
        return step == self.end or (self.start < step < self.end and (step - self.start) % self.interval == 0)

    def kept(self, step: int, size: int, final: int) -> int:
        """Return k(t), rounded to a whole number."""
        return final + round((size - final) * (1 - self.progress(step)) ** 3)


class Annealer:
    """Prunes the overlays of a model along a ramp, and sets the rate of its CMR.

    Parameters
    ----------
    model : Model
        Its overlays are annealed; a model without any is left alone.
    recipe : Recipe
        How its matrices are made: it says how many entries each overlay comes down to.
    ramp : CubicRamp
    cmr : {"constant", "ramp", "annealed"}
        The rate of a doped matrix's CMR: as it is throughout; as it is until the ramp ends, then zero; or falling
        linearly along the ramp, to zero, which is the default since it costs least (`figures/cmr.md`).

    Raises
    ------
    ValueError
        If the structure under an overlay takes more than the budget, a matrix without one is left no entry, or
        overlays lie within a Stack: dope the stack, not its matrices.
    """

    def __init__(self, model: Model, recipe: Recipe, ramp: CubicRamp, cmr: CMRSchedule = "annealed") -> None:
        if cmr not in get_args(CMRSchedule):
            raise ValueError(f"Annealer: cmr must be one of {', '.join(get_args(CMRSchedule))}, got {cmr!r}")
        hidden = [name for name, W in model.matrices.items() if W.overlay is None and W.to_csr() is not W]
        if hidden:
            raise ValueError(f"Annealer: {hidden[0]} has overlays within a Stack; dope the stack, not its matrices")
        self.model, self.ramp, self.cmr = model, ramp, cmr
        self.final = {name: _kept(recipe, name, W) for name, W in self._doped().items()}
        self.rates = {name: W.cmr.rate for name, W in self._doped().items() if isinstance(W, Doped) and W.cmr}

    def _doped(self) -> dict[str, Structure]:
        return {name: W for name, W in self.model.matrices.items() if W.overlay is not None}

    def update(self, optimizer: Optimizer, step: int) -> bool:
        """Do what is due after `step` updates; return whether entries were pruned."""
        self.set_rates(step)
        doped = self._doped()
        if not self.final or not self.ramp.due(step):
            return False
        for name, W in doped.items():
            W.overlay.prune(self.ramp.kept(step, W.shape[0] * W.shape[1], self.final[name]))
            alive = W.overlay.mask
            optimizer.remap(f"{name}.overlay", lambda a, alive=alive: _clear(a, ~alive))  # type: ignore[misc]
            if step == self.ramp.end:
                optimizer.remap(f"{name}.overlay", lambda a, alive=alive: a[alive])  # type: ignore[misc]
        if step == self.ramp.end:
            self.model.to_csr()
        return True

    def set_rates(self, step: int) -> None:
        """Give every CMR of the model its rate after `step` updates."""
        for name, W in self._doped().items():
            if isinstance(W, Doped) and W.cmr:
                W.cmr = replace(W.cmr, rate=self._rate(self.rates[name], step))

    def _rate(self, rate: float, step: int) -> float:
        if self.cmr == "annealed":
            return rate * (1 - self.ramp.progress(step))
        return 0.0 if self.cmr == "ramp" and step >= self.ramp.end else rate


def _kept(recipe: Recipe, name: str, W: Structure) -> int:
    try:
        return recipe.kept(W)
    except ValueError as refusal:
        raise ValueError(f"annealing: {name}: {refusal}") from None


def _clear(a: Array, dead: Array) -> Array:
    a[dead] = 0
    return a
