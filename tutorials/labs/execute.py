"""Execute a student's notebook step by step, each within limits, and keep every mark as it is earned.

The cells run in a process of their own, one after the other in one namespace, as in Jupyter. A step that takes too long
is interrupted, and if it does not heed that, or ends the process, the process is started again without it: everything
else is executed as before, and marks that were given are kept. So a step costs its own points and no others.
"""

import ast
import asyncio
import importlib
import inspect
import json
import linecache
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
STARTS = 120  # seconds that Python and its imports may take
Notebook = dict[str, Any]


class Mark(NamedTuple):
    """What a check gave."""

    points: float
    of: float
    told: str  # what the check said; "" where it passed


class Limits(NamedTuple):
    """What a step may take: a cell of the student's, or a check."""

    seconds: float = 30
    megabytes: int = 1000  # of memory, beyond what was there before the step; of a file, a tenth


class OutOfTime(BaseException):
    """What stops a step that takes too long; no `except Exception` catches it."""


def marked(notebook: Notebook, source: Notebook, limits: Limits | None = None) -> dict[str, Mark]:
    """Return the mark of every check by its name, whatever the cells do to the process that executes them."""
    limits = limits or Limits()
    marks: dict[str, Mark] = {}
    skipped: dict[int, str] = {}
    while (stopped := _round(notebook, source, limits, marks, skipped)) is not None:
        step, why = stopped
        skipped[step] = why
    return _all(marks, notebook, source)


