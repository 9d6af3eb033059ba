"""Checks of lab D: co-matrix dropout."""

from typing import Any

import numpy as np

from labchecks.compare import Array, Student, call, fail, gradients, keyed, passed, several, shaped, values
from labchecks.compare import report as report
from refdope import Kronecker

RATE = 0.3
OPPOSITE = "b2 is the opposite of b1: where one is True the other is False, always."


def _pass(seed: int, R: int = 6) -> dict[str, Any]:
    """Return arrays of one training pass through a (12, 10) matrix, its masks unlike in every row."""
    rng = np.random.default_rng(seed)
    shapes = {"A": (3, 2), "B": (4, 5), "S": (12, 10), "x": (R, 10), "dz": (R, 12)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return arrays | {"b1": rng.random((R, 12)) >= RATE, "b2": rng.random((R, 12)) >= RATE}


def sample_masks(student: Student) -> None:
    """Look at how many are True, at whether they depend on each other, and at where they come from."""

    def draw(seed: int, rate: float = RATE) -> tuple[Array, Array]:
        given = call(student, rng=np.random.default_rng(seed), R=400, m=50, rate=rate)
        b1, b2 = several(student, given, "b1", "b2")
        for name, b in (("b1", b1), ("b2", b2)):
            if shaped(student, name, b, np.empty((400, 50))).dtype != bool:
                fail(student, f"{name} has dtype {b.dtype}, should be bool.", look="a comparison gives bools")
        return b1, b2

    b1, b2 = draw(0)
    if np.array_equal(b2, ~b1):
        fail(student, OPPOSITE, look="whether b2 is drawn on its own, independent of b1")
    for name, b in (("b1", b1), ("b2", b2)):
        if np.all(b == b[0]):
            fail(student, f"{name} is the same in every row of x.", look="the shape that is drawn: (R, m)")
        if np.all(b == b[:, :1]):
            fail(student, f"{name} drops all of a row of x or nothing.", look="the shape that is drawn: (R, m)")
        if abs(b.mean() - (1 - RATE)) > 0.02:
            told = f"{name} is True in {b.mean():.0%} of its entries, should be {1 - RATE:.0%} at rate {RATE}."
            fail(student, told, look="what the rate is: the probability of being dropped, which is False")
    if abs(np.mean(b1 & b2) - (1 - RATE) ** 2) > 0.025:
        told = f"Both are True in {np.mean(b1 & b2):.0%} of the entries, should be {(1 - RATE) ** 2:.0%}."
        fail(student, told, look="whether b2 is drawn on its own, independent of b1")
    for name, b in (("b1", b1), ("b2", b2)):
        expected = RATE * (1 - RATE)  # the variance of an entry
        for what, counts in (("row", b.sum(1)), ("column", b.sum(0))):
            if np.var(counts) < 0.3 * expected * b.size / len(counts):
                told = f"{name} drops the same number of entries in every {what}, or nearly so."
                fail(student, told, look="every entry on its own: one random number for each, compared with the rate")
    if not all(np.array_equal(one, other) for one, other in zip(draw(0), (b1, b2))):
        fail(student, "The same seed gives other masks.", look="where the random numbers come from: `rng` alone")
    if np.array_equal(draw(1)[0], b1):
        fail(student, "Another generator gives the same masks.", look="where the random numbers come from: `rng` alone")
    if len({int(b.sum()) for b in (draw(seed)[0] for seed in range(4))}) == 1:
        told = "Always the same number of entries is dropped, whatever the seed."
        fail(student, told, look="every entry on its own: one random number for each, compared with the rate")
    if not all(b.all() for b in draw(0, 0.0)):
        fail(student, "At rate 0 something is dropped.", look="the comparison: < or <=, > or >=")
    passed(student, "their share, their independence, and their seed")


def _forward(p: dict[str, Any], b1: Any, b2: Any, scale: float = 1 / (1 - RATE)) -> Array:
    return (b1 * (p["x"] @ np.kron(p["A"], p["B"]).T) + b2 * (p["x"] @ p["S"].T)) * scale


def cmr_forward(student: Student) -> None:
    """Compare with the pass through the dense matrices, with 6 rows and with 1."""
    for R in (6, 1):
        p = _pass(0, R)
        b1, b2 = p["b1"], p["b2"]
        z = call(student, K=Kronecker(p["A"], p["B"]), S=p["S"], x=p["x"], b1=b1, b2=b2, rate=RATE)
        like = {
            "the division by 1 - rate is missing": _forward(p, b1, b2, 1.0),
            "it is divided by 1 - rate twice": _forward(p, b1, b2, 1 / (1 - RATE) ** 2),
            "it is divided by the rate": _forward(p, b1, b2, 1 / RATE),
            "it is multiplied by 1 - rate": _forward(p, b1, b2, 1 - RATE),
            "the masks are exchanged": _forward(p, b2, b1),
            "b1 is used for both": _forward(p, b1, b1),
            "b2 is used for both": _forward(p, b2, b2),
            "the masks are left out": _forward(p, 1, 1),
            "entries are dropped where a mask is True": _forward(p, ~b1, ~b2),
            "only one of the two is divided by 1 - rate": _forward(p, b1, b2 * (1 - RATE)),
        }
        values(student, "z", z, _forward(p, b1, b2), "z = (b1 ∘ (x Kᵀ) + b2 ∘ (x Sᵀ)) / (1 - rate)", like)
    passed(student, "with 6 rows and with 1")


BACKWARD = {
    "mask": "which masks are used: b1 for what goes to K, b2 for what goes to S, and no others",
    "dropout": "the division by 1 - rate: it is in the backward pass, too, once",
    "A": "what goes to K: d1 = b1 ∘ dz / (1 - rate), for both of its gradients",
    "B": "what goes to K: d1 = b1 ∘ dz / (1 - rate), for both of its gradients",
    "S": "what goes to S: d2 = b2 ∘ dz / (1 - rate), and then d2ᵀ x",
    "x": "dx: the sum of what comes back through K, of d1, and through S, of d2",
    "": "d1 = b1 ∘ dz / (1 - rate) goes to K, d2 = b2 ∘ dz / (1 - rate) goes to S",
}


def cmr_backward(student: Student, seed: int = 0) -> None:
    """Check all gradients numerically, the masks being given."""
    rate = RATE

    def problem(R: int) -> tuple[Any, Any, Any]:
        p = _pass(seed, R)
        dz, b1, b2 = p["dz"], p["b1"], p["b2"]
        params = {name: p[name] for name in ("A", "B", "S", "x")}

        def loss(free: Any) -> Any:
            z = b1 * (free["x"] @ np.kron(free["A"], free["B"]).T) + b2 * (free["x"] @ free["S"].T)
            return (dz * z).sum() / (1 - rate)

        def grads(free: Any) -> Any:
            dx, found = student(Kronecker(free["A"], free["B"]), free["S"], free["x"], dz, b1, b2, rate)
            return found | {"x": dx}

        given = call(student, K=Kronecker(p["A"], p["B"]), S=p["S"], x=p["x"], dz=dz, b1=b1, b2=b2, rate=rate)
        dx, found = several(student, given, "dx", "grads")
        shaped(student, "dx", dx, p["x"])
        _twice(student, {"x": dx} | keyed(student, found, {name: p[name] for name in ("A", "B", "S")}), p)
        return loss, params, grads

    gradients(student, problem, {"R = 1": 1, "R = 6": 6}, BACKWARD)
    if not seed:  # hidden checks say nothing
        passed(student, "dx, A, B and S, with 6 rows and with 1, against differences of the loss")


def _twice(student: Student, given: dict[str, Array], p: dict[str, Any]) -> None:
    """Tell if gradients are right but for a second division by 1 - rate."""
    K = Kronecker(p["A"], p["B"])
    d1, d2 = (p[b] * p["dz"] / (1 - RATE) for b in ("b1", "b2"))
    right = K.gradient(p["x"], d1) | {"S": d2.T @ p["x"], "x": K.adjoint(d1) + d2 @ p["S"]}
    twice = [name for name, g in given.items() if np.allclose(g * (1 - RATE), right[name], atol=0)]
    if twice:
        told = f"Divided by 1 - rate twice: the gradients of {', '.join(sorted(twice))}."
        fail(student, told, look="the division by 1 - rate: once, on the way from dz to d1, and to d2")


def _separate(student: Student, z: Array, one: Array, two: Array) -> None:
    """Tell wrong masks from z of one pass: where it has both products in it, one of them, or none."""
    parts = {"both": one + two, "one": one, "two": two, "none": 0 * one}
    here = {name: np.isclose(z * (1 - RATE), part, rtol=1e-9) for name, part in parts.items()}
    if not np.all(sum(here.values())):
        return  # another error, which other checks tell
    b1, b2 = here["both"] | here["one"], here["both"] | here["two"]
    if np.array_equal(b1, b2):
        fail(student, "b1 and b2 are the same.", look="the two that sample_masks returns: each is used in its place")
    if np.array_equal(b1, ~b2):
        fail(student, OPPOSITE, look="the two that sample_masks returns: each is used in its place")
    for name, b in (("b1", b1), ("b2", b2)):
        if np.all(b == b[0]):
            fail(student, f"{name} is the same in every row of x.", look="how many rows of masks are drawn: len(x)")
        if np.all(b == b[:, :1]):
            fail(student, f"{name} drops all of a row of x or nothing.", look="the shape of the masks: (R, m)")


def mean_of_passes(student: Student) -> None:
    """Compare the mean with the deterministic pass, in standard deviations of such a mean."""
    p, n = _pass(0), 400
    K, S = Kronecker(p["A"], p["B"]), p["S"]
    one, two = K.forward(p["x"]), p["x"] @ S.T
    given = call(student, K=K, S=S, x=p["x"], rate=RATE, n=n, rng=np.random.default_rng(2))
    given = shaped(student, "the mean", given, one)
    deviation = np.sqrt(RATE / (1 - RATE) * (one**2 + two**2) / n)
    off = float(np.sqrt(np.mean(((given - one - two) / deviation) ** 2)))
    told = f"Its distance from (K + S) x is {off:.1f} times what a mean of {n} passes has, should be about 1."
    if not off > 0.5:
        fail(student, told, look="whether masks are drawn at all")

    def alone(seed: int, n: int = 1) -> Array:
        drawn = call(student, K=K, S=S, x=p["x"], rate=RATE, n=n, rng=np.random.default_rng(seed))
        return shaped(student, f"the mean of n = {n}", drawn, one)

    of_rng = "where the random numbers come from: `rng`, which is handed in, alone"
    first = alone(3)
    if not np.array_equal(first, alone(3)):
        fail(student, "The same generator gives another mean.", look=of_rng)
    _separate(student, first, one, two)
    twice = alone(3, 2)
    if any(np.allclose(twice, factor * first) for factor in (1, 2, 0.5)):
        fail(student, "All passes have the same masks.", told, look="whether masks are drawn anew in every pass")
    if np.array_equal(first, alone(4)):
        fail(student, "Another generator gives the same mean.", look=of_rng)
    if not off < 1.6:
        c = float(np.vdot(given, one + two) / np.vdot(one + two, one + two))
        scaled = f"It is about {c:.2f} times (K + S) x." if abs(c - 1) > 0.1 else ""
        look = "the two divisions: of a pass by 1 - rate, of the sum by n"
        fail(student, told, scaled, look=look if scaled else "whether masks are drawn anew in every pass")
    passed(student, f"{n} passes, about as near to (K + S) x as they should be")


def seeded_loss(student: Student) -> None:
    """Look at whether the seed decides, and at the mean over seeds."""
    p = _pass(0)
    dz = p["x"] @ (np.kron(p["A"], p["B"]) + p["S"]).T  # along z, so that a wrong scale of z is seen
    fixed = {"K": Kronecker(p["A"], p["B"]), "S": p["S"], "x": p["x"], "dz": dz}

    def ask(seed: int, rate: float = RATE) -> float:
        return float(shaped(student, "the loss", call(student, **fixed, rate=rate, seed=seed), 0.0))

    one, two = fixed["K"].forward(p["x"]), p["x"] @ p["S"].T
    right = float(np.sum(dz * (one + two)))
    like = {"this is the mean and not the sum": right / dz.size, "dz is left out": float(np.sum(one + two))}
    values(student, "the loss at rate 0", ask(5, 0.0), right, "L = Σ dz ∘ z, a sum over all entries", like)
    if ask(5) != ask(5):
        fail(student, "The same seed gives another loss.", look="the generator: every call makes it from the seed")
    if ask(5) == ask(6):
        fail(student, "Two seeds give the same loss.", look="whether the generator is made from `seed`")
    before = np.random.get_state()  # noqa: NPY002, the one that students must not use
    ask(7)
    after = np.random.get_state()  # noqa: NPY002
    if before[2] != after[2] or not np.array_equal(before[1], after[1]):
        told = "It draws from NumPy's global generator (np.random.seed, np.random.rand …)."
        fail(student, told, look="the generator: np.random.default_rng(seed), handed to sample_masks")
    losses = np.array([ask(seed) for seed in range(400)])
    deviation = float(np.sqrt(np.sum(dz**2 * RATE / (1 - RATE) * (one**2 + two**2)) / len(losses)))
    if abs(losses.mean() - right) > 5 * deviation:
        told = f"Its mean over 400 seeds is {losses.mean():.3g}, should be near {right:.3g}."
        fail(student, told, look="whether sample_masks and cmr_forward pass their checks")
    z = np.zeros(dz.shape)
    for at in np.ndindex(z.shape):  # a dz of a single 1 gives a single entry of z
        only = np.zeros(dz.shape)
        only[at] = 1.0
        z[at] = call(student, **fixed | {"dz": only}, rate=RATE, seed=5)
    _separate(student, z, one, two)
    sample = getattr(student, "__globals__", {}).get("sample_masks")
    if callable(sample):
        b1, b2 = several(
            student, call(sample, rng=np.random.default_rng(5), R=len(z), m=z.shape[1], rate=RATE), "b1", "b2"
        )
        if not np.allclose(z, (b1 * one + b2 * two) / (1 - RATE)):
            swapped = np.allclose(z, (b2 * one + b1 * two) / (1 - RATE))
            told = "b1 and b2 are exchanged." if swapped else "These are not the masks of sample_masks at this seed."
            look = (
                "where b1 and b2 go" if swapped else "sample_masks(np.random.default_rng(seed), …): once, with no other"
            )
            fail(student, told, look=f"{look}, and the rate that is handed on")
    passed(student, "one loss a seed, and the right mean over the seeds")


def rate_at(student: Student) -> None:
    """Compare all schedules before, on and after the ramp."""
    start, end, rate = 200, 300, 0.4
    for schedule in ("constant", "ramp", "annealed"):
        for step in (1, 200, 225, 250, 299, 300, 301, 1000):
            given = call(student, step=step, rate=rate, start=start, end=end, schedule=schedule)
            passed_by = min(max((step - start) / (end - start), 0.0), 1.0)
            before, falling = (rate if step < end else 0.0), rate * (1 - passed_by)
            right = {"constant": rate, "ramp": before, "annealed": falling}[schedule]
            like = {
                "constant": {},
                "ramp": {
                    "it ends one step late": rate if step <= end else 0.0,
                    "it ends at `start`": rate if step < start else 0.0,
                    "this is the schedule 'annealed'": falling,
                },
                "annealed": {
                    "the rate rises where it should fall": rate * passed_by,
                    "the line goes on outside of the ramp": rate * (1 - (step - start) / (end - start)),
                    "it falls along a cubic curve": rate * (1 - passed_by) ** 3,
                    "this is the schedule 'ramp'": before,
                },
            }[schedule]
            look = {
                "constant": "the first schedule: nothing changes",
                "ramp": "the second schedule: the rate, as long as step < end",
                "annealed": "the third schedule: the rate times the share of the ramp that is left, from 0 to 1",
            }[schedule]
            where = f"{schedule!r}, at step {step}, with rate {rate}, start {start}, end {end}"
            values(student, "the rate", given, right, look, like, where)
    passed(student, "three schedules, before, on and after the ramp")
