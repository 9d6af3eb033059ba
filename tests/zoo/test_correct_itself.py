"""The functions of `correct` are right: by complex steps; where these do not say so, by differences, entry by entry."""

import copy

import numpy as np
import pytest

from tests.zoo.correct import correct, hints

ZOO, HINTS = correct(), hints()
EPS = {np.dtype(np.float16): 1e-3, np.dtype(np.float32): 1e-6}  # and 1e-11 for what is finer


def leaves(tree, path=()):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        return {path: tree}
    return {at: a for key, sub in items for at, a in leaves(sub, (*path, key)).items()}


def put(tree, path, move):
    """Return the tree in at least float64, `move` added to the array at the path."""
    if isinstance(tree, dict | list):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        made = {key: put(sub, path[1:] if path and path[0] == key else None, move) for key, sub in items}
        return made if isinstance(tree, dict) else list(made.values())
    wide = tree.astype(np.result_type(tree.dtype.newbyteorder("="), np.float64))
    return wide + move if path == () else wide


def number(value):
    return np.asarray(value).reshape(())[()]


class Along:
    """The loss as a function of a step h in the direction v of one array; NaN where it cannot be called."""

    def __init__(self, loss, params, path, v):
        self.loss, self.params, self.path, self.v = loss, params, path, v
        self.start = self(0.0)
        self.eps = np.finfo(np.asarray(self.start).real.dtype).eps

    def __call__(self, h):
        try:
            with np.errstate(all="ignore"):
                return number(self.loss(put(self.params, self.path, h * self.v)))
        except Exception:
            return np.nan

    def imaginary(self, h=1e-30):
        return np.imag(self(1j * h)) / h

    def difference(self, scale):
        """Return the difference of fourth order at its best step, and an estimate of its error."""
        best = np.nan, np.inf
        for h in scale * 10.0 ** -np.arange(0.5, 10, 0.5):
            first, second = (self(h) - self(-h)) / (2 * h), (self(2 * h) - self(-2 * h)) / (4 * h)
            error = abs(second - first) / 3 + 2 * self.eps * abs(self.start) / h
            if error < best[1]:
                best = (4 * first - second) / 3, error
        return best

    def slopes(self, h):
        """Return the two one-sided slopes, the smaller first, and their rounding."""
        sides = [s * (4 * self(s * h) - self(2 * s * h) - 3 * self.start) / (2 * h) for s in (1, -1)]
        return *sorted(sides), 10 * self.eps * max(abs(self.start), 1) / h


def _slack(loss, params, g, hint):
    """Return the error allowed relative to each entry, and the one on top of that."""
    eps = EPS.get(g.dtype, 1e-11)
    most = max(eps, hint.get("rtol", 0)) * float(np.abs(g).max(initial=0))
    return eps, most + hint.get("atol", 0) + 1e-13 * abs(float(number(loss(params))))


def by_complex_step(loss, params, path, g, hint):
    """Say whether complex steps in two directions agree: one of ±1, and one that weighs up what is small in g."""
    (eps, slack), rng, g = _slack(loss, params, g, hint), np.random.default_rng(5), np.asarray(g, np.float64)
    even = np.divide(np.abs(g[g != 0]).min(initial=np.inf), np.abs(g), out=np.ones(g.shape), where=g != 0)
    for v in (rng.choice([-1.0, 1.0], g.shape), even * rng.uniform(0.5, 1, g.shape)):
        room = eps * np.abs(g * v).sum() + slack * (v**2).sum() ** 0.5
        if not abs(Along(hint.get("ref", loss), params, path, v).imaginary() - (g * v).sum()) <= room:  # or NaN
            return False
    return True


def by_differences(loss, params, path, g, hint):
    """Say whether differences agree in the largest, the smallest and some more entries."""
    (_, slack), rng, g = _slack(loss, params, g, hint), np.random.default_rng(5), np.asarray(g, np.float64)
    order = np.argsort(-np.abs(g).ravel(), kind="stable").tolist()
    for k in {*order[:4], *order[-4:], *rng.integers(0, max(g.size, 1), min(g.size, 4)).tolist()}:
        v, a = np.zeros(g.shape), g.flat[k]
        v.flat[k] = 1
        f = Along(hint.get("ref", loss), params, path, v)
        if "kink" in hint:
            low, high, noise = f.slopes(hint["kink"])
            good = low - noise - 1e-4 <= a <= high + noise + 1e-4
        else:
            found, error = f.difference(float(np.abs(leaves(params)[path].flat[k])) or 1.0)
            good = abs(found - a) <= 10 * error + 1e-7 * abs(a) + slack
            good &= error <= 1e-3 * np.abs(g).max() + slack
        if not good:
            return False
    return True


def method(loss, params, path, g, hint):
    """Return the method by which g is right, or None."""
    return next((way for way in (by_complex_step, by_differences) if way(loss, params, path, g, hint)), None)


def test_there_are_200_of_different_names():
    assert len(ZOO) == len({name for name, _ in ZOO}) == 200
    assert set(HINTS) <= {name for name, _ in ZOO}


@pytest.mark.parametrize(("name", "make"), ZOO, ids=[name for name, _ in ZOO])
def test_it_is_right_and_one_that_is_not_is_seen(name, make):
    loss, params, grads, *kwargs = make()
    hint = HINTS.get(name, {})
    for f, p, df in kwargs[0].get("cases", {}).values() if kwargs else ():
        assert all(method(f, p, at, g, hint) for at, g in leaves(df(p)).items())

    before, first = copy.deepcopy(params), number(loss(params))
    found = copy.deepcopy(leaves(grads(params) if callable(grads) else grads))
    arrays = leaves(params)
    assert first == number(loss(params))
    assert found.keys() == arrays.keys()
    for at, g in leaves(grads(params) if callable(grads) else grads).items():
        np.testing.assert_array_equal(g, found[at])
        np.testing.assert_array_equal(arrays[at], leaves(before)[at])
        assert g.shape == arrays[at].shape
        assert g.dtype == arrays[at].dtype.newbyteorder("=")
        assert np.isfinite(g).all()
    ways = {at: method(loss, params, at, g, hint) for at, g in found.items()}
    assert [at for at, way in ways.items() if way is None] == []

    # and this test would see another one, by 5% or, at a kink, by more than the slopes are apart
    def wrong(g):
        return 1.05 * g if "kink" not in hint else g + 3 * np.abs(g).max(initial=1)

    floor = 1e-12 * abs(float(first)) + 100 * hint.get("atol", 0)
    if "weak" not in hint:
        large = {at: g for at, g in found.items() if np.abs(g).max(initial=0) > floor}
        assert [at for at, g in large.items() if ways[at](loss, params, at, wrong(g), hint)] == []


def test_each_is_made_afresh():
    for name, make in ZOO[::7]:
        (_, a, *_), (_, b, *_) = make(), make()
        for x, y in zip(leaves(a).values(), leaves(b).values(), strict=True):
            np.testing.assert_array_equal(x, y, err_msg=name)
            assert x is not y or not x.flags.writeable, name
