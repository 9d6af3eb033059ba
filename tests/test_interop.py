import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refdope import LSTM, Dense, Kronecker, Recipe, interop

D, H = 3, 4


def layers():
    rng = np.random.default_rng(0)
    shapes = {"Wx.W": lambda d: (4 * H, d), "Wh.W": lambda _: (4 * H, H), "b": lambda _: (4 * H,)}
    made = [LSTM.from_recipe(d, H, Recipe(Dense, 1), rng) for d in (D, H)]
    return [m.replace({name: rng.standard_normal(shape(m.D)) for name, shape in shapes.items()}) for m in made]


def test_weights_go_to_pytorchs_layout_and_back():
    arrays = interop.to_torch(layers())
    assert {name: a.shape for name, a in arrays.items()} == {
        "weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "bias_ih_l0": (16,), "bias_hh_l0": (16,),
        "weight_ih_l1": (16, 4), "weight_hh_l1": (16, 4), "bias_ih_l1": (16,), "bias_hh_l1": (16,),
    }  # fmt: skip
    x = np.random.default_rng(1).standard_normal((5, 2, D))
    y = x
    for one, two in zip(layers(), interop.from_torch(arrays), strict=True):
        x, _, _ = one.forward(x)
        y, _, _ = two.forward(y)
    assert_array_equal(x, y)


def test_the_two_biases_are_added_and_may_be_missing():
    arrays = interop.to_torch(layers())
    arrays["bias_hh_l0"] = np.ones(16)
    assert_allclose(interop.from_torch(arrays)[0].b, arrays["bias_ih_l0"] + 1)
    del arrays["bias_hh_l0"], arrays["bias_ih_l0"]
    assert not interop.from_torch(arrays)[0].b.any()


def test_a_prefix_and_other_arrays_do_not_disturb():
    arrays = {f"rnn.lstm.{name}": a for name, a in interop.to_torch(layers()).items()}
    arrays["decoder.weight"] = np.zeros((2, 2))
    assert len(interop.from_torch(arrays)) == 2


def test_a_structured_layer_leaves_as_its_dense_matrix():
    lstm = LSTM.from_recipe(6, 4, Recipe(Kronecker, 2, doped=True), np.random.default_rng(0))
    assert_array_equal(interop.to_torch([lstm])["weight_ih_l0"], lstm.Wx.to_dense())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.clear(), "there is no weight_ih_l0"),
        (lambda a: a.pop("weight_hh_l1"), "layer 1 of 2 has no weight_ih_l1 or no weight_hh_l1"),
        (lambda a: a.update(weight_ih_l0_reverse=np.zeros(2)), "bidirectional and projected LSTMs are not supported"),
        (lambda a: a.update({"b.weight_ih_l0": np.zeros((4, 2))}), "there are several LSTMs: , b."),
        (
            lambda a: a.update(weight_ih_l0=np.float64(3)),
            "weight_ih_l0 must be of floats, with 2 axes, got",
        ),
        (lambda a: a.update(bias_hh_l1=np.zeros(16, int)), "bias_hh_l1 must be of floats, with 1 axes, got int64 of"),
        (lambda a: a.update(bias_ih_l0=np.zeros(1)), r"bias_ih_l0 must be \(16,\), as weight_ih_l0, got \(1,\)"),
        (lambda a: a.update(weight_hh_l0=np.zeros((16, 5))), r"weight_hh_l0 must be \(4H, H\), of an LSTM, or"),
    ],
)
def test_what_is_no_lstm_is_refused(change, says):
    arrays = interop.to_torch(layers())
    change(arrays)
    with pytest.raises(ValueError, match=says):
        interop.from_torch(arrays)


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors"])
def test_files_go_round_and_damage_is_told(name, tmp_path):
    path, arrays = tmp_path / name, interop.to_torch(layers())
    interop.write(path, arrays)
    again = interop.read(path)
    assert set(again) == set(arrays)
    for key in arrays:
        assert_array_equal(again[key], arrays[key])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="cannot be read"):
        interop.read(path)
    interop.write(path, arrays | {"bias_ih_l0": np.full(16, np.nan)})
    with pytest.raises(ValueError, match="bias_ih_l0 has entries that are not finite"):
        interop.read(path)


def test_objects_are_never_unpickled_and_other_files_refused(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="cannot be read"):
        interop.read(tmp_path / "w.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(ValueError, match="cannot be read"):
        interop.read(tmp_path / "one.npz")
    (tmp_path / "w.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"must be an \.npz or a \.safetensors file"):
        interop.read(tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"must be an \.npz or a \.safetensors file"):
        interop.write(tmp_path / "w.pt", {})
    with pytest.raises(FileNotFoundError, match="there is no file"):
        interop.read(tmp_path / "no.npz")


def test_without_safetensors_it_is_said_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ValueError, match="need `pip install safetensors`"):
        interop.write(tmp_path / "w.safetensors", {})
