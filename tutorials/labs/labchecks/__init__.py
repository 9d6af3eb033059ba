"""Checks of the labs, one module a lab: each function tries a student's function of the same name.

A check prints one line that begins with `ok`, or raises `CheckError`: a few lines that say what is wrong and where, and
end with what to look at. Gradients are compared by `refdope.gradcheck`; `report()` is what it found of the last
ones that were wrong. All random numbers come from a seed, so that a check says the same whenever it is asked.
"""

from labchecks.compare import CheckError, report

__all__ = ["CheckError", "report"]
