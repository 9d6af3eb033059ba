"""A run can be killed at any moment; what is on disk is whole, and goes on with the same bits."""

import csv
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.cli import main
from refdope.runs import checkpoint
from refdope.runs.config import Config
from refdope.runs.folder import checkpoints, out_of_reach, read_config
from refdope.runs.language import Language
from refdope.runs.run import Run
from tests.experiments.small import TEXT
from tests.runs.small import SMALL, content, flags, same_run


def test_a_run_leaves_all_that_it_says(text, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", str(run), *flags(text)]) == 0
    said = capsys.readouterr().err
    assert "begins, 40 updates" in said
    assert "on the test text" in said
    assert set(content(run)) == {
        "config.toml", "environment.json", "metrics.csv", "prunings.csv", "weights.npz", "result.json",
        "checkpoints/update-000000035.npz", "checkpoints/update-000000040.npz",
    }  # fmt: skip
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == sorted({0, 5, 10, 15, 20, 25, 28, 30, 35, 40})
    assert float(rows[-1]["valid"]) < float(rows[0]["valid"])
    assert 0 < float(rows[-1]["overlay_moves"]) < 1
    with (run / "prunings.csv").open() as file:
        prunings = list(csv.DictReader(file))
    assert [int(row["step"]) for row in prunings] == [12, 16, 20, 24, 28]
    assert all(row["before"] != row["after"] for row in prunings)
    result = json.loads((run / "result.json").read_text())
    assert result["lstm_factor"] == pytest.approx(2, abs=0.01)
    assert result["bytes_on_disk"] == (run / "weights.npz").stat().st_size
    environment = json.loads((run / "environment.json").read_text())
    assert environment["numpy"] == np.__version__
    assert environment["corpus_hash"] in environment["corpus"]
    arrays, _ = checkpoint.load(run / "weights.npz")
    assert "constants.layers.0.Wx.indptr" in arrays
    assert main(["train", "--resume", str(run)]) == 0
    assert "has ended already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"structure": "kronecker", "hidden": 128},
            "asked for 20x; the next Kronecker product is 31.5x, the one before 15.9x",
        ),
        ({"structure": "hmd", "hidden": 128}, "asked for 20x; the next HMD is 21.4x, the one before 18.4x"),
        ({"structure": "kronecker", "hidden": 100, "factor": 19.8}, ""),  # (400, 100): a product of 2,020 numbers
        ({"structure": "kronecker", "hidden": 7, "factor": 1.5}, "asked for 1.5x; the next Kronecker product is 2.0x"),
        ({"structure": "kronecker", "hidden": 128, "overlay": True}, ""),  # an overlay fills the budget
        ({"structure": "dense"}, ""),
    ],
)
def test_a_factor_out_of_reach_is_told_with_what_was_taken(settings, told):
    found = out_of_reach(Config.from_dict({"overlay": False} | settings, "test"))
    assert found.startswith(told) if told else found == ""


def test_training_says_that_its_factor_is_out_of_reach(text, tmp_path, capsys):
    of = {"hidden": 7, "layers": 1, "factor": 1.5, "cmr": 0.0}
    assert main(["train", str(tmp_path / "a"), *flags(text, **of), "--no-overlay"]) == 0
    assert "a: asked for 1.5x; the next Kronecker product is 2.0x, the one before the dense matrix\n" in (
        capsys.readouterr().err
    )


def test_the_toml_of_a_run_repeats_it(text, tmp_path):
    assert main(["train", str(tmp_path / "a"), *flags(text)]) == 0
    assert main(["train", str(tmp_path / "b"), "--config", str(tmp_path / "a" / "config.toml")]) == 0
    same_run(tmp_path / "a", tmp_path / "b")
    assert main(["train", str(tmp_path / "c"), "--config", str(tmp_path / "a" / "config.toml"), "--seed", "1"]) == 0
    assert (tmp_path / "a" / "metrics.csv").read_bytes() != (tmp_path / "c" / "metrics.csv").read_bytes()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("cut", [1, 13, 20, 28, 33])  # before, within and after the ramp
def test_a_restored_experiment_goes_on_with_the_same_bits(optimizer, cut, text):
    config = Config(**(SMALL | {"data": str(text), "optimizer": optimizer}))

    def go(experiment, until):
        while experiment.step < until:
            experiment.measure()
            experiment.update()

    whole, first = Run(config, Language.of(config)), Run(config, Language.of(config))
    go(whole, 40)
    go(first, cut)
    arrays, record = first.state()
    saved = {name: a.copy() for name, a in arrays.items()}, json.loads(json.dumps(record))
    second = Run(config, Language.of(config))
    second.restore(*saved, "here")
    go(second, 40)
    (a, record_a), (b, record_b) = whole.state(), second.state()
    assert json.dumps(record_a) == json.dumps(record_b)
    assert set(a) == set(b)
    for name in a:
        assert_array_equal(a[name], b[name], err_msg=name)


