"""Execute the notebooks here, two at a time, and compare what comes out with the outputs that are committed.

A notebook that measures times (its metadata say `"measures": true`) runs at the end, alone. An assertion on times,
`assert a < b, "times"`, may fail all the same where other work runs: then the notebook is tried again, alone, up to
three times, and if that does not help, a warning says so.

    python tutorials/run.py                           all of them; exit status 1 if a cell fails or shows something else
    python tutorials/run.py tutorials/1_matrix.ipynb  only this one
    python tutorials/run.py --write                   keep the outputs of this run: they become the committed ones

Text must be the same to the character, pictures must be there. A cell with the tag `varies` (times, trained numbers:
they differ from machine to machine) must give as many outputs, of the same kinds; what its numbers must fulfil,
the notebook asserts.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 45  # what a notebook may take on two cores
TRIES = 3  # of a notebook that measures times


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in this folder, and the labs")
    parser.add_argument("--write", action="store_true", help="keep the outputs of this run")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at a time (default: 2)")
    args = parser.parse_args()
    paths = args.notebooks or [*sorted(HERE.glob("*.ipynb")), *sorted(HERE.glob("labs/source/*.ipynb"))]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        parser.error(f"there is no notebook {missing[0]}")
    # one thread a notebook, as two run side by side; NumPy reads this when a kernel loads it
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return asyncio.run(_all(paths, args.jobs, args.write))


async def _all(paths: list[Path], jobs: int, write: bool) -> int:
    alone = [path for path in paths if _measures(path)]
    others = [path for path in paths if path not in alone]
    free = asyncio.Semaphore(jobs)
    ways = dict(zip(others, await asyncio.gather(*(_one(path, free, write) for path in others))))
    for path in [*alone, *(path for path in others if ways[path] == "SPOILT")]:
        for left in reversed(range(TRIES)):
            ways[path] = await _one(path, free, write)
            if ways[path] != "SPOILT":
                break
            print(f"      {path.name}: {'tried again, alone' if left else 'given up'}", flush=True)
        if ways[path] == "SPOILT":
            print(f"WARN  {path.name}: its times are spoilt, as by other work on this machine", file=sys.stderr)
    # where outputs were to be kept, and are not, whoever asked for them must learn it
    return int(any(way == "WRONG" or (write and way == "SPOILT") for way in ways.values()))


def _measures(path: Path) -> bool:
    """Say whether what a notebook shows are times, so that it must run alone."""
    return json.loads(path.read_text(encoding="utf-8"))["metadata"].get("measures", False)


async def _one(path: Path, free: asyncio.Semaphore, write: bool) -> str:
    """Execute a notebook and say how it went; return ok, WRONG, or SPOILT where an assertion on times failed."""
    import nbformat  # here, so that the comparison can be tested where Jupyter is not installed
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    committed, fresh = nbformat.read(path, as_version=4), nbformat.read(path, as_version=4)
    async with free:
        start = time.perf_counter()
        client = NotebookClient(
            fresh,
            timeout=300,
            kernel_name="python3",
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": path.parent}},
        )
        try:
            await client.async_execute()
        except CellExecutionError as error:
            if _by_times(fresh):
                print(f"      {path.name}: an assertion on times failed: {_failed(fresh)}", flush=True)
                return "SPOILT"
            print(f"WRONG {path.name}\n{error}", file=sys.stderr, flush=True)
            return "WRONG"
        took = time.perf_counter() - start
    _clean(fresh)
    found = _complaints(fresh) + ([] if write else _differences(committed, fresh))
    if write and not found:
        nbformat.write(fresh, path)
    late = f", more than {SECONDS}" if took > SECONDS else ""
    way = "WRONG" if found else "ok"
    print(f"{way:5} {path.name}, {took:.0f} s{late}", *found, sep="\n      ", flush=True)
    return way


def _failure(notebook: Any) -> tuple[Any, Any] | None:
    """Return the cell that stopped a notebook, and its error."""
    outputs = ((cell, output) for cell in notebook["cells"] for output in cell.get("outputs", []))
    return next(((cell, output) for cell, output in outputs if output["output_type"] == "error"), None)


def _by_times(notebook: Any) -> bool:
    """Say whether a notebook was stopped by an assertion on times: `assert a < b, "times"`."""
    failure = _failure(notebook)
    return failure is not None and (failure[1]["ename"], failure[1]["evalue"]) == ("AssertionError", "times")


def _failed(notebook: Any) -> str:
    """Return the line of the assertion that failed."""
    cell, error = _failure(notebook) or ({"source": ""}, {"traceback": []})
    told = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    marked = re.findall(r"^-+> *\d+ (.*)$", told, re.MULTILINE)
    return marked[-1].strip() if marked else "".join(cell["source"]).strip().splitlines()[-1]


def _clean(notebook: Any) -> None:
    """Drop what is different in every run and shows nothing: times, identities of widgets."""
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["language_info"] = {"name": "python"}
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def _complaints(notebook: Any) -> list[str]:
    """Say what no notebook may show: warnings, progress bars, anything on the error stream."""
    return [
        f"cell {k} writes to the error stream: {output['text'].strip().splitlines()[-1]}"
        for k, cell in enumerate(notebook["cells"])
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == "stderr"
    ]


def _differences(committed: Any, fresh: Any) -> list[str]:
    """Say which cells give something else than what is committed."""
    found = []
    for k, (before, after) in enumerate(zip(committed["cells"], fresh["cells"], strict=True)):
        if after["cell_type"] == "code":
            exactly = "varies" not in after["metadata"].get("tags", [])
            one, other = ([_told(output, exactly) for output in cell["outputs"]] for cell in (before, after))
            if one != other:
                found.append(f"cell {k} shows {other}\n      and not, as committed, {one}")
    return found


def _told(output: Any, exactly: bool) -> Any:
    """Return what is compared of an output: its kinds, and its text, if it is to be the same."""
    if output["output_type"] == "stream":
        return "stream", output["text"] if exactly else ""
    data = output.get("data", {})
    text = {kind: value for kind, value in data.items() if kind.startswith("text/") and "image/png" not in data}
    return output["output_type"], sorted(data), text if exactly else {}


if __name__ == "__main__":
    sys.exit(main())
