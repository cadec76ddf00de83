"""Convolutions with few filters: those of neighbouring windows side by side, so that they fill vector registers.

The library keeps one output of each filter in the lanes of a register; eight filters leave half of sixteen lanes idle.
The windows s q and s q + s of a row are therefore seen as one wider window with 2 F filters, the second F shifted by s:
twice the stride, half as many windows. In channels-last memory their outputs lie as those of F filters do.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.finite import has_finite_sum
from tinygrad_cnn.kernels.onednn import direct, library
from tinygrad_cnn.kernels.onednn.descriptors import Ints
from tinygrad_cnn.kernels.reference import Pairs

LEAST = 1 << 22
"""Multiplications, with fewer of which it takes longer to lay the filters side by side."""

MOST = 4
"""Windows: more of them have little in common."""

_FLOAT32 = np.dtype(np.float32)


def correlate(x: Any, weight: Any, bias: Any, out: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """Z (N, F, *out); None if there is a better way."""
    count = _count(len(weight), x.shape[1], len(x), weight.shape[2:], out, dilation)
    if count == 1:
        return None
    wide, step = _side_by_side(weight, count, stride[-1]), (*stride[:-1], stride[-1] * count)
    z = direct.correlate(x, wide, None if bias is None else np.tile(bias, count), step, padding, dilation, 1)
    if z is NotImplemented:
        return z
    # What is not finite is multiplied with the zeros, too; every wider window shows it in its first filter's output.
    return _apart(z, count) if has_finite_sum(z[:, 0]) else None


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """dK; None if there is a better way."""
    filters, step = dz.shape[1], stride[-1]
    count = _count(filters, x.shape[1], len(x), kernel, dz.shape[2:], dilation)
    if count == 1 or not dz.transpose(memory.channels_last(dz.ndim)).flags.c_contiguous:
        return None
    wide = (*kernel[:-1], kernel[-1] + step * (count - 1))
    steps = (*stride[:-1], step * count)
    dk = direct.correlate_kernel(x, _together(dz, count), wide, steps, padding, dilation, 1)
    if dk is NotImplemented:
        return dk
    each = dk.reshape(count, filters, *dk.shape[1:])
    return sum(each[i, ..., step * i : step * i + kernel[-1]] for i in range(count))


def conv_transpose(x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """Y of stride 1, as a correlation with the rotated kernel; None if there is a better way."""
    kernel = weight.shape[2:]
    if prod(stride) > 1 or weight.shape[1] <= direct.COLOURS:
        return None
    pads = tuple(
        (k - 1 - before, n - m + before)
        for k, n, m, (before, _) in zip(kernel, size, x.shape[2:], padding, strict=True)
    )
    if prod(dilation) > 1 or min(map(min, pads)) < 0:
        return None
    rotated = weight[(..., *(slice(None, None, -1),) * len(size))].swapaxes(0, 1)
    return correlate(x, rotated, bias, size, stride, pads, dilation)


def _count(filters: int, channels: int, images: int, kernel: Ints, out: Ints, dilation: Ints) -> int:
    """How many neighbouring windows to see as one."""
    if kernel[-1] == 1 or dilation[-1] > 1 or filters * channels * images * prod(kernel) * prod(out) < LEAST:
        return 1
    return next(n for n in range(min(max(library.load().lanes // filters, 1), MOST), 0, -1) if out[-1] % n == 0)


def _side_by_side(weight: Any, count: int, step: int) -> Any:
    """Kernels (F, C, ..., k) -> (count F, C, ..., k + step (count - 1)), the i-th F of them shifted by step i."""
    *shape, width = weight.shape
    wide = np.zeros((count, *shape, width + step * (count - 1)), _FLOAT32)
    for i in range(count):
        wide[i, ..., step * i : step * i + width] = weight
    return wide.reshape(-1, *wide.shape[2:])


def _apart(z: Any, count: int) -> Any:
    """(N, count F, ..., W) -> (N, F, ..., count W), channels-last, without a copy."""
    pixels = z.transpose(memory.channels_last(z.ndim))
    *shape, width, channels = pixels.shape
    apart = pixels.reshape(*shape, width * count, channels // count)
    return apart.transpose(0, -1, *range(1, z.ndim - 1))


def _together(z: Any, count: int) -> Any:
    """The other way."""
    pixels = z.transpose(memory.channels_last(z.ndim))
    *shape, width, channels = pixels.shape
    together = pixels.reshape(*shape, width // count, channels * count)
    return together.transpose(0, -1, *range(1, z.ndim - 1))