def check_killing_and_resuming(text, tmp_path, kills, updates):
    """Kill a run at random moments until it was killed so often, let it end, and compare with one never killed."""
    settings = flags(text, steps=updates, evaluations=updates // 4)
    command = [sys.executable, "-m", "refdope", "train"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    subprocess.run([*command, str(tmp_path / "whole"), *settings], check=True, **quiet)
    run, chance, killed = tmp_path / "killed", random.Random(0), 0

    def go_on() -> list[str]:
        """Resume, once there is something to resume."""
        return [*command, "--resume", str(run)] if (run / "config.toml").exists() else [*command, str(run), *settings]

    while killed < kills:
        process = subprocess.Popen(go_on(), **quiet)
        try:
            process.wait(chance.uniform(0.2, 1.4))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        said = process.communicate()[1].decode()
        assert process.returncode in (0, -signal.SIGKILL), said
        if process.returncode == 0 and "has ended already" in said:
            pytest.fail(f"the run ended after {killed} kills: too short for this test")
    subprocess.run(go_on(), check=True, **quiet)
    same_run(tmp_path / "whole", run)
    assert not list(run.rglob("*.part"))


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_never_killed(text, tmp_path):
    check_killing_and_resuming(text, tmp_path, kills=3, updates=600)


@pytest.mark.slow
def test_fifty_kills(text, tmp_path):
    check_killing_and_resuming(text, tmp_path, kills=50, updates=12_000)


def test_an_interrupt_writes_a_checkpoint_and_says_how_to_go_on(text, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "refdope", "train", str(run), *flags(text, steps=100_000)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any("begins" in line for line in process.stderr)
    time.sleep(0.3)
    second = subprocess.run(
        [sys.executable, "-m", "refdope", "train", "--resume", str(run)], capture_output=True, text=True, check=False
    )
    assert second.returncode == 2
    assert second.stderr.strip() == f"refdope: {run} is being trained by another process"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert f"go on with `refdope train --resume {run}`" in said
    step = checkpoint.load(checkpoints(run)[-1])[1]["step"]
    assert f"stopped after update {step:,}" in said
    assert step > 0


# ------------------------------------------------------------------------------------------------------------- damage


def resealed(path, change):
    """Change a checkpoint and give it a right checksum."""
    arrays, record = checkpoint.load(path)
    change(arrays, record)
    record.pop("format")
    checkpoint.save(path, arrays, record)


def damages(rng):
    """Name a way to damage a file of arrays, and how it is done."""

    def flip(path):
        data = bytearray(path.read_bytes())
        place = rng.randrange(max(len(data) - 66, 1))
        data[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))

    def pick(arrays, start="params."):
        return rng.choice([name for name in arrays if name.startswith(start) and arrays[name].size])

    def nan(arrays, _):
        arrays[pick(arrays)].ravel()[0] = rng.choice([np.nan, np.inf])

    def swap(arrays, _):
        a, b = pick(arrays), pick(arrays)
        while arrays[a].shape == arrays[b].shape or "overlay" in a + b:
            a, b = pick(arrays), pick(arrays)
        arrays[a], arrays[b] = arrays[b], arrays[a]

    def retype(arrays, _):
        name = pick(arrays)
        arrays[name] = arrays[name].astype(np.float64)

    def lose(arrays, _):
        del arrays[pick(arrays)]

    def pattern(arrays, _):
        name = pick(arrays, "constants.")
        arrays[name] = arrays[name][:-1]

    return {
        "cut": lambda path: path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)]),
        "flip": flip,
        "empty": lambda path: path.write_bytes(b""),
        "noise": lambda path: path.write_bytes(rng.randbytes(2000)),
        "nan": lambda path: resealed(path, nan),
        "swap": lambda path: resealed(path, swap),
        "retype": lambda path: resealed(path, retype),
        "lose": lambda path: resealed(path, lose),
        "pattern": lambda path: resealed(path, pattern),
        "config": lambda path: resealed(path, lambda _, record: record.update(config="seed = 1")),
        "folder": lambda path: (path.unlink(), path.mkdir()),
    }


