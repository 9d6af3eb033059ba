"""The contract of a weight structure: a matrix W that is given by fewer numbers than m·n.

Because y = W x is linear in x, a backward pass needs no cache, only three operations. With R rows of x at a time,

    forward     Y  = X Wᵀ                (R, n) -> (R, m)
    adjoint     dX = dY W                (R, m) -> (R, n)
    gradient    d⟨dY, X Wᵀ⟩ / d params   (R, n), (R, m) -> one array per parameter, summed over the rows

and everything else in this package stands on them. `Structure` deals with leading axes, with errors and with names,
so that the file of a structure holds its mathematics only: `_forward`, `_adjoint` and `_gradient` on plain rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Params: TypeAlias = dict[str, Array]


class Structure(ABC):
    """A matrix W of shape (m, n). A subclass sets `names` and `shape`, and writes the mathematics.

    Attributes
    ----------
    shape : tuple of int
        (m, n).
    names : tuple of str
        The parameters: attributes of the object, in the order in which its constructor takes them.
    one_kind : bool
        Whether all rows of W are made alike. Where they are not (HMD), an LSTM stacks one such matrix a gate.
    """

    shape: tuple[int, int]
    names: ClassVar[tuple[str, ...]] = ()
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

    @classmethod
    @abstractmethod
    def for_compression(
        cls, shape: tuple[int, int], factor: float, rng: np.random.Generator, std: float | None = None
    ) -> Self:
        """Make one with at most m·n / factor parameters: of those that fit, each kind says which.

        Parameters
        ----------
        shape : tuple of int
            (m, n).
        factor : float
            Compression factor, at least 1. What came out is `.factor`.
        rng : numpy.random.Generator
            Where the initial weights come from.
        std : float, optional
            Root mean square of W's entries; by default (3n)^-1/2, that of U(-n^-1/2, n^-1/2).

        Raises
        ------
        ValueError
            If the factor is out of reach for this shape; the message says what can be had.
        """

    @classmethod
    def for_doping(
        cls, shape: tuple[int, int], factor: float, rng: np.random.Generator, std: float | None = None
    ) -> Self:
        """Make the part that stands under an overlay: by default it takes half of the m·n / factor parameters."""
        try:
            return cls.for_compression(shape, 2 * factor, rng, std)
        except ValueError as refusal:
            raise ValueError(f"doped at factor {factor:g}, half of it for the structure: {refusal}") from None

    def nearest(self, W: Array) -> "Structure":
        """Return the matrix of this kind and these parameter shapes that is nearest to W, (m, n), by Frobenius norm.

        Raises
        ------
        NotImplementedError
            If nobody has written it for this kind; nothing but compressing a trained matrix needs it.
        """
        raise NotImplementedError(f"{type(self).__name__}: the nearest one to a given matrix is not known")

    # ------------------------------------------------------------------------------------------- what the caller calls

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
        if x.ndim == 0 or x.shape[-1] != size:
            raise ValueError(
                f"{type(self).__name__}: {name} must be (…, {size}) for W of shape {self.shape}, got shape {x.shape}"
            )
        if self.lead not in (None, x.shape[:-1]):
            raise ValueError(
                f"{type(self).__name__}: sampled for leading axes {self.lead}, got {name} with {x.shape[:-1]}"
            )
        return x.reshape(-1, size), x.shape[:-1]  # (…, k) -> (R, k)

    # ------------------------------------------------------------------------------------------- parameters and sizes

    @property
    def params(self) -> Params:
        """The trained arrays by name, read afresh; an optimiser updates them in place."""
        return {name: getattr(self, name) for name in self.names}

    @property
    def constants(self) -> Params:
        """Arrays that are saved with the weights and never trained (a mask, a CSR pattern)."""
        return {}

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> "Structure":
        """Return the same structure over other arrays, of any dtype: to cast, ablate, load, take a complex step.

        Parameters
        ----------
        params : dict
            Under the keys of `params`; the arrays themselves are used, not copies.
        constants : dict, optional
            What `constants` gave when the arrays were saved; by default the constants stay.
        """
        return type(self)(*(params[name] for name in self.names))

    def astype(self, dtype: Any) -> "Structure":
        """Return the same structure with its parameters cast to a dtype."""
        return self.replace({name: array.astype(dtype) for name, array in self.params.items()})

    @property
    def n_params(self) -> int:
        """How many numbers are trained."""
        return sum(array.size for array in self.params.values())

    @property
    def macs(self) -> int:
        """Multiply-adds for one row of x; as many as parameters, where a structure does not say otherwise."""
        return self.n_params

    @property
    def nbytes(self) -> int:
        """Bytes stored, constants and indices included."""
        return sum(array.nbytes for array in (*self.params.values(), *self.constants.values()))

    @property
    def factor(self) -> float:
        """The compression factor as papers count it, m·n / n_params: indices cost nothing."""
        return self.shape[0] * self.shape[1] / max(self.n_params, 1)

    # ------------------------------------------------------------------------------------- randomness and the overlay

    def sample(self, rng: np.random.Generator, lead: tuple[int, ...]) -> "Structure":
        """Draw the random matrices of one training pass over rows with these leading axes; nothing is random here."""
        return self

    def at(self, t: int) -> "Structure":
        """Return step t alone, as views, of a pass that was sampled with leading axes (T, …)."""
        return self

    @property
    def lead(self) -> tuple[int, ...] | None:
        """The leading axes that a sampled pass was drawn for; None where any will do."""
        return None

    @property
    def overlay(self) -> Any:
        """The sparse overlay (Overlay or SparseOverlay) over all of W, or None."""
        return None

    def to_csr(self) -> "Structure":
        """Return W with its overlay in CSR storage; itself, where it has none."""
        return self

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {array.shape}" for name, array in self.params.items())
        m, n = self.shape
        return f"<{type(self).__name__} {m} x {n}: {arrays}; {self.n_params} parameters, {self.factor:.3g}x>"


# ------------------------------------------------------------------------------------------ helpers of the structures


def check_axes(owner: str, **arrays: tuple[Array, int]) -> None:
    """Raise ValueError unless every array has the number of axes that it is paired with."""
    for name, (array, axes) in arrays.items():
        if np.ndim(array) != axes:
            raise ValueError(f"{owner}: {name} must have {axes} axes, got shape {np.shape(array)}")


def budget(owner: str, shape: tuple[int, int], factor: float) -> int:
    """Return ⌊m·n / factor⌋, the number of parameters that a compression factor allows."""
    m, n = shape
    if m < 1 or n < 1:
        raise ValueError(f"{owner}: shape must be two positive numbers, got {shape}")
    if not 1 <= factor < np.inf:
        raise ValueError(f"{owner}: factor must be a finite number from 1 up, got {factor}")
    return int(m * n / factor)


def out_of_reach(owner: str, shape: tuple[int, int], factor: float, fewest: int, hint: str = "") -> ValueError:
    """Return the error for a factor that no member of a kind reaches; the smallest has `fewest` parameters."""
    m, n = shape
    best = m * n / fewest
    can = f"at most {best:.4g} ({fewest} parameters) can be had" if best >= 1 else "no compression can be had"
    return ValueError(f"{owner}: factor {factor:g} is out of reach for shape {shape}: {can}{hint}")


def entry_std(std: float | None, n: int) -> float:
    """Return the root mean square that W's entries start with: std, or that of U(-n^-1/2, n^-1/2)."""
    if std is not None and not 0 <= std < np.inf:
        raise ValueError(f"std must be a finite number from 0 up, got {std}")
    return float((3 * n) ** -0.5 if std is None else std)


def gaussian(rng: np.random.Generator, shape: tuple[int, ...], norm: float) -> Array:
    """Draw a Gaussian array and scale it to a Frobenius norm, exactly."""
    array = rng.standard_normal(shape)
    if array.size:
        array *= norm / np.linalg.norm(array)
    return array


def join(**parts: Mapping[str, Array]) -> Params:
    """Flatten dicts of arrays: `join(Wx={"A": a})` is `{"Wx.A": a}`. Keyword names may be any string."""
    return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def part(params: Mapping[str, Array], prefix: str) -> Params:
    """Take one part out of a flat dict again: `part({"Wx.A": a}, "Wx")` is `{"A": a}`."""
    start = prefix + "."
    return {name.removeprefix(start): array for name, array in params.items() if name.startswith(start)}


def parts(
    prefix: str, params: Mapping[str, Array], constants: Mapping[str, Array] | None
) -> tuple[Params, Params | None]:
    """Take one part out of both arguments of a `replace`."""
    return part(params, prefix), None if constants is None else part(constants, prefix)
