"""refdope: doped structured matrices for LSTMs, in NumPy and SciPy, with every backward pass written by hand.

Names are imported when they are first used, so that what only needs to find the package (pytest, to find the fixture)
loads neither NumPy nor SciPy. `gradcheck` alone is here from the start: its package has the same name, and would
stand in its place once it is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from refdope.gradcheck import gradcheck

if TYPE_CHECKING:
    from refdope.layers import GRU, LSTM, JointLSTM
    from refdope.models import LanguageModel, Stepper
    from refdope.structures import CMR, HMD, LMF, Dense, Doped, Kronecker, Overlay, Recipe, SparseOverlay, Stack

__version__ = "0.1.0"

__all__ = [
    "CMR",
    "GRU",
    "HMD",
    "LMF",
    "LSTM",
    "Dense",
    "Doped",
    "JointLSTM",
    "Kronecker",
    "LanguageModel",
    "Overlay",
    "Recipe",
    "SparseOverlay",
    "Stack",
    "Stepper",
    "gradcheck",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    elsewhere = {"LSTM": "layers", "JointLSTM": "layers", "GRU": "layers"}
    elsewhere |= {"LanguageModel": "models", "Stepper": "models"}
    value = getattr(import_module(f"{__name__}.{elsewhere.get(name, 'structures')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
