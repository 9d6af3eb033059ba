"""Draw what the experiment `ptb` found, from ptb.csv: ptb.md and ptb.png, best first."""

import numpy as np
from matplotlib.patches import Patch
from results import COLORS, Results, difference, figure, spread, style

# loss of perplexity at 25x against dense, in per cent, as the paper's abstracts give it for its 2 x 650 model
# (arXiv 2001.08896); that of KP alone is of a higher factor, which the abstract does not give
PAPER = {"doped KP + CMR": "1.4", "pruned": "7.9", "HMD": "15", "LMF": "27", "KP": "~26"}
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
]


def main() -> None:
    """Write the tables and draw the picture."""
    ptb = Results("ptb")
    names = sorted({row["variant"] for row in ptb.runs}, key=lambda name: np.mean(list(ptb.test(name).values())))
    dense = np.mean(list(ptb.test("dense").values())) if "dense" in names else np.nan
    reference = next(iter(ptb.of("dense").values()), {})

    def fewer(run: dict[str, str], what: str, digits: int) -> str:
        return f"{float(reference[what]) / float(run[what]):.{digits}f}x" if reference else "–"

    table = []
    for name in names:
        runs = list(ptb.of(name).values())
        table.append(
            {
                "model": name,
                "test perplexity": spread(ptb.test(name).values(), 1),
                "valid": spread((float(np.exp(float(run["valid"]))) for run in runs), 1),
                "loss %": spread((100 * (test / dense - 1) for test in ptb.test(name).values()), 1, "+"),
                "paper, %": PAPER.get(name, "–"),
                "LSTM parameters": runs[0]["lstm_params"],
                "LSTM factor": fewer(runs[0], "lstm_params", 1),
                "in bytes": fewer(runs[0], "lstm_bytes", 1),
                "of all parameters": fewer(runs[0], "params", 2),
                "lr": runs[0]["lr"],
                "ramp ends": f"{float(runs[0]['ramp_end']):.0%}" if runs[0]["overlay"] == "True" else "–",
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
        *(["Test perplexity, the first less the second, seed by seed:", pairs] if pairs else []),
    )
    with style():
        picture = figure(8, 0.35 * len(names) + 1.2)
        axes = picture.subplots()
        kinds = {"one matrix": "black", "doped": "blue", "doped, with CMR": "red"}
        axes.legend([Patch(color=COLORS[color], alpha=0.35) for color in kinds.values()], kinds, loc="upper right")
        for y, name in enumerate(names):
            values = [100 * (test / dense - 1) for test in ptb.test(name).values()]
            color = COLORS[kinds["doped, with CMR" if "CMR" in name else "doped" if "doped" in name else "one matrix"]]
            axes.plot(values, [y] * len(values), linestyle="", marker="o", markersize=3, color=color)
            axes.barh(y, np.mean(values), height=0.6, color=color, alpha=0.35)
            if name in PAPER:
                paper = float(PAPER[name].lstrip("~"))
                axes.plot(paper, y, marker="|", markersize=14, color="0.35", linestyle="")
        axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        axes.set(xlabel="loss of test perplexity against the dense model / %")
        axes.set_title("PTB, 2 x 200, 25x (grey strokes: what the paper's abstract says of a larger model)")
        ptb.draw("ptb", picture)


if __name__ == "__main__":
    main()
