"""Experiments: files that list runs, and what brings them to their end."""

import csv
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from refdope.cli import main
from refdope.files import write_csv
from refdope.training import conduct, folder, study
from refdope.training.config import Config
from refdope.workers import workers

TEXT = "the quick brown fox jumps over the lazy dog, again and again.\n" * 120
FILE = """
about = "a small one"
[base]
hidden = 8
factor = 4
steps = 12
unroll = 5
batch = 4
evaluations = 3
probe = 200
[short]
steps = 4
evaluations = 1
[grid]
lr = [0.01, 0.02]
ramp_end = [0.5, 0.8]
[[variant]]
name = "dense"
settings = {structure = "dense", overlay = false}
[[variant]]
name = "doped KP"
seeds = 2
settings = {structure = "kronecker"}
[[variant]]
name = "fixed"
settings = {structure = "none", lr = 0.01, ramp_end = 0.6}
"""


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def small(tmp_path, text):
    """Return an experiment and the arguments of `conduct` but for the executor."""
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    return study.read(path, data=text), tmp_path / "out", tmp_path / "small.csv"


class Here(Executor):
    """Runs what is submitted at once, in this thread."""

    def __init__(self):
        self.ran = []

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        self.ran.append(args[0].name)
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def rows(table):
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_course_of_every_run_proper_is_kept(small):
    read, out, table = small
    assert conduct.conduct(read, out, table, Here()) == []
    courses = rows(table.with_name("small_courses.csv"))
    runs = dict.fromkeys((row["variant"], row["seed"]) for row in courses)  # in their order; no trials
    assert list(runs) == [("dense", "0"), ("doped KP", "0"), ("fixed", "0"), ("doped KP", "1")]
    of = [row for row in courses if (row["variant"], row["seed"]) == ("doped KP", "1")]
    kept = rows(out / "doped-kp-seed1" / "metrics.csv")
    assert [row["step"] for row in of] == [row["step"] for row in kept]
    assert {"0", "4", "8", "12"} <= {row["step"] for row in of}
    for row, full in zip(of, kept, strict=True):
        assert float(row["without_overlay"]) == pytest.approx(float(full["without_overlay"]), rel=1e-4)


def test_trials_choose_what_the_runs_proper_use(small):
    read, out, table = small
    here = Here()
    assert conduct.conduct(read, out, table, here) == []
    found = rows(table)
    short, proper = [r for r in found if r["trial"] == "True"], [r for r in found if r["trial"] == "False"]
    assert len([r for r in short if r["variant"] == "dense"]) == 2  # no ramp: learning rates alone
    assert len([r for r in short if r["variant"] == "doped KP"]) == 4
    assert len([r for r in short if r["variant"] == "fixed"]) == 0
    for name in ("dense", "doped KP"):
        best = min((r for r in short if r["variant"] == name), key=lambda r: float(r["valid"]))
        for r in proper:
            if r["variant"] == name:
                assert (r["lr"], r["ramp_end"]) == (best["lr"], best["ramp_end"])
    assert [(r["variant"], r["seed"]) for r in proper] == [
        ("dense", "0"),
        ("doped KP", "0"),
        ("fixed", "0"),
        ("doped KP", "1"),
    ]
    assert {r["steps"] for r in short} == {"4"}
    assert {r["steps"] for r in proper} == {"12"}
    assert all(float(r["test_in_unit"]) > 0 and r["corpus_hash"] and r["numpy"] and r["seconds"] for r in found)
    assert os.sep not in {r["data"] for r in found}.pop()  # the corpus, not where it lies here


def test_what_is_done_is_not_run_again(small):
    read, out, table = small
    conduct.conduct(read, out, table, Here())
    before = table.read_bytes()
    again = Here()
    conduct.conduct(read, out, table, again)
    assert again.ran == []
    assert table.read_bytes() == before


def test_a_table_alone_is_what_has_been_done(small):
    """Another checkout has the table, and no run folder."""
    read, out, table = small
    conduct.conduct(read, out, table, Here())
    before = table.read_bytes(), table.with_name("small_courses.csv").read_bytes()
    again = Here()
    conduct.conduct(read, out.with_name("elsewhere"), table, again)
    assert again.ran == []
    assert (table.read_bytes(), table.with_name("small_courses.csv").read_bytes()) == before


