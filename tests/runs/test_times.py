"""The log of how long a run has trained."""

from refdope.runs import times
from refdope.runs.times import Time


def test_what_is_appended_is_read(tmp_path):
    assert times.read(tmp_path) == []
    log = [Time(10, 1.5, 200.0), Time(20, 3.25, 210.5)]
    for time in log:
        times.append(tmp_path, time)
    assert times.read(tmp_path) == log
    assert (tmp_path / "times.csv").read_text().startswith("step,seconds,tokens_per_second\n10,1.50,200.0\n")


def test_a_line_that_was_cut_off_is_left_out_and_spoils_no_other(tmp_path):
    times.append(tmp_path, Time(10, 1.5, 200.0))
    with (tmp_path / "times.csv").open("a") as file:
        file.write("20,3.")
    assert times.read(tmp_path) == [Time(10, 1.5, 200.0)]
    times.append(tmp_path, Time(30, 4.0, 190.0))
    assert times.read(tmp_path) == [Time(10, 1.5, 200.0), Time(30, 4.0, 190.0)]
