import numpy as np
import pytest

from refdope.selection.descent import Design, Squares, descend, empty, objective, violation
from refdope.selection.logistic import Logistic
from tests.selection.data import additive, binary


def designs():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(60, d)) for d in (1, 4, 2, 0, 3, 3)]
    return Design([b - b.mean(0) for b in blocks], np.array([1, 2, 1.4, 1, 1.7, 0.5]))


def problems():
    design = designs()
    y = design.matrix @ np.linspace(-1, 1, design.matrix.shape[1])
    y += np.random.default_rng(1).normal(size=60)
    return [(design, Squares(y)), (design, Logistic((y > y.mean()).astype(float)))]


@pytest.mark.parametrize("problem", problems(), ids=["squares", "logistic"])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
def test_every_solution_fulfils_kkt_and_the_objective_never_rises(problem, share):
    design, loss = problem
    b, largest = empty(design, loss)
    b, course = descend(design, loss, share * largest, np.random.default_rng(2).normal(size=len(b)))
    assert violation(design, loss, share * largest, b).max() < 1e-8
    assert (np.diff(course) <= 1e-14).all()
    assert course[-1] == pytest.approx(objective(design, loss, share * largest, b))
    for seed in range(5):  # and nothing near is lower
        near = b + 1e-3 * np.random.default_rng(seed).normal(size=len(b))
        assert objective(design, loss, share * largest, near) > course[-1]


@pytest.mark.parametrize("problem", problems(), ids=["squares", "logistic"])
def test_lambda_max_is_where_the_first_block_comes_in(problem):
    design, loss = problem
    b, largest = empty(design, loss)
    assert not b[1:].any()
    assert not descend(design, loss, largest * (1 + 1e-7), b)[0][1:].any()
    just_below, _ = descend(design, loss, largest * (1 - 1e-4), b)
    assert np.count_nonzero(design.norms(just_below)[1:]) == 1


@pytest.mark.parametrize("loss", [Squares(additive(30)[1]), Logistic(binary(30)[1])], ids=["squares", "logistic"])
def test_derivatives_of_the_losses_are_what_differences_say(loss):
    f, h = np.random.default_rng(0).normal(size=30), 1e-6
    for i in (0, 11, 29):
        step = h * np.eye(30)[i]
        slope = (loss.value(f + step) - loss.value(f - step)) / (2 * h)
        assert loss.gradient(f)[i] == pytest.approx(slope, abs=1e-8)
        bend = (loss.gradient(f + step) - loss.gradient(f - step))[i] / (2 * h)
        assert loss.second(f)[i] == pytest.approx(bend, abs=1e-8)
    assert (30 * loss.second(f) <= loss.curvature + 1e-12).all()


def test_violations_see_a_solution_that_is_slightly_off():
    design, loss = problems()[0]
    b, largest = empty(design, loss)
    b, _ = descend(design, loss, 0.3 * largest, b)
    assert violation(design, loss, 0.3 * largest, b * 1.001).max() > 1e-5
    assert violation(design, loss, 0.29 * largest, b).max() > 1e-3


def test_too_few_rounds_are_an_error():
    design, loss = problems()[0]
    with pytest.raises(ArithmeticError, match="in 1 rounds"):
        descend(design, loss, 0.1, np.zeros(design.matrix.shape[1]), rounds=1)
