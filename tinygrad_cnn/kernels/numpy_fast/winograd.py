"""Convolutions of many channels with kernels of three rows by Winograd's minimal filtering, as products for BLAS.

`kernels/winograd.py` has the matrices T, S and G, and why this is right. Images are channels-last here. T and S are
multiplied with rows of images, all pixels and channels of a row being columns of one matrix. Between them lie rows of
pixels, each a row of a matrix (pixels, channels) with some zeros after the last pixel, which are borders of the next
row, too. So entry j of a kernel's row, a matrix (channels, filters), is multiplied with all pixels from the j-th on,
and BLAS adds up the products of all j. Nothing is gathered.

Some rows of some images are done at a time by each thread, and what lies between T and S stays in its cache.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import blas, memory
from tinygrad_cnn.kernels.blas import multiply_into
from tinygrad_cnn.kernels.finite import has_finite_sum
from tinygrad_cnn.kernels.numpy_fast.layout import channels_last, pixels_first, pixels_last
from tinygrad_cnn.kernels.numpy_fast.lowering import Windows, cut, share, sum_of_parts
from tinygrad_cnn.kernels.reference import Ints
from tinygrad_cnn.kernels.winograd import FILTER, OUTPUTS, PRODUCTS, TAPS, Block, blocks, looks_finite

PIXELS = 2048
"""With fewer in all images what is done with the kernels takes longer than what is saved."""

HEIGHT = 2
"""Blocks are so many tiles high."""

CHUNK_BYTES = 4 << 20
"""About so many bytes lie between T and S at a time."""

SUMS_BYTES = 1 << 23
"""Kernels' gradients are summed up in several sums, which the threads share, of about so many bytes together."""

_FLOAT32 = np.dtype(np.float32)


def suits(x: Any, filters: int, windows: Windows, start: Ints) -> bool:
    """Whether x (N, C, H, W) with so many kernels of these windows is a case for it; channels are many anyway."""
    if len(start) != 2 or windows.kernel[0] != TAPS or max(windows.stride) > 1 or windows.dilation[0] > 1:
        return False
    reaches = [d * (k - 1) for k, d in zip(windows.kernel, windows.dilation, strict=True)]
    around = zip(reaches, windows.region(start), x.shape[2:], strict=True)
    return len(x) * prod(windows.out) >= PIXELS and all(
        0 <= -first <= reach and 0 <= stop - size <= reach for reach, (first, stop), size in around
    )


