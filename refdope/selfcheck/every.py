"""Every derivative of this package, as a list of checks: what `refdope gradcheck` runs, and the tests."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from refdope.gradcheck import How, gradcheck
from refdope.gradcheck.compared import COMPLEX, STENCIL
from refdope.gradcheck.report import Report
from refdope.layers import GRU, LSTM, Dropout, Embedding, JointLSTM, Softmax
from refdope.models import LanguageModel
from refdope.selfcheck.ours import check_lstm, check_model, check_structure
from refdope.structures import CMR, STRUCTURES, Dense, Doped, Overlay, Recipe, SparseOverlay, Structure

CMRS = [CMR(0.4, rows, per) for rows in ("both", "sparse", "exclusive", "elements") for per in ("step", "sequence")]
D, H = 6, 4  # unequal


class Check(NamedTuple):
    """One thing to check: its name in three columns, and the call that checks it with `gradcheck`'s options."""

    part: str  # "structure", "layer" or "model"
    what: str
    how: str
    run: Callable[..., Report]


def checks() -> list[Check]:
    """Return all checks of the package at T = 3, B = 2; a kind added to `STRUCTURES` is among them."""
    found = []
    kinds: list[type[Structure]] = [*STRUCTURES, Overlay, SparseOverlay]
    for kind in kinds:
        name = kind.__name__.lower()
        for how, W, sampled in variants(kind, (4 * H, D)):
            found.append(Check("structure", name, how, partial(check_structure, W, sampled=sampled)))
        for where, n in (("Wx", D), ("Wh", H)):
            for how, W, sampled in variants(kind, (4 * H, n)):
                found.append(
                    Check("layer", f"lstm, {where} {name}", how, partial(check_lstm, lstm(W, where), sampled=sampled))
                )
        for how, W, sampled in variants(kind, (4 * H, D + H)):
            joint = JointLSTM(W, 0.5 * _rng().standard_normal(4 * H))
            found.append(Check("layer", f"joint lstm, {name}", how, partial(check_lstm, joint, sampled=sampled)))
        for (how, Wx, sampled), (_, Wh, _) in zip(
            variants(kind, (3 * H, D), 3), variants(kind, (3 * H, H), 3), strict=True
        ):
            gru = GRU(Wx, Wh, *0.5 * _rng().standard_normal((2, 3 * H)))
            found.append(Check("layer", f"gru, {name}", how, partial(check_lstm, gru, sampled=sampled)))
    found += [
        Check("layer", "embedding", "", check_embedding),
        Check("layer", "softmax", "", check_softmax),
        Check("layer", "dropout", "rate 0.4", check_dropout),
    ]
    for kind, layers in product(STRUCTURES, (1, 2)):
        name = f"{kind.__name__.lower()}, {layers} layer{'s' * (layers - 1)}"
        for how, made, sampled in models(kind, layers):
            found.append(Check("model", name, how, partial(check_model, made, sampled=sampled)))
    return found


