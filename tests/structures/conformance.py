"""The structures under test: `cases()` makes each kind of `STRUCTURES` plain, stacked, doped and sampled.

A kind that is added to that list is tested by all of `test_conformance`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from refdope.structures import CMR, STRUCTURES, Doped, Kronecker, Overlay, SparseOverlay, Stack, Structure

SHAPES = [(8, 15), (9, 4), (12, 6), (5, 3)]  # coprime, wide and tall; with common divisors above 2; of primes
T, B = 3, 2


@dataclass(frozen=True)
class Case:
    """A structure under test, and the leading axes that it is bound to if it is a sampled pass."""

    name: str
    W: Structure
    lead: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.name

    def rows(self, size: int, rng: np.random.Generator, dtype=np.float64) -> np.ndarray:
        """Draw some x or dy for this structure."""
        lead = (T, B) if self.lead is None else self.lead
        return rng.standard_normal((*lead, size)).astype(dtype)


def half(W: Structure, seed: int = 0) -> Structure:
    """Return W over weights of size ½, which condition a gradient check best."""
    rng = np.random.default_rng(seed)
    return W.replace(
        {name: rng.choice([-0.5, 0.5], a.shape) + 0.1 * rng.random(a.shape) for name, a in W.params.items()}
    )


def kinds() -> list[type[Structure]]:
    return [*STRUCTURES, Overlay, SparseOverlay]


def made(kind: type[Structure], shape: tuple[int, int]) -> list[tuple[str, Structure]]:
    """Return the structures of a kind that a shape allows, at several factors."""
    found = []
    for factor in (1, 1.5, 3):
        try:
            W = kind.for_compression(shape, factor, np.random.default_rng(1))
        except ValueError:
            continue
        found.append((f"{kind.__name__} {shape[0]}x{shape[1]} at {factor}", W))
    return found


@cache
def cases() -> list[Case]:
    plain = [Case(name, half(W)) for kind in kinds() for shape in SHAPES for name, W in made(kind, shape)]
    plain.append(Case("Kronecker (3, 2) ⊗ (4, 5)", half(Kronecker(np.zeros((3, 2)), np.zeros((4, 5))))))
    first = {type(case.W): case for case in reversed(plain) if case.W.shape == (9, 4)}  # one of each kind
    stacked = [Case(f"Stack of {case}", Stack([case.W, half(case.W, 2), case.W])) for case in first.values()]
    base = [case for case in (*first.values(), *stacked) if not isinstance(case.W.overlay, Overlay | SparseOverlay)]
    base = [case for case in base if not any("overlay" in name for name in case.W.params)]
    doped = [
        Case(f"doped {case} {form}", Doped(case.W, overlay))
        for case in base
        for form, overlay in overlays(case.W.shape).items()
    ]
    return [*plain, *stacked, *doped, *sampled(base)]


def overlays(shape: tuple[int, int]) -> dict[str, Structure]:
    S = half(Overlay.for_compression(shape, 3, np.random.default_rng(3)), 4)
    return {"masked": S, "csr": S.to_csr()}


def cmrs() -> list[CMR]:
    return [CMR(0.4, rows, per) for rows in ("both", "sparse", "exclusive", "elements") for per in ("step", "sequence")]


def sampled(base: list[Case]) -> list[Case]:
    return [
        Case(
            f"sampled {case} {form} {cmr.rows} per {cmr.per} at {lead}",
            Doped(case.W, overlay, cmr).sample(np.random.default_rng(5), lead),
            lead,
        )
        for case in base
        for form, overlay in overlays(case.W.shape).items()
        for cmr in cmrs()
        for lead in ((), (0,), (1,), (T, B))
    ]
