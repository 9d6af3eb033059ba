"""Every derivative of the package: complex step within 1e-12, stencil within 1e-8."""

from itertools import combinations, product
from operator import attrgetter

import numpy as np
import pytest

from refdope.selfcheck.every import (
    Check,
    check_dropout,
    check_embedding,
    check_softmax,
    checks,
    lstm,
    models,
    table,
    variants,
)
from refdope.selfcheck.ours import check_lstm, check_model, check_structure, gates
from refdope.structures import STRUCTURES, Overlay, SparseOverlay

LIMITS = {"complex step": 1e-12, "stencil": 1e-8}
KINDS = [*STRUCTURES, Overlay, SparseOverlay]
PLACES = {"Wx": 6, "Wh": 4}
STEPS, BATCHES = (1, 2, 3, 5), (1, 3)
EVERY = {
    (kind.__name__, how, where): (W, sampled)
    for kind, (where, n) in product(KINDS, PLACES.items())
    for how, W, sampled in variants(kind, (16, n))
}


def right(report):
    assert report.ok, str(report)
    for array in (array for array in report.arrays if array.size):
        assert set(array.errors) == set(LIMITS)
        for oracle, error in array.errors.items():
            assert error <= LIMITS[oracle], (array.name, oracle, error)


def listed() -> list:
    """Return the package's own list: quick are all of structures, and of each layer and model every seventh variant."""
    found, before = [], {}
    for check in checks():
        k = before[check.part, check.what] = before.get((check.part, check.what), -1) + 1
        place = list(before).index((check.part, check.what))
        quick = check.part == "structure" or not check.how or k == 0 or (k + place) % 7 == 0
        found.append(pytest.param(check, id=" ".join(check[:3]), marks=[] if quick else pytest.mark.slow))
    return found


@pytest.mark.parametrize("check", listed())
def test_a_derivative_of_the_package(check):
    right(check.run(how="entries" if check.part == "structure" else "directions"))


def test_what_is_quick_of_the_list_has_every_structure_layer_and_model_in_it():
    quick = [param.values[0] for param in listed() if not param.marks]
    for value in (attrgetter("part", "what"), attrgetter("how")):
        assert {value(check) for check in quick} == {value(check) for check in checks()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "where"), EVERY)
def test_an_lstm_over_every_structure_along_directions(name, how, where):
    W, sampled = EVERY[name, how, where]
    for T, B in product(STEPS, BATCHES):
        right(check_lstm(lstm(W, where), T, B, sampled=sampled, how="directions"))


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", STRUCTURES)
def test_whole_models_along_directions(kind, layers):
    for _, model, sampled in models(kind, layers):
        for T, B in product(STEPS, BATCHES):
            right(check_model(model, T, B, sampled=sampled, how="directions"))


def covering() -> list[tuple]:
    """Choose cases so that every pair of values of any two of (kind, how, where, T, B) occurs, greedily."""
    every = [(*key, T, B) for key, T, B in product(EVERY, STEPS, BATCHES)]
    pairs = {(i, j, case[i], case[j]) for case in every for i, j in combinations(range(5), 2)}
    left, chosen = set(pairs), []
    while left:
        best = max(every, key=lambda case: sum((i, j, case[i], case[j]) in left for i, j in combinations(range(5), 2)))
        left -= {(i, j, best[i], best[j]) for i, j in combinations(range(5), 2)}
        chosen.append(best)
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "where", "T", "B"), covering())
def test_an_lstm_entry_by_entry_in_a_pairwise_covering_subset(name, how, where, T, B):
    W, sampled = EVERY[name, how, where]
    right(check_lstm(lstm(W, where), T, B, sampled=sampled, how="entries"))


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", STRUCTURES)
def test_whole_models_entry_by_entry(kind, layers):
    *_, (_, model, sampled) = models(kind, layers)
    right(check_model(model, 3, 2, sampled=sampled, how="entries"))


@pytest.mark.parametrize("check", [check_embedding, check_softmax, check_dropout])
def test_embedding_softmax_and_dropout_entry_by_entry(check):
    right(check(how="entries"))


def test_the_list_has_every_structure_layer_and_model():
    found = checks()
    assert {check.part for check in found} == {"structure", "layer", "model"}
    for kind in KINDS:
        name = kind.__name__.lower()
        for what in (name, f"lstm, Wx {name}", f"lstm, Wh {name}"):
            assert sum(check.what == what for check in found) == (19 if kind in STRUCTURES else 1)


def test_the_table_has_a_row_for_each_part_and_the_reports_of_what_is_wrong(monkeypatch):
    W, _ = EVERY["Kronecker", "plain", "Wx"]

    def wrong_sign(**options):
        class Wrong(type(W)):
            def _adjoint(self, dy):
                return -super()._adjoint(dy)

        return check_structure(Wrong(W.A, W.B), **options)

    monkeypatch.setattr(
        "refdope.selfcheck.every.checks",
        lambda: [Check("structure", "wrong", "", wrong_sign), Check("layer", "softmax", "", check_softmax)],
    )
    rows, wrong = table("entries")
    assert [(row["what"], row["verdict"]) for row in rows] == [("wrong", "WRONG"), ("softmax", "ok")]
    assert float(rows[1]["complex step"]) < 1e-12
    (report,) = wrong
    assert report.wrong == ["x"]
    assert report.diagnosis.cause == "sign"


def test_gates_are_the_rows_of_what_has_four_times_as_many():
    W, _ = EVERY["Kronecker", "plain", "Wx"]
    layer = lstm(W, "Wx")
    named = gates(layer)
    assert set(named) == {name for name, a in layer.params.items() if len(a) == 16}
    assert named["b"]["f"] == slice(4, 8)
    assert np.array_equal(layer.b[named["b"]["o"]], layer.b[12:])
