"""exp, log, tanh and the like, and what is made of them, in any arithmetic.

NumPy's and CuPy's own functions serve numbers. An object brings its own function as a method (a scalar tensor has
`exp()`), a sympy expression has sympy's, and an exact number has none: the exponential of a `Fraction` is no fraction.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object, shape_of


def _of_object(name: str, value: Any) -> Any:
    """The function of a single object."""
    method = getattr(value, name, None)
    if callable(method):
        return method()
    sympy = sys.modules.get("sympy")
    if sympy is not None and isinstance(value, sympy.Basic):
        return getattr(sympy, name)(value)
    if isinstance(value, float):
        return getattr(np, name)(value)
    raise TypeError(
        f"{name}: has no exact value for {type(value).__name__} {value}; use float64, or sympy symbols for a formula"
    )


def of_objects(name: str, x: Any) -> Any:
    """The function, by its name, of each object of an array or of a single one."""
    return np.frompyfunc(lambda value: _of_object(name, value), 1, 1)(x)


def _elementary(name: str) -> Callable[[Any], Any]:
    """The function by NumPy's name, of arrays, NumPy scalars and objects."""

    of_numpy = getattr(np, name)

    def function(x: Any) -> Any:
        if is_object(x):
            return of_objects(name, x)
        return of_numpy(x) if isinstance(x, np.ndarray) else getattr(get_array_module(x), name)(x)

    function.__name__ = function.__qualname__ = name
    return function


exp = _elementary("exp")
log = _elementary("log")
tanh = _elementary("tanh")
sqrt = _elementary("sqrt")
sin = _elementary("sin")
cos = _elementary("cos")


_exact_quotient = np.frompyfunc(
    lambda x, y: Fraction(x, y) if isinstance(x, int) and isinstance(y, int) else x / y, 2, 1
)


def divide(x: Any, y: Any) -> Any:
    """x / y; of two integers among objects their `Fraction`, where Python's is a float."""
    return _exact_quotient(x, y) if is_object(x) and is_object(y) else x / y


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow: exp only of what is not positive."""
    if is_object(x):
        return 1 / (1 + exp(-x))
    xp = get_array_module(x)
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, e.dtype.type(1), e) / (1 + e)


def relu(x: Any) -> Any:
    """x where it is positive, else 0; NaN stays NaN."""
    if is_object(x):
        return np.frompyfunc(lambda value: value if value > 0 else 0 * value, 1, 1)(x)
    if isinstance(x, np.generic):
        return x if x > 0 or x != x else type(x)(0)
    if isinstance(x, np.ndarray):
        return np.maximum(x, _zero(x.dtype))
    return get_array_module(x).maximum(x, 0)


@lru_cache
def _zero(dtype: np.dtype[Any]) -> Any:
    """A zero as an array without axes: with a Python 0 `np.maximum` takes a path that is several times slower."""
    return np.zeros((), dtype=dtype)


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    if isinstance(x, np.generic):
        return type(x)(1) if x > 0 else type(x)(-1) if x < 0 else x - x  # 0, or NaN for NaN
    if is_object(x):
        return 1 * (x > 0) - 1 * (x < 0)
    return get_array_module(x).sign(x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), with exp only of what is not positive."""
    if is_object(x):
        return log(1 + exp(x))
    xp = get_array_module(x)
    return relu(x) + xp.log1p(xp.exp(-xp.abs(x)))


def expm1(x: Any) -> Any:
    """exp(x) - 1, without cancellation near 0."""
    return exp(x) - 1 if is_object(x) else get_array_module(x).expm1(x)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; a scalar stays one."""
    xp = get_array_module(condition, x, y)
    if not shape_of(condition):
        condition = xp.asarray(condition)  # CuPy's condition can't be a bool
    return xp.where(condition, x, y)[()]