def test_an_experiment_goes_on_from_a_part_of_its_table(small):
    read, out, table = small
    conduct.conduct(read, out, table, Here())
    whole, courses = rows(table), rows(table.with_name("small_courses.csv"))
    assert whole[-2]["variant"] == "fixed"
    missing = ("doped KP", "1")
    write_csv(table, [r for r in whole if (r["variant"], r["seed"]) != missing])
    write_csv(table.with_name("small_courses.csv"), [r for r in courses if (r["variant"], r["seed"]) != missing])
    again = Here()
    conduct.conduct(read, out.with_name("elsewhere"), table, again)
    assert again.ran == ["doped-kp-seed1"]
    timeless = [[{k: v for k, v in r.items() if k != "seconds"} for r in t] for t in (rows(table), whole)]
    assert timeless[0] == timeless[1]
    assert rows(table.with_name("small_courses.csv")) == courses


def test_nothing_of_a_table_is_lost_while_trials_are_run(small):
    read, out, table = small
    conduct.conduct(read, out, table, Here())
    whole = rows(table)
    write_csv(table, whole[1:])  # a trial is missing: what it leads to is known already

    class Stopped(Here):
        def submit(self, *_, **__):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conduct.conduct(read, out.with_name("elsewhere"), table, Stopped())
    assert rows(table) == whole[1:]


def test_a_row_of_an_older_version_has_its_newer_settings_at_their_defaults(small):
    read, out, table = small
    conduct.conduct(read, out, table, Here())
    whole = rows(table)
    write_csv(table, [{k: v for k, v in r.items() if k not in ("joint", "first")} for r in whole if r["seed"] == "0"])
    again = Here()
    conduct.conduct(read, out.with_name("elsewhere"), table, again)
    assert again.ran == ["doped-kp-seed1"]
    assert {(r["joint"], r["first"]) for r in rows(table)} == {("False", "")}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"steps": "13"}, "has a run that this experiment does not list so (dense, seed 0): name another --table"),
        ({"variant": "sparse"}, "has a run that this experiment does not list so (sparse, seed 0)"),
        ({"corpus_hash": "0123"}, "has dense, seed 0 on text 0123, not on "),
    ],
)
def test_a_table_of_other_runs_is_refused_and_stays(change, told, small):
    read, out, table = small
    conduct.conduct(read, out, table, Here())
    write_csv(table, [r | (change if r["variant"] == "dense" and r["trial"] == "False" else {}) for r in rows(table)])
    before = table.read_bytes()
    with pytest.raises(ValueError, match=re.escape(told)):
        conduct.conduct(read, out, table, Here())
    assert table.read_bytes() == before


def test_a_file_that_is_no_table_is_refused_and_stays(small):
    read, out, table = small
    table.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no table of an experiment: name another --table"):
        conduct.conduct(read, out, table, Here())
    assert table.read_text() == "a,b\n1,2\n"


def test_a_failed_run_is_told_and_does_not_stop_the_rest(small):
    read, out, table = small
    one = study.proper(read, read.variants[2], {})[0]
    folder.start(one.path(out), Config(data=one.config.data, steps=3, hidden=4, factor=2, evaluations=1, probe=200))
    failed = conduct.conduct(read, out, table, Here())
    assert len(failed) == 1
    assert "fixed-seed0" in failed[0]
    assert "is there already, with other settings" in failed[0]
    assert {r["variant"] for r in rows(table)} == {"dense", "doped KP"}


def test_a_variant_of_which_every_trial_fails_has_no_choice(small):
    read, out, table = small
    for run in study.trials(read, read.variants[0]):
        folder.start(run.path(out), Config(data=run.config.data, steps=3, hidden=4, factor=2, evaluations=1, probe=200))
    failed = conduct.conduct(read, out, table, Here())
    assert len(failed) == 3
    assert failed[-1] == "dense: none of the settings tried came to an end, so none was chosen"


def test_any_executor_gives_the_same_table(small):
    read, out, table = small
    conduct.conduct(read, out / "here", table, Here())
    expected = [{k: v for k, v in r.items() if k != "seconds"} for r in rows(table)]
    for name, executor in (("threads", ThreadPoolExecutor(2)), ("processes", workers(2))):
        with executor as pool:
            assert conduct.conduct(read, out / name, table, pool) == []
        assert [{k: v for k, v in r.items() if k != "seconds"} for r in rows(table)] == expected, name


