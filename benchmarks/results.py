"""What a command leaves: NAME.csv for programs, NAME.md for readers, and what machine it was measured on."""

import csv
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from refdope.analysis import markdown
from refdope.files import whole, write_csv

PACKAGES = ("numpy", "scipy", "torch", "onnxruntime", "autograd", "numpy-ml", "pyfastkron", "cvxpy")
MACHINE = ("cpu", "cores", "system", "python", *PACKAGES)  # the columns of a row that say where it was measured
Rows = Sequence[Mapping[str, Any]]


def publish(
    out: Path, name: str, rows: Rows, *above: Rows, figure: Callable[[Rows, IO[bytes]], None] | None = None
) -> None:
    """Write rows as CSV into a folder, and as Markdown under the tables `above`; draw them; print the tables.

    Rows that say what machine they are of (`machine`) may be of several: Markdown lists these on top, by number.
    """
    machines, shown = by_machine(rows)
    tables = "\n\n".join(markdown(table) for table in (*above, shown) if table)
    if figure is not None:  # first: if it cannot be drawn, the three files stay as they are
        with whole(out / f"{name}.png") as file:
            figure(rows, file)
    write_csv(out / f"{name}.csv", rows)
    with whole(out / f"{name}.md") as file:
        file.write(f"{markdown(machines)}\n\n{tables}\n".encode())
    print(tables)


def by_machine(rows: Rows) -> tuple[Rows, Rows]:
    """Return the machines that rows are of, this one where they do not say, and the rows without that.

    Of several machines each has a number, which stands in its rows.
    """
    keys = [{name: row[name] for name in MACHINE if row.get(name)} for row in rows]
    machines = [dict(key) for key in dict.fromkeys(tuple(key.items()) for key in keys) if key] or [machine()]
    shown = [{name: value for name, value in row.items() if name not in MACHINE} for row in rows]
    if len(machines) == 1:
        return machines, shown
    numbered = [{"machine": str(k), **about} for k, about in enumerate(machines, 1)]
    names = dict.fromkeys(name for about in numbered for name in about)
    return (
        [{name: about.get(name, "–") for name in names} for about in numbered],
        [{"machine": str(machines.index(key) + 1), **row} for key, row in zip(keys, shown, strict=True)],
    )


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def machine() -> dict[str, str]:
    """Describe where this is measured: the processor, the system, the versions of what is installed."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    about = {
        "cpu": next(named, platform.processor()),
        "cores": str(os.cpu_count()),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            about[package] = version(package)
    return about


def caches() -> dict[str, int]:
    """Return the bytes of the data caches from L2 up, by level; without Linux's word for it, a small L2 is assumed."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if int(level) > 1 and kind != "Instruction":
            found[f"L{level}"] = int(size.removesuffix("K")) * 1024
    return found or {"L2": 256 * 1024}


def told(ratio: float, asked: float, met: bool) -> str:
    """Write a ratio as a table shows it, and what was asked of it where that was missed."""
    return f"{ratio:.2f}x" if met else f"{asked:.2f}x asked, {ratio:.2f}x"
