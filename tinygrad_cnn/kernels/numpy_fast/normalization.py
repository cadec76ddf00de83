"""Batch normalisation in few passes over blocks of images, on all threads.

The formulas are those of `kernels/normalization.py`. Every pass is over long rows, whatever the layout: a number for
each channel is repeated to a row of its own, since NumPy is slow where it has to repeat the numbers of short ones.
"""

from __future__ import annotations

from math import gcd, prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import ones
from tinygrad_cnn.kernels import blas, blocks, memory, sums
from tinygrad_cnn.kernels.normalization import Axes, Statistics, count_of, is_constant, reciprocal_root

LONG = 1024
"""From here on a row is long."""

_OF_BLAS = (np.float32, np.float64)


def normalize(x: Any, weight: Any, bias: Any, axis: Axes, eps: Any) -> Any:
    """(x - mean) / sqrt(variance + eps) weight + bias over all axes but that of the channels, and the statistics."""
    channels = _channels(x, axis, weight, bias)
    if channels is None:
        return NotImplemented
    n, z = count_of(x.shape, axis), memory.empty_like(x)
    rows, d = channels.rows(x), channels.rows(z)
    mean = blocks.total(lambda i: channels.sum(rows[i]), *channels.size, passes=1) / n
    center = channels.row(mean)

    def deviations(i: slice) -> Any:
        np.subtract(rows[i], center, out=d[i])
        return np.stack([channels.sum(d[i]), channels.sum_of_products(d[i], d[i])])

    rest, variance = blocks.total(deviations, *channels.size) / n
    variance = np.maximum(variance - rest * rest, 0)
    inverse = reciprocal_root(variance, eps)
    scale = inverse if weight is None else inverse * weight.reshape(-1)
    shift = -rest * scale if bias is None else bias.reshape(-1) - rest * scale
    scale, shift = channels.row(scale), channels.row(shift)

    def scaled(i: slice) -> None:
        np.multiply(d[i], scale, out=d[i])
        np.add(d[i], shift, out=d[i])

    blocks.run(scaled, *channels.size, passes=2)
    return z, Statistics(*(channels.kept(array) for array in (mean, rest, variance, inverse)))


def normalize_gradient(dz: Any, x: Any, weight: Any, found: Statistics, axis: Axes) -> Any:
    """dx = (g - mean(g) - z mean(g z)) / sqrt(variance + eps), where g = dz weight and z is x normalised."""
    channels = _channels(x, axis, weight, None)
    if channels is None or dz.dtype != x.dtype:
        return NotImplemented
    upstream, n, dx = dz, count_of(x.shape, axis), memory.empty_like(x)
    if dz.strides != dx.strides:
        upstream = memory.empty_like(x)
        np.copyto(upstream, dz)
    rows, g, d = channels.rows(x), channels.rows(upstream), channels.rows(dx)
    mean, rest, inverse = (array.reshape(-1) for array in (found.mean, found.rest, found.inverse))
    center = channels.row(mean)

    def totals(i: slice) -> Any:
        np.subtract(rows[i], center, out=d[i])
        return np.stack([channels.sum(g[i]), channels.sum_of_products(d[i], g[i])])

    total, product = blocks.total(totals, *channels.size)
    product = product - rest * total
    found.keep_sums(dz, channels.kept(total), channels.kept(product))
    slope = product / n * (inverse * inverse)
    slope, level = channels.row(slope), channels.row(total / n - rest * slope)
    scale = channels.row(inverse if weight is None else inverse * weight.reshape(-1))

    def gradient(i: slice) -> None:
        np.multiply(d[i], slope, out=d[i])
        np.add(d[i], level, out=d[i])
        np.subtract(g[i], d[i], out=d[i])
        np.multiply(d[i], scale, out=d[i])

    blocks.run(gradient, *channels.size)
    return dx


