"""Draw what the experiments on PTB found, best first: of ptb.csv and ptb_adam.csv a page and a picture each."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from results import COLORS, Results, difference, figure, folder, spread, style

# loss of perplexity at 25x against dense, in per cent, as the paper's abstracts give it for its 2 x 650 model
# (arXiv 2001.08896); that of KP alone is of a higher factor, which the abstract does not give
PAPER = {"doped KP + CMR": "1.4", "pruned": "7.9", "HMD": "15", "LMF": "27", "KP": "~26"}
END = {"lr": "lr", "ramp_end": "end of the ramp"}  # settings, as the table calls them
PAIRS = [
    ("doped KP", "pruned"),
    ("doped KP + CMR", "pruned"),
    ("doped KP + CMR", "doped KP"),
    ("doped LMF + CMR", "doped LMF"),
    ("doped LMF + CMR", "doped LMF, as slow"),
    ("doped HMD + CMR", "doped HMD"),
    ("pruned, its rows dropped", "pruned"),
    ("doped KP, L2 on S", "doped KP"),
    ("pruned, L2", "pruned"),
    ("KP", "pruned, as small as KP"),
    ("doped KP", "pruned as far as the overlay of doped KP"),
]


def main() -> None:
    """Write the tables and draw the pictures, of those experiments on PTB whose tables are there."""
    for name in ("ptb", "ptb_adam"):
        if name == "ptb" or (folder() / f"{name}.csv").is_file():
            draw(Results(name))


def draw(ptb: Results) -> None:
    """Write the table of one experiment and draw its picture."""
    names = sorted({row["variant"] for row in ptb.runs}, key=lambda name: np.mean(list(ptb.test(name).values())))
    dense = np.mean(list(ptb.test("dense").values())) if "dense" in names else np.nan
    reference = next(iter(ptb.of("dense").values()), {})
    at_edge = {name: ptb.edges(name) for name in names}

    def fewer(run: dict[str, str], what: str, digits: int) -> str:
        return f"{float(reference[what]) / float(run[what]):.{digits}f}x" if reference else "–"

    table = []
    for name in names:
        runs = list(ptb.of(name).values())
        bound = "≤" if at_edge[name] else ""
        losses = [100 * (test / dense - 1) for test in ptb.test(name).values()] if reference else []
        table.append(
            {
                "model": name,
                "test perplexity": bound + spread(ptb.test(name).values(), 1),
                "valid": bound + spread((float(np.exp(float(run["valid"]))) for run in runs), 1),
                "loss %": spread(losses, 1, "+"),
                "paper, %": PAPER.get(name, "–"),
                "LSTM parameters": runs[0]["lstm_params"],
                "LSTM factor": fewer(runs[0], "lstm_params", 1),
                "in bytes": fewer(runs[0], "lstm_bytes", 1),
                "of all parameters": fewer(runs[0], "params", 2),
                "lr": runs[0]["lr"],
                "ramp ends": f"{float(runs[0]['ramp_end']):.0%}" if runs[0]["overlay"] == "True" else "–",
                "at an end of what was tried": ", ".join(f"{END[k]} {v}" for k, v in at_edge[name].items()) or "–",
                "minutes": f"{np.mean([float(run['seconds']) for run in runs]) / 60:.0f}",
            }
        )
    pairs = [
        {"first less second": f"{one} less {other}", "difference": difference(ptb.test(one), ptb.test(other), 1)}
        for one, other in PAIRS
        if ptb.of(one).keys() & ptb.of(other).keys()
    ]
    ptb.write(
        "Penn Treebank by words, 2 x 200, mean ± standard deviation over seeds; lr and the end of the ramp were chosen"
        " for each on short runs, by validation. The paper's column is its abstract's, of a 25 MB model, 2 x 650 by its"
        " size; KP's factor is not given. Minutes are those of one thread, other work running beside.",
        table,
        "≤: a setting lies at an end of what was tried, so the perplexity is an upper bound. Of two values each is an"
        " end.",
        *(
            ["The loss is against *one* dense seed: what another one would change is not in its ±."]
            if len(ptb.of("dense")) == 1
            else []
        ),
        *(["Test perplexity, the first less the second, seed by seed; bold as elsewhere:", pairs] if pairs else []),
        *how_far(ptb, names),
    )
    if not reference:
        print(f"{ptb.name}: no picture yet, the dense model has no row")
        return
    asked = float(next(row["factor"] for row in ptb.runs if row["variant"] != "dense")) if len(names) > 1 else 1
    with style():
        picture = figure(8, 0.35 * len(names) + 1.4)
        axes = picture.subplots()
        kinds = {"not doped": "black", "doped": "blue", "doped, with CMR": "red"}
        handles = [Patch(color=COLORS[color], alpha=0.35) for color in kinds.values()]
        handles += [Patch(facecolor="white", edgecolor="0.5", hatch="////")]
        handles += [Line2D([], [], linestyle="", marker="D", markerfacecolor="white", color="0.3")]
        axes.legend(handles, [*kinds, "one seed", "the paper's abstract, 2 x 650"], loc="upper right")
        labels = []
        for y, name in enumerate(names):
            values = [100 * (test / dense - 1) for test in ptb.test(name).values()]
            color = COLORS[kinds["doped, with CMR" if "CMR" in name else "doped" if "doped" in name else "not doped"]]
            axes.plot(values, [y] * len(values), linestyle="", marker="o", markersize=3, color=color)
            hatch = {"hatch": "////", "edgecolor": color} if len(values) == 1 else {}
            axes.barh(y, np.mean(values), height=0.6, color=color, alpha=0.35, linewidth=0, **hatch)
            reached = float(next(iter(ptb.of(name).values()))["lstm_factor"])
            own = f" ({reached:.0f}x)" if reached > 1.02 * asked else ""
            labels.append(f"{'≤ ' if at_edge[name] else ''}{name}{own}")
            if name in PAPER:
                paper = float(PAPER[name].lstrip("~"))
                axes.plot(paper, y, marker="D", markersize=6, markerfacecolor="white", color="0.3", linestyle="")
        axes.set(yticks=range(len(names)), yticklabels=labels, ylim=(len(names) - 0.5, -0.5))
        axes.set(xlabel="loss of test perplexity against the dense model / %")
        optimiser = {"sgd": "SGD", "adam": "Adam"}[reference["optimizer"]]
        axes.set_title(
            f"PTB, 2 x 200, {asked:g}x, {optimiser} (≤: upper bound, a setting lies at an end of what was tried)"
        )
        ptb.draw(ptb.name, picture)


def how_far(ptb: Results, names: list[str]) -> list:
    """Tabulate how far one update moved the two parts of doped matrices."""
    rows = []
    for name in names:
        (_, s), (_, o) = ptb.course(name, "structure_moves"), ptb.course(name, "overlay_moves")
        if len(s) and "doped" in name:
            s, o = (
                s[:, 1:].mean(0),
                o[:, 1:].mean(0),
            )  # (evaluations,), means over seeds
            rows.append(
                {
                    "doped": name,
                    "W_s, of ‖W‖": f"{100 * s.min():.1f} to {100 * s.max():.1f} %",
                    "S, of ‖W‖": f"{100 * o.min():.2f} to {100 * o.max():.2f} %",
                    "W_s against S, at most": f"{(s / o).max():.0f} times as far",
                }
            )
    told = "How far one update moves each part, over the evaluations along training:"
    return [told, rows] if rows else []


if __name__ == "__main__":
    main()
