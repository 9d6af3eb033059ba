"""The structures under test: `cases()` makes each kind of `STRUCTURES` alone, stacked, doped and sampled.

A kind that is added to that list is tested by all of `test_conformance`. Sizes are chosen so that a mistake shows: of
the factors in reach, the one whose smallest axis is longest, so that blocks, ranks and factors are larger than two,
rectangular and unequal. A sampled pass has a form, a CMR and leading axes; every pair of their values occurs, and of
each of them with every kind, but not every combination.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import numpy as np

from refdope.structures import CMR, STRUCTURES, Doped, Overlay, SparseOverlay, Stack, Structure

BASE = (20, 12)  # 4·5 x 3·4: blocks, ranks and factors above two, unequal
SHAPES = [BASE, (12, 6), (8, 15), (5, 3)]  # with many divisors, twice; coprime and wide; of primes
FACTORS = (1, 1.5, 2, 3, 4, 6, 7)
FORMS = ("doped", "doped CSR", "stacked", "doped stack", "doped CSR stack", "stack of doped")
T, B = 3, 2
LEADS = [(T, B), (), (0,), (1,), (T, 0)]


@dataclass(frozen=True)
class Case:
    """A structure under test, and the leading axes that it is bound to if it is a sampled pass."""

    name: str
    W: Structure
    lead: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def leads(self) -> list[tuple[int, ...]]:
        """The leading axes that x may have."""
        return LEADS if self.lead is None else [self.lead]


def half(W: Structure, seed: int = 0) -> Structure:
    """Return W over weights of size ½, which condition a gradient check best."""
    rng = np.random.default_rng(seed)
    return W.replace(
        {name: rng.choice([-0.5, 0.5], a.shape) + 0.1 * rng.random(a.shape) for name, a in W.params.items()}
    )


def kinds() -> list[type[Structure]]:
    return [*STRUCTURES, Overlay, SparseOverlay]


def reachable(kind: type[Structure], shape: tuple[int, int]) -> dict[float, Structure]:
    """Return the structures of a kind that a shape allows, by factor."""
    found = {}
    for factor in FACTORS:
        try:
            found[factor] = kind.for_compression(shape, factor, np.random.default_rng(1))
        except ValueError:
            continue
    return found


def made(kind: type[Structure], shape: tuple[int, int], form: str = "alone", cmr: CMR | None = None) -> Structure:
    """Make a structure in one of the forms; a shape of stacks is that of the first of two unequal matrices."""
    W = half(max(reachable(kind, shape).items(), key=lambda found: (thinnest(found[1]), found[0]))[1])
    if form == "alone":
        return W
    if form == "stack of doped":
        return Stack([doped(W, cmr), doped(half(W, 2), cmr, csr=True)])
    if "stack" in form:
        m, n = shape
        W = Stack([W, half(made(kind, (m // 2 * 3, n)), 2)])
    return doped(W, cmr, csr="CSR" in form) if "doped" in form else W


def thinnest(W: Structure) -> int:
    """Return the shortest axis of W's parameters."""
    return min(min(a.shape) for a in W.params.values())


def doped(W: Structure, cmr: CMR | None = None, *, csr: bool = False) -> Doped:
    """Put an overlay of a third of the entries on W."""
    S = half(Overlay.for_compression(W.shape, 3, np.random.default_rng(3)), 4)
    return Doped(W, S.to_csr() if csr else S, cmr)


@cache
def cases() -> list[Case]:
    return [*plain(), *sampled()]


def plain() -> Iterator[Case]:
    for kind in kinds():
        for shape in SHAPES:
            if reachable(kind, shape):
                yield Case(f"{kind.__name__} {shape[0]}x{shape[1]}", made(kind, shape))
        for form in FORMS:
            if "doped" not in form or kind in STRUCTURES:
                yield Case(f"{kind.__name__} {form}", made(kind, BASE, form))


def cmrs() -> list[CMR]:
    return [CMR(0.4, rows, per) for rows in ("both", "sparse", "exclusive", "elements") for per in ("step", "sequence")]


def sampled() -> Iterator[Case]:
    forms = [form for form in FORMS if "doped" in form]
    for kind, form, cmr, lead in pairwise(STRUCTURES, forms, cmrs(), LEADS):
        W = made(kind, BASE, form, cmr).sample(np.random.default_rng(5), lead)
        yield Case(f"sampled {kind.__name__} {form} {cmr.rows} per {cmr.per} at {lead}", W, lead)


def pairwise(*axes: list) -> list[tuple]:
    """Choose combinations greedily until every pair of values of any two axes occurs."""

    def pairs(chosen: tuple[int, ...]) -> set[tuple]:
        return set(combinations(enumerate(chosen), 2))

    every = [(chosen, pairs(chosen)) for chosen in product(*(range(len(axis)) for axis in axes))]
    left, cover = set().union(*(own for _, own in every)), []
    while left:
        best, own = max(every, key=lambda candidate: len(candidate[1] & left))
        left -= own
        cover.append(tuple(axis[k] for axis, k in zip(axes, best, strict=True)))
    return cover


# ------------------------------------------------------------------------------------------------------- what is right


def right_gradient(W: Structure, x: np.ndarray, dy: np.ndarray) -> dict[str, np.ndarray]:
    """Return ⟨dy xᵀ, ∂W/∂θ⟩ for every parameter θ, where ∂W/∂θ is the complex step of `to_dense`."""
    dW = np.einsum("...m,...n->...mn", dy, x)
    found = {}
    for name, slopes in jacobian(W).items():
        varies = next(iter(slopes), np.zeros((0, 0))).ndim > 2  # one W per row of x
        d = dW if varies else dW.reshape(-1, *W.shape).sum(0)
        found[name] = np.array([(slope * d).sum() for slope in slopes]).reshape(W.params[name].shape)
    return found


def jacobian(W: Structure) -> dict[str, list[np.ndarray]]:
    """Return ∂W/∂θ, an array like `to_dense()` for every entry of every parameter; once for each W."""
    if id(W) not in _jacobians:
        steps = {}
        for name, a in W.params.items():
            steps[name] = []
            for k in range(a.size):
                moved = {other: b.astype(complex) for other, b in W.params.items()}
                moved[name].ravel()[k] += 1e-30j
                steps[name].append(W.replace(moved).to_dense().imag / 1e-30)
        _jacobians[id(W)] = (W, steps)  # W is kept, so that its id is not given away
    return _jacobians[id(W)][1]


_jacobians: dict[int, tuple[Structure, dict[str, list[np.ndarray]]]] = {}
