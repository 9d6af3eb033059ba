"""The kinds of weight matrix that models can be made of: one line per kind.

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
KINDS: dict[str, type[Structure] | None] = {kind.__name__.lower(): kind for kind in STRUCTURES} | {"none": None}


def named(name: str) -> type[Structure] | None:
    """Return the kind of a name, in any case, as on the command line; None for "none".

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    if name.lower() not in KINDS:
        raise ValueError(f"there is no structure {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name.lower()]
