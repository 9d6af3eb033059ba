"""A recipe: how a weight matrix is made, as one value.

    kind, factor        W = W_s, the largest of its kind within m·n / factor parameters
    doped               W = W_s + S: under the overlay S, all of whose entries are alive at the start; annealing keeps

                            k_f = ⌊m·n / factor⌋ - |θ_s|

    kind None           W = S: a matrix that is pruned to ⌊m·n / factor⌋ entries
    cmr                 co-matrix dropout of the two; with kind None its control, of S alone
    share               the overlay's part of the variance of W's entries at the start; the structure has the rest
    stacked             one matrix W_s per gate, in a `Stack`, or one for all gates

A layer, a model, the annealer, compressing, the benchmarks and the tests take a recipe, handed on whole.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refdope.arrays import Array
from refdope.structures.base import Structure
from refdope.structures.cmr import CMR
from refdope.structures.doped import Doped
from refdope.structures.kinds import named
from refdope.structures.overlay import Overlay
from refdope.structures.sizes import Sizes, budget, check_shape, entry_std
from refdope.structures.stack import Stack
from refdope.structures.zero import Zero


@dataclass(frozen=True)
class Recipe:
    """How a weight matrix is made.

    Parameters
    ----------
    kind : a subclass of Structure, its name in any case, or None
        None, or "none", is an overlay with nothing under it, and needs `doped`.
    factor : float
        m·n / parameters, from 1 up; of a doped matrix, at the end of annealing.
    doped : bool
        Whether an overlay lies on the structure.
    cmr : CMR, optional
        Co-matrix dropout of a doped matrix.
    share : float
        Of a doped matrix: how much of the variance of W's entries is the overlay's at the start, in [0, 1].
    stacked : bool, optional
        One structure per gate, or one for all; by default one per gate for a kind whose rows are not made alike (HMD).
    options : dict
        Options of the kind: the further keywords of its `sizes`.

    Raises
    ------
    TypeError, ValueError
        If a part is not what it may be, or the parts do not go together; the message says which.
    """

    kind: Any  # a kind or None, once a name is looked up
    factor: float = 1.0
    doped: bool = False
    cmr: CMR | None = None
    share: float = 0.9
    stacked: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if isinstance(self.kind, str):
            object.__setattr__(self, "kind", named(self.kind))
        if self.kind is not None and not (isinstance(self.kind, type) and issubclass(self.kind, Structure)):
            raise TypeError(f"Recipe: kind must be a kind of structure, its name, or None, got {self.kind!r}")
        if not (isinstance(self.factor, int | float | np.number) and 1 <= self.factor < np.inf):
            raise ValueError(f"Recipe: factor must be a finite number from 1 up, got {self.factor!r}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"Recipe: share must be in [0, 1], got {self.share}")
        if self.kind is None and not self.doped:
            raise ValueError("Recipe: kind None makes sense only with doped=True (a pruned matrix)")
        if self.cmr is not None and not self.doped:
            raise ValueError("Recipe: cmr drops rows of an overlay and of what is under it: give doped=True")
        if self.kind is not None:
            check_options(self.kind, self.options)
        elif self.options:
            raise ValueError(f"Recipe: without a kind there are no options, got {', '.join(self.options)}")

    def matrix(
        self,
        shape: tuple[int, int],
        rng: np.random.Generator | int | None = None,
        std: float | None = None,
        *,
        gates: int = 4,
    ) -> Structure:
        """Make a matrix, as training starts from it.

        Parameters
        ----------
        shape : tuple of int
            (m, n).
        rng : numpy.random.Generator or int, optional
            Where the initial weights come from.
        std : float, optional
            Root mean square of W's entries; by default (3n)^-1/2, that of U(-n^-1/2, n^-1/2).
        gates : int
            How many equally tall blocks of rows W has: what `stacked` stacks.

        Raises
        ------
        ValueError
            If the factor is out of reach for this shape; the message says what can be had.
        """
        check_shape("Recipe", shape)
        rng, std = np.random.default_rng(rng), entry_std(std, shape[1])
        if self.kind is None:
            S = Overlay.dense(shape, rng, std)
            return Doped(Zero(shape), S, self.cmr) if self.cmr else S
        kind, share = self.kind, self.share if self.doped else 0.0
        parts = [kind.drawn(sizes, rng, std * (1 - share) ** 0.5) for sizes in self._sizes(shape, gates)]
        structure = Stack(parts) if self._is_stacked else parts[0]
        return Doped(structure, Overlay.dense(shape, rng, std * share**0.5), self.cmr) if self.doped else structure

    def nearest(self, M: Array, *, gates: int = 4) -> Structure:
        """Return the matrix of this recipe, annealed, that is nearest to M, (m, n); nothing random is drawn.

        Raises
        ------
        NotImplementedError
            If the kind has no `nearest`.
        ValueError
            If the factor is out of reach for M's shape.
        """
        shape = M.shape
        if self.kind is None:
            return Overlay.largest(M, budget("Recipe", shape, self.factor))
        parts = [self.kind.blank(sizes) for sizes in self._sizes(shape, gates)]
        structure = Stack(parts) if self._is_stacked else parts[0]
        if not self.doped:
            return structure.nearest(M)
        W = Doped(structure, Overlay(np.zeros(shape), np.ones(shape, dtype=bool)), self.cmr)
        W.overlay.prune(self.kept(W))
        return W.nearest(M)

    def kept(self, W: Structure) -> int:
        """Return k_f: how many entries of W's overlay annealing keeps.

        Raises
        ------
        ValueError
            If W's structure takes more than the factor leaves, or there is none and no entry is left either.
        """
        (m, n), structure = W.shape, W.n_params - W.overlay.n_params
        left = budget("Recipe", W.shape, self.factor) - structure
        if left < 0:
            raise ValueError(
                f"factor {self.factor:g} leaves {m * n / self.factor:.0f} parameters to W, {m} x {n}, "
                f"but its structure alone has {structure} (factor {m * n / structure:.4g} at most)"
            )
        if not structure and not left:
            raise ValueError(f"factor {self.factor:g} leaves no entry of W, {m} x {n}")
        return left

    @property
    def _is_stacked(self) -> bool:
        return self.kind is not None and (not self.kind.one_kind if self.stacked is None else self.stacked)

    def _sizes(self, shape: tuple[int, int], gates: int) -> list[Sizes]:
        """Return the sizes of W_s: of one matrix, or of as many as are stacked."""
        m, n = shape
        if self._is_stacked:
            if gates < 1 or m % gates:
                raise ValueError(f"Recipe: {m} rows do not divide into {gates} equal parts, one per gate")
            m //= gates
        of = self.kind.sizes_doped if self.doped else self.kind.sizes
        return [of((m, n), self.factor, **self.options)] * (gates if self._is_stacked else 1)


def options_of(kind: type[Structure]) -> dict[str, Any]:
    """Return the options of a kind with their defaults: the keywords of its `sizes`."""
    parameters = inspect.signature(kind.sizes).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_options(kind: type[Structure], options: Mapping[str, Any]) -> None:
    """Raise ValueError unless a kind has these options; the message lists those that it has."""
    known = options_of(kind)
    for name in options:
        if name not in known:
            have = f"has {', '.join(known)}" if known else "has none"
            raise ValueError(f"{kind.__name__}: there is no option {name!r}; it {have}")
