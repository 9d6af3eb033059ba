"""Draw what the experiment `shapes` found, from shapes.csv: shapes.md and shapes.png."""

from results import COLORS, SEEDS, Results, difference, dots, figure, less, spread, style

STARTS, ENDS = (0.05, 0.2), (0.3, 0.5, 0.7, 0.9)
PAIRS = {  # what is compared: a name, the first variant, the second
    **{
        f"a matrix a gate less one for all, doped {name}": tuple(
            f"gates, structure {kind}, gates {gates}" for gates in ("each", "one")
        )
        for kind, name in (("kronecker", "Kronecker"), ("lmf", "LMF"), ("hmd", "HMD"))
    },
    **{
        f"one matrix on [x; h] less two, {'doped ' if overlay else ''}{name}": tuple(
            f"{variant}, joint {joint}, overlay {overlay}" for joint in (True, False)
        )
        for name, variant in (("Kronecker", "matrices"), ("LMF", "matrices, LMF"))
        for overlay in (True, False)
    },
    "one matrix on [x; h] less two, pruned": ("matrices, pruned, joint True", "matrices, pruned, joint False"),
    **{
        f"doped Kronecker less pruned at 10x, {which}": (
            f"matrices, joint {joint}, overlay True",
            f"matrices, pruned, joint {joint}",
        )
        for joint, which in ((False, "two matrices"), (True, "one on [x; h]"))
    },
    "doped HMD, one a gate, less pruned at 10x": ("gates, structure hmd, gates each", "matrices, pruned, joint False"),
    **{
        f"A of {first} less A of 20x10, {'doped ' if overlay else ''}Kronecker": tuple(
            f"factors, first {shape}, overlay {overlay}" for shape in (first, "20x10")
        )
        for first in ("25x10", "8x25", "50x4", "80x20")
        for overlay in (True, False)
    },
}


def main() -> None:
    """Write the tables and draw the picture."""
    shapes = Results("shapes")
    ramps = [
        {
            "ramp": f"{start:.0%} to {end:.0%}",
            "pruned": spread(shapes.test(f"ramp, pruned, ramp_start {start}, ramp_end {end}").values()),
            "doped": spread(shapes.test(f"ramp, ramp_start {start}, ramp_end {end}").values()),
            "doped less pruned": difference(
                shapes.test(f"ramp, ramp_start {start}, ramp_end {end}"),
                shapes.test(f"ramp, pruned, ramp_start {start}, ramp_end {end}"),
            ),
        }
        for start in STARTS
        for end in ENDS
    ]
    pairs = [
        {
            "first less second": name,
            "first": spread(shapes.test(one).values()),
            "second": spread(shapes.test(other).values()),
            "difference": difference(shapes.test(one), shapes.test(other)),
            "parameters": " and ".join(next(iter(shapes.of(v).values()))["lstm_params"] for v in (one, other)),
        }
        for name, (one, other) in PAIRS.items()
        if shapes.of(one) and shapes.of(other)
    ]
    shapes.write(SEEDS, ramps, "What the matrices are made of:", pairs)
    with style():
        picture = figure(11, 4.5)
        left, right = picture.subplots(1, 2, width_ratios=[1, 1.2])
        for what, color, line in (("ramp, pruned", "orange", "--"), ("ramp", "blue", "-")):
            for start, marker in zip(STARTS, "os", strict=True):
                found = {end: list(shapes.test(f"{what}, ramp_start {start}, ramp_end {end}").values()) for end in ENDS}
                found = {end: values for end, values in found.items() if values}
                how = {"color": COLORS[color], "marker": marker}
                label = f"{'doped' if what == 'ramp' else 'pruned'}, from {start:.0%}"
                left.plot(list(found), [sum(v) / len(v) for v in found.values()], linestyle=line, label=label, **how)
                for end, values in found.items():
                    left.plot([end] * len(values), values, linestyle="", markersize=3, alpha=0.6, **how)
        left.set(xlabel="share of training after which the ramp ends", ylabel="test bits a character", xticks=ENDS)
        left.set_title("When the overlay loses its entries")
        left.legend(frameon=False)
        names = [name for name, (one, other) in PAIRS.items() if shapes.of(one) and shapes.of(other)]
        for y, name in enumerate(names):
            values = less(*(shapes.test(variant) for variant in PAIRS[name]))
            dots(right, y, values, color=COLORS["blue" if "doped" in name else "green"], marker="o")
        right.axvline(0, color="0.6", linewidth=0.8)
        right.set(yticks=range(len(names)), yticklabels=names, ylim=(max(len(names), 1) - 0.5, -0.5))
        right.set(xlabel="test bits a character (below 0 the first is better)")
        right.set_title("What the matrices are made of")
        shapes.draw("shapes", picture)


if __name__ == "__main__":
    main()
