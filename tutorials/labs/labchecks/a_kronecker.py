"""Checks of lab A: the Kronecker product and its backward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from labchecks.compare import (
    Array,
    Look,
    Student,
    call,
    fail,
    gradients,
    lean,
    numbers,
    passed,
    products,
    several,
    shaped,
    values,
)
from labchecks.compare import report as report

LARGE = (40, 30, 30, 40)  # so large that W, or something like it, is seen in the memory
SMALL = (8, 7, 7, 8)  # so small that every product of two numbers can be counted
FACTORS = (
    (3, 2, 4, 5),
    (2, 5, 3, 7),
    (1, 4, 5, 2),
)  # m1, n1, m2, n2: no two alike, so that a wrong transpose does not fit


def _factors(sizes: tuple[int, ...], R: int, seed: int) -> dict[str, Array]:
    """Return random factors, rows of x, and rows of dy."""
    rng, (m1, n1, m2, n2) = np.random.default_rng(seed), sizes
    shapes = {"A": (m1, n1), "B": (m2, n2), "x": (R, n1 * n2), "dy": (R, m1 * m2)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def kron_entry(student: Student) -> None:
    """Ask for every entry of a small A ⊗ B."""
    for sizes in FACTORS:
        p = _factors(sizes, 1, 0)
        W = np.kron(p["A"], p["B"])
        given = np.empty(W.shape)
        for r, c in np.ndindex(W.shape):
            entry = call(student, A=p["A"], B=p["B"], r=r, c=c)
            if np.ndim(entry):
                fail(
                    student, f"It returns an array of shape {np.shape(entry)}, should be a number.", look="its indices"
                )
            given[r, c] = shaped(student, "the entry", entry, 0.0)
        like = {"these are the entries of B ⊗ A": np.kron(p["B"], p["A"])}
        values(student, "W", given, W, "which of // and % by the shape of B belongs to A, and which to B", like)
    _lean(student, "A", "B", r=7, c=5)
    passed(student, "all entries of 3 products; W is not made")


def _lean(student: Student, *names: str, look: str = "np.kron, outer products: neither is needed", **more: Any) -> None:
    """See how much memory is taken with large factors, some of which are handed over, and with 2 rows."""
    m1, n1, m2, n2 = LARGE
    p = _factors(LARGE, 2, 0)
    dense = 8.0 * m1 * n1 * m2 * n2
    given = {name: p[name] for name in names} | more
    lean(student, dense, "W, or something as large, is made.", look, **given)
    if "r" in more:
        return
    (m1, n1, m2, n2), R = SMALL, 2
    p = _factors(SMALL, R, 0)
    made, dense = products(student, **{name: p[name] for name in names}), R * m1 * n1 * m2 * n2
    if made >= 0.75 * dense:
        took = f"It takes {made} products of numbers for {R} rows, where the dense W takes {dense:.0f}."
        two = "two products of matrices, one after the other; np.einsum of three arrays makes all at once"
        fail(student, "The numbers are right.", took, look=f"{two}, unless told optimize=True")


def kron_forward(student: Student, seed: int = 0) -> None:
    """Compare with the dense product, at several rows and at one; then see how much memory is taken."""
    for sizes in FACTORS:
        for R in (6, 1):
            p = _factors(sizes, R, seed)
            x, W = p["x"], np.kron(p["A"], p["B"])
            X = x.reshape(R, sizes[1], sizes[3])  # (R, n) -> (R, n1, n2)
            like = {
                "this is the product with B ⊗ A": x @ np.kron(p["B"], p["A"]).T,
                "the right numbers, with Y read column by column": (p["A"] @ X @ p["B"].T)
                .swapaxes(1, 2)
                .reshape(R, -1),
            }
            y = call(student, A=p["A"], B=p["B"], x=x)
            values(student, "y", y, x @ W.T, "the axes of both reshapes: (n1, n2) of x, (m1, m2) of y", like)
    _lean(student, "A", "B", "x", look="np.kron, outer products: A X Bᵀ needs neither")
    if not seed:  # hidden checks say nothing
        passed(student, "3 products, with 6 rows and with 1; W is not made")


def dot_test(student: Student) -> None:
    """Try the student's test on a right transpose and on wrong ones."""
    m, n = 7, 5
    W = np.random.default_rng(3).standard_normal((m, n))

    asked: dict[str, list[Array]] = {}

    def told(adjoint: Callable[[Array], Array]) -> float:
        """Return the student's difference, and note what their x and dy are."""
        asked.update(x=[], dy=[])

        def noted(name: str, function: Callable[[Array], Array]) -> Callable[[Array], Array]:
            return lambda rows: asked[name].append(np.array(rows)) or function(rows)

        here = {"forward": noted("x", lambda x: x @ W.T), "adjoint": noted("dy", adjoint)}
        given = call(student, **here, m=m, n=n, rng=np.random.default_rng(4))
        if isinstance(given, tuple | list) and len(given) == 2:
            fail(student, "It returns two numbers, should be one.", look="its `return`: |p - q| / (|p| + |q|)")
        return float(shaped(student, "the difference", given, 0.0))

    right = told(lambda dy: dy @ W)
    formula = "|p - q| / (|p| + |q|): which absolute values are taken, and what is divided by what"
    if -1e-12 < right < 0:
        fail(student, f"It gives {right:.2g}, a negative number, for a right transpose.", look=formula)
    if not 0 <= right < 1e-12:
        fail(
            student,
            f"It gives {right:.2g} for a right transpose, should be rounding.",
            look="what is multiplied by what: is each row multiplied by its own row only?",
        )
    for what, adjoint, should, look in (
        ("the transpose, its columns reversed", lambda dy: (dy @ W)[:, ::-1], None, "x and dy: is every entry random?"),
        ("the transpose, its rows exchanged", lambda dy: (dy @ W)[[1, 0, 2]], None, "x and dy: is every row another?"),
        ("twice the transpose", lambda dy: 2 * (dy @ W), 1 / 3, formula),
        ("minus the transpose", lambda dy: -(dy @ W), 1.0, formula),
    ):
        given = told(adjoint)
        if not given > 1e-6:
            x, dy = (np.vstack(asked[name]) if asked[name] else np.zeros((1, 1)) for name in ("x", "dy"))
            mixed = "rows" in what and not any(np.allclose(rows, rows[0]) for rows in (x, dy))
            if mixed:
                look = "what is multiplied by what: is each row multiplied by its own row only?"
            seen = f"It gives {given:.2g} for an adjoint that is {what}: the error is not seen."
            fail(student, seen, look=look if given or mixed else "both sides: are `forward` and `adjoint` both called?")
        if should and not abs(given - should) < 1e-9:
            one, other = numbers(given, should, 3)
            fail(student, f"It gives {one} for an adjoint that is {what}, should be {other}.", look=look)
    _definition(student, told, asked, W)
    passed(student, "a right transpose passes, four wrong ones do not")


