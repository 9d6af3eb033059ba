"""Draw what co-matrix dropout does along training on PTB, of ptb.csv: ptb_cmr.png.

Above, validation loss along the ramp: doped, doped with CMR, a matrix pruned as far, the same with its rows dropped.
In the middle CMR less none, seed by seed, from the first update on. Below, how far an update moves W_s and S.
"""

import sys
from pathlib import Path

import numpy as np
from results import COLORS, Results, band, figure, style

LINES = {
    "doped KP": ("blue", "-"),
    "doped KP + CMR": ("red", "--"),
    "pruned": ("black", "-."),
    "pruned, its rows dropped": ("green", ":"),
}
PART = {"structure_moves": ("orange", "W$_s$"), "overlay_moves": ("sky", "S")}


def main() -> None:
    """Draw the picture of those runs that are done."""
    ptb = Results("ptb")
    missing = [name for name in LINES if not ptb.course(name, "loss")[1].size]
    if missing:
        print(f"{Path(__file__).stem}: not in ptb_courses.csv yet, left out: {'; '.join(missing)}", file=sys.stderr)
    if "doped KP" in missing or "doped KP + CMR" in missing:
        return
    with style():
        drawn = figure(6.4, 7.2)
        loss, less, moves = drawn.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
        steps, density = ptb.course("doped KP", "density")
        ramp = steps[(density[0] < 1) & (density[0] > density[0].min())]  # entries go
        for axes in (loss, less, moves):
            axes.axvspan(steps[max(np.flatnonzero(density[0] < 1)[0] - 1, 0)], steps[density[0].argmin()], color="0.93")
        seeds = {}
        for name, (color, line) in LINES.items():
            at, lines = ptb.course(name, "valid")
            if lines.size:
                seeds[name] = len(lines)
                label = f"{name} ({len(lines)} seed{'s' if len(lines) > 1 else ''})"
                band(loss, at, lines, color=COLORS[color], linestyle=line, label=label)
        along = ptb.course("doped KP", "valid")[1][:, np.isin(steps, [*ramp, steps[-1]])]
        loss.set_ylim(along.min() - 0.05, along.max() + 0.35)
        loss.set_ylabel("validation loss, nats")
        loss.legend()
        loss.set_title("along the ramp (grey) the entries of S go, from all to those that are kept", fontsize="medium")
        both = min(seeds["doped KP"], seeds["doped KP + CMR"])
        gaps = ptb.course("doped KP + CMR", "valid")[1][:both] - ptb.course("doped KP", "valid")[1][:both]
        band(less, steps, gaps, color=COLORS["red"], marker=".")
        less.axhline(0, color="0.4", linewidth=0.8)
        less.set_ylabel("CMR less none, nats")
        for name in ("doped KP", "doped KP + CMR"):
            for column, (color, part) in PART.items():
                at, lines = ptb.course(name, column)
                label = f"{part}, {name.removeprefix('doped KP').strip(' +') or 'none'}"
                band(moves, at[1:], lines[:, 1:], color=COLORS[color], linestyle=LINES[name][1], label=label)
        moves.set_yscale("log")
        moves.set_ylabel("moved in an update, of ‖W‖")
        moves.set_xlabel("updates")
        moves.legend(ncols=2)
        ptb.draw("ptb_cmr", drawn)


if __name__ == "__main__":
    main()
