"""The experiments of the papers on sparse additive models and quantile regression, again: what is kept, what is lost.

    python experiments/selection.py recovery                          SpAM's synthetic model against n, p and noise
    python experiments/selection.py noise [--data FOLDER]             real covariates among made-up ones
    python experiments/selection.py spam [--data FOLDER]              logistic SpAM on 300 examples
    python experiments/selection.py quantiles --data FOLDER           Engel's food expenditure
    python experiments/selection.py ... --out figures --seeds 20

FOLDER holds boston_housing/housing.csv, spambase/spambase.data(.gz) and engel/engel.csv, as published. Without it,
`noise` and `spam` use the diabetes and breast cancer data that scikit-learn ships. Every run is a row of a CSV file in
--out; `figures/selection.py` draws them.
"""

import argparse
import gzip
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from refdope.files import write_csv
from refdope.selection import cp, gcv, logistic_path, quantile_path, quantile_path_lp, smoother_path, spline_path
from refdope.selection.additive import Path as Fits
from refdope.selection.estimators import SparseAdditiveClassifier

SIZES, COVARIATES, NOISES = (50, 100, 150, 200, 300, 400), (128, 256), (0.3, 1.0)
LAMBDAS = np.array([5.5, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0]) / 1000  # as we recall the paper's


def synthetic(n: int, p: int, noise: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return X uniform on (0, 1) and y, a sum of functions of the first four covariates and noise."""
    X = rng.random((n, p))
    f = -2 * np.sin(2 * X[:, 0]) + X[:, 1] ** 2 - 1 / 3 + X[:, 2] - 0.5 + np.exp(-X[:, 3]) + np.exp(-1) - 1
    return X, f + noise * rng.normal(size=n)


def chosen(path: Fits, n: int, true: int) -> dict[str, Any]:
    """Return what Cp, GCV and the best fit on the path keep of the first `true` covariates, and of the others."""
    kept = path.norms > 0
    exact = (kept[:, :true].all(1)) & ~kept[:, true:].any(1)
    row: dict[str, Any] = {"exact_on_path": int(exact.any())}
    for name, value in (("cp", cp(path, n)), ("gcv", gcv(path, n))):
        k = int(value.argmin())
        row |= {f"{name}_true": int(kept[k, :true].sum()), f"{name}_false": int(kept[k, true:].sum())}
        row[f"{name}_lambda"] = float(path.lambdas[k])
    return row


def recovery(data: Path | None, seeds: int) -> Iterator[dict[str, Any]]:
    """SpAM's synthetic model: four functions among p covariates."""
    del data
    for noise in NOISES:
        for p in COVARIATES:
            for n in SIZES:
                for seed in range(seeds):
                    X, y = synthetic(n, p, noise, np.random.default_rng(seed))
                    path = spline_path(X, y, df=3, n_lambdas=40, ratio=0.03, tol=1e-7)
                    yield {"smoother": "spline", "noise": noise, "p": p, "n": n, "seed": seed} | chosen(path, n, 4)
        for seed in range(min(seeds, 5)):  # the paper's smoother and size
            X, y = synthetic(150, 200, noise, np.random.default_rng(seed))
            path = smoother_path(X, y, n_lambdas=30, ratio=0.1, tol=1e-4)
            yield {"smoother": "kernel", "noise": noise, "p": 200, "n": 150, "seed": seed} | chosen(path, 150, 4)


def noise(data: Path | None, seeds: int) -> Iterator[dict[str, Any]]:
    """Real covariates, as many of noise, and as many that are permuted copies."""
    if data is None:
        from sklearn.datasets import load_diabetes

        X, y = load_diabetes(return_X_y=True)
        name, names = "diabetes", np.array(load_diabetes().feature_names)
    else:
        table = np.loadtxt(data / "boston_housing" / "housing.csv", delimiter=",")
        ten = [0, 2, 4, 5, 6, 7, 9, 10, 11, 12]
        name, X, y = "boston", table[:, ten], table[:, 13]
        names = np.array(["crim", "indus", "nox", "rm", "age", "dis", "tax", "ptratio", "b", "lstat"])
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        made = np.hstack([rng.random(X.shape), rng.permuted(X, axis=0)])
        whole = np.hstack([X, made])
        fits = {"spline": spline_path(whole, y, df=3, n_lambdas=40, ratio=0.01, tol=1e-7)}
        if seed < 5:
            fits["kernel"] = smoother_path(whole, y, n_lambdas=30, ratio=0.03, tol=1e-4)
        for smoother, path in fits.items():
            found, real = chosen(path, len(y), X.shape[1]), path.norms[:, : X.shape[1]] > 0
            clean = ~(path.norms[:, X.shape[1] :] > 0).any(1)
            best = int(np.flatnonzero(clean)[real[clean].sum(1).argmax()])
            at = {k: path.norms[int(v.argmin()), : X.shape[1]] > 0 for k, v in (("cp", cp(path, len(y))),)}
            yield {
                "data": name, "smoother": smoother, "seed": seed, **found, "cp_kept": " ".join(names[at["cp"]]),
                "before_noise": int(real[best].sum()), "before_noise_kept": " ".join(names[real[best]]),
            }  # fmt: skip


def spam(data: Path | None, seeds: int) -> Iterator[dict[str, Any]]:
    """Logistic SpAM on 300 examples, tested on all others, along λ."""
    if data is None:
        from sklearn.datasets import load_breast_cancer

        X, y = load_breast_cancer(return_X_y=True)
        name = "breast cancer"
    else:
        plain = data / "spambase" / "spambase.data"
        with plain.open("rt") if plain.exists() else gzip.open(f"{plain}.gz", "rt") as file:
            table = np.loadtxt(file, delimiter=",")
        name, X, y = "spam", table[:, :-1], table[:, -1]
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:300], order[300:]
        # every λ of the recalled list, and a grid of our own that goes on to either side
        own = np.geomspace(0.15, 0.0015, 20)
        path = logistic_path(X[train], y[train], np.unique(np.append(own, LAMBDAS))[::-1], df=3, tol=1e-7)
        value = gcv(path, 300)
        for k, lam in enumerate(path.lambdas):
            model = SparseAdditiveClassifier(float(lam), df=3).fit(X[train], y[train])
            yield {
                "data": name, "seed": seed, "lambda": float(lam), "zero": int((model.norms_ == 0).sum()),
                "error": 1 - model.score(X[test], y[test]), "recalled": int(lam in LAMBDAS),
                "gcv": int(k == value.argmin()),
            }  # fmt: skip


