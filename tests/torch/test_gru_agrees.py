"""The GRU against `torch.nn.GRU`: states, and the gradients of weights, input and initial state."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from refdope import GRU, Dense, Recipe
from refdope.interop import from_torch, to_torch

pytestmark = pytest.mark.torch
D, H, T, B = 5, 6, 4, 3


@pytest.mark.parametrize("kind", ["dense", "kronecker", "lmf", "hmd"])
def test_a_gru_is_pytorchs(kind):
    rng = np.random.default_rng(0)
    made = GRU.from_recipe(D, H, Recipe(kind, 1 if kind == "dense" else 1.4), rng, std=0.5)
    made = made.replace(made.params | {name: rng.standard_normal(3 * H) for name in ("bx", "bh")})
    ours = GRU(*(Dense(W) for W in made.to_dense()), made.bx, made.bh)
    theirs = torch.nn.GRU(D, H).double()
    theirs.load_state_dict({name: torch.tensor(a) for name, a in to_torch([made]).items()})
    x, h0, dh = (rng.standard_normal(shape) for shape in ((T, B, D), (B, H), (T, B, H)))

    h, (end,), cache = made.forward(x, (h0,))
    x_, h0_ = torch.tensor(x, requires_grad=True), torch.tensor(h0[None], requires_grad=True)
    h_, end_ = theirs(x_, h0_)
    assert_allclose(h, h_.detach().numpy(), rtol=1e-12, atol=1e-14)
    assert_allclose(end, end_[0].detach().numpy(), rtol=1e-12, atol=1e-14)

    (h_ * torch.tensor(dh)).sum().backward()
    dx, (dh0,), _ = made.backward(dh, cache)
    assert_allclose(dx, x_.grad.numpy(), rtol=1e-11, atol=1e-13)
    assert_allclose(dh0, h0_.grad[0].numpy(), rtol=1e-11, atol=1e-13)
    _, _, grads = ours.backward(dh, ours.forward(x, (h0,))[2])
    names = {"Wx.W": "weight_ih_l0", "Wh.W": "weight_hh_l0", "bx": "bias_ih_l0", "bh": "bias_hh_l0"}
    for own, their in names.items():
        assert_allclose(grads[own], getattr(theirs, their).grad.numpy(), rtol=1e-11, atol=1e-13)


def test_weights_of_a_pytorch_gru_come_in():
    theirs = torch.nn.GRU(D, H, num_layers=2).double()
    layers = from_torch({name: a.detach().numpy() for name, a in theirs.state_dict().items()})
    x = np.random.default_rng(1).standard_normal((T, B, D))
    h = x
    for layer in layers:
        assert isinstance(layer, GRU)
        h, _, _ = layer.forward(h)
    assert_allclose(h, theirs(torch.tensor(x))[0].detach().numpy(), rtol=1e-12, atol=1e-14)
