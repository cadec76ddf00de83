"""Convolutions of many channels: one product with all windows, which are gathered as the rows of a matrix.

Images are channels-last here, so that a row of a window is one run of memory, for all channels: a row of the matrix is
made of `kernel height` copies of such runs. Multiplied with a matrix (entries of the kernel and channels, filters) they
are the pixels of channels-last images. Some images, or some rows of one, are done at a time by each thread.

With many channels there is a product for each entry, with its columns of the matrix, and BLAS adds them up.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.blas import multiply_into
from tinygrad_cnn.kernels.numpy_fast.layout import channels_last, pixels_first, pixels_last, turnable, turned
from tinygrad_cnn.kernels.numpy_fast.lowering import Windows, cut, share, sum_of_parts
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints, Pairs

FEW = 32
"""With fewer channels or filters products are too small to be fast."""

MANY = 128
"""With so many channels a product for each entry of the kernel is as fast, and kernels are better left as they lie."""

CHUNK_BYTES = 2 << 20
"""About so many bytes of windows are gathered at a time, or twice those of the kernels, which are read every time."""

PRODUCTS = 1 << 22
"""With so many products of two numbers an image is worth a product of its own."""

PARTS = 4
"""The number of parts is a multiple, for the threads to share."""

SUMS_BYTES = 1 << 24
"""Kernels' gradients are summed up in several sums, which the threads share, of about so many bytes together."""


def suits(x: Any, filters: int) -> bool:
    """Whether products of images x (N, C, ...) with so many filters are fast, and turning them, too."""
    return bool(min(x.shape[1], filters) >= FEW and x.dtype == np.float32)


