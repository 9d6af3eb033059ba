"""`refdope selection`: results in files, and one line for what is wrong."""

import csv

import numpy as np
import pytest

from refdope.cli import main
from refdope.selection import quantile_path
from refdope.selection.estimators import SparseAdditive
from tests.selection.data import additive, binary


@pytest.fixture
def table(tmp_path):
    def write(X, y, name="data.csv"):
        names = [f"c{j}" for j in range(X.shape[1])]
        lines = [",".join([*names, "y"]), *(",".join(map(repr, map(float, row))) for row in np.column_stack([X, y]))]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return write


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_additive_model_leaves_its_path_its_choice_and_pictures(table, capsys):
    X, y = additive(100, 6)
    data = table(X, y)
    assert main(["selection", str(data), "--target", "y"]) == 0
    out = data.with_name("data_selection")
    model = SparseAdditive().fit(X, y)
    rows = read(out / "path.csv")
    assert [float(row["lambda"]) for row in rows] == model.path_.lambdas.tolist()
    assert [float(row["norm of c3"]) for row in rows] == model.path_.norms[:, 3].tolist()
    chosen = {row["column"]: float(row["norm"]) for row in read(out / "chosen.csv")}
    assert chosen["c0"] == model.norms_[0]
    for picture in ("components", "path"):
        assert (out / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert f"lambda {model.lam_:.4g}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "more", [["--model", "greedy", "--lam", "2"], ["--lam", "0.1", "--groups", "a,a,b,b"], ["--model", "classifier"]]
)
def test_the_other_models_do_too(table, tmp_path, more):
    X, y = binary(80, 4) if "classifier" in more else additive(80, 4)
    out = tmp_path / "here" / "there"
    assert main(["selection", str(table(X, y)), "--target", "y", "--out", str(out), *more]) == 0
    assert {path.name for path in out.iterdir()} >= {"path.csv", "chosen.csv", "components.png"}


def test_quantiles_leave_every_breakpoint(table, tmp_path):
    X, y = additive(60, 4)
    X = X[:, :1]
    out = tmp_path / "out"
    more = ["--model", "quantile", "--tau", "0.2", "0.7", "--out", str(out)]
    assert main(["selection", str(table(X, y)), "--target", "y", *more]) == 0
    rows = [row for row in read(out / "path.csv") if row["tau"] == "0.7"]
    path = quantile_path(X, y, [0], 0.7)
    assert [float(row["lambda"]) for row in rows] == path.lambdas.tolist()
    assert [float(row["c0"]) for row in rows] == path.coef[:, 0].tolist()
    assert {path.name for path in out.iterdir()} == {"path.csv", "path_0.2.png", "path_0.7.png", "quantiles.png"}


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ("a,b\n1,2\n", [], "has no column 'y'"),
        ("a,y\n1,2\n", [], "three rows or more"),
        ("a,y\n1,2\n1,x\n3,4\n", [], "row 2 below the names"),
        ("a,y\n1,2\n1\n3,4\n", [], "2 numbers are needed"),
        ("a,y\n1,2\n1,nan\n3,4\n", [], "y is nan"),
        ("a,y\n1,2\n1,1\n3,4\n", ["--lam", "best"], "--lam must be gcv, cp or a number"),
        ("a,y\n1,2\n1,1\n3,4\n", ["--groups", "a,b"], "--groups must name 1 labels"),
        ("a,y\n1,2\n1,1\n3,4\n", ["--groups", "a", "--model", "greedy"], "not greedy"),
        ("a,y\n1,2\n1,1\n3,4\n", ["--model", "quantile", "--tau", "2"], "tau must lie between 0 and 1"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, capsys, text, more, told):
    (tmp_path / "t.csv").write_text(text)
    assert main(["selection", str(tmp_path / "t.csv"), "--target", "y", *more]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "t_selection").exists()
