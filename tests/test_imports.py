"""Imports run one way: no circle of files, none of packages."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# each knows those before it
ORDER = [
    "arrays",
    "structures",
    "layers",
    "models",
    "training",
    "runs",
    "experiments",
    "cli",
]  # each knows those before
BESIDE = {"data": {"arrays"}, "analysis": {"arrays", "structures", "layers", "models", "data"}}


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in sorted((ROOT / "refdope").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of this package that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:  # `from package import module` is of the module, `from module import name` not
                deeper = f"{node.module}.{alias.name}"
                found.add(deeper if deeper in known else node.module)
    return {name for name in found if name in known}


def room(module: str) -> str:
    """The package, or the file, right under refdope."""
    return [*module.split("."), ""][1]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imports(path, known) - {name, "refdope"} for name, path in known.items()}


def test_no_files_import_each_other_in_a_circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))


def test_no_packages_import_each_other_in_a_circle(graph):
    rooms: dict[str, set[str]] = {}
    for module, others in graph.items():
        if room(module):
            rooms.setdefault(room(module), set()).update(room(other) for other in others if room(other))
    try:
        TopologicalSorter({name: others - {name} for name, others in rooms.items()}).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))


def test_a_package_knows_those_before_it_alone(graph):
    for module, others in graph.items():
        here = room(module)
        if here in ORDER:
            later = set(ORDER[ORDER.index(here) + 1 :])
            assert not {room(other) for other in others} & later, f"{module} knows {others}"
        if here in BESIDE:
            allowed = BESIDE[here] | {here, "units", "style", "files"}
            assert {room(other) for other in others} <= allowed, f"{module} knows {others}"


def test_what_an_import_is_is_read_right(tmp_path):
    file = tmp_path / "f.py"
    file.write_text("def f():\n    from a.b import c, d\n    import a.e\nfrom a import b\n")
    known = dict.fromkeys(("a", "a.b", "a.b.c", "a.e"), file)
    assert imports(file, known) == {"a.b.c", "a.b", "a.e"}
