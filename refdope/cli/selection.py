"""`refdope selection`: which few columns of a table explain another."""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from refdope.analysis import markdown
from refdope.files import whole, write_csv

ABOUT = (
    "find which few columns of a CSV file explain another, by sparse additive models or grouped quantile regression",
    "Writes the path as CSV, the chosen fit, and pictures.",
)
EXAMPLES = """\
  refdope selection houses.csv --target price                  SpAM, λ by cross-validation; results in houses_selection/
  refdope selection mails.csv --target spam --model classifier
  refdope selection houses.csv --target price --model greedy
  refdope selection food.csv --target food --model quantile --tau 0.1 0.5 0.9 --groups 'a,a,b'
"""
MODELS = ("additive", "classifier", "greedy", "quantile")


def options(selection: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    option = selection.add_argument
    option("data", type=Path, help="CSV file of numbers with a line of column names")
    option("--target", required=True, metavar="COLUMN", help="what is to be explained; all other columns may explain")
    option("--model", choices=MODELS, default="additive", help="(default: %(default)s)")
    option(
        "--lam", default="gcv", metavar="LAM", help="gcv, cp, or a number; for greedy how many (default: %(default)s)"
    )
    option("--df", type=int, default=5, help="spline functions a column (default: %(default)s)")
    option(
        "--groups", metavar="A,A,B", help="a label for each explaining column: in or out together (quantile, additive)"
    )
    option("--tau", type=float, nargs="+", default=[0.5], help="quantiles (default: 0.5)")
    option("--out", type=Path, help="folder of the results (default: beside the data, NAME_selection)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    names, X, y = _read(args.data, args.target)
    labels = args.groups.split(",") if args.groups else None
    if labels and len(labels) != len(names):
        raise ValueError(f"--groups must name {len(names)} labels, for {', '.join(names)}; got {len(labels)}")
    if labels and args.model not in ("additive", "quantile"):
        raise ValueError(f"--groups goes with --model additive or quantile, not {args.model}")
    out = args.out or args.data.with_name(f"{args.data.stem}_selection")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is there and no folder: name another --out")
    if args.model == "quantile":
        _quantiles(args, names, X, y, labels or names, out)
    else:
        _additive(args, names, X, y, labels, out)
    print(f"written to {out}")


def _read(path: Path, target: str) -> tuple[list[str], Any, Any]:
    """Return the names of the explaining columns, their values (n, p), and the target's."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.reader(file))
    head, rows = [name.strip() for name in lines[0]] if lines else [], [row for row in lines[1:] if row]
    if target not in head:
        raise ValueError(f"{path} has no column {target!r}; its columns are {', '.join(head)}")
    if len(set(head)) < len(head) or len(head) < 2 or len(rows) < 3:
        raise ValueError(f"{path} must have two or more columns of different names, and three rows or more")
    values = np.empty((len(rows), len(head)))
    for i, row in enumerate(rows):
        try:
            numbers = [float(cell) for cell in row]
        except ValueError:
            numbers = []
        if len(numbers) != len(head):
            raise ValueError(f"{path}, row {i + 1} below the names: {len(head)} numbers are needed, got {row}")
        values[i] = numbers
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{path}, row {i + 1} below the names: {head[j]} is {values[i, j]}")
    at = head.index(target)
    return head[:at] + head[at + 1 :], np.delete(values, at, axis=1), values[:, at]


def _additive(args: argparse.Namespace, names: list[str], X: Any, y: Any, groups: list[str] | None, out: Path) -> None:
    """Fit an additive model; write its path, its functions and pictures."""
    from refdope.selection import estimators, pictures  # Matplotlib takes long to load

    lam: Any = args.lam
    if lam not in ("gcv", "cp"):
        try:
            lam = int(lam) if args.model == "greedy" else float(lam)
        except ValueError as error:
            raise ValueError(f"--lam must be gcv, cp or a number, got {args.lam}") from error
    model: Any = {
        "additive": lambda: estimators.SparseAdditive(lam, df=args.df, groups=groups, progress=True),
        "classifier": lambda: estimators.SparseAdditiveClassifier(lam, df=args.df, progress=True),
        "greedy": lambda: estimators.GreedyAdditive(lam, df=args.df),
    }[args.model]()
    model.fit(X, y)
    path, columns = model.path_, sorted(set(groups)) if groups else names
    criterion = model.criterion_ if isinstance(lam, str) else np.full(len(path.lambdas), np.nan)
    steps = "components" if args.model == "greedy" else "lambda"
    out.mkdir(parents=True, exist_ok=True)
    write_csv(
        out / "path.csv",
        [
            {steps: path.lambdas[k], "df": path.df[k], "loss": path.loss[k], "criterion": criterion[k]}
            | {f"norm of {name}": path.norms[k, j] for j, name in enumerate(columns)}
            for k in range(len(path.lambdas))
        ],
    )
    order = np.argsort(-model.norms_)
    chosen = [{"column": names[j], "norm": model.norms_[j]} for j in order]
    write_csv(out / "chosen.csv", chosen)
    _draw(out / "components.png", lambda: pictures.components(model, X, y, names))
    if args.model != "greedy" and len(path.lambdas) > 1:
        _draw(out / "path.png", lambda: pictures.norm_path(path, columns, model.chosen_).figure)
    kept = [{"column": row["column"], "norm": f"{row['norm']:.4g}"} for row in chosen if row["norm"] > 0]
    print(markdown(kept) if kept else "no column is needed: the fit is constant")
    told = "share right" if args.model == "classifier" else "R²"
    print(
        f"{steps} {model.lam_:.4g}: {len(kept)} of {len(names)} columns; {told} on the sample {model.score(X, y):.3f}"
    )


def _quantiles(args: argparse.Namespace, names: list[str], X: Any, y: Any, groups: list[str], out: Path) -> None:
    """Follow the path of every quantile; write all breakpoints, and pictures."""
    from refdope.selection import pictures, quantile_path

    paths = [quantile_path(X, y, groups, tau, progress=True) for tau in args.tau]
    rows = [
        {"tau": tau, "lambda": lam, "intercept": b0} | dict(zip(names, b, strict=True))
        for tau, path in zip(args.tau, paths, strict=True)
        for lam, b, b0 in zip(*path, strict=True)
    ]
    if not rows:
        raise ValueError(f"no column of {args.data} explains {args.target}: the path has no breakpoint")
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "path.csv", rows)
    for tau, path in zip(args.tau, paths, strict=True):
        _draw(out / f"path_{tau:g}.png", lambda path=path: pictures.quantile_steps(path, names).figure)
        print(f"tau {tau:g}: {len(path.lambdas)} breakpoints, the first at lambda {path.lambdas.max(initial=0):.4g}")
    if len(names) == 1:
        fits = [(t, p.intercept[-1], p.coef[-1, 0]) for t, p in zip(args.tau, paths, strict=True) if len(p.lambdas)]
        _draw(out / "quantiles.png", lambda: pictures.quantile_lines(X[:, 0], y, fits, names[0]).figure)


def _draw(path: Path, make: Any) -> None:
    """Draw a picture in the project's style."""
    import matplotlib as mpl

    from refdope.style import RC

    with mpl.rc_context(RC), whole(path) as file:
        make().savefig(file, format="png")
