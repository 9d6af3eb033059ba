"""Optimisers, the sparsity ramp, and the training loop."""

from refdope.training.annealing import Annealer, CubicRamp
from refdope.training.optimizers import SGD, Adam, LinearDecay, Optimizer, ZarembaDecay
from refdope.training.steps import Steps
from refdope.training.trainer import Trainer

__all__ = [
    "SGD",
    "Adam",
    "Annealer",
    "CubicRamp",
    "LinearDecay",
    "Optimizer",
    "Steps",
    "Trainer",
    "ZarembaDecay",
]
