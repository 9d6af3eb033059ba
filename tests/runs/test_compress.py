import json

import numpy as np
import pytest

from refdope import Recipe, interop
from refdope.cli import main
from refdope.layers import LSTM
from refdope.runs.compress import compress_layers
from refdope.runs.trained import read_model
from refdope.structures import HMD, LMF, Kronecker, Overlay
from refdope.structures.base import Structure
from tests.experiments.small import TEXT


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress")
    (folder / "text.txt").write_text(TEXT)
    settings = ["--structure", "dense", "--no-overlay", "--hidden", "16", "--layers", "2", "--steps", "150", "--unroll"]
    settings += ["10", "--batch", "8", "--evaluations", "2", "--probe", "100", "--lr", "0.02"]
    assert main(["train", str(folder / "dense"), "--data", str(folder / "text.txt"), *settings]) == 0
    return folder / "dense"


@pytest.mark.parametrize("structure", ["kronecker", "lmf", "hmd"])
def test_a_run_is_compressed_fine_tuned_and_is_a_run_again(structure, dense, tmp_path, capsys):
    out = tmp_path / "small"
    factor = "1.8" if structure == "hmd" else "3"
    before = (dense / "weights.npz").read_bytes()
    command = ["compress", str(dense), str(out), "--structure", structure, "--factor", factor, "--updates", "80"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "bits per character on the test text:" in printed
    found = json.loads((out / "compress.json").read_text())
    assert found["before"] < found["after"]  # compression costs something
    assert found["tuned"] < found["after"]  # and fine-tuning mends some of it
    rows = [line.split("|") for line in printed.splitlines() if line.startswith("| layers")]
    assert len(rows) == 4
    for row in rows:
        assert all(0 < float(cell) < 1 for cell in row[3:6])
    assert (dense / "weights.npz").read_bytes() == before
    model, config, *_ = read_model(out)
    assert config.structure == structure
    for W in model.matrices.values():
        assert W.n_params == int(W.shape[0] * W.shape[1] / float(factor))
    assert main(["evaluate", str(out)]) == 0
    assert f"{found['tuned'] / np.log(2):.4f} bits" in capsys.readouterr().out
    assert main(["report", str(dense), str(out)]) == 0
    assert main(["generate", str(out), "--length", "5"]) == 0


def test_a_file_of_pytorchs_weights_is_compressed(dense, tmp_path, capsys):
    model = read_model(dense).model
    interop.write(tmp_path / "w.npz", interop.to_torch(model.layers))
    assert main(["compress", str(tmp_path / "w.npz"), str(tmp_path / "small.npz"), "--factor", "3"]) == 0
    assert "layers.1.Wh" in capsys.readouterr().out
    arrays = interop.read(tmp_path / "small.npz")
    assert {"layers.0.Wx.A", "layers.0.Wx.overlay", "layers.0.Wx.indptr", "layers.1.b"} <= set(arrays)
    assert arrays["layers.0.Wx.A"].dtype == np.float32
    assert main(["compress", str(tmp_path / "w.npz"), str(tmp_path / "small.npz")]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "factor"), [(Kronecker, 3), (LMF, 3), (HMD, 1.8)])
def test_every_error_is_of_the_best_at_the_factor(kind, factor, dense):
    layers = read_model(dense).model.layers
    doped, errors = compress_layers(layers, Recipe(kind, factor, doped=True))
    for k, (layer, near) in enumerate(zip(layers, doped, strict=True)):
        alone = LSTM.from_recipe(layer.D, layer.H, Recipe(kind, factor), np.random.default_rng(1))
        of_layer = errors[2 * k : 2 * k + 2]
        for name, W, W_doped, row in zip(("Wx", "Wh"), layer.to_dense(), near.to_dense(), of_layer, strict=True):
            assert row["matrix"] == f"layers.{k}.{name}"
            pruned = Overlay(W.astype(float), np.ones(W.shape, bool))
            pruned.prune(int(W.size / factor))
            for what, found in (
                ("structure alone", alone.weights[name].nearest(W.astype(float)).to_dense()),
                ("pruned", pruned.to_dense()),
                ("doped", W_doped),
            ):
                error = np.linalg.norm(W - found) / np.linalg.norm(W)
                assert float(row[what]) == pytest.approx(error, abs=1e-4), what


@pytest.mark.parametrize("how", [["--joint"], ["--gates", "each"]])
def test_what_is_made_of_another_dense_layout_can_be_opened(how, text, tmp_path, capsys):
    settings = ["--structure", "dense", "--no-overlay", "--hidden", "8", "--steps", "4", "--unroll", "5", *how]
    assert main(["train", str(tmp_path / "dense"), f"--data={text}", "--batch", "4", *settings]) == 0
    command = ["compress", str(tmp_path / "dense"), str(tmp_path / "small"), "--factor", "3", "--updates", "3"]
    assert main(command) == 0
    assert main(["evaluate", str(tmp_path / "small")]) == 0


def test_a_structure_whose_nearest_is_not_known_is_told(dense, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Kronecker, "_nearest", Structure._nearest)
    assert main(["compress", str(dense), str(tmp_path / "small"), "--factor", "3"]) == 2
    assert "refdope: Kronecker: the nearest one to a given matrix is not known" in capsys.readouterr().err
    assert not (tmp_path / "small").exists()


def test_bad_input_is_one_line_and_writes_nothing(dense, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compress", str(dense), str(out), "--factor", "3", "--updates", "0"]) == 0
    for arguments, says in (
        ([str(dense), str(tmp_path / "a"), "--factor", "900"], "factor 900 is out of reach"),
        ([str(out), str(tmp_path / "a")], "is not a dense model"),
        ([str(dense), str(out)], "is there already"),
        ([str(tmp_path / "no.npz"), str(tmp_path / "a.npz")], "there is no file"),
        ([str(dense), str(tmp_path / "a"), "--updates", "-1"], "--updates must be 0 or more"),
        ([str(dense), str(tmp_path / "a"), "--structure", "dense"], "out of reach"),
    ):
        capsys.readouterr()
        assert main(["compress", *arguments]) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1
    assert not (tmp_path / "a").exists()
