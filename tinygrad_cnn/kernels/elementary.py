"""exp, log, tanh and the like, and what is made of them, in any arithmetic.

NumPy's and CuPy's own functions serve numbers. An object brings its own function as a method (a scalar tensor has
`exp()`), a sympy expression has sympy's, and an exact number has none: the exponential of a `Fraction` is no fraction.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.backend import dtype_of, get_array_module


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


def _elementary(name: str) -> Callable[[Any], Any]:
    """The function by NumPy's name, of arrays, NumPy scalars and objects."""

    def function(x: Any) -> Any:
        if dtype_of(x) == object:
            return np.frompyfunc(lambda value: _of_object(name, value), 1, 1)(x)
        return getattr(get_array_module(x), name)(x)

    function.__name__ = function.__qualname__ = name
    return function


exp = _elementary("exp")
log = _elementary("log")
tanh = _elementary("tanh")
sqrt = _elementary("sqrt")
sin = _elementary("sin")
cos = _elementary("cos")


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow: exp only of what is not positive."""
    if dtype_of(x) == object:
        return 1 / (1 + exp(-x))
    xp = get_array_module(x)
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, e.dtype.type(1), e) / (1 + e)


def relu(x: Any) -> Any:
    """x where it is positive, else 0; NaN stays NaN."""
    if dtype_of(x) == object:
        return np.frompyfunc(lambda value: value if value > 0 else 0 * value, 1, 1)(x)
    if isinstance(x, np.generic):
        return x if x > 0 or x != x else type(x)(0)
    return get_array_module(x).maximum(x, 0)


def shifted(x: Any, axis: int) -> Any:
    """x minus its maximum along the axis, which keeps exp from overflowing; symbols, which have no order, as they are."""
    try:
        return x - x.max(axis=axis, keepdims=True)
    except TypeError:
        if dtype_of(x) != object:
            raise
        return x


def softmax(x: Any, axis: int) -> Any:
    """exp(x) / sum(exp(x)) along the axis."""
    e = exp(shifted(x, axis))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int) -> Any:
    """x - log(sum(exp(x))) along the axis."""
    x = shifted(x, axis)
    return x - log(exp(x).sum(axis=axis, keepdims=True))
