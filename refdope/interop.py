"""Weights of recurrent layers in and out: PyTorch's parameter names and layout, in .npz or .safetensors files.

    LSTM    weight_ih_l{k}: (4H, D) = Wx    weight_hh_l{k}: (4H, H) = Wh    bias_ih_l{k} + bias_hh_l{k}: (4H,) = b
    GRU     weight_ih_l{k}: (3H, D) = Wx    weight_hh_l{k}: (3H, H) = Wh    bias_ih_l{k} = bx,  bias_hh_l{k} = bh

for layer k, gates in PyTorch's order (i, f, g, o and r, z, n): the names of `state_dict()`, as arrays. The shape of
weight_hh tells which of the two it is.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refdope.arrays import Array, Params
from refdope.files import whole
from refdope.layers import GRU, LSTM, Recurrent
from refdope.structures import Dense

NAME = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)$")


def to_torch(layers: Sequence[Recurrent]) -> Params:
    """Return the dense weights of a stack of layers under PyTorch's names, copies; all of an LSTM's b is in bias_ih."""
    arrays = {}
    for k, layer in enumerate(layers):
        biases = layer.torch_biases
        for name, W in zip(("weight_ih", "weight_hh"), layer.to_dense(), strict=True):
            arrays[f"{name}_l{k}"] = np.array(W, biases[0].dtype, order="C")
        for name, b in zip(("bias_ih", "bias_hh"), biases, strict=True):
            arrays[f"{name}_l{k}"] = b.copy()
    return arrays


def from_torch(arrays: Mapping[str, Array]) -> list[Recurrent]:
    """Return the layers of a stack whose weights are under PyTorch's names; they are copied.

    Parameters
    ----------
    arrays : dict
        Names may have a prefix ("lstm.weight_ih_l0"), the same for all; biases may be missing. Other names are ignored.

    Raises
    ------
    ValueError
        If there is no LSTM or GRU among the arrays, more than one, or one that is bidirectional, projected, incomplete,
        or whose layers do not fit each other.
    """
    strange = [name for name in arrays if re.search(r"_l\d+_reverse$|weight_hr_l\d+$", name)]
    if strange:
        raise ValueError(f"weights: bidirectional and projected LSTMs are not supported, got {strange[0]!r}")
    found = {name: match for name in arrays if (match := NAME.search(name))}
    prefixes = sorted({name[: match.start()] for name, match in found.items()})
    if len(prefixes) != 1:
        what = f"there are several LSTMs: {', '.join(prefixes)}" if prefixes else "there is no weight_ih_l0"
        raise ValueError(f"weights: {what}; got {', '.join(list(arrays)[:6])}")
    count = 1 + max(int(match[2]) for match in found.values())
    layers: list[Recurrent] = []
    for k in range(count):
        Wx, Wh, b_ih, b_hh = (arrays.get(f"{prefixes[0]}{part}_l{k}") for part in _PARTS)
        if Wx is None or Wh is None:
            raise ValueError(f"weights: layer {k} of {count} has no weight_ih_l{k} or no weight_hh_l{k}")
        for name, array in zip(_PARTS, (Wx, Wh, b_ih, b_hh), strict=True):
            axes = 2 if name.startswith("weight") else 1
            if array is not None and (np.ndim(array) != axes or np.asarray(array).dtype.kind != "f"):
                what = f"{np.asarray(array).dtype} of shape {np.shape(array)}"
                raise ValueError(f"weights: {name}_l{k} must be of floats, with {axes} axes, got {what}")
            if array is not None and axes == 1 and len(array) != len(Wx):
                raise ValueError(f"weights: {name}_l{k} must be ({len(Wx)},), as weight_ih_l{k}, got {np.shape(array)}")
        kind = next((kind for kind in (LSTM, GRU) if Wh.shape[0] == kind.gates * Wh.shape[1]), None)
        if kind is None:
            raise ValueError(
                f"weights: weight_hh_l{k} must be (4H, H), of an LSTM, or (3H, H), of a GRU, got {Wh.shape}"
            )
        if layers and Wx.shape[1] != layers[-1].H:
            raise ValueError(
                f"weights: weight_ih_l{k} must have {layers[-1].H} columns, the units of layer {k - 1}, got {Wx.shape}"
            )
        zero = np.zeros(len(Wx), Wx.dtype)
        biases = kind.of_torch_biases(*(zero if b is None else zero + b for b in (b_ih, b_hh)))
        layers.append(kind(Dense(np.array(Wx)), Dense(np.array(Wh)), *biases))
    return layers


DAMAGED = (ValueError, TypeError, OSError, EOFError, KeyError, AttributeError)  # what NumPy says of a wrong file
_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def read(path: Path) -> Params:
    """Read a dict of arrays from an .npz (nothing is unpickled) or a .safetensors file.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, not of these kinds, damaged, or has entries that are not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {path}")
    if path.suffix == ".safetensors":
        arrays = _read_safetensors(path)
    elif path.suffix == ".npz":
        arrays = _read_npz(path)
    else:
        raise ValueError(f"weights: {path} must be an .npz or a .safetensors file")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"weights: {path}: {name} has entries that are not finite")
    return arrays


def _read_npz(path: Path) -> Params:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"weights: {path} cannot be read: {error}") from None


def _read_safetensors(path: Path) -> Params:
    module = _safetensors()
    try:
        return dict(module.numpy.load_file(path))
    except (module.SafetensorError, TypeError, ValueError, OSError) as error:  # TypeError: of bfloat16, say
        raise ValueError(f"weights: {path} cannot be read: {error}") from None


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write a dict of arrays as .npz or .safetensors, whole or not at all."""
    if path.suffix == ".safetensors":
        data = _safetensors().numpy.save({name: np.ascontiguousarray(a) for name, a in arrays.items()})
        with whole(path) as file:
            file.write(data)
    elif path.suffix == ".npz":
        with whole(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    else:
        raise ValueError(f"weights: {path} must be an .npz or a .safetensors file")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ValueError("weights: .safetensors files need `pip install safetensors`") from None
    return safetensors
