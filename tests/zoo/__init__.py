"""Wrong backward passes, as found in public code and as students write them, for judging a gradient checker.

Each family file holds a model with a right backward, in which switches plant one bug at a time. Of those in shown.py
and kept.py, a third, chosen by a hash of their names, is kept aside from whoever writes the checker: kept.py. Those of
aside.py, a third of these three, were written later and by someone else, for judging a checker whose author has seen
the rest; those of last.py, drawn from the same world, for judging it once when its author has seen them all; those
of fresh.py for judging it once more, after it has learnt from these; and those of unseen.py for judging it once after
its last change.
"""

from tests.zoo.aside import ASIDE
from tests.zoo.base import CAUSES, Bug, Problem
from tests.zoo.fresh import FRESH
from tests.zoo.kept import KEPT
from tests.zoo.last import LAST
from tests.zoo.shown import SHOWN
from tests.zoo.unseen import UNSEEN

__all__ = ["ASIDE", "CAUSES", "FRESH", "KEPT", "LAST", "SHOWN", "UNSEEN", "Bug", "Problem"]
