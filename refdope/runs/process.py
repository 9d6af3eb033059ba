"""The process that trains a run: one at a time, and stopped between two updates, never within one."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run folder for this process; the lock goes with the process, however it ends."""
    import fcntl

    with (path / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{path} is being trained by another process") from None
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn an interrupt or a termination into a question to ask between updates; a second interrupt interrupts.

    Only the main thread is told of signals: elsewhere nobody asks. A signal that is ignored stays so: a worker is told
    by its parent, not by the terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        """Note a signal; of interrupts, the second one interrupts."""
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    asking = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in asking}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
