import hashlib
from collections import Counter

import numpy as np
import pytest

from tests.zoo import (
    ASIDE,
    CAUSES,
    FRESH,
    KEPT,
    LAST,
    SHOWN,
    UNSEEN,
    adapters,
    attention,
    bag,
    bilstm,
    blocks,
    captions,
    causal,
    cbow,
    charlstm,
    charrnn,
    classifier,
    columns,
    concatgru,
    convolution,
    distances,
    dopedcell,
    dropout,
    factored,
    feedback,
    forecast,
    gates,
    heads,
    hybrid,
    images,
    kronecker,
    laststate,
    layers,
    losses,
    lstm,
    memory,
    network,
    norms,
    overlay,
    padded,
    peephole,
    pooling,
    products,
    resetafter,
    residual,
    rnn,
    scores,
    sentiment,
    separate,
    skipgram,
    softmax,
    stacked,
    strided,
    translation,
)

HIDDEN = {"kept": KEPT, "aside": ASIDE, "last": LAST, "fresh": FRESH, "unseen": UNSEEN}
BUGS = SHOWN + KEPT + ASIDE + LAST + FRESH + UNSEEN
IDS = [b.name for b in SHOWN] + [f"{which} {k}" for which, bugs in HIDDEN.items() for k in range(len(bugs))]
RIGHT = {
    "LSTM": lstm.problem,
    "LSTM, fixed initial state": lambda: lstm.problem(fixed=True),
    "LSTM, two layers": lstm.two_layers,
    "RNN": rnn.plain,
    "RNN, as wide as its inputs": lambda: rnn.plain(D=4),
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
    "LSTM, peephole": peephole.peephole,
    "LSTM, coupled": peephole.coupled,
    "GRU, reset after": resetafter.problem,
    "LSTM, four matrices": gates.problem,
    "LSTM, four matrices, saturated": lambda: gates.problem(saturated=True),
    "character RNN": charrnn.problem,
    "LSTM, padded": padded.problem,
    "LSTM, padded, last state": lambda: padded.problem(last=True),
    "Kronecker, raveled": products.raveled,
    "singular": products.singular,
    "rows": products.rows,
    "COO": products.coo,
    "circulant": products.circulant,
    "bilinear": products.bilinear,
    "squared": losses.squared,
    "hinge": losses.hinge,
    "entropy": losses.entropy,
    "entropy, smoothed": lambda: losses.entropy(smoothing=0.2),
    "divergence": losses.divergence,
    "variational": losses.variational,
    "pooling": pooling.problem,
    "root mean square": norms.root_mean_square,
    "weight norm": norms.weight,
    "layer norm, inverted": norms.inverted,
    "attention, heads": heads.problem,
    "deep": layers.deep,
    "highway": layers.highway,
    "words": layers.words,
    "captions": captions.problem,
    "RNN by columns": columns.problem,
    "GRU, kept by z": separate.problem,
    "sentiment LSTM": sentiment.problem,
    "RNN, residual": residual.problem,
    "doped LSTM": dopedcell.problem,
    "translation": translation.problem,
    "network": network.problem,
    "network, no decay": lambda: network.problem(reg=0.0),
    "network, float32": lambda: network.problem(dtype=np.float32),
    "word vectors": skipgram.problem,
    "Huber": distances.huber,
    "cosine": distances.cosine,
    "logistic regression": distances.logistic,
    "logistic regression, saturated": lambda: distances.logistic(saturated=True),
    "pictures": images.convolution,
    "batch norm by channels": images.batch_norm,
    "causal attention": causal.problem,
    "three Kronecker factors": adapters.three,
    "adapter": adapters.adapter,
    "CSR, any order": adapters.csr,
    "dropped entries": adapters.entries,
    "forecasting LSTM": forecast.problem,
    "character LSTM": charlstm.problem,
    "RNN, last state": laststate.problem,
    "GRU on [h, x]": concatgru.problem,
    "LSTM, both ways": bilstm.problem,
    "LSTM, stacked": stacked.problem,
    "RNN that reads its output": feedback.problem,
    "RNN of low rank": factored.problem,
    "classifier by columns": classifier.problem,
    "word from its neighbours": cbow.problem,
    "word from its neighbours, padded": lambda: cbow.problem(padded=True),
    "word from its neighbours, dropped": lambda: cbow.problem(dropped=True),
    "softmax of scores": scores.softmax,
    "softmax of scores, large": lambda: scores.softmax(large=True),
    "distillation": scores.distilled,
    "triplet": scores.triplet,
    "GELU": blocks.gelu,
    "layer norm of sequences": blocks.layer_norm,
    "batch norm, step by step": blocks.batch_norm,
    "attention to a memory": memory.product,
    "attention to a memory, square": lambda: memory.product(d=4),
    "additive attention": memory.additive,
    "strided convolution": strided.problem,
    "mean of words": bag.problem,
    "hybrid": hybrid.hybrid,
    "Kronecker, formed": hybrid.formed,
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


# by its number, and without `bug.` in an assertion, so that a failure does not print what those kept aside are
@pytest.mark.parametrize(
    "k",
    [
        pytest.param(k, id=name, marks=[] if k >= len(BUGS) - len(UNSEEN) else pytest.mark.slow)
        for k, name in enumerate(IDS)
    ],
)
def test_each_bug_is_one(k):
    arrays, later, cause, set_aside = BUGS[k].arrays, BUGS[k].later, BUGS[k].cause[0], k >= len(SHOWN + KEPT)
    make = BUGS[k].make
    loss, params, grads, blocks, cases = make()
    assert set(arrays) <= params.keys()
    assert set(blocks or {}) <= params.keys()
    assert cases is None or list(cases) == [1, 2, 3]
    before, value = copied(params), loss(params)
    want = complex_step(loss, params)
    first = called(grads, params)
    amount = max((wrong(first.get(name), want[name]) for name in arrays), default=0)
    if arrays and not later:
        assert amount > 1e-3
        return
    # right at first sight, or wrong in no array of its own: then it shows by what it changes, or when called again
    assert amount < 1e-6
    changed = loss(params) != value or any((params[name] != before[name]).any() for name in params)
    again = called(grads, copied(before))
    varies = any((again[name] != first[name]).any() for name in first)
    elsewhere = {name: 1.1 * value for name, value in before.items()}
    fresh = make()
    called(fresh.grads, copied(before))
    there, want = called(fresh.grads, elsewhere), complex_step(fresh.loss, elsewhere)
    follows = all(wrong(there[name], want[name]) < 1e-6 for name in want)
    # what is read of another call may make two calls differ too
    assert {
        "mutated": changed,
        "random": varies and not changed,
        "accumulated": varies and not changed,
        "stale": (set_aside or not varies) and not changed and not follows,
    }[cause]


def test_where_only_later_calls_are_wrong_the_first_is_right_in_every_array():
    for k, bug in enumerate(BUGS):
        if bug.later or (bug.cause == ("stale",) and not bug.arrays):
            loss, params, grads = bug.make()[:3]
            got, want = called(grads, params), complex_step(loss, params)
            off = max(wrong(got[name], want[name]) for name in want)
            assert off < 1e-6, IDS[k]


def test_bugs_are_told_by_unique_names_and_known_causes():
    names, bugs = len({bug.name for bug in BUGS}), len(BUGS)
    assert names == bugs
    counts = Counter(cause for bug in BUGS for cause in bug.cause)
    assert counts.keys() == set(CAUSES)
    assert min(counts.values()) >= 2
    for bugs in (ASIDE, LAST, FRESH, UNSEEN):
        assert {cause for bug in bugs for cause in bug.cause} == set(CAUSES)
    numbers = {len(bug.cause) for bug in BUGS}
    assert numbers == {1, 2}


def test_the_hash_of_its_name_tells_whether_a_bug_is_kept_aside():
    for bug in SHOWN + KEPT:
        assert (bug in KEPT) == (int(hashlib.sha256(bug.name.encode()).hexdigest(), 16) % 3 == 0), bug.name


def test_no_two_bugs_are_the_same():
    made = [(bug.make.func, bug.make.args, tuple(sorted(bug.make.keywords.items()))) for bug in BUGS]
    unlike, bugs = len(set(made)), len(made)
    assert unlike == bugs
