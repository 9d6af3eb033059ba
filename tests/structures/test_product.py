"""The same product by blocks, by columns and as BLAS has it."""

import subprocess
import sys

import numpy as np
import pytest

from refdope.structures import product
from refdope.structures.product import times, times_transpose


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 20, 63, 64])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (50, 7), (130, 11)])
def test_every_way_is_the_same_product(shape, rows, dtype, threads, monkeypatch):
    monkeypatch.setattr(product, "THREADS", threads)
    monkeypatch.setattr(product, "SMALL", 48 * 20 * 11)  # so that there are several blocks, and a rest
    rng, (m, n) = np.random.default_rng(0), shape
    W, x, dy = (rng.standard_normal(s).astype(dtype) for s in ((m, n), (rows, n), (rows, m)))
    near = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    for found, right in ((times_transpose(x, W), np.einsum("rn,mn->rm", x, W)), (times(dy, W), dy @ W)):
        assert found.dtype == dtype
        assert found.shape == right.shape
        np.testing.assert_allclose(found, right, **near)


def test_blocks_are_used_with_a_rest(monkeypatch):
    monkeypatch.setattr(product, "THREADS", "1")
    monkeypatch.setattr(product, "SMALL", 16 * 4 * 3)
    assert product._block(np.ones((50, 3), "f"), np.ones((4, 3), "f")) == 16
    assert product._block(np.ones((10, 3), "f"), np.ones((4, 3), "f")) == 10


@pytest.mark.parametrize(
    ("W", "x"),
    [
        (np.ones((50, 3)).T.copy().T, np.ones((4, 3))),  # not row by row
        (np.ones((50, 3), "f"), np.ones((4, 3))),  # of two dtypes
        (np.ones((50, 3)), np.ones((4, 3)) + 0j),
        (np.ones((50, 3)), np.ones((64, 3))),  # many rows
    ],
)
def test_what_has_no_blocks_is_multiplied_all_the_same(W, x, monkeypatch):
    monkeypatch.setattr(product, "THREADS", "1")
    assert product._block(W, x) == 0
    np.testing.assert_allclose(times_transpose(x, W), x @ W.T)


@pytest.mark.parametrize(
    ("environment", "threads"),
    [({"OPENBLAS_NUM_THREADS": "3"}, "3"), ({"OMP_NUM_THREADS": "1"}, "1"), ({"OPENBLAS_NUM_THREADS": ""}, None)],
)
def test_threads_are_counted_as_openblas_counts_them(environment, threads):
    code = "import os; from refdope.structures.product import THREADS; print(THREADS, os.cpu_count())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    found, cores = ended.stdout.split()
    assert found == (threads or cores)
