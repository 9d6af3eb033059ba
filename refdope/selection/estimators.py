"""Sparse and greedy additive models as estimators: `fit`, `predict`, `score`, for NumPy alone or within scikit-learn.

model = SparseAdditive().fit(X, y)          λ by generalised cross-validation along a path; or lam="cp", lam=0.1
model.norms_                                ‖f_j‖_n of every covariate, 0 exactly where it is not needed
model.functions(X)                          its component functions
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from refdope.selection.additive import Path, additive_design, bases, cp, follow, gcv, smoother_path
from refdope.selection.conventions import Estimator
from refdope.selection.descent import Loss, Squares
from refdope.selection.greedy import forward
from refdope.selection.groups import group_design, members
from refdope.selection.logistic import Logistic, sigmoid
from refdope.selection.prox import Array
from refdope.selection.smooth import LocalLinear


class Additive(Estimator):
    """What additive models share: a sum of functions of one covariate each, and how λ is chosen.

    Attributes
    ----------
    components_ : array, (n, p)
        f_j at the sample.
    norms_ : array, (p,)
        ‖f_j‖_n.
    intercept_ : float
    lam_ : float
        The λ that was chosen, or given.
    path_ : Path
        All fits, the chosen one at `chosen_`.
    criterion_ : array, (K,)
        What was least at `chosen_`; NaN where λ was given.
    n_features_in_ : int
    """

    lam: Any
    _component: list[Callable[[Array], Array]]
    components_: Array
    intercept_: float

    def functions(self, X: ArrayLike) -> Array:
        """Return the component functions at X (m, p) as (m, p)."""
        self._fitted()
        rows = self._checked_X(X)
        return np.stack([f(x) for f, x in zip(self._component, rows.T, strict=True)], axis=1)

    def _sum(self, X: ArrayLike) -> Array:
        """Return α + Σ_j f_j at X."""
        self._fitted()
        return np.asarray(self.intercept_ + self.functions(X).sum(1))

    def _lambdas(self) -> Array | None:
        """Return λ as a path of one if it is given, else nothing."""
        if isinstance(self.lam, str):
            if self.lam not in self._criteria():
                raise ValueError(f"lam must be a number or one of {self._criteria()}, got {self.lam!r}")
            return None
        if not float(self.lam) >= 0:
            raise ValueError(f"lam must be 0 or more, got {self.lam}")
        return np.array([float(self.lam)])

    def _criteria(self) -> list[str]:
        return ["gcv", "cp"]

    def _choose(self, path: Path, n: int) -> int:
        """Keep the path and return which fit is the best."""
        value = np.full(len(path.lambdas), np.nan)
        if isinstance(self.lam, str):
            value = gcv(path, n) if self.lam == "gcv" else cp(path, n)
        best = int(np.nanargmin(value)) if np.isfinite(value).any() else 0
        self.path_, self.criterion_, self.chosen_, self.lam_ = path, value, best, float(path.lambdas[best])
        return best

    def _keep(self, functions: list[Callable[[Array], Array]], X: Array) -> None:
        """Keep the component functions and what they are at the sample."""
        self._component = functions
        self.components_ = self.functions(X)
        self.norms_ = np.sqrt(np.square(self.components_).mean(0))

    def _fit_splines(self, X: Array, loss: Loss, df: int, groups: ArrayLike | None, settings: dict[str, Any]) -> None:
        """Fit on splines along a path, and keep the best."""
        splines = bases(X, df)
        design = additive_design(splines) if groups is None else group_design(splines, groups)
        path = follow(design, loss, self._lambdas(), **settings)
        b = path.coef[self._choose(path, len(X))]
        p = len(splines)
        order = range(p) if groups is None else [j for group in members(groups, p) for j in group]
        ends = np.cumsum([1] + [splines[j].basis.shape[1] for j in order])
        own = {j: b[start:end] for j, start, end in zip(order, ends, ends[1:])}
        self.intercept_ = float(b[0])
        self._keep([_Splined(splines[j], own[j]) for j in range(p)], X)


class _Splined:
    """Ψ(x) b, as a function that can be pickled."""

    def __init__(self, spline: Callable[[Array], Array], b: Array) -> None:
        self.spline, self.b = spline, b

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.spline(x) @ self.b)


class _Smoothed:
    """A shrunk smooth of partial residuals R, which at the sample is f."""

    def __init__(self, kernel: LocalLinear, R: Array, lam: float) -> None:
        P = kernel.matrix @ R
        norm = float(np.sqrt(np.square(P).mean()))
        self.kernel, self.R, self.scale = kernel, R, 1 - lam / norm if norm > lam else 0.0
        self.middle = float((self.scale * P).mean())

    def __call__(self, x: Array) -> Array:
        if not self.scale:
            return np.zeros(len(x))
        return np.asarray(self.scale * (self.kernel.weights(x) @ self.R) - self.middle)


class Regression(Additive):
    """Additive models of a measurement."""

    def predict(self, X: ArrayLike) -> Array:
        """Return the fit at X (m, p), (m,)."""
        return self._sum(X)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return R², 1 − Σ(y − fit)²/Σ(y − ȳ)²; of a constant y, 1 if the fit is exact, else 0."""
        target = np.asarray(y, float)
        whole, rest = (float(np.square(target - at).sum()) for at in (target.mean(), self.predict(X)))
        return 1 - rest / whole if whole else float(rest == 0)


