"""The peak memory of a training step against what a step cannot do without: `python -m benchmarks memory`.

    needed = parameters + gradients + optimiser state + what the forward pass caches for the backward pass

counted from the arrays themselves, each buffer once, whoever shares it. The peak is tracemalloc's, to which NumPy
reports all its arrays; what BLAS takes for itself is not seen. The step is the one of `refdope.training.Trainer`.
"""

import gc
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.model_step import CLIP, RATE, network
from benchmarks.process import alone
from benchmarks.results import publish, told
from benchmarks.works import Work, text
from refdope import CMR, LanguageModel, Recipe
from refdope.training import SGD, Adam

AT_MOST = 1.5  # times what is needed
MODELS, OPTIMIZERS = ("dense", "doped + CMR"), {"SGD": SGD, "Adam": Adam}


def command(out: Path, quick: bool) -> None:
    """Measure each model with each optimiser, in a process of its own each."""
    every = [(model, optimizer) for model in MODELS for optimizer in OPTIMIZERS]
    rows = [
        alone("memory", model=model, optimizer=optimizer, quick=quick)
        for model, optimizer in tqdm(every, desc="memory", disable=None)
    ]
    publish(out, "memory-quick" if quick else "memory", rows)


def measure(model: str, optimizer: str, quick: bool) -> dict[str, str]:
    """Return what one model needs and takes; for a process of its own."""
    work = Work("model step", 200, V=2_000) if quick else Work("model step", 650, V=10_000)
    tracemalloc.start()
    rng, update, (tokens, targets) = np.random.default_rng(0), OPTIMIZERS[optimizer](CLIP), text(work)
    if model == "dense":
        net = network(work)
    else:
        recipe = Recipe("kronecker", 25, doped=True, cmr=CMR(0.1))
        net = LanguageModel.from_recipe(work.V, work.H, recipe, rng, layers=2).astype(
            work.dtype
        )  # at once: what it was cast from must not live on

    def step() -> tuple[Any, ...]:
        _, state, cache = net.forward(tokens, targets, None, rng)
        grads = net.backward(cache)
        update.step(net.params, grads, RATE)
        return grads, (cache, state)

    grads, cached = step()  # the first step also makes the optimiser's arrays
    needed = account(
        parameters=(net.params, net.constants), gradients=grads, optimiser=update.arrays, activations=cached
    )
    del grads, cached
    gc.collect()
    tracemalloc.reset_peak()
    step()
    _, peak = tracemalloc.get_traced_memory()
    total = sum(needed.values())
    return (
        {"model": f"{model}, H {work.H}, V {work.V}", "optimiser": optimizer}
        | {f"{name}, MB": f"{size / 1e6:.1f}" for name, size in (needed | {"needed": total, "peak": peak}).items()}
        | {"at most": f"{AT_MOST:.2f}x", "measured": told(peak / total, AT_MOST, peak <= AT_MOST * total)}
    )


def account(**kinds: Any) -> dict[str, int]:
    """Return the bytes of the buffers that each kind reaches and no kind before it did."""
    counted: set[int] = set()
    sizes = {}
    for kind, root in kinds.items():
        found = buffers(root)
        sizes[kind] = sum(size for key, size in found.items() if key not in counted)
        counted |= found.keys()
    return sizes


def buffers(root: Any) -> dict[int, int]:
    """Return the bytes of every array's buffer that is reached from an object, by identity: views share their base."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    todo = [root]
    while todo:
        thing = todo.pop()
        if isinstance(thing, np.ndarray):
            while isinstance(thing.base, np.ndarray):
                thing = thing.base
            found[id(thing)] = thing.nbytes
        elif id(thing) not in seen and not isinstance(thing, type):
            seen.add(id(thing))
            if isinstance(thing, Mapping):
                todo += thing.values()
            elif isinstance(thing, (list, tuple)):
                todo += thing
            else:
                todo += getattr(thing, "__dict__", {}).values()
    return found
