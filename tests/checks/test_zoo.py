"""The checker against the zoo: every wrong backward pass is found, most are named, no right one is accused."""

from functools import cache

import pytest

from refdope import gradcheck
from tests.zoo import ASIDE, FRESH, KEPT, LAST, SHOWN, UNSEEN
from tests.zoo.correct import correct

SETS = {"shown": SHOWN, "kept": KEPT, "aside": ASIDE, "last": LAST, "fresh": FRESH, "unseen": UNSEEN}
EVERY = [bug for bugs in SETS.values() for bug in bugs]


@cache
def report(name):
    return gradcheck(**next(bug for bug in EVERY if bug.name == name).make()._asdict())


@pytest.mark.parametrize("bug", EVERY, ids=lambda bug: bug.name)
def test_every_bug_is_found_where_it_is_and_something_is_said_of_it(bug):
    found = report(bug.name)
    assert not found.ok
    places = {*found.wrong, *(name for finding in found.findings for name in finding.arrays)}
    assert not bug.arrays or places & set(bug.arrays), str(found)
    assert found.diagnosis is not None
    assert found.diagnosis.text in str(found)
    assert found.diagnosis.cause in str(found)
    assert "WRONG" in found._repr_html_()


@pytest.mark.parametrize("name", SETS)
def test_most_causes_are_named(name):
    found = [(report(bug.name).diagnosis, bug) for bug in SETS[name]]
    first = [diagnosis.cause in bug.cause for diagnosis, bug in found]
    assert sum(first) >= 0.88 * len(first), f"{sum(first)} of {len(first)}"
    either = [bool({*diagnosis.causes} & {*bug.cause}) for diagnosis, bug in found]
    assert sum(either) >= 0.9 * len(either), f"{sum(either)} of {len(either)}"


def test_nine_of_ten_causes_are_named_over_all_and_in_the_set_that_nothing_was_learnt_from():
    for bugs in (EVERY, UNSEEN):
        first = [report(bug.name).diagnosis.cause in bug.cause for bug in bugs]
        assert sum(first) >= 0.9 * len(first), f"{sum(first)} of {len(first)}"


@pytest.mark.parametrize(("name", "make"), correct(), ids=[name for name, _ in correct()])
def test_no_right_function_is_accused(name, make):
    loss, params, grads, *options = make()
    found = gradcheck(loss, params, grads, **(options[0] if options else {}))
    assert found.ok, str(found)
