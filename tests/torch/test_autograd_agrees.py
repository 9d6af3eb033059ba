"""Forward passes written once more in PyTorch, from the definitions, and differentiated by its autograd.

Nothing of a hand-written pass is used: W is formed as a dense tensor from the parameters, by the formula of its kind,
one for every row of x where masks were sampled; the LSTM is a loop over its equations, and `torch.nn.LSTM` besides.
Outputs and every gradient must agree to 1e-10 of the largest entry of each array.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from refdope import (
    CMR,
    HMD,
    LMF,
    LSTM,
    Dense,
    Doped,
    JointLSTM,
    Kronecker,
    LanguageModel,
    Overlay,
    SparseOverlay,
    Stack,
)
from refdope.arrays import part
from refdope.interop import to_torch
from refdope.layers import Embedding, Softmax
from refdope.structures import STRUCTURES, Structure
from refdope.structures.cmr import DroppedElements, DroppedRows
from tests.structures.conformance import cmrs, half

torch.set_num_threads(1)

pytestmark = pytest.mark.torch

TOLERANCE = 1e-10
D, H, V = 10, 6, 7  # unequal, so that Wx (24, 10) and Wh (24, 6) have unequal rectangular factors

# W from the parameters of its kind, in the order of its constructor
FORMULAS = {
    Dense: lambda W: W,
    Kronecker: torch.kron,
    LMF: torch.matmul,
    HMD: lambda A, b, c: torch.cat([A, torch.outer(b, c)]),
}

# E b, with p the rate
MEAN = {
    "both": lambda p: 1 - p,
    "sparse": lambda p: 1 - p,
    "exclusive": lambda p: 1 - p / 2,
    "elements": lambda p: 1 - p,
}


# ------------------------------------------------------------------------------------------- the definitions, in torch


def matrix(W: Structure, p: dict, cmr: CMR | None):
    """W from the parameters p: (m, n), or (T, B, m, n) where rows are dropped, one matrix for every row of x."""
    mean = MEAN[cmr.rows](cmr.rate) if cmr else 1
    match W:
        case Stack():
            tall = [matrix(own, part(p, str(k)), cmr) for k, own in enumerate(W.matrices)]
            lead = torch.broadcast_shapes(*(rows.shape[:-2] for rows in tall))
            return torch.cat([rows.expand(*lead, *rows.shape[-2:]) for rows in tall], dim=-2)
        case Doped():
            return matrix(W.structure, p, cmr) + matrix(W.overlay, p, cmr)
        case DroppedRows():
            return torch.tensor(W.b / mean)[..., None] * matrix(W.W, p, cmr)
        case DroppedElements():
            return matrix(W.W, {"overlay": torch.tensor(W.keep / mean) * p["overlay"]}, cmr)
        case Overlay():
            return torch.tensor(W.mask) * p["overlay"]
        case SparseOverlay():
            place = tuple(torch.tensor(axis, dtype=torch.int64) for axis in W.csr.tocoo().coords)
            return torch.zeros(W.shape, dtype=torch.float64).index_put(place, p["overlay"])
    return FORMULAS[type(W)](*(p[name] for name in W.names))


def lstm(Wx, Wh, b, x, h, c):
    """Run the equations of the layer step by step; return h (T, B, H) and the final state."""
    T, B, _ = x.shape
    Wx, Wh = (W.expand(T, B, *W.shape[-2:]) for W in (Wx, Wh))
    out = []
    for t in range(T):
        z = torch.einsum("bmn,bn->bm", Wx[t], x[t]) + torch.einsum("bmn,bn->bm", Wh[t], h) + b
        i, f, g, o = z.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out.append(h)
    return torch.stack(out), h, c


# --------------------------------------------------------------------------------------------- what is put to the test


@dataclass(frozen=True)
class Variant:
    """A kind of matrix, and what stands over, beside and around it."""

    kind: type[Structure] | None  # None: an overlay alone
    arranged: str = "plain"
    csr: bool = False
    cmr: CMR | None = None

    def __str__(self) -> str:
        cmr = f", {self.cmr.rows} per {self.cmr.per}" if self.cmr else ""
        return f"{self.kind.__name__ if self.kind else 'Overlay'} {self.arranged}{', csr' * self.csr}{cmr}"

    def of(self, shape: tuple[int, int], seed: int) -> Structure:
        m, n = shape
        quarter = m // 4, n
        match self.arranged:
            case "plain":
                W = self._own(shape, seed)
            case "stacked":
                W = Stack([self._own(quarter, seed + k) for k in range(4)])
            case "doped":
                W = self._doped(self._own(shape, seed), seed)
            case "stacked, then doped":
                W = self._doped(Stack([self._own(quarter, seed + k) for k in range(4)]), seed)
            case "doped, then stacked":  # under one that is not doped
                W = Stack([self._own(quarter, seed), *(self._doped(self._own(quarter, k), k) for k in range(3))])
        return W.to_csr() if self.csr else W

    def _own(self, shape: tuple[int, int], seed: int) -> Structure:
        if self.kind is None:
            return self._sparse(shape, seed)
        rng = np.random.default_rng(seed)
        try:
            return half(self.kind.for_compression(shape, 2, rng), seed)
        except ValueError:
            return half(self.kind.for_compression(shape, 1, rng), seed)

    def _doped(self, W: Structure, seed: int) -> Doped:
        return Doped(W, self._sparse(W.shape, seed), self.cmr)

    def _sparse(self, shape: tuple[int, int], seed: int) -> Overlay:
        return half(Overlay.for_compression(shape, 3, np.random.default_rng(seed + 100)), seed + 200)


def variants() -> Iterator[Variant]:
    for csr in (False, True):
        for arranged in ("plain", "stacked"):
            yield Variant(None, arranged, csr)
    for kind in filter(FORMULAS.get, STRUCTURES):
        yield Variant(kind)
        yield Variant(kind, "stacked")
        for arranged in ("doped", "stacked, then doped", "doped, then stacked"):
            for csr in (False, True):
                for cmr in (None, *cmrs()):
                    yield Variant(kind, arranged, csr, cmr)


def layers(variant: Variant, count: int) -> list[LSTM]:
    rng = np.random.default_rng(1)
    return [
        LSTM(variant.of((4 * H, n), 10 * k), variant.of((4 * H, H), 10 * k + 5), rng.standard_normal(4 * H) / 2)
        for k, n in enumerate([D, H][:count])
    ]


def states(count: int, B: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((B, H)) / 2, rng.standard_normal((B, H)) / 2) for _ in range(count)]


def leaves(arrays: dict[str, np.ndarray]) -> dict:
    return {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}


def named(states: list, name: str) -> dict:
    """Flatten the states of all layers: {"h0.0": …, "c0.0": …}, with 0 for the name."""
    return {f"{s}{name}.{k}": a for k, pair in enumerate(states) for s, a in zip("hc", pair, strict=True)}


def differentiate(outputs: dict, upstream: dict[str, np.ndarray], inputs: dict) -> dict:
    """Ask autograd; return the outputs, and the gradients of ⟨upstream, outputs⟩ as "d …"."""
    weights = [torch.tensor(upstream[name]) for name in outputs]
    grads = torch.autograd.grad(list(outputs.values()), list(inputs.values()), weights)
    return {name: a.detach() for name, a in outputs.items()} | {f"d {name}": g for name, g in zip(inputs, grads)}


def disagreement(ours: dict[str, np.ndarray], theirs: dict) -> dict[str, float]:
    """Return max |ours - theirs| / max |theirs| of every array."""
    assert set(ours) == set(theirs)
    found = {}
    for name, expected in theirs.items():
        a, expected = np.asarray(ours[name]), expected.numpy()
        assert (a.shape, a.dtype) == (expected.shape, np.dtype(np.float64)), name
        error, scale = np.abs(a - expected).max(initial=0), np.abs(expected).max(initial=0)
        found[name] = error / scale if error else 0.0
    return found


def agree(ours: dict[str, np.ndarray], theirs: dict) -> None:
    worse = {name: error for name, error in disagreement(ours, theirs).items() if not error <= TOLERANCE}
    assert not worse, worse


every = pytest.mark.parametrize("variant", [*variants()], ids=str)
deterministic = pytest.mark.parametrize("variant", [v for v in variants() if v.cmr is None], ids=str)
deep = pytest.mark.parametrize("count", [1, 2], ids=["one layer", "two layers"])
steps = pytest.mark.parametrize("T", [1, 3, 5])
batch = pytest.mark.parametrize("B", [1, 3])


# ----------------------------------------------------------------------------------------------------------- the tests


@pytest.mark.parametrize("kind", STRUCTURES)
def test_every_kind_has_a_formula(kind):
    if kind not in FORMULAS:
        pytest.fail(f"FORMULAS in {__file__} lacks {kind.__name__}: W from {', '.join(kind.names)}", pytrace=False)


@every
@steps
@batch
def test_a_structure(variant, T, B):
    rng = np.random.default_rng(0)
    W = variant.of((4 * H, D), 0).sample(np.random.default_rng(7), (T, B))
    x, dy = rng.standard_normal((T, B, D)), rng.standard_normal((T, B, 4 * H))
    ours = {"y": W.forward(x), "d x": W.adjoint(dy)} | {f"d {name}": g for name, g in W.gradient(x, dy).items()}

    p = leaves(W.params | {"x": x})
    dense = matrix(W, p, variant.cmr)
    y = torch.einsum("tbmn,tbn->tbm", dense.expand(T, B, *W.shape), p["x"])
    agree(ours, differentiate({"y": y}, {"y": dy}, p))


def run(lstms: list[LSTM], T: int, B: int, seed: int | None):
    """Run our layers forward and backward, as one stack; return what went in, what came out, what was sent back."""
    rng, count = np.random.default_rng(2), len(lstms)
    x, start = rng.standard_normal((T, B, D)), states(count, B, 3)
    upstream = {"h": rng.standard_normal((T, B, H))} | named(states(count, B, 4), "T")
    masks = None if seed is None else np.random.default_rng(seed)
    h, ends, caches = x, [], []
    for own, state in zip(lstms, start):
        h, end, cache = own.forward(h, state, masks)
        ends.append(end)
        caches.append(cache)
    params = {f"{k}.{name}": a for k, own in enumerate(lstms) for name, a in own.params.items()}
    ours = {"h": h} | named(ends, "T")
    dh, d_start = upstream["h"], []
    for k in reversed(range(count)):
        dh, d_state, grads = lstms[k].backward(dh, caches[k], (upstream[f"hT.{k}"], upstream[f"cT.{k}"]))
        d_start.insert(0, d_state)
        ours |= {f"d {k}.{name}": g for name, g in grads.items()}
    ours |= {"d x": dh} | {f"d {name}": g for name, g in named(d_start, "0").items()}
    return params | {"x": x} | named(start, "0"), ours, upstream, caches


@every
@deep
@steps
@batch
def test_an_lstm(variant, count, T, B):
    inputs, ours, upstream, caches = run(layers(variant, count), T, B, seed=7)
    p = leaves(inputs)
    h, outputs = p["x"], {}
    for k, cache in enumerate(caches):
        own = part(p, str(k))
        Wx, Wh = (matrix(getattr(cache, W), part(own, W), variant.cmr) for W in ("Wx", "Wh"))
        h, outputs[f"hT.{k}"], outputs[f"cT.{k}"] = lstm(Wx, Wh, own["b"], h, p[f"h0.{k}"], p[f"c0.{k}"])
    agree(ours, differentiate({"h": h} | outputs, upstream, p))


@every
@steps
@batch
def test_an_lstm_of_one_matrix(variant, T, B):
    joint = JointLSTM(variant.of((4 * H, D + H), 0), np.random.default_rng(1).standard_normal(4 * H) / 2)
    inputs, ours, upstream, (cache,) = run([joint], T, B, seed=7)
    p = leaves(inputs)
    W = matrix(cache.W, part(part(p, "0"), "W"), variant.cmr)
    h, hT, cT = lstm(W[..., :D], W[..., D:], p["0.b"], p["x"], p["h0.0"], p["c0.0"])
    agree(ours, differentiate({"h": h, "hT.0": hT, "cT.0": cT}, upstream, p))


@deterministic
@deep
@steps
@batch
def test_an_lstm_by_torchs_own(variant, count, T, B):
    lstms = layers(variant, count)
    inputs, ours, upstream, _ = run(lstms, T, B, seed=None)
    p = leaves(inputs)
    module = torch.nn.LSTM(D, H, count, dtype=torch.float64)
    arrays = {}  # by the formulas, so that gradients reach the parameters
    for k, own in enumerate(lstms):
        arrays[f"weight_ih_l{k}"] = matrix(own.Wx, part(p, f"{k}.Wx"), None)
        arrays[f"weight_hh_l{k}"] = matrix(own.Wh, part(p, f"{k}.Wh"), None)
        arrays[f"bias_ih_l{k}"], arrays[f"bias_hh_l{k}"] = p[f"{k}.b"], torch.zeros(4 * H, dtype=torch.float64)
    assert set(arrays) == set(dict(module.named_parameters()))
    agree(to_torch(lstms), {name: a.detach() for name, a in arrays.items()})
    start = tuple(torch.stack([p[f"{s}0.{k}"] for k in range(count)]) for s in "hc")
    h, (hT, cT) = torch.func.functional_call(module, arrays, (p["x"], start))
    outputs = {"h": h} | named(list(zip(hT, cT)), "T")
    agree(ours, differentiate(outputs, upstream, p))


@every
@deep
@pytest.mark.parametrize(("T", "B"), [(1, 1), (5, 3)])
def test_a_language_model(variant, count, T, B):
    rng = np.random.default_rng(0)
    model = LanguageModel(
        Embedding(rng.standard_normal((V, D)) / 2),
        layers(variant, count),
        Softmax(rng.standard_normal((V, H)) / 2, rng.standard_normal(V) / 2),
        dropout=0.3,
    )
    tokens, targets = rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B))
    start = states(count, B, 3)
    loss, ends, cache = model.forward(tokens, targets, start, np.random.default_rng(7))
    ours = {"loss": loss} | named(ends, "T") | {f"d {name}": g for name, g in model.backward(cache, 1.7).items()}

    p = leaves(model.params)
    x, outputs = p["embedding"][torch.tensor(tokens)], {}
    for k, (keep, layer) in enumerate(cache.layers):
        x = x * torch.tensor(keep) / (1 - 0.3)
        own = part(p, f"layers.{k}")
        Wx, Wh = (matrix(getattr(layer, W), part(own, W), variant.cmr) for W in ("Wx", "Wh"))
        x, *end = lstm(Wx, Wh, own["b"], x, *map(torch.tensor, start[k]))
        outputs |= {f"hT.{k}": end[0].detach(), f"cT.{k}": end[1].detach()}
    a = (x * torch.tensor(cache.dropout) / (1 - 0.3)) @ p["softmax.W"].T + p["softmax.b"]
    loss = torch.nn.functional.cross_entropy(a.reshape(-1, V), torch.tensor(targets).reshape(-1))
    agree(ours, differentiate({"loss": loss}, {"loss": np.array(1.7)}, p) | outputs)
