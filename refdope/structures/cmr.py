"""Co-matrix dropout regularisation (CMR): while training, no row of z may lean on both co-matrices all the time.

    z = b₁ ∘ (W_s x) + b₂ ∘ (S x),    b₁, b₂: (m) random, drawn anew for every row x

A dropped row of a product W x is a row of diag(b) W, so a sampled pass is a pass through other matrices, which keep
the contract: `DroppedRows` is diag(b / E b) W with a b for every row of x, `DroppedElements` is (K / E K) ∘ S. Their
mean is the matrix itself (inverted scaling), so that nothing changes when training ends. With p the rate:

    rows         b₁                              b₂                              E b
    "both"       Bernoulli(1 - p)                Bernoulli(1 - p), independent   1 - p
    "sparse"     1                               Bernoulli(1 - p)                1 - p
    "exclusive"  on a share p of the rows a fair coin gives the row to one of    1 - p/2
                 the two; on the others both are 1
    "elements"   no rows: every entry of S is dropped with probability p, once a pass

Source: the idea is Thakker et al.'s, "Doping", MLSys 2021, arXiv 2102.07071. Which rows the paper masks, and at what
rate, is not known to us; the family is ours.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from refdope.arrays import Array, Params
from refdope.structures.base import Structure

Rows = Literal["both", "sparse", "exclusive", "elements"]
Per = Literal["step", "sequence"]
COIN = 1 << 16  # sides of the coin that a mask is tossed with


@dataclass(frozen=True)
class CMR:
    """Co-matrix dropout regularisation: what is dropped from W_s x and S x while training, and how often.

    Parameters
    ----------
    rate : float
        p, in [0, 1).
    rows : {"both", "sparse", "exclusive", "elements"}
        What p drops; see the table of this module.
    per : {"step", "sequence"}
        Whether a row mask is drawn for every step, or once for all steps of a sequence.
    """

    rate: float
    rows: Rows = "both"
    per: Per = "step"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"CMR: rate must be in [0, 1), got {self.rate}")
        if round((1 - self.rate) * COIN) == 0:
            raise ValueError(f"CMR: rate must leave something, at most {1 - 1 / COIN:.6f}, got {self.rate}")
        for name, choices in (("rows", get_args(Rows)), ("per", get_args(Per))):
            if getattr(self, name) not in choices:
                raise ValueError(f"CMR: {name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")

    def sample(
        self, structure: Structure, overlay: Structure, rng: np.random.Generator, lead: tuple[int, ...]
    ) -> tuple[Structure, Structure]:
        """Draw the masks of one pass, and return the two co-matrices as this pass sees them."""
        p, m = self.rate, structure.shape[0]
        drawn = (1, *lead[1:], m) if self.per == "sequence" and lead else (*lead, m)

        def happens(probability: float, shape: tuple[int, ...] = drawn) -> Array:
            """Draw which of a mask's entries are kept."""
            # 16 random bits: half the time of a float32, the same masks in every dtype; a rate is within 2⁻¹⁷
            return rng.integers(0, COIN, shape, dtype=np.uint16) < round(probability * COIN)

        def rows(W: Structure, b: Array, mean: float) -> DroppedRows:
            """Return a co-matrix with rows dropped by b, E b being its mean."""
            return DroppedRows(W, np.broadcast_to(b, (*lead, m)), mean)  # a mask a sequence is the same at all t

        if self.rows == "both":
            return rows(structure, happens(1 - p), 1 - p), rows(overlay, happens(1 - p), 1 - p)
        if self.rows == "sparse":
            return structure, rows(overlay, happens(1 - p), 1 - p)
        if self.rows == "exclusive":
            shared, coin = happens(1 - p), happens(0.5)
            return rows(structure, shared | coin, 1 - p / 2), rows(overlay, shared | ~coin, 1 - p / 2)
        return structure, DroppedElements(overlay, happens(1 - p, overlay.params["overlay"].shape), 1 - p)


class Sampled(Structure):
    """A matrix W of one training pass: it has W's shape and parameters, and lasts for that pass only."""

    def __init__(self, W: Structure) -> None:
        self.W = W
        self.shape = W.shape

    def children(self) -> list[tuple[str, Structure]]:
        """List W, whose parameters keep their names."""
        return [("", self.W)]

    @property
    def macs(self) -> int:
        """As many as of W."""
        return self.W.macs


class DroppedRows(Sampled):
    """diag(b / E b) W, with a b of its own for every row of x.

    Parameters
    ----------
    W : Structure, (m, n)
    b : bool array, (…, m)
        Over the leading axes of the pass.
    mean : float
        E b.
    """

    def __init__(self, W: Structure, b: Array, mean: float) -> None:
        super().__init__(W)
        self.b, self.mean = b, mean

    def _forward(self, x: Array) -> Array:
        return self._drop(self.W._forward(x))

    def _adjoint(self, dy: Array) -> Array:
        return self.W._adjoint(self._drop(dy))

    def _gradient(self, x: Array, dy: Array) -> Params:
        return self.W._gradient(x, self._drop(dy))

    def _backward(self, x: Array, dy: Array) -> tuple[Array, Params]:
        return self.W._backward(x, self._drop(dy))

    def _drop(self, y: Array) -> Array:
        kept = y.reshape(self.b.shape) * self.b  # (R, m) -> (…, m)
        kept *= 1 / self.mean
        return kept.reshape(y.shape)

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading axes of b."""
        return self.b.shape[:-1]

    def to_dense(self) -> Array:
        """Return the matrix that every row of x meets, (…, m, n)."""
        return (self.b / self.mean)[..., None] * self.W.to_dense()

    @property
    def settings(self) -> dict[str, Any]:
        """The masks and their mean."""
        return {"b": self.b, "mean": self.mean}

    def at(self, t: int) -> "DroppedRows":
        """Return step t of the pass."""
        return DroppedRows(self.W, self.b[t], self.mean)


class DroppedElements(Sampled):
    """(K / E K) ∘ S, one K for the whole pass.

    Parameters
    ----------
    W : Overlay or SparseOverlay, (m, n)
    keep : bool array
        K, of the shape of the parameter "overlay".
    mean : float
        E K.
    """

    def __init__(self, W: Structure, keep: Array, mean: float) -> None:
        super().__init__(W)
        self.keep, self.mean = keep, mean
        self.thinned = W.replace({"overlay": W.params["overlay"] * keep * (1 / mean)})

    def _forward(self, x: Array) -> Array:
        return self.thinned._forward(x)

    def _adjoint(self, dy: Array) -> Array:
        return self.thinned._adjoint(dy)

    def _gradient(self, x: Array, dy: Array) -> Params:
        return {"overlay": self.W._gradient(x, dy)["overlay"] * self.keep * (1 / self.mean)}

    def to_dense(self) -> Array:
        """Return the matrix of this pass, (m, n)."""
        return self.thinned.to_dense()

    @property
    def settings(self) -> dict[str, Any]:
        """The mask and its mean."""
        return {"keep": self.keep, "mean": self.mean}