def _definition(student: Student, told: Callable[..., float], asked: dict[str, list[Array]], W: Array) -> None:
    """Look at the x and dy that the student draws, and compare with the definition, of these."""
    wrong = W + 0.2 * np.random.default_rng(5).standard_normal(W.shape)  # near W: p and q are of the same sign
    given = told(lambda dy: dy @ wrong)
    x, dy = (np.vstack(asked[name]) for name in ("x", "dy"))
    drawn = "x and dy: each drawn by rng.standard_normal, of the shapes (3, n) and (3, m)"
    if len(x) >= len(dy) and np.allclose(dy, x[: len(dy)] @ W.T):
        fail(student, "dy is forward(x), should be random on its own: then p is a sum of squares.", look=drawn)
    told(lambda dy: dy @ wrong)
    if not np.array_equal(x, np.vstack(asked["x"])) or not np.array_equal(dy, np.vstack(asked["dy"])):
        fail(student, "The same rng gives another x or dy.", look="where x and dy are drawn: by `rng` alone")
    for name, rows, size in (("x", x, W.shape[1]), ("dy", dy, W.shape[0])):
        if rows.shape != (3, size):
            fail(student, f"{name} has shape {rows.shape}, should be {(3, size)}.", look=drawn)
        # of 15 standard normal numbers, one or more is beyond 1 in 99.7 % of all cases, and at this seed
        if np.all(np.abs(rows) <= 1) or np.all(rows >= 0):
            fail(student, f"{name} is from {rows.min():.2f} to {rows.max():.2f}: it is not normal.", look=drawn)
    p, q = dy * (x @ W.T), (dy @ wrong) * x
    rows = np.abs(p.sum(1) - q.sum(1)) / (np.abs(p.sum(1)) + np.abs(q.sum(1)))
    like = {
        "this is the mean over the rows, each with a difference of its own": rows.mean(),
        "this is the largest of the rows, each with a difference of its own": rows.max(),
    }
    right = abs(p.sum() - q.sum()) / (abs(p.sum()) + abs(q.sum()))
    where = "for an adjoint that is the transpose of a slightly different matrix"
    values(student, "the difference", given, right, "p and q: each is one number, summed over the rows", like, where)


