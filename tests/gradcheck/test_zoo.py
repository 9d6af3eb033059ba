"""The checker against the zoo: every wrong backward pass is found, most are named, no right one is accused."""

import pytest

from refdope import gradcheck
from tests.zoo import ASIDE, FRESH, KEPT, LAST, SHOWN, UNSEEN
from tests.zoo.correct import correct

SETS = {"shown": SHOWN, "kept": KEPT, "aside": ASIDE, "last": LAST, "fresh": FRESH, "unseen": UNSEEN}
NAMED = {"shown": 0.95, "kept": 0.95, "aside": 0.9, "last": 0.9, "fresh": 0.88, "unseen": 0.9}  # at least


@pytest.mark.parametrize(
    "name", [name if name == "unseen" else pytest.param(name, marks=pytest.mark.slow) for name in SETS]
)
def test_every_bug_is_found_where_it_is_and_most_are_named(name):
    first = []
    for bug in SETS[name]:
        report = gradcheck(**bug.make()._asdict())
        assert not report.ok, bug.name
        places = {*report.wrong, *(array for finding in report.findings for array in finding.arrays)}
        assert not bug.arrays or places & set(bug.arrays), f"{bug.name}\n{report}"
        assert report.diagnosis is not None, bug.name
        assert f"most likely: [{report.diagnosis.cause}" in str(report)
        assert "WRONG" in report._repr_html_()
        first.append(report.diagnosis.cause in bug.cause)
    assert sum(first) >= NAMED[name] * len(first), f"{sum(first)} of {len(first)}"


@pytest.mark.parametrize(("name", "make"), correct(), ids=[name for name, _ in correct()])
def test_no_right_function_is_accused(name, make):
    loss, params, grads, *options = make()
    found = gradcheck(loss, params, grads, **(options[0] if options else {}))
    assert found.ok, str(found)
