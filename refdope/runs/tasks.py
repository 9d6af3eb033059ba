"""The tasks that a run can be of: one line per task."""

from refdope.runs.config import Config
from refdope.runs.language import Language
from refdope.runs.task import Task

TASKS: dict[str, type[Task]] = {"language": Language}


def task_of(config: Config) -> type[Task]:
    """Return the task of a config.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if config.task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {config.task!r}")
    return TASKS[config.task]
