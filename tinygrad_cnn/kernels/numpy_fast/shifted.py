"""Convolutions of many channels: for each entry of the kernel one product, with the pixels that it meets.

Images are channels-last here. Entry k meets the pixels x[s p + d k - before] of all windows p, which are the rows of a
matrix (windows, channels); they are copied to lie one after the other, zeros where there are none. It is multiplied
with the entry, a matrix (channels, filters), and BLAS adds up the products of all entries. Some images are done at a
time by each thread.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.blas import multiply_into
from tinygrad_cnn.kernels.numpy_fast.layout import channels_last, pixels_first, pixels_last
from tinygrad_cnn.kernels.numpy_fast.lowering import Windows, cut, share, sum_of_parts
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints

FEW = 32
"""With fewer channels or filters products are too small to be fast."""

CHUNK_BYTES = 1 << 20
"""About so many bytes of pixels are copied at a time."""

SUMS_BYTES = 1 << 24
"""Kernels' gradients are summed up in several sums, which the threads share, of about so many bytes together."""


def suits(x: Any, filters: int) -> bool:
    """Whether products of images x (N, C, ...) with so many filters are fast, and turning them, too."""
    return bool(min(x.shape[1], filters) >= FEW and x.dtype == np.float32)


def correlate(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    """Z (N, F, *out), channels-last."""
    images, entries = channels_last(x), pixels_first(weight)
    z = memory.empty((len(x), len(weight), *windows.out), x.dtype, memory.channels_last(x.ndim))
    pixels = z.transpose(memory.channels_last(x.ndim))

    def correlate_part(some: slice) -> None:
        sums = pixels[some].reshape(-1, len(weight))
        for is_later, index in enumerate(np.ndindex(*windows.kernel)):
            multiply_into(sums, _met(images[some], windows, start, index), entries[index].T, add=is_later > 0)
        if bias is not None:
            np.add(sums, bias, out=sums)

    share(correlate_part, _parts(len(x), windows, x.shape[1] * x.itemsize))
    return z


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK (F, C, *kernel)."""
    images, upstream = channels_last(x), channels_last(dz)
    sums: dict[int, Any] = {}

    def correlate_parts(some: slice) -> None:
        total = memory.empty((*windows.kernel, dz.shape[1], x.shape[1]), x.dtype)
        total.fill(0)
        for part in todo[some]:
            rows = upstream[part].reshape(-1, dz.shape[1]).T
            for index in np.ndindex(*windows.kernel):
                multiply_into(total[index], rows, _met(images[part], windows, start, index), add=True)
        sums[some.start] = total

    todo = _parts(len(x), windows, x.shape[1] * x.itemsize)
    # Which parts are summed together does not depend on the number of threads, so that the rounding doesn't either.
    size = prod(windows.kernel) * dz.shape[1] * x.shape[1] * x.itemsize
    share(correlate_parts, cut(len(todo), -(-len(todo) // min(max(SUMS_BYTES // size, 2), 8))))
    return pixels_last(sum_of_parts(sums))


def conv_transpose(x: Any, weight: Any, bias: Any, size: Ints, windows: Windows, start: Ints) -> Any:
    """Y (N, F, *size), channels-last, from x (N, C, *out): products with each entry, added to the pixels it meets."""
    images, entries, filters = channels_last(x), pixels_first(weight), weight.shape[1]
    y = memory.empty((len(x), filters, *size), x.dtype, memory.channels_last(x.ndim))
    pixels = y.transpose(memory.channels_last(x.ndim))
    covered = tuple((0, m) for m in size)
    is_tiled = windows.kernel == windows.stride and windows.region(start) == covered  # each pixel is met once

    def scatter_part(some: slice) -> None:
        rows, to = images[some].reshape(-1, x.shape[1]), pixels[some]
        products = memory.scratch("pixels", (len(rows) * filters,), x.dtype).reshape(*images[some].shape[:-1], filters)
        if not is_tiled:
            to[...] = 0 if bias is None else bias
        for index in np.ndindex(*windows.kernel):
            multiply_into(products.reshape(len(rows), filters), rows, entries[index])
            places, seen = _meeting(to, windows, start, index)
            if not is_tiled:
                to[seen] += products[places]
            elif bias is None:
                to[seen] = products[places]
            else:
                np.add(products[places], bias, out=to[seen])

    share(scatter_part, _parts(len(x), windows, filters * x.itemsize))
    return y


def _parts(count: int, windows: Windows, size: int) -> list[slice]:
    """Of so many images, with so many bytes in a pixel."""
    return cut(count, max(1, min(CHUNK_BYTES // (prod(windows.out) * size), -(-count // 4))))


def _met(images: Any, windows: Windows, start: Ints, index: Ints) -> Any:
    """The pixels that this entry meets in all windows, a matrix (windows, channels)."""
    places, seen = _meeting(images, windows, start, index)
    shape = len(images), *windows.out, images.shape[-1]
    pixels = memory.scratch("pixels", (prod(shape),), images.dtype).reshape(shape)
    for axis, (place, n) in enumerate(zip(places[1:], windows.out, strict=True)):
        before = (slice(None),) * (axis + 1)
        pixels[(*before, slice(0, place.start))] = 0
        pixels[(*before, slice(place.stop, n))] = 0
    np.copyto(pixels[places], images[seen])
    return pixels.reshape(-1, shape[-1])


def _meeting(images: Any, windows: Windows, start: Ints, index: Ints) -> tuple[Any, Any]:
    """The windows in which this entry meets a pixel, and these pixels."""
    axes = zip(index, start, windows.dilation, images.shape[1:-1], windows.out, windows.stride, strict=True)
    found = [reached(first + d * k, m, n, s) for k, first, d, m, n, s in axes]
    places, seen = ((slice(None), *some) for some in zip(*found, strict=True))
    return places, seen
