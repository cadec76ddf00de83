"""The larger and the smaller of two, cutting off, rounding and remainders: functions with kinks or steps."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import get_array_module
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.primitives.arguments import check_ties
from tinygrad_cnn.primitives.elementwise import divide, where

# Which operand won is found in the backward, so that a forward without one doesn't pay for it.


@primitive()
def _first_is_larger(x: Any, y: Any) -> Any:
    """Whether the maximum is the first operand: the larger, the first of equals, and a NaN, which is the result."""
    return (x >= y) | (x != x)


@primitive()
def _first_is_smaller(x: Any, y: Any) -> Any:
    return (x <= y) | (x != x)


def _to_first(dz: Any, is_first: Any, x: Any, y: Any, ties: str) -> Any:
    share = where(is_first, dz, 0)
    return share if ties == "first" else where(x == y, divide(dz, 2), share)


def _to_second(dz: Any, is_first: Any, x: Any, y: Any, ties: str) -> Any:
    share = where(is_first, 0, dz)
    return share if ties == "first" else where(x == y, divide(dz, 2), share)


@primitive(
    x=lambda dz, x, y, ties: _to_first(dz, _first_is_larger(x, y), x, y, ties),
    y=lambda dz, x, y, ties: _to_second(dz, _first_is_larger(x, y), x, y, ties),
)
def _maximum(x: Any, y: Any, *, ties: str) -> Any:
    return get_array_module(x, y).maximum(x, y)


@primitive(
    x=lambda dz, x, y, ties: _to_first(dz, _first_is_smaller(x, y), x, y, ties),
    y=lambda dz, x, y, ties: _to_second(dz, _first_is_smaller(x, y), x, y, ties),
)
def _minimum(x: Any, y: Any, *, ties: str) -> Any:
    return get_array_module(x, y).minimum(x, y)


def maximum(x: Any, y: Any, ties: str = "first") -> Any:
    """The larger of two, elementwise with broadcasting; a NaN is larger than every number.

    The gradient goes to the larger. Of two equal ones `ties="first"` gives it to the first operand, as max-pool gives
    it to its first winner, and `ties="split"` half to each, as PyTorch and JAX do.

    Raises:
        ValueError: shapes that don't broadcast, or another `ties`.

    >>> import tinygrad_cnn as tg
    >>> x, y = tg.tensor([1.0, 5.0], requires_grad=True), tg.tensor([3.0, 5.0], requires_grad=True)
    >>> [dx.tolist() for dx in tg.grad(tg.maximum(x, y).sum(), [x, y])]
    [[0.0, 1.0], [1.0, 0.0]]
    >>> [dx.tolist() for dx in tg.grad(tg.maximum(x, y, ties="split").sum(), [x, y])]
    [[0.0, 0.5], [1.0, 0.5]]
    """
    check_ties("maximum", ties)
    return _maximum(x, y, ties=ties)


def minimum(x: Any, y: Any, ties: str = "first") -> Any:
    """The smaller of two, elementwise with broadcasting; NaN, `ties` and errors as `maximum`."""
    check_ties("minimum", ties)
    return _minimum(x, y, ties=ties)


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """x cut off below at min and above at max: minimum(maximum(x, min), max).

    The gradient passes between the bounds and on them (as in PyTorch's clamp; `hardtanh` stops it there), and beyond
    them goes to the bound, where that is a tensor that asks for one. Where min is above max, the result is max.

    Args:
        x: any shape.
        min, max: numbers, arrays or tensors that broadcast, or None for no bound.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-2.0, 0.0, 0.5, 3.0], requires_grad=True)
    >>> z = tg.clip(x, 0, 1)
    >>> z.tolist(), tg.grad(z.sum(), x)[0].tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 1.0, 1.0, 0.0])
    """
    z = x if min is None else maximum(x, min)
    return z if max is None else minimum(z, max)


# Rounding makes steps: constant wherever it has a derivative, so nothing is recorded.


@primitive()
def floor(x: Any) -> Any:
    """The largest integer that is not above x; no gradient."""
    return elementary.floor(x)


@primitive()
def ceil(x: Any) -> Any:
    """The smallest integer that is not below x; no gradient."""
    return elementary.ceil(x)


@primitive()
def trunc(x: Any) -> Any:
    """x without the digits behind the point: rounded towards 0; no gradient."""
    return elementary.trunc(x)


@primitive()
def _round(x: Any, *, decimals: int) -> Any:
    return elementary.round(x, decimals)


def round(x: Any, decimals: int = 0) -> Any:
    """The nearest number with so many decimals; of two equally near, the one whose last digit is even. No gradient.

    >>> import tinygrad_cnn as tg
    >>> tg.round(tg.tensor([0.5, 1.5, -2.7])).tolist()
    [0.0, 2.0, -3.0]
    """
    return _round(x, decimals=decimals)


@primitive()
def floor_divide(x: Any, y: Any) -> Any:
    """floor(x / y), elementwise with broadcasting; no gradient."""
    return x // y


@primitive(x=lambda dz: dz, y=lambda dz, x, y: -dz * floor_divide(x, y))
def remainder(x: Any, y: Any) -> Any:
    """z = x - floor(x / y) y, of the sign of y, as Python's x % y; dz/dx = 1, dz/dy = -floor(x / y).

    At its steps, the multiples of y, the derivatives are those of the right side.

    >>> import tinygrad_cnn as tg
    >>> tg.remainder(tg.tensor([5.0, -5.0]), 3.0).tolist(), tg.fmod(tg.tensor([5.0, -5.0]), 3.0).tolist()
    ([2.0, 1.0], [2.0, -2.0])
    """
    return x % y


@primitive(x=lambda dz: dz, y=lambda dz, x, y: -dz * trunc(divide(x, y)))
def fmod(x: Any, y: Any) -> Any:
    """z = x - trunc(x / y) y, of the sign of x, as C's fmod; dz/dx = 1, dz/dy = -trunc(x / y)."""
    return elementary.fmod(x, y)
