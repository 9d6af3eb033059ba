"""The scripts that draw the experiments: what they make of the data is what is committed."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FIGURES = Path(__file__).parents[1] / "figures"
DRAWN = [*sorted(script.stem for script in FIGURES.glob("*.py") if script.with_suffix(".csv").exists()), "ptb_cmr"]


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
    assert stopped.value.code == 0
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("nothing: skipped")
    assert "`refdope experiment nothing` writes it" in told


def test_a_mean_is_clear_beyond_two_and_a_half_of_its_deviations(results):
    module, _ = results
    assert module.clear([1.0, 1.4, 1.8])  # 1.4 ± 0.4
    assert not module.clear([0.55, 0.95, 1.35])  # 0.95 ± 0.4
    assert module.clear([-1.0, -1.4, -1.8])
    assert not module.clear([1.0, 1.0001])  # of two seeds nothing is
    assert module.difference({0: 2.0, 1: 2.4, 2: 2.8}, dict.fromkeys(range(3), 1.0)).startswith("**+1.400 ± 0.400**")


def test_a_setting_at_an_end_of_what_was_tried_is_named(results, tmp_path):
    module, _ = results
    rows = [
        {"variant": v, "trial": trial, "lr": lr, "ramp_end": 0.5, "seed": 0, "test_in_unit": 1}
        for v, tried, chosen in (("low", (1.0, 2.0, 10.0), 1.0), ("in", (1.0, 2.0, 10.0), 2.0), ("none", (), 3.0))
        for trial, lr in [*((True, lr) for lr in tried), (False, chosen)]
    ]
    with (tmp_path / "two.csv").open("w", newline="") as file:
        lines = csv.DictWriter(file, rows[0])
        lines.writeheader()
        lines.writerows(rows)
    two = module.Results("two")
    assert two.edges("low") == {"lr": "lowest"}
    assert two.edges("in") == two.edges("none") == two.edges("nothing") == {}


@pytest.mark.parametrize("name", ["ptb", "cma", "cmr", "compression", "shapes", "novel"])
def test_what_is_not_there_yet_or_only_begun_is_no_failure(name, tmp_path):
    run = [sys.executable, FIGURES / f"{name}.py", tmp_path]
    done = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    of = FIGURES / f"{name}.csv" if (FIGURES / f"{name}.csv").exists() else FIGURES / "ptb.csv"
    with of.open(newline="") as file:
        lines = csv.DictReader(file)
        rows = [row for row in lines if row["trial"] == "False"][:2]
    for data, kept in ((of, len(rows)), (of.with_name(f"{of.stem}_courses.csv"), 0)):
        with data.open(newline="") as file:
            lines = csv.DictReader(file)
            first = rows if kept else [row for row in lines if row["variant"] == rows[0]["variant"]]
        with (tmp_path / f"{name}{'' if kept else '_courses'}.csv").open("w", newline="") as file:
            some = csv.DictWriter(file, first[0])
            some.writeheader()
            some.writerows(first)
    done = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
