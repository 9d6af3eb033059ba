"""Checkpoints: arrays and a JSON record in one .npz file that knows whether it is whole.

The file is an ordinary .npz (`numpy.load(…, allow_pickle=False)` reads it). The SHA-256 of its bytes stands behind them
as the comment of the zip archive, so that a truncated or altered file is told from a good one. It is written whole or
not at all.
"""

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from refdope.arrays import Array, Params
from refdope.files import whole

T = TypeVar("T")
RECORD = "__record__"
FORMAT = 2  # counts up when what is in a file changes its meaning
DIGITS = 64  # of a SHA-256


def save(path: Path, arrays: Mapping[str, Array], record: Mapping[str, Any]) -> None:
    """Write arrays and a record.

    Parameters
    ----------
    path : Path
    arrays : dict of str to array
    record : dict
        Anything that JSON can hold.
    """
    data = BytesIO()
    np.savez(data, allow_pickle=False, **arrays, **{RECORD: np.array(json.dumps({"format": FORMAT, **record}))})
    body = data.getvalue()[:-2]  # a zip archive ends with the length of its comment, two bytes, and the comment
    with whole(path) as file:
        file.write(body + DIGITS.to_bytes(2, "little") + hashlib.sha256(body).hexdigest().encode())


def load(path: Path) -> tuple[Params, dict[str, Any]]:
    """Read what `save` wrote.

    Returns
    -------
    arrays : dict of str to array
    record : dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a file of `save`, or not whole.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    data = path.read_bytes()
    body, digest = data[: -DIGITS - 2], data[-DIGITS:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError(f"{path} is damaged: its checksum is not that of its contents")
    try:
        with np.load(BytesIO(data), allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files}
        record = json.loads(str(arrays.pop(RECORD)))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a checkpoint: {error}") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version of refdope")
    return arrays, record


def first_good(files: Sequence[Path], read: Callable[[Path], T]) -> T:
    """Return what is read from the first file that is good; say which ones are not."""
    for file in files[:-1]:
        try:
            return read(file)
        except ValueError as error:
            print(f"refdope: {error}; the one before is taken", file=sys.stderr)
    return read(files[-1])
