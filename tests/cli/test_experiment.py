"""`refdope experiment`."""

import os
import signal
import subprocess
import sys
import time

from tests.experiments.small import FILE, TEXT


def test_an_interrupt_says_where_what_is_done_is_and_leaves_checkpoints_to_go_on_from(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "small.toml").write_text(FILE.replace("steps = 4\n", "steps = 1000000\n"))
    command = [sys.executable, "-m", "refdope", "experiment", "small.toml", "--data", "text.txt", "--table", "t.csv"]
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is to ignore it
    try:
        started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, handler)
    deadline = time.monotonic() + 60
    while not (first := list(tmp_path.glob("runs/small/*/checkpoints/*.npz"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)  # it trains
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: all processes at once
    _, printed = started.communicate(timeout=30)
    assert started.returncode == 130
    assert printed.splitlines()[-1] == (
        "refdope: interrupted; what is done is in t.csv, and the same command goes on from there"
    )
    assert "Traceback" not in printed
    for run in (tmp_path / "runs" / "small").glob("*/checkpoints"):
        assert len(list(run.glob("*.npz"))) == 2, run  # of the start, and of where it was interrupted
    assert first
