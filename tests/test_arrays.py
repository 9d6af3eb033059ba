import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.arrays import Tree, join, numbered, part


class Leaf(Tree):
    names, fixed = ("a",), ("seed",)

    def __init__(self, a, seed, block=2):
        self.a, self.seed, self.block = a, seed, block

    @property
    def settings(self):
        return {"block": self.block}


class Branch(Tree):
    def __init__(self, left, right, b):
        self.left, self.right, self.b = left, right, b

    def children(self):
        return [("left", self.left), ("", self.right), ("b", self.b)]


def tree():
    return Branch(Leaf(np.ones(3), np.arange(2), block=5), Leaf(np.zeros((2, 2)), np.arange(4)), np.full(6, 2.0))


def test_arrays_lie_under_their_paths_in_the_order_of_the_children():
    assert list(tree().params) == ["left.a", "a", "b"]
    assert list(tree().constants) == ["left.seed", "seed"]
    assert (tree().n_params, tree().nbytes) == (13, 8 * 13 + 8 * 6)


def test_replace_keeps_constants_and_settings_unless_given_others():
    old, arrays = tree(), {"left.a": np.full(3, 7.0), "a": np.eye(2), "b": np.zeros(6)}
    new = old.replace(arrays)
    assert all(new.params[name] is a for name, a in arrays.items())
    assert (new.left.block, new.left.seed) == (5, old.left.seed)
    loaded = old.replace(arrays, {"left.seed": np.array([9, 9]), "seed": np.arange(4)})
    assert_array_equal(loaded.constants["left.seed"], [9, 9])
    with pytest.raises(KeyError, match="a"):
        old.replace({"left.a": arrays["left.a"], "b": arrays["b"]})


def test_a_cast_is_of_the_parameters_alone():
    cast = tree().astype(np.complex128)
    assert {a.dtype for a in cast.params.values()} == {np.dtype(np.complex128)}
    assert {a.dtype for a in cast.constants.values()} == {np.dtype(np.int64)}


def test_what_nothing_changes_is_handed_back():
    old = tree()
    assert old.prepared() is old
    assert old.sample(np.random.default_rng(0), (3, 2)) is old
    changed = old.mapped(lambda leaf: Leaf(leaf.a + 1, leaf.seed) if leaf.block == 5 else leaf)
    assert changed is not old
    assert changed.right is old.right
    assert_array_equal(changed.params["left.a"], 2)


def test_dicts_are_flattened_and_taken_apart_again():
    flat = join(**dict(numbered([{"A": np.ones(1)}, {"B": np.ones(2)}], "layers.")), softmax={"W": np.ones(3)})
    assert list(flat) == ["layers.0.A", "layers.1.B", "softmax.W"]
    assert list(part(flat, "layers.1")) == ["B"]
    assert list(part(flat, "")) == list(flat)
