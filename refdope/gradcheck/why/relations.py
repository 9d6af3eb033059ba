"""From one wrong array to what it most likely is: each cause is a relation that the wrong entries keep.

Over the wrong entries, with a the gradient that was given and n the numerical one,

    sign         a = -n                             transpose    a = nᵀ
    factor       a = c n, one c for all             order        a holds the values of n in other places
    zero         a = 0, n is not                    other array  a = n of another array, or of another block
    mask         n = 0, a is not                    term         n - a is the parameter, or a has a lower rank, …

and the first that holds is named, with the numbers that it was seen by.
"""

from collections.abc import Iterator

import numpy as np

from refdope.gradcheck.causes import Diagnosis
from refdope.gradcheck.compared import place
from refdope.gradcheck.tree import Array
from refdope.gradcheck.why.wrong import INPUTS, Wrong, name_factor, parts

SOME_ROWS = "the other rows are right"


def of_array(wrong: Wrong) -> Diagnosis:
    """Return the most specific relation that the wrong entries of an array keep."""
    for relation in RELATIONS:
        found = relation(wrong)
        if found:
            where = place(wrong.bad, wrong.at.known, wrong.blocks)
            text = f"{found.text}{f', in {where}' if where else ''}"
            return Diagnosis(found.cause, text, found.evidence, (wrong.name,), found.sure)
    return unexplained(wrong)


def not_finite(w: Wrong) -> Diagnosis | None:
    """Find NaN and Inf."""
    bad = ~np.isfinite(w.at.a)
    if not bad.any():
        return None
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return Diagnosis(
        "nan", "the gradient is not finite", f"{w.at.a[first]} at {list(first)}, {bad.sum()} entries of {bad.size}"
    )


def sum_of_uses(w: Wrong) -> Diagnosis | None:
    """Find the gradient of all uses of a tied array, where it is checked under one of its names."""
    if not w.tied or not w.whole:
        return None
    names = ", ".join((w.name, *w.tied))
    total = w.at.n + sum(of for name, of in _alike(w) if name in w.tied)
    if not (w.alike(w.at.a, total) or not w.at.a.any()):
        return None
    told = f"a is the sum of n over {names}" if w.at.a.any() else "a is 0 under this name"
    text = (
        f"{names} are one array under two names (tied weights): each gradient is that of one use, pass the array once"
    )
    return Diagnosis("tied", text, f"they share memory; {told}")


def _alike(w: Wrong) -> Iterator[tuple[str, Array]]:
    """Yield the gradients of other arrays in the shape of this one, transposed where that gives it."""
    for name, n in w.alike_others():
        if n.shape == w.at.n.shape:
            yield name, n
        elif n.T.shape == w.at.n.shape:
            yield name, n.T


def one_array(w: Wrong) -> Diagnosis | None:
    """Remember that an array which no other relation explains has two names."""
    if not w.tied:
        return None
    text = (
        f"{', '.join((w.name, *w.tied))} are one array under two names (tied weights): each gradient is that of one use"
    )
    return Diagnosis("tied", text, "they share memory")


def leaks(w: Wrong) -> Diagnosis | None:
    """Find gradients of entries that the loss does not depend on."""
    n = np.abs(w.at.n[w.bad])
    if w.at.scale == 0:
        return Diagnosis("mask", "a gradient where there is none", "the loss does not depend on this array at all")
    if np.any(n > 1e-12 * w.at.scale):
        return None
    return Diagnosis(
        "mask",
        "entries that the loss does not depend on (masked, dropped or unused) get a gradient",
        f"the numerical derivative is 0 at all {n.size} wrong entries, and the others are right",
    )


def other_mask(w: Wrong) -> Diagnosis | None:
    """Find zeros in other places than they should be."""
    a, n, small = np.abs(w.at.a[w.bad]), np.abs(w.at.n[w.bad]), 1e-12 * w.at.scale
    leaking, lost = (n <= small) & (a > small), (a <= small) & (n > small)
    if not (leaking.any() and lost.any() and (leaking | lost).all()):
        return None
    return Diagnosis(
        "mask",
        "another mask than the forward pass's",
        f"{int(leaking.sum())} entries get a gradient that have none, {int(lost.sum())} get none that have one",
    )


