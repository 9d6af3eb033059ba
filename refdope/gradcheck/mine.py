"""A reader's own file, checked: it defines `loss`, `params` and `grads`, and may define `blocks` and `cases`."""

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refdope.gradcheck import How, gradcheck
from refdope.gradcheck.report import Report

NEEDED, OPTIONAL = ("loss", "params", "grads"), ("blocks", "cases")


def check_file(path: Path, how: How = "auto") -> Report:
    """Run a Python file and check the gradients that it defines.

    Parameters
    ----------
    path : Path
    how : {"auto", "entries", "directions"}
        Of `gradcheck`.

    Raises
    ------
    ValueError
        If the file fails, or does not define what is needed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with beside(path.resolve().parent):  # while it is checked, too: a function may import when it is called
        try:
            found = runpy.run_path(str(path))
        except (Exception, SystemExit) as error:  # whatever is wrong with a reader's file is told in one line
            raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
        missing = [name for name in NEEDED if name not in found]
        if missing:
            raise ValueError(f"{path}: must define {', '.join(NEEDED)}; it lacks {', '.join(missing)}")
        given = {name: found[name] for name in (*NEEDED, *OPTIONAL) if name in found}
        try:
            return gradcheck(**given, how=how)
        except Exception as error:
            raise ValueError(f"{path}: {type(error).__name__}: {error}") from error


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Let a file import those that lie beside it, as Python does for a script; forget them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            where = getattr(sys.modules[name], "__file__", None) or next(
                iter(getattr(sys.modules[name], "__path__", ())), ""
            )
            if where and Path(where).is_relative_to(folder):
                del sys.modules[name]
