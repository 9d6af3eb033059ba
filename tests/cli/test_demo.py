"""`refdope demo`."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from refdope.cli import main

TEXT = "the quick brown fox jumps over the lazy dog, again and again.\n" * 300


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


def small(text, out, *more):
    return ["demo", "--data", text, "--out", str(out), "--hidden", "20", "--factor", "5", "--steps", "20", *more]


def test_demo_trains_five_models_and_writes_table_course_and_picture(text, tmp_path, capsys):
    assert main(small(text, tmp_path / "out", "--seeds", "2")) == 0
    printed = capsys.readouterr()
    assert re.search(r"text\.txt: [\d,]+ train, .* 5-word runs .* sha256 [0-9a-f]{16}…", printed.out)
    assert re.search(r"[\d,]+ tokens \(chars\) of 31 kinds", printed.out)
    rows = [line for line in printed.out.splitlines() if line.startswith("| ")]
    names = [row.split("|")[1].strip() for row in rows[1:]]
    assert names == ["dense", "pruned", "kronecker", "doped", "doped + CMR"]
    assert "±" in rows[1]
    assert "written by the doped model:" in printed.out

    with (tmp_path / "out" / "demo_table.csv").open() as file:
        table = {row["model"]: row for row in csv.DictReader(file)}
    assert table["dense"]["LSTM parameters"] == str(2 * 80 * 20)
    assert {table[name]["LSTM parameters"] for name in ("pruned", "doped", "doped + CMR")} == {str(2 * 320)}
    assert float(table["doped"]["factor in bytes"][:-1]) < 5  # indices count

    with (tmp_path / "out" / "demo.csv").open() as file:
        course = list(csv.DictReader(file))
    assert {(row["model"], row["seed"]) for row in course} == {(name, seed) for name in names for seed in "01"}
    doped = [row for row in course if (row["model"], row["seed"]) == ("doped", "0")]
    density = [float(row["density"]) for row in doped]
    assert density[0] == 1
    assert density[-1] < 0.2
    assert density == sorted(density, reverse=True)
    assert all(float(row["loss"]) > 0 and 0 < float(row["share"]) < 1 for row in doped)

    assert json.loads((tmp_path / "out" / "demo.json").read_text())["factor"] == 5
    assert (tmp_path / "out" / "demo.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out" / "demo_snapshots.npz", allow_pickle=False) as saved:
        assert len(saved.files) == 6
    assert not list((tmp_path / "out").glob("*.part"))


def test_words_have_a_perplexity_and_the_same_seed_the_same_numbers(text, tmp_path, capsys):
    tables = []
    for out in ("a", "b"):
        assert main(small(text, tmp_path / out, "--level", "word", "--structure", "lmf", "--cmr-rows", "sparse")) == 0
        assert "perplexity" in capsys.readouterr().out
        tables.append((tmp_path / out / "demo.csv").read_text())
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "nowhere.txt"], "there is no file or folder nowhere.txt"),
        (["--factor", "9999"], "factor 9999 is out of reach for shape"),
        (["--factor", "0.5"], "factor must be a finite number from 1 up, got 0.5"),
        (["--factor", "nan"], "factor must be a finite number from 1 up, got nan"),
        (["--structure", "lmf", "--factor", "12"], "doped at factor 12, half of it for the structure: LMF: factor 24"),
        (["--hidden", "0"], "hidden must be a finite number from 1 up, got 0"),
        (["--steps", "-3"], "steps must be a finite number from 0 up, got -3"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["--cmr", "1"], "cmr must be in [0, 1), got 1.0"),
    ],
)
def test_wrong_input_is_one_line_and_status_2_and_writes_nothing(arguments, says, text, tmp_path, capsys):
    assert main(small(text, tmp_path / "out", *arguments)) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.startswith("refdope: ")
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("content", "says"), [(b"", "is empty"), (b"\xff\xfe\x00", "not UTF-8"), (b"ab", "too short")])
def test_files_that_are_no_text_are_refused(content, says, tmp_path, capsys):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    assert main(small(str(path), tmp_path / "out")) == 2
    assert says in capsys.readouterr().err


def test_results_that_were_there_stay_when_a_run_fails(text, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "demo.csv").write_text("earlier")
    assert main(small(text, out, "--factor", "9999")) == 2
    assert (out / "demo.csv").read_text() == "earlier"
    assert main(small(text, text)) == 2
    assert "is a file, it must be a folder" in capsys.readouterr().err
    assert Path(text).read_text() == TEXT


def test_interrupted(monkeypatch, text, tmp_path, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("refdope.data.load", stop)
    assert main(small(text, tmp_path / "out")) == 130
    assert "interrupted" in capsys.readouterr().err


@contextmanager
def training(text, out):
    """`refdope demo` of endless training, its text loaded; whatever becomes of it, it is not left behind."""
    out.mkdir()
    (out / "demo.csv").write_text("earlier")
    command = [sys.executable, "-m", "refdope", *small(text, out, "--steps", "1000000")]
    # a shell's background job ignores interrupts, and what it starts inherits that
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        assert "sha256" in started.stdout.readline()  # the text is loaded, and training begins
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5])  # while the workers are started, and when they train
def test_an_interrupt_ends_training_at_once_and_leaves_what_was_there(text, tmp_path, seconds):
    out = tmp_path / "out"
    with training(text, out) as started:
        time.sleep(seconds)
        started.send_signal(signal.SIGINT)
        _, printed = started.communicate(timeout=20)
    assert started.returncode == 130
    assert printed.strip() == "refdope: interrupted; nothing was written"
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("demo.csv", "earlier")]


def test_a_killed_worker_is_told_in_one_line_and_leaves_what_was_there(text, tmp_path):
    out = tmp_path / "out"
    with training(text, out) as started:
        time.sleep(1.5)
        workers = subprocess.run(["pgrep", "-P", str(started.pid), "-f", "spawn_main"], capture_output=True, text=True)
        os.kill(int(workers.stdout.split()[0]), signal.SIGKILL)
        _, printed = started.communicate(timeout=20)
    assert started.returncode == 1
    assert printed.strip().splitlines()[-1].startswith("refdope: a process that trained was killed")
    assert "Traceback" not in printed
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("demo.csv", "earlier")]


def test_workers_end_with_a_killed_parent(text, tmp_path):
    with training(text, tmp_path / "out") as started:
        time.sleep(1.5)
        started.kill()
        started.communicate(timeout=20)  # ends when no process holds its output any more
    assert started.returncode == -signal.SIGKILL
