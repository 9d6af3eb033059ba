"""What a teacher should look at: answers by the package's own structures, reaches into the checks, equal answers.

A flag is no verdict. Nothing is executed here: the text of the cells is read.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from execute import Notebook, plain, text_of, told_of

ROOTS = ("refdope", "labchecks")
FRAMES = {"inspect", "gc", "_getframe", "f_back", "f_locals", "f_globals", "tb_frame", "currentframe", "tracemalloc"}
HIDDEN = {"__globals__", "__closure__", "__code__", "__import__", "importlib", "__subclasses__"}
LONG = 60  # characters; shorter written answers are alike by chance


def flags(students: Mapping[str, Mapping[str, Any]], source: Notebook) -> dict[str, list[str]]:
    """Return what to look at, by student: entries have "cells", texts by name, and "code", texts of all code cells."""
    given = {name for cell in source["cells"] if cell["cell_type"] == "code" for name in _taken(text_of(cell))}
    theirs = {told_of(cell)["grade_id"]: cell for cell in source["cells"] if told_of(cell).get("solution")}
    code = [name for name, cell in theirs.items() if cell["cell_type"] == "code"]
    words = [name for name, cell in theirs.items() if cell["cell_type"] == "markdown"]
    model = {name: text_of(cell) for name, cell in theirs.items()}
    before: dict[tuple[str, ...], str] = {_shape(model, code): "the solution of the course"}
    said: dict[str, str] = {_words(model[name]): "the solution of the course" for name in words}
    told: dict[str, list[str]] = {}
    for student, entry in students.items():
        found: list[str] = []
        for text in entry["code"]:
            found += [f"imports {name}" for name in sorted(_taken(text) - given)]
            found += _reaches(text)
        shape = _shape(entry["cells"], code)
        if any(shape):
            other = before.setdefault(shape, student)
            if other != student:
                found.append(f"all code equals that of {other}, up to names and comments")
        for name in words:
            answer = _words(entry["cells"].get(name, ""))
            other = said.setdefault(answer, student) if len(answer) > LONG else student
            if other != student:
                found.append(f"{name} equals that of {other}")
        told[student] = list(dict.fromkeys(found))
    return told


def _unmarked(text: str) -> str:
    """Return a solution without nbgrader's markers and the advice on marking."""
    text = re.sub(r"^[ \t]*### (BEGIN|END) .*\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\(Marking:.*\)", "", text, flags=re.DOTALL)


def _tree(text: str) -> ast.AST:
    """Return a cell's syntax tree; an empty one if it is no Python."""
    try:
        return ast.parse(plain(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _taken(text: str) -> set[str]:
    """Return what a cell imports of the package and of the checks."""
    found = set()
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.partition(".")[0] in ROOTS}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ROOTS:
            found |= {f"{node.module}.{each.name}" for each in node.names}
    return found


def _reaches(text: str) -> Iterator[str]:
    """Give what in a cell reaches where no answer needs to."""
    for node in ast.walk(_tree(text)):
        name = ""
        if isinstance(node, ast.Attribute):
            name = node.attr
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            if base == "check" and (name.startswith("_") or isinstance(node.ctx, ast.Store)):
                yield f"reaches into labchecks (check.{name})"
        elif isinstance(node, ast.Name):
            name = node.id
            if name == "check" and isinstance(node.ctx, ast.Store):
                yield "reaches into labchecks (check is assigned)"
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == "check":
            yield "reaches into labchecks (check is defined)"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", "") or ""
            name = next((n for n in (module, *(a.name for a in node.names)) if n in FRAMES | HIDDEN), "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"labchecks(\.\w+)*", node.value):
                yield "reaches into labchecks (by its name in a string)"
            name = node.value if node.value in FRAMES | HIDDEN else ""
        if name in FRAMES:
            yield f"reaches into the caller's frame ({name})"
        elif name in HIDDEN:
            yield f"reaches around what is handed to it ({name})"


def _shape(cells: Mapping[str, str], names: list[str]) -> tuple[str, ...]:
    """Return the syntax of answers, their own names and documentation left out; () if one is missing or unwritten."""
    shapes = []
    for name in names:
        text = cells.get(name, "")
        if not text.strip() or "raise NotImplementedError" in text:
            return ()
        tree = _tree(_unmarked(text))
        known: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = known.setdefault(node.id, f"v{len(known)}")
            elif isinstance(node, ast.arg):
                node.arg, node.annotation = known.setdefault(node.arg, f"v{len(known)}"), None
            elif isinstance(node, ast.FunctionDef):
                documented = ast.get_docstring(node) is not None
                node.body = node.body[documented:]
        shapes.append(ast.dump(tree))
    return tuple(shapes)


def _words(text: str) -> str:
    """Return an answer without what an editor changes: case, spaces, marks."""
    return " ".join(re.findall(r"\w+", _unmarked(text).lower()))
