"""The checker with all filled in, for what keeps this package's contracts: a structure, a layer, a model.

    structure    loss = Σ dy ∘ (y + y²/3),  y = W x              over the parameters and x
    LSTM         loss = Σ dh ∘ h + ⟨dh_T, h_T⟩ + ⟨dc_T, c_T⟩      over the parameters, x, h₀ and c₀
    model        loss = cross-entropy of random tokens            over the parameters

Masks are drawn anew from the same seed in every pass, so that the loss stays one function. What is checked has the
layer's own weights. A report names the four gates, and an LSTM that is wrong is checked at T = 1, 2 and 3 as well.
"""

from typing import Any

import numpy as np

from refdope.gradcheck import gradcheck
from refdope.gradcheck.report import Report

SEED = 1  # of the masks


def check_structure(
    W: Any, lead: tuple[int, ...] = (3, 2), *, sampled: bool = False, seed: int = 0, **options: Any
) -> Report:
    """Check forward, adjoint and gradient of a weight structure.

    Parameters
    ----------
    W : Structure
    lead : tuple of int
        The leading axes of x, such as (T, B).
    sampled : bool
        Whether to check a training pass, with masks drawn.
    seed : int
        Of x and dy.
    **options
        Of `gradcheck`.
    """
    rng = np.random.default_rng(seed)
    m, n = W.shape
    x, dy = rng.standard_normal((*lead, n)), rng.standard_normal((*lead, m))

    def matrix(params: Any) -> Any:
        """Return the structure over these arrays, with the same masks every time."""
        made = W.replace({name: a for name, a in params.items() if name != "x"})
        return made.sample(np.random.default_rng(SEED), lead) if sampled else made

    def loss(params: Any) -> Any:
        """Return a scalar of the outputs."""
        y = matrix(params).forward(params["x"])
        return (dy * (y + y**2 / 3)).sum()

    def grads(params: Any) -> Any:
        """Return what the hand-written backward pass gives."""
        made = matrix(params)
        d_y = dy * (1 + 2 * made.forward(params["x"]) / 3)
        return made.gradient(params["x"], d_y) | {"x": made.adjoint(d_y)}

    return gradcheck(loss, W.params | {"x": x}, grads, **options)


def check_lstm(lstm: Any, T: int = 3, B: int = 2, *, sampled: bool = False, seed: int = 0, **options: Any) -> Report:
    """Check the backpropagation through time of an LSTM, or of any recurrent layer, from a state that is not zero.

    Parameters
    ----------
    lstm : Recurrent
    T, B : int
        Steps and batch.
    sampled : bool
        Whether to check a training pass, with masks drawn.
    seed : int
        Of x, the state and the upstream gradients.
    **options
        Of `gradcheck`.
    """
    report = gradcheck(*lstm_problem(lstm, T, B, sampled, seed), blocks=gates(lstm), **options)
    if report.ok:
        return report
    cases = {t: lstm_problem(lstm, t, B, sampled, seed) for t in (1, 2, 3)}
    return gradcheck(*lstm_problem(lstm, T, B, sampled, seed), blocks=gates(lstm), cases=cases, **options)


def lstm_problem(lstm: Any, T: int, B: int, sampled: bool = False, seed: int = 0) -> tuple[Any, Any, Any]:
    """Return what `gradcheck` takes to check a layer: loss, params with x and the state among them, and grads."""
    rng = np.random.default_rng(seed)
    d_h, d_end = rng.standard_normal((T, B, lstm.H)), rng.standard_normal((lstm.states, B, lstm.H))
    starts = ("h0", "c0")[: lstm.states]
    rest = {"x": rng.standard_normal((T, B, lstm.D))} | {name: rng.standard_normal((B, lstm.H)) for name in starts}

    def run(params: Any) -> Any:
        """Run a forward pass over these arrays, with the same masks every time."""
        made = lstm.replace({name: a for name, a in params.items() if name not in rest})
        state = tuple(params[name] for name in starts)
        return made, made.forward(params["x"], state, np.random.default_rng(SEED) if sampled else None)

    def loss(params: Any) -> Any:
        """Return a scalar of the outputs."""
        _, (h, ends, _) = run(params)
        return (d_h * h).sum() + sum((d * end).sum() for d, end in zip(d_end, ends, strict=True))

    def grads(params: Any) -> Any:
        """Return what the hand-written backward pass gives."""
        made, (_, _, cache) = run(params)
        dx, d_starts, found = made.backward(d_h, cache, tuple(d_end))
        return found | {"x": dx} | dict(zip(starts, d_starts, strict=True))

    return loss, lstm.params | rest, grads


def gates(lstm: Any) -> dict[str, dict[str, slice]]:
    """Return the rows of every gate in every array that has those of all: i, f, g, o, or a GRU's r, z, n."""
    H, names = lstm.H, {4: "ifgo", 3: "rzn"}[lstm.gates]
    rows = {gate: slice(k * H, (k + 1) * H) for k, gate in enumerate(names)}
    return {name: rows for name, array in lstm.params.items() if array.shape[0] == len(names) * H}


def check_model(model: Any, T: int = 3, B: int = 2, *, sampled: bool = False, seed: int = 0, **options: Any) -> Report:
    """Check a language model's backward pass on random tokens.

    Parameters
    ----------
    model : LanguageModel
    T, B : int
        Steps and batch.
    sampled : bool
        Whether to check a training pass, with dropout and masks drawn.
    seed : int
        Of the tokens.
    **options
        Of `gradcheck`.
    """
    tokens = np.random.default_rng(seed).integers(0, len(model.embedding.E), (T + 1, B))

    def run(params: Any) -> Any:
        """Run a forward pass over these arrays, with the same masks every time."""
        made = model.replace(params)
        return made, made.forward(tokens[:-1], tokens[1:], rng=np.random.default_rng(SEED) if sampled else None)

    def loss(params: Any) -> Any:
        """Return a scalar of the outputs."""
        return run(params)[1][0]

    def grads(params: Any) -> Any:
        """Return what the hand-written backward pass gives."""
        made, (_, _, cache) = run(params)
        return made.backward(cache)

    return gradcheck(loss, model.params, grads, **options)
