"""A task that is not language goes all the way, without a line of the package knowing it."""

import json
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope import CMR, LSTM, Overlay, Recipe, SparseOverlay, gradcheck
from refdope.analysis import adaptation, cost
from refdope.cli import main
from refdope.layers import Embedding, Softmax
from refdope.models import evaluate
from refdope.runs import checkpoint, folder
from refdope.runs.config import Config
from refdope.runs.run import Run
from refdope.runs.tasks import TASKS, task_of
from refdope.runs.trained import read_model
from tests.classifier import CLASSES, Classifier, Motifs

SETTINGS = {
    "task": "motifs", "hidden": 12, "factor": 4.0, "cmr": 0.1, "batch": 16, "steps": 150, "lr": 0.02, "evaluations": 6,
    "probe": 100,
}  # fmt: skip


@pytest.fixture(autouse=True)
def motifs(monkeypatch):
    monkeypatch.setitem(TASKS, "motifs", Motifs)


def test_it_learns_and_is_annealed_to_its_budget_in_csr():
    config = Config(**SETTINGS)
    run = Run(config, Motifs(config))
    while not run.done:
        run.measure()
        run.update()
    run.measure()
    model = run.trainer.model
    assert run.course[-1]["valid"] < 0.3 < 1 < run.course[0]["valid"]
    assert all(isinstance(W.overlay, SparseOverlay) for W in model.matrices.values())
    assert [W.n_params for W in model.matrices.values()] == [48 * 12 // 4] * 2
    assert cost(model).lstm_factor == 4
    assert 0 < adaptation(model, run.probe)["share"] < 1


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, monkeypatch, capsys):
    config = Config(**SETTINGS)
    assert folder.start(tmp_path / "whole", config)

    class KilledError(Exception):
        pass

    update, calls = Run.update, []

    def dies(self):
        calls.append(0)
        if len(calls) == 90:
            raise KilledError
        return update(self)

    monkeypatch.setattr(Run, "update", dies)
    with pytest.raises(KilledError):
        folder.start(tmp_path / "killed", config)
    monkeypatch.setattr(Run, "update", update)
    assert folder.resume(tmp_path / "killed")
    for name in ("metrics.csv", "prunings.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    one, other = (checkpoint.load(tmp_path / name / "weights.npz")[0] for name in ("whole", "killed"))
    for name, array in one.items():
        assert_array_equal(array, other[name])
    trained = read_model(tmp_path / "killed")
    assert isinstance(trained.model, Classifier)
    assert trained.record["classes"] == CLASSES
    result = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert result["unit"] == "nats per sequence"
    assert result["test"] == evaluate(trained.model, Motifs(config).evaluation("test"))

    assert main(["report", str(tmp_path / "whole"), "--figure", str(tmp_path / "runs.png")]) == 0
    assert "nats" in capsys.readouterr().out
    assert (tmp_path / "runs.png").stat().st_size > 10_000


def test_a_dense_one_is_compressed(tmp_path, capsys):
    settings = SETTINGS | {"structure": "dense", "overlay": False, "cmr": 0.0}
    assert folder.start(tmp_path / "dense", Config(**settings))
    assert main(["compress", str(tmp_path / "dense"), str(tmp_path / "small"), "--factor", "3", "--updates", "20"]) == 0
    small = read_model(tmp_path / "small").model
    assert [W.n_params for W in small.matrices.values()] == [48 * 12 // 3] * 2
    assert main(["report", str(tmp_path / "small")]) == 0
    assert " 20 " in capsys.readouterr().out


def test_its_gradients_are_checked():
    rng = np.random.default_rng(0)
    recipe = Recipe("kronecker", 3, doped=True, cmr=CMR(0.3))
    layer = LSTM.from_recipe(6, 6, recipe, rng, std=0.5)
    for W in layer.weights.values():
        W.overlay.prune(20)
    model = Classifier(Embedding(rng.standard_normal((12, 6))), layer, Softmax(rng.standard_normal((3, 6)), np.ones(3)))
    inputs, targets = rng.integers(0, 12, (5, 4)), rng.integers(0, 3, 4)

    def passed(p):
        return model.replace(p).forward(inputs, targets, None, np.random.default_rng(1))

    report = gradcheck(lambda p: passed(p)[0], model.params, lambda p: model.replace(p).backward(passed(p)[2]))
    assert report.ok, str(report)
    assert isinstance(layer.Wx.overlay, Overlay)


def test_a_task_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["train", str(tmp_path / "run"), "--task", "chess"]) == 2
    assert "task must be one of language, motifs, got 'chess'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="task must be one of"):
        task_of(Config(task="chess"))
    assert os.listdir(tmp_path) == []