def test_a_dask_cluster_of_two_processes_gives_the_same_table(small, tmp_path, text, capsys):
    distributed = pytest.importorskip("distributed")
    read, out, table = small
    conduct.conduct(read, out / "here", table, Here())
    expected = [{k: v for k, v in r.items() if k != "seconds"} for r in rows(table)]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, worker_dashboard_address=None
    ) as cluster:
        arguments = ["experiment", str(tmp_path / "small.toml"), "--data", text, "--dask", cluster.scheduler_address]
        assert main([*arguments, "--out", str(out / "dask"), "--table", str(table)]) == 0
    assert [{k: v for k, v in r.items() if k != "seconds"} for r in rows(table)] == expected


@pytest.mark.slow
def test_ten_kills_change_no_number(tmp_path, text):
    long = FILE.replace("steps = 12\n", "steps = 25000\n").replace("evaluations = 3", "evaluations = 100")
    (tmp_path / "small.toml").write_text(long.replace("steps = 4\n", "steps = 1500\n"))
    found = {}
    for name in ("undisturbed", "killed"):
        where = ["--out", str(tmp_path / name), "--table", str(tmp_path / f"{name}.csv")]
        command = [sys.executable, "-m", "refdope", "experiment", str(tmp_path / "small.toml"), "--data", text, *where]
        rng, kills = random.Random(0), 0
        while name == "killed" and kills < 10:
            started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(1.5, 3.5))
            assert started.poll() is None, f"ended before it was killed {kills + 1} times"
            started.kill()
            started.wait()
            kills += 1
        subprocess.run(command, check=True, capture_output=True)
        table = [{k: v for k, v in r.items() if k != "seconds"} for r in rows(tmp_path / f"{name}.csv")]
        found[name] = table, rows(tmp_path / f"{name}_courses.csv")
    assert found["killed"] == found["undisturbed"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[grid]", "[grit]"), "'grit' is no part of one"),
        (('name = "fixed"', 'name = "dense"'), "variants must have different names, got dense, doped KP, dense"),
        (('name = "fixed"', ""), "a variant has name, seeds, settings and each, not no name"),
        (('name = "fixed"', 'name = "fixed"\nseed = 3'), "a variant has name, seeds, settings and each, not seed"),
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
    with pytest.raises(ValueError, match=r"is not an experiment: it lists no \[\[variant\]\]"):
        study.read(path)


def test_a_name_is_looked_for_in_experiments(capsys):
    assert main(["experiment", "nowhere"]) == 2
    assert "there is no configuration file experiments/nowhere.toml" in capsys.readouterr().err
    assert main(["experiment", "ptb", "--jobs", "0"]) == 2
    assert "--jobs must be at least 1, got 0" in capsys.readouterr().err


def test_a_text_that_is_not_there_is_told_and_nothing_is_made(tmp_path, monkeypatch, capsys):
    (tmp_path / "small.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", "small.toml", "--data", "nowhere"]) == 2
    assert "there is no file or folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_preset_takes_the_place_of_the_base():
    read = study.read(Path("experiments/ptb.toml"), "zaremba-medium", data="somewhere")
    config = study.proper(read, read.variants[1], {})[0].config
    assert (config.hidden, config.optimizer, config.structure, config.overlay) == (650, "sgd", "kronecker", True)
    assert config.data == "somewhere"


@pytest.mark.parametrize("path", sorted(Path("experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_the_experiments_of_the_project_can_be_read(path):
    read = study.read(path)
    assert read.about
    assert all(study.proper(read, v, {}) for v in read.variants)


def test_each_makes_a_variant_of_every_choice(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(
        FILE.replace("lr = 0.01, ramp_end = 0.6}", "lr = 0.01}\neach = {ramp_end = [0.4, 0.6], factor = [2, 4]}")
    )
    made = {v.name: v.settings for v in study.read(path).variants[2:]}
    assert list(made) == [f"fixed, ramp_end {end}, factor {factor}" for end in (0.4, 0.6) for factor in (2, 4)]
    assert made["fixed, ramp_end 0.6, factor 2"] == {"structure": "none", "lr": 0.01, "ramp_end": 0.6, "factor": 2}
