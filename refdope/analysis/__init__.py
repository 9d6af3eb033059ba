"""What a trained model costs and how its parts behave. Plots are in `refdope.analysis.plots`, which loads Matplotlib."""

from refdope.analysis.adaptation import adaptation, without
from refdope.analysis.cost import Cost, cost, markdown

__all__ = ["Cost", "adaptation", "cost", "markdown", "without"]
