"""Weight matrices that are given by fewer numbers than m·n, one idea a file; `base` has the contract."""

from refdope.structures.base import Structure
from refdope.structures.cmr import CMR
from refdope.structures.dense import Dense
from refdope.structures.doped import Doped
from refdope.structures.hmd import HMD
from refdope.structures.kinds import STRUCTURES
from refdope.structures.kronecker import Kronecker
from refdope.structures.lmf import LMF
from refdope.structures.overlay import Overlay, SparseOverlay
from refdope.structures.recipe import Recipe
from refdope.structures.stack import Stack

__all__ = [
    "CMR",
    "HMD",
    "LMF",
    "STRUCTURES",
    "Dense",
    "Doped",
    "Kronecker",
    "Overlay",
    "Recipe",
    "SparseOverlay",
    "Stack",
    "Structure",
]
