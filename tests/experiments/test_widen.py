"""A choice at an edge of its grid: what is tried beyond it, and that an experiment goes on from its table with it."""

import csv
from dataclasses import asdict

import pytest

from refdope.experiments import experiment
from refdope.experiments.order import Order
from refdope.experiments.table import Table
from tests.experiments.small import FILE

GRID = "lr = [0.01, 0.02]\nramp_end = [0.5, 0.8]"


@pytest.fixture
def read(tmp_path):
    """Return what reads an experiment that widens a grid."""

    def of(grid=GRID, widen=True):
        path = tmp_path / "small.toml"
        path.write_text(FILE.replace(GRID, grid).replace("[base]", f"widen = {str(widen).lower()}\n[base]"))
        return experiment.read(path)

    return of


class Fake:
    """Ends every run at once, with a validation loss that a function of its config gives."""

    def __init__(self, read, path, loss, fails=lambda config: False, limit=1000):
        self.read, self.path, self.loss, self.fails, self.ran = read, path, loss, fails, []
        order = Order(read, Table(path, path.parent / "out"))
        order.record.check(order.known(), lambda run: "text")
        while (begun := order.begin((), 1)) and len(self.ran) < limit:
            for run in begun:
                self.ran.append(run)
                if not fails(run.config):
                    self.write(run)
            order.record = Table(path, path.parent / "out")
        self.order = order

    def write(self, run):
        row = {"variant": run.variant, "trial": run.trial, **asdict(run.config)}
        row |= {"valid": self.loss(run.config), "corpus_hash": "text"}
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def tried(self, variant, name="lr"):
        return [getattr(run.config, name) for run in self.ran if run.variant == variant and run.trial]

    def chosen(self, variant):
        (first, *_) = [run.config for run in self.ran if run.variant == variant and not run.trial]
        return first


def nearest_to(best, name="lr"):
    return lambda config: abs(getattr(config, name) - best)


@pytest.mark.parametrize(
    ("best", "tried", "chosen"),
    [
        (0.021, [0.01, 0.02, 0.04], 0.02),  # one beyond, and it is worse
        (0.041, [0.01, 0.02, 0.04, 0.08], 0.04),
        (1.0, [0.01, 0.02, 0.04, 0.08], 0.08),  # two at most: an edge still
        (0.004, [0.01, 0.02, 0.005, 0.0025], 0.005),
        (0.0, [0.01, 0.02, 0.005, 0.0025], 0.0025),
    ],
)
def test_the_next_value_outward_is_tried_until_the_choice_lies_within(read, tmp_path, best, tried, chosen):
    done = Fake(read("lr = [0.01, 0.02]"), tmp_path / "t.csv", nearest_to(best))
    assert done.tried("dense") == tried
    assert done.tried("doped KP") == tried
    assert done.tried("fixed") == []
    assert done.chosen("dense").lr == chosen
    at = [] if chosen not in (0.08, 0.0025) else [f"dense: lr {chosen} is at the edge of its grid; widen it"]
    assert [line for line in done.order.at_an_edge() if line.startswith("dense")] == at


def test_only_the_edge_of_the_best_is_extended(read, tmp_path):
    within = Fake(read("lr = [0.01, 0.02, 0.04]"), tmp_path / "t.csv", nearest_to(0.02))
    assert within.tried("dense") == [0.01, 0.02, 0.04]
    assert within.order.at_an_edge() == []


def test_each_axis_is_extended_for_itself_and_a_setting_that_cannot_be_is_not_tried(read, tmp_path):
    loss = lambda c: abs(c.lr - 0.03) + abs(c.ramp_end - 0.9)  # noqa: E731
    done = Fake(read(), tmp_path / "t.csv", loss)
    more = [(run.config.lr, run.config.ramp_end) for run in done.ran if run.variant == "doped KP" and run.trial][4:]
    assert more == [(0.04, 0.8)]  # a ramp that ends at 1.28 cannot be
    assert done.order.at_an_edge() == ["doped KP: ramp_end 0.8 is at the edge of its grid; widen it"]


@pytest.mark.parametrize(
    "grid", ["lr = [0.01, 0.02, 0.03]", "lr = [0.0, 0.01]", 'gates = ["one", "each"]', "lr = [0.01]"]
)
def test_what_has_no_ratio_steps_is_left_alone(read, tmp_path, grid):
    done = Fake(read(grid), tmp_path / "t.csv", lambda c: 1 / (1 + c.lr))
    assert len(done.tried("dense")) == (0 if grid == "lr = [0.01]" else grid.count(",") + 1)


def test_an_experiment_that_does_not_ask_for_it_says_that_a_choice_lies_at_an_edge(read, tmp_path):
    done = Fake(read("lr = [0.01, 0.02]", widen=False), tmp_path / "t.csv", nearest_to(1.0))
    assert done.tried("dense") == [0.01, 0.02]
    says = [f"{name}: lr 0.02 is at the edge of its grid; widen it" for name in ("dense", "doped KP")]
    assert done.order.at_an_edge() == says


def test_a_trial_that_fails_is_an_end_of_the_axis_too(read, tmp_path):
    done = Fake(read("lr = [0.01, 0.02]"), tmp_path / "t.csv", nearest_to(1.0), fails=lambda c: c.lr > 0.03)
    assert done.tried("dense") == [0.01, 0.02, 0.04]  # no 0.08 after it
    assert done.chosen("dense").lr == 0.02


@pytest.mark.parametrize("stops", range(1, 12))
def test_wherever_it_stops_it_goes_on_from_its_table(read, tmp_path, stops):
    whole = Fake(read(), tmp_path / "whole.csv", nearest_to(0.1))
    begun = Fake(read(), tmp_path / "t.csv", nearest_to(0.1), limit=stops)
    again = Fake(read(), tmp_path / "t.csv", nearest_to(0.1))
    assert begun.ran + again.ran == whole.ran
    assert Fake(read(), tmp_path / "t.csv", nearest_to(0.1)).ran == []


def test_a_table_of_before_is_widened_now(read, tmp_path):
    """An experiment under way: the grid's trials and their run proper are there; then `widen` is switched on."""
    before = Fake(read("lr = [0.01, 0.02]", widen=False), tmp_path / "t.csv", nearest_to(0.021))
    after = Fake(read("lr = [0.01, 0.02]"), tmp_path / "t.csv", nearest_to(0.021))
    assert [run.config.lr for run in before.ran if run.variant == "dense"] == [0.01, 0.02, 0.02]
    assert [(run.config.lr, run.trial) for run in after.ran if run.variant == "dense"] == [(0.04, True)]
