"""times.csv of a run folder: how long the run has trained. It is a log: a session that is killed leaves its lines."""

from pathlib import Path
from typing import NamedTuple

HEAD = "step,seconds,tokens_per_second"


class Time(NamedTuple):
    """A line of the log."""

    step: int
    seconds: float  # in all sessions together, but for what a killed one did after its last line
    speed: float  # tokens per second, of this session so far


def append(run: Path, time: Time) -> None:
    """Add a line to the log of a run folder."""
    path = run / "times.csv"
    text = path.read_text() if path.exists() else ""
    start = "" if text.endswith("\n") else "\n" if text else f"{HEAD}\n"  # a killed session may have cut a line off
    with path.open("a") as file:
        file.write(f"{start}{time.step},{time.seconds:.2f},{time.speed:.1f}\n")


def read(run: Path) -> list[Time]:
    """Return the lines of the log of a run folder, none if there is none; a line that is cut off is left out."""
    path, found = run / "times.csv", []
    for line in path.read_text().split("\n")[1:-1] if path.exists() else []:
        try:
            step, seconds, speed = line.split(",")
            found.append(Time(int(step), float(seconds), float(speed)))
        except ValueError:
            continue
    return found
