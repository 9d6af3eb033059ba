"""Execute the notebooks here, two at a time, and compare what comes out with the outputs that are committed.

    python tutorials/run.py                           all of them; exit status 1 if a cell fails or shows something else
    python tutorials/run.py tutorials/1_matrix.ipynb  only this one
    python tutorials/run.py --write                   keep the outputs of this run: they become the committed ones

Text must be the same to the character, pictures must be there. A cell with the tag `varies` (times, trained numbers:
they differ from machine to machine) must give as many outputs, of the same kinds; what its numbers must fulfil,
the notebook asserts.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 45  # what a notebook may take on two cores


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
    free = asyncio.Semaphore(jobs)
    wrong = await asyncio.gather(*(_one(path, free, write) for path in paths))
    return int(any(wrong))


async def _one(path: Path, free: asyncio.Semaphore, write: bool) -> bool:
    """Execute a notebook and say how it went; return whether something is wrong."""
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
            print(f"WRONG {path.name}\n{error}", file=sys.stderr, flush=True)
            return True
        took = time.perf_counter() - start
    _clean(fresh)
    found = _complaints(fresh) + ([] if write else _differences(committed, fresh))
    if write and not found:
        nbformat.write(fresh, path)
    late = f", more than {SECONDS}" if took > SECONDS else ""
    print(f"{'WRONG' if found else 'ok   '} {path.name}, {took:.0f} s{late}", *found, sep="\n      ", flush=True)
    return bool(found)


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
