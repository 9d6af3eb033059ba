"""How much of the suite sees a fault: `python -m tests.faults` plants faults in structures and prints who noticed.

A fault is planted in one method of one kind, and the tests with the kind in their id are run: those of conformance, or
of the places named on the command line, such as `tests/structures tests/test_selfcheck.py`. The last kind is new,
a block-circulant matrix whose adjoint was written wrongly: it forgets to turn the blocks round. It joins for this run
only.
"""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import pytest

from refdope.structures import HMD, LMF, STRUCTURES, Kronecker, Structure
from refdope.structures.sizes import Sizes, budget, gaussian, out_of_reach

PLACES = sys.argv[1:] or ["tests/structures/test_conformance.py"]
OPTIONS = ("-q", "-n0", "--tb=no", "-pno:cacheprovider", "-Wignore:Module already imported:pytest.PytestWarning")
METHODS = ("_forward", "_adjoint", "_gradient")
LEAST = 0.1  # the share of a kind's tests that must fail


class BlockCirculant(Structure):
    """Blocks of size k x k, each given by its first column: W[i k + p, j k + q] = w[i, j, (p - q) mod k]."""

    names = ("w",)
    turns = True  # False is the mistake

    def __init__(self, w: np.ndarray) -> None:
        self.w, self.k = w, w.shape[2]
        self.shape = (w.shape[0] * self.k, w.shape[1] * self.k)

    @property
    def places(self) -> np.ndarray:
        return (np.arange(self.k)[:, None] - np.arange(self.k)) % self.k

    def _blocks(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), x.shape[1] // self.k, self.k)  # (R, n) -> (R, n / k, k)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return np.einsum("ijpq,rjq->rip", self.w[:, :, self.places], self._blocks(x)).reshape(len(x), self.shape[0])

    def _adjoint(self, dy: np.ndarray) -> np.ndarray:
        places = self.places if self.turns else self.places.T
        return np.einsum("ijpq,rip->rjq", self.w[:, :, places], self._blocks(dy)).reshape(len(dy), self.shape[1])

    def _gradient(self, x: np.ndarray, dy: np.ndarray) -> dict[str, np.ndarray]:
        each = np.einsum("rip,rjq->ijpq", self._blocks(dy), self._blocks(x))
        dw = np.zeros_like(self.w, dtype=each.dtype)
        np.add.at(dw, (slice(None), slice(None), self.places), each)
        return {"w": dw}

    def to_dense(self) -> np.ndarray:
        return self.w[:, :, self.places].swapaxes(1, 2).reshape(self.shape)

    @property
    def macs(self) -> int:
        return self.shape[0] * self.shape[1]

    @classmethod
    def sizes(cls, shape: tuple[int, int], factor: float) -> Sizes:
        (m, n), most = shape, budget(cls.__name__, shape, factor)
        ks = [k for k in range(1, min(shape) + 1) if not m % k and not n % k]
        for k in ks:
            if m * n // k <= most:
                return Sizes({"w": (m // k, n // k, k)})
        raise out_of_reach(cls.__name__, shape, factor, m * n // ks[-1])

    @classmethod
    def drawn(cls, sizes: Sizes, rng: np.random.Generator, std: float) -> "BlockCirculant":
        shape = sizes.shapes["w"]
        return cls(gaussian(rng, shape, std * np.prod(shape) ** 0.5))


# ----------------------------------------------------------------------------------------------------------- the faults


def sign(a: np.ndarray) -> np.ndarray:
    return -a


def factor(a: np.ndarray) -> np.ndarray:
    return 2 * a


def conjugate(a: np.ndarray) -> np.ndarray:
    return a.conj()


def transpose(a: np.ndarray) -> np.ndarray:
    """Lay the last axis out as a matrix of two unequal sides, if it can be, and read it the other way."""
    side = next((k for k in range(2, a.shape[-1]) if a.shape[-1] % k == 0), 1)
    return a.reshape(*a.shape[:-1], side, a.shape[-1] // side).swapaxes(-1, -2).reshape(a.shape)


def transpose_all(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a.T).reshape(a.shape) if a.ndim > 1 else transpose(a)


def dropped(a: np.ndarray) -> np.ndarray:
    """Lose the last row of y or dx, each of which is a column of the rows (R, m)."""
    a = a.copy()
    a[..., -1:] = 0
    return a


FAULTS = (sign, transpose, factor, conjugate, dropped)


def planted(method: Callable, fault: Callable) -> Callable:
    """Return a method whose product, or the gradient of whose first parameter, is wrong."""

    def wrong(self: Structure, *arrays: np.ndarray):
        found = method(self, *arrays)
        if not isinstance(found, dict):
            return fault(found)
        name = next(iter(found))
        return found | {name: (transpose_all if fault is transpose else fault)(found[name])}

    return wrong


class Outcomes:
    """A pytest plugin that counts tests and those that failed."""

    def __init__(self) -> None:
        self.failed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed[report.nodeid] = self.failed.get(report.nodeid, False) or report.failed


def outcomes(kind: str) -> tuple[int, int]:
    """Run the tests with the kind in their id; return how many failed, and how many there are."""
    seen = Outcomes()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*OPTIONS, "-k", kind, *PLACES], plugins=[seen])
    return sum(seen.failed.values()), len(seen.failed)


def rows() -> Iterator[tuple[str, str, str, int, int]]:
    """Yield kind, method, fault, how many of its tests fail and how many there are."""
    for kind in (Kronecker, LMF, HMD):
        yield (kind.__name__, "", "none", *outcomes(kind.__name__))
        for name in METHODS:
            for fault in FAULTS:
                with mock.patch.object(kind, name, planted(getattr(kind, name), fault)):
                    yield (kind.__name__, name, fault.__name__, *outcomes(kind.__name__))
    yield ("BlockCirculant", "", "none", *outcomes("BlockCirculant"))
    with mock.patch.object(BlockCirculant, "turns", False):
        yield ("BlockCirculant", "_adjoint", "unturned", *outcomes("BlockCirculant"))


def main() -> int:
    """Print the table; return 1 if a fault is seen by too few, or a right kind is accused."""
    STRUCTURES.append(BlockCirculant)  # before the tests make their cases
    missed = 0
    print("| kind | method | fault | tests | fail | share |\n|---|---|---|--:|--:|--:|")
    for kind, method, fault, failed, tests in rows():
        share = failed / max(tests, 1)
        missed += failed > 0 or not tests if fault == "none" else share < LEAST
        print(f"| {kind} | {method} | {fault} | {tests} | {failed} | {share:.0%} |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
