"""LSTM layer with one matrix on [x; h], where `refdope.layers.lstm` has two.

For u: (T, B, D + H) and the same cell,

    u_t = [x_t ; h_{t-1}]
    z_t = W u_t + b                                   W: (4H, D + H),  b: (4H)
    h_t, c_t = cell(z_t, c_{t-1})

Backwards, with dh_t what the layers above send plus what step t+1 sends:

    dz_t, dc_{t-1} = backwards through the cell, of dh_t and dc_t
    [dx_t ; dh_{t-1}] = Wᵀ dz_t

It is how the papers of Kronecker LSTMs write the layer: one product A ⊗ B for input and recurrence, A = [A_x A_h] with
B shared where D and H are multiples of B's width. Two matrices can do more before the loop over time (one product for
all x); here all of W is multiplied at every step. Only the gradient of W is one product over all T·B rows.

Source: Thakker et al., "Compressing RNNs for IoT devices by 15-38x using Kronecker products", arXiv 1906.02876.
"""

from typing import ClassVar

from refdope.arrays import Array, check_arrays
from refdope.layers.lstm import LSTM
from refdope.layers.recurrent import check_structures
from refdope.structures.base import Structure


class JointLSTM(LSTM):
    """One LSTM layer over one weight structure. What it is called with, and returns, is as for `LSTM`.

    Parameters
    ----------
    W : Structure, (4H, D + H)
        With D ≥ 1.
    b : array, (4H,)

    Raises
    ------
    TypeError, ValueError
        If W is a plain array (`Dense` makes a structure of it), or the shapes do not belong together.
    """

    names: ClassVar[tuple[str, ...]] = ("W", "b")

    def __init__(self, W: Structure, b: Array) -> None:
        check_structures("JointLSTM", W=W)
        check_arrays("JointLSTM", b=b)
        m, n = W.shape
        self.H = m // 4
        self.D = n - self.H
        if m % 4 or self.D < 1 or b.shape != (m,):
            raise ValueError(f"JointLSTM: W and b must be (4H, D + H) and (4H,), got {W.shape} and {b.shape}")
        self.W, self.b = W, b

    @classmethod
    def widths(cls, D: int, H: int) -> tuple[int, ...]:
        """Return the columns of W."""
        return (D + H,)
