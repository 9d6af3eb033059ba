"""Draw what the experiment `cmr` found, from cmr.csv: cmr.md and cmr.png."""

from results import COLORS, SEEDS, Results, difference, figure, less, spread, style

ROWS = {"both": ("blue", "o", "-"), "sparse": ("red", "s", "--"), "exclusive": ("green", "^", "-."),
        "elements": ("pink", "D", ":")}  # fmt: skip
RATES = (0.1, 0.2, 0.3, 0.5, 0.7)
SCHEDULES = {"annealed": "falls along the ramp", "ramp": "until the ramp ends", "constant": "to the end"}


def main() -> None:
    """Write the table and draw the picture."""
    cmr = Results("cmr")
    without = cmr.test("doped")
    variants = [
        *(
            (rows, rate, "step", "annealed", f"rows and rate, cmr_rows {rows}, cmr {rate}")
            for rows in ROWS
            for rate in RATES
        ),
        *(
            (rows, 0.1, "step", schedule, f"schedule, cmr_rows {rows}, cmr_schedule {schedule}")
            for rows in ROWS
            for schedule in ("ramp", "constant")
        ),
        *(
            (rows, rate, "sequence", "annealed", f"a sequence, cmr_rows {rows}, cmr {rate}")
            for rows in ROWS
            for rate in RATES
        ),
    ]
    table = [{"drops": "nothing", "rate": "–", "masks": "–", "schedule": "–", "test": spread(without.values()),
              "less without": "–"}]  # fmt: skip
    table += [
        {
            "drops": rows,
            "rate": str(rate),
            "masks": f"a {per}",
            "schedule": SCHEDULES[schedule],
            "test": spread(cmr.test(variant).values()),
            "less without": difference(cmr.test(variant), without),
        }
        for rows, rate, per, schedule, variant in variants
        if cmr.of(variant)
    ]
    cmr.write(
        SEEDS,
        table,
    )
    with style():
        picture = figure(7.5, 4.5)
        axes = picture.subplots()
        for rows, (color, marker, line) in ROWS.items():
            found = {rate: less(cmr.test(f"rows and rate, cmr_rows {rows}, cmr {rate}"), without) for rate in RATES}
            found = {rate: values for rate, values in found.items() if values}
            how = {"color": COLORS[color], "marker": marker}
            axes.plot(list(found), [sum(v) / len(v) for v in found.values()], linestyle=line, label=rows, **how)
            for rate, values in found.items():
                axes.plot([rate] * len(values), values, linestyle="", markersize=3, alpha=0.6, **how)
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.set(xlabel="rate of co-matrix dropout at the start, falling to 0 along the ramp", xticks=RATES)
        axes.set(ylabel="test bits a character, less those without it")
        axes.set_title("Which rows to drop, and how often (below 0 it pays): seeds small, lines through their means")
        axes.legend(frameon=False, title="drops rows of")
        cmr.draw("cmr", picture)


if __name__ == "__main__":
    main()
