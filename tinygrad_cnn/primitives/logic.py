"""Questions about elements: a tensor of bools comes out, which has no gradient."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import get_array_module
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import elementary


@primitive()
def isnan(x: Any) -> Any:
    """Whether each element is not a number."""
    return elementary.isnan(x)


@primitive()
def isinf(x: Any) -> Any:
    """Whether each element is infinite."""
    return elementary.isinf(x)


@primitive()
def isfinite(x: Any) -> Any:
    """Whether each element is a number and not infinite.

    >>> import tinygrad_cnn as tg
    >>> tg.isfinite(tg.tensor([1.0, float("inf"), float("nan")])).tolist()
    [True, False, False]
    """
    return elementary.isfinite(x)


@primitive()
def logical_and(x: Any, y: Any) -> Any:
    """Whether x and y are both true, that is not 0, elementwise with broadcasting."""
    return get_array_module(x, y).logical_and(x, y)


@primitive()
def logical_or(x: Any, y: Any) -> Any:
    """Whether x or y or both are true."""
    return get_array_module(x, y).logical_or(x, y)


@primitive()
def logical_xor(x: Any, y: Any) -> Any:
    """Whether exactly one of x and y is true."""
    return get_array_module(x, y).logical_xor(x, y)


@primitive()
def logical_not(x: Any) -> Any:
    """Whether x is false, that is 0."""
    return get_array_module(x).logical_not(x)
