import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope import Dense, Doped, Kronecker, LanguageModel, Recipe
from refdope.analysis import adaptation, by_matrix, cost, markdown, moves, parts, without
from refdope.data import Batches
from refdope.models import evaluate

V, H = 7, 10
PROBE = Batches(np.random.default_rng(3).integers(0, V, 200).astype(np.int32), 10, 4)


def model(kind=Kronecker, doped=True):
    factor = 1 if kind is Dense else 3
    m = LanguageModel.from_recipe(V, H, Recipe(kind, factor, doped=doped), np.random.default_rng(0), layers=2)
    return m.astype(np.float32)


def test_the_cost_of_a_dense_model():
    c = cost(model(Dense, doped=False))
    lstm, rest = 4 * 40 * 10, 2 * 40 + V * H + V * H + V
    assert (c.lstm_params, c.lstm_bytes, c.params) == (lstm, 4 * lstm, lstm + rest)
    assert (c.lstm_factor, c.lstm_bytes_factor, c.factor) == (1, 1, 1)
    assert c.lstm_value_bytes == c.lstm_bytes
    assert c.macs == lstm + V * H


def test_the_cost_of_a_doped_model_counts_indices_and_what_is_not_compressed():
    m = model()
    for W in m.matrices.values():
        W.overlay.prune(100)
    m.to_csr()
    c = cost(m)
    structure = sum(W.structure.n_params for W in m.matrices.values())
    assert c.lstm_params == structure + 400
    assert c.lstm_bytes == 4 * (structure + 2 * 400 + 4 * 41)
    assert c.lstm_factor == pytest.approx(1600 / c.lstm_params)
    assert c.lstm_value_bytes == 4 * (structure + 400)
    rows = by_matrix(m)
    assert [row["matrix"] for row in rows] == list(m.matrices)
    assert sum(row["bytes"] for row in rows) == c.lstm_bytes
    assert rows[0]["stored"] == rows[0]["parameters"] == m.matrices["layers.0.Wx"].n_params
    rest = 2 * 40 + 2 * V * H + V
    assert c.factor == pytest.approx((1600 + rest) / (c.lstm_params + rest))


def test_without_removes_one_co_matrix_and_shares_the_rest():
    m = model()
    for what, other in (("overlay", "structure"), ("structure", "overlay")):
        left = without(m, what)
        for W, was in zip(left.matrices.values(), m.matrices.values(), strict=True):
            assert not getattr(W, what).to_dense().any()
            assert_array_equal(W.to_dense(), getattr(was, other).to_dense())
        assert np.shares_memory(left.embedding.E, m.embedding.E)


def test_adaptation_measures_the_losses_and_the_share():
    m = model()
    found = adaptation(m, PROBE)
    assert found["loss"] == evaluate(m, PROBE)
    assert found["without_overlay"] == evaluate(without(m, "overlay"), PROBE)
    assert found["without_structure"] == evaluate(without(m, "structure"), PROBE)
    assert 0.65 < found["share"] < 0.85  # 3 : 1, since nine tenths of the variance are the overlay's
    assert -0.2 < found["cosine"] < 0.2
    louder = m.replace({name: 3 * a if name.endswith("overlay") else a for name, a in m.params.items()})
    assert adaptation(louder, PROBE)["share"] > found["share"] + 0.05
    alone = adaptation(without(m, "overlay"), PROBE)
    assert (alone["share"], alone["cosine"]) == (0, 0)
    assert alone["structure_explains"] == pytest.approx(1, abs=1e-6)
    assert alone["overlay_explains"] == pytest.approx(0, abs=1e-6)


def test_cosine_and_explained_variance_are_those_of_the_products():
    m = model()
    for W in m.matrices.values():
        W.overlay.values[...] = 2 * W.structure.to_dense()  # the overlay says the same, twice as loud
    found = adaptation(m, PROBE)
    assert found["cosine"] == pytest.approx(1, abs=1e-5)
    assert found["share"] == pytest.approx(2 / 3, abs=1e-5)
    assert found["structure_explains"] == pytest.approx(1 - (2 / 3) ** 2, abs=1e-5)
    assert found["overlay_explains"] == pytest.approx(1 - (1 / 3) ** 2, abs=1e-5)


def test_moves_are_those_of_the_matrices_not_of_the_factors():
    m = model()
    before, W = parts(m), m.matrices["layers.0.Wx"]
    norm = sum(np.linalg.norm(s + o) ** 2 for s, o in before) ** 0.5
    A, B, dA = W.structure.A.copy(), W.structure.B.copy(), np.full_like(W.structure.A, 0.01)
    W.structure.A += dA
    W.structure.B *= 1.5
    moved = moves(before, m)
    exact = np.kron(dA, B) + np.kron(A, 0.5 * B) + np.kron(dA, 0.5 * B)
    assert moved["structure_moves"] == pytest.approx(np.linalg.norm(exact) / norm, rel=1e-4)
    assert moved["overlay_moves"] == 0
    assert np.isnan(list(moves(parts(model(Dense, doped=False)), m).values())).all()


def test_a_model_that_is_not_doped_has_no_parts():
    found = adaptation(model(Dense, doped=False), PROBE)
    assert found["loss"] > 0
    assert np.isnan([found[name] for name in ("without_overlay", "without_structure", "share")]).all()


def test_a_doped_matrix_beside_a_dense_one_is_measured_alone():
    m = model()
    m.layers[1].Wh = Dense(m.layers[1].Wh.to_dense())
    assert 0.65 < adaptation(m, PROBE)["share"] < 0.85
    assert isinstance(m.layers[0].Wx, Doped)


def test_markdown_lines_up():
    table = markdown([{"model": "dense", "n": 1000}, {"model": "a", "n": 2}])
    assert table.splitlines() == ["| model |    n |", "|-------|-----:|", "| dense | 1000 |", "| a     |    2 |"]