def quantiles(data: Path | None, seeds: int) -> Iterator[dict[str, Any]]:
    """Engel's food expenditure: income and groups of permuted copies; the path by events and by linear programs."""
    if data is None:
        raise ValueError("quantiles needs --data FOLDER with engel/engel.csv")
    income, food = np.loadtxt(data / "engel" / "engel.csv", delimiter=",", skiprows=1).T
    for tau in (0.05, 0.25, 0.5, 0.75, 0.95):
        alone = quantile_path(income[:, None], food, [0], tau)
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            x = (income - income.mean()) / income.std()
            X = np.stack([x, x**2] + [v for _ in range(5) for c in [rng.permutation(x)] for v in (c, c**2)], axis=1)
            groups = np.arange(12) // 2
            start = time.process_time()
            path = quantile_path(X, food, groups, tau)
            middle = time.process_time()
            programs = quantile_path_lp(X, food, groups, tau) if seed == 0 else path
            end = time.process_time()
            nearest = [np.abs(path.lambdas - lam).min() for lam in programs.lambdas]
            false = np.abs(path.coef[:, 2:]).max(1) > 0
            yield {
                "tau": tau, "seed": seed, "intercept": alone.intercept[-1], "slope": alone.coef[-1, 0],
                "breakpoints": len(path.lambdas), "lambda_max": path.lambdas[0],
                "first_is_income": int(np.abs(path.coef[0, :2]).max() > 0 and not false[0]),
                "first_false": path.lambdas[false.argmax()] / path.lambdas[0] if false.any() else 0.0,
                "events_s": middle - start, "programs_s": end - middle if seed == 0 else "",
                "programs_breakpoints": len(programs.lambdas) if seed == 0 else "",
                "worst_lambda": max(nearest) if seed == 0 else "",
            }  # fmt: skip


EXPERIMENTS: dict[str, tuple[Callable[[Path | None, int], Iterator[dict[str, Any]]], str]] = {
    "recovery": (recovery, "selection.csv"),
    "noise": (noise, "selection_noise.csv"),
    "spam": (spam, "selection_spam.csv"),
    "quantiles": (quantiles, "selection_quantiles.csv"),
}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, help="folder of the published data")
    parser.add_argument("--seeds", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="(default: %(default)s)")
    args = parser.parse_args()
    run, name = EXPERIMENTS[args.experiment]
    try:
        rows = list(tqdm(run(args.data, args.seeds), args.experiment))
        write_csv(args.out / name, rows)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"{args.experiment}: {error}", file=sys.stderr)
        return 2
    print(f"{len(rows)} rows in {args.out / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
