"""What is compared of the notebooks' outputs. `make tutorials` executes them."""

import importlib.util
import json
from copy import deepcopy
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[1] / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def run():
    spec = importlib.util.spec_from_file_location("run", TUTORIALS / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(text="1.0\n", tags=(), more=()):
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "abc", "text/plain": "<Figure>"}}
    outputs = [{"output_type": "stream", "name": "stdout", "text": text}, picture, *more]
    code = {"cell_type": "code", "source": "1", "metadata": {"tags": list(tags)}, "outputs": outputs}
    return {"metadata": {}, "cells": [{"cell_type": "markdown", "source": "#", "metadata": {}}, code]}


def test_text_must_be_the_same_and_pictures_must_be_there(run):
    assert run._differences(notebook(), notebook()) == []
    (found,) = run._differences(notebook(), notebook("1.1\n"))
    assert "cell 1" in found
    assert "1.1" in found
    assert "1.0" in found
    other = notebook()
    other["cells"][1]["outputs"][1]["data"]["image/png"] = "another picture"
    assert run._differences(notebook(), other) == []
    del other["cells"][1]["outputs"][1]
    assert len(run._differences(notebook(), other)) == 1


def test_a_cell_that_varies_must_show_as_many_outputs_of_the_same_kinds(run):
    assert run._differences(notebook(tags=["varies"]), notebook("1.1\n", tags=["varies"])) == []
    fewer = notebook(tags=["varies"])
    del fewer["cells"][1]["outputs"][0]
    assert len(run._differences(notebook(tags=["varies"]), fewer)) == 1


def test_nothing_may_be_written_to_the_error_stream(run):
    warned = notebook(more=[{"output_type": "stream", "name": "stderr", "text": "a\nWarning: b\n"}])
    assert run._complaints(warned) == ["cell 1 writes to the error stream: Warning: b"]
    assert run._complaints(notebook()) == []


def test_what_is_different_in_every_run_is_not_kept(run):
    widget = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "interactive()"}}
    seen = notebook(more=[deepcopy(widget)])
    seen["cells"][1]["outputs"][2]["data"]["application/vnd.jupyter.widget-view+json"] = {"model_id": "5"}
    seen["cells"][1]["metadata"]["execution"] = {"started": "now"}
    run._clean(seen)
    assert seen["cells"][1]["outputs"][2] == widget
    assert "execution" not in seen["cells"][1]["metadata"]


def failed(line, value="times", kind="AssertionError"):
    error = {"output_type": "error", "ename": kind, "evalue": value, "traceback": [f"\x1b[31m----> 2\x1b[0m {line}"]}
    return notebook(more=[error])


def test_only_an_assertion_on_times_is_tried_again(run):
    assert run._by_times(failed('assert a < b, "times"'))
    assert run._failed(failed('assert a < b, "times"')) == 'assert a < b, "times"'
    assert not run._by_times(failed("assert a < b", ""))
    assert not run._by_times(failed("1 / 0", "times", "ZeroDivisionError"))
    assert not run._by_times(notebook())


def test_what_measures_runs_alone_at_the_end_and_is_given_up_with_a_warning(run, monkeypatch, capsys):
    order, ways = [], {"7_cost": ["SPOILT", "ok"], "8_beyond_kronecker": ["SPOILT"] * 4}

    async def one(path, free, write):
        order.append(path.stem)
        return ways.get(path.stem, ["ok"]).pop(0)

    monkeypatch.setattr(run, "_one", one)
    assert run.asyncio.run(run._all(NOTEBOOKS, 2, write=False)) == 0
    assert order[-5:] == ["7_cost"] * 2 + ["8_beyond_kronecker"] * 3
    assert "7_cost" not in order[:-5]
    assert "8_beyond_kronecker.ipynb: its times are spoilt" in capsys.readouterr().err
    ways["7_cost"] = ["SPOILT"] * 3
    assert run.asyncio.run(run._all([NOTEBOOKS[6]], 2, write=True)) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_as_executed(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code), "a cell was not executed"
    assert not any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
    assert path.name in (TUTORIALS / "README.md").read_text()
    text = "".join("".join(cell["source"]) for cell in cells)
    for part in ("**You will**", "**You will learn**", "**You need**", "**It takes**", "**Predict", "## What was shown",
                 "## Exercises", "<details><summary>Solution</summary>", "**Papers.**"):  # fmt: skip
        assert part in text, f"no {part}"
    assert path.stat().st_size < 500_000
