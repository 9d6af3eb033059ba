"""The command that repeats the papers' experiments."""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from refdope.selection import spline_path

SCRIPT = Path(__file__).parents[2] / "experiments" / "selection.py"


@pytest.fixture
def experiment(monkeypatch):
    spec = importlib.util.spec_from_file_location("selection_experiment", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["selection.py", *map(str, arguments)])
        return module.main()

    module.run = run
    return module


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_recovery_counts_what_is_kept(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "SIZES", (60,))
    monkeypatch.setattr(experiment, "COVARIATES", (6,))
    monkeypatch.setattr(experiment, "NOISES", (0.2,))
    monkeypatch.setattr(experiment, "smoother_path", lambda X, y, **_: spline_path(X[:, :6], y, df=2))
    assert experiment.run("recovery", "--seeds", 2, "--out", tmp_path) == 0
    rows = read(tmp_path / "selection.csv")
    assert [(row["smoother"], row["seed"]) for row in rows] == [(s, k) for s in ("spline", "kernel") for k in "01"]
    X, y = experiment.synthetic(60, 6, 0.2, np.random.default_rng(1))
    path = spline_path(X, y, df=3, n_lambdas=40, ratio=0.03, tol=1e-7)
    exact = [set(np.flatnonzero(norms)) == {0, 1, 2, 3} for norms in path.norms]
    assert int(rows[1]["exact_on_path"]) == any(exact)


def test_published_files_are_read_from_a_folder(experiment, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "engel"
    folder.mkdir()
    income = rng.uniform(1, 2, 30)
    food = 3 + 0.5 * income + 0.01 * rng.normal(size=30)
    np.savetxt(folder / "engel.csv", np.stack([income, food], 1), delimiter=",", header="income,foodexp", comments="")
    assert experiment.run("quantiles", "--seeds", 1, "--data", tmp_path, "--out", tmp_path) == 0
    rows = read(tmp_path / "selection_quantiles.csv")
    assert [float(row["slope"]) for row in rows] == pytest.approx([0.5] * 5, abs=0.05)
    assert {row["first_is_income"] for row in rows} == {"1"}
    assert max(float(row["worst_lambda"]) for row in rows) < 1e-6


def test_data_that_are_not_there_are_told_in_a_line(experiment, tmp_path, capsys):
    assert experiment.run("quantiles", "--out", tmp_path) == 2
    assert experiment.run("spam", "--data", tmp_path, "--out", tmp_path) == 2
    told = capsys.readouterr().err
    assert "quantiles needs --data FOLDER" in told
    assert "spambase.data" in told
    assert list(tmp_path.iterdir()) == []