def correlate(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    """Z (N, F, *out), channels-last."""
    images, count, matrices = turnable(x), len(weight), _matrices(pixels_first(weight))
    z = memory.empty((len(x), count, *windows.out), x.dtype, memory.channels_last(x.ndim))
    pixels = z.transpose(memory.channels_last(x.ndim))

    def correlate_part(part: tuple[slice, slice]) -> None:
        sums = pixels[part].reshape(-1, count)
        rows = _gathered(images, windows, start, part)
        for i, (matrix, some) in enumerate(zip(matrices, np.split(rows, len(matrices), axis=1), strict=True)):
            multiply_into(sums, some, matrix.T, add=i > 0)
        if bias is not None:
            np.add(sums, bias, out=sums)

    share(correlate_part, _parts_of(x, windows, count))
    return z


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK (F, C, *kernel)."""
    images, count, entries = turnable(x), dz.shape[1], prod(windows.kernel)
    # (N, F, ...) as it is has a matrix for BLAS in each image, but not in several.
    is_as_is = dz.flags.c_contiguous and dz[0].size * entries * x.shape[1] >= PRODUCTS
    upstream = dz.transpose(memory.channels_last(dz.ndim)) if is_as_is else channels_last(dz)
    each = 1 if x.shape[1] < MANY else entries
    sums: dict[int, Any] = {}

    def correlate_parts(some: slice) -> None:
        total = memory.empty((each, count, entries // each * x.shape[1]), x.dtype)
        total.fill(0)
        for part in todo[some]:
            rows, pixels = _gathered(images, windows, start, part), upstream[part]
            several = len(pixels) if is_as_is else 1
            for of_image, seen in zip(pixels.reshape(several, -1, count), np.split(rows, several), strict=True):
                for to, columns in zip(total, np.split(seen, each, axis=1), strict=True):
                    multiply_into(to, of_image.T, columns, add=True)
        sums[some.start] = total

    todo = _parts_of(x, windows, count)
    # Which parts are summed together does not depend on the number of threads, so that the rounding doesn't either.
    size = entries * count * x.shape[1] * x.itemsize
    share(correlate_parts, cut(len(todo), -(-len(todo) // min(max(SUMS_BYTES // size, 2), 8))))
    dk = sum_of_parts(sums)
    if each == 1:
        dk = np.ascontiguousarray(np.moveaxis(dk.reshape(count, entries, -1), 0, 1))
    return pixels_last(dk.reshape(*windows.kernel, count, -1))


def _matrices(entries: Any) -> Any:
    """Entries (*kernel, F, C) side by side as one matrix (1, F, kernel C), or if that copies much, (kernel, F, C)."""
    filters, channels = entries.shape[-2:]
    entries = entries.reshape(-1, filters, channels)
    if channels >= MANY:
        return entries
    return np.ascontiguousarray(np.moveaxis(entries, 0, 1)).reshape(1, filters, -1)


def _parts_of(x: Any, windows: Windows, filters: int) -> list[tuple[slice, slice]]:
    size = x.shape[1] * prod(windows.kernel) * x.itemsize
    return parts(len(x), windows.out, size, max(CHUNK_BYTES, 2 * filters * size))


def parts(count: int, out: Ints, size: int, chunk: int) -> list[tuple[slice, slice]]:
    """Some of `count` images, or some rows of one, with about `chunk` bytes if a window has `size`; `PARTS` or more."""
    total = count * out[0]  # rows
    least = -(-total * prod(out[1:]) * size // chunk)
    pieces = -(-least // PARTS) * PARTS  # so that threads have as much to do
    images = min(count, pieces)
    rows = min(out[0], -(-pieces // images))
    return [(some, few) for some in _evenly(count, images) for few in _evenly(out[0], rows)]


def _evenly(count: int, pieces: int) -> list[slice]:
    return [slice(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


def _gathered(images: Any, windows: Windows, start: Ints, part: tuple[slice, slice]) -> Any:
    """The windows of a part, as rows (windows, entries of the kernel and channels), of `turnable` images."""
    some, rows = part
    windows = windows._replace(out=(rows.stop - rows.start, *windows.out[1:]))
    start = (start[0] + rows.start * windows.stride[0], *start[1:])
    images, (rows_seen, *region) = images[some], windows.region(start)
    if len(images) == 1:  # no need to turn more of it
        first = max(rows_seen[0], 0)
        images, rows_seen = images[:, :, first : max(rows_seen[1], first)], (rows_seen[0] - first, rows_seen[1] - first)
    seen = framed(turned(images), (rows_seen, *region))
    (of_image, *steps, of_channel), channels = seen.strides, seen.shape[-1]
    dilated, strided = (
        [by * step for by, step in zip(each, steps, strict=True)] for each in (windows.dilation, windows.stride)
    )
    shape = len(seen), *windows.out, *windows.kernel, channels
    gathered = memory.scratch("rows", (prod(shape[: images.ndim - 1]), prod(windows.kernel) * channels), images.dtype)
    view = as_strided(seen, shape, (of_image, *strided, *dilated, of_channel))
    np.copyto(gathered.reshape(shape), view)
    return gathered


def framed(images: Any, region: Pairs) -> Any:
    """A region of images (N, *size, C), a range for each axis; in scratch memory with zeros where it is beyond them."""
    size = images.shape[1:-1]
    if all(first >= 0 and stop <= m for (first, stop), m in zip(region, size, strict=True)):
        return images[(slice(None), *(slice(*along) for along in region))]
    shape = len(images), *(stop - first for first, stop in region), images.shape[-1]
    y = memory.scratch("pixels", (prod(shape),), images.dtype).reshape(shape)
    found = [reached(first, m, stop - first, 1) for (first, stop), m in zip(region, size, strict=True)]
    for axis, (place, _) in enumerate(found, 1):
        before = (slice(None),) * axis
        y[(*before, slice(0, place.start))] = 0
        y[(*before, slice(place.stop, None))] = 0
    places, pixels = ((slice(None), *along) for along in zip(*found, strict=True))
    np.copyto(y[places], images[pixels])
    return y
