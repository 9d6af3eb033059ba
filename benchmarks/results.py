"""What a command leaves: NAME.csv for programs, NAME.md for readers, and what machine it was measured on."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from refdope.analysis import markdown
from refdope.files import whole, write_csv

PACKAGES = ("numpy", "scipy", "torch", "onnxruntime", "autograd", "numpy-ml", "pyfastkron")
Rows = Sequence[Mapping[str, Any]]


def publish(
    out: Path, name: str, rows: Rows, *above: Rows, figure: Callable[[Rows, IO[bytes]], None] | None = None
) -> None:
    """Write rows as CSV into a folder, and as Markdown under the tables `above`; draw them; print the tables."""
    tables = "\n\n".join(markdown(table) for table in (*above, rows) if table)
    if figure is not None:  # first: if it cannot be drawn, the three files stay as they are
        with whole(out / f"{name}.png") as file:
            figure(rows, file)
    write_csv(out / f"{name}.csv", rows)
    with whole(out / f"{name}.md") as file:
        file.write(f"{markdown([machine()])}\n\n{tables}\n".encode())
    print(tables)


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
