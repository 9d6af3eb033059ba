"""Layers put together, and what is done with a trained model: its loss over a text, and texts that it writes."""

from refdope.models.evaluation import evaluate, evaluation_batches
from refdope.models.generation import generate
from refdope.models.language_model import LanguageModel
from refdope.models.protocol import Model
from refdope.models.stepper import Stepper

__all__ = ["LanguageModel", "Model", "Stepper", "evaluate", "evaluation_batches", "generate"]
