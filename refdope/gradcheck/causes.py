"""The causes that a report can name, and what is found of one of them."""

from dataclasses import dataclass

# by how much a cause says: where several arrays are wrong, the first of these explains the rest
CAUSES = (
    "nan",
    "missing",
    "shape",
    "constant",
    "tied",
    "accumulated",
    "mutated",
    "random",
    "dtype",
    "stale",
    "mask",
    "dropout",
    "sign",
    "transpose",
    "order",
    "other array",
    "zero",
    "factor",
    "recurrent",
    "term",
    "derivative",
)


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, in a sentence, and what that is concluded from.

    Attributes
    ----------
    cause : str
        One of `CAUSES`.
    text : str
    evidence : str
    arrays : tuple of str
        Where it was seen.
    sure : bool
        Whether it was seen by a relation that hardly holds by chance, though its cause is one of the vaguer ones.
    or_else : str
        The cause that is the next likely, where numbers tell the two apart by a hint only.
    """

    cause: str
    text: str
    evidence: str = ""
    arrays: tuple[str, ...] = ()
    sure: bool = False
    or_else: str = ""

    @property
    def causes(self) -> tuple[str, ...]:
        """The most likely cause, and the next, if there is one."""
        return (self.cause, self.or_else) if self.or_else else (self.cause,)

    def __str__(self) -> str:
        return f"{self.text}{f' ({self.evidence})' if self.evidence else ''}"
