"""Make the notebooks of the students and of the teacher from the sources: one lab, one source.

    python tutorials/labs/make.py          write student/*.ipynb and solution/*.ipynb
    python tutorials/labs/make.py --check  write nothing; exit status 1 if one of them is not what its source makes

The sources in source/ have nbgrader's own markers and metadata; nbgrader makes the same student's notebook of them:

    ### BEGIN SOLUTION … ### END SOLUTION            student: a stub in its place; solution: as it is
    ### BEGIN HIDDEN TESTS … ### END HIDDEN TESTS    student: nothing; solution: as it is

The lines of the markers are in neither. Outputs of a source that was executed are kept in the solution. Cells that a
student may not delete, or not change, are marked so. The same source gives the same bytes.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STUB = {"code": ["# YOUR CODE HERE", "raise NotImplementedError()"], "markdown": ["YOUR ANSWER HERE"]}
Notebook = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, say which notebooks are out of date")
    args = parser.parse_args(arguments)
    late = 0
    for source in sorted((HERE / "source").glob("*.ipynb")):
        for kind, made in (("student", student), ("solution", solution)):
            path, text = HERE / kind / source.name, written(made(json.loads(source.read_text(encoding="utf-8"))))
            if args.check:
                same = path.is_file() and path.read_text(encoding="utf-8") == text
                print(f"{'ok   ' if same else 'OLD  '} {kind}/{source.name}")
                late += not same
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
    return int(late > 0)


def student(source: Notebook) -> Notebook:
    """Return the notebook that a student gets: stubs for solutions, no hidden tests, no outputs."""
    for cell in source["cells"]:
        told = cell["metadata"].get("nbgrader", {})
        text = without(text_of(cell), "HIDDEN TESTS", [])
        if told.get("solution"):
            text = without(text, "SOLUTION", STUB[cell["cell_type"]])
        cell["source"] = text.splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        if told:
            cell["metadata"]["deletable"] = False
            if told["locked"]:
                cell["metadata"]["editable"] = False
    return source


def solution(source: Notebook) -> Notebook:
    """Return the notebook of the teacher: everything, but for the lines of the markers."""
    for cell in source["cells"]:
        kept = [line for line in text_of(cell).splitlines() if not line.strip().startswith(("### BEGIN", "### END"))]
        cell["source"] = "\n".join(kept).splitlines(keepends=True)
    return source


def without(text: str, what: str, stub: list[str]) -> str:
    """Return a cell's text with lines in place of each region that is marked so, indented as the region was."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        begins, ends = (line.strip() == f"### {word} {what}" for word in ("BEGIN", "END"))
        if (begins and inside) or (ends and not inside):
            raise ValueError(f"make.py: a marker of {what} has no partner, near {line.strip()!r} in:\n{text}")
        if begins:
            indent = line[: len(line) - len(line.lstrip())]
            kept += [indent + each for each in stub]
        elif not (inside or ends):
            kept.append(line)
        inside = begins or (inside and not ends)
    if inside:
        raise ValueError(f"make.py: a region {what} does not end in:\n{text}")
    return "\n".join(kept)


def text_of(cell: Notebook) -> str:
    """Return a cell's text, which notebooks hold as one string or as a list of lines."""
    return "".join(cell["source"])


def written(notebook: Notebook) -> str:
    """Return a notebook's file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
