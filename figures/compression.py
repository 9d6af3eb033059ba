"""Draw what the experiment `compression` found, from compression.csv: compression.md and compression.png."""

import numpy as np
from results import COLORS, SEEDS, Results, difference, figure, spread, style

METHODS = {
    "pruned": ("orange", "s", "--"),
    "pruned, its rows dropped": ("black", "x", "--"),
    "doped KP": ("blue", "o", "-"),
    "doped KP + CMR": ("red", "D", "-"),
    "doped LMF + CMR": ("sky", "d", "-"),
    "KP": ("green", "^", "-."),
    "LMF": ("pink", "v", ":"),
}
PAIRS = (
    ("doped KP", "pruned"),
    ("doped KP + CMR", "doped KP"),
    ("doped KP + CMR", "pruned"),
    ("doped KP + CMR", "pruned, its rows dropped"),
    ("doped KP + CMR", "KP"),
    ("pruned, its rows dropped", "pruned"),
)
FACTORS = (5, 10, 20, 40, 80, 100)


def main() -> None:
    """Write the table and draw the picture."""
    found = Results("compression")
    dense = found.test("dense")
    table = []
    for factor in FACTORS:
        row = {"asked": f"{factor}x"}
        for method in METHODS:
            row[method] = spread(found.test(f"{method}, factor {factor}").values())
        for one, other in PAIRS:
            row[f"{one} less {other}"] = difference(
                found.test(f"{one}, factor {factor}"), found.test(f"{other}, factor {factor}")
            )
        own = list(found.of(f"KP, factor {factor}").values())
        row["KP's own factor"] = f"{float(own[0]['lstm_factor']):.1f}x" if own else "–"
        table.append(row)
    found.write(
        f"{SEEDS} The dense model: {spread(dense.values())}. A method has at most m·n / factor parameters; a Kronecker"
        " product may have far fewer: its own factor stands at the end, and in the picture.",
        table,
    )
    with style():
        picture = figure(8, 4.8)
        axes = picture.subplots()
        for method, (color, marker, line) in METHODS.items():
            how = {"color": COLORS[color], "marker": marker}
            points = []
            for factor in FACTORS:
                runs = found.of(f"{method}, factor {factor}")
                if runs:
                    own = float(next(iter(runs.values()))["lstm_factor"])
                    values = list(found.test(f"{method}, factor {factor}").values())
                    axes.plot([own] * len(values), values, linestyle="", markersize=3, alpha=0.6, **how)
                    points.append((own, np.mean(values)))
            if points:
                axes.plot(*zip(*sorted(points), strict=True), linestyle=line, label=method, **how)
        axes.axhspan(min(dense.values()), max(dense.values()), color="0.5", alpha=0.25, linewidth=0)
        axes.axhline(np.mean(list(dense.values())), color="0.4", linewidth=0.8, label="dense")
        axes.set(xscale="log", xticks=FACTORS, xticklabels=[f"{f}x" for f in FACTORS])
        axes.minorticks_off()
        axes.set(xlabel="compression of the LSTM matrices", ylabel="test bits a character")
        axes.set_title("What compression costs: seeds small, lines through their means")
        axes.legend(frameon=False)
        found.draw("compression", picture)


if __name__ == "__main__":
    main()
