"""Arrays under names, and the tree that they form.

A model holds layers, a layer holds matrices, a matrix holds arrays. Each of them is a `Tree`: it lists its children by
name, and says how it is made again over others. What has to be done to all arrays of a model is then written once:

    params       {"layers.0.Wx.A": …, "layers.0.b": …}      what is trained, flat, under the path of each array
    constants    {"layers.0.Wx.mask": …}                    what is saved beside it and never trained
    replace      the same tree over other arrays            to cast, ablate, load, or take a complex step
    astype, n_params, nbytes, to_csr, sample, prepared      by every child in turn

A child with the empty name adds nothing to the path of its arrays.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Params: TypeAlias = dict[str, Array]


class Tree:
    """Named children, each an array or a tree.

    Attributes
    ----------
    names : tuple of str
        Attributes that hold the trained arrays and the trees, in the order in which the constructor takes them.
    fixed : tuple of str
        Attributes that hold the arrays that are saved and never trained; the constructor takes them next.
    """

    names: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[tuple[str, ...]] = ()

    # --------------------------------------------------------------------- what a class says of itself, if it has to

    def children(self) -> Sequence[tuple[str, Any]]:
        """List the children by name, in the order in which the constructor takes them."""
        return [(name, getattr(self, name)) for name in (*self.names, *self.fixed)]

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor takes beside the children, by keyword: a block size, a rate."""
        return {}

    def over(self, children: Sequence[Any]) -> Self:
        """Return the same thing over other children, given in the order of `children`."""
        return type(self)(*children, **self.settings)

    # ------------------------------------------------------------------------------------------ what follows from it

    @property
    def params(self) -> Params:
        """The trained arrays by name, read afresh; an optimiser updates them in place."""
        found: Params = {}
        for name, child in self.children():
            if isinstance(child, Tree):
                found |= _under(name, child.params)
            elif name not in self.fixed:
                found[name] = child
        return found

    @property
    def constants(self) -> Params:
        """The arrays by name that are saved with the weights and never trained: a mask, a CSR pattern, a seed."""
        found: Params = {}
        for name, child in self.children():
            if isinstance(child, Tree):
                found |= _under(name, child.constants)
            elif name in self.fixed:
                found[name] = child
        return found

    def replace(self, params: Mapping[str, Array], constants: Mapping[str, Array] | None = None) -> Self:
        """Return the same thing over other arrays, of any dtype: to cast, ablate, load, take a complex step.

        Parameters
        ----------
        params : dict
            Under the keys of `params`; the arrays themselves are used, not copies.
        constants : dict, optional
            What `constants` gave when the arrays were saved; by default the constants stay.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        children: list[Any] = []
        for name, child in self.children():
            if isinstance(child, Tree):
                saved = None if constants is None else part(constants, name)
                children.append(child.replace(part(params, name), saved))
            elif name in self.fixed:
                children.append(child if constants is None else constants[name])
            else:
                children.append(params[name])
        return self.over(children)

    def astype(self, dtype: Any) -> Self:
        """Return the same thing with its parameters cast to a dtype."""
        return self.replace({name: array.astype(dtype) for name, array in self.params.items()})

    @property
    def n_params(self) -> int:
        """How many parameters are trained."""
        return sum(
            child.n_params if isinstance(child, Tree) else child.size
            for name, child in self.children()
            if name not in self.fixed
        )

    @property
    def nbytes(self) -> int:
        """Bytes stored, constants and indices included."""
        return sum(child.nbytes for _, child in self.children())

    def to_csr(self) -> Any:
        """Return the same thing with every overlay in CSR storage; itself where it has none."""
        return self.mapped(lambda child: child.to_csr())

    def sample(self, rng: np.random.Generator, lead: tuple[int, ...]) -> Any:
        """Draw the random matrices of one training pass over rows with these leading axes; itself if none is random."""
        return self.mapped(lambda child: child.sample(rng, lead))

    def prepared(self) -> Any:
        """Return the same thing with what depends on the parameters alone computed once, for one pass.

        A kind that multiplies in another basis (a spectrum) overrides it; the others return themselves.
        """
        return self.mapped(lambda child: child.prepared())

    def mapped(self, change: Callable[[Any], Any]) -> Any:
        """Return the same thing with every child that is a tree changed; itself where all stay as they are."""
        before = [child for _, child in self.children()]
        after = [change(child) if isinstance(child, Tree) else child for child in before]
        return self if all(new is old for new, old in zip(after, before, strict=True)) else self.over(after)


def check_arrays(owner: str, **arrays: Any) -> None:
    """Raise TypeError unless all of these are NumPy arrays of numbers."""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray | np.generic):
            raise TypeError(f"{owner}: {name} must be a NumPy array, got {type(array).__name__}")
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{owner}: {name} must be an array of numbers, got {array.dtype}")


def numbered(trees: Iterable[Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Name the members of a list by their place: "0", "1", or "layers.0", "layers.1" with the prefix "layers."."""
    return [(f"{prefix}{k}", tree) for k, tree in enumerate(trees)]


def join(**parts: Mapping[str, Array]) -> Params:
    """Flatten dicts of arrays: `join(Wx={"A": a})` is `{"Wx.A": a}`. Keyword names may be any string."""
    return {path: array for name, arrays in parts.items() for path, array in _under(name, arrays).items()}


def _under(name: str, arrays: Mapping[str, Array]) -> Params:
    """Put the name of a child before those of its arrays."""
    return {f"{name}.{path}" if name else path: array for path, array in arrays.items()}


def part(arrays: Mapping[str, Array], name: str) -> Params:
    """Take the arrays of one child out of a flat dict again: `part({"Wx.A": a}, "Wx")` is `{"A": a}`."""
    if not name:
        return dict(arrays)
    start = name + "."
    return {path.removeprefix(start): array for path, array in arrays.items() if path.startswith(start)}