def _round(
    notebook: Notebook, source: Notebook, limits: Limits, marks: dict[str, Mark], skipped: dict[int, str]
) -> tuple[int, str] | None:
    """Execute what is not skipped, in a new process; return the step that ended it, and how; None if none did."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, notebook, source, limits, list(marks), list(skipped)))
    process.start()
    theirs.close()
    step, patience = -1, float(STARTS)
    try:
        while ours.poll(patience):
            kind, *what = ours.recv()
            if kind == "ends":
                return None
            if kind == "mark":
                marks[what[0]] = Mark(*what[1:])
            else:
                step, patience = what[0], limits.seconds + 5
        why = f"it takes more than {limits.seconds:g} seconds, and cannot be interrupted"
    except Exception:  # the process died, or wrote what is no message
        process.join(5)
        why = f"it ends the process that executes it (exit status {process.exitcode})"
    finally:
        with suppress(OSError, AttributeError):
            os.killpg(process.pid or 0, signal.SIGKILL)  # with what it has started
        process.kill()
        process.join()
    if step < 0:
        raise RuntimeError("Python could not be started for it, or its libraries could not be imported")
    name = named(notebook["cells"][step])
    if name in checks_of(source):
        marks[name] = Mark(0, checks_of(source)[name][1]["points"], f"The check was stopped: {why}.")
    return step, why


def _work(pipe: Any, notebook: Notebook, source: Notebook, limits: Limits, done: list[str], skipped: list[int]) -> None:
    """Execute cells in this process, and send what comes of them."""
    with suppress(OSError, AttributeError):
        os.setsid()  # a group of its own, ended as one
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what students print is not kept, however much it is
        os.dup2(nowhere, stream)
    import matplotlib

    matplotlib.use("Agg")
    sys.path.insert(0, str(HERE))  # where the folder labchecks is
    with open(os.devnull, "w", encoding="utf-8") as sink, redirect_stdout(sink), redirect_stderr(sink):
        begins = lambda step: pipe.send(("begins", step))  # noqa: E731
        for name, mark in steps(notebook, source, limits, done, skipped, begins):
            pipe.send(("mark", name, *mark))
    pipe.send(("ends",))
    pipe.close()
    os._exit(0)  # threads that a cell has started do not keep it


def mark(notebook: Notebook, source: Notebook) -> dict[str, Mark]:
    """Execute a notebook that can be trusted here, in this process, and return the mark of every check."""
    return _all(dict(steps(notebook, source)), notebook, source)


def _all(marks: dict[str, Mark], notebook: Notebook, source: Notebook) -> dict[str, Mark]:
    """Return the marks in the order of the source, those of missing cells, too."""
    return {
        name: marks.get(name, Mark(0, told["points"], "Its cell is not in the notebook."))
        for name, (_, told) in checks_of(source).items()
    }


def steps(
    notebook: Notebook,
    source: Notebook,
    limits: Limits | None = None,
    done: Collection[str] = (),
    skipped: Collection[int] = (),
    begins: Callable[[int], object] = lambda step: None,
) -> Iterator[tuple[str, Mark]]:
    """Execute a notebook with the checks of its source, and give the mark of every check as soon as it is there."""
    checks = checks_of(source)
    cells = notebook["cells"]
    last = {named(cell): step for step, cell in enumerate(cells)}  # a cell that was copied: the last one counts
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shell = _Shell(namespace)
    for step, cell in enumerate(cells):
        name = named(cell)
        told = checks[name][1] if name in checks and last[name] == step else None
        if cell.get("cell_type") != "code" or step in skipped or (told and name in done):
            continue
        begins(step)
        failed = ""
        try:
            with _within(limits):
                if told:
                    namespace["check"] = check_afresh(source)
                shell.run(checks[name][0] if told else text_of(cell), f"<{name or f'cell {step}'}>")
        except OutOfTime:
            failed = f"It takes more than {limits.seconds if limits else 0:g} seconds: is there a loop without an end?"
        except BaseException as error:  # also KeyboardInterrupt and SystemExit, which are the cell's own
            failed = str(error) if type(error).__name__ == "CheckError" else _said(error)
        if told:
            yield name, Mark(0 if failed else told["points"], told["points"], failed)


def _said(error: BaseException) -> str:
    """Return an error in one line, even if it cannot say itself."""
    try:
        return f"{type(error).__name__}: {error}"[:2000]
    except Exception:
        return type(error).__name__


@contextmanager
def _within(limits: Limits | None) -> Iterator[None]:
    """Limit what is executed: its time, its memory, and the files that it writes."""
    if limits is None or not hasattr(signal, "setitimer"):  # Windows: the process is ended where it takes too long
        yield
        return
    import resource

    def stop(*_: Any) -> None:
        raise OutOfTime

    taken = Path("/proc/self/statm")
    if taken.is_file():
        now = int(taken.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + limits.megabytes * 10**6, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.megabytes * 10**5, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds, 1)  # again every second, as long as it is not heeded
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Shell:
    """Execute cells in a namespace: Python here, what only IPython understands there."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self._ipython: Any = None
        namespace |= {"display": print, "get_ipython": self.ipython}

    def run(self, text: str, name: str) -> None:
        """Execute a cell."""
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for tracebacks
        try:
            code = compile(text, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError:
            if plain(text) == text:
                raise
        else:
            if inspect.iscoroutine(result := eval(code, self.namespace)):
                asyncio.run(result)
            return
        shell = self.ipython()
        if shell is None:
            exec(compile(plain(text), name, "exec"), self.namespace)
        else:
            shell.run_cell(text, store_history=False).raise_error()

    def ipython(self) -> Any:
        """Return IPython's shell over the same names, or None where it is not installed."""
        if self._ipython is None:
            try:
                from IPython.core.interactiveshell import InteractiveShell
            except ImportError:
                return None
            from traitlets.config import Config

            class Shell(InteractiveShell):
                """A shell that has no windows."""

                def enable_gui(self, gui: Any = None) -> None:
                    """Do nothing: pictures are drawn in memory."""

            display = Config({"HistoryManager": {"enabled": False}})
            self._ipython = Shell(user_ns=self.namespace, config=display)
        return self._ipython


def plain(text: str) -> str:
    """Return a cell's text as Python, what only IPython understands turned into calls, or left out without IPython."""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        odd = re.compile(r"^(\s*)(?:%time(?!it)\b\s*(?=\S)|(?:[%!?].*|[\w.]+\?+\s*$)())")  # what %time times is kept
        lines = (odd.sub(lambda at: at[1] + ("pass" if at[2] is not None else ""), line) for line in text.split("\n"))
        return "\n".join(lines)
    try:
        made = TransformerManager().transform_cell(text)
    except SyntaxError:
        return text
    return text if made.strip() == text.strip() else made


def check_afresh(source: Notebook) -> Any:
    """Import a lab's checks as they are in this folder, whatever cells before have made of `check`."""
    name = re.search(r"from labchecks import (\w+) as check", "\n".join(map(text_of, source["cells"])))
    for module in [module for module in sys.modules if module.partition(".")[0] == "labchecks"]:
        del sys.modules[module]
    before = list(sys.path)
    sys.path.insert(0, str(HERE))
    try:
        return importlib.import_module(f"labchecks.{name[1] if name else ''}")
    finally:
        sys.path[:] = before


def checks_of(source: Notebook) -> dict[str, tuple[str, Notebook]]:
    """Return the text and the nbgrader metadata of every cell that gives points by itself."""
    return {
        told["grade_id"]: (text_of(cell), told)
        for cell, told in ((cell, told_of(cell)) for cell in source["cells"])
        if told.get("grade") and told["locked"]
    }


def told_of(cell: Notebook) -> Notebook:
    """Return nbgrader's metadata of a cell; {} if there are none."""
    told = cell.get("metadata", {}).get("nbgrader", {})
    return told if isinstance(told, dict) else {}


def named(cell: Notebook) -> str:
    """Return what a cell is known by: nbgrader's name of it, or, where an editor has lost that, its id."""
    return str(told_of(cell).get("grade_id") or cell.get("id", ""))


def text_of(cell: Notebook) -> str:
    """Return a cell's text, which notebooks hold as one string or as a list of lines."""
    return "".join(cell["source"])


def read(path: Path) -> Notebook:
    """Return a notebook that is known to be one."""
    return json.loads(path.read_text(encoding="utf-8"))
