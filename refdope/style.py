"""The look of all pictures: readable in grey and for the colour-blind."""

from typing import Any

RC: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "font.size": 9,
    # Okabe and Ito's colours
    "axes.prop_cycle": "cycler('color', ['#0072B2', '#D55E00', '#009E73', '#E69F00', '#000000', '#56B4E9', '#CC79A7'])",
    "lines.linewidth": 1.6,
    "figure.dpi": 130,
    "savefig.facecolor": "white",
}

# Okabe and Ito's colours, told apart by the colour-blind; line styles tell them apart in grey
STYLE = {
    "dense": ("#000000", "-"),
    "pruned": ("#E69F00", "--"),
    "structure": ("#009E73", "-."),
    "doped": ("#0072B2", "-"),
    "doped + CMR": ("#D55E00", (0, (4, 1))),
}
