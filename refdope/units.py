"""What losses are told in: nats a token while they are computed, bits a character or a perplexity to read."""

from math import exp, log


def in_unit(nats: float, level: str) -> float:
    """Return a loss in the unit of its level, "char" or "word"; a perplexity is cut off at e⁷⁰⁰."""
    return nats / log(2) if level == "char" else exp(min(nats, 700))


def unit(level: str) -> str:
    """Return the name of that unit."""
    return "bits per character" if level == "char" else "perplexity"


def brief_unit(level: str) -> str:
    """Return its name in the head of a column."""
    return "bits/char" if level == "char" else "perplexity"
