"""Who is measured at "model step": one update of the language model, ours and PyTorch's, as `benchmarks.contenders`.

A step forgets the gradients that it has used, so each maker returns a pair: the step, and a check that makes the first
update, at rate 1, and returns the loss, all gradients before clipping, and how far the update moved the biases.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.works import Arrays, Work, model, text

CLIP, RATE = 5.0, 1e-3  # the rate is small so that the same batch over and over keeps everything finite


def network(work: Work) -> Any:
    """Return our dense language model over the weights of a work."""
    from refdope import LSTM, Dense, LanguageModel
    from refdope.layers import Embedding, Softmax

    w = model(work)
    layers = [LSTM(*(Dense(w[f"layers.{k}.{W}.W"]) for W in ("Wx", "Wh")), w[f"layers.{k}.b"]) for k in (0, 1)]
    return LanguageModel(Embedding(w["embedding"]), layers, Softmax(w["softmax.W"], w["softmax.b"]))


def ours_model(work: Work) -> tuple[Callable[[], Any], Callable[[], Arrays]]:
    """Our language model and SGD."""
    from refdope.training import SGD

    net, optimizer, (tokens, targets) = network(work), SGD(CLIP), text(work)

    def step() -> None:
        _, _, cache = net.forward(tokens, targets)
        optimizer.step(net.params, net.backward(cache), RATE)

    def check() -> Arrays:
        loss, _, cache = net.forward(tokens, targets)
        grads = net.backward(cache)
        found = {"loss": loss} | {name: g.copy() for name, g in grads.items()}
        before = _biases(net.params)
        optimizer.step(net.params, grads, 1.0)
        return found | _moved(before, _biases(net.params))

    return step, check


def torch_model(work: Work) -> tuple[Callable[[], Any], Callable[[], Arrays]]:
    """PyTorch's modules, cross-entropy, clipping and SGD."""
    import torch

    torch.set_num_threads(work.threads)
    H, dtype = work.H, getattr(torch, work.dtype)
    embedding = torch.nn.Embedding(work.V, H, dtype=dtype)
    lstm = torch.nn.LSTM(H, H, num_layers=2, dtype=dtype)
    linear = torch.nn.Linear(H, work.V, dtype=dtype)
    params = {"embedding": embedding.weight, "softmax.W": linear.weight, "softmax.b": linear.bias}
    for k in (0, 1):
        named = (("Wx.W", f"weight_ih_l{k}"), ("Wh.W", f"weight_hh_l{k}"), ("b", f"bias_ih_l{k}"))
        params |= {f"layers.{k}.{ours}": getattr(lstm, theirs) for ours, theirs in named}
        getattr(lstm, f"bias_hh_l{k}").requires_grad_(False).zero_()  # one bias, as ours has
    with torch.no_grad():
        for name, array in model(work).items():
            params[name].copy_(torch.from_numpy(array))
    tokens, targets = map(torch.from_numpy, text(work))
    optimizer = torch.optim.SGD(params.values(), lr=RATE)

    def gradients() -> Any:
        optimizer.zero_grad()
        h, _ = lstm(embedding(tokens))
        loss = torch.nn.functional.cross_entropy(linear(h).flatten(0, 1), targets.flatten())
        loss.backward()
        return loss

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(params.values(), CLIP)
        optimizer.step()

    def step() -> None:
        gradients()
        update()

    def check() -> Arrays:
        arrays = {name: p.detach().numpy() for name, p in params.items()}  # views
        loss = gradients().detach().numpy()
        found = {"loss": loss} | {name: p.grad.numpy().copy() for name, p in params.items()}
        before = _biases(arrays)
        optimizer.param_groups[0]["lr"] = 1.0
        update()
        optimizer.param_groups[0]["lr"] = RATE
        return found | _moved(before, _biases(arrays))

    return step, check


def _biases(params: Arrays) -> Arrays:
    return {name: params[name].copy() for name in ("layers.0.b", "layers.1.b", "softmax.b")}


def _moved(before: Arrays, after: Arrays) -> Arrays:
    return {f"{name}, moved": after[name] - before[name] for name in before}
