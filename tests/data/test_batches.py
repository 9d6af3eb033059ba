import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.data import Batches


def test_streams_follow_each_other_and_targets_are_the_next_tokens():
    batches = Batches(np.arange(24), T=3, B=2)  # 11 steps of 2 streams
    assert len(batches) == 4
    inputs = np.concatenate([batches[k].inputs for k in range(4)])
    targets = np.concatenate([batches[k].targets for k in range(4)])
    assert_array_equal(inputs, np.array([np.arange(11), np.arange(11, 22)]).T)
    assert_array_equal(targets, inputs + 1)
    assert [batches[k].inputs.shape for k in range(4)] == [(3, 2)] * 3 + [(2, 2)]


def test_every_token_but_the_tail_is_predicted_once():
    batches = Batches(np.arange(101), T=7, B=4)
    seen = np.concatenate([window.targets.ravel() for window in (batches[k] for k in range(len(batches)))])
    assert_array_equal(np.sort(seen), np.arange(1, 101))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="a text of 4 tokens is too short for 4 streams"):
        Batches(np.arange(4), 3, 4)
    with pytest.raises(ValueError, match="T and B must be at least 1, got 0 and 2"):
        Batches(np.arange(9), 0, 2)
    with pytest.raises(IndexError, match="window 4 of 4"):
        Batches(np.arange(24), 3, 2)[4]
