"""Convolutions of little: one product of all windows, in as few calls as there can be."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import blas
from tinygrad_cnn.kernels.numpy_fast.lowering import Windows
from tinygrad_cnn.kernels.reference import Ints, Pairs

PRODUCTS = 1 << 20
"""So many products of two numbers are done sooner than parts are chosen for the cache."""

_OF_ONE_THREAD = 1 << 18
"""BLAS itself takes one thread for so many products."""


def correlate(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k + start] K[f, c, k] + B[f]."""
    z = _dot(weight.reshape(len(weight), -1), _columns(x, windows, start))
    if bias is not None:
        z += bias[:, None]
    z = z.reshape(-1, *windows.out, len(x))
    return z.transpose(-1, *range(z.ndim - 1))


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k + start] dZ[n,f,p]."""
    upstream = dz.transpose(*range(1, dz.ndim), 0).reshape(dz.shape[1], -1)
    return _dot(upstream, _columns(x, windows, start).T).reshape(-1, x.shape[1], *windows.kernel)


def _dot(a: Any, b: Any) -> Any:
    if a.size * b.shape[1] <= _OF_ONE_THREAD:
        return a.dot(b)
    with blas.one_thread():
        return a.dot(b)


def full_correlate(dz: Any, rotated: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """dZ, dilated and zero-padded, correlated with the rotated kernel (F, C, *kernel), + B[c]."""
    windows, room, places, taken = _full_windows(dz.shape[2:], rotated.shape[2:], size, stride, padding, dilation)
    wide = np.zeros((*dz.shape[:2], *room), dz.dtype)
    wide[places] = dz[taken]
    return correlate(wide, rotated.swapaxes(0, 1), bias, windows, (0,) * len(size))


@lru_cache(1024)
def _full_windows(
    small: Ints, kernel: Ints, size: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> tuple[Windows, Ints, tuple[Any, ...], tuple[Any, ...]]:
    """The windows of a full correlation, the size of what they lie on, where dZ's pixels come to lie, and which do."""
    room = tuple(m + d * (k - 1) for m, d, k in zip(size, dilation, kernel, strict=True))
    places: list[Any] = [...]
    taken: list[Any] = [...]
    for pixels, r, s, (before, _), d, k in zip(small, room, stride, padding, dilation, kernel, strict=True):
        shift = d * (k - 1) - before
        first = max(-(shift // s), 0)
        last = max(min((r - 1 - shift) // s + 1, pixels), first)
        taken.append(slice(first, last))
        places.append(slice(first * s + shift, (last - 1) * s + shift + 1, s) if first < last else slice(0, 0))
    return Windows(kernel, size, (1,) * len(size), dilation), room, tuple(places), tuple(taken)


def _columns(x: Any, windows: Windows, start: Ints) -> Any:
    """All windows as columns, (C kernel, out N)."""
    border = _border(x.shape[2:], windows, start)
    if border is not None:
        room, places, taken = border
        wide = np.zeros((*x.shape[:2], *room), x.dtype)
        wide[places] = x[taken]
        x = wide
    (batch, channels), (of_sample, of_channel, *steps) = x.shape[:2], x.strides
    shape = (channels, *windows.kernel, *windows.out, batch)
    dilated = [d * step for d, step in zip(windows.dilation, steps, strict=True)]
    strided = [s * step for s, step in zip(windows.stride, steps, strict=True)]
    strides = (of_channel, *dilated, *strided, of_sample)
    # What as_strided gives, at a tenth of its time.
    view = np.ndarray(shape, x.dtype, x, 0, strides) if x.flags.c_contiguous else as_strided(x, shape, strides)
    return view.reshape(channels * prod(windows.kernel), -1)


@lru_cache(1024)
def _border(size: Ints, windows: Windows, start: Ints) -> tuple[Ints, tuple[Any, ...], tuple[Any, ...]] | None:
    """The size of what the windows see of an image, where its pixels lie there, and which do; None if that is all."""
    region = windows.region(start)
    if not any(start) and all(b <= m for (_, b), m in zip(region, size, strict=True)):
        return None
    inside = [(max(a, 0), max(min(b, m), 0)) for (a, b), m in zip(region, size, strict=True)]
    places = (slice(low - a, high - a) for (low, high), (a, _) in zip(inside, region, strict=True))
    return tuple(b - a for a, b in region), (..., *places), (..., *(slice(low, high) for low, high in inside))
