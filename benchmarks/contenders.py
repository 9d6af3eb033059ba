"""Who is measured: a contender makes, from a work, a step to time and what the step computed to compare.

`MAKERS[kind][name](work)` returns `step`, a function of nothing that returns a dict of arrays; or, where a step uses up
what it computes, a pair of it and a function that is called once, before it, and returns them. Contenders that compute
the same function are compared before anything is timed; those of another one (a compressed layer) cannot be.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.model_step import ours_model, torch_model
from benchmarks.works import Arrays, Work, factors, inputs, layer

Step = Callable[[], Arrays]


# ------------------------------------------------------------------------------------------------- lstm step: ours


def ours(work: Work) -> Step:
    """Our dense layer."""
    from refdope import LSTM, Dense

    w = layer(work)
    return _ours_step(work, LSTM(Dense(w["Wx"]), Dense(w["Wh"]), w["b"]))


def ours_kronecker(work: Work) -> Step:
    """Our layer of the Kronecker products that stand under an overlay: full rank with the fewest parameters.

    That is a compression of (4H, H) by H or about so: exactly 200, 256, 650 and 1500 times at these H.
    """
    from refdope import LSTM, Recipe

    rng, recipe = np.random.default_rng(0), Recipe("kronecker", 25, doped=True)
    Wx, Wh = (recipe.matrix((4 * work.H, work.H), rng).structure for _ in range(2))
    return _ours_step(work, _cast(LSTM(Wx, Wh, np.zeros(4 * work.H)), work))


def ours_doped_cmr(work: Work) -> Step:
    """Our doped Kronecker layer while its overlay is dense, with co-matrix dropout."""
    from refdope import CMR, LSTM, Recipe

    rng = np.random.default_rng(0)
    made = LSTM.from_recipe(work.H, work.H, Recipe("kronecker", 25, doped=True, cmr=CMR(0.1)), rng)
    return _ours_step(work, _cast(made, work), rng)


def _cast(made: Any, work: Work) -> Any:
    return made.replace({name: a.astype(work.dtype) for name, a in made.params.items()})


def _ours_step(work: Work, lstm: Any, rng: Any = None) -> Step:
    io = inputs(work)

    def step() -> Arrays:
        h, _, cache = lstm.forward(io["x"], rng=rng)
        dx, _, grads = lstm.backward(io["dh"], cache)
        dense = {name.removesuffix(".W"): g for name, g in grads.items()}
        return {"h": h, "dx": dx} | dense

    return step


# ------------------------------------------------------------------------------------------------ lstm step: peers


def torch_lstm(work: Work) -> Step:
    """PyTorch's nn.LSTM and its autograd."""
    import torch

    torch.set_num_threads(work.threads)
    w, io = layer(work), inputs(work)
    module = torch.nn.LSTM(work.H, work.H, dtype=getattr(torch, work.dtype))
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.from_numpy(w["Wx"]))
        module.weight_hh_l0.copy_(torch.from_numpy(w["Wh"]))
        module.bias_ih_l0.copy_(torch.from_numpy(w["b"]))
        module.bias_hh_l0.zero_()
    x, dh = torch.from_numpy(io["x"]).requires_grad_(), torch.from_numpy(io["dh"])

    def step() -> Arrays:
        x.grad = None
        module.zero_grad()
        h, _ = module(x)
        h.backward(dh)
        return {
            "h": h.detach().numpy(),
            "dx": x.grad.numpy(),
            "Wx": module.weight_ih_l0.grad.numpy(),
            "Wh": module.weight_hh_l0.grad.numpy(),
            "b": module.bias_ih_l0.grad.numpy(),
        }

    return step


