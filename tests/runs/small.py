"""A small run on a small text, for the tests of what runs leave on disk."""

from pathlib import Path

from numpy.testing import assert_array_equal

from refdope.runs import checkpoint
from refdope.runs.folder import read_config

SMALL = {
    "hidden": 8, "layers": 2, "factor": 2.0, "cmr": 0.2, "dropout": 0.2, "unroll": 5, "batch": 4, "steps": 40,
    "evaluations": 8, "probe": 100, "ramp_start": 0.2, "ramp_end": 0.7, "prunings": 5,
}  # fmt: skip


def flags(text, **more):
    settings = SMALL | {"data": str(text)} | more
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def content(folder):
    """The bytes of every file of a run, without the lock and the log of times."""
    files = sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.name not in ("lock", "times.csv"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def same_run(one, other):
    """Whether two runs ended with the same bits: every array of the weights, every row of the course."""
    for name in ("metrics.csv", "prunings.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    (a, record), (b, _) = checkpoint.load(one / "weights.npz"), checkpoint.load(other / "weights.npz")
    assert record["step"] == read_config(one).steps
    assert set(a) == set(b)
    for name in a:
        assert_array_equal(a[name], b[name])
