import csv
import io
import shutil

import pytest

from refdope.cli import main

TEXT = "the quick brown fox jumps over the lazy dog.\n" * 80
SMALL = ["--hidden", "12", "--factor", "3", "--steps", "20", "--evaluations", "4", "--unroll", "5", "--batch", "4",
         "--probe", "100"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "text.txt").write_text(TEXT)
    for name, more in (("doped", ["--cmr", "0.1"]), ("dense", ["--structure", "dense", "--no-overlay"])):
        assert main(["train", str(folder / name), "--data", str(folder / "text.txt"), *SMALL, *more]) == 0
    shutil.copytree(folder / "doped", folder / "under way")
    (folder / "under way" / "result.json").unlink()
    return [folder / name for name in ("doped", "dense", "under way")]


def test_what_a_run_is_made_of_is_told(runs, tmp_path, capsys):
    control = ["--structure", "none", "--cmr", "0.1", "--l2-overlay", "1e-4", "--joint", "--dropout", "0.2"]
    text = str(runs[0].parent / "text.txt")
    assert main(["train", str(tmp_path / "run"), "--data", text, *SMALL, *control]) == 0
    assert main(["report", str(tmp_path / "run"), "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["model"] == "pruned CMR 0.1 both L2 0.0001 on [x; h] dropout 0.2, 1 x 12"
    (tmp_path / "run" / "metrics.csv").unlink()
    (tmp_path / "run" / "result.json").unlink()
    assert main(["report", str(tmp_path / "run"), "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["updates"] == "0 so far"


def test_any_number_of_runs_is_laid_side_by_side(runs, capsys):
    assert main(["report", *map(str, runs), "--format", "csv"]) == 0
    doped, dense, under_way = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert doped["model"] == "kronecker doped CMR 0.1 both, 1 x 12"
    assert dense["model"] == "dense, 1 x 12"
    assert (dense["LSTM params"], doped["LSTM params"]) == ("1152", "384")
    assert (dense["LSTM factor"], doped["LSTM factor"]) == ("1.00", "3.00")
    assert float(doped["LSTM kB"]) > float(doped["without indices"]) == pytest.approx(384 * 4 / 1000, abs=0.05)
    assert (under_way["updates"], under_way["test"]) == ("20 so far", "-")
    assert float(doped["valid"]) > 0
    assert main(["report", *map(str, runs)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["report", str(runs[0])]) == 0
    printed = capsys.readouterr().out
    assert "LSTM factor      3.00" in printed
    assert "| layers.0.Wh | 48 x 12 |" in printed
    assert main(["report", str(runs[0]), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("| run")


def test_the_figure_is_drawn_and_replaced_whole(runs, tmp_path, capsys, monkeypatch):
    picture = tmp_path / "runs.png"
    picture.write_text("earlier")
    assert main(["report", *map(str, runs), "--figure", str(picture)]) == 0
    drawn = picture.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert main(["report", str(tmp_path / "nowhere"), "--figure", str(picture)]) == 2
    assert "there is no run in" in capsys.readouterr().err

    def half(_, file, **__):
        file.write(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", half)
    assert main(["report", *map(str, runs), "--figure", str(picture)]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert picture.read_bytes() == drawn


@pytest.mark.parametrize(
    ("name", "content"),
    [("metrics.csv", "step,valid\n1,x\n"), ("metrics.csv", "a,b\n1,2\n"), ("result.json", "{"), ("result.json", "[]")],
)
def test_damaged_files_are_told(runs, tmp_path, capsys, name, content):
    shutil.copytree(runs[0], tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    assert main(["report", str(tmp_path / "run")]) == 2
    assert f"{name} cannot be read" in capsys.readouterr().err


def test_a_part_that_an_update_moves_far_is_told(runs, tmp_path, capsys):
    shutil.copytree(runs[0], tmp_path / "run")
    path = tmp_path / "run" / "metrics.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))

    def told(structure, overlay):
        for k, row in enumerate(rows):
            far = {"structure_moves": structure, "overlay_moves": overlay}
            row |= far if k else {"structure_moves": "nan", "overlay_moves": "nan"}
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        assert main(["report", str(tmp_path / "run")]) == 0
        return capsys.readouterr().err

    assert told(0.02, 0.02) == ""
    assert told(0.08, 0.02) == (
        f"refdope: {tmp_path / 'run'}: an update moves the structure by 8.0% of the norm of W: "
        "take --structure-steps scaled, or a lower --lr-structure\n"
    )
    assert "moves the overlay by 31.0% of the norm of W: take a lower --lr\n" in told(0.02, 0.31)
