"""The cell of an LSTM: what one step does with z, entry by entry, and how its gradient comes back.

For z: (B, 4H), which holds the four gates in PyTorch's order i, f, g, o, and the cell's state c: (B, H):

    i, f, o = σ(z_i), σ(z_f), σ(z_o),   g = tanh(z_g)
    c' = f ∘ c + i ∘ g
    h' = o ∘ tanh(c')

Backwards, with dc holding what comes from the step after, and dh from there and from the layers above:

    dc  ← dc + dh ∘ o ∘ (1 - tanh² c')
    dz_i  = dc ∘ g ∘ i (1 - i)                        dz_f = dc ∘ c ∘ f (1 - f)
    dz_g  = dc ∘ i ∘ (1 - g²)                         dz_o = dh ∘ tanh c' ∘ o (1 - o)
    dc  ← dc ∘ f                                      for the step before

Everything is written into arrays that the layer makes once for all steps.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000.
"""

import numpy as np

from refdope.arrays import Array


def forward(z: Array, c: Array, c_next: Array, tanh_c: Array, h: Array, ig: Array) -> None:
    """Turn z into the gates, in place, and write c', tanh(c') and h'; `ig` is room for i ∘ g. All but z are (B, H)."""
    i, f, g, o = four(z)
    # σ(z) = ½ tanh(½ z) + ½, so that one tanh serves all four gates
    sigmoids = z[:, : 2 * c.shape[1]], o
    for a in sigmoids:
        a *= 0.5
    np.tanh(z, out=z)
    for a in sigmoids:
        a *= 0.5
        a += 0.5
    np.multiply(f, c, out=c_next)
    c_next += np.multiply(i, g, out=ig)
    np.tanh(c_next, out=tanh_c)
    np.multiply(o, tanh_c, out=h)


def backward(gates: Array, c: Array, tanh_c: Array, dh: Array, dc: Array, dz: Array) -> None:
    """Write dz: (B, 4H), and turn dc, in place, from d loss / d c' into d loss / d c. All others are (B, H)."""
    (i, f, g, o), (dz_i, dz_f, dz_g, dz_o) = four(gates), four(dz)
    B, H = c.shape
    through_tanh = 1 - tanh_c**2
    through_tanh *= o
    through_tanh *= dh
    dc += through_tanh
    np.subtract(1, gates, out=dz)  # σ' = σ (1 - σ) for three gates, tanh' = 1 - g² for one
    dz *= gates
    np.subtract(1, g**2, out=dz_g)
    dz_i *= g
    dz_f *= c
    dz_g *= i
    dz_o *= tanh_c
    dz[:, : 3 * H].reshape(B, 3, H)[...] *= dc[:, None]
    dz_o *= dh
    dc *= f


def four(z: Array) -> tuple[Array, Array, Array, Array]:
    """Return views of the four gates, (B, 4H) -> 4 x (B, H)."""
    H = z.shape[-1] // 4
    return z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
