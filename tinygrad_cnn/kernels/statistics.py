"""Mean, deviations, variance and norm over axes, in any arithmetic; axes are a tuple of distinct ones >= 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object, shape_of
from tinygrad_cnn.kernels import sums
from tinygrad_cnn.kernels.elementary import divide, exp, log, sqrt

_HALF = np.dtype(np.float16)


def _wide(x: Any) -> Any:
    """x where its sum is no larger than the dtype allows: float16 ends at 65,504."""
    return x.astype(np.float32) if not is_object(x) and x.dtype == _HALF else x


def _narrow(z: Any, x: Any) -> Any:
    """What was computed from `_wide(x)`, in x's dtype."""
    return z.astype(_HALF) if not is_object(x) and x.dtype == _HALF else z


def count(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """How many elements a reduction over the axes takes together."""
    return math.prod(shape[i] for i in axis)


def mean(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """sum(x) / n."""
    return _narrow(divide(sums.sum(_wide(x), axis, keepdims), count(shape_of(x), axis)), x)


def deviations(x: Any, axis: tuple[int, ...]) -> Any:
    """x - mean(x)."""
    return _narrow(_deviations(_wide(x), axis), x)


def _deviations(x: Any, axis: tuple[int, ...]) -> Any:
    """x - mean(x); what rounding left of the mean is taken off too.

    A mean is rounded to a digit of x, which is much where x varies little: in float32 near 10,000 it may be off by
    0.0005. x - mean is exact there, so that a second mean finds the rest; Chan, Golub, LeVeque (1983), "Algorithms for
    computing the sample variance", eq. 1.7.
    """
    d = x - mean(x, axis, True)
    return d if is_object(d) else d - mean(d, axis, True)


def variance(x: Any, axis: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    """sum((x - mean(x))**2) / (n - ddof)."""
    wide = _wide(x)
    d = _deviations(wide, axis)
    return _narrow(divide(sums.sum(d * d, axis, keepdims), count(shape_of(x), axis) - ddof), x)


def standard_deviation(x: Any, axis: tuple[int, ...], keepdims: bool, ddof: float) -> Any:
    """The root of the variance."""
    return _narrow(sqrt(variance(_wide(x), axis, keepdims, ddof)), x)


def norm(x: Any, axis: tuple[int, ...], keepdims: bool, p: Any) -> Any:
    """sum(|x|**p)**(1/p) for a finite p."""
    if is_object(x):
        total = sums.sum(x * x if p == 2 else abs(x) ** p, axis, keepdims)
        return sqrt(total) if p == 2 else exp(log(total) / p)
    xp = get_array_module(x)
    sizes = xp.abs(x if x.dtype.kind == "f" else x.astype(np.float64))
    if 0 in x.shape:
        return sizes.sum(axis=axis, keepdims=keepdims)
    # Divided by the largest, no power overflows, nor do all of them vanish. By a power of two nothing is rounded.
    largest = sizes.max(axis=axis, keepdims=True)
    scale = xp.where((largest > 0) & (largest < np.inf), largest, xp.ones_like(largest))
    if p == 2:
        scale = xp.ldexp(xp.ones_like(scale), xp.frexp(scale)[1] - 1)
    sizes /= scale
    total = (sizes * sizes if p == 2 else sizes**p).sum(axis=axis, keepdims=True)
    z = (xp.sqrt(total) if p == 2 else total ** (1 / p)) * scale
    return z if keepdims else z.reshape([n for i, n in enumerate(x.shape) if i not in axis])[()]
