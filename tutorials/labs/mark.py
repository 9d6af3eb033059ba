"""Mark notebooks without nbgrader: points by checks, a sheet for each lab, and a page for each written question.

    python tutorials/labs/mark.py submitted/                      every notebook in the folder, and in folders in it
    python tutorials/labs/mark.py ann/b_bptt.ipynb "Lab B (1).ipynb" --out marks
    python tutorials/labs/mark.py --out marks                     execute nothing; add written points that were entered

A lab is known by its cells, whatever the name of the file. The checks are those of the source, hidden ones included.
Every cell and every check is limited in time and memory, and costs no more than its own points. In the folder --out:

    LAB.csv           one row a student: points by check, written points, total, and flags; it grows as marking goes on
    LAB.checks.csv    one row a student and check, with what the check said
    QUESTION.html     all answers to one question side by side; enter points, and save them into the same folder
    points*.csv       points of written answers: student, question, points; yours, read and never written
    not_marked.csv    what could not be marked, and why; not the same as 0 points

A flag is something to look at, not a verdict. This runs other people's code: do it where that can do no harm.
"""

import argparse
import csv
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from execute import HERE, Limits, Mark, Notebook, checks_of, mark, marked, named, read, text_of, told_of
from flags import flags
from pages import page

__all__ = ["Mark", "checks_of", "main", "mark"]

LARGEST = 50_000_000  # bytes of a notebook
NOISE = r"\(\d+\)|_?assignsubmission_file_?|\b(copy|kopie|final|submission)\b|-\d+$"  # of browsers and platforms
ADVICE = "ask for the file as Jupyter saves it"


