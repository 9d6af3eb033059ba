"""Draw demo.png again from the files beside it, which `python -m refdope demo` wrote."""

from pathlib import Path

from refdope.analysis.plots import demo_figure
from refdope.files import whole

folder = Path(__file__).parent
with whole(folder / "demo.png") as file:
    demo_figure(folder, file)
