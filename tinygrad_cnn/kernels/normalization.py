"""Normalisation in any arithmetic, z = (x - mean) / sqrt(variance + eps) times weight plus bias, and its gradients.

Mean and variance are found in two passes: the mean of the squares minus the square of the mean cancels far from zero.
In floats what rounding left of the mean, the mean of x - mean, is taken off as well: the corrected two-pass algorithm
(Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", eq. 1.7). x - mean itself is exact where x
varies little against its mean, so a mean of 10,000 in float32 costs no digits that x had.

`weight` and `bias` broadcast against x. Statistics keep the reduced axes, with size 1.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt, prod
from numbers import Rational
from typing import Any
from weakref import ref

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object, ones
from tinygrad_cnn.kernels.elementary import divide, of_objects, sqrt

Axes = tuple[int, ...]


class Statistics:
    """Of x over some axes; the exact mean is nearer to `mean + rest` than to any single number of the dtype.

    Attributes:
        inverse: 1 / sqrt(variance + eps).
    """

    __slots__ = ("_last", "inverse", "mean", "rest", "variance")

    def __init__(self, mean: Any, rest: Any, variance: Any, inverse: Any) -> None:
        self.mean, self.rest, self.variance, self.inverse = mean, rest, variance, inverse
        self._last: tuple[Any, Any] = (_nothing, None)

    def sums(self, dz: Any, x: Any, axis: Axes, d: Any = None) -> tuple[Any, Any]:
        """The sums of dz and of dz (x - exact mean); `d` is x - mean where the caller has it.

        The gradients of x and of the weight both need them, and one rule is run after the other, so the last are kept.
        """
        upstream, sums = self._last
        if upstream() is not dz:
            sums = _sums(dz, x - self.mean if d is None else d, self.rest, axis)
            self.keep_sums(dz, *sums)
        return sums  # type: ignore[no-any-return]

    def keep_sums(self, dz: Any, total: Any, products: Any) -> None:
        """Have `sums` give these for dz."""
        self._last = ref(dz), (total, products)  # a weak reference: it would keep a large array alive


def _nothing() -> None:
    """What a dead reference gives."""


def count_of(shape: tuple[int, ...], axis: Axes) -> int:
    """How many numbers a mean over the axes is taken of; 1 for none, whose mean is then 0 and not 0 / 0."""
    return max(prod(shape[i] for i in axis), 1)


def statistics(x: Any, axis: Axes, eps: Any) -> tuple[Any, Statistics]:
    """x - mean, a new array, and the statistics."""
    n = count_of(x.shape, axis)
    mean = divide(_sum(x, axis), n)
    d = x - mean
    if is_object(d):
        rest, variance = 0, divide((d * d).sum(axis=axis, keepdims=True), n)
    else:
        rest = _sum(d, axis) / n
        variance = get_array_module(d).maximum(_sum_of_products(d, d, axis) / n - rest * rest, 0)
    return d, Statistics(mean, rest, variance, reciprocal_root(variance, eps))


def normalize(x: Any, weight: Any, bias: Any, axis: Axes, eps: Any) -> tuple[Any, Statistics]:
    """(x - mean) / sqrt(variance + eps) weight + bias, and the statistics; `weight` and `bias` may be None."""
    d, found = statistics(x, axis, eps)
    if any(array is not None and is_object(array) for array in (d, weight, bias)):
        z = d * found.inverse
        z = z if weight is None else z * weight
        return z if bias is None else z + bias, found
    z = _widened(d, weight, bias)
    scale, shift = found.inverse, -found.rest * found.inverse
    if weight is not None and is_constant(weight, axis, x.ndim):
        scale, shift, weight = scale * weight, shift * weight, None
        if bias is not None and is_constant(bias, axis, x.ndim):
            shift, bias = shift + bias, None
    z *= scale
    z += shift
    if weight is not None:
        z *= weight
    if bias is not None:
        z += bias
    return z, found


def normalize_gradient(dz: Any, x: Any, weight: Any, found: Statistics, axis: Axes) -> Any:
    """dx = (g - mean(g) - z mean(g z)) / sqrt(variance + eps), where g = dz weight and z is x normalised; for floats.

    With d = x - mean - rest, z mean(g z) is d times mean(g d) / (variance + eps): no array but d is needed.
    """
    n = count_of(x.shape, axis)
    d, g, scale = x - found.mean, dz, found.inverse
    if weight is None or is_constant(weight, axis, x.ndim):
        scale = scale if weight is None else scale * weight  # g is dz up to this factor
        total, product = found.sums(dz, x, axis, d)
    else:
        g = dz * weight
        total, product = _sums(g, d, found.rest, axis)
    slope = product / n * (found.inverse * found.inverse)
    d *= slope
    d += total / n - found.rest * slope
    get_array_module(d).subtract(g, d, out=d)
    d *= scale
    return d


def weight_gradient(dz: Any, x: Any, weight_shape: tuple[int, ...], found: Statistics, axis: Axes) -> Any:
    """dw = the sum of dz z over the axes along which one weight serves many elements; for floats.

    The sum over those that the statistics don't depend on comes first: it needs no array that holds z.
    """
    shared = _shared_axes(weight_shape, x.ndim)
    first = tuple(i for i in axis if i in shared)
    if first == axis:
        total = found.sums(dz, x, axis)[1]
    elif first:
        total = _sums(dz, x - found.mean, found.rest, first)[1]
    else:
        total = x - found.mean
        total -= found.rest
        total = total * dz
    return (total * found.inverse).sum(axis=shared, keepdims=True).reshape(weight_shape)


def bias_gradient(dz: Any, x: Any, bias_shape: tuple[int, ...], found: Statistics, axis: Axes) -> Any:
    """db = the sum of dz over the axes along which one bias serves many elements; for floats."""
    shared = _shared_axes(bias_shape, x.ndim)
    total = found.sums(dz, x, axis)[0] if set(axis) <= set(shared) else dz
    return total.sum(axis=shared, keepdims=True).reshape(bias_shape)


def affine(x: Any, mean: Any, scale: Any, shift: Any) -> Any:
    """(x - mean) scale + shift; `shift` may be None. x scale + (shift - mean scale) would cancel far from zero."""
    d = x - mean
    if any(array is not None and is_object(array) for array in (d, scale, shift)):
        z = d * scale
        return z if shift is None else z + shift
    z = _widened(d, scale, shift)
    z *= scale
    if shift is not None:
        z += shift
    return z


def sum_of_products(x: Any, y: Any, shape: tuple[int, ...]) -> Any:
    """x y summed over the axes along which an array of this shape is repeated; for floats."""
    return _sum_of_products(x, y, _shared_axes(shape, x.ndim)).reshape(shape)


def window_sums(x: Any, before: int, after: int) -> Any:
    """The sum over each channel and its neighbours on axis 1: z[n, c] = x[n, c - before] + ... + x[n, c + after]."""
    z = x.copy()
    for distance in range(1, before + 1):
        z[:, distance:] += x[:, :-distance]
    for distance in range(1, after + 1):
        z[:, :-distance] += x[:, distance:]
    return z


def reciprocal_root(variance: Any, eps: Any) -> Any:
    """1 / sqrt(variance + eps); of fractions where it is one."""
    if not is_object(variance):
        return 1 / sqrt(variance + eps)
    return np.frompyfunc(lambda value: _reciprocal_root_of_object(value + eps), 1, 1)(variance)


def _reciprocal_root_of_object(value: Any) -> Any:
    if not isinstance(value, Rational):
        return 1 / of_objects("sqrt", value)
    if value <= 0:
        raise ValueError(f"sqrt: variance + eps must be positive, to divide by its root, but is {value}")
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if root * root != value:
        raise TypeError(
            f"sqrt: the root of variance + eps = {value} is no fraction; use float64, an eps that makes it one, "
            "or sympy symbols for a formula"
        )
    return 1 / root


def in_arithmetic_of(array: Any, number: Any) -> Any:
    """A number that the array can be computed with in its own arithmetic.

    Beside fractions a float is the decimal fraction that it is written as; beside floats a fraction is a float.
    """
    if isinstance(array, np.ndarray) and is_object(array):
        is_exact = isinstance(number, int | float) and all(isinstance(value, Rational) for value in array.flat)
        return Fraction(str(number)) if is_exact else number
    return float(number) if isinstance(number, Fraction) else number


def is_constant(weight: Any, axis: Axes, ndim: int) -> bool:
    """Whether one weight serves all the elements that a mean is taken of."""
    return set(axis) <= set(_shared_axes(weight.shape, ndim))


def _shared_axes(shape: tuple[int, ...], ndim: int) -> Axes:
    """The axes along which an array of this shape is repeated, broadcast to so many axes."""
    added = ndim - len(shape)
    return (*range(added), *(added + i for i, n in enumerate(shape) if n == 1))


def _widened(d: Any, *others: Any) -> Any:
    """d, an array of ours, in a dtype that takes the others' numbers too."""
    dtype = np.result_type(d.dtype, *(array.dtype for array in others if array is not None))
    return d if dtype == d.dtype else d.astype(dtype)


