import hashlib
from collections import Counter

import numpy as np
import pytest

from tests.zoo import CAUSES, KEPT, SHOWN, attention, convolution, dropout, kronecker, lstm, overlay, rnn, softmax

BUGS = SHOWN + KEPT
RIGHT = {
    "LSTM": lstm.problem,
    "LSTM, fixed initial state": lambda: lstm.problem(fixed=True),
    "LSTM, two layers": lstm.two_layers,
    "RNN": rnn.plain,
    "RNN, bidirectional": rnn.bidirectional,
    "GRU": rnn.gru,
    "Kronecker": kronecker.problem,
    "Kronecker, square": lambda: kronecker.problem(A=(3, 3), B=(3, 3), evaluated=True),
    "low rank": kronecker.low_rank,
    "symmetric": kronecker.symmetric,
    "doped": overlay.doped,
    "CSR": overlay.csr,
    "softmax": softmax.problem,
    "softmax, padded": lambda: softmax.problem(padded=True),
    "softmax, underflow": lambda: softmax.problem(underflow=True),
    "tied": softmax.tied,
    "MLP": dropout.problem,
    "MLP, no decay": lambda: dropout.problem(decay=0.0),
    "attention": lambda: attention.problem(evaluated=True),
    "attention, square": lambda: attention.problem(D=4),
    "layer norm": attention.layer_norm,
    "convolution": convolution.convolution,
    "batch norm": convolution.batch_norm,
}


def complex_step(loss, params, h=1e-30):
    found = {}
    for name, value in params.items():
        found[name] = np.zeros_like(value)
        for at in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[at] += 1j * h
            found[name][at] = loss(params | {name: moved}).imag / h
    return found


def wrong(got, want):
    if got is None or got.shape != want.shape or got.dtype != want.dtype or not np.isfinite(got).all():
        return np.inf
    return np.max(np.abs(got - want)) / np.max(np.abs(want))


def called(grads, params):
    return grads(params) if callable(grads) else grads


def copied(params):
    return {name: value.copy() for name, value in params.items()}


@pytest.mark.parametrize("name", RIGHT)
def test_without_a_bug_gradients_are_right(name):
    problem = RIGHT[name]()
    for loss, params, grads in [problem[:3], *(problem.cases or {}).values()]:
        got, want = called(grads, params), complex_step(loss, params)
        assert got.keys() == want.keys()
        assert max(wrong(got[name], want[name]) for name in want) < 1e-6


@pytest.mark.parametrize("bug", BUGS, ids=[b.name for b in SHOWN] + [f"kept {k}" for k in range(len(KEPT))])
def test_each_bug_is_one(bug):
    loss, params, grads, blocks, cases = bug.make()
    assert set(bug.arrays) <= params.keys()
    assert set(blocks or {}) <= params.keys()
    assert cases is None or list(cases) == ["T = 1", "T = 2", "T = 3"]
    before, value = copied(params), loss(params)
    want = complex_step(loss, params)
    first = called(grads, params)
    amount = max((wrong(first.get(name), want[name]) for name in bug.arrays), default=0)
    if bug.arrays and not bug.later:
        assert amount > 1e-3
        return
    # right at first sight, or wrong in no array of its own: then it shows by what it changes, or when called again
    assert amount < 1e-6
    changed = loss(params) != value or any((params[name] != before[name]).any() for name in params)
    again = called(grads, copied(before))
    varies = any((again[name] != first[name]).any() for name in first)
    elsewhere = {name: 1.1 * value for name, value in before.items()}
    fresh = bug.make()
    called(fresh.grads, copied(before))
    there, want = called(fresh.grads, elsewhere), complex_step(fresh.loss, elsewhere)
    follows = all(wrong(there[name], want[name]) < 1e-6 for name in want)
    assert {
        "mutated": changed,
        "random": varies and not changed,
        "accumulated": varies and not changed,
        "stale": not varies and not changed and not follows,
    }[bug.cause[0]]


def test_bugs_are_told_by_unique_names_and_known_causes():
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    counts = Counter(cause for bug in BUGS for cause in bug.cause)
    assert counts.keys() == set(CAUSES)
    assert min(counts.values()) >= 2
    assert all(1 <= len(bug.cause) <= 2 for bug in BUGS)


def test_the_hash_of_its_name_tells_whether_a_bug_is_kept_aside():
    for bug in BUGS:
        assert (bug in KEPT) == (int(hashlib.sha256(bug.name.encode()).hexdigest(), 16) % 3 == 0), bug.name


def test_no_two_bugs_are_the_same():
    made = [(bug.make.func, bug.make.args, tuple(sorted(bug.make.keywords.items()))) for bug in BUGS]
    assert len(set(made)) == len(made)
