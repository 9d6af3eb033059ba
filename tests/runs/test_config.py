import tomllib
from dataclasses import asdict

import numpy as np
import pytest

from refdope import GRU, Dense, Doped, Overlay
from refdope.runs.config import PRESETS, Config, read_toml
from refdope.runs.language import Language
from refdope.training import SGD, Adam, Steps


def test_toml_repeats_the_config(tmp_path):
    config = Config(data='a "path"\\with\nall ü', factor=12.5, overlay=False, structure="dense", lr=1e-5, level="word")
    (tmp_path / "c.toml").write_text(config.to_toml())
    assert Config.from_dict(read_toml(tmp_path / "c.toml"), "c.toml") == config
    assert tomllib.loads(config.to_toml()) == asdict(config)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hiden": 3}, "there is no setting 'hiden'; there are data, task, level"),
        ({"hidden": "3"}, "hidden must be int, got '3'"),
        ({"hidden": 2.5}, "hidden must be int, got 2.5"),
        ({"overlay": 1}, "overlay must be bool, got 1"),
        ({"hidden": True}, "hidden must be int, got True"),
        ({"hidden": 0}, "hidden must be a finite number from 1 up, got 0"),
        ({"lr": float("inf")}, "lr must be a finite number from 0 up, got inf"),
        ({"factor": float("nan")}, "factor must be a finite number from 1 up, got nan"),
        ({"level": "byte"}, "level must be one of char, word, got 'byte'"),
        ({"structure": "circulant"}, "structure must be one of dense, hmd, kronecker, lmf, none, got 'circulant'"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"ramp_start": 0.7}, "ramp_start must be below ramp_end"),
        ({"structure": "none", "overlay": False}, "structure none needs the overlay"),
        ({"overlay": False, "cmr": 0.1}, "cmr needs the overlay"),
        ({"structure": "none", "alternate": 5}, "alternate needs two co-matrices"),
        ({"options": "50 by 4"}, "an option must be NAME=VALUE, such as block=8, got '50 by 4'"),
        ({"options": {"first": [50, 4]}, "structure": "lmf"}, "LMF: there is no option 'first'; it has none"),
        ({"options": "block=8"}, "Kronecker: there is no option 'block'; it has first"),
        ({"options": "block=8", "structure": "none"}, "options are those of a structure, of which there is none"),
        ({"layer": "gru", "joint": True}, "joint is of LSTM layers, got layer gru"),
        ({"steps": 0, "epochs": 0.0}, "steps or epochs must be above 0"),
    ],
)
def test_bad_settings_are_refused_and_named(given, says):
    with pytest.raises(ValueError, match=f"here: {says}"):
        Config.from_dict(given, "here")


def test_a_config_knows_its_own_text_and_that_of_a_version_with_fewer_settings():
    config = Config(hidden=20, factor=5)
    older = "".join(
        line for line in config.to_toml().splitlines(keepends=True) if not line.startswith(("joint", "first"))
    )
    assert config.wrote(config.to_toml())
    assert config.wrote(older)
    for other in (Config(hidden=21, factor=5).to_toml(), config.to_toml() + "more = 1\n", "= =", None):
        assert not config.wrote(other)


def test_files_that_are_no_toml_are_refused(tmp_path):
    (tmp_path / "c.toml").write_text("factor = = 3")
    with pytest.raises(ValueError, match="is not TOML"):
        read_toml(tmp_path / "c.toml")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not TOML"):
        read_toml(tmp_path / "c.toml")
    with pytest.raises(FileNotFoundError, match="there is no configuration file"):
        read_toml(tmp_path / "nowhere.toml")


def model(**settings):
    """Return the language model of a config, for nine tokens."""
    return Language.model(Config(**settings), {"vocabulary": range(9)})


