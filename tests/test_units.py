from math import exp, log

import pytest

from refdope.units import brief_unit, in_unit, unit


def test_losses_are_told_in_the_unit_of_their_level():
    assert in_unit(log(8), "char") == pytest.approx(3)
    assert in_unit(log(8), "word") == pytest.approx(8)
    assert in_unit(1e9, "word") == exp(700)  # of a run that diverges
    assert (unit("char"), unit("word")) == ("bits per character", "perplexity")
    assert (brief_unit("char"), brief_unit("word")) == ("bits/char", "perplexity")
