"""A reader's own file, checked: it defines `loss`, `params` and `grads`, and may define `blocks` and `cases`."""

import runpy
from pathlib import Path

from refdope.checks.gradcheck import How, gradcheck
from refdope.checks.report import Report

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