def check_damage(runs, tmp_path, capsys, rounds):
    for k in range(rounds):
        rng = random.Random(k)
        what, how = rng.choice(list(damages(rng).items()))
        finished = rng.random() < 0.5
        run = tmp_path / f"{k}"
        shutil.copytree(runs / ("ended" if finished else "stopped"), run)
        damaged = [run / "weights.npz"] if finished else checkpoints(run)
        if what in ("cut", "flip", "empty", "noise") and rng.random() < 0.3:
            damaged = [run / "config.toml"]
        for path in damaged:
            how(path)
        command = rng.choice([["evaluate", str(run)], ["generate", str(run)]]) if finished else None
        before = content(run)
        status = main(command or ["train", "--resume", str(run)])
        said = capsys.readouterr().err.strip()
        if status == 0 and damaged[0].suffix == ".toml":  # an end was cut off, or a letter changed, that says nothing
            assert read_config(run) == read_config(runs / "ended"), (k, what)
            shutil.rmtree(run)
            continue
        assert status == 2, (k, what, said)
        assert said.splitlines()[-1].startswith("refdope: "), (k, what, said)
        assert len(said.splitlines()) <= (1 if finished else 2), (k, what, said)
        after = content(run)
        after.pop("environment.json", None)
        assert {name: data for name, data in before.items() if name != "environment.json"} == after, (k, what)
        shutil.rmtree(run)


def test_damaged_weights_and_checkpoints_are_refused_in_one_line(runs, tmp_path, capsys):
    check_damage(runs, tmp_path, capsys, 60)


@pytest.mark.slow
def test_a_thousand_damaged_runs(runs, tmp_path, capsys):
    check_damage(runs, tmp_path, capsys, 1000)


def test_when_only_the_last_checkpoint_is_damaged_the_one_before_is_taken(runs, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(runs / "stopped", run)
    checkpoints(run)[-1].write_bytes(b"damaged")
    assert main(["train", "--resume", str(run)]) == 0
    said = capsys.readouterr().err
    assert "is damaged: its checksum is not that of its contents; the one before is taken" in said
    assert "goes on from update 35 of 40" in said
    same_run(runs / "ended", run)


def test_checkpoints_of_another_config_or_text_are_refused(runs, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(runs / "stopped", run)
    shutil.copy(runs / "other" / "config.toml", run)
    assert main(["train", "--resume", str(run)]) == 2
    assert "belongs to another config" in capsys.readouterr().err
    shutil.copy(runs / "ended" / "config.toml", run)
    text = runs / "text.txt"
    text.write_text(TEXT + "more\n" * 50)
    try:
        assert main(["train", "--resume", str(run)]) == 2
        assert "belongs to another" in capsys.readouterr().err
    finally:
        text.write_text(TEXT)


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(runs, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    assert main(["train", str(run), *flags(runs / "text.txt", steps=20, evaluations=4)]) == 0
    for name in ("weights.npz", "result.json"):
        (run / name).unlink()
    checkpoints(run)[-1].unlink()
    before = content(run)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("refdope.files.os.fsync", full)
    assert main(["train", "--resume", str(run)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert content(run) == before


def test_divergence_stops_and_the_last_good_checkpoint_stays(runs, tmp_path, capsys, monkeypatch):
    run, update = tmp_path / "run", Run.update

    def diverges(self):
        if self.step == 12:
            self.trainer.model.softmax.b[0] = np.nan
        return update(self)

    monkeypatch.setattr(Run, "update", diverges)
    assert main(["train", str(run), *flags(runs / "text.txt")]) == 2
    assert "training diverged: the gradient's norm is nan" in capsys.readouterr().err
    arrays, record = checkpoint.load(checkpoints(run)[-1])
    assert record["step"] == 10
    assert all(np.isfinite(a).all() for a in arrays.values())


@pytest.mark.parametrize("name", ["config.toml", "text"])
def test_a_missing_config_or_text_is_said(name, runs, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(runs / "stopped", run)
    if name == "text":
        config = (run / "config.toml").read_text().replace("text.txt", "gone.txt")
        (run / "config.toml").write_text(config)
    else:
        (run / name).unlink()
    assert main(["train", "--resume", str(run)]) == 2
    assert ("there is no file or folder" if name == "text" else "it has no config.toml") in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_not_trained_into(text, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["train", str(tmp_path), *flags(text)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert main(["train", str(text), *flags(text)]) == 2
    assert text.read_text() == TEXT


def test_resume_takes_no_settings(runs, capsys):
    assert main(["train", "--resume", str(runs / "ended"), "--seed", "3"]) == 2
    assert "it takes no other arguments" in capsys.readouterr().err
    assert main(["train"]) == 2
    assert "train needs a run folder" in capsys.readouterr().err
