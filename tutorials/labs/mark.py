"""Mark notebooks without nbgrader: the points of every check, and what the checks say of those that failed.

    python tutorials/labs/mark.py ann/b_bptt.ipynb bob/b_bptt.ipynb
    python tutorials/labs/mark.py --csv marks.csv submitted/*_b_bptt.ipynb

The lab is known by the name of its source, which the name of the file must contain. A notebook is executed cell by cell
in a process and a namespace of its own; a cell that fails does not stop the next. The checks are those of the source,
hidden ones included, whatever the student made of them. Written answers are left to you.

This runs other people's code: do it where that can do no harm.
"""

import argparse
import contextlib
import csv
import importlib
import io
import json
import linecache
import multiprocessing
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
Notebook = dict[str, Any]


class Mark(NamedTuple):
    """What a check gave."""

    points: float
    of: float
    told: str  # what the check said; "" where it passed


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, help="write one line a notebook and check here, too")
    parser.add_argument("--seconds", type=float, default=120, help="what a notebook may take (default: 120)")
    args = parser.parse_args(arguments)
    sources = {path.stem: path for path in sorted((HERE / "source").glob("*.ipynb"))}
    rows = []
    for path in args.notebooks:
        lab = next((name for name in sources if name in path.stem), None)
        if lab is None or not path.is_file():
            parser.error(f"{path} is no notebook of a lab; its name must contain one of {', '.join(sources)}")
        marks = in_time(path, sources[lab], args.seconds)
        got, of = sum(mark.points for mark in marks.values()), sum(mark.of for mark in marks.values())
        print(f"{path}: {got:g} of {of:g} points by checks")
        for name, mark in marks.items():
            rows.append({"notebook": str(path), "check": name} | mark._asdict())
            if mark.told:
                print(f"  {name}: {mark.points:g} of {mark.of:g}", *mark.told.splitlines(), sep="\n      ")
    if args.csv:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["notebook", "check", "points", "of", "told"])
            writer.writeheader()
            writer.writerows(rows)
    return 0


def in_time(path: Path, source: Path, seconds: float) -> dict[str, Mark]:
    """Return the marks of a notebook, from a process that is ended if it takes too long."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, path, source))
    process.start()
    theirs.close()
    try:
        if ours.poll(seconds):
            return ours.recv()
        told = f"not marked: it takes more than {seconds:g} seconds"
    except EOFError:
        told = "not marked: its process died"
    finally:
        process.kill()
        process.join()
    return {name: Mark(0, cell["points"], told) for name, (_, cell) in checks_of(read(source)).items()}


def _send(pipe: Any, path: Path, source: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    sys.path.insert(0, str(HERE))  # where the folder labchecks is
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        marks = mark(read(path), read(source))
    pipe.send(marks)


def mark(notebook: Notebook, source: Notebook) -> dict[str, Mark]:
    """Execute a notebook with the checks of its source, and return the mark of every check by its name."""
    checks = checks_of(source)
    marks = {name: Mark(0, told["points"], "its cell is not in the notebook") for name, (_, told) in checks.items()}
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for k, cell in enumerate(notebook["cells"]):
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", f"cell {k}")
        if cell["cell_type"] != "code":
            continue
        text, told = checks.get(name, ("".join(cell["source"]), None))
        failed = ""
        if told:
            namespace["check"] = _check_afresh(source)
        try:
            exec(_compiled(text, f"<{name}>"), namespace)
        except (Exception, SystemExit) as error:
            failed = str(error) if type(error).__name__ == "CheckError" else f"{type(error).__name__}: {error}"
        if told:
            marks[name] = Mark(0 if failed else told["points"], told["points"], failed)
    return marks


def _check_afresh(source: Notebook) -> Any:
    """Import a lab's checks as they are in this folder, whatever cells before have made of `check`."""
    text = "\n".join("".join(cell["source"]) for cell in source["cells"])
    name = re.search(r"from labchecks import (\w+) as check", text)[1]
    for module in [module for module in sys.modules if module.partition(".")[0] == "labchecks"]:
        del sys.modules[module]
    before = list(sys.path)
    sys.path.insert(0, str(HERE))
    try:
        return importlib.import_module(f"labchecks.{name}")
    finally:
        sys.path[:] = before


def checks_of(source: Notebook) -> dict[str, tuple[str, Notebook]]:
    """Return the text and the nbgrader metadata of every cell that gives points by itself."""
    cells = ((cell, cell["metadata"].get("nbgrader", {})) for cell in source["cells"])
    return {
        told["grade_id"]: ("".join(cell["source"]), told)
        for cell, told in cells
        if told.get("grade") and told["locked"]
    }


def _compiled(text: str, name: str) -> Any:
    """Return a cell's code, without the lines that only IPython understands; a traceback will find its lines."""
    text = "\n".join("pass" if line.startswith(("%", "!")) else line for line in text.split("\n"))
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return compile(text, name, "exec")


def read(path: Path) -> Notebook:
    """Return a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
