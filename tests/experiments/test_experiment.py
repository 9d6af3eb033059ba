"""Experiment files: what they list."""

from pathlib import Path

import pytest

from refdope.cli import main
from refdope.experiments import experiment as experiment
from tests.experiments.small import FILE


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[grid]", "[grit]"), "an experiment has about, base, short, widen, grid, variant, not 'grit'"),
        (
            ('name = "fixed"', 'name = "dense"'),
            "different names: 'dense' and 'dense' would both train in",
        ),
        (('name = "fixed"', 'name = "Doped-KP"'), "'doped KP' and 'Doped-KP' would both train in doped-kp-seed0"),
        (("[0.01, 0.02]", "[0.01, 0.01]"), "'dense' and 'dense' would both train in dense-lr0.01-seed0"),
        (('name = "fixed"', ""), "a variant: name must be a text, got None"),
        (('name = "fixed"', "name = 3"), "a variant: name must be a text, got 3"),
        (('name = "fixed"', 'name = "fixed"\ncontrol = 1'), "a variant: control must be true or false, got 1"),
        (('name = "fixed"', 'name = "fixed"\nseed = 3'), "has name, seeds, control, settings, each, not 'seed'"),
        (("[base]", "widen = 1\n[base]"), "an experiment: widen must be true or false, got 1"),
        (("seeds = 2", 'seeds = "2"'), "seeds must be a number from 1 up, got '2'"),
        (("seeds = 2", "seeds = 0"), "seeds must be a number from 1 up, got 0"),
        (('settings = {structure = "kronecker"}', "settings = 3"), "settings must be a table of settings, got 3"),
        (('settings = {structure = "kronecker"}', "each = {factor = 3}"), "each must be a table of lists of settings"),
        (("lr = [0.01, 0.02]", "lr = 0.01"), "grid must be a table of lists of settings, got {'lr': 0.01"),
        (("lr = [0.01, 0.02]", "lr = []"), "grid must be a table of lists of settings, got {'lr': []"),
        (("[[variant]]", "[[grid.variant]]"), "variant must be written [[variant]], one or more, got None"),
        (("hidden = 8", "hiden = 8"), "small, dense: there is no setting 'hiden'"),
        (("ramp_end = 0.6", "ramp_end = 0.01"), "small, fixed: ramp_start must be below ramp_end"),
    ],
)
def test_what_is_no_experiment_is_told(change, told, tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(FILE.replace(*change))
    assert main(["experiment", str(path)]) == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1


def test_an_empty_file_lists_nothing(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("about = 'nothing'")
    with pytest.raises(ValueError, match=r"variant must be written \[\[variant\]\], one or more, got None"):
        experiment.read(path)


def test_a_name_is_looked_for_in_experiments(capsys):
    assert main(["experiment", "nowhere"]) == 2
    assert "there is no configuration file experiments/nowhere.toml" in capsys.readouterr().err
    assert main(["experiment", "ptb", "--jobs", "0"]) == 2
    assert "--jobs must be at least 1, got 0" in capsys.readouterr().err


def test_a_preset_takes_the_place_of_the_base():
    read = experiment.read(Path("experiments/ptb.toml"), "zaremba-medium", data="somewhere")
    config = experiment.proper(read, read.variants[1], {})[0].config
    assert (config.hidden, config.optimizer, config.structure, config.overlay) == (650, "sgd", "kronecker", True)
    assert config.data == "somewhere"


@pytest.mark.parametrize("path", sorted(Path("experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_the_experiments_of_the_project_can_be_read(path):
    read = experiment.read(path)
    assert read.about
    assert all(experiment.proper(read, v, {}) for v in read.variants)


def test_each_makes_a_variant_of_every_choice(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(
        FILE.replace("lr = 0.01, ramp_end = 0.6}", "lr = 0.01}\neach = {ramp_end = [0.4, 0.6], factor = [2, 4]}")
    )
    made = {v.name: v.settings for v in experiment.read(path).variants[2:]}
    assert list(made) == [f"fixed, ramp_end {end}, factor {factor}" for end in (0.4, 0.6) for factor in (2, 4)]
    assert made["fixed, ramp_end 0.6, factor 2"] == {"structure": "none", "lr": 0.01, "ramp_end": 0.6, "factor": 2}