def autograd_lstm(work: Work) -> Step:
    """HIPS autograd on the equations, gates fused in one matrix."""
    import autograd.numpy as anp
    from autograd import grad

    w, io = layer(work), inputs(work)
    H = work.H

    def loss(params: Any) -> Any:
        h = c = anp.zeros((work.B, H), work.dtype)
        total = 0.0
        projected = anp.dot(params["x"], params["Wx"].T) + params["b"]
        for t in range(work.T):
            z = projected[t] + anp.dot(h, params["Wh"].T)
            i, f, o = (0.5 * anp.tanh(0.5 * z[:, k * H : (k + 1) * H]) + 0.5 for k in (0, 1, 3))
            c = f * c + i * anp.tanh(z[:, 2 * H : 3 * H])
            h = o * anp.tanh(c)
            total = total + anp.sum(h * io["dh"][t])
        return total

    gradient = grad(loss)

    def step() -> Arrays:
        found = gradient(w | {"x": io["x"]})
        return {"dx": found.pop("x")} | found

    return step


def numpy_ml_lstm(work: Work) -> Step:
    """numpy-ml's LSTMCell over T steps; it is mended only as far as it needs to be imported and called twice."""
    import collections
    import collections.abc

    collections.Hashable = collections.abc.Hashable  # type: ignore[attr-defined]
    from numpy_ml.neural_nets.layers import LSTMCell

    w, io, H = layer(work), inputs(work), work.H
    cell = LSTMCell(H)
    cell.n_in = H
    cell._init_params()
    gates = {name: slice(k * H, (k + 1) * H) for k, name in enumerate("ufco")}  # u is our i, c our g
    for name, rows in gates.items():
        cell.parameters[f"W{name}"] = np.concatenate([w["Wh"][rows].T, w["Wx"][rows].T])  # of [h, x]
        cell.parameters[f"b{name}"] = w["b"][rows][None]

    def step() -> Arrays:
        cell.flush_gradients()
        cell.derived_variables |= {"dLdA_accumulator": None, "dLdC_accumulator": None}  # which that leaves as lists
        h = np.stack([cell.forward(x_t)[0] for x_t in io["x"]])
        dx = np.stack([cell.backward(dh_t) for dh_t in io["dh"][::-1]])[::-1]
        matrices = [cell.gradients[f"W{name}"].T for name in gates]
        return {
            "h": h,
            "dx": dx,
            "Wx": np.concatenate([g[:, H:] for g in matrices]),
            "Wh": np.concatenate([g[:, :H] for g in matrices]),
            "b": np.concatenate([cell.gradients[f"b{name}"][0] for name in gates]),
        }

    return step


# ---------------------------------------------------------------------------------------------------- lstm tokens


def ours_tokens(work: Work) -> Step:
    """Our dense stack, frozen, a token a call."""
    from refdope import LSTM, Dense

    ws = [layer(work, seed) for seed in (0, 1)]
    return _ours_tokens(work, [LSTM(Dense(w["Wx"]), Dense(w["Wh"]), w["b"]) for w in ws])


def ours_doped_tokens(work: Work) -> Step:
    """Our doped Kronecker stack at 25x, frozen, a token a call."""
    from refdope import LSTM, Recipe

    rng, layers, recipe = np.random.default_rng(0), [], Recipe("kronecker", 25, doped=True)
    for _ in range(2):
        layers.append(_cast(LSTM.from_recipe(work.H, work.H, recipe, rng), work))
        for W in layers[-1].weights.values():
            W.overlay.prune(recipe.kept(W))
    return _ours_tokens(work, layers)


def _ours_tokens(work: Work, layers: list) -> Step:
    from refdope.layers import LSTMStepper

    x, stack = inputs(work)["x"], [LSTMStepper(lstm, work.B) for lstm in layers]

    def step() -> Arrays:
        for lstm in stack:
            lstm.reset()
        for h in x:
            for lstm in stack:
                h = lstm.step(h)
        return {"h": h.copy()}

    return step


