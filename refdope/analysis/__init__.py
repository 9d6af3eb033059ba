"""What a trained model costs and how its parts behave; `refdope.analysis.plots`, which loads Matplotlib, draws it."""

from refdope.analysis.adaptation import adaptation, moves, parts, without
from refdope.analysis.cost import Cost, cost, markdown

__all__ = ["Cost", "adaptation", "cost", "markdown", "moves", "parts", "without"]
