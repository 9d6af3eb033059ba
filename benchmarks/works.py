"""What is measured: a work is one computation at one size; all contenders get the same arrays for it.

lstm step        one LSTM layer, T steps, batch B, H units on H inputs: forward, then backward to all gradients
lstm tokens      a stack of two LSTM layers, batch B, one token at a time, state carried: T calls
product          y = x Wᵀ with W = A ⊗ B, R rows
"""

from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Work:
    """One computation at one size.

    Parameters
    ----------
    kind : {"lstm step", "lstm tokens", "product"}
    H : int
        Units, and inputs; of a product W is (4H, H) unless `shape` says otherwise.
    T, B : int
        Steps and batch; rows of a product are B.
    dtype : str
    threads : int
    shape : tuple of int
        (m, n) of a product.
    """

    kind: str
    H: int = 0
    T: int = 35
    B: int = 20
    dtype: str = "float32"
    threads: int = 1
    shape: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        size = (
            f"{self.shape[0]} x {self.shape[1]}, rows {self.B}" if self.kind == "product" else f"H {self.H}, B {self.B}"
        )
        more = "" if self.kind == "product" else f", T {self.T}"
        return f"{self.kind}, {size}{more}, {self.dtype}, {self.threads} thread{'s' * (self.threads > 1)}"


def layer(work: Work, seed: int = 0) -> Arrays:
    """Return the weights of a dense layer, gates in the order i, f, g, o."""
    rng, H = np.random.default_rng(seed), work.H
    bound = H**-0.5
    shapes = {"Wx": (4 * H, H), "Wh": (4 * H, H), "b": (4 * H,)}
    return {name: rng.uniform(-bound, bound, shape).astype(work.dtype) for name, shape in shapes.items()}


def inputs(work: Work) -> Arrays:
    """Return x and the upstream gradient, (T, B, H)."""
    rng = np.random.default_rng(99)
    return {name: rng.standard_normal((work.T, work.B, work.H)).astype(work.dtype) for name in ("x", "dh")}


def factors(work: Work) -> Arrays:
    """Return A, B and x of a product: near-square factors of which the product has the shape."""
    from refdope import Kronecker

    rng = np.random.default_rng(0)
    W = Kronecker.for_compression(work.shape, 25, rng).astype(work.dtype)
    return {"A": W.A, "B": W.B, "x": rng.standard_normal((work.B, work.shape[1])).astype(work.dtype)}


FULL = [
    *(Work("lstm step", H, threads=threads) for threads in (1, 2) for H in (200, 256, 650, 1500)),
    Work("lstm step", 256, dtype="float64"),
    *(Work("lstm tokens", H, B=1) for H in (650, 1500)),
    *(Work("product", B=rows, shape=shape) for shape in ((2600, 1300), (6000, 3000)) for rows in (1, 20, 700)),
]
QUICK = [
    Work("lstm step", 256),
    Work("lstm step", 256, threads=2),
    Work("lstm tokens", 650, T=10, B=1),
    Work("product", B=20, shape=(2600, 1300)),
]
