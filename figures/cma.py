"""Draw what the experiment `cma` found, from cma.csv and cma_courses.csv: cma.md and three pictures."""

from matplotlib.lines import Line2D
from results import BITS, COLORS, SEEDS, Results, band, difference, dots, figure, less, share, spread, style

# what is varied, and its variants: pruned, doped, doped with CMR
KP = "structure kronecker"
SETTINGS = {
    "Kronecker, as the demo": ("pruned", f"doped, {KP}", f"doped + CMR, {KP}"),
    "LMF": ("pruned", "doped, structure lmf", "doped + CMR, structure lmf"),
    "HMD": ("pruned", "doped, structure hmd", "doped + CMR, structure hmd"),
    "three times as long": ("longer, pruned", "longer, doped, cmr 0.0", "longer, doped, cmr 0.1"),
    "H 200": ("larger, pruned", "larger, doped, cmr 0.0", "larger, doped, cmr 0.1"),
}
for end in (0.3, 0.9):
    for rate in (0.1, 0.3):
        SETTINGS[f"ramp ends at {end:.0%}" + (", CMR 0.3" if rate == 0.3 else "")] = (
            f"ramp, pruned, ramp_end {end}",
            f"ramp, doped, ramp_end {end}, cmr 0.0",
            f"ramp, doped, ramp_end {end}, cmr {rate}",
        )
for rate in (0.25, 0.5):
    SETTINGS[f"dropout {rate}"] = (
        f"dropout, pruned, dropout {rate}",
        *(f"dropout, doped, dropout {rate}, cmr {cmr}" for cmr in (0.0, 0.1)),
    )
for lr in (2.0, 6.0):
    SETTINGS[f"SGD, rate {lr:g}"] = (
        f"rival, SGD, pruned, lr {lr}",
        *(f"rival, SGD, lr {lr}, cmr {cmr}" for cmr in (0.0, 0.1)),
    )
DOPED = SETTINGS["Kronecker, as the demo"][1]
RIVALS = {
    "as the demo": DOPED,
    "with CMR 0.1": SETTINGS["Kronecker, as the demo"][2],
    "ramp in 4 prunings": "rival, in few prunings",
    "ramp in 200 prunings": "rival, in many prunings",
    "ramp ends at 30%": SETTINGS["ramp ends at 30%"][1],
    "ramp ends at 90%": SETTINGS["ramp ends at 90%"][1],
    "rate falls from 20%": "rival, early decay",
    "rate falls from 95%": "rival, late decay",
    "S is zero at the start": "rival, share, share 0.0",
    "S makes 50% at the start": "rival, share, share 0.5",
    "S makes 98% at the start": "rival, share, share 0.98",
    "L2 on S, 1e-5": "rival, L2 on S, l2_overlay 1e-05",
    "L2 on S, 1e-4": "rival, L2 on S, l2_overlay 0.0001",
    "L2 on S, 1e-3": "rival, L2 on S, l2_overlay 0.001",
    "in turns of 10 updates": "rival, in turns, alternate 10",
    "in turns of 100 updates": "rival, in turns, alternate 100",
}
# of a pruned matrix, with nothing under it: rows dropped as CMR drops them, or L2 on it; and what each is compared with
CONTROLS = {
    ("rows dropped", "Kronecker, as the demo"): ("control, rows of pruned, ramp_end 0.6", None),
    ("rows dropped", "ramp ends at 30%"): ("control, rows of pruned, ramp_end 0.3", None),
    ("rows dropped", "ramp ends at 90%"): ("control, rows of pruned, ramp_end 0.9", None),
    ("rows dropped", "three times as long"): ("control, longer", None),
    ("L2, 1e-5", "Kronecker, as the demo"): ("control, L2 on pruned, l2_overlay 1e-05", RIVALS["L2 on S, 1e-5"]),
    ("L2, 1e-4", "Kronecker, as the demo"): ("control, L2 on pruned, l2_overlay 0.0001", RIVALS["L2 on S, 1e-4"]),
}
# a pruned matrix as sparse as an overlay becomes, of which the structure has taken a part of the budget
AS_FAR = {
    "Kronecker, as the demo": "control, pruned as far, factor 24.69",
    "HMD": "control, pruned as far, factor 32.78",
    "LMF": "control, pruned as far, factor 39.2",
}
WAYS = {"pruned": (COLORS["orange"], "--", "s"), "doped": (COLORS["blue"], "-", "o"),
        "doped + CMR": (COLORS["red"], (0, (4, 1)), "D")}  # fmt: skip


