"""Every derivative of this package, as a list of checks; `ours` checks a structure, a layer or a model of one's own."""

from refdope.selfcheck.every import Check, checks, table
from refdope.selfcheck.ours import check_lstm, check_model, check_structure

__all__ = ["Check", "check_lstm", "check_model", "check_structure", "checks", "table"]