def leaking_slices(w: Wrong) -> Diagnosis | None:
    """Find whole samples or steps of an input that the loss does not depend on, and that get a gradient."""
    a, n = w.at.a, w.at.n
    if w.name not in INPUTS or a.ndim < 2 or not w.whole:
        return None
    unused = (n == 0).all(-1) & (a != 0).any(-1)
    if not unused.any():
        return None
    told = f"the numerical derivative is 0 in {int(unused.sum())} of {unused.size} rows, a is not"
    return Diagnosis("mask", "samples or steps that are masked or padded are taken for real ones", told)


def all_zero(w: Wrong) -> Diagnosis | None:
    """Find zeros where there should be a gradient: in the whole array, or in two entries at least."""
    if np.any(w.at.a[w.bad]) or (np.any(w.at.a) and w.bad.sum() < 2):
        return None
    return Diagnosis("zero", "zero, where there should be a gradient", f"up to {w.at.scale:.3g}")


def sign(w: Wrong) -> Diagnosis | None:
    """Find a = -n."""
    a, n = w.at.a[w.bad], w.at.n[w.bad]
    return Diagnosis("sign", "the sign is flipped", f"a = -n at all {a.size} wrong entries") if w.alike(a, -n) else None


def transposed(w: Wrong) -> Diagnosis | None:
    """Find a = nᵀ, in the whole array or in each of the blocks that are wrong."""
    if w.at.a.ndim != 2 or not w.whole:
        return None
    wrong = {name: index for name, index in w.blocks.items() if np.any(w.bad[index])} or {"": np.s_[:]}
    pairs = [(w.at.a[index], w.at.n[index]) for index in wrong.values()]
    if not all(a.ndim == 2 and a.shape[0] == a.shape[1] > 1 and w.alike(a, n.T) for a, n in pairs):
        return None
    return Diagnosis("transpose", "transposed", "a = nᵀ, entry for entry")


def other_array(w: Wrong) -> Diagnosis | None:
    """Find the gradient of another array, or its transpose."""
    for name, n in w.alike_others():
        if w.alike(w.at.a, n):
            return Diagnosis("other array", f"this is the gradient of {name}", f"a = n of {name}, entry for entry")
        if n.ndim == 2 and w.alike(w.at.a, n.T):
            return Diagnosis("other array", f"this is the gradient of {name}, transposed", f"a = nᵀ of {name}")
    return None


def constant_factor(w: Wrong) -> Diagnosis | None:
    """Find a = c n, and a name for c."""
    a, n = w.at.a[w.bad], w.at.n[w.bad]
    c = ratio(a, n)
    if c == 0 or not w.alike(a, c * n) or not w.alike(a / c, n):
        return None
    dropout, named = name_factor(c, w.numbers) if abs(c - 1) > 1e-5 else (False, "")  # 1 has too many names
    if np.count_nonzero(np.abs(n) > 1e-3 * w.at.scale) < 3 and not named:
        return None  # two numbers always have some ratio
    told = f"a = {c:.6g} n at all {a.size} wrong entries"
    shown = f"{c:.4g}" if abs(c - 1) > 1e-3 else f"1 {c - 1:+.1e}"
    text = f"{shown}{f', which is {named}' if named not in ('', shown) else ''}"
    if dropout:
        return Diagnosis("dropout", f"off by the factor {text}: a dropout that was not rescaled", told)
    return Diagnosis("factor", f"off by the constant factor {text}", told)


def other_block(w: Wrong) -> Diagnosis | None:
    """Find the gradient of another block: of this array, or of another one."""
    if not w.whole:
        return None
    blocks = dict(w.blocks) or parts(w.at.a.shape)
    copied: dict[str, str] = {}
    for name, index in blocks.items():
        if not np.any(w.bad[index]):
            continue
        mine = w.at.a[index]
        if mine.size < 2:
            continue  # one number is easily like another
        for other, there in blocks.items():
            if other != name and np.any(w.at.n[there]) and w.alike(mine, w.at.n[there]):
                copied[name] = other
        for other, n in w.alike_others():
            if n.shape == w.at.n.shape and w.alike(mine, n[index]):
                copied[name] = f"{name} of {other}"
    if not copied:
        return None
    told = ", ".join(f"{name} has that of {other}" for name, other in copied.items())
    if len(copied) > 1 and set(copied) == set(copied.values()):
        return Diagnosis("order", "blocks are exchanged", told)
    return Diagnosis("other array", "another block's gradient", told)