def _channels(x: Any, axis: Axes, weight: Any, bias: Any) -> _Planes | _Pixels | None:
    """The layout of x (N, C, ...); None for another normalisation, other dtypes, or an array with gaps."""
    if x.dtype not in _OF_BLAS or axis != (0, *range(2, x.ndim)) or not x.size:
        return None
    for array in (weight, bias):
        if array is not None and (array.dtype != x.dtype or not is_constant(array, axis, x.ndim)):
            return None
    if memory.is_channels_last(x):
        return _Pixels(x)
    if memory.is_batch_last(x):
        return _Rows(x)
    return _Planes(x) if x.flags.c_contiguous else None


class _Planes:
    """Channels as planes, (N, C, ...) in memory: a row is an image, or a plane where planes are long."""

    def __init__(self, x: Any) -> None:
        images, self.channels, *size = x.shape
        self.pixels = prod(size)
        self.ndim = x.ndim
        self.size = images, self.channels * self.pixels

    def rows(self, x: Any) -> Any:
        return x.reshape(len(x), self.channels, self.pixels) if self.pixels >= LONG else x.reshape(len(x), -1)

    def row(self, each: Any) -> Any:
        """A number for each channel in a shape that broadcasts against rows."""
        return each[:, None] if self.pixels >= LONG else np.repeat(each, self.pixels)

    def kept(self, each: Any) -> Any:
        """A number for each channel in a shape that broadcasts against images."""
        return each.reshape(1, self.channels, *(1,) * (self.ndim - 2))

    def sum(self, rows: Any) -> Any:
        if self.pixels > sums.MOST:
            return sums.sum(rows.reshape(len(rows), self.channels, self.pixels), (0, 2))
        with blas.one_thread():
            return rows.reshape(-1, self.pixels).dot(ones(self.pixels, rows)).reshape(len(rows), -1).sum(axis=0)

    def sum_of_products(self, rows: Any, others: Any) -> Any:
        shape = len(rows), self.channels, self.pixels
        x, y = rows.reshape(shape), others.reshape(shape)
        starts = range(0, self.pixels, sums.MOST)
        parts = [np.vecdot(x[..., i : i + sums.MOST], y[..., i : i + sums.MOST]).sum(axis=0) for i in starts]
        return np.sum(parts, axis=0)


class _Rows(_Planes):
    """Channels outermost, (C, rows, ..., N) in memory: a row is one of the images, of all samples."""

    def __init__(self, x: Any) -> None:
        super().__init__(x)
        _, _, height, *_ = x.shape
        self.shape = height, self.channels, len(x) * self.pixels // height
        self.size = height, prod(self.shape[1:])

    def rows(self, x: Any) -> Any:
        return x.transpose(*range(1, x.ndim), 0).swapaxes(0, 1).reshape(self.shape)

    def row(self, each: Any) -> Any:
        return each[:, None]

    def sum(self, rows: Any) -> Any:
        return self.sum_of_products(rows, ones(rows.shape[-1], rows))

    def sum_of_products(self, rows: Any, others: Any) -> Any:
        starts = range(0, rows.shape[-1], sums.MOST)
        parts = [np.vecdot(rows[..., i : i + sums.MOST], others[..., i : i + sums.MOST]).sum(axis=0) for i in starts]
        return np.sum(parts, axis=0)


class _Pixels(_Planes):
    """Channels as the numbers of a pixel, (N, ..., C) in memory: a row is as many pixels as make a long one."""

    def __init__(self, x: Any) -> None:
        super().__init__(x)
        pixels = len(x) * self.pixels
        self.together = gcd(pixels, 1 << max((4 * LONG // self.channels).bit_length() - 1, 0))
        self.size = pixels // self.together, self.together * self.channels

    def rows(self, x: Any) -> Any:
        return x.transpose(memory.channels_last(x.ndim)).reshape(self.size)

    def row(self, each: Any) -> Any:
        return np.tile(each, self.together)

    def sum(self, rows: Any) -> Any:
        total = sums.of_rows(rows).reshape(self.together, self.channels)
        return ones(self.together, total).dot(total)

    def sum_of_products(self, rows: Any, others: Any) -> Any:
        return self.sum(np.multiply(rows, others, out=memory.empty_like(rows)))
