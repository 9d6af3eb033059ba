"""How much of a dense training step is matrix products, and where the rest goes: `python -m benchmarks share`.

The methods of the layers are timed within whole steps, and so are the products inside: those of a Dense matrix by its
methods, those of the softmax by an array that times what it is multiplied with. The numbers are those of the step of
median length, so that they add up. GFLOP/s of the products, from their known number of multiply-adds, are a check on
the timing: were a product missed, they would be above the machine's peak.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.model_step import CLIP, RATE, network
from benchmarks.process import alone
from benchmarks.results import publish
from benchmarks.works import Work, text
from refdope.memory import keep_memory
from refdope.training import SGD


def command(out: Path, quick: bool) -> None:
    """Measure on one thread and on two; the whole step also without `keep_memory`, to see what that is worth."""
    rows = []
    for threads in tqdm((1, 2), desc="share", disable=None):
        rows += [{"threads": threads} | row for row in alone("share", threads, quick=quick)]
        whole = alone("share", threads, quick=quick, keep=False)[0]
        rows.append({"threads": threads} | whole | {"part": "the step, if freed memory is not kept", "share": "–"})
    publish(out, "share-quick" if quick else "share", rows)


class Clock:
    """Adds up the seconds spent in functions, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose calls are timed."""

        def call(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[name] += perf_counter() - start

        return call

    def watch(self, name: str, owner: Any, *methods: str) -> None:
        """Time methods of one object."""
        for method in methods:
            setattr(owner, method, self.timed(name, getattr(owner, method)))


class Timed(np.ndarray):
    """An array whose matrix products are timed; whatever else is computed from it is such an array again."""

    matmul: Callable[..., Any] = np.matmul

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Compute on plain arrays."""
        inputs = tuple(map(_plain, inputs))
        if "out" in kwargs:
            kwargs["out"] = tuple(map(_plain, kwargs["out"]))
        if ufunc is np.matmul:
            return Timed.matmul(*inputs, **kwargs)
        result = getattr(ufunc, method)(*inputs, **kwargs)
        return result.view(Timed) if isinstance(result, np.ndarray) else result


def _plain(a: Any) -> Any:
    return a.view(np.ndarray) if isinstance(a, Timed) else a


def watched(net: Any, optimizer: Any) -> Clock:
    """Have a clock time the layers of a dense model, their products, and the optimiser."""
    clock = Clock()
    for layer in net.layers:
        for W in (layer.Wx, layer.Wh):
            clock.watch("LSTM, products", W, "_forward", "_adjoint", "_gradient")
        clock.watch("LSTM", layer, "forward", "backward")
    Timed.matmul = staticmethod(clock.timed("softmax, products", np.matmul))
    net.softmax.W = net.softmax.W.view(Timed)  # of h Wᵀ and da W
    forward = net.softmax.forward
    net.softmax.forward = lambda h, targets: forward(h.view(Timed), targets)  # of daᵀ h
    clock.watch("softmax", net.softmax, "forward", "backward")
    clock.watch("embedding", net.embedding, "forward", "backward")
    clock.watch("optimiser, clipping", optimizer, "step")
    return clock


def measure(quick: bool, keep: bool = True) -> list[dict[str, str]]:
    """Return the parts of a step, with or without `keep_memory`; for a process of its own."""
    if keep:
        keep_memory()
    work = Work("model step", 200, V=2_000) if quick else Work("model step", 650, V=10_000)
    net, optimizer, (tokens, targets) = network(work), SGD(CLIP), text(work)
    macs = sum(W.macs for W in net.matrices.values()), net.softmax.W.size
    flop = [2 * 3 * tokens.size * n for n in macs]  # each product forward, to its input and to its weights
    params = net.params  # the plain arrays
    clock = watched(net, optimizer)
    steps = []
    for _ in range(4 if quick else 16):
        clock.spent.clear()
        start = perf_counter()
        _, _, cache = net.forward(tokens, targets)
        optimizer.step(params, net.backward(cache), RATE)
        steps.append((perf_counter() - start, dict(clock.spent)))
    steps = sorted(steps[1:], key=lambda found: found[0])  # the first also loads and allocates
    whole, spent = steps[len(steps) // 2]
    lstm, softmax = spent["LSTM, products"], spent["softmax, products"]
    parts = {
        "the step": (whole, None),
        "all products": (lstm + softmax, sum(flop)),
        "LSTM, products": (lstm, flop[0]),
        "softmax, products": (softmax, flop[1]),
        "LSTM, the rest: elementwise": (spent["LSTM"] - lstm, None),
        "softmax, the rest: elementwise": (spent["softmax"] - softmax, None),
        "embedding": (spent["embedding"], None),
        "optimiser, clipping": (spent["optimiser, clipping"], None),
    }
    layers = ("LSTM", "softmax", "embedding", "optimiser, clipping")
    parts["elsewhere"] = (whole - sum(spent[name] for name in layers), None)
    return [
        {
            "part": part,
            "ms": f"{seconds * 1e3:.2f}",
            "share": f"{100 * seconds / whole:.1f} %",
            "GFLOP/s": f"{done / seconds / 1e9:.1f}" if done else "–",
        }
        for part, (seconds, done) in parts.items()
    ]
