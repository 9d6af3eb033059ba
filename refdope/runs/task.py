"""What a task is to a run: data, a model, and how its loss is told. Each task is a file of its own and a line in TASKS.

The trainer, the annealer, the run folder, reports, tables, compressing and the checker know models and tasks by these
protocols alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from refdope.models.protocol import Batches, Model

if TYPE_CHECKING:
    from refdope.runs.config import Config


@dataclass(frozen=True)
class Measure:
    """How the loss of a task is told.

    Parameters
    ----------
    name, brief : str
        In a sentence, "bits per character", and at the head of a column, "bits/char".
    of : callable
        From a loss in nats per target.
    falls : bool
        Whether lower is better.
    """

    name: str
    brief: str
    of: Callable[[float], float]
    falls: bool = True


class Task(Protocol):
    """Data for a config, and the model that is trained on it.

    `str` of one is what a run says when it begins.
    """

    @property
    def about(self) -> str:
        """What the data say of themselves."""

    @property
    def hash(self) -> str:
        """The start of their SHA-256."""

    @property
    def train(self) -> Batches:
        """What is gone through in order, again and again; a model's state is carried from window to window."""

    @classmethod
    def of(cls, config: "Config") -> Self:
        """Load the data that a config names.

        Raises
        ------
        ValueError, OSError
            If they cannot be had.
        """

    @property
    def rows(self) -> int:
        """Targets per update: what speed is measured in."""

    def evaluation(self, part: str, limit: int = 0, *, brief: bool = False) -> Batches:
        """Return "valid" or "test" data to be measured on.

        Parameters
        ----------
        part : {"valid", "test"}
        limit : int
            At most so many targets; 0: all.
        brief : bool
            In few steps, for a loss of which only differences count.
        """

    def record(self) -> dict[str, Any]:
        """Return what JSON can hold and a model needs to be used without its data: a vocabulary."""

    @classmethod
    def model(cls, config: "Config", record: Mapping[str, Any]) -> Model:
        """Make the model of a config, for data of this record."""

    @classmethod
    def measure(cls, config: "Config") -> Measure:
        """Return how the loss is told."""
