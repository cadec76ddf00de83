"""Transposed convolutions of many channels, by the phases of their stride.

The outputs s q + r of one phase r see no other entries of the kernel than those k with s i + d k - before = s q + r for
some i, so that each phase is a convolution of stride 1 with a part of the kernel, and no zeros are put between pixels.

Images are channels-last here. All phases are products with one copy of the pixels: a row of it is what one q sees in
a row of pixels, and one phase takes a run of it. Rows of pixels lie outermost, so that the windows of a row of the
kernel are one matrix for all images. Where the kernel is as large as the stride, there is a single product, which is
written to where it belongs.
"""

from __future__ import annotations

from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.blas import multiply_into
from tinygrad_cnn.kernels.numpy_fast import gathered
from tinygrad_cnn.kernels.numpy_fast.gathered import framed
from tinygrad_cnn.kernels.numpy_fast.layout import channels_last, pixels_first, turnable, turned
from tinygrad_cnn.kernels.numpy_fast.lowering import share
from tinygrad_cnn.kernels.reference import Ints, Pairs

CHUNK_BYTES = 3 << 20
"""About so many bytes of pixels and products are made at a time."""


class Phase(NamedTuple):
    """On one axis, some outputs, the entries of the kernel that reach them, and what they see of x."""

    outputs: slice
    entries: slice  # from the last to the first
    start: int
    stop: int
    apart: int  # the dilation of the entries, seen from x


def phases(s: int, d: int, kernel: int, pads: tuple[int, int], size: int) -> list[Phase]:
    """Those of an axis with `size` outputs, for its stride, dilation, kernel and padding."""
    return [_phase(r, s, d, kernel, pads, size) for r in range(min(s, size))]


def _phase(r: int, s: int, d: int, kernel: int, pads: tuple[int, int], size: int) -> Phase:
    """The outputs s q + r: entry k adds to them x[q + (r + before - d k) / s], if that is an integer."""
    outputs, step, apart = range(r, size, s), s // gcd(s, d), d // gcd(s, d)
    first = next((k for k in range(min(step, kernel)) if (r + pads[0] - d * k) % s == 0), kernel)
    entries = range(first, kernel, step)
    if not entries:
        return Phase(slice(r, None, s), slice(0, 0), 0, 0, 1)
    start = (r + pads[0] - d * entries[-1]) // s
    stop = start + len(outputs) + (len(entries) - 1) * apart
    return Phase(slice(r, None, s), slice(entries[-1], first - 1 if first else None, -step), start, stop, apart)


def suits(x: Any, filters: int, dilation: Ints) -> bool:
    """Whether products of images x (N, C, H, W) with kernels of so many filters are fast."""
    return x.ndim == 4 and max(dilation) == 1 and gathered.suits(x, filters)


def conv_transpose(x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs) -> Any:
    """Y (N, F, H', W'), channels-last, from x (N, C, H, W) and kernels (C, F, kH, kW)."""
    y = memory.empty((len(x), weight.shape[1], *size), x.dtype, memory.channels_last(4))
    pixels, kernel = y.transpose(memory.channels_last(4)), weight.shape[2:]
    tiled = tuple(m * s for m, s in zip(x.shape[2:], stride, strict=True))
    if kernel == stride and size == tiled and not any(before for before, _ in padding):
        _tile(pixels, x, weight, bias)
    else:
        rows, columns = (phases(s, 1, *axis) for s, *axis in zip(stride, kernel, padding, size, strict=True))
        _by_phases(pixels, x, weight, bias, rows, columns)
    return y


def _tile(y: Any, x: Any, weight: Any, bias: Any) -> None:
    """y (N, H kH, W kW, F): every pixel of x makes a tile of its own."""
    n, channels, height, width = x.shape
    _, filters, *kernel = weight.shape
    # (N, pixels, C), which BLAS takes as it is, or turned
    rows = (x.transpose(0, 2, 3, 1) if x.flags.c_contiguous else channels_last(x)).reshape(n, -1, channels)
    matrix = np.ascontiguousarray(np.moveaxis(weight, 1, -1)).reshape(channels, -1)
    tiles = y.reshape(n, height, kernel[0], width, kernel[1] * filters).swapaxes(2, 3)
    biases = 0 if bias is None else np.tile(bias, kernel[1])

    def tile(some: slice) -> None:
        products = memory.scratch("sums", (*rows[some].shape[:2], matrix.shape[1]), y.dtype)
        np.matmul(rows[some], matrix, out=products)
        np.add(products.reshape(tiles[some].shape), biases, out=tiles[some])

    share(tile, _parts(n, height * width * matrix.shape[1] * y.itemsize))


def _by_phases(y: Any, x: Any, weight: Any, bias: Any, rows: list[Phase], columns: list[Phase]) -> None:
    """y (N, H', W', F) by the phases of its rows and of its columns."""
    images, entries, (channels, filters) = turnable(x), pixels_first(weight), weight.shape[:2]
    top, bottom = min(p.start for p in rows), max(p.stop for p in rows)
    left = min(p.start for p in columns)
    width = -(-y.shape[2] // len(columns))  # how often each phase follows
    kernels = [[np.ascontiguousarray(entries[row.entries, each.entries]) for each in columns] for row in rows]
    outputs = y.reshape(*y.shape[:2], -1)  # the phases of columns one after the other, as `sums` has them
    biases = 0 if bias is None else np.tile(bias, y.shape[2])
    span = max(column.start - left + kernel.shape[1] for column, kernel in zip(columns, kernels[0], strict=True))

    def transpose_some(some: slice) -> None:
        n = some.stop - some.start
        seen = framed(turned(images[some]), ((top, bottom), (left, left + width + span - 1)))
        of_image, of_row, of_pixel, of_channel = seen.strides
        shape = bottom - top, n, width, span, channels
        pixels = memory.scratch("rows", (prod(shape[:3]), span * channels), x.dtype)
        np.copyto(pixels.reshape(shape), as_strided(seen, shape, (of_row, of_image, of_pixel, of_pixel, of_channel)))
        for row, of_row in zip(rows, kernels, strict=True):
            place = outputs[some, row.outputs]
            count = place.shape[1] * n * width
            sums = memory.scratch("sums", (count * len(columns) * filters,), y.dtype).reshape(count, -1, filters)
            for b, (column, of_column) in enumerate(zip(columns, of_row, strict=True)):
                if not of_column.size:
                    sums[:, b] = 0
                for i, kernel in enumerate(of_column):
                    first = (row.start - top + i) * n * width
                    begin = (column.start - left) * channels
                    met = pixels[first : first + count, begin : begin + len(kernel) * channels]
                    multiply_into(sums[:, b], met, kernel.reshape(-1, filters), add=i > 0)
            found = sums.reshape(-1, n, width * len(columns) * filters)[:, :, : place.shape[2]].swapaxes(0, 1)
            np.add(found, biases, out=place)

    row = (bottom - top) * span * channels + y.shape[1] // len(rows) * len(columns) * filters
    share(transpose_some, _parts(len(x), width * row * x.itemsize))


def _parts(count: int, size: int) -> list[slice]:
    """Some of so many images, which take so many bytes."""
    return [some for some, _ in gathered.parts(count, (1,), size, CHUNK_BYTES)]
