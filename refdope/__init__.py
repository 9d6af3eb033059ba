"""refdope: doped structured matrices for LSTMs, in NumPy and SciPy, with every backward pass written by hand."""

from refdope.checks import gradcheck
from refdope.layers import LSTM
from refdope.models import LanguageModel
from refdope.structures import CMR, HMD, LMF, Dense, Doped, Kronecker, Overlay, SparseOverlay, Stack

__version__ = "0.1.0"

__all__ = [
    "CMR",
    "HMD",
    "LMF",
    "LSTM",
    "Dense",
    "Doped",
    "Kronecker",
    "LanguageModel",
    "Overlay",
    "SparseOverlay",
    "Stack",
    "gradcheck",
]
