import json

import numpy as np
import pytest

from refdope import interop
from refdope.cli import main
from refdope.training.folder import read_model

TEXT = "the quick brown fox jumps over the lazy dog, and over the other dogs too.\n" * 80


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
        structure_alone, pruned, doped = (float(cell) for cell in row[3:6])
        assert doped < structure_alone
        assert 0 < pruned < 1
    assert (dense / "weights.npz").read_bytes() == before
    model, _, config = read_model(out)
    assert config.structure == structure
    for W in model.matrices.values():
        assert W.n_params == int(W.shape[0] * W.shape[1] / float(factor))
    assert main(["evaluate", str(out)]) == 0
    assert f"{found['tuned'] / np.log(2):.4f} bits" in capsys.readouterr().out
    assert main(["report", str(dense), str(out)]) == 0
    assert main(["generate", str(out), "--length", "5"]) == 0


def test_a_file_of_pytorchs_weights_is_compressed(dense, tmp_path, capsys):
    model, _, _ = read_model(dense)
    interop.write(tmp_path / "w.npz", interop.to_torch(model.layers))
    assert main(["compress", str(tmp_path / "w.npz"), str(tmp_path / "small.npz"), "--factor", "3"]) == 0
    assert "layers.1.Wh" in capsys.readouterr().out
    arrays = interop.read(tmp_path / "small.npz")
    assert {"layers.0.Wx.A", "layers.0.Wx.overlay", "layers.0.Wx.indptr", "layers.1.b"} <= set(arrays)
    assert arrays["layers.0.Wx.A"].dtype == np.float32
    assert main(["compress", str(tmp_path / "w.npz"), str(tmp_path / "small.npz")]) == 2
    assert "is there already" in capsys.readouterr().err


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