def main() -> None:
    """Write the tables and draw the pictures."""
    cma = Results("cma")
    regime = [
        {
            "setting": name,
            "pruned": spread(cma.test(pruned).values()),
            "doped": spread(cma.test(doped).values()),
            "doped + CMR": spread(cma.test(cmr).values()),
            "doped less pruned": difference(cma.test(doped), cma.test(pruned)),
            "CMR less doped": difference(cma.test(cmr), cma.test(doped)),
            "CMR less pruned": difference(cma.test(cmr), cma.test(pruned)),
            "climb, pruned": spread(cma.climb(pruned).values(), 2),
            "doped ": spread(cma.climb(doped).values(), 2),
            "doped + CMR ": spread(cma.climb(cmr).values(), 2),
        }
        for name, (pruned, doped, cmr) in SETTINGS.items()
        if cma.of(doped)
    ]
    rivals = [
        {
            "doped Kronecker": name,
            "test": spread(cma.test(variant).values()),
            "less as the demo": difference(cma.test(variant), cma.test(DOPED)) if variant != DOPED else "–",
            "climb": spread(cma.climb(variant).values(), 2),
            "W_s explains at 500": spread(cma.at(variant, "structure_explains", 500).values(), 2),
            "S := 0": spread((v * BITS for v in cma.last(variant, "without_overlay").values()), 2),
            "W_s := 0": spread((v * BITS for v in cma.last(variant, "without_structure").values()), 2),
            "share of S": spread(cma.last(variant, "share").values(), 2),
        }
        for name, variant in RIVALS.items()
        if cma.of(variant)
    ]
    control = [
        {
            "setting": name,
            "control": what,
            "pruned": spread(cma.test(pruned).values()),
            "with it": spread(cma.test(variant).values()),
            "difference": difference(cma.test(variant), cma.test(pruned)),
            "what the same brings a doped matrix": difference(cma.test(cmr), cma.test(doped)),
            "doped less pruned, both with it": difference(cma.test(cmr), cma.test(variant)),
            "climb, pruned": spread(cma.climb(pruned).values(), 2),
            "with it ": spread(cma.climb(variant).values(), 2),
            "climb, doped": spread(cma.climb(doped).values(), 2),
            "with it  ": spread(cma.climb(cmr).values(), 2),
        }
        for (what, name), (variant, of_doped) in CONTROLS.items()
        for pruned, doped, cmr in [(*SETTINGS[name][:2], of_doped or SETTINGS[name][2])]
        if cma.of(variant)
    ]
    as_far = [
        {
            "under the overlay": name.partition(",")[0],
            "of S left at the end": f"{next(iter(cma.last(alone, 'density').values())):.2%}",
            "climb, doped": spread(cma.climb(doped).values()),
            "climb, pruned as far": spread(cma.climb(alone).values()),
            "difference": difference(cma.climb(doped), cma.climb(alone)),
            "test, doped": spread(cma.test(doped).values()),
            "test, pruned as far": spread(cma.test(alone).values()),
            "difference ": difference(cma.test(doped), cma.test(alone)),
        }
        for name, alone in AS_FAR.items()
        for doped in SETTINGS[name][1:2]
        if cma.last(alone, "density")
    ]
    cma.write(
        f"{SEEDS} *Climb*: by how much validation loss rose above its lowest so far, at most.",
        regime,
        "The structure takes its part of the budget from the overlay, which is pruned further than a pruned matrix is."
        " A matrix pruned as far, with nothing under it and fewer parameters in all:",
        as_far,
        "Rivals of the paper's story, without CMR unless it says so; S := 0 and W_s := 0 are validation bits at the end"
        " with one part set to zero. W_s explains 1 - var(S x) / var(z) of z, here at update 500.",
        rivals,
        "Controls: the same done to a pruned matrix, with nothing under it: rows dropped at the rate of CMR's, or L2.",
        control,
        *without_a_second(cma),
    )
    with style():
        cma.draw("cma", courses(cma))
        cma.draw("cma_regime", gains(cma))
        cma.draw("cma_rivals", rival_dots(cma))


def without_a_second(cma: Results) -> list[str]:
    """Say how much of what CMR brings a doped matrix the same dropout brings a pruned one, over all settings."""
    rows = [(pruned, v, *SETTINGS[name][1:]) for (what, name), (v, _) in CONTROLS.items()
            for pruned in SETTINGS[name][:1]
            if what == "rows dropped" and cma.of(v)]  # fmt: skip
    sums = []
    for quantity in (cma.test, cma.valid):
        alone = [less(quantity(dropped), quantity(pruned)) for pruned, dropped, _, _ in rows]
        doped = [less(quantity(cmr), quantity(plain)) for _, _, plain, cmr in rows]
        if not rows or any(len(seeds) != len(alone[0]) for seeds in alone + doped) or not alone[0]:
            return []
        sums.append(share(alone, doped))
    return [
        f"Rows dropped, in sum over the {len(rows)} settings: a pruned matrix gains {sums[0]} of what CMR brings a"
        f" doped one on the test text, and {sums[1]} on the validation text."
    ]


