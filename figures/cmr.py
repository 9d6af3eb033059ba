"""Draw what the experiment `cmr` found, from cmr.csv: cmr.md and cmr.png."""

from results import COLORS, SEEDS, Results, bits, difference, dots, figure, less, spread, style

ROWS = {"both": ("blue", "o", "-"), "sparse": ("red", "s", "--"), "exclusive": ("green", "^", "-."),
        "elements": ("pink", "D", ":")}  # fmt: skip
RATES = (0.1, 0.2, 0.3, 0.5, 0.7)
SCHEDULES = {"annealed": "falls along the ramp", "ramp": "until the ramp ends", "constant": "to the end"}


def of(rows: str, rate: float, per: str = "step", schedule: str = "annealed") -> str:
    """Return the variant that drops these rows at this rate, or the name it would have."""
    if per == "sequence":
        return f"a sequence, cmr_rows {rows}, cmr {rate}"
    if schedule != "annealed":
        return f"schedule, cmr_rows {rows}, cmr_schedule {schedule}"  # all of rate 0.1
    return f"rows and rate, cmr_rows {rows}, cmr {rate}"


FAMILY = [
    *((rows, rate, "step", "annealed") for rows in ROWS for rate in RATES),
    *((rows, 0.1, "step", schedule) for rows in ROWS for schedule in ("ramp", "constant")),
    *((rows, rate, "sequence", "annealed") for rows in ROWS for rate in RATES),
]


def main() -> None:
    """Write the table and draw the picture."""
    cmr = Results("cmr")
    without = cmr.test("doped")
    nothing = {"drops": "nothing", "rate": "–", "masks": "–", "schedule": "–", "test": spread(without.values())}
    table = [nothing | {"less without": "–", "on the validation text": "–"}]
    table += [
        {
            "drops": rows,
            "rate": str(rate),
            "masks": f"a {per}",
            "schedule": SCHEDULES[schedule],
            "test": spread(cmr.test(variant).values()),
            "less without": difference(cmr.test(variant), without),
            "on the validation text": difference(bits(cmr.valid(variant)), bits(cmr.valid("doped"))),
        }
        for rows, rate, per, schedule in FAMILY
        if cmr.of(variant := of(rows, rate, per, schedule))
    ]
    cmr.write(SEEDS, table)
    with style():
        picture = figure(11, 4.5)
        left, right = picture.subplots(1, 2, width_ratios=[1.1, 1])
        for rows, (color, marker, line) in ROWS.items():
            found = {rate: values for rate in RATES if (values := less(cmr.test(of(rows, rate)), without))}
            how = {"color": COLORS[color], "marker": marker}
            means = [sum(values) / len(values) for values in found.values()]
            left.plot(list(found), means, linestyle=line, label=rows, **how)
            for rate, values in found.items():
                left.plot([rate] * len(values), values, linestyle="", markersize=3, alpha=0.6, **how)
        left.set(xlabel="rate at the start, falling to 0 along the ramp", xticks=RATES)
        left.set(ylabel="test bits a character, less those without CMR", title="Which rows to drop, and how often")
        left.legend(title="drops rows of")
        names = []
        for rows in ("both", "sparse", "exclusive"):
            color, marker, _ = ROWS[rows]
            for what, variant in {
                "0.1, falling": of(rows, 0.1),
                "0.1, until the ramp ends": of(rows, 0.1, schedule="ramp"),
                "0.1, to the end": of(rows, 0.1, schedule="constant"),
                "0.1, a mask a sequence": of(rows, 0.1, "sequence"),
                "0.3, falling": of(rows, 0.3),
                "0.3, a mask a sequence": of(rows, 0.3, "sequence"),
            }.items():
                dots(right, len(names), less(cmr.test(variant), without), color=COLORS[color], marker=marker)
                names.append(f"{rows} {what}")
        right.set(yticks=range(len(names)), yticklabels=names, ylim=(max(len(names), 1) - 0.5, -0.5))
        right.set(xlabel="test bits a character, less those without CMR", title="For how long, and a mask of what")
        left.axhline(0, color="0.6", linewidth=0.8)
        right.axvline(0, color="0.6", linewidth=0.8)
        picture.suptitle("Co-matrix dropout, its family (below and left of 0 it pays): seeds small, means large")
        cmr.draw("cmr", picture)


if __name__ == "__main__":
    main()