def _sums(g: Any, d: Any, rest: Any, axis: Axes) -> tuple[Any, Any]:
    """The sums of g and of g (d - rest)."""
    total = _sum(g, axis)
    return total, _sum_of_products(d, g, axis) - rest * total


def _sum(x: Any, axis: Axes) -> Any:
    rows = _rows(x, axis)
    if rows is None:
        return x.sum(axis=axis, keepdims=True)
    return _sum_of_rows(np.vecdot(rows, ones(rows.shape[-1], x)), x.shape, axis)


def _sum_of_products(x: Any, y: Any, axis: Axes) -> Any:
    rows_x, rows_y = _rows(x, axis), _rows(y, axis)
    if rows_x is None or rows_y is None:
        return (x * y).sum(axis=axis, keepdims=True)
    return _sum_of_rows(np.vecdot(rows_x, rows_y), x.shape, axis)


def _rows(x: Any, axis: Axes) -> Any:
    """x with the last axes, which are all summed over, as one; None where that takes a copy, or is no gain.

    The sum of a row is then a dot product, of the BLAS: in half of the time of a sum, and of products without an array
    that holds them.
    """
    first = x.ndim
    while first - 1 in axis:
        first -= 1
    if first == x.ndim or not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.flags.c_contiguous:
        return None
    return x.reshape(*x.shape[:first], prod(x.shape[first:]))


def _sum_of_rows(totals: Any, shape: tuple[int, ...], axis: Axes) -> Any:
    """The sums of rows, summed over the axes that are left."""
    left = tuple(i for i in axis if i < totals.ndim)
    return totals.sum(axis=left).reshape([1 if i in axis else n for i, n in enumerate(shape)])
