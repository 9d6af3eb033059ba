"""Checks of lab C: the overlay and its ramp."""

from typing import Any

import numpy as np

from labchecks.compare import Array, Student, call, fail, gradients, passed, several, shaped, values
from labchecks.compare import report as report


def _overlay(R: int, seed: int) -> dict[str, Array]:
    """Return V, with numbers where nothing is alive, M, x and dy: (7, 5), a half of it alive."""
    rng = np.random.default_rng(seed)
    arrays = {name: rng.standard_normal(shape) for name, shape in {"V": (7, 5), "x": (R, 5), "dy": (R, 7)}.items()}
    return arrays | {"M": rng.random((7, 5)) < 0.5}


def overlay_forward(student: Student) -> None:
    """Compare with the product, with 6 rows and with 1."""
    for R in (6, 1):
        p = _overlay(R, 0)
        y = call(student, V=p["V"], M=p["M"], x=p["x"])
        like = {
            "the mask is left out": p["x"] @ p["V"].T,
            "entries are dropped where M is True": p["x"] @ (~p["M"] * p["V"]).T,
        }
        values(student, "y", y, p["x"] @ (p["M"] * p["V"]).T, "M ∘ V, and x from the left: y = x (M ∘ V)ᵀ", like)
    passed(student, "with 6 rows and with 1")


def overlay_adjoint(student: Student) -> None:
    """Compare with the product with the transpose, with 6 rows and with 1."""
    for R in (6, 1):
        p = _overlay(R, 0)
        dx = call(student, V=p["V"], M=p["M"], dy=p["dy"])
        like = {"the mask is left out": p["dy"] @ p["V"]}
        values(student, "dx", dx, p["dy"] @ (p["M"] * p["V"]), "M ∘ V, and dy from the left: dx = dy (M ∘ V)", like)
    passed(student, "with 6 rows and with 1")


def overlay_gradient(student: Student) -> None:
    """Check the gradient of V numerically."""

    def problem(R: int) -> tuple[Any, Any, Any]:
        p = _overlay(R, 0)
        M, x, dy = p["M"], p["x"], p["dy"]
        shaped(student, "dV", call(student, M=M, x=x, dy=dy), p["V"])

        def loss(free: Any) -> Any:
            return (dy * (x @ (M * free["V"]).T)).sum()

        return loss, {"V": p["V"]}, lambda free: {"V": student(M, x, dy)}

    look = {"mask": "what is not alive: the loss does not depend on it", "": "dyᵀ x, summed over the rows, times M"}
    gradients(student, problem, {"R = 1": 1, "R = 6": 6}, look)
    passed(student, "with 6 rows and with 1, against differences of the loss")


def _pruned(V: Array, M: Array, keep: int) -> Array:
    """Return the mask that is right."""
    alive = np.flatnonzero(M)
    mask = np.zeros(M.size, bool)
    mask[alive[np.argsort(-np.abs(V.ravel()[alive]), kind="stable")[:keep]]] = True
    return mask.reshape(M.shape)


