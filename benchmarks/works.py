"""What is measured: a work is one computation at one size; all contenders get the same arrays for it.

lstm step        one LSTM layer, T steps, batch B, H units on H inputs: forward, then backward to all gradients
lstm tokens      a stack of two LSTM layers, batch B, one token at a time, state carried: T calls
model step       a language model, embedding of V words, two such layers, softmax: forward, backward, clip, SGD
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
    kind : {"lstm step", "lstm tokens", "model step", "product"}
    H : int
        Units, and inputs; of a product W is (4H, H) unless `shape` says otherwise.
    T, B : int
        Steps and batch; rows of a product are B.
    dtype : str
    threads : int
    shape : tuple of int
        (m, n) of a product.
    V : int
        Words of a model.
    """

    kind: str
    H: int = 0
    T: int = 35
    B: int = 20
    dtype: str = "float32"
    threads: int = 1
    shape: tuple[int, int] = (0, 0)
    V: int = 0

    def __str__(self) -> str:
        if self.kind == "product":
            size = f"{self.shape[0]} x {self.shape[1]}, rows {self.B}"
        else:
            size = f"H {self.H}" + f", V {self.V}" * (self.V > 0) + f", B {self.B}, T {self.T}"
        return f"{self.kind}, {size}, {self.dtype}, {self.threads} thread{'s' * (self.threads > 1)}"


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


def model(work: Work) -> Arrays:
    """Return the weights of a language model, under the names of `LanguageModel.params`."""
    rng, bound = np.random.default_rng(2), work.H**-0.5
    arrays = {
        "embedding": rng.standard_normal((work.V, work.H)).astype(work.dtype),
        "softmax.W": rng.uniform(-bound, bound, (work.V, work.H)).astype(work.dtype),
        "softmax.b": np.zeros(work.V, work.dtype),
    }
    for k in (0, 1):
        w = layer(work, k)
        arrays |= {f"layers.{k}.Wx.W": w["Wx"], f"layers.{k}.Wh.W": w["Wh"], f"layers.{k}.b": w["b"]}
    return arrays


def text(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens and targets, (T, B): random words, each the target of the one before it."""
    words = np.random.default_rng(98).integers(work.V, size=(work.T + 1, work.B))
    return words[:-1], words[1:]


def factors(work: Work) -> Arrays:
    """Return A, B and x of a product: the factors of highest rank, with most parameters, that fit 25x."""
    from refdope import Kronecker

    rng = np.random.default_rng(0)
    W = Kronecker.for_compression(work.shape, 25, rng).astype(work.dtype)
    return {"A": W.A, "B": W.B, "x": rng.standard_normal((work.B, work.shape[1])).astype(work.dtype)}


FULL = [
    *(Work("lstm step", H, threads=threads) for threads in (1, 2) for H in (200, 256, 650, 1500)),
    Work("lstm step", 256, dtype="float64"),
    *(Work("model step", 650, V=10_000, threads=threads) for threads in (1, 2)),
    *(Work("lstm tokens", H, B=1) for H in (650, 1500)),
    *(Work("product", B=rows, shape=shape) for shape in ((2600, 1300), (6000, 3000)) for rows in (1, 20, 700)),
]
QUICK = [
    Work("lstm step", 256),
    Work("lstm step", 256, threads=2),
    Work("model step", 200, V=2_000),
    Work("lstm tokens", 650, T=10, B=1),
    Work("product", B=20, shape=(2600, 1300)),
]