class SparseAdditive(Regression):
    """Sparse additive regression, SpAM (Ravikumar, Lafferty, Liu, Wasserman 2009).

    Parameters
    ----------
    lam : float, "gcv" or "cp"
        λ, or by what it is chosen along a path.
    df : int
        Spline functions a covariate.
    smoother : "spline" or "kernel"
        Natural cubic splines, or local linear smoothing with a Gaussian kernel by backfitting.
    bandwidth : float, optional
        The kernel's, by default 0.6·sd(x)·n^(-1/5).
    groups : array-like, (p,), optional
        Labels of covariates that are in or out together (GroupSpAM); splines only.
    n_lambdas : int
        Length of the path.
    ratio : float
        Its last λ in units of the first.
    progress : bool
        Whether to show a bar.
    """

    def __init__(
        self,
        lam: float | str = "gcv",
        *,
        df: int = 5,
        smoother: str = "spline",
        bandwidth: float | None = None,
        groups: ArrayLike | None = None,
        n_lambdas: int = 30,
        ratio: float = 0.01,
        progress: bool = False,
    ) -> None:
        self.lam, self.df, self.smoother, self.bandwidth, self.groups = lam, df, smoother, bandwidth, groups
        self.n_lambdas, self.ratio, self.progress = n_lambdas, ratio, progress

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to X (n, p) and y (n,)."""
        rows, target = self._checked(X, y)
        settings: dict[str, Any] = {"n_lambdas": self.n_lambdas, "ratio": self.ratio, "progress": self.progress}
        if self.smoother == "spline":
            self._fit_splines(rows, Squares(target), self.df, self.groups, settings)
        elif self.smoother == "kernel" and self.groups is None:
            path = smoother_path(rows, target, self._lambdas(), self.bandwidth, **settings)
            f = path.coef[self._choose(path, len(target))]
            self.intercept_ = float(target.mean())
            rest = target - self.intercept_ - f.sum(0)
            kernels = [LocalLinear(x, self.bandwidth) for x in rows.T]
            self._keep([_Smoothed(kernel, rest + own, self.lam_) for kernel, own in zip(kernels, f)], rows)
        else:
            told = "groups need smoother 'spline'" if self.smoother == "kernel" else "smoother is 'spline' or 'kernel'"
            raise ValueError(f"{told}, got {self.smoother!r}")
        return self


class SparseAdditiveClassifier(Additive):
    """Sparse additive logistic regression, for two classes (Ravikumar et al. 2009).

    Parameters
    ----------
    lam : float or "gcv"
        λ, or: where the deviance over (1 − (df + 1)/n)² is least along a path.
    df, n_lambdas, ratio, progress
        See `SparseAdditive`.

    Attributes
    ----------
    classes_ : array, (2,)
        The labels; the second is the one whose probability is σ(α + Σ f_j).
    """

    kind = "classifier"

    def __init__(
        self,
        lam: float | str = "gcv",
        *,
        df: int = 5,
        n_lambdas: int = 20,
        ratio: float = 0.05,
        progress: bool = False,
    ) -> None:
        self.lam, self.df, self.n_lambdas, self.ratio, self.progress = lam, df, n_lambdas, ratio, progress

    def _criteria(self) -> list[str]:
        return ["gcv"]

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to X (n, p) and two classes y (n,)."""
        rows, target = self._checked(X, y)
        if target.dtype.kind == "f" and (target != np.round(target)).any():
            raise ValueError("Unknown label type: continuous. A classifier needs two classes, not measurements")
        self.classes_, codes = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs two classes, got 1 class: {self.classes_[0]!r}")
        if len(self.classes_) > 2:
            told = "Only binary classification is supported. The type of the target is multiclass"
            raise ValueError(f"{told}: {len(self.classes_)} classes.")
        settings = {"n_lambdas": self.n_lambdas, "ratio": self.ratio, "progress": self.progress, "tol": 1e-9}
        self._fit_splines(rows, Logistic(codes.astype(float)), self.df, None, settings)
        return self

    def decision_function(self, X: ArrayLike) -> Array:
        """Return the log-odds of the second class, (m,)."""
        return self._sum(X)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probabilities of both classes, (m, 2)."""
        f = self.decision_function(X)
        return np.stack([sigmoid(-f), sigmoid(f)], axis=1)

    def predict(self, X: ArrayLike) -> Array:
        """Return the more probable class, (m,)."""
        second = self.decision_function(X) > 0
        return np.asarray(self.classes_[second.astype(int)])

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the share of right answers."""
        return float((self.predict(X) == np.asarray(y)).mean())


class GreedyAdditive(Regression):
    """Additive forward regression: components come in one by one while GCV falls.

    Parameters
    ----------
    lam : "gcv", "cp" or int
        By what the number of components is chosen; or how many there shall be.
    df : int
        Spline functions a covariate.
    most : int, optional
        Most components that are tried.

    Attributes
    ----------
    order_ : array of int
        The components in the order in which they came in.
    """

    def __init__(self, lam: int | str = "gcv", *, df: int = 5, most: int | None = None) -> None:
        self.lam, self.df, self.most = lam, df, most

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to X (n, p) and y (n,)."""
        rows, target = self._checked(X, y)
        self._lambdas()
        found = forward(rows, target, self.df, self.most if isinstance(self.lam, str) else int(self.lam))
        splines = bases(rows, self.df)
        owner = np.repeat(np.arange(len(splines)), [spline.basis.shape[1] for spline in splines])
        norms = np.sqrt(np.stack([np.bincount(owner, b * b, minlength=len(splines)) for b in found.coef]))
        path = Path(np.arange(len(found.coef), dtype=float), found.coef, norms, found.df, found.loss)
        best = self._choose(path, len(target)) if isinstance(self.lam, str) else len(found.order)
        self.path_, self.chosen_, self.lam_ = path, best, float(best)
        self.order_, self.intercept_ = found.order[:best], float(target.mean())
        b = found.coef[best]
        self._keep([_Splined(spline, b[owner == j]) for j, spline in enumerate(splines)], rows)
        return self