def prune(student: Student, seed: int = 0) -> None:
    """Try a plain case, dropped entries that are large, equal entries, and the two ends."""
    rng = np.random.default_rng(seed)
    V, every = rng.standard_normal((6, 5)), np.ones((6, 5), bool)
    half = rng.random((6, 5)) < 0.6
    large = np.where(half, V, 10 * np.abs(V) + 10)
    equal = np.sign(V) * rng.integers(1, 4, (6, 5)).astype(float)
    few = np.where(np.abs(V) < 0.8, 0.0, V)  # as large as what is dropped has in M ∘ V
    alive = int(half.sum())
    ties = "ties: exactly `keep` entries, and of equal ones the first (a stable sort)"
    cases = (
        ("with all alive", V, every, 11, "the order: the largest |V| stay, whatever their sign"),
        ("with some dropped before", V, half, alive // 2, "what is dropped: it must not come back, nor be counted"),
        ("where V is large at dropped entries", large, half, alive // 2, "which are compared: only those alive"),
        ("with entries of equal size", equal, every, 13, ties),
        ("with V all the same", np.full((6, 5), -0.5), half, 4, ties),
        ("where V is 0 at some alive", few, half, alive - 1, "which are compared: only those alive, if 0, too"),
        ("with keep = 0", V, half, 0, "keep = 0: [-0:] is everything, and there is no smallest that is kept"),
        ("with keep = all that are alive", V, half, alive, "the last entry that is kept"),
    )
    for where, values_, M, keep, look in cases:
        given = call(student, V=values_, M=M, keep=keep)
        right = _pruned(values_, M, keep)
        given = shaped(student, "mask", given, right)
        if given.dtype != bool:
            fail(student, f"The mask has dtype {given.dtype}, should be bool.", look="how the mask is made")
        back, count = np.argwhere(given & ~M), int(given.sum())
        if len(back):
            at = ", ".join(map(str, back[0]))
            fail(student, f"[{at}] was dropped before and is alive again.", f"This is {where}.", look=look)
        if count != keep:
            fail(student, f"{count} entries are alive, should be {keep}.", f"This is {where}.", look=look)
        with np.errstate(divide="ignore"):
            inverse = 1 / values_
        like = {
            "the largest are dropped and the smallest kept": _pruned(inverse, M, keep),
            "entries are compared with their sign: a large negative one is dropped": _pruned(np.exp(values_), M, keep),
            "of equal entries the last ones are kept": _pruned(values_[::-1, ::-1], M[::-1, ::-1], keep)[::-1, ::-1],
        }
        values(student, "mask", given, right, look, like, where)
    if not seed:  # hidden checks say nothing
        passed(student, "largest of those alive, ties, and both ends")


def kept(student: Student) -> None:
    """Compare with the ramp before it, on it, and after it."""
    for size, final, start, end in ((800, 80, 50, 400), (10_000, 137, 0, 1000)):
        middle = [start + (end - start) * k // 10 for k in range(1, 10)]
        for t in (start, end, *middle, 0, end + 1, 3 * end):
            given = call(student, t=t, size=size, final=final, start=start, end=end)
            p = min(max((t - start) / (end - start), 0.0), 1.0)
            right = final + round((size - final) * (1 - p) ** 3)
            told = f"at t = {t}, with size {size}, final {final}, start {start}, end {end}"
            if np.ndim(given) == 0 and not isinstance(given, int | np.integer):
                fail(
                    student,
                    f"It returns {given!r}, should be the int {right}.",
                    look="rounding: `round` to a whole number",
                )
            look = "before start and after end: the share of the ramp that has passed is from 0 to 1"
            if start < t < end:
                look = "1 - (t - start) / (end - start), to the power of 3"
            q = (t - start) / (end - start)
            like = {
                "this falls linearly": final + round((size - final) * (1 - p)),
                "this falls slowly at first and fast at last": final + round((size - final) * (1 - p**3)),
                "the ramp goes on outside of its ends": final + round((size - final) * (1 - q) ** 3),
                "this is how many are pruned": size - right,
                "final is left out: the ramp ends at 0": round(size * (1 - p) ** 3),
                "this is rounded down, not to the nearest": final + int((size - final) * (1 - p) ** 3),
                "this is rounded down, where floating point is a little below a whole number": int(
                    size * (1 - (1 - final / size) * (1 - (1 - p) ** 3))
                ),
            }
            if given == right - 1:
                look = "rounding: `round` and not `int`, as 79.99… should be 80"
            values(student, "k", given, right, look, like, told)
    passed(student, "before, on and after two ramps")


def anneal(student: Student, seed: int = 0) -> None:
    """Follow the masks, then compare V and the losses."""
    rng = np.random.default_rng(seed + 2)  # here, other entries go if pruning comes before the update
    x, V = rng.standard_normal((9, 10)), 0.1 * rng.standard_normal((8, 10))
    y = x @ rng.standard_normal((8, 10)).T
    how = {"final": 5, "start": 4, "end": 21, "interval": 6, "steps": 30, "lr": 0.1}
    given = several(student, call(student, x=x, y=y, V=V, **how), "V", "masks", "losses")
    right_V, right_masks, right_losses = _annealed(x, y, V, **how)
    for name, each in (("masks", given[1]), ("losses", given[2])):
        if len(each) != how["steps"]:
            fail(
                student, f"There are {len(each)} {name}, should be {how['steps']}.", look="one of each after every step"
            )
    for t, mask in enumerate(given[1], 1):
        mask, right = shaped(student, f"mask {t}", mask, V), right_masks[t - 1]
        if t > 1 and np.any(mask & ~np.asarray(given[1][t - 2])):
            fail(student, f"Entries come alive again at step {t}.", look="which mask is handed to prune: the last one")
        if mask.sum() != right.sum():
            told = f"After step {t} there are {mask.sum()} entries alive, should be {right.sum()}."
            where = "Pruning is due at t = 10, 16 and 21 (start 4, end 21, interval 6)."
            same = all(each is given[1][0] for each in given[1])
            look = "the list of masks: it holds one array many times, which changes later; note a copy"
            fail(student, told, where, look=look if same else "when pruning is due, and what is handed to kept")
    final = np.asarray(given[1][-1])
    if np.any(shaped(student, "V", given[0], V)[~final]):
        fail(
            student,
            "V is not zero where the last mask is False.",
            look="what happens to V after pruning; the gradient's mask",
        )
    look = "the order in a step: loss, update, then pruning; dy = (x Sᵀ - y) / R, and the sign of the update"
    for t, right_loss in enumerate(right_losses):
        like = {
            "this is the sum of squares over 2, without 1 / R": right_loss * len(x),
            "dy is not divided by R": right_loss * len(x) ** 2,
            "the factor ½ is left out": 2 * right_loss,
            "this is the loss after the update": [*right_losses, np.nan][t + 1],
        }
        values(student, f"losses[{t}]", given[2][t], right_loss, look, like)
        values(student, f"masks[{t}]", np.asarray(given[1][t]), right_masks[t], look)
    values(student, "V", given[0], right_V, look)
    if not seed:  # hidden checks say nothing
        passed(student, "masks, V and losses of 30 steps")


def _annealed(
    x: Array, y: Array, V: Array, final: int, start: int, end: int, interval: int, steps: int, lr: float
) -> tuple[Array, list[Array], list[float]]:
    """Return what is right."""
    M, masks, losses = np.ones(V.shape, bool), [], []
    for t in range(1, steps + 1):
        dy = (x @ (M * V).T - y) / len(x)
        losses.append(0.5 * len(x) * float(np.sum(dy**2)))
        V = V - lr * M * (dy.T @ x)
        if t == end or (start < t < end and (t - start) % interval == 0):
            p = (t - start) / (end - start)
            M = _pruned(V, M, final + round((V.size - final) * (1 - p) ** 3))
            V = M * V
        masks.append(M)
    return V, masks, losses
