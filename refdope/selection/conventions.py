"""What makes an estimator one that scikit-learn accepts, without needing scikit-learn.

Parameters are set by the constructor and read back by `get_params`; `fit` sets attributes that end in an underscore;
data are checked with one clear line. scikit-learn's own errors, warnings and tags are used where it is loaded.
"""

import sys
import warnings
from inspect import signature
from typing import Any, Self

import numpy as np
from scipy import sparse

from refdope.selection.prox import Array


class Estimator:
    """Parameters, their reading and setting, and checks of what comes in."""

    kind = "regressor"

    @property
    def _estimator_type(self) -> str:
        return self.kind

    @classmethod
    def _names(cls) -> list[str]:
        return list(signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self._names())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = signature(type(self)).parameters
        given = {k: v for k, v in self.get_params().items() if repr(v) != repr(defaults[k].default)}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's description of this estimator; only scikit-learn asks."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        of_kind: dict[str, Any] = {"regressor_tags": RegressorTags()}
        if self.kind == "classifier":
            of_kind = {"classifier_tags": ClassifierTags(multi_class=False)}
        target = TargetTags(required=True)
        return Tags(
            estimator_type=self.kind, target_tags=target, transformer_tags=None, input_tags=InputTags(), **of_kind
        )

    def _fitted(self) -> None:
        """Complain if `fit` was not called."""
        if not hasattr(self, "n_features_in_"):
            known = sys.modules.get("sklearn.exceptions")
            error = known.NotFittedError if known else ValueError
            raise error(f"this {type(self).__name__} is not fitted yet: call fit first")

    def _checked_X(self, X: Any) -> Array:
        """Return X as (n, p) floats, as many columns as were fitted if any were."""
        rows = _floats("X", X)
        if rows.ndim != 2:
            raise ValueError(
                f"X must be 2-D, (n_samples, n_features), got shape {rows.shape}. Reshape your data: "
                "X.reshape(-1, 1) if it has one feature, X.reshape(1, -1) if it is one sample"
            )
        if not len(rows):
            raise ValueError(f"Found array with 0 sample(s) (shape={rows.shape}) while a minimum of 1 is required.")
        if not rows.shape[1]:
            raise ValueError(f"Found array with 0 feature(s) (shape={rows.shape}) while a minimum of 1 is required.")
        fitted = getattr(self, "n_features_in_", rows.shape[1])
        if rows.shape[1] != fitted:
            name = type(self).__name__
            raise ValueError(f"X has {rows.shape[1]} features, but {name} is expecting {fitted} features as input.")
        return rows

    def _checked(self, X: Any, y: Any) -> tuple[Array, Any]:
        """Return X as (n, p) floats and y as (n,), for a fit; remember how many and which columns there are."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        names = [str(column) for column in getattr(X, "columns", [])]
        vars(self).pop("n_features_in_", None)
        rows = self._checked_X(X)
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            known = sys.modules.get("sklearn.exceptions")
            category = known.DataConversionWarning if known else UserWarning
            told = "A column-vector y was passed when a 1d array was expected: ravel it"
            warnings.warn(told, category, stacklevel=3)
            y = y.ravel()
        if y.ndim != 1:
            raise ValueError(f"y should be a 1d array, got an array of shape {y.shape} instead.")
        if len(y) != len(rows):
            raise ValueError(f"X and y must have as many samples, got {len(rows)} and {len(y)}")
        if len(rows) < 2:
            raise ValueError(f"{type(self).__name__} needs more than 1 sample, got n_samples = {len(rows)}")
        if self.kind == "regressor" or y.dtype.kind in "fc":
            y = _floats("y", y)
        self.n_features_in_ = rows.shape[1]
        if names:
            self.feature_names_in_ = np.array(names, object)
        return rows, y


def _floats(name: str, values: Any) -> Array:
    """Return values as finite floats."""
    if sparse.issparse(values):
        raise TypeError(f"{name} is sparse, but dense data is required: use {name}.toarray()")
    found = np.asarray(values)
    if found.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {found.dtype}")
    try:
        found = found.astype(np.float64)
    except TypeError as error:
        raise TypeError(f"{name} must hold numbers; argument must be a string or a number: {error}") from error
    if not np.isfinite(found).all():
        raise ValueError(f"Input {name} contains {'NaN' if np.isnan(found).any() else 'infinity'}.")
    return found
