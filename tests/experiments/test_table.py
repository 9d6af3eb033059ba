"""The table of an experiment: what it has is done, and nothing that it has is lost."""

import re
from dataclasses import replace

import pytest

from refdope.experiments import conduct
from refdope.files import write_csv
from tests.experiments.small import Here, rows


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
    write_csv(table, [{k: v for k, v in r.items() if k not in ("joint", "options")} for r in whole if r["seed"] == "0"])
    again = Here()
    conduct.conduct(read, out.with_name("elsewhere"), table, again)
    assert again.ran == ["doped-kp-seed1"]
    assert {(r["joint"], r["options"]) for r in rows(table)} == {("False", "")}


def test_the_first_factor_of_an_older_row_is_an_option_now(small, tmp_path):
    read, out, table = small
    variant = replace(
        read.variants[-1], settings={"structure": "kronecker", "lr": 0.01, "ramp_end": 0.6, "options": "first=4x2"}
    )
    read = replace(read, variants=[variant])
    conduct.conduct(read, out, table, Here())
    write_csv(table, [{k: v for k, v in r.items() if k != "options"} | {"first": "4x2"} for r in rows(table)])
    again = Here()
    conduct.conduct(read, out.with_name("elsewhere"), table, again)
    assert again.ran == []
    assert [(r["options"], r.get("first")) for r in rows(table)] == [("first=4x2", None)]


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


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "variant,trial\n"])
def test_a_file_that_is_no_table_is_refused_and_stays(content, small):
    read, out, table = small
    table.write_text(content)
    with pytest.raises(ValueError, match="is no table of an experiment: name another --table"):
        conduct.conduct(read, out, table, Here())
    assert table.read_text() == content


def test_another_file_where_the_courses_go_is_refused_and_stays(small):
    read, out, table = small
    courses = table.with_name("small_courses.csv")
    courses.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"small_courses\.csv is there already, and is of no experiment"):
        conduct.conduct(read, out, table, Here())
    assert courses.read_text() == "a,b\n1,2\n"
