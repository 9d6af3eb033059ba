"""What brings the runs of an experiment to their end."""

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from refdope.cli import main
from refdope.experiments import conduct
from refdope.experiments import experiment as experiment
from refdope.experiments.workers import workers
from refdope.runs import folder
from refdope.runs.config import Config
from tests.experiments.small import FILE, Here, rows


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


def test_a_failed_run_is_told_and_does_not_stop_the_rest(small):
    read, out, table = small
    one = experiment.proper(read, read.variants[2], {})[0]
    folder.start(one.path(out), Config(data=one.config.data, steps=3, hidden=4, factor=2, evaluations=1, probe=200))
    failed = conduct.conduct(read, out, table, Here())
    assert len(failed) == 1
    assert "fixed-seed0" in failed[0]
    assert "is there already, with other settings" in failed[0]
    assert {r["variant"] for r in rows(table)} == {"dense", "doped KP"}


def test_a_variant_of_which_every_trial_fails_has_no_choice(small):
    read, out, table = small
    for run in experiment.trials(read, read.variants[0]):
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
        arguments = ["experiment", str(tmp_path / "small.toml"), f"--data={text}", "--dask", cluster.scheduler_address]
        assert main([*arguments, "--out", str(out / "dask"), "--table", str(table)]) == 0
    assert [{k: v for k, v in r.items() if k != "seconds"} for r in rows(table)] == expected


@pytest.mark.slow
def test_ten_kills_change_no_number(tmp_path, text):
    long = FILE.replace("steps = 12\n", "steps = 25000\n").replace("evaluations = 3", "evaluations = 100")
    (tmp_path / "small.toml").write_text(long.replace("steps = 4\n", "steps = 1500\n"))
    found = {}
    for name in ("undisturbed", "killed"):
        where = ["--out", str(tmp_path / name), "--table", str(tmp_path / f"{name}.csv")]
        asked = ["experiment", tmp_path / "small.toml", f"--data={text}", *where]
        command = [sys.executable, "-m", "refdope", *asked]
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


def test_a_text_that_is_not_there_is_told_and_nothing_is_made(tmp_path, monkeypatch, capsys):
    (tmp_path / "small.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", "small.toml", "--data", "nowhere"]) == 2
    assert "there is no file or folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]