def test_models_of_a_config():
    doped = model(hidden=20, factor=5, cmr=0.2, cmr_rows="sparse", layers=2)
    assert len(doped.layers) == 2
    assert isinstance(doped.layers[1].Wh, Doped)
    assert (doped.layers[1].Wh.cmr.rate, doped.layers[1].Wh.cmr.rows) == (0.2, "sparse")
    assert doped.embedding.E.dtype == np.float32
    assert isinstance(model(hidden=20, factor=5, structure="none").layers[0].Wx, Overlay)
    dense = model(hidden=20, structure="dense", overlay=False, init=0.05, forget_bias=0)
    assert isinstance(dense.layers[0].Wx, Dense)
    for W in (dense.layers[0].Wx.W, dense.embedding.E, dense.softmax.W):
        assert np.sqrt(np.mean(W.astype(float) ** 2)) == pytest.approx(0.05, rel=1e-5)
    assert not dense.layers[0].b.any()


def test_a_gru_is_made_without_a_forget_bias():
    made = model(hidden=20, factor=5, layer="gru", forget_bias=2)
    assert isinstance(made.layers[0], GRU)
    assert not made.layers[0].bx.any()


@pytest.mark.parametrize("given", [{"options": {"first": [16, 4]}}, {"options": "first=16x4"}, {"first": "16x4"}])
def test_options_of_a_structure_are_a_table_or_text_and_what_older_runs_called_first(given):
    config = Config.from_dict({"hidden": 20, "factor": 5, "joint": True} | given, "here")
    assert config.options == "first=16x4"
    assert config == Config.from_dict(tomllib.loads(config.to_toml()), "there")
    (W,) = model(hidden=20, factor=5, joint=True, options=config.options).matrices.values()
    assert (W.shape, W.structure.A.shape, W.structure.B.shape) == ((80, 40), (16, 4), (5, 10))


def test_schedules_of_a_config():
    config = Config(epochs=2.5, ramp_start=0.2, ramp_end=0.6, prunings=10, lr=0.1, decay_from=0.5)
    assert config.total_steps(100) == 250
    ramp = config.ramp(100)
    assert (ramp.start, ramp.end, ramp.interval) == (50, 150, 10)
    rate = config.learning_rate(100)
    assert rate(0) == rate(125) == 0.1
    assert rate(250) == pytest.approx(0.002)
    assert Config(steps=30).total_steps(100) == 30
    assert isinstance(config.make_optimizer(), Adam)
    assert isinstance(Config(optimizer="sgd").make_optimizer(), SGD)


@pytest.mark.parametrize(("start", "end", "steps"), [(0.96, 1.0, 10), (0.99, 1.0, 3), (0.0, 0.1, 1), (0.5, 0.51, 2)])
def test_a_ramp_ends_before_training_does(start, end, steps):
    ramp = Config(ramp_start=start, ramp_end=end, steps=steps).ramp(100)
    assert 0 <= ramp.start < ramp.end <= steps
    assert ramp.due(ramp.end)


def test_presets_are_zarembas_models():
    for name, H, T, epochs in (("small", 200, 20, 13), ("medium", 650, 35, 39), ("large", 1500, 35, 55)):
        config = Config.from_dict(PRESETS[f"zaremba-{name}"], name)
        assert (config.hidden, config.unroll, config.epochs, config.layers) == (H, T, epochs, 2)
        assert not config.overlay
    small = Config.from_dict(PRESETS["zaremba-small"], "small").learning_rate(10)
    assert [small(10 * epoch) for epoch in (0, 3, 4, 5)] == [20, 20, 10, 5]  # 1.0 of a loss summed over 20 steps


@pytest.mark.parametrize(
    ("given", "std"),
    [({}, 1.0), ({"init": 0.05}, 0.05), ({"embedding_std": 0.1, "init": 0.05}, 0.1), ({"embedding_std": 0.1}, 0.1)],
)
def test_the_embedding_has_a_standard_deviation_of_its_own(given, std):
    made = model(hidden=8, factor=2, **given)
    assert np.sqrt(np.mean(made.embedding.E**2)) == pytest.approx(std, rel=1e-6)
    softmax = given.get("init") or 24**-0.5
    assert np.sqrt(np.mean(made.softmax.W**2)) == pytest.approx(softmax, rel=1e-6)


def test_steps_of_structures_are_settings():
    assert Config().make_steps() == Steps(1.0, "plain")
    assert Config(lr_structure=0.1, structure_steps="scaled").make_steps() == Steps(0.1, "scaled")
    with pytest.raises(ValueError, match="structure_steps must be one of plain, scaled, got 'adapted'"):
        Config(structure_steps="adapted")