def courses(cma: Results) -> object:
    """Draw the course of training: a column a structure, a row a quantity."""
    picture = figure(11, 10)
    axes = picture.subplots(4, 3, sharex=True, sharey="row")
    for column, name in enumerate(("Kronecker, as the demo", "LMF", "HMD")):
        for way, variant in zip(WAYS, SETTINGS[name], strict=True):
            color, line, _ = WAYS[way]
            how = {"color": color, "linestyle": line}
            for row, quantity, scale in ((0, "loss", BITS), (1, "without_overlay", BITS), (2, "structure_explains", 1)):
                if way != "pruned" or row == 0:
                    steps, lines = cma.course(variant, quantity)
                    band(axes[row, column], steps[1:], lines[:, 1:] * scale if len(lines) else lines, **how, label=way)
            if way != "pruned":
                (steps, s), (_, o) = cma.course(variant, "structure_moves"), cma.course(variant, "overlay_moves")
                if len(s):
                    band(axes[3, column], steps[1:], s[:, 1:] / o[:, 1:], **how)
        steps, density = cma.course(SETTINGS[name][1], "density")
        if len(density):
            ax = axes[0, column].twinx()
            ax.fill_between(steps, density[0], color="0.5", alpha=0.13, linewidth=0)
            ax.set_ylim(0, 1)
            ax.set_yticks([])
            ax.spines["right"].set_visible(False)
        axes[0, column].set_title(f"{name.partition(',')[0]} + overlay")
        axes[3, column].set_xlabel("updates")
    axes[0, 0].set(ylabel="validation bits a character", ylim=(2.0, 3.6))
    axes[0, 0].legend(frameon=False)
    where = {"transform": axes[0, 1].transAxes, "ha": "right", "color": "0.35"}
    axes[0, 1].text(0.98, 0.95, "grey: share of the overlay alive", **where)
    axes[1, 0].set(ylabel="the same with S := 0")
    axes[2, 0].set(ylabel="variance of z that W_s explains", ylim=(0, 0.7))
    axes[3, 0].set(ylabel="an update moves W_s / S", yscale="log")
    axes[3, 0].set_yticks([0.3, 0.5, 1, 2, 4], [0.3, 0.5, 1, 2, 4], minor=False)
    axes[3, 0].set_yticks([], minor=True)
    return picture


def gains(cma: Results) -> object:
    """Draw what doping and CMR gain over pruning: a row a setting, both rates of CMR on it."""
    picture = figure(8, 5.2)
    axes = picture.subplots()
    strong = ", CMR 0.3"  # the same setting with more of it
    names = [name for name, (pruned, doped, _) in SETTINGS.items() if cma.of(pruned) and cma.of(doped)]
    names = [name for name in names if not name.endswith(strong)]
    for y, name in enumerate(names):
        pruned, doped, cmr = SETTINGS[name]
        stronger = SETTINGS.get(name + strong, ("", "", ""))[2]
        for color, marker, face, variant, off in (
            ("blue", "o", COLORS["blue"], doped, -0.2),
            ("red", "D", COLORS["red"], cmr, 0),
            ("red", "D", "white", stronger, 0.2),
        ):
            values = less(cma.test(variant), cma.test(pruned))
            dots(axes, y + off, values, color=COLORS[color], marker=marker, markerfacecolor=face)
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(max(len(names), 1) - 0.5, -0.5))
    axes.set(xlabel="test bits per character minus those of the pruned model (left is better)")
    axes.set_title("Test loss relative to pruning, 20x: seeds small, means large", pad=24)
    kinds = {
        "doped": ("blue", "o", "blue"),
        "doped + CMR 0.1": ("red", "D", "red"),
        "doped + CMR 0.3": ("red", "D", ""),
    }
    handles = [
        Line2D([], [], linestyle="", marker=m, color=COLORS[c], markerfacecolor=COLORS.get(f, "white"), markersize=7)
        for c, m, f in kinds.values()
    ]
    axes.legend(handles, kinds, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return picture


def rival_dots(cma: Results) -> object:
    """Draw how high validation loss climbs and where the test loss ends, under each rival explanation."""
    picture = figure(10, 5.5)
    left, right = picture.subplots(1, 2, sharey=True)
    names = [name for name, variant in RIVALS.items() if cma.of(variant)]
    for y, name in enumerate(names):
        how = {"color": COLORS["red"] if "CMR" in name else COLORS["blue"], "marker": "o"}
        dots(left, y, list(cma.climb(RIVALS[name]).values()), **how)
        dots(right, y, list(cma.test(RIVALS[name]).values()), **how)
    for axes, values in ((left, cma.climb(DOPED)), (right, cma.test(DOPED))):
        if values:
            axes.axvspan(min(values.values()), max(values.values()), color="0.5", alpha=0.15, linewidth=0)
    left.set(
        yticks=range(len(names)), yticklabels=names, ylim=(max(len(names), 1) - 0.5, -0.5), xlabel="bits a character"
    )
    left.set(xscale="log", xticks=[0.06, 0.12, 0.25, 0.5, 1, 2], xticklabels=[0.06, 0.12, 0.25, 0.5, 1, 2])
    left.minorticks_off()
    left.set_title("How far validation loss climbs")
    right.set(xlabel="bits a character")
    right.set_title("Test loss (grey: the demo's doped model)")
    return picture


if __name__ == "__main__":
    main()
