"""Layers put together."""

from refdope.models.language_model import LanguageModel
from refdope.models.stepper import Stepper

__all__ = ["LanguageModel", "Stepper"]
