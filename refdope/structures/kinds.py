"""The kinds of weight matrix that models can be made of: one line a kind.

A kind that is imported here is taken up by the conformance suite, the cost table, the command line and the demo.
"""

from refdope.structures.base import Structure
from refdope.structures.dense import Dense
from refdope.structures.hmd import HMD
from refdope.structures.kronecker import Kronecker
from refdope.structures.lmf import LMF

STRUCTURES: list[type[Structure]] = [
    kind
    for kind in list(vars().values())
    if isinstance(kind, type) and issubclass(kind, Structure) and kind is not Structure
]