class _Rows(NamedTuple):
    """How rows of pixels lie between T and S, for images of this height and width."""

    height: int
    width: int
    windows: Windows
    start: Ints

    @property
    def before(self) -> int:
        """Zeros in front of the first column."""
        return -self.start[1]

    @property
    def after(self) -> int:
        """Zeros behind the last column."""
        return self.windows.region(self.start)[1][1] - self.width

    @property
    def period(self) -> int:
        """From the first pixel of a row to that of the next."""
        return self.width + max(self.before, self.after)

    def met(self, pixels: Any, first: int, count: int, column: int) -> Any:
        """What this column of the kernel meets from so many pixels on, the first of which the first column meets."""
        first += self.windows.dilation[1] * column
        return pixels[first : first + count]

    def parts(self, count: int, channels: int) -> list[tuple[Block, slice]]:
        """Blocks of rows of some of `count` images, with so many channels on both sides of the products."""
        together = max(CHUNK_BYTES // (_FLOAT32.itemsize * PRODUCTS * HEIGHT * self.period * channels), 1)
        found = blocks(self.height, self.windows.out[0], -self.start[0], HEIGHT)
        return [(block, some) for block in found for some in cut(count, together)]

    def spread(self, role: str, matrix: Any, images: Any, before: int = 0, after: int = 0) -> Any:
        """A matrix times rows of images (n, rows, width, channels), as pixels (products n period, channels).

        Zeros stand between the rows, and so many more `before` and `after` all of them.
        """
        n, rows, width, channels = images.shape
        count = len(matrix) * n * self.period
        pixels = memory.scratch(role, ((before + count + after) * channels,), _FLOAT32).reshape(-1, channels)
        pixels[:before] = 0
        pixels[before + count :] = 0
        inside = pixels[before : before + count].reshape(len(matrix), n, self.period, channels)
        inside[:, :, width:] = 0
        place = inside[:, :, :width].reshape(len(matrix), n, -1).swapaxes(0, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(matrix, images.reshape(n, rows, -1), out=place)
        return pixels


def correlate(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    """Z (N, F, *out), channels-last; None if a number is not finite."""
    filters = _filters(weight)
    columns, channels, count = filters.shape[1:]
    rows, images = _Rows(x.shape[2], x.shape[3], windows, start), channels_last(x)
    z = memory.empty((len(x), count, *windows.out), _FLOAT32, memory.channels_last(4))
    pixels = z.transpose(0, 2, 3, 1)
    biases = None if bias is None else np.tile(bias, windows.out[1])

    def filter_part(part: tuple[Block, slice]) -> None:
        block, some = part
        n = some.stop - some.start
        data = rows.spread("data", block.data, images[some, block.inputs], rows.before, rows.after)
        each = block.tiles * n * rows.period  # pixels of a product
        sums = memory.scratch("products", (PRODUCTS * each * count,), _FLOAT32).reshape(PRODUCTS, each, count)
        for q in range(PRODUCTS):
            for j in range(columns):
                multiply_into(sums[q], rows.met(data, q * each, each, j), filters[q, j], add=j > 0)
        seen = sums.reshape(len(block.data), n, rows.period, count)[:, :, : windows.out[1]]
        seen = seen.reshape(len(block.data), n, -1)
        place = pixels[some, block.outputs].reshape(n, len(block.inverse), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(block.inverse, seen.swapaxes(0, 1), out=place)
            if biases is not None:
                np.add(place, biases, out=place)

    share(filter_part, rows.parts(len(x), channels + count))
    return z if looks_finite(pixels, OUTPUTS * HEIGHT) else None


def _filters(weight: Any) -> Any:
    """G K (6, columns, C, F) from K (F, C, 3, columns), so that nothing is turned that lies as BLAS can take it."""
    entries = pixels_first(weight)
    is_turned = entries.strides[-1] > entries.strides[-2]
    entries = entries.swapaxes(2, 3) if is_turned else entries
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
        products = (FILTER @ entries.reshape(TAPS, -1)).reshape(PRODUCTS, *entries.shape[1:])
    return products if is_turned else products.swapaxes(2, 3)


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK (F, C, *kernel); None if a number is not finite."""
    columns, channels, count = windows.kernel[1], x.shape[1], dz.shape[1]
    rows = _Rows(x.shape[2], x.shape[3], windows, start)
    images, upstream = channels_last(x), channels_last(dz)
    sums: dict[int, Any] = {}

    def correlate_parts(some: slice) -> None:
        total = memory.empty((PRODUCTS, columns, count, channels), _FLOAT32)
        total.fill(0)
        for block, n in todo[some]:
            data = rows.spread("data", block.data, images[n, block.inputs], rows.before, rows.after)
            other = rows.spread("products", block.inverse.T, upstream[n, block.outputs])
            each = len(other) // PRODUCTS
            for q in range(PRODUCTS):
                upstream_of_product = other[q * each : (q + 1) * each].T
                for j in range(columns):
                    multiply_into(total[q, j], upstream_of_product, rows.met(data, q * each, each, j), add=True)
        sums[some.start] = total

    todo = rows.parts(len(x), channels + count)
    # Which parts are summed together does not depend on the number of threads, so that the rounding doesn't either.
    several = min(max(SUMS_BYTES // (_FLOAT32.itemsize * PRODUCTS * columns * channels * count), 2), 8)
    share(correlate_parts, cut(len(todo), -(-len(todo) // several)))
    with blas.one_thread(), np.errstate(over="ignore", invalid="ignore"):
        dk = (FILTER.T @ sum_of_parts(sums).reshape(PRODUCTS, -1)).reshape(TAPS, columns, count, channels)
    return pixels_last(dk) if has_finite_sum(dk) else None