def torch_tokens(work: Work) -> Step:
    """PyTorch's nn.LSTM of two layers, a token a call."""
    import torch

    torch.set_num_threads(work.threads)
    module = torch.nn.LSTM(work.H, work.H, num_layers=2)
    with torch.no_grad():
        for k in (0, 1):
            w = layer(work, k)
            for name, ours_ in (("weight_ih", "Wx"), ("weight_hh", "Wh"), ("bias_ih", "b")):
                getattr(module, f"{name}_l{k}").copy_(torch.from_numpy(w[ours_]))
            getattr(module, f"bias_hh_l{k}").zero_()
    x = torch.from_numpy(inputs(work)["x"])

    @torch.inference_mode()
    def step() -> Arrays:
        state = None
        for t in range(work.T):
            h, state = module(x[t : t + 1], state)
        return {"h": h[0].numpy()}

    return step


def onnx_tokens(work: Work) -> Step:
    """ONNX Runtime's LSTM, two of them in one graph, a token a call."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    H, nodes, weights, names = work.H, [], [], []
    order = np.r_[0:H, 3 * H : 4 * H, H : 2 * H, 2 * H : 3 * H]  # its gates are i, o, f, c
    for k in (0, 1):
        w = layer(work, k)
        own = {"W": w["Wx"][order][None], "R": w["Wh"][order][None], "B": np.r_[w["b"][order], np.zeros(4 * H)][None]}
        weights += [numpy_helper.from_array(a.astype(np.float32), f"{name}{k}") for name, a in own.items()]
        given = ["x" if k == 0 else "flat0", f"W{k}", f"R{k}", f"B{k}", "", f"h{k}", f"c{k}"]
        nodes.append(helper.make_node("LSTM", given, [f"y{k}", f"hn{k}", f"cn{k}"], hidden_size=H))
        nodes.append(helper.make_node("Squeeze", [f"y{k}", "axis"], [f"flat{k}"]))
        names += [f"h{k}", f"c{k}"]
    weights.append(numpy_helper.from_array(np.array([1]), "axis"))

    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, work.B, H])

    graph = helper.make_graph(
        nodes,
        "stack",
        [value(n) for n in ("x", *names)],
        [value(n) for n in ("flat1", "hn0", "cn0", "hn1", "cn1")],
        weights,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = work.threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x, zero = inputs(work)["x"], np.zeros((1, work.B, H), np.float32)

    def step() -> Arrays:
        state = [zero] * 4
        for t in range(work.T):
            h, *state = session.run(None, dict(zip(("x", *names), (x[t : t + 1], *state), strict=True)))
        return {"h": h[0]}

    return step


# -------------------------------------------------------------------------------------------------------- product


def ours_product(work: Work) -> Step:
    """Our Kronecker product."""
    from refdope import Kronecker

    f = factors(work)
    W = Kronecker(f["A"], f["B"])
    return lambda: {"y": W.forward(f["x"])}


def fastkron_product(work: Work) -> Step:
    """pyfastkron's product, x (Aᵀ ⊗ Bᵀ)."""
    from pyfastkron import fastkronnumpy

    f = factors(work)
    transposed = [np.ascontiguousarray(f["A"].T), np.ascontiguousarray(f["B"].T)]
    return lambda: {"y": fastkronnumpy.gemkm(f["x"], transposed)}


MAKERS: dict[str, dict[str, Callable[[Work], Any]]] = {
    "lstm step": {
        "ours, dense": ours,
        "ours, Kronecker": ours_kronecker,
        "ours, doped + CMR": ours_doped_cmr,
        "PyTorch": torch_lstm,
        "autograd": autograd_lstm,
        "numpy-ml": numpy_ml_lstm,
    },
    "model step": {"ours, dense": ours_model, "PyTorch": torch_model},
    "lstm tokens": {
        "ours, dense": ours_tokens,
        "ours, doped": ours_doped_tokens,
        "PyTorch": torch_tokens,
        "ONNX Runtime": onnx_tokens,
    },
    "product": {"ours, Kronecker": ours_product, "pyfastkron": fastkron_product},
}
ANOTHER_FUNCTION = ("ours, Kronecker", "ours, doped + CMR", "ours, doped")  # than the first: not compared with it
