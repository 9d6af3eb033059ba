"""Layers put together."""

from refdope.models.language_model import LanguageModel

__all__ = ["LanguageModel"]
