import io
import json
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.runs import checkpoint

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b.c": np.array([True, False]), "n": np.zeros((0, 4), np.float32)}
RECORD = {"step": 3, "rng": {"state": 2**127 + 1}, "course": [{"x": 0.1, "y": float("nan")}], "text": "ü\n"}


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "c.npz"
    checkpoint.save(path, ARRAYS, RECORD)
    arrays, record = checkpoint.load(path)
    assert set(arrays) == set(ARRAYS)
    for name, a in ARRAYS.items():
        assert_array_equal(arrays[name], a)
        assert arrays[name].dtype == a.dtype
    assert json.dumps({name: record[name] for name in RECORD}) == json.dumps(RECORD)


def test_it_is_an_ordinary_npz(tmp_path):
    path = tmp_path / "c.npz"
    checkpoint.save(path, ARRAYS, RECORD)
    with np.load(path, allow_pickle=False) as saved:
        assert_array_equal(saved["a"], ARRAYS["a"])
    assert len(zipfile.ZipFile(path).comment) == 64


def test_every_truncation_and_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "c.npz"
    checkpoint.save(path, ARRAYS, RECORD)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        if rng.random() < 0.3:
            data = good[: rng.integers(len(good))]
        else:
            place = rng.integers(len(good))
            if place in (len(good) - 66, len(good) - 65):
                continue  # the length of the comment is not under the checksum: NumPy does not read it
            data = good[:place] + bytes([good[place] ^ (1 << rng.integers(8))]) + good[place + 1 :]
        path.write_bytes(data)
        with pytest.raises(ValueError, match="is damaged: its checksum"):
            checkpoint.load(path)


def sealed(data: bytes) -> bytes:
    """Give bytes of a zip archive without a comment a right checksum, as somebody would who means harm."""
    import hashlib

    return data[:-2] + (64).to_bytes(2, "little") + hashlib.sha256(data[:-2]).hexdigest().encode()


def test_objects_are_never_unpickled(tmp_path):
    class Harm:
        def __reduce__(self):
            return (tmp_path.joinpath("harm").touch, ())

    data = io.BytesIO()
    np.savez(data, a=np.array([Harm()], dtype=object), __record__=np.array(json.dumps({"format": checkpoint.FORMAT})))
    (tmp_path / "c.npz").write_bytes(sealed(data.getvalue()))
    with pytest.raises(ValueError, match=r"is not a checkpoint: .*allow_pickle"):
        checkpoint.load(tmp_path / "c.npz")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("record", "says"),
    [({"format": checkpoint.FORMAT + 1}, "another version"), ([], "another version"), (None, "is not a checkpoint")],
)
def test_other_versions_and_other_files_are_told(record, says, tmp_path):
    data = io.BytesIO()
    np.savez(data, a=np.zeros(2), **({} if record is None else {"__record__": np.array(json.dumps(record))}))
    (tmp_path / "c.npz").write_bytes(sealed(data.getvalue()))
    with pytest.raises(ValueError, match=says):
        checkpoint.load(tmp_path / "c.npz")
    (tmp_path / "c.npz").write_bytes(sealed(b"no zip archive at all"))
    with pytest.raises(ValueError, match="is not a checkpoint"):
        checkpoint.load(tmp_path / "c.npz")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        checkpoint.load(tmp_path / "nowhere.npz")
