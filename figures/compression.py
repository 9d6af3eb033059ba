"""Draw what the experiment `compression` found, from compression.csv: compression.md and compression.png."""

import numpy as np
from results import COLORS, SEEDS, Results, difference, figure, less, share, spread, style

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
    ("pruned, its rows dropped", "pruned"),
)
FACTORS = (5, 10, 20, 40, 80, 100)
PAYS = (20, 40, 80)  # where CMR lowers the loss of doped KP in every seed
RIVALS = ("pruned", "pruned, its rows dropped", "doped KP + CMR")  # of KP alone, at its own factor


def own_factor(found: Results, variant: str) -> float:
    """Return the factor that a variant's runs reached."""
    return float(next(iter(found.of(variant).values()))["lstm_factor"])


def between(found: Results, method: str, factor: float) -> dict[int, float]:
    """Return a method's loss at a factor between those that were run, by seed: linear in the factor's logarithm."""
    names = [name for f in FACTORS if found.of(name := f"{method}, factor {f}")]
    points = sorted((own_factor(found, name), name) for name in names)
    if not points or not 0.98 * points[0][0] <= factor <= 1.02 * points[-1][0]:
        return {}
    seeds = set.intersection(*(set(found.test(name)) for _, name in points))
    x = np.log([f for f, _ in points])
    return {s: float(np.interp(np.log(factor), x, [found.test(name)[s] for _, name in points])) for s in sorted(seeds)}


def at_its_own_factor(found: Results) -> list:
    """Tabulate KP alone beside its rivals at the factor that it reached, for each that was asked."""
    rows = []
    for asked in FACTORS:
        if found.of(name := f"KP, factor {asked}"):
            own, kp = own_factor(found, name), found.test(name)
            row = {"asked": f"{asked}x", "KP reaches": f"{own:.1f}x", "KP": spread(kp.values())}
            for rival in RIVALS:
                there = between(found, rival, own)
                row[f"{rival}, there"] = spread(there.values())
                row[f"KP less {rival}"] = difference(kp, there)
            rows.append(row)
    told = (
        "KP alone at its own factor, and its rivals there: between the factors that they were run at, in its logarithm."
    )
    return [told, rows] if rows else []


def without_a_second(found: Results) -> list[str]:
    """Say how much of what CMR brings doped KP the same dropout brings a pruned matrix, from 20x on."""
    needed = ("pruned, its rows dropped", "pruned", "doped KP + CMR", "doped KP")
    if not all(found.of(f"{method}, factor {factor}") for factor in PAYS for method in needed):
        return []
    alone, doped = (
        [less(found.test(f"{one}, factor {f}"), found.test(f"{other}, factor {f}")) for f in PAYS]
        for one, other in (needed[:2], needed[2:])
    )
    which = ", ".join(f"{f}x" for f in PAYS)
    return [
        f"Rows dropped, in sum over {which}: a pruned matrix gains {share(alone, doped)} of what CMR brings doped KP."
    ]


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
        table.append(row)
    found.write(
        f"{SEEDS} The dense model: {spread(dense.values())}. A method has at most m·n / factor parameters. Pruned and"
        " doped matrices have as many, to 1 %; LMF nearly so, by its rank. A Kronecker product may have far fewer,"
        " since its next size up is too large. So it is compared at its own factor, below and in the picture.",
        table,
        *at_its_own_factor(found),
        *without_a_second(found),
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