class NotMarkedError(ValueError):
    """Why a notebook cannot be marked, in a line."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit status 1 if something could not be marked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks, or folders of them")
    parser.add_argument("--out", type=Path, default=Path("marks"), help="folder of the results (default: marks)")
    parser.add_argument("--seconds", type=float, default=30, help="what a cell or a check may take (default: 30)")
    parser.add_argument("--megabytes", type=int, default=1000, help="memory that it may take (default: 1000)")
    args = parser.parse_args(arguments)
    for name in ("seconds", "megabytes"):
        if not getattr(args, name) > 0:
            parser.error(f"argument --{name}: it is {getattr(args, name)}, should be above 0")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"argument --out: {args.out} is a file, should be a folder")
    if missing := [str(path) for path in args.notebooks if not path.exists()]:
        parser.error(f"there is no {missing[0]}")
    sources = {path.stem: read(path) for path in sorted((HERE / "source").glob("*.ipynb"))}
    book = Book(args.out, sources)
    if not args.notebooks:
        if not book.load():
            parser.error(f"no notebook is named, and there are no marks in {args.out}")
        book.write()
        return 0
    paths = list(_notebooks(args.notebooks))
    if not paths:
        parser.error("there is no notebook (.ipynb) in what was named")
    args.out.mkdir(parents=True, exist_ok=True)
    for k, path in enumerate(paths, 1):
        head = f"[{k}/{len(paths)}] {path}"
        try:
            notebook = loaded(path)
            lab = lab_of(notebook, sources)
            marks = marked(notebook, sources[lab], Limits(args.seconds, args.megabytes))
            told = book.add(path, lab, notebook, marks)
            print(f"{head}: {told}", flush=True)
        except KeyboardInterrupt:
            print(f"{head}: stopped; what was marked before it is in {args.out}", file=sys.stderr)
            return 130
        except Exception as error:  # nothing stops a batch
            why = str(error) if isinstance(error, NotMarkedError) else f"{type(error).__name__}: {error}"
            book.failed.append({"notebook": str(path), "why": why})
            print(f"{head}: could not be marked: {why}", flush=True)
        book.write()
    print(f"{len(paths) - len(book.failed)} marked, {len(book.failed)} could not be marked; see {args.out}")
    return int(bool(book.failed))


def _notebooks(named: Iterable[Path]) -> Iterable[Path]:
    """Give the notebooks that are named, and those in folders that are, once each."""
    seen = set()
    for path in named:
        inside = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        for each in inside:
            hidden = ".ipynb_checkpoints" in each.parts or each.name.startswith("._")
            if not hidden and each.is_file() and each.resolve() not in seen:
                seen.add(each.resolve())
                yield each


def loaded(path: Path) -> Notebook:
    """Return a notebook from a file that may be anything; raise `NotMarkedError` if it is none that can be marked."""
    if path.stat().st_size > LARGEST:
        raise NotMarkedError(f"it has {path.stat().st_size / 1e6:.0f} MB; {ADVICE}, with its outputs cleared")
    if not (data := path.read_bytes().strip()):
        raise NotMarkedError(f"the file is empty; {ADVICE}")
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotMarkedError(f"it is not UTF-8 text; {ADVICE}") from None
    except json.JSONDecodeError as error:
        raise NotMarkedError(f"it is broken JSON in line {error.lineno}: {error.msg}; {ADVICE}") from None
    except RecursionError:
        raise NotMarkedError(f"it is nested too deeply for a notebook; {ADVICE}") from None
    if isinstance(notebook, dict) and ("worksheets" in notebook or notebook.get("nbformat", 4) < 4):
        raise NotMarkedError("it has an old format, nbformat 3 or older; open it in Jupyter, save it, and mark that")
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise NotMarkedError(f"it has no cells: not a notebook; {ADVICE}")
    for k, cell in enumerate(notebook["cells"]):
        source = cell.get("source") if isinstance(cell, dict) else None
        lines = isinstance(source, list) and all(isinstance(line, str) for line in source)
        if not (isinstance(source, str) or lines) or not isinstance(cell.get("metadata", {}), dict):
            raise NotMarkedError(f"its cell {k} has no text; {ADVICE}")
    return notebook


def lab_of(notebook: Notebook, sources: dict[str, Notebook]) -> str:
    """Return the lab whose cells a notebook has."""
    names = {named(cell) for cell in notebook["cells"]}
    ours = {lab: names & {told_of(cell).get("grade_id") for cell in source["cells"]} for lab, source in sources.items()}
    lab = max(ours, key=lambda lab: len(ours[lab] - {None}))
    if ours[lab] - {None}:
        return lab
    text = "\n".join(map(text_of, notebook["cells"]))
    known = any(f"from labchecks import {lab} as check" in text for lab in sources)
    if known:
        raise NotMarkedError(
            "it has lost its metadata: an editor or a converter has dropped the names of its cells. "
            "Ask for the original file, or copy the answers into a fresh notebook"
        )
    raise NotMarkedError(f"it has no cell of a lab ({', '.join(sources)}): another notebook?")


class Book:
    """What is known of all submissions, and the files that show it."""

    def __init__(self, folder: Path, sources: dict[str, Notebook]) -> None:
        self.folder, self.sources = folder, sources
        self.entries: dict[str, dict[str, dict[str, Any]]] = {}  # lab, student: what was found
        self.failed: list[dict[str, str]] = []

    def load(self) -> bool:
        """Take up what an earlier call has found; return whether there is any."""
        path = self.folder / "marks.json"
        if path.is_file():
            self.entries = json.loads(path.read_text(encoding="utf-8"))
            failed = self.folder / "not_marked.csv"
            if failed.is_file():
                self.failed = list(_rows(failed))
        return bool(self.entries)

    def add(self, path: Path, lab: str, notebook: Notebook, marks: dict[str, Mark]) -> str:
        """Note a submission; return in words what it got."""
        students = self.entries.setdefault(lab, {})
        name = first = student_of(path, self.sources)
        k = 1
        while name in students:
            k += 1
            name = f"{first} ({k})"
        students[name] = {
            "notebook": str(path),
            "marks": {check: list(got) for check, got in marks.items()},
            "cells": {named(cell): text_of(cell) for cell in notebook["cells"] if named(cell)},
            "code": [text_of(cell) for cell in notebook["cells"] if cell.get("cell_type") == "code"],
        }
        got, of = sum(each.points for each in marks.values()), sum(each.of for each in marks.values())
        lines = [f"{got:g} of {of:g} points by checks"]
        for check, each in marks.items():
            if each.told:
                lines += [f"  {check}: {each.points:g} of {each.of:g}", *(f"      {s}" for s in each.told.splitlines())]
        return "\n".join(lines)

    def write(self) -> None:
        """Write every file, whole: what was there is replaced at once or not at all."""
        given = self.points()
        _replace(self.folder / "marks.json", json.dumps(self.entries, ensure_ascii=False))
        for lab, students in self.entries.items():
            source = self.sources[lab]
            questions = questions_of(source)
            flagged = flags(students, source)
            sheet, checks = [], []
            for student, entry in students.items():
                marks = {check: Mark(*got) for check, got in entry["marks"].items()}
                written = {question: given.get((student, question)) for question in questions}
                entered = [points for points in written.values() if points is not None]
                code = sum(each.points for each in marks.values())
                row: dict[str, Any] = {"student": student, "code": code}
                row |= {"written": sum(entered) if len(entered) == len(written) else ""}
                row |= {"total": code + sum(entered) if len(entered) == len(written) else ""}
                row |= {"of": sum(each.of for each in marks.values()) + sum(of for _, of in questions.values())}
                row |= {check: each.points for check, each in marks.items()}
                row |= {question: "" if points is None else points for question, points in written.items()}
                sheet.append(row | {"flags": "; ".join(flagged[student]), "notebook": entry["notebook"]})
                checks += [{"student": student, "check": check} | each._asdict() for check, each in marks.items()]
            _table(self.folder / f"{lab}.csv", sheet)
            _table(self.folder / f"{lab}.checks.csv", checks)
            for question, (text, of) in questions.items():
                answers = {student: entry["cells"].get(question, "") for student, entry in students.items()}
                entered = {student: given.get((student, question)) for student in students}
                _replace(self.folder / f"{question}.html", page(question, text, of, answers, entered))
        if self.failed:
            _table(self.folder / "not_marked.csv", self.failed)
        else:
            (self.folder / "not_marked.csv").unlink(missing_ok=True)

    def points(self) -> dict[tuple[str, str], float]:
        """Return the points of written answers by student and question; the file that was written last has it."""
        most = {name: of for source in self.sources.values() for name, (_, of) in questions_of(source).items()}
        given = {}
        for path in sorted(self.folder.glob("points*.csv"), key=lambda path: path.stat().st_mtime):
            for k, row in enumerate(_rows(path), 2):
                question, text = row.get("question") or "", (row.get("points") or "").strip().replace(",", ".")
                if not text:
                    continue
                try:
                    points = float(text)
                    if not 0 <= points <= most[question]:
                        raise ValueError
                except (KeyError, ValueError):
                    known = f"should be from 0 to {most[question]:g}" if question in most else "no such question"
                    print(f"{path}, line {k}: {text!r} for {question!r}: {known}; left out", file=sys.stderr)
                else:
                    given[row.get("student") or "", question] = points
        return given


def questions_of(source: Notebook) -> dict[str, tuple[str, float]]:
    """Return the text and the points of every question that is answered in words."""
    cells = source["cells"]
    return {
        told_of(cell)["grade_id"]: (text_of(before), told_of(cell)["points"])
        for before, cell in pairwise(cells)
        if told_of(cell).get("grade") and not told_of(cell)["locked"]
    }


def student_of(path: Path, labs: Iterable[str]) -> str:
    """Return whose notebook it is: what the file's name has beside the lab's, or else the folder's."""
    letters = "".join(sorted({lab[0] for lab in labs}))
    names = "|".join([*map(re.escape, labs), rf"lab[\s_-]*[{letters}](?![a-z])"])
    for part in (path.stem, *(folder.name for folder in path.absolute().parents)):
        rest = re.sub(names, " ", part, flags=re.IGNORECASE)
        rest = re.sub(NOISE, " ", rest, flags=re.IGNORECASE)
        if rest := re.sub(r"^[\s_.-]+|[\s_.-]+$", "", rest):
            return rest
    return str(path)


def _rows(path: Path) -> Iterable[dict[str, str]]:
    """Give the rows of a table, also of one that a spreadsheet has saved with semicolons."""
    text = path.read_text(encoding="utf-8-sig")
    separator = ";" if ";" in text.partition("\n")[0] else ","
    yield from csv.DictReader(text.splitlines(), delimiter=separator)


def _table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a table; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    new = path.with_name(f".{path.name}")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            safe = {
                key: f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
                for key, value in row.items()
            }
            writer.writerow(safe)
    os.replace(new, path)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}")
    new.write_text(text, encoding="utf-8", errors="backslashreplace")
    os.replace(new, path)


if __name__ == "__main__":
    sys.exit(main())
