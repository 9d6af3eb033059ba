"""What of an experiment comes first."""

from dataclasses import replace

import pytest

from refdope.experiments import conduct
from tests.experiments.small import Here


def names(ran):
    return [name.split("-lr")[0] + (" trial" if "-lr" in name else "") for name in ran]


def test_one_at_a_time_a_variant_begins_right_after_its_trials(small):
    here = Here()
    conduct.conduct(*small, here, at_once=1)
    assert names(here.ran) == [
        *["dense trial"] * 2,
        "dense-seed0",
        *["doped-kp trial"] * 4,
        "doped-kp-seed0",
        "fixed-seed0",
        "doped-kp-seed1",
    ]


def test_controls_begin_after_all_seeds_of_the_others(small):
    read, *where = small
    read = replace(read, variants=[replace(v, control=v.name == "dense") for v in read.variants])
    here = Here()
    conduct.conduct(read, *where, here, at_once=1)
    kp = ["doped-kp-seed0", "fixed-seed0", "doped-kp-seed1"]
    assert names(here.ran) == [*["doped-kp trial"] * 4, *kp, *["dense trial"] * 2, "dense-seed0"]


def test_without_a_limit_nothing_that_can_begin_waits(small):
    here = Here()
    conduct.conduct(*small, here)
    assert names(here.ran) == [
        *["dense trial"] * 2,
        *["doped-kp trial"] * 4,
        "fixed-seed0",  # it has no trials
        "dense-seed0",
        "doped-kp-seed0",
        "doped-kp-seed1",
    ]


@pytest.mark.parametrize("at_once", [1, 2, 3, None])
def test_the_order_of_runs_changes_no_table(at_once, small):
    read, out, table = small
    conduct.conduct(read, out, table, Here(), at_once)
    expected = out.with_name("expected.csv")
    conduct.conduct(read, out, expected, Here())
    assert table.read_bytes() == expected.read_bytes()
