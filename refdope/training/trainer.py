"""Training by truncated backpropagation through time, one window of text after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np

from refdope.arrays import Params
from refdope.models.protocol import Batches, Model
from refdope.training.annealing import Annealer
from refdope.training.optimizers import Optimizer
from refdope.training.steps import Steps


class Trainer:
    """All that changes while a model is trained, in one place.

    Parameters
    ----------
    model : Model
        Updated in place.
    batches : Batches
        The training text; read from the start again when it ends.
    optimizer : Optimizer
    learning_rate : callable
        From the number of updates made to the rate of the next.
    rng : numpy.random.Generator
        Where dropout and CMR masks come from.
    annealer : Annealer, optional
        What happens to overlays.
    l2_overlay : float
        λ: the loss that is descended has ½ λ ‖S‖² added for every overlay S; the loss that is returned has not.
    alternate : int
        Train the structures and the overlays under them in turns of so many updates; 0: together.
    steps : Steps
        The steps of the structures' parameters.

    Attributes
    ----------
    step : int
        Updates made.
    state
        The model's state at this place of the data; None at their start.
    """

    def __init__(
        self,
        model: Model,
        batches: Batches,
        optimizer: Optimizer,
        learning_rate: Callable[[int], float],
        rng: np.random.Generator,
        annealer: Annealer | None = None,
        *,
        l2_overlay: float = 0.0,
        alternate: int = 0,
        steps: Steps = Steps(),  # noqa: B008  # frozen
    ) -> None:
        self.l2_overlay, self.alternate, self.steps = l2_overlay, alternate, steps
        self.model, self.batches, self.optimizer = model, batches, optimizer
        self.learning_rate, self.rng, self.annealer = learning_rate, rng, annealer
        self.step = 0
        self.state: Any = None

    def update(self) -> float:
        """Descend on the next window, and anneal; return the loss in nats a token."""
        loss = self.descend()
        self.anneal()
        return loss

    def descend(self) -> float:
        """Train on the next window; return its loss in nats a token.

        Raises
        ------
        FloatingPointError
            If training diverged; the parameters are those before.
        """
        place = self.step % len(self.batches)
        if place == 0:
            self.state = None
        inputs, targets = self.batches[place]
        loss, self.state, cache = self.model.forward(inputs, targets, self.state, self.rng)
        grads, params = self.model.backward(cache), self.model.params
        for name in self.model.matrices:
            if self.l2_overlay and f"{name}.overlay" in grads:
                grads[f"{name}.overlay"] += self.l2_overlay * params[f"{name}.overlay"]
            if self.alternate:
                _rest(name, grads, overlay=self.step // self.alternate % 2 == 0)
        rates = self.steps.prepare(self.model, grads)
        self.optimizer.step(params, grads, self.learning_rate(self.step), rates)
        self.step += 1
        return float(loss)

    def anneal(self) -> None:
        """Do what is due to the overlays after this step."""
        if self.annealer is not None:
            self.annealer.update(self.optimizer, self.step)


def _rest(matrix: str, grads: Params, overlay: bool) -> None:
    """Take the gradients of a matrix's overlay, or of its structure, out: it is not updated."""
    for name in [name for name in grads if name.startswith(f"{matrix}.")]:
        if name.endswith(".overlay") == overlay:
            del grads[name]
