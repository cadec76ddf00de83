"""Products, running sums and running products. No rule divides, so that a zero among the factors is no trouble."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn.backend import dtype_of, get_array_module, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.primitives.arguments import axes_of, axis_of
from tinygrad_cnn.primitives.reduction import spread
from tinygrad_cnn.primitives.shape import concatenate, flip, getitem, moveaxis, ravel, reshape


@primitive(x=lambda dz, axis: flip(_cumsum(flip(dz, axis), axis=axis), axis))
def _cumsum(x: Any, *, axis: int) -> Any:
    return x.cumsum(axis)


def cumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum along an axis: z_k = x_0 + ... + x_k; dx_j = dz_j + ... + dz_n, a running sum from the end.

    Args:
        x: any shape.
        axis: an axis of x, or None for the flattened tensor.

    Raises:
        ValueError: an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> z = tg.cumsum(x)
    >>> z.tolist(), tg.grad(z.sum(), x)[0].tolist()
    ([1.0, 3.0, 6.0], [3.0, 2.0, 1.0])
    """
    if axis is None:
        x, axis = ravel(x), 0
    return _cumsum(x, axis=axis_of("cumsum", axis, len(shape_of(x))))


def _d_cumprod(dz: Any, x: Any, axis: int) -> Any:
    """dx_j = (x_0 ... x_{j-1}) s_j with s_j = dz_j + x_{j+1} dz_{j+1} + x_{j+1} x_{j+2} dz_{j+2} + ..."""
    x, s = moveaxis(x, axis, -1), moveaxis(dz, axis, -1)
    # s_j = dz_j + x_{j+1} s_{j+1} runs from the end. Its steps are joined in pairs, then pairs of pairs: when s_j holds
    # `step` terms and `factor` the product of as many x behind j, then s_j + factor_j s_{j+step} holds twice as many.
    n, step, factor = shape_of(x)[-1], 1, getitem(x, (..., slice(1, None)))
    while step < n:
        longer = getitem(s, (..., slice(0, n - step))) + factor * getitem(s, (..., slice(step, None)))
        s = concatenate([longer, getitem(s, (..., slice(n - step, None)))], -1)
        factor = getitem(factor, (..., slice(0, max(n - 2 * step, 0)))) * getitem(factor, (..., slice(step, None)))
        step *= 2
    return moveaxis(_products_before(x) * s, -1, axis)


@primitive(x=_d_cumprod)
def _cumprod(x: Any, *, axis: int) -> Any:
    return x.cumprod(axis)


def cumprod(x: Any, axis: int | None = None) -> Any:
    """The running product along an axis: z_k = x_0 x_1 ... x_k. Arguments and errors as `cumsum`.

    dx_j is the sum over k >= j of dz_k times the product of the other factors of z_k, zeros among them or not.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> z = tg.cumprod(x)
    >>> z.tolist(), tg.grad(z.sum(), x)[0].tolist()
    ([2.0, 0.0, 0.0], [1.0, 8.0, 0.0])
    """
    if axis is None:
        x, axis = ravel(x), 0
    return _cumprod(x, axis=axis_of("cumprod", axis, len(shape_of(x))))


def _products_before(x: Any) -> Any:
    """The product of the elements before each along the last axis: 1, x_0, x_0 x_1, ..."""
    *rows, n = shape_of(x)
    array = x._array if isinstance(x, Variable) else x
    one = get_array_module(array).ones((*rows, min(n, 1)), dtype=dtype_of(array))
    return concatenate([one, getitem(_cumprod(x, axis=len(rows)), (..., slice(0, max(n - 1, 0))))], -1)


def _products_of_others(x: Any, axis: tuple[int, ...]) -> Any:
    """For each element the product of the others over the axes: of those before it and those behind."""
    shape, last = shape_of(x), tuple(range(-len(axis), 0))
    moved = moveaxis(x, axis, last)
    rows = reshape(moved, (*shape_of(moved)[: len(shape) - len(axis)], math.prod(shape[i] for i in axis)))
    others = _products_before(rows) * flip(_products_before(flip(rows, -1)), -1)
    return moveaxis(reshape(others, shape_of(moved)), last, axis)


def _d_prod(dz: Any, x: Any, x_shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    dz = spread(dz, x_shape, axis)
    return dz * _products_of_others(x, axis) if axis else dz


@primitive(x=_d_prod)
def _prod(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return x.prod(axis=axis, keepdims=keepdims) if shape_of(x) else x


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product over an axis, several, or all; dx is dz times the product of the other factors, zeros or not.

    Args:
        x: any shape; the product over an empty axis is 1.
        axis: an integer, a tuple of integers, or None for all axes.
        keepdims: leave the reduced axes in place with size 1.

    Raises:
        ValueError: an axis that is not there, or comes twice.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> z = tg.prod(x)
    >>> z.item(), tg.grad(z, x)[0].tolist()
    (0.0, [0.0, 6.0, 0.0])
    """
    return _prod(x, axis=axes_of("prod", axis, len(shape_of(x))), keepdims=keepdims)