def kron_adjoint(student: Student, seed: int = 0) -> None:
    """Compare with the dense transpose."""
    for sizes in FACTORS:
        for R in (6, 1):
            p = _factors(sizes, R, seed)
            dx = call(student, A=p["A"], B=p["B"], dy=p["dy"])
            like = {"this is the transpose of B ⊗ A": p["dy"] @ np.kron(p["B"], p["A"])}
            right = p["dy"] @ np.kron(p["A"], p["B"])
            values(student, "dx", dx, right, "the axes of both reshapes: (m1, m2) of dy, (n1, n2) of dx", like)
    _lean(student, "A", "B", "dy", look="np.kron, outer products: Aᵀ dY B needs neither")
    if not seed:  # hidden checks say nothing
        passed(student, "3 products, with 6 rows and with 1; W is not made")


def _kron_gradient(student: Student, name: str, look: Look) -> None:
    for sizes in FACTORS:

        def problem(R: int, sizes: tuple[int, ...] = sizes) -> tuple[Any, Any, Any]:
            p = _factors(sizes, R, 0)
            x, dy = p["x"], p["dy"]
            shaped(student, f"d{name}", call(student, **p), p[name])

            def loss(free: Any) -> Any:
                f = p | free
                return (dy * (x @ np.kron(f["A"], f["B"]).T)).sum()

            return loss, {name: p[name]}, lambda free: {name: student(*(p | free).values())}

        gradients(student, problem, {"R = 1": 1, "R = 6": 6}, look)
    _lean(student, "A", "B", "x", "dy", look=f"dyᵀ x, of the size of W: {look['']}")
    passed(student, "3 products, with 6 rows and with 1, against differences of the loss")


def gradient_a(student: Student) -> None:
    """Check the gradient of A numerically."""
    _kron_gradient(student, "A", {"": "dA = dY (X Bᵀ)ᵀ, one matrix a row, then their sum over the rows"})


def gradient_b(student: Student) -> None:
    """Check the gradient of B numerically."""
    _kron_gradient(student, "B", {"": "dB = dYᵀ (A X), one matrix a row, then their sum over the rows"})


def kron_cost(student: Student) -> None:
    """Compare with the two counts."""
    for m1, n1, m2, n2 in (*FACTORS, (2, 9, 8, 3), (52, 26, 50, 50)):
        given = call(student, m1=m1, n1=n1, m2=m2, n2=n2)
        entries, macs = several(student, given, "numbers", "multiply-adds")
        left, right = m1 * n1 * n2 + m1 * n2 * m2, n1 * n2 * m2 + m1 * n1 * m2
        at = f"for A: {m1, n1} and B: {m2, n2}"
        like = {"these are the numbers of W": m1 * n1 * m2 * n2}
        values(student, "numbers", entries, m1 * n1 + m2 * n2, "how many entries A and B have", like, at)
        like = {
            "this is the dearer of the two orders": max(left, right),
            "these are the multiply-adds of the dense product": m1 * m2 * n1 * n2,
            "this is the sum over both orders": left + right,
            "these are FLOPs, two for every multiply-add": 2 * min(left, right),
            "these are FLOPs, two for every multiply-add, of the dearer of the two orders": 2 * max(left, right),
            "this is the first product alone": [m1 * n1 * n2, n1 * n2 * m2][left > right],
        }
        look = "both orders: A X is (m1, n2) and X Bᵀ is (n1, m2); then the product with the other factor"
        values(student, "multiply-adds", macs, min(left, right), look, like, at)
    passed(student, "5 pairs of factors")