def other_order(w: Wrong) -> Diagnosis | None:
    """Find the values of n in other places, moved by a rule."""
    a, n = w.at.a, w.at.n
    if not w.whole or a.size < 2:
        return None
    for text, moved, kept in _reorderings(n):
        if w.alike(a[kept], moved[kept]):
            return Diagnosis("order", f"the right values in other places: {text}", "n, moved so, is a")
    return None


def _reorderings(n: Array) -> Iterator[tuple[str, Array, tuple[slice, ...]]]:
    """Yield n in other orders, and where to compare: what a shift lets in at the end is anybody's."""
    every = (slice(None),) * n.ndim
    if n.ndim >= 2:
        yield "reshaped in column-major order", n.ravel(order="F").reshape(n.shape), every
        yield "reshaped in column-major order", n.ravel().reshape(n.shape, order="F"), every
    for axis in range(n.ndim):
        yield f"axis {axis} is reversed", np.flip(n, axis), every
        if n.shape[axis] > 2:
            for by, kept in ((1, slice(1, None)), (-1, slice(None, -1))):
                within = (*every[:axis], kept, *every[axis + 1 :])
                yield f"shifted by one along axis {axis}", np.roll(n, by, axis), within


def other_places(w: Wrong) -> Diagnosis | None:
    """Find the values of n in places that follow no rule of ours."""
    if not w.whole or w.bad.sum() < 3 or not w.alike(np.sort(w.at.a, axis=None), np.sort(w.at.n, axis=None)):
        return None
    return Diagnosis("order", "the right values in other places", "sorted, a and n are the same numbers")


def known_difference(w: Wrong) -> Diagnosis | None:
    """Find what is missing: a multiple of the parameter, or of another array's gradient."""
    if w.bad.sum() < 3:
        return None  # few numbers are easily a multiple of others
    gap = np.where(np.isnan(w.at.n), 0, w.at.n - w.at.a)
    c = ratio(gap, w.param)
    if c and w.alike(gap, c * w.param):
        evidence = f"n - a = {c:.6g} × the parameter; weight decay?"
        return Diagnosis("term", "a multiple of the parameter itself is missing", evidence, sure=True)
    for name, n in w.alike_others():
        c = ratio(gap, n) if n.shape == gap.shape else 0
        if c and w.alike(gap, c * n):
            text = f"{c:.4g} × the gradient of {name} is missing"
            return Diagnosis("term", text, "n - a is a multiple of it", sure=True)
    return None


def whole_parts(w: Wrong) -> Diagnosis | None:
    """Find a difference in whole multiples of 1 / N: counts, as the targets of a softmax leave them in its bias.

    There n sums to 0, since a shift of all scores changes nothing, and is no multiple of 1 / N itself, as the
    gradient of
    a sum of ReLUs is: probabilities are in it.
    """
    gap: Array = w.at.n - w.at.a
    if gap.ndim != 1 or gap.size < 3 or not w.whole or np.ptp(gap) < 1e-6 * np.abs(gap).max():
        return None
    if abs(w.at.n.sum()) > 1e-9 * max(1.0, np.abs(w.at.n).sum()):
        return None
    for N in range(1, 65):
        if not _whole(gap * N) or np.abs(gap * N).max() < 0.5 or _whole(w.at.n * N):
            continue
        told = f"n - a is whole multiples of 1 / {N}"
        if abs(gap.sum()) < 1e-9:
            return Diagnosis("term", "other targets than the loss's", f"{told}, and a sums to 0 as n does", sure=True)
        if np.all(gap <= 1e-6) or np.all(gap >= -1e-6):
            return Diagnosis("term", "the targets are left out, or some of them", f"{told}; a softmax's?", sure=True)
    return None


def _whole(numbers: Array) -> bool:
    return bool(np.abs(numbers - np.round(numbers)).max() <= 1e-6)


