"""What an error most likely is: from the wrong arrays, the calls and the other sizes to one cause, and what shows it.

The verdict does not need it: `check` asks `explain` once, when all is compared.
"""

from refdope.gradcheck.why.diagnosis import explain

__all__ = ["explain"]
