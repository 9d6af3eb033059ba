"""Draw what the experiments on sparse models found, from selection*.csv: selection.md and selection.png."""

import csv
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from results import COLORS, figure, folder, style

from refdope.analysis import markdown
from refdope.files import whole

Row = Mapping[str, str]


def read(name: str) -> list[Row]:
    """Return the rows of a CSV file; none if it is not there."""
    path = folder() / name
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def mean(rows: Sequence[Row], column: str, digits: int = 1) -> str:
    """Write the mean over seeds, and the least and the largest."""
    values = [float(row[column]) for row in rows]
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def share(rows: Sequence[Row]) -> float:
    """Return in how many of the runs the path has the exact support."""
    return float(np.mean([float(row["exact_on_path"]) for row in rows]))


def parts(rows: Sequence[Row], *columns: str) -> dict[tuple[str, ...], list[Row]]:
    """Return rows by their values in some columns."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[column] for column in columns), []).append(row)
    return found


def recovery_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return how often the four functions are found."""
    return [
        {
            "smoother": smoother, "noise": noise, "p": p, "n": n, "seeds": len(own),
            "exactly the 4, somewhere on the path": f"{share(own):.0%}",
            "Cp: of the 4": mean(own, "cp_true"), "Cp: false": mean(own, "cp_false"),
            "GCV: false": mean(own, "gcv_false"),
        }
        for (smoother, noise, p, n), own in parts(rows, "smoother", "noise", "p", "n").items()
    ]  # fmt: skip


def noise_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what is kept of real and of made-up covariates."""
    table = []
    for (data, smoother), own in parts(rows, "data", "smoother").items():
        often = Counter(name for row in own for name in row["before_noise_kept"].split())
        table.append(
            {
                "data": data, "smoother": smoother, "seeds": len(own),
                "real, Cp": mean(own, "cp_true"), "made up, Cp": mean(own, "cp_false"),
                "real before any made up": mean(own, "before_noise"),
                "in 4 of 5 seeds or more": ", ".join(sorted(k for k, v in often.items() if v >= 0.8 * len(own))),
            }
        )  # fmt: skip
    return table


def spam_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return errors on the test messages along λ."""
    table = []
    for (lam,), own in sorted(parts(rows, "lambda").items(), key=lambda item: -float(item[0][0])):
        chosen = sum(int(row["gcv"]) for row in own)
        line = {
            "λ": f"{float(lam):.4f}",
            "error": mean(own, "error", 4),
            "functions that are zero": mean(own, "zero", 0),
        }
        table.append(line | {"chosen by GCV, of the seeds": str(chosen) if chosen else ""})
    return table


def quantile_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the quantiles' lines, and what the paths of income among permuted copies say."""
    table = []
    for (tau,), own in parts(rows, "tau").items():
        (first,) = [row for row in own if row["programs_s"]]
        table.append(
            {
                "τ": tau, "intercept": f"{float(first['intercept']):.4f}", "slope": f"{float(first['slope']):.5f}",
                "income first, of the seeds": f"{sum(int(row['first_is_income']) for row in own)} of {len(own)}",
                "first copy in at λ/λ_max": mean(own, "first_false", 3),
                "breakpoints, events and LP": f"{first['breakpoints']} and {first['programs_breakpoints']}",
                "LP over events, CPU time": f"{float(first['programs_s']) / float(first['events_s']):.0f}x",
                "apart by at most": f"{float(first['worst_lambda']):.0e}",
            }
        )  # fmt: skip
    return table


def main() -> None:
    """Write the tables and draw the picture."""
    recovery, noise = read("selection.csv"), read("selection_noise.csv")
    spam, quantiles = read("selection_spam.csv"), read("selection_quantiles.csv")
    if not recovery:
        print(
            "selection: there is no selection.csv; `python experiments/selection.py recovery` writes it",
            file=sys.stderr,
        )
        sys.exit(2)
    text = [
        "Means over seeds, least and largest in brackets. Of the papers we know the abstracts; what else is said of"
        " them below is recalled, marked (sure), (fairly sure) or (unsure), and never a quotation.",
        "## SpAM's four functions among p covariates",
        "The paper, as recalled: n = 150, p = 200, noise 1, Cp finds the four functions (unsure). With covariates"
        " uniform on (0, 1) it does not here, at any λ; at noise 0.3 it does.",
        markdown(recovery_table(recovery)),
    ]
    if noise:
        text += [
            "## Real covariates, as many of uniform noise, and a permuted copy of each",
            "The paper, as recalled: on Boston's ten with twenty made up, Cp zeroes all that are made up and keeps six,"
            " rm, lstat, ptratio and crim among them (fairly sure).",
            markdown(noise_table(noise)),
        ]
    if spam:
        text += [
            f"## Logistic SpAM on 300 examples, tested on the others: {spam[0]['data']}",
            "The paper, as recalled: between λ 0.0055 and 0.002 the error is least in the middle, where about a third"
            " of the functions are zero (fairly sure). Our λ need not be on its scale.",
            markdown(spam_table(spam)),
        ]
    if quantiles:
        text += [
            "## Engel's food expenditure",
            "Line of food on income for each τ; and paths of income and its square among five permuted copies of both,"
            " a group each.",
            markdown(quantile_table(quantiles)),
        ]
    with whole(folder() / "selection.md") as file:
        file.write(("\n\n".join(text) + "\n").encode())
    with style():
        picture = figure(11, 7)
        (one, two), (three, four) = picture.subplots(2, 2)
        splines = [row for row in recovery if row["smoother"] == "spline"]
        looks = zip(("blue", "blue", "red", "red"), ("-", "--", "-", "--"), "osos", strict=True)
        for ((level, p), own), (color, line, marker) in zip(parts(splines, "noise", "p").items(), looks, strict=False):
            sizes = parts(own, "n")
            x, y = [int(n) for (n,) in sizes], [share(of_n) for of_n in sizes.values()]
            one.plot(x, y, line, color=COLORS[color], marker=marker, label=f"noise {level}, p {p}")
        one.set(
            xlabel="n",
            ylabel="share of seeds",
            title="Exactly the four functions, somewhere on the path",
            ylim=(-0.05, 1.05),
        )
        one.legend(frameon=False)
        for (smoother,), own in parts(noise, "smoother").items():
            x, y = ([int(row[c]) for row in own] for c in ("cp_true", "cp_false"))
            color, marker = ("blue", "o") if smoother == "spline" else ("orange", "^")
            two.plot(x, y, marker, color=COLORS[color], alpha=0.6, label=smoother)
        two.set(
            xlabel="real covariates kept",
            ylabel="made-up ones kept",
            title="Ten real covariates and twenty made up, Cp",
        )
        two.legend(frameon=False)
        for own in parts(spam, "seed").values():
            x, y = ([float(row[c]) for row in own] for c in ("lambda", "error"))
            three.semilogx(x, y, color=COLORS["sky"], alpha=0.7)
            at = [k for k, row in enumerate(own) if row["gcv"] == "1"]
            three.plot([x[k] for k in at], [y[k] for k in at], "o", color=COLORS["red"])
        three.invert_xaxis()
        three.set(xlabel="λ", ylabel="error on the test set", title="300 examples, a line a seed (dot: GCV's choice)")
        lines = {float(tau): float(own[0]["slope"]) for (tau,), own in parts(quantiles, "tau").items()}
        four.plot(list(lines), list(lines.values()), "o-")
        four.set(xlabel="τ", ylabel="slope of food on income", title="Engel: the rich spread more")
        with whole(folder() / "selection.png") as file:
            picture.savefig(file, format="png")


if __name__ == "__main__":
    main()