def lost_invariance(w: Wrong) -> Diagnosis | None:
    """Find an invariance of the loss that n has and a has not: by a shift or a scale of the array, along an axis.

    A normalisation by mean and variance, or a softmax, makes the loss invariant; what keeps its gradient so is the path
    through the mean, the variance, or the sum.
    """
    a, n, x = w.at.a, w.at.n, w.param
    if a.ndim < 2 or not w.whole or a.size < 3 * max(a.shape):  # too few lines: it might be chance
        return None
    whole_n, whole_a, size = (n * x).sum(), (a * x).sum(), np.abs(n * x).sum()
    if abs(whole_n) < 1e-4 * size < 1e-3 * abs(whole_a):
        text = "a path is missing, such as that through the length of a normalisation"
        return Diagnosis("term", text, "a scale does not change the loss (n · x is 0), but a says that it does")
    for axis in range(a.ndim):
        centred = x - x.mean(axis, keepdims=True)
        for change, along in (("shift", np.ones_like(x)), ("scale", centred), ("scale", x)):
            size = np.abs(n * along).sum(axis) + 1e-300
            of_n, of_a = (np.abs((g * along).sum(axis)) / size for g in (n, a))
            if np.all(of_n < 0.02) and np.any(of_a > 0.1):
                through = "mean or a sum" if change == "shift" else "variance or the length"
                return Diagnosis(
                    "term",
                    f"a path is missing, such as that through the {through} of a normalisation",
                    f"a {change} along axis {axis} does not change the loss (n sums to 0), but a says that it does",
                )
    return None


def lower_rank(w: Wrong) -> Diagnosis | None:
    """Find outer products that were not summed: a has a lower rank than n, or n - a has."""
    a, n = w.at.a, w.at.n
    if a.ndim != 2 or not w.whole:
        return None
    rows = w.bad.any(1)  # the others may be products of something else
    of_a, of_n, of_gap = (w.rank(x[rows]) for x in (a, n, n - a))
    if w.alone and of_a < of_n:  # if others are wrong too, it may be narrow elsewhere
        text = "terms of a sum are missing: `=` where `+=` should be, or only one step or row was taken"
        return Diagnosis("term", text, f"a has rank {of_a}, n has rank {of_n}")
    if w.alone and rows.all() and 0 < of_gap < of_n:
        text = "a term of a sum is missing or left over"
        return Diagnosis("term", text, f"n - a has rank {of_gap}, n has rank {of_n}")
    return None


def some_rows(w: Wrong) -> Diagnosis | None:
    """Find rows that are right beside rows that are wrong, where nobody named blocks."""
    m = w.at.a.shape[0] if w.at.a.ndim else 0
    if not m or w.blocks:
        return None
    large = np.abs(np.nan_to_num(w.at.n)) > 1e-3 * w.at.scale
    wrong, used = w.bad.reshape(m, -1).any(1), large.reshape(m, -1).any(1)  # (m, …) -> (m, rest)
    if not np.any(used & ~wrong):
        return None
    told = f"{int(wrong.sum())} of {m} rows"
    if not w.alone:  # units that are wrong where a ReLU was off for some sample
        return Diagnosis("derivative", f"no simple relation of a and n in {told}", SOME_ROWS)
    return Diagnosis("term", f"a term is missing or left over in {told}", SOME_ROWS)


RELATIONS = (
    not_finite,
    sum_of_uses,
    leaks,
    other_mask,
    all_zero,
    sign,
    transposed,
    other_array,
    constant_factor,
    other_order,
    other_block,
    other_places,
    leaking_slices,
    one_array,
    known_difference,
    whole_parts,
    lost_invariance,
    lower_rank,
    some_rows,
)


def unexplained(w: Wrong) -> Diagnosis:
    """Return what is left where no relation holds: a derivative is what most often goes wrong in this way."""
    where = place(w.bad, w.at.known, w.blocks)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (w.at.a / w.at.n)[w.bad & (np.abs(w.at.n) > 1e-3 * w.at.scale)]
    return Diagnosis(
        "derivative",
        f"no simple relation of a and n{f', in {where}' if where else ''}",
        f"a / n from {spread.min():.3g} to {spread.max():.3g}" if spread.size else "n is about 0",
        (w.name,),
    )


def ratio(one: Array, two: Array) -> float:
    """Return the c for which c · two is nearest to one."""
    size = float(np.vdot(two, two))
    return float(np.vdot(two, one)) / size if size else 0.0
