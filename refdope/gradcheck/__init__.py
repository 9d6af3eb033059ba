"""Checking derivatives of anybody's code, arrays in dicts; `ours` checks what keeps this package's contracts."""

from refdope.checks.causes import CAUSES, Diagnosis
from refdope.checks.gradcheck import gradcheck
from refdope.checks.oracles import complex_step, stencil
from refdope.checks.ours import check_lstm, check_model, check_structure
from refdope.checks.report import ArrayReport, Report

__all__ = [
    "CAUSES",
    "ArrayReport",
    "Diagnosis",
    "Report",
    "check_lstm",
    "check_model",
    "check_structure",
    "complex_step",
    "gradcheck",
    "stencil",
]
