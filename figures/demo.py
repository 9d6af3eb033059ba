"""Draw demo.png again from the files beside it, which `python -m refdope demo` wrote."""

import sys
from pathlib import Path

from refdope.analysis.plots import demo_figure
from refdope.files import whole

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
with whole(folder / "demo.png") as file:
    demo_figure(folder, file)
