"""Reductions over axes: sum, mean, var, std, max and min. The backward of a sum is a copy to every summand."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn.backend import get_array_module, is_object, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch, statistics
from tinygrad_cnn.primitives.arguments import axes_of, check_ties
from tinygrad_cnn.primitives.elementwise import divide, nonzero, where
from tinygrad_cnn.primitives.shape import broadcast_to, reshape


def keep_axes(z: Any, shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """The result of a reduction with the reduced axes in place, with size 1."""
    return reshape(z, tuple(1 if i in axis else n for i, n in enumerate(shape)))


def spread(dz: Any, x_shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """The gradient of a reduction, given to every element that was reduced."""
    return broadcast_to(keep_axes(dz, x_shape, axis), x_shape)


@primitive(x=spread)
def _sum(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return dispatch.sum(x, axis, keepdims)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over an axis, several, or all; dx = dz, copied to each summand.

    Args:
        x: any shape.
        axis: an integer, a tuple of integers, or None for all axes.
        keepdims: leave the reduced axes in place with size 1.

    Raises:
        ValueError: an axis that is not there, or comes twice.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> tg.sum(x, axis=0).numpy()
    array([4., 6.], dtype=float32)
    """
    return _sum(x, axis=axes_of("sum", axis, len(shape_of(x))), keepdims=keepdims)


