"""Convolutions of few channels to many filters, as of a first layer: one product of all windows (im2col).

The windows of some images are the columns of a matrix (channels and entries of the kernel, windows). Its product with
the kernels is channels-last, as `gathered` and `winograd` want images.

Source: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document Processing (2006).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.blas import multiply_into
from tinygrad_cnn.kernels.numpy_fast.gathered import FEW, parts
from tinygrad_cnn.kernels.numpy_fast.layout import turnable, turned
from tinygrad_cnn.kernels.numpy_fast.lowering import SUMS, Windows, add_products, cut, share, sum_of_parts
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints

ENTRIES = 32
"""Channels times entries of the kernel: with more of them the copies take longer than the product."""

CHUNK_BYTES = 2 << 20
"""About so many bytes of windows are copied at a time."""


def suits(x: Any, filters: int, kernel: Ints) -> bool:
    """Whether so few numbers of images x (N, C, ...) become so many that what follows is done channels-last."""
    return filters >= FEW and x.shape[1] * prod(kernel) <= ENTRIES and x.dtype == np.float32


def correlate(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    """Z (N, F, *out), channels-last."""
    images = _padded(x, windows, start)
    z = memory.empty((len(x), len(weight), *windows.out), x.dtype, memory.channels_last(x.ndim))
    pixels = z.transpose(memory.channels_last(x.ndim))
    matrix = np.ascontiguousarray(weight).reshape(len(weight), -1)

    def correlate_part(part: tuple[slice, slice]) -> None:
        sums = pixels[part].reshape(-1, len(matrix))
        multiply_into(sums, _columns(images, windows, part).T, matrix.T)
        if bias is not None:
            np.add(sums, bias, out=sums)

    share(correlate_part, _parts(x, windows))
    return z


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK (F, C, *kernel)."""
    images, shape, dz = _padded(x, windows, start), (dz.shape[1], x.shape[1], *windows.kernel), turnable(dz)
    sums: dict[int, Any] = {}

    def correlate_parts(some: slice) -> None:
        total = memory.empty((1, prod(shape[1:]), shape[0]), x.dtype)
        total.fill(0)
        for part in todo[some]:
            columns, upstream = _columns(images, windows, part), turned(dz[part[0], :, part[1]])
            upstream = upstream.reshape(1, len(upstream), -1, shape[0])
            columns = columns.reshape(1, len(columns), *upstream.shape[1:3]).swapaxes(1, 2)
            add_products(total, columns, upstream)
        sums[some.start] = total

    todo = _parts(x, windows)
    # Which parts are summed together does not depend on the number of threads, so that the rounding doesn't either.
    share(correlate_parts, cut(len(todo), -(-len(todo) // SUMS)))
    return np.ascontiguousarray(sum_of_parts(sums)[0].T).reshape(shape)


def _parts(x: Any, windows: Windows) -> list[tuple[slice, slice]]:
    return parts(len(x), windows.out, x.shape[1] * prod(windows.kernel) * x.itemsize, CHUNK_BYTES)


def _padded(x: Any, windows: Windows, start: Ints) -> Any:
    """What the windows see of images (N, C, *size), with zeros beyond them."""
    region = windows.region(start)
    found = [reached(first, m, stop - first, 1) for (first, stop), m in zip(region, x.shape[2:], strict=True)]
    places, pixels = zip(*found, strict=True)
    y = np.zeros((*x.shape[:2], *(stop - first for first, stop in region)), x.dtype)
    y[(..., *places)] = x[(..., *pixels)]
    return y


def _columns(images: Any, windows: Windows, part: tuple[slice, slice]) -> Any:
    """The windows of a part as columns (channels and entries, windows)."""
    some, rows = part
    images = images[some, :, rows.start * windows.stride[0] :]
    (n, channels), (of_image, of_channel, *steps) = images.shape[:2], images.strides
    out = rows.stop - rows.start, *windows.out[1:]
    columns = memory.scratch("columns", (channels * prod(windows.kernel), n * prod(out)), images.dtype)
    to = columns.reshape(channels, *windows.kernel, n, *out)
    dilated, strided = (
        [by * step for by, step in zip(each, steps, strict=True)] for each in (windows.dilation, windows.stride)
    )
    np.copyto(to, as_strided(images, to.shape, (of_channel, *dilated, of_image, *strided)))
    return columns
