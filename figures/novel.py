"""Draw what the experiment `novel` found on a text of the user's own, from novel.csv: novel.md and novel.png."""

from results import BITS, COLORS, SEEDS, Results, band, difference, dots, figure, less, spread, style

WAYS = {  # a variant: its colour, line and marker
    "dense": ("black", "-", "o"),
    "pruned": ("orange", "--", "s"),
    "pruned, its rows dropped": ("pink", "--", "v"),
    "doped KP": ("blue", "-", "o"),
    "doped KP + CMR": ("red", (0, (4, 1)), "D"),
    "pruned, as small as KP": ("sky", "--", "^"),
    "KP": ("green", "-.", "x"),
}
PAIRS = (  # at equal parameters, each
    ("doped KP", "pruned"),
    ("doped KP + CMR", "pruned"),
    ("doped KP + CMR", "doped KP"),
    ("pruned, its rows dropped", "pruned"),
    ("doped KP + CMR", "pruned, its rows dropped"),
    ("KP", "pruned, as small as KP"),
)


def main() -> None:
    """Write the tables and draw the picture, of those variants that are there."""
    novel = Results("novel")
    names = [name for name in WAYS if novel.of(name)]
    if not names:
        print("novel: skipped, no run of it is done yet")
        return
    table = []
    for name in names:
        run = next(iter(novel.of(name).values()))
        edges = novel.edges(name)
        table.append(
            {
                "model": name,
                "test": ("≤" if edges else "") + spread(novel.test(name).values()),
                "LSTM parameters": run["lstm_params"],
                "LSTM factor": f"{float(run['lstm_factor']):.1f}x",
                "lr": run["lr"] + (f" ({edges['lr']})" if "lr" in edges else ""),
                "climb": spread(novel.climb(name).values(), 2),
                "seconds": f"{max(float(run['seconds']) for run in novel.of(name).values()):.0f}",
            }
        )
    pairs = [
        {
            "first less second": f"{one} less {other}",
            "test": difference(novel.test(one), novel.test(other)),
            "climb": difference(novel.climb(one), novel.climb(other), 2),
        }
        for one, other in PAIRS
        if novel.of(one).keys() & novel.of(other).keys()
    ]
    about = next(iter(novel.of(names[0]).values()))["data"]
    novel.write(
        f"{SEEDS} *Climb*: by how much validation loss rose above its lowest so far, at most. ≤: the rate lies at an"
        f" end of those that were tried, so the loss is an upper bound. The text: {about}",
        table,
        *(["At equal parameters:", pairs] if pairs else []),
    )
    with style():
        picture = figure(11, 4.2)
        left, right = picture.subplots(1, 2, width_ratios=[1.3, 1])
        for name in names:
            color, line, _ = WAYS[name]
            steps, lines = novel.course(name, "loss")
            if len(lines):
                band(left, steps[1:], lines[:, 1:] * BITS, color=COLORS[color], linestyle=line, label=name)
        ends = [value * BITS for name in names for value in novel.last(name, "loss").values()]
        left.set(xlabel="training step", ylabel="validation bits per character")
        left.set_ylim(min(ends) - 0.1, max(ends) + 0.8)
        left.set_title("Validation loss (mean and range of the seeds)")
        left.legend(frameon=False, loc="upper right")
        shown = [pair for pair in PAIRS if less(novel.test(pair[0]), novel.test(pair[1]))]
        for y, (one, other) in enumerate(shown):
            color, _, marker = WAYS[one]
            dots(right, y, less(novel.test(one), novel.test(other)), color=COLORS[color], marker=marker)
        right.axvline(0, color="0.6", linewidth=0.8)
        right.set(yticks=range(len(shown)), yticklabels=[f"{one}\n− {other}" for one, other in shown])
        right.set(ylim=(max(len(shown), 1) - 0.5, -0.5), xlabel="test bits per character (left: the first is better)")
        right.set_title("At equal parameters: seeds small, means large")
        novel.draw("novel", picture)


if __name__ == "__main__":
    main()