@primitive(x=lambda dz, x_shape, axis: spread(divide(dz, statistics.count(x_shape, axis)), x_shape, axis))
def _mean(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return statistics.mean(x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over an axis, several, or all: sum(x) / n; dx = dz / n. Arguments and errors as `sum`."""
    return _mean(x, axis=axes_of("mean", axis, len(shape_of(x))), keepdims=keepdims)


@primitive(x=lambda dz, axis: _deviations(dz, axis=axis))  # the Jacobian, 1 - 1/n, is symmetric
def _deviations(x: Any, *, axis: tuple[int, ...]) -> Any:
    """x - mean(x)."""
    return statistics.deviations(x, axis)


def _d_var(dz: Any, x: Any, x_shape: tuple[int, ...], axis: tuple[int, ...], ddof: float) -> Any:
    return spread(divide(2 * dz, statistics.count(x_shape, axis) - ddof), x_shape, axis) * _deviations(x, axis=axis)


@primitive(x=_d_var)
def _var(x: Any, *, axis: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    return statistics.variance(x, axis, keepdims, ddof)


def var(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The variance over an axis, several, or all: sum((x - mean)**2) / (n - ddof); dx = 2 dz (x - mean) / (n - ddof).

    The mean is taken off first, and what rounding left of it: nothing cancels, however far x lies from zero.

    Args:
        x: any shape.
        axis: an integer, a tuple of integers, or None for all axes.
        ddof: 0 for the mean square deviation, as in NumPy; 1 for the unbiased estimate from a sample, which is the
            default of PyTorch (there `correction`).
        keepdims: leave the reduced axes in place with size 1.

    Raises:
        ValueError: an axis that is not there or comes twice, a ddof that is not below the number of elements.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([10000.0, 10001.0, 10002.0])
    >>> tg.var(x, ddof=1).item(), round(tg.var(x).item(), 4)
    (1.0, 0.6667)
    """
    return _var(x, axis=_with_freedom("var", x, axis, ddof), keepdims=keepdims, ddof=ddof)


def _d_std(dz: Any, x: Any, z: Any, x_shape: tuple[int, ...], axis: tuple[int, ...], ddof: float) -> Any:
    slope = where(z == 0, 0, divide(dz, nonzero(z) * (statistics.count(x_shape, axis) - ddof)))
    return spread(slope, x_shape, axis) * _deviations(x, axis=axis)


@primitive(x=_d_std)
def _std(x: Any, *, axis: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    return statistics.standard_deviation(x, axis, keepdims, ddof)


def std(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation over an axis, several, or all: sqrt(var(x)); dx = dz (x - mean) / ((n - ddof) z).

    Where all elements are equal it has a kink, as |x| at 0. The gradient there is 0, the subgradient of least norm, as
    in PyTorch. Arguments and errors as `var`; exact numbers have no root (TypeError).

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 3.0], [5.0, 5.0]], requires_grad=True)
    >>> z = tg.std(x, axis=1)
    >>> z.tolist(), tg.grad(z.sum(), x)[0].tolist()
    ([1.0, 0.0], [[-0.5, 0.5], [0.0, 0.0]])
    """
    return _std(x, axis=_with_freedom("std", x, axis, ddof), keepdims=keepdims, ddof=ddof)


def _with_freedom(operation: str, x: Any, axis: Any, ddof: float) -> tuple[int, ...]:
    """The axes, over which there must be more than `ddof` elements."""
    shape = shape_of(x)
    axes = axes_of(operation, axis, len(shape))
    n = statistics.count(shape, axes)
    if not n > ddof:
        raise ValueError(
            f"{operation}: ddof must be below the number of elements, {n}, but is {ddof} (shape {shape}, axis {axis})"
        )
    return axes


def _best(x: Any, axis: tuple[int, ...], keepdims: bool, ties: str, sign: int) -> tuple[Any, Any]:
    """The largest (sign 1) or smallest (sign -1) elements, and the share of the gradient that each element gets."""
    if not shape_of(x):
        return x, 1
    xp = get_array_module(x)
    best = x.max(axis=axis, keepdims=True) if sign > 0 else x.min(axis=axis, keepdims=True)
    winners = (x == best) | (x != x)  # a NaN is the result where there is one, so it is the winner
    if ties == "split":
        count = winners.sum(axis=axis, keepdims=True)
        shares = winners / count.astype(x.dtype) if not is_object(x) else winners * _reciprocals(count)
    else:
        # The first winner in the order of the flattened reduced axes.
        axis = tuple(sorted(axis))
        last = tuple(range(x.ndim - len(axis), x.ndim))
        moved = xp.moveaxis(winners, axis, last)
        flat = moved.reshape(*moved.shape[: x.ndim - len(axis)], math.prod(x.shape[i] for i in axis))
        first = xp.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]
        shares = xp.moveaxis(first.reshape(moved.shape), last, axis)
    return best if keepdims else best.reshape([n for i, n in enumerate(x.shape) if i not in axis])[()], shares


def _reciprocals(count: Any) -> Any:
    """1 / count, exactly."""
    from fractions import Fraction

    import numpy as np

    return np.frompyfunc(lambda n: Fraction(1, int(n)), 1, 1)(count)


def _shared(dz: Any, shares: Any, x_shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    return spread(dz, x_shape, axis) * shares


@primitive(auxiliary=["shares"], x=_shared)
def _max(x: Any, *, axis: tuple[int, ...], keepdims: bool, ties: str) -> Any:
    return _best(x, axis, keepdims, ties, 1)


@primitive(auxiliary=["shares"], x=_shared)
def _min(x: Any, *, axis: tuple[int, ...], keepdims: bool, ties: str) -> Any:
    return _best(x, axis, keepdims, ties, -1)


def max(x: Any, axis: Any = None, keepdims: bool = False, ties: str = "first") -> Any:
    """The largest element over an axis, several, or all.

    The gradient goes to the winner. Among several, `ties="first"` gives it to the first in memory order, as max-pool
    does, and `ties="split"` to each an equal share.

    Raises:
        ValueError: an axis that is not there, an empty axis, or another `ties`.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([3.0, 1.0, 3.0], requires_grad=True)
    >>> tg.grad(tg.max(x), x)[0].tolist(), tg.grad(tg.max(x, ties="split"), x)[0].tolist()
    ([1.0, 0.0, 0.0], [0.5, 0.0, 0.5])
    """
    return _max(x, axis=_checked("max", x, axis, ties), keepdims=keepdims, ties=ties)


def min(x: Any, axis: Any = None, keepdims: bool = False, ties: str = "first") -> Any:
    """The smallest element over an axis, several, or all; `ties` and errors as `max`."""
    return _min(x, axis=_checked("min", x, axis, ties), keepdims=keepdims, ties=ties)


def _checked(operation: str, x: Any, axis: Any, ties: str) -> tuple[int, ...]:
    check_ties(operation, ties)
    shape = shape_of(x)
    axes = axes_of(operation, axis, len(shape))
    if any(shape[i] == 0 for i in axes):
        raise ValueError(f"{operation}: an empty axis has no largest or smallest element (shape {shape}, axis {axis})")
    return axes
