import numpy as np
import pytest
from matplotlib.figure import Figure

from refdope.analysis import plots

LOSSES = {"loss": [8.0, 5.0], "without_overlay": [8.0, 7.0], "without_structure": [8.0, 6.0]}  # nats


@pytest.mark.parametrize(("level", "lowest", "highest"), [("char", 5 / np.log(2), 8 / np.log(2)), ("word", 148, 2981)])
def test_the_parts_fill_their_panel_in_bits_and_in_perplexity(level, lowest, highest):
    of = [{name: str(losses[step]) for name, losses in LOSSES.items()} for step in (0, 1)]
    rows = [
        {"model": name, "step": str(step), "density": "1", "share": "0.9"} | of[step]
        for name in plots.DOPED
        for step in (0, 1)
    ]
    courses = {name: plots._course(rows, name, level) for name in plots.DOPED}
    axes = Figure().subplots()
    plots._parts(axes, courses, {"level": level})
    where = axes.transAxes.inverted().transform(axes.transData.transform([[0, lowest], [0, highest]]))[:, 1]
    assert 0.02 < where[0] < 0.1
    assert 0.7 < where[1] < 0.9  # room for the legend above


def test_a_perplexity_is_averaged_over_seeds_as_in_the_table():
    rows = [{"model": "dense", "step": "0", **dict.fromkeys(["density", "share", *LOSSES], v)} for v in ("1", "3")]
    assert plots._course(rows, "dense", "word")["loss"] == pytest.approx([(np.e + np.e**3) / 2])
