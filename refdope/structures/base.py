"""The contract of a weight structure: a matrix W that is given by fewer numbers than m·n.

Because y = W x is linear in x, a backward pass needs no cache, only three operations. With R rows of x at a time,

    forward     Y  = X Wᵀ                (R, n) -> (R, m)
    adjoint     dX = dY W                (R, m) -> (R, n)
    gradient    d⟨dY, X Wᵀ⟩ / d params   (R, n), (R, m) -> one array per parameter, summed over the rows

and everything else in this package stands on them. `Structure` deals with leading axes, with errors and with names,
so that the file of a structure holds its mathematics only: `_forward`, `_adjoint` and `_gradient` on plain rows, which
sizes fit a compression factor (`sizes`), and how a member of these sizes starts (`drawn`).
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from refdope.arrays import Array, Params, Tree, check_arrays
from refdope.structures.matrix import Matrix
from refdope.structures.sizes import Sizes, check_shape, entry_std


class Structure(Tree, Matrix, ABC):
    """A matrix W of shape (m, n). A subclass sets `names` and `shape`, and writes the mathematics.

    `forward` takes rows, as a layer has them: y = x Wᵀ for x: (…, n). `W @ x` multiplies columns, as NumPy does.

    Attributes
    ----------
    shape : tuple of int
        (m, n).
    names, fixed : tuple of str
        The trained arrays and the constants: attributes, in the order in which the constructor takes them.
    one_kind : bool
        Whether all rows of W are made alike. Where they are not (HMD), a recurrent layer stacks one such matrix per
        gate.
    """

    shape: tuple[int, int]
    one_kind: ClassVar[bool] = True

    # ---------------------------------------------------------------- the mathematics, on rows: what a subclass writes

    @abstractmethod
    def _forward(self, x: Array) -> Array:
        """Y = X Wᵀ, (R, n) -> (R, m), a new array."""

    @abstractmethod
    def _adjoint(self, dy: Array) -> Array:
        """dX = dY W, (R, m) -> (R, n), a new array; the plain transpose, never conjugated."""

    @abstractmethod
    def _gradient(self, x: Array, dy: Array) -> Params:
        """d⟨dY, X Wᵀ⟩ / d params, summed over the R rows."""

    def _backward(self, x: Array, dy: Array) -> tuple[Array, Params]:
        """Return what the two above do; a subclass overrides it where they share work."""
        return self._adjoint(dy), self._gradient(x, dy)

    @abstractmethod
    def to_dense(self) -> Array:
        """W as an (m, n) array: to look at and to check against, not to write to; never used in a pass."""

    # ------------------------------------------------------------------------- how one is made: what a kind writes too

    @classmethod
    def sizes(cls, shape: tuple[int, int], factor: float) -> Sizes:
        """Return the sizes of the largest of this kind with at most m·n / factor parameters; each kind says which.

        A kind's options are further keywords, with defaults: their names are what `Recipe(options=…)` and the
        command line's `--option` take.

        Parameters
        ----------
        shape : tuple of int
            (m, n).
        factor : float
            Compression factor, at least 1. What came out is `.factor` of what is made.

        Raises
        ------
        ValueError
            If the factor is out of reach for this shape; the message says what can be had.
        """
        raise TypeError(f"{cls.__name__} is put together from other matrices; it is not made for a compression factor")

    @classmethod
    def sizes_doped(cls, shape: tuple[int, int], factor: float, **options: Any) -> Sizes:
        """Return the sizes of the part that stands under an overlay: by default half of the m·n / factor parameters."""
        try:
            return cls.sizes(shape, 2 * factor, **options)
        except ValueError as refusal:
            raise ValueError(f"doped at factor {factor:g}, half of it for the structure: {refusal}") from None

    @classmethod
    def drawn(cls, sizes: Sizes, rng: np.random.Generator, std: float) -> Self:
        """Draw one of these sizes, balanced, the root mean square of W's entries being std exactly."""
        raise TypeError(f"{cls.__name__} is not drawn")

    @classmethod
    def blank(cls, sizes: Sizes) -> Self:
        """Return one of these sizes whose parameters are zero: what `nearest` takes its sizes from."""
        return cls(*(np.zeros(shape) for shape in sizes.shapes.values()), **sizes.settings)

    @classmethod
    def for_compression(
        cls,
        shape: tuple[int, int],
        factor: float,
        rng: np.random.Generator | int | None = None,
        std: float | None = None,
        **options: Any,
    ) -> Self:
        """Make the largest of its kind with at most m·n / factor parameters.

        Parameters
        ----------
        shape : tuple of int
            (m, n).
        factor : float
            Compression factor, at least 1. What came out is `.factor`.
        rng : numpy.random.Generator or int, optional
            Where the initial weights come from.
        std : float, optional
            Root mean square of W's entries; by default (3n)^-1/2, that of U(-n^-1/2, n^-1/2).
        **options
            Those of the kind: the further keywords of its `sizes`.

        Raises
        ------
        ValueError
            If the factor is out of reach for this shape; the message says what can be had.
        """
        check_shape(cls.__name__, shape)
        sizes = cls.sizes(shape, factor, **options)
        return cls.drawn(sizes, np.random.default_rng(rng), entry_std(std, shape[1]))

    def _nearest(self, M: Array) -> "Structure":
        """Return what `nearest` does, M being of W's shape; a kind overrides it if it can."""
        raise NotImplementedError(f"{type(self).__name__}: the nearest one to a given matrix is not known")

    # ------------------------------------------------------------------------------------------- what the caller calls

    def nearest(self, M: Array) -> "Structure":
        """Return the matrix of this kind and these sizes that is nearest to M by Frobenius norm.

        Parameters
        ----------
        M : array, (m, n)

        Raises
        ------
        NotImplementedError
            If nobody has written it for this kind; nothing but compressing a trained matrix needs it.
        ValueError
            If M is not (m, n), or has an entry that is not finite.
        """
        check_arrays(type(self).__name__, M=M)
        if M.shape != self.shape:
            raise ValueError(f"{type(self).__name__}: M must be {self.shape}, as W is, got shape {M.shape}")
        if not np.isfinite(M).all():
            raise ValueError(f"{type(self).__name__}: M must be finite, got {np.count_nonzero(~np.isfinite(M))} others")
        return self._nearest(M)

    def forward(self, x: Array) -> Array:
        """Multiply every row of x by W.

        Parameters
        ----------
        x : array, (…, n)

        Returns
        -------
        array, (…, m)
            y = x Wᵀ, a new array.

        Raises
        ------
        ValueError
            If the last axis of x is not n.
        """
        rows, lead = self._rows(x, "x", 1)
        return self._forward(rows).reshape(*lead, self.shape[0])

    def adjoint(self, dy: Array) -> Array:
        """Multiply every row of dy by Wᵀ: dx = dy W, (…, m) -> (…, n), a new array.

        Raises
        ------
        ValueError
            If the last axis of dy is not m.
        """
        rows, lead = self._rows(dy, "dy", 0)
        return self._adjoint(rows).reshape(*lead, self.shape[1])

    def gradient(self, x: Array, dy: Array) -> Params:
        """Differentiate ⟨dy, x Wᵀ⟩ by the parameters, summed over all leading axes.

        Parameters
        ----------
        x : array, (…, n)
        dy : array, (…, m)
            The same leading axes as x.

        Returns
        -------
        dict
            Keys and shapes of `params`.

        Raises
        ------
        ValueError
            If the last axes do not fit W, or the leading axes differ.
        """
        return self._gradient(*self._pairs(x, dy))

    def backward(self, x: Array, dy: Array) -> tuple[Array, Params]:
        """Return what `adjoint` and `gradient` do, at once: in some structures they share work.

        Parameters, shapes and errors are those of `gradient`.
        """
        dx, grads = self._backward(*self._pairs(x, dy))
        return dx.reshape(*np.shape(x)), grads

    def _pairs(self, x: Array, dy: Array) -> tuple[Array, Array]:
        """Return x and dy as rows that belong together."""
        x_rows, lead = self._rows(x, "x", 1)
        dy_rows, dy_lead = self._rows(dy, "dy", 0)
        if lead != dy_lead:
            raise ValueError(f"{type(self).__name__}: x and dy must share their leading axes, got {lead} and {dy_lead}")
        return x_rows, dy_rows

    def _rows(self, x: Array, name: str, axis: int) -> tuple[Array, tuple[int, ...]]:
        """Return x (…, k) as rows (R, k), and its leading axes."""
        x, size = np.asarray(x), self.shape[axis]
        if x.dtype.kind not in "biufc":
            raise TypeError(f"{type(self).__name__}: {name} must be an array of numbers, got {x.dtype}")
        if x.ndim == 0 or x.shape[-1] != size:
            raise ValueError(
                f"{type(self).__name__}: {name} must be (…, {size}) for W of shape {self.shape}, got shape {x.shape}"
            )
        if self.lead not in (None, x.shape[:-1]):
            raise ValueError(
                f"{type(self).__name__}: sampled for leading axes {self.lead}, got {name} with {x.shape[:-1]}"
            )
        return x.reshape(-1, size), x.shape[:-1]  # (…, k) -> (R, k)

    # ------------------------------------------------------------------------- how far a step of a parameter moves W

    def reach(self) -> dict[str, float]:
        """Return by how much a step of each parameter moves W at most: max ‖δW‖ / ‖δp‖, Frobenius norms.

        One for the entries of W themselves; what is made of other matrices has theirs. A product of factors overrides
        it: the step of one is multiplied by the other. `refdope.training.steps` divides by it.

        Returns
        -------
        dict of float
            Under the keys of `params`.
        """
        found: dict[str, float] = {}
        for name, child in self.children():
            if isinstance(child, Structure):
                found |= {f"{name}.{path}" if name else path: far for path, far in child.reach().items()}
            elif name not in self.fixed:
                found[name] = 1.0
        return found

    # ---------------------------------------------------------------------------------------- sizes, sampled passes

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x; as many as parameters, where a structure does not say otherwise."""
        return self.n_params

    @property
    def factor(self) -> float:
        """The compression factor as papers count it, m·n / n_params: indices cost nothing."""
        return self.shape[0] * self.shape[1] / max(self.n_params, 1)

    def at(self, t: int) -> "Structure":
        """Return step t alone, as views, of a pass that was sampled with leading axes (T, …)."""
        return self if self.lead is None else self.mapped(lambda W: W.at(t))

    @property
    def lead(self) -> tuple[int, ...] | None:
        """The leading axes that a sampled pass was drawn for; None where any will do."""
        leads = (child.lead for _, child in self.children() if isinstance(child, Structure))
        return next((lead for lead in leads if lead is not None), None)

    @property
    def overlay(self) -> Any:
        """The sparse overlay (Overlay or SparseOverlay) over all of W, or None."""
        return None

    @property
    def T(self) -> "Structure":
        """The transpose, again a structure: its forward is W's adjoint."""
        return Transposed(self)

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {array.shape}" for name, array in self.params.items())
        m, n = self.shape
        return f"<{type(self).__name__} {m} x {n}: {arrays}; {self.n_params} parameters, {self.factor:.3g}x>"


