"""Wrong backward passes, as found in public code and as students write them, for judging a gradient checker.

Each family file holds a model with a right backward, in which switches plant one bug at a time. A third of the bugs,
chosen by a hash of their names, is kept aside from whoever writes the checker: shown.py and kept.py.
"""

from tests.zoo.base import CAUSES, Bug, Problem
from tests.zoo.kept import KEPT
from tests.zoo.shown import SHOWN

__all__ = ["CAUSES", "KEPT", "SHOWN", "Bug", "Problem"]
