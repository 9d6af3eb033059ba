"""Processes to train side by side in: one BLAS thread each, a line each for a progress bar, and none outlives us."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any

from tqdm import tqdm

from refdope.memory import keep_memory

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_line = 0


def bar_line() -> int:
    """Return the line that this process's progress bar goes to; line 0 is the parent's."""
    return _line


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes of one thread each.

    What is still running when the block is left by an exception, an interrupt too, is ended, not waited for.

    Parameters
    ----------
    jobs : int
        How many processes.
    """
    context = get_context("spawn")
    start = (context.RLock(), context.Value("i", 0))
    with _one_thread_each(), ProcessPoolExecutor(jobs, context, _start, start) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in active_children():
                child.terminate()
            raise


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """Open a Dask cluster as an executor.

    Parameters
    ----------
    address : str
        Of its scheduler, as "tcp://10.0.0.1:8786". What it runs is not ended with this process.

    Raises
    ------
    ValueError
        If dask.distributed is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--dask needs another package: pip install 'refdope[dask]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ValueError(f"--dask: no Dask scheduler answers at {address} ({error})") from None
    with client, client.get_executor() as executor:
        yield executor


def _start(lock: Any, started: Any) -> None:
    """Make ready a worker: an interrupt is its parent's business, and it ends with its parent, however that ended."""
    global _line
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    keep_memory()
    tqdm.set_lock(lock)
    with started.get_lock():
        started.value += 1
        _line = started.value


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let child processes that start within have one BLAS thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
