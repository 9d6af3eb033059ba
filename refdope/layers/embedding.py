"""Embedding: a row of E for every token.

With tokens numbered from 0 to V - 1,

    x_t = E[token_t],    E: (V, D)

    backward    dE[v] = Σ dx_t over all t with token_t = v
"""

import numpy as np
from scipy.sparse import csc_array

from refdope.arrays import Array, Params, Tree, check_arrays
from refdope.structures.sizes import check_axes


class Embedding(Tree):
    """A table of V rows.

    Parameters
    ----------
    E : array, (V, D)
    """

    names = ("E",)

    def __init__(self, E: Array) -> None:
        check_axes("Embedding", E=(E, 2))
        self.E = E

    def forward(self, tokens: Array) -> tuple[Array, Array]:
        """Look up tokens (…) of integers from 0 to V - 1; return x (…, D) and the cache.

        Raises
        ------
        ValueError
            If the tokens are not integers in that range.
        """
        check_arrays("Embedding", tokens=tokens)
        V = len(self.E)
        if tokens.dtype.kind not in "iu" or (tokens.size and not (tokens.min() >= 0 and tokens.max() < V)):
            raise ValueError(f"Embedding: tokens must be integers from 0 to {V - 1}, got {_range(tokens)}")
        return self.E[tokens], tokens

    def backward(self, dx: Array, cache: Array) -> tuple[None, Params]:
        """Return None, tokens having no derivative, and the gradient of E.

        Raises
        ------
        ValueError
            If dx has not the shape that x had.
        """
        check_arrays("Embedding", dx=dx)
        rows, D = cache.size, self.E.shape[1]
        if dx.shape != (*cache.shape, D):
            raise ValueError(f"Embedding: dx must be {(*cache.shape, D)}, as x was, got shape {dx.shape}")
        # the matrix with a one where row v of E went to row t of x: a sparse product sums the rows in order of t
        place = csc_array((np.ones(rows, dx.real.dtype), cache.ravel(), np.arange(rows + 1)), (len(self.E), rows))
        return None, {"E": place @ dx.reshape(rows, D)}  # (V, R) @ (R, D)


def _range(tokens: Array) -> str:
    return f"{tokens.dtype} from {tokens.min()} to {tokens.max()}" if tokens.size else f"{tokens.dtype}"
