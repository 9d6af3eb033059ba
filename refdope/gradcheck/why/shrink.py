"""How an error changes when all parameters shrink: it tells a wrong derivative from a wrong term.

Near zero every non-linearity is linear: tanh' is 1, σ' is ¼. With all parameters times s, as s falls,

    a derivative that is left out or another one    the error goes with s², or a = c n with one c (4, for σ' left out)
    a path or an operand that weights multiply      the error goes with s
    a term or an operand that nothing multiplies    the error stays, and follows no factor

so that what looks alike at one point, a gradient that is wrong all over, is told apart by three.
"""

from typing import NamedTuple

import numpy as np

from refdope.gradcheck.calls import Calls
from refdope.gradcheck.oracles import Around, complex_derivative, strictly_analytic
from refdope.gradcheck.tree import Array
from refdope.gradcheck.why.relations import ratio

SCALES = (1e-2, 1e-3)


class Shrunk(NamedTuple):
    """One array's error near zero."""

    error: float  # max |a - n| / max |n| at the smaller scale
    falls: float  # by what it fell from the larger scale to the smaller, ten times smaller one
    factor: float  # c of a ≈ c n over the wrong entries, at the smaller scale
    follows: bool  # whether a → c n

    @property
    def steady(self) -> bool:
        """Whether the error stays, and is no factor."""
        return self.falls < 5 and not self.follows

    @property
    def by_factor(self) -> bool:
        """Whether it stays, and is a factor."""
        return self.follows and abs(self.factor - 1) > 0.02


def shrink(calls: Calls, bad: dict[str, Array]) -> dict[str, Shrunk]:
    """Look at arrays near zero, over the entries that are wrong.

    Parameters
    ----------
    calls : Calls
        Of which grads must be callable.
    bad : dict of bool array
        Which entries of which arrays.

    Returns
    -------
    dict
        Empty where foreign code does not go there, or is not analytic.
    """
    if not callable(calls.problem.grads):
        return {}
    try:
        (a2, n2), (a3, n3) = (_at(calls, list(bad), s) for s in SCALES)
    except Exception:  # out of the domain of foreign code
        return {}
    return {name: _compare(a2[name], n2[name], a3[name], n3[name], bad[name]) for name in bad}


def _at(calls: Calls, names: list[str], scale: float) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the gradients as given and by the complex step, with all parameters times a scale."""
    there = calls.problem.copies(scale=scale)
    given = calls.elsewhere(there)
    around = Around(calls.problem.at(there), np.complex128)
    with strictly_analytic():
        return given, {name: around.entries(name, complex_derivative) for name in names}


def _compare(a2: Array, n2: Array, a3: Array, n3: Array, bad: Array) -> Shrunk:
    errors, rests = [], []
    for a, n in ((a2, n2), (a3, n3)):
        size = np.abs(n).max(initial=0.0) or 1.0
        c = ratio(a[bad], n[bad])
        errors.append(float(np.abs(a - n).max(initial=0.0) / size))
        rests.append(float(np.abs(a[bad] - c * n[bad]).max(initial=0.0) / (np.abs(n[bad]).max(initial=0.0) or 1.0)))
    falls = errors[0] / max(errors[1], 1e-16)
    return Shrunk(errors[1], falls, c, rests[1] < max(0.2 * rests[0], 1e-9))
