"""What a trained model costs and how its parts behave; `refdope.analysis.plots`, which loads Matplotlib, draws it."""

from refdope.analysis.adaptation import adaptation, moves, parts, without
from refdope.analysis.cost import Cost, by_matrix, cost, markdown

__all__ = ["Cost", "adaptation", "by_matrix", "cost", "markdown", "moves", "parts", "without"]
