"""What calling loss and grads shows besides numbers.

Arrays that a call changed, results that differ from call to call, gradients that do not follow the parameters, shapes
and dtypes that are not the parameters'. Everything that a call changed is put back, so that the oracles see the point
as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refdope.gradcheck.causes import Diagnosis
from refdope.gradcheck.compared import Compared
from refdope.gradcheck.entries import entry_by_entry
from refdope.gradcheck.limits import Limits
from refdope.gradcheck.numeric import Numeric
from refdope.gradcheck.oracles import scalar
from refdope.gradcheck.problem import Problem, copied
from refdope.gradcheck.tree import Flat, flatten
from refdope.gradcheck.watch import arrays_of, changed, read_by, snapshot


class Calls:
    """Loss and grads, called: twice each, on copies of the parameters.

    Attributes
    ----------
    value : float
        The loss.
    gradients : dict
        What the first call gave, float64, where it can be compared.
    itemsize : int
        Bytes of the coarsest of them, before that.
    unusable : Diagnosis or None
        Why the loss cannot be differentiated.
    repeats : bool
        Whether grads can be called again, and then says the same.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        grads = problem.grads
        self.read, self.chance = read_by(*(f for f in (problem.loss, grads) if callable(f)))
        self.found: list[Diagnosis] = []
        self.second: Flat | None = None
        self.moved: list[str] = []
        self.loss_moved = False
        self.watched = arrays_of(self.read)
        buffers = self._call_loss(self.watched)
        self.before = snapshot(self.watched)
        self.gradients = self._comparable(*self._call_grads(grads))
        self.repeats = False
        if callable(grads):
            self._call_again(buffers)
            assert self.second is not None
            self.repeats = not self.moved and not self._differing()

    def _call_loss(self, watched: Flat) -> set[str]:
        """Call the loss, see whether it changes anything, and return what it uses as buffers."""
        before, given = snapshot(watched), self._copies()
        first = number(self.problem.loss(given))
        moved = changed(flatten(given), {name: np.asarray(a, np.float64) for name, a in self.problem.flat.items()})
        if moved:
            self._find("mutated", f"loss changed the parameters {', '.join(moved)}", "seen before and after a call")
        self.value = number(self.problem.loss(self._copies()))
        self.unusable = self._unequal(first, self.value, changed(watched, before))
        before = snapshot(watched)
        self.problem.loss(self._copies())
        return set(changed(watched, before))

    @staticmethod
    def _unequal(one: float, two: float, moved: Sequence[str]) -> Diagnosis | None:
        if not abs(one - two) > 1e-12 * abs(one):
            return None
        told = f"two calls gave {one:.6g} and {two:.6g}"
        if moved:
            return Diagnosis("mutated", f"loss changed {', '.join(moved)}, which it was only to read", told)
        text = "the loss is not deterministic: fix its masks, or draw them from a seed within it"
        return Diagnosis("random", text, told)

    def _call_grads(self, grads: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Ask for gradients, on parameters of their own dtype to see theirs, and in float64 for the numbers."""
        if not callable(grads):
            return flatten(grads), flatten(grads)
        given = self._copies(dtype=None)
        before = snapshot(flatten(given))
        own = copied(flatten(grads(given)))
        moved = changed(flatten(given), before)
        if moved:
            self._find("mutated", f"grads changed the parameters {', '.join(moved)}", "seen before and after a call")
        double = all(a.dtype == np.float64 for a in self.problem.flat.values())
        return own, own if double else copied(flatten(grads(self._copies())))

    def _comparable(self, own: Mapping[str, Any], asked: Mapping[str, Any]) -> Flat:
        """Keep the gradients that can be compared; note what is wrong with the others, and with their dtypes."""
        kept: Flat = {}
        for name, param in self.problem.flat.items():
            if asked.get(name) is None:
                self._find("missing", f"no gradient for {name}", f"grads has {', '.join(asked) or 'nothing'}", name)
                continue
            g, dtype = np.asarray(asked[name]), np.asarray(own.get(name)).dtype
            if g.shape != param.shape:
                turned = "; it is the transpose's" if g.shape == param.shape[::-1] else ""
                self._find("shape", f"the gradient of {name} has shape {g.shape}, not {param.shape}{turned}", "", name)
            elif g.dtype.kind not in "fiub":
                self._find("dtype", f"the gradient of {name} is {g.dtype}, not {param.dtype}", "", name)
            else:
                kept[name] = g
                if g.size and dtype.newbyteorder("=") != param.dtype.newbyteorder("="):
                    self._find("dtype", f"the gradient of {name} is {dtype}, not {param.dtype}", "", name)
        for name in sorted(set(asked) - set(self.problem.flat)):
            self._find(
                "missing", f"a gradient for {name!r}, which is no parameter", f"they are {', '.join(self.problem.flat)}"
            )
        self.itemsize = min((g.dtype.itemsize for g in kept.values() if g.dtype.kind == "f"), default=8)
        return {name: g.astype(np.float64) for name, g in kept.items()}

    def _call_again(self, buffers: set[str]) -> None:
        """Ask once more on the same parameters, see what the calls did to what they read, and put it back."""
        self.moved = [name for name in changed(self.watched, self.before) if name not in buffers]
        after = number(self.problem.loss(self._copies()))
        self.loss_moved = self._unequal(self.value, after, ()) is not None
        again = copied(flatten(self.problem.grads(self._copies())))
        self.second = {name: np.asarray(g, np.float64) for name, g in again.items() if name in self.gradients}
        self.put_back()

    def put_back(self) -> None:
        """Make the arrays that the functions read what they were before grads was called."""
        for name, was in self.before.items():
            array = self.watched[name]
            if array.flags.writeable and array.shape == was.shape:
                array[...] = was

    def findings(self, compared: Mapping[str, Compared]) -> list[Diagnosis]:
        """Return what is wrong with the calls, now that the numerical gradients are known."""
        if self.second is None:
            return self.found
        differ = self._differing()
        added = tuple(name for name in differ if name in compared and self._added(name, compared[name]))
        if self.moved and (self.loss_moved or (differ and not added)):
            text = f"grads changed {', '.join(self.moved)}, which it was only to read"
            self._find("mutated", text, "the loss is another after it" if self.loss_moved else "a second call differs")
        elif added:
            told = f"asked twice, the second gradient of {', '.join(added)} is the first plus one more"
            self._find("accumulated", "a call adds to what an earlier call left", told, *added)
        elif differ and not any(found.cause == "mutated" for found in self.found):
            gap = np.abs(self.second[differ[0]] - self.gradients[differ[0]]).max()
            told = f"{', '.join(differ)}; by {gap:.3g} in {differ[0]}"
            if self.chance:
                text = "grads is not deterministic: two calls on the same parameters differ"
                self._find("random", text, told, *differ)
            else:
                text = "two calls differ, and nothing random is read: a call starts from what an earlier one left"
                self._find("accumulated", text, told, *differ)
        return self.found

    def _differing(self) -> list[str]:
        """Return the arrays whose gradient is another in the second call."""
        assert self.second is not None
        return [
            name
            for name, two in self.second.items()
            if two.shape != self.gradients[name].shape
            or np.any(np.abs(two - self.gradients[name]) > 1e-9 * np.abs(self.gradients[name]).max(initial=0.0))
        ]

    def elsewhere(self, arrays: Flat) -> dict[str, Any]:
        """Ask for gradients at another point, which is copied: a call may change it. What it reads is put back."""
        found = self.problem.grads_at({name: a.copy() for name, a in arrays.items()})
        self.put_back()
        return found

    def _added(self, name: str, at: Compared) -> bool:
        """Whether the second gradient is the first and once more the right one, or the first again."""
        assert self.second is not None
        one, two = self.gradients[name], self.second[name]
        if two.shape != one.shape:
            return False
        small = 1e-5 * max(np.abs(one).max(initial=0.0), 1e-300)
        once_more = np.where(at.known, at.n, two - one)
        return bool(np.all(np.abs(two - 2 * one) <= small) or np.all(np.abs(two - one - once_more) <= small))

    def _find(self, cause: str, text: str, evidence: str, *arrays: str) -> None:
        self.found.append(Diagnosis(cause, text, evidence, arrays))

    def _copies(self, dtype: Any = np.float64) -> Any:
        return self.problem.tree(self.problem.copies(dtype))


def stale(calls: Calls, numeric: Numeric, wrong: Sequence[str], limits: Limits, seconds: float) -> list[Diagnosis]:
    """Ask for gradients at another point: do they follow the parameters, or is something else read.

    Parameters
    ----------
    calls : Calls
    numeric : Numeric
        Of the first point; it tells what a call costs.
    wrong : sequence of str
        The arrays that are wrong already.
    limits : Limits
    seconds : float
        What may be spent.
    """
    if calls.second is None or not calls.gradients:
        return []
    rng = np.random.default_rng(1)
    moved = {name: a * (1 + 0.01 * rng.standard_normal(a.shape)) for name, a in calls.problem.flat.items()}
    try:
        asked = calls.elsewhere(moved)
    except Exception:  # out of the domain of foreign code
        return []
    # of a call with complex parameters
    left = [n for n, g in asked.items() if g.dtype.kind == "c" and n in calls.gradients]
    new = {n: g.real.astype(np.float64) for n, g in asked.items() if n in calls.gradients and g.size}
    new = {
        n: g
        for n, g in new.items()
        if g.shape == calls.problem.flat[n].shape and g.any() and calls.problem.flat[n].any()
    }
    same = [n for n, g in new.items() if np.array_equal(g, calls.gradients[n])]
    if len(same) > 2 and len(same) == len(new) and set(same) <= set(wrong):
        found = same  # nothing at all moves, and all of it is wrong
    elif left:
        found = left
    else:
        slow = len(new) * 100 * numeric.seconds > seconds  # then only what did not move is looked at
        suspects = [n for n in (same if slow else new) if n not in wrong]
        found = (
            _wrong_there(calls.problem, moved, {n: new[n] for n in suspects}, limits, seconds, rng) if suspects else []
        )
    if not found:
        return []
    told = "the same numbers at another point" if set(same) & set(found) else "right at one point, wrong at the next"
    text = "the gradients do not follow the parameters: a global, or a cache of another call, is read"
    return [Diagnosis("stale", text, f"{', '.join(found)}: {told}", tuple(found))]


def _wrong_there(
    problem: Problem, moved: Flat, grads: Flat, limits: Limits, seconds: float, rng: np.random.Generator
) -> list[str]:
    """Return the gradients of which a few entries are plainly wrong at another point."""
    plain = limits.at_least(1e-4, 100.0)
    try:
        numeric = Numeric(problem.at(moved), seconds=seconds)
    except ValueError:  # out of the domain of foreign code
        return []
    found = []
    for name, g in grads.items():
        chosen = rng.choice(g.size, min(g.size, 4), replace=False)
        indices = [tuple(int(i) for i in np.unravel_index(k, g.shape)) for k in chosen]
        if np.isfinite(g).all() and entry_by_entry(numeric, name, g, plain, indices).wrong.any():
            found.append(name)
    return found


def number(value: Any) -> float:
    """Return a loss as a float.

    Raises
    ------
    ValueError
        If it is not one finite number.
    """
    if value is None or np.size(value) != 1:
        told = "None" if value is None else f"shape {np.shape(value)}"
        raise ValueError(f"gradcheck: loss(params) must be a scalar, got {told}")
    found = scalar(np.real(value))
    if not np.isfinite(found):
        raise ValueError(f"gradcheck: loss(params) must be finite, got {found}")
    return found