def table(how: How) -> tuple[list[dict[str, Any]], list[Report]]:
    """Run all checks; return a row for every part of the package, and the reports of what is wrong."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    wrong = []
    for check in tqdm(checks(), desc="gradcheck", unit="check", leave=False, disable=None):
        report = check.run(how=how)
        row = rows.setdefault(
            (check.part, check.what),
            {
                "part": check.part,
                "what": check.what,
                "variants": 0,
                "arrays": 0,
                COMPLEX: 0.0,
                STENCIL: 0.0,
                "verdict": "ok",
            },
        )
        row["variants"] += 1
        row["arrays"] += len(report.arrays)
        for oracle in (COMPLEX, STENCIL):
            row[oracle] = max([row[oracle], *(a.errors[oracle] for a in report.arrays if oracle in a.errors)])
        if not report.ok:
            row["verdict"] = "WRONG"
            wrong.append(report)
    return [row | {oracle: f"{row[oracle]:.1e}" for oracle in (COMPLEX, STENCIL)} for row in rows.values()], wrong


def variants(kind: type[Structure], shape: tuple[int, int], gates: int = 4) -> Iterator[tuple[str, Structure, bool]]:
    """Yield a small structure of a kind plain, doped (masked and CSR) and under every CMR; and whether to sample it."""
    W = small(kind, shape, gates)
    yield "plain", W, False
    if W.overlay is None:
        S = Overlay.for_compression(shape, 3, _rng(), 0.5)
        yield "doped", Doped(W, S), False
        yield "doped, CSR", Doped(W, S.to_csr()), False
        for (storage, own), cmr in product((("doped", S), ("doped, CSR", S.to_csr())), CMRS):
            yield f"{storage}, CMR {cmr.rows} per {cmr.per}", Doped(W, own, cmr), True


def small(kind: type[Structure], shape: tuple[int, int], gates: int = 4) -> Structure:
    """Return a structure with entries near ½, at the highest of some factors that is in reach."""
    for factor in (3.0, 2.0, 1.5, 1.2, 1.0):
        try:
            if kind.one_kind:
                return kind.for_compression(shape, factor, _rng(), 0.5)
            return Recipe(kind, factor).matrix(shape, _rng(), 0.5, gates=gates)  # as an LSTM does, one per gate
        except ValueError as refusal:
            refused = refusal
    raise refused


def lstm(W: Structure, where: str) -> LSTM:
    """Return an LSTM with a given matrix in one place, and a dense one in the other."""
    rng = _rng()
    other = Dense(0.5 * rng.standard_normal((4 * H, H if where == "Wx" else D)))
    b = 0.5 * rng.standard_normal(4 * H)
    return LSTM(W, other, b) if where == "Wx" else LSTM(other, W, b)


def models(kind: type[Structure], layers: int) -> Iterator[tuple[str, LanguageModel, bool]]:
    """Yield whole models with dropout: plain, and doped under CMR."""
    V, rng = 7, _rng()
    E, top = Embedding(0.5 * rng.standard_normal((V, H))), Softmax(rng.standard_normal((V, H)), rng.standard_normal(V))
    b = 0.5 * rng.standard_normal(4 * H)
    W = small(kind, (4 * H, H))
    doped = Doped(W, Overlay.for_compression(W.shape, 3, _rng(), 0.5), CMRS[0])
    yield "evaluation", LanguageModel(E, [LSTM(W, W, b)] * layers, top, 0.3), False
    yield "dropout", LanguageModel(E, [LSTM(W, W, b)] * layers, top, 0.3), True
    yield "doped, CMR, dropout", LanguageModel(E, [LSTM(doped, doped, b)] * layers, top, 0.3), True


def check_embedding(**options: Any) -> Report:
    """Check the embedding, with a token that comes twice and one that never does."""
    rng, tokens = _rng(), np.array([[1, 4], [4, 0], [2, 4]])
    table, dx = Embedding(rng.standard_normal((6, D))), rng.standard_normal((3, 2, D))

    def loss(params: Any) -> Any:
        """Return a scalar of the outputs."""
        return (table.replace(params).forward(tokens)[0] ** 2 * dx).sum() / 2

    def grads(params: Any) -> Any:
        """Return what the hand-written backward pass gives."""
        made = table.replace(params)
        x, cache = made.forward(tokens)
        return made.backward(x * dx, cache)[1]

    return gradcheck(loss, table.params, grads, **options)


def check_softmax(**options: Any) -> Report:
    """Check softmax and cross-entropy, with h among what is differentiated."""
    rng, V = _rng(), 5
    top = Softmax(rng.standard_normal((V, H)), rng.standard_normal(V))
    targets, d_loss = rng.integers(0, V, (3, 2)), 1.7

    def loss(params: Any) -> Any:
        """Return a scalar of the outputs."""
        return d_loss * top.replace(params).forward(params["h"], targets)[0]

    def grads(params: Any) -> Any:
        """Return what the hand-written backward pass gives."""
        made = top.replace(params)
        dh, found = made.backward(d_loss, made.forward(params["h"], targets)[1])
        return found | {"h": dh}

    return gradcheck(loss, top.params | {"h": rng.standard_normal((3, 2, H))}, grads, **options)


def check_dropout(**options: Any) -> Report:
    """Check dropout, its mask drawn from the same seed in every pass."""
    rng, layer = _rng(), Dropout(0.4)
    dy = rng.standard_normal((3, 2, H))

    def loss(params: Any) -> Any:
        """Return a scalar of the outputs."""
        return (layer.forward(params["x"], _rng())[0] ** 2 * dy).sum() / 2

    def grads(params: Any) -> Any:
        """Return what the hand-written backward pass gives."""
        y, cache = layer.forward(params["x"], _rng())
        return {"x": layer.backward(y * dy, cache)}

    return gradcheck(loss, {"x": rng.standard_normal((3, 2, H))}, grads, **options)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