class Transposed(Structure):
    """The transpose of a structure, over the same parameters; `W.T` makes it, and `W.T.T` is W.

        forward     y  = Wᵀ x                              W's adjoint of x
        adjoint     dx = W dy                              W's forward of dy
        gradient    d⟨dy, Wᵀ x⟩ = d⟨W dy, x⟩               W's, with x and dy changing places

    Parameters
    ----------
    W : Structure, (m, n)
    """

    def __init__(self, W: Structure) -> None:
        self.W = W
        self.shape = (W.shape[1], W.shape[0])

    def children(self) -> list[tuple[str, Structure]]:
        """List W, whose parameters keep their names."""
        return [("", self.W)]

    @property
    def T(self) -> Structure:
        """W."""
        return self.W

    def _forward(self, x: Array) -> Array:
        return self.W._adjoint(x)

    def _adjoint(self, dy: Array) -> Array:
        return self.W._forward(dy)

    def _gradient(self, x: Array, dy: Array) -> Params:
        return self.W._gradient(dy, x)

    def to_dense(self) -> Array:
        """Return Wᵀ as an (n, m) array."""
        return self.W.to_dense().swapaxes(-1, -2)

    def _nearest(self, M: Array) -> "Transposed":
        """Return the transpose of what is nearest to Mᵀ."""
        return Transposed(self.W._nearest(M.T))

    @property
    def macs(self) -> int:
        """As many as of W."""
        return self.W.macs
