"""Numerical derivatives of a scalar function of arrays: what a hand-written gradient is checked against.

    complex step    ∂f/∂x_k = Im f(x + i h e_k) / h,   h = 1e-30        exact to rounding: nothing is subtracted
    stencil         ∂f/∂x_k = [f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)] / 12 h        error O(h⁴) + O(ε |f| / h)

The complex step needs code that is analytic (no abs, no conjugate, no cast to real); the stencil needs nothing.

Sources: Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998);
Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", Math. Comp. 51 (1988).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Params: TypeAlias = dict[str, Array]
Loss: TypeAlias = Callable[[Params], Any]


def complex_step(loss: Loss, params: Mapping[str, Array], step: float = 1e-30) -> Params:
    """Differentiate by the complex step, entry by entry.

    Parameters
    ----------
    loss : callable
        From a dict of complex128 arrays to a scalar.
    params : dict of arrays
    step : float

    Returns
    -------
    dict
        float64 arrays of the parameters' shapes.

    Raises
    ------
    TypeError
        If the loss of complex parameters is not complex: somewhere they were cast to real.
    """

    def derivative(nudged: Callable[[complex], Any]) -> float:
        value = np.asarray(nudged(1j * step))
        if value.dtype.kind != "c":
            raise TypeError(
                "complex_step: the loss of complex parameters came out real; is there a cast or an abs in it?"
            )
        return float(value.imag) / step

    return _entry_by_entry(loss, params, np.complex128, derivative)


def stencil(loss: Loss, params: Mapping[str, Array], step: float = 1e-3) -> Params:
    """Differentiate by the fourth-order central difference, entry by entry.

    Parameters
    ----------
    loss : callable
        From a dict of float64 arrays to a scalar.
    params : dict of arrays
    step : float
        h; 1e-3 balances h⁴ against rounding, for entries of size 1 and less.

    Returns
    -------
    dict
        float64 arrays of the parameters' shapes.
    """

    def derivative(nudged: Callable[[float], Any]) -> float:
        near, far = nudged(step) - nudged(-step), nudged(2 * step) - nudged(-2 * step)
        return float(8 * near - far) / (12 * step)

    return _entry_by_entry(loss, params, np.float64, derivative)


def _entry_by_entry(
    loss: Loss, params: Mapping[str, Array], dtype: Any, derivative: Callable[[Callable[[Any], Any]], float]
) -> Params:
    copies = {name: np.array(array, dtype=dtype) for name, array in params.items()}

    def nudgers(array: Array) -> Iterator[Callable[[Any], Any]]:
        for index in np.ndindex(array.shape):

            def nudged(by: Any, index: tuple[int, ...] = index) -> Any:
                was = array[index]
                array[index] = was + by
                try:
                    return loss(copies)
                finally:
                    array[index] = was

            yield nudged

    return {
        name: np.array([derivative(nudged) for nudged in nudgers(array)], dtype=np.float64).reshape(array.shape)
        for name, array in copies.items()
    }
