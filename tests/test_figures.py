"""The scripts that draw the experiments: what they make of the data is what is committed."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FIGURES = Path(__file__).parents[1] / "figures"
DRAWN = sorted(script.stem for script in FIGURES.glob("*.py") if script.with_suffix(".csv").exists())


@pytest.mark.parametrize("name", DRAWN)
def test_tables_and_pictures_are_those_of_the_data(name, tmp_path):
    for data in FIGURES.iterdir():
        if data.suffix in {".csv", ".json", ".npz"}:
            shutil.copy(data, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    subprocess.run([sys.executable, FIGURES / f"{name}.py", tmp_path], check=True, timeout=100)
    for kept, content in before.items():
        assert (tmp_path / kept).read_bytes() == content
    made = {path.name for path in tmp_path.iterdir()} - before.keys()
    assert f"{name}.png" in made
    for page in made:
        assert (FIGURES / page).exists(), f"make figures makes {page}, which is not committed"
        if page.endswith(".md"):
            assert (tmp_path / page).read_text() == (FIGURES / page).read_text()


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FIGURES)
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    import results

    def write(name, rows):
        with (tmp_path / name).open("w", newline="") as file:
            lines = csv.DictWriter(file, rows[0])
            lines.writeheader()
            lines.writerows(rows)

    write(
        "one.csv",
        [
            {"variant": variant, "trial": trial, "seed": seed, "test_in_unit": test}
            for variant, trial, seed, test in (
                ("a", False, 0, 2.0),
                ("a", False, 1, 2.2),
                ("b", False, 1, 2.1),
                ("b", False, 0, 2.1),
                ("a", True, 0, 9),
            )
        ],
    )
    write(
        "one_courses.csv",
        [
            {"variant": "a", "seed": seed, "step": step, "loss": loss, "share": 0.5}
            for seed in (0, 1)
            for step, loss in enumerate([3, 2, 2.5 + seed, 1.5])
        ],
    )
    return results, results.Results("one")


def test_runs_are_gathered_by_seed_without_trials(results):
    _, one = results
    assert one.test("a") == {0: 2.0, 1: 2.2}
    assert one.test("nothing of that name") == {}
    assert [row["test_in_unit"] for row in one.trials] == ["9"]
    steps, lines = one.course("a", "loss")
    assert steps.tolist() == [0, 1, 2, 3]
    assert lines.tolist() == [[3, 2, 2.5, 1.5], [3, 2, 3.5, 1.5]]
    assert one.last("a", "loss") == {0: 1.5, 1: 1.5}
    assert list(one.climb("a").values()) == pytest.approx([0.5 / np.log(2), 1.5 / np.log(2)])


def test_spreads_and_differences_are_seed_by_seed(results):
    module, one = results
    assert module.spread(one.test("a").values()) == "2.100 ± 0.141"
    assert module.spread([2.0]) == "2.000 (one seed)"
    assert module.spread([]) == "–"
    assert module.less(one.test("a"), one.test("b")) == pytest.approx([-0.1, 0.1])
    assert module.difference(one.test("b"), one.test("b")) == "+0.000 ± 0.000 (2 of 2)"
    assert module.difference({0: 1.0, 1: 1.5, 2: 3.0}, {0: 2.0, 1: 2.5, 2: 2.0}) == "-0.333 ± 1.155 (2 of 3)"


def test_data_that_are_not_there_are_told(results, capsys):
    module, _ = results
    with pytest.raises(SystemExit) as stopped:
        module.Results("nothing")
    assert stopped.value.code == 2
    assert "`refdope experiment nothing` writes it" in capsys.readouterr().err
