"""Convolutions of one tiny image, by remembered indices: a gathering and a product, each a single call of NumPy.

With so few numbers every other way spends its time on preparations, so that these are asked before all others.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.backend import ones
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.reference import Ints, Pairs

MOST = 1 << 12
"""So many numbers in all windows together are gathered sooner than another way has begun."""

PRODUCTS = 1 << 18
"""So many products of two numbers BLAS computes on the calling thread."""


class _Places(NamedTuple):
    """Where numbers lie, as flat indices; -1 is a zero behind the last of them.

    Attributes:
        out: how many windows there are on each axis.
        columns: (C kernel, out), for each entry of a window and each window, the pixel.
        entries: (kernel, pixels), for each entry of the rotated kernel and each pixel, which number of (C kernel, out)
            it adds to that pixel's gradient.
        has_border: whether windows reach over the image's border.
    """

    out: Ints
    columns: Any
    entries: Any
    has_border: bool


def correlate(x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f].

    >>> x, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> correlate(x, weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1).tolist()
    [[[[8.0, 12.0], [20.0, 24.0]]]]
    """
    if groups == 1 and _are_tiny(x, weight) and (bias is None or bias.dtype is x.dtype):
        places = _places(x.shape, len(weight), weight.shape[2:], stride, padding, dilation)
        if places is not None:
            z = weight.reshape(len(weight), -1).dot(_columns(x, places))
            if bias is not None:
                z += bias[:, None]
            return z.reshape(1, len(weight), *places.out)
    return NotImplemented


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    if groups == 1 and _are_tiny(x, dz):
        places = _places(x.shape, dz.shape[1], kernel, stride, padding, dilation)
        if places is not None and places.out == dz.shape[2:]:
            filters = dz.shape[1]
            return dz.reshape(filters, -1).dot(_columns(x, places).T).reshape(filters, x.shape[1], *kernel)
    return NotImplemented


def full_correlate(dz: Any, rotated: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dX: the products of dZ with the rotated kernel, each added to its pixel."""
    if groups == 1 and _are_tiny(dz, rotated):
        filters, channels, *kernel = rotated.shape
        places = _places((1, channels, *size), filters, tuple(kernel), stride, padding, dilation)
        if places is not None and places.out == dz.shape[2:]:
            products = rotated.reshape(filters, -1).T.dot(dz.reshape(filters, -1))
            entries = _with_zero(products).take(places.entries)
            return ones(len(entries), entries).dot(entries).reshape(1, channels, *size)
    return NotImplemented


def _are_tiny(x: Any, y: Any) -> bool:
    """Whether these are one image and what it is multiplied by, plain arrays of one dtype."""
    return len(x) == 1 and type(x) is type(y) is np.ndarray and x.dtype is y.dtype


def _columns(x: Any, places: _Places) -> Any:
    return (_with_zero(x) if places.has_border else x).take(places.columns)


def _with_zero(x: Any) -> Any:
    """All numbers of an array, and a zero behind them."""
    z = np.zeros(x.size + 1, x.dtype)
    z[:-1] = x.reshape(-1)
    return z


@lru_cache(32)
def _places(shape: Ints, filters: int, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> _Places | None:
    """For an image of the shape; None where its windows have too many numbers, or none."""
    spans = zip(shape[2:], kernel, stride, padding, dilation, strict=True)
    out = tuple((m + before + after - d * (k - 1) - 1) // s + 1 for m, k, s, (before, after), d in spans)
    channels, count = shape[1], prod(kernel)
    size = channels * count * prod(out)
    if min(out) < 1 or not 0 < size <= MOST or not 0 < size * filters <= PRODUCTS:
        return None
    numbers = np.arange(1, prod(shape) + 1).reshape(shape)
    windows = reference.unfold(numbers, kernel, stride, padding, dilation) - 1  # (1, C, *out, *kernel)
    columns = windows.reshape(channels, prod(out), count).swapaxes(1, 2).reshape(-1, prod(out))
    entries = np.full((count, prod(shape)), -1)
    row, window = np.nonzero(columns >= 0)
    channel, entry = row // count, count - 1 - row % count
    entries[entry, columns[row, window]] = (channel * count + entry) * prod(out) + window
    return _Places(out, columns, entries, bool((columns < 0).any()))
