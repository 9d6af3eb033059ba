"""Checking derivatives; knows nothing of this package's classes but NumPy arrays in dicts."""

from refdope.checks.gradcheck import Report, gradcheck
from refdope.checks.oracles import complex_step, stencil

__all__ = ["Report", "complex_step", "gradcheck", "stencil"]
