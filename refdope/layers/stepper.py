"""An LSTM layer, frozen, that makes one step a call: how it is used, not how it is trained.

What a sequence allows (one product for all steps of x) a single step does not, and nothing needs to be kept for a
backward pass. So the two products of an LSTM become one, of buffers that are made once:

    u = [x; h]: (B, D + H),    z = [Wx Wh] u + b

with dense matrices side by side in one array, overlays side by side in one sparse array (a dense one, while many of
their entries are alive), and other structures as they are, Wx x + Wh h. Then come the layer's own equations, in place:
new arrays are only what SciPy's product and a structure's return.

Other recurrent layers run their own forward pass, one step long.

Source: the equations of `refdope.layers.lstm`.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array, hstack

from refdope.arrays import Array
from refdope.layers.lstm import LSTM
from refdope.layers.recurrent import Recurrent, State
from refdope.structures.base import Structure
from refdope.structures.dense import Dense
from refdope.structures.doped import Doped
from refdope.structures.product import times_transpose

CSR_BELOW = 0.08  # share of entries alive, under which CSR is faster than dense storage (`make bench`, crossover)
Product = Callable[[Array, Array], None]  # of u and z: z += W u


class LSTMStepper:
    """One LSTM layer, a step a call.

    Parameters
    ----------
    layer : LSTM
        Copied: what is trained later does not change the stepper.
    batch : int
        B, texts side by side.

    Attributes
    ----------
    h, c : array, (B, H)
        The state; written over by the next step.
    """

    def __init__(self, layer: LSTM, batch: int = 1) -> None:
        D, H = layer.D, layer.H
        dtype = np.result_type(*layer.params.values())
        self.u = np.zeros((batch, D + H), dtype)
        self.x, self.h = self.u[:, :D], self.u[:, D:]
        self.c, self.z, self.ig = (
            np.zeros((batch, H), dtype),
            np.empty((batch, 4 * H), dtype),
            np.empty((batch, H), dtype),
        )
        self.b = layer.b.copy()
        self.products = _products(list(layer.weights.values()), batch)
        # σ(z) = ½ tanh(½ z) + ½, so that one tanh serves all four gates: s tanh(s z) + (1 - s), s = ½ ½ 1 ½
        self.s = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], dtype), H)
        self.shift = 1 - self.s

    def step(self, x: Array) -> Array:
        """Read x (B, D), one step; return h (B, H), which the next step writes over."""
        z, H = self.z, self.h.shape[1]
        self.x[...] = x
        z[...] = self.b
        for product in self.products:
            product(self.u, z)
        z *= self.s
        np.tanh(z, out=z)
        z *= self.s
        z += self.shift
        i, f, g, o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
        self.c *= f
        self.c += np.multiply(i, g, out=self.ig)
        np.tanh(self.c, out=self.h)
        self.h *= o
        return self.h

    def reset(self) -> None:
        """Begin a new text: the state is zero."""
        self.h[...] = 0
        self.c[...] = 0


class LayerStepper:
    """Any recurrent layer, one step per call, by its own forward pass.

    Parameters
    ----------
    layer : Recurrent
        Copied: what is trained later does not change the stepper.
    batch : int
        B, texts side by side.
    """

    def __init__(self, layer: Recurrent, batch: int = 1) -> None:
        self.layer = layer.replace({name: array.copy() for name, array in layer.params.items()}).prepared()
        self.batch = batch
        self.state: State | None = None

    def step(self, x: Array) -> Array:
        """Read x (B, D), one step; return h (B, H)."""
        h, self.state, _ = self.layer.forward(x[None], self.state)
        return h[0]

    def reset(self) -> None:
        """Begin a new text: the state is zero."""
        self.state = None


def stepper(layer: Recurrent, batch: int = 1) -> LSTMStepper | LayerStepper:
    """Return what makes one step of a layer per call: an LSTM has a faster way than its forward pass."""
    return LSTMStepper(layer, batch) if isinstance(layer, LSTM) else LayerStepper(layer, batch)


def _products(matrices: list[Structure], batch: int) -> list[Product]:
    """Return what adds [Wx Wh] u to z, or W u, in as few products as the matrices allow."""
    edges = np.cumsum([0, *(W.shape[1] for W in matrices)])
    columns = [slice(*edge) for edge in pairwise(edges)]  # of u, for each matrix
    arrays, sparse, others = (
        [(part, of) for part, of in zip(parts, columns, strict=True) if part is not None]
        for parts in zip(*map(_split, matrices), strict=True)
    )
    if len(arrays) > 1:
        arrays = [(np.hstack([W for W, _ in arrays]), slice(None))]
    if len(sparse) > 1:
        sparse = [(hstack([S for S, _ in sparse]), slice(None))]
    return [
        *(_of_structure(W, of) for W, of in others),
        *(_of_array(W.copy(), of) for W, of in arrays),
        *(_of_sparse(S.copy(), of, batch) for S, of in sparse),
    ]


def _split(W: Structure) -> tuple[Array | None, csr_array | None, Structure | None]:
    """Return W as the sum of an array, a CSR array and something else, each as far as there is one."""
    structure = W.structure if isinstance(W, Doped) else W if W.overlay is None else None
    dense = structure.W if isinstance(structure, Dense) else None
    other = None if structure is None or dense is not None else structure
    if W.overlay is None:
        return dense, None, other
    if W.overlay.n_params < CSR_BELOW * W.shape[0] * W.shape[1]:
        return dense, W.overlay.to_csr().csr, other
    S = W.overlay.to_dense()
    return S if dense is None else dense + S, None, other


def _of_array(W: Array, columns: slice) -> Product:
    def product(u: Array, z: Array) -> None:
        """Add W u to z, (B, n) and (B, m)."""
        z += times_transpose(u[:, columns], W)

    return product


def _of_sparse(S: csr_array, columns: slice, batch: int) -> Product:
    if batch == 1:
        row = S.tocsr()

        def product(u: Array, z: Array) -> None:
            """Add W u to z, (B, n) and (B, m)."""
            z[0] += row @ u[0, columns]
    else:
        column = S.tocsc()  # twice as fast as CSR for 4 texts, as fast for 20

        def product(u: Array, z: Array) -> None:
            """Add W u to z, (B, n) and (B, m)."""
            z += (column @ u[:, columns].T).T

    return product


def _of_structure(W: Structure, columns: slice) -> Product:
    frozen = W.replace({name: array.copy() for name, array in W.params.items()})

    def product(u: Array, z: Array) -> None:
        """Add W u to z, (B, n) and (B, m)."""
        z += frozen.forward(u[:, columns])

    return product
