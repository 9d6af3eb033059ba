"""Optimisers, gradient clipping and learning-rate schedules.

    clipping    g ← g · min(1, clip / ‖g‖),    ‖g‖ over all parameters together
    SGD         θ ← θ - lr g
    Adam        m ← β₁ m + (1 - β₁) g,   v ← β₂ v + (1 - β₂) g²,   θ ← θ - lr (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)

with t the updates of θ, this one counted; a parameter that is not trained all the time has had fewer than others.

Parameters are updated in place. When an overlay is pruned or switched to CSR, the optimiser's arrays of that parameter
follow it through `remap`.

Sources: Pascanu et al. 2013 (clipping); Kingma and Ba 2015 (Adam); Zaremba et al., arXiv 1409.2329 (decay).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from refdope.arrays import Array, Params

IN_CACHE = 1 << 15  # entries


class Optimizer(ABC):
    """What SGD and Adam share.

    Parameters
    ----------
    clip : float
        The largest global norm of a gradient; longer ones are scaled down to it.

    Attributes
    ----------
    arrays : dict of dict
        Moments by kind, then by parameter.
    steps : int
        Updates made.
    counts : dict
        Updates made of each parameter.
    """

    def __init__(self, clip: float = 5.0) -> None:
        if not clip > 0:
            raise ValueError(f"{type(self).__name__}: clip must be above 0, got {clip}")
        self.clip, self.steps = clip, 0
        self.counts: dict[str, int] = {}
        self.arrays: dict[str, Params] = {}

    def step(
        self, params: Mapping[str, Array], grads: Params, lr: float, rates: Mapping[str, float] | None = None
    ) -> float:
        """Update the parameters in place; the gradients are used up.

        Parameters
        ----------
        params, grads : dict of arrays
        lr : float
        rates : dict of float, optional
            A factor on the rate of each parameter; 1 for those that it has not. It comes after clipping.

        Returns
        -------
        float
            The global norm of the gradient, before clipping.

        Raises
        ------
        FloatingPointError
            If that norm is not finite; nothing has been changed then.
        """
        norm = float(np.sqrt(sum(np.vdot(g, g).astype(np.float64) for g in grads.values())))
        if not np.isfinite(norm):
            raise FloatingPointError(f"training diverged: the gradient's norm is {norm} at step {self.steps}")
        self.steps += 1
        scale = min(1.0, self.clip / norm) if norm else 1.0
        for name, g in grads.items():
            rate = lr * (rates or {}).get(name, 1.0)
            t = self.counts[name] = self.counts.get(name, 0) + 1
            arrays = [params[name], g, *self._kept(name, params[name])]
            for part, d, *kept in _in_cache(arrays):
                if scale < 1:
                    d *= scale
                self._update(part, d, rate, t, *kept)
        return norm

    def _kept(self, name: str, param: Array) -> list[Array]:
        """Return the arrays that are kept for a parameter, zeros at first."""
        for table in self.arrays.values():
            if name not in table:
                table[name] = np.zeros_like(param)
        return [table[name] for table in self.arrays.values()]

    @abstractmethod
    def _update(self, param: Array, g: Array, lr: float, t: int, *kept: Array) -> None:
        """Update some entries of one parameter in place, for the t-th time; g may be overwritten."""

    def remap(self, name: str, follow: Callable[[Array], Array]) -> None:
        """Pass every array that is kept for a parameter through a function: `a[~mask] = 0`, or `a[mask]`."""
        for table in self.arrays.values():
            if name in table:
                table[name] = follow(table[name])


class SGD(Optimizer):
    """Stochastic gradient descent."""

    def _update(self, param: Array, g: Array, lr: float, t: int, *kept: Array) -> None:
        g *= lr
        param -= g


class Adam(Optimizer):
    """Adam.

    Parameters
    ----------
    clip : float
        See `Optimizer`.
    beta1, beta2, eps : float
    """

    def __init__(self, clip: float = 5.0, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(clip)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.arrays = {"m": {}, "v": {}}

    def _update(self, param: Array, g: Array, lr: float, t: int, *kept: Array) -> None:
        m, v = kept
        m += (1 - self.beta1) * (g - m)
        g *= g
        g -= v
        v += (1 - self.beta2) * g
        size = np.sqrt(v / (1 - self.beta2**t))
        size += self.eps
        param -= (lr / (1 - self.beta1**t)) * m / size


def _in_cache(arrays: list[Array]) -> Iterator[list[Array]]:
    """Yield the same parts of arrays of one shape, small enough that what is done to a part is done in cache."""
    if all(a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
        for k in range(0, flat[0].size, IN_CACHE):
            yield [a[k : k + IN_CACHE] for a in flat]
    else:
        yield arrays


@dataclass(frozen=True)
class LinearDecay:
    """A rate that is constant until `start`, then falls linearly to `floor` times itself at step `end`."""

    lr: float
    start: int
    end: int
    floor: float = 0.0

    def __call__(self, step: int) -> float:
        """Return the rate of the update after `step` others."""
        done = min(max((step - self.start) / max(self.end - self.start, 1), 0.0), 1.0)
        return self.lr * (1 - (1 - self.floor) * done)


@dataclass(frozen=True)
class ZarembaDecay:
    """A rate that is constant for some epochs, then multiplied by `decay` at the start of every further one."""

    lr: float
    steps_an_epoch: int
    constant_epochs: int
    decay: float

    def __call__(self, step: int) -> float:
        """Return the rate of the update after `step` others."""
        epoch = step // self.steps_an_epoch  # from 0
        return self.lr * self.decay ** max(epoch - self.constant_epochs + 1, 0)
