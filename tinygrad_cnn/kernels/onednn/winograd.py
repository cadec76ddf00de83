"""Convolutions with kernels of three rows and stride 1 by Winograd's minimal filtering, on channels-last images.

`kernels/winograd.py` has the matrices T, S and G, and why this is right. T and S are multiplied with rows of images,
all pixels and channels of a row being columns of one matrix, so that nothing is gathered. Each of the six products is
a convolution along the width, or a gradient of one. Some rows of some images are done at a time, and what lies between
T and S stays in the cache. Kernels are brought into the layout that the library convolves with before they are
multiplied with G.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.finite import has_finite_sum
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.copies import channels_last
from tinygrad_cnn.kernels.onednn.descriptors import (
    BIAS,
    DIRECT,
    FLOAT32,
    RESULT,
    RESULT_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    WEIGHTS,
    WEIGHTS_GRADIENT,
    Ints,
    attributes,
    ordered,
    strided,
)
from tinygrad_cnn.kernels.onednn.direct import Convolution
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described, number_of_products, reorder, wanted
from tinygrad_cnn.kernels.onednn.library import UnsupportedError
from tinygrad_cnn.kernels.reference import Pairs
from tinygrad_cnn.kernels.winograd import FILTER, PRODUCTS, TAPS, Block, blocks, looks_finite

PAIRS = 2048
"""Pairs of a channel and a filter: with fewer, T and S take longer than they save."""

PIXELS = 2048
"""With fewer in all images, what is done with the kernels takes longer than what is saved."""

CHUNK_BYTES = 4 << 20
"""About so many bytes lie between T and S at a time."""

HEIGHT, TILES = 2, 16
"""Blocks are so many tiles high, or higher where all images together have fewer than `TILES` in a block."""

_FLOAT32 = np.dtype(np.float32)


def correlate(x: Any, weight: Any, bias: Any, out: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """Z (N, F, *out); None if there is a better way, or a number is not finite."""
    z = (len(x), len(weight), *out)
    return _filtered(x, weight, bias, x.shape, z, stride, padding, dilation, False)


def conv_transpose(x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """Y of this size; None as for `correlate`."""
    y = (len(x), weight.shape[1], *size)
    return _filtered(x, weight, bias, y, x.shape, stride, padding, dilation, True)


def _filtered(
    given: Any, weight: Any, bias: Any, x: Ints, z: Ints,
    stride: Ints, padding: Pairs, dilation: Ints, is_transposed: bool,
) -> Any:  # fmt: skip
    plan = _filtering(
        x, weight.shape, z, stride, padding, dilation, weight.strides, is_transposed, bias is not None
    )  # fmt: skip
    if plan is None:
        return None
    axes = memory.channels_last(len(x))
    result = memory.empty(x if is_transposed else z, _FLOAT32, axes)
    pixels = result.transpose(axes)
    plan(channels_last(given).transpose(axes), weight, bias, pixels)
    return result if looks_finite(pixels, plan.height) else None


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """dK of this size; None as for `correlate`."""
    plan = _gradient(x.shape, (dz.shape[1], x.shape[1], *kernel), dz.shape, stride, padding, dilation)
    if plan is None:
        return None
    axes = memory.channels_last(x.ndim)
    dk = plan(channels_last(x).transpose(axes), channels_last(dz).transpose(axes))
    return dk if has_finite_sum(dk) else None


class _Shapes(NamedTuple):
    """A convolution of x (N, C, H, ...) with kernels (F, C, 3, ...) to z (N, F, ...)."""

    x: Ints
    weight: Ints
    z: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints

    def check(self) -> None:
        """Raise UnsupportedError where this is no way to convolve, or not a faster one."""
        if len(self.x) < 4 or (self.weight[2], self.stride[0], self.dilation[0]) != (TAPS, 1, 1):
            raise UnsupportedError("no filters of three neighbouring rows")
        if min(self.z) < 1 or prod(self.weight[:2]) < PAIRS or prod(self.z) < PIXELS * self.z[1]:
            raise UnsupportedError("few channels, or few pixels")
        before = self.padding[0][0]
        if not (0 <= before < TAPS and 0 <= self.z[2] + TAPS - 1 - self.x[2] - before < TAPS):
            raise UnsupportedError("rows that see nothing of the images")
        if number_of_products() != FLOAT32:
            raise UnsupportedError("numbers to be rounded before they are multiplied")

    @property
    def numbers(self) -> Ints:
        """In a row of pixels of x, and of z."""
        return prod(self.x[3:]) * self.x[1], prod(self.z[3:]) * self.z[1]

    def of_rows(self, count: int) -> Convolution:
        """The convolution of so many rows of pixels with one row of the kernels."""
        x, z = ((count, shape[1], 1, *shape[3:]) for shape in (self.x, self.z))
        weight = (*self.weight[:2], 1, *self.weight[3:])
        return Convolution(x, weight, z, self.stride, ((0, 0), *self.padding[1:]), self.dilation, 1)


class _Chunk(NamedTuple):
    """A block of rows of some images, and the primitives for it."""

    block: Block
    images: slice
    spread: Kernel  # T X
    product: Kernel  # one of the six
    other: Kernel  # S M; for the gradient of the kernels S^T dZ

    @property
    def rows(self) -> int:
        """Of pixels, in all six products."""
        return PRODUCTS * self.block.tiles * len(range(self.images.start, self.images.stop))


class _Filtering:
    """Z from X, or transposed X from Z; and the bias."""

    def __init__(self, shapes: _Shapes, strides: Ints, is_transposed: bool, has_bias: bool) -> None:
        shapes.check()
        (images, _, x, *_), (_, _, z, *_), before = shapes.x, shapes.z, shapes.padding[0][0]
        self.numbers = shapes.numbers
        if is_transposed:
            x, z, before, self.numbers = z, x, TAPS - 1 - before, self.numbers[::-1]
        self.chunks: list[_Chunk] = []
        layout = None  # of the kernels: what the first chunk wants, and others as a rule too
        for block, some, count in _runs(images, x, z, before, sum(self.numbers)):
            row = shapes.of_rows(count * block.tiles)
            descriptor = row.forward(row.x, row.z)
            ends = (SOURCE, row.x), (RESULT, row.z, True)
            if is_transposed:
                descriptor = described(
                    "convolution_backward_data", DIRECT, row.x, row.kernel, row.z, *row.options, descriptor,
                    attributes(),
                )  # fmt: skip
                ends = (RESULT_GRADIENT, row.z), (SOURCE_GRADIENT, row.x, True)
            if layout is None:
                layout = wanted(descriptor, WEIGHTS)
                self.filters = _Filters(shapes.weight, strides, layout, descriptor, is_transposed)
            product = Kernel(descriptor, ends[0], (WEIGHTS, layout), ends[1])
            spread = _spread(block.data.shape, count, x, self.numbers[0])
            gather = _gather(block.inverse.shape, count, z, self.numbers[1], has_bias)
            self.chunks.append(_Chunk(block, some, spread, product, gather))

    @property
    def height(self) -> int:
        """The rows of each block but the last."""
        rows: int = self.chunks[0].block.outputs.stop
        return rows

    def __call__(self, given: Any, weight: Any, bias: Any, result: Any) -> None:
        """Fill `result` (N, ..., F) from `given` (N, ..., C)."""
        filters = self.filters.products(weight)
        biases = () if bias is None else (np.tile(bias, self.numbers[1] // len(bias)),)
        for chunk, (data, products) in _with_room(self.chunks, self.numbers):
            chunk.spread(chunk.block.data, given[chunk.images, chunk.block.inputs], data)
            for x, u, z in zip(data, filters, products, strict=True):
                chunk.product(x, u, z)
            chunk.other(chunk.block.inverse, products, *biases, result[chunk.images, chunk.block.outputs])


class _Gradient:
    """dK from X and dZ."""

    def __init__(self, shapes: _Shapes) -> None:
        shapes.check()
        self.shape, self.numbers = shapes.weight, shapes.numbers
        self.chunks: list[_Chunk] = []
        layout = None
        (images, _, x, *_), (_, _, z, *_), before = shapes.x, shapes.z, shapes.padding[0][0]
        for block, some, count in _runs(images, x, z, before, sum(self.numbers)):
            row = shapes.of_rows(count * block.tiles)
            descriptor = described(
                "convolution_backward_weights", DIRECT, row.x, row.kernel, None, row.z, *row.options,
                row.forward(row.x, row.z), attributes(),
            )  # fmt: skip
            if layout is None:
                layout = wanted(descriptor, WEIGHTS_GRADIENT)
                self.filters = _Filters(shapes.weight, _c_strides(shapes.weight), layout, descriptor, is_gradient=True)
            product = Kernel(descriptor, (SOURCE, row.x), (RESULT_GRADIENT, row.z), (WEIGHTS_GRADIENT, layout, True))
            spread = _spread(block.data.shape, count, x, self.numbers[0])
            other = _spread(block.inverse.shape[::-1], count, z, self.numbers[1], is_transposed=True)
            self.chunks.append(_Chunk(block, some, spread, product, other))

    def __call__(self, x: Any, dz: Any) -> Any:
        """dK from (N, ..., C) and (N, ..., F)."""
        total, more = (memory.empty((PRODUCTS, self.filters.size), _FLOAT32) for _ in range(2))
        for chunk, (data, upstream) in _with_room(self.chunks, self.numbers):
            is_first = chunk is self.chunks[0]
            chunk.spread(chunk.block.data, x[chunk.images, chunk.block.inputs], data)
            chunk.other(chunk.block.inverse, dz[chunk.images, chunk.block.outputs], upstream)
            for left, right, place in zip(data, upstream, total if is_first else more, strict=True):
                chunk.product(left, right, place)
            if not is_first:
                total += more
        return self.filters.gradient(total, memory.empty(self.shape, _FLOAT32))


@cached
def _filtering(*arguments: Any) -> _Filtering:
    *shapes, strides, is_transposed, has_bias = arguments
    return _Filtering(_Shapes(*shapes), strides, is_transposed, has_bias)


@cached
def _gradient(*shapes: Any) -> _Gradient:
    return _Gradient(_Shapes(*shapes))


def forget() -> None:
    """Decide anew what is a case for it."""
    plans: Any
    for plans in (_filtering, _gradient):
        plans.cache_clear()


def _runs(images: int, inputs: int, outputs: int, before: int, numbers: int) -> Iterator[tuple[Block, slice, int]]:
    """Blocks of rows, with images that are done together, their number too; so many numbers are in a row of pixels."""
    for block in blocks(inputs, outputs, before, max(HEIGHT, -(-TILES // images))):
        most = max(CHUNK_BYTES // (_FLOAT32.itemsize * PRODUCTS * block.tiles * numbers), 1)
        together = -(-images // -(-images // most))
        for first in range(0, images, together):
            last = min(first + together, images)
            yield block, slice(first, last), last - first


def _with_room(chunks: list[_Chunk], numbers: Ints) -> Iterator[tuple[_Chunk, list[Any]]]:
    """Each chunk, with room for the rows of its six products on both sides: the same for all of them."""
    room = [memory.empty((max(chunk.rows for chunk in chunks) * count,), _FLOAT32) for count in numbers]
    for chunk in chunks:
        yield chunk, [side[: chunk.rows * n].reshape(PRODUCTS, -1) for side, n in zip(room, numbers, strict=True)]


class _Filters:
    """The six kernels G K, each (F, C, 1, ...) in the layout that a convolution wants, or what leads back from them.

    Args:
        weight: the shape of K (F, C, 3, ...).
        strides: its strides.
        layout: the descriptor of one of the six.
        owner: what that lives as long as.
        is_rotated: the rows of K are taken from the last to the first.
        is_gradient: dK = G^T dU is wanted.
    """

    def __init__(
        self, weight: Ints, strides: Ints, layout: Any, owner: Any, is_rotated: bool = False, is_gradient: bool = False
    ) -> None:
        self.owner = owner
        self.size = library.load().quick.memory_desc_get_size(layout) // _FLOAT32.itemsize
        self.rows = tuple(range(TAPS))[:: -1 if is_rotated else 1]
        row = strided((*weight[:2], 1, *weight[3:]), strides)
        matrix, (read, written) = (PRODUCTS, TAPS), (row, layout)
        if is_gradient:
            matrix, (read, written) = (TAPS, PRODUCTS), (layout, row)
        self.turn = Kernel(reorder(read, written), (SOURCE, read), (RESULT, written))
        self.sums = _matrix_product(matrix, is_gradient, 1, self.size, (0, self.size), (0, self.size))

    def products(self, weight: Any) -> Any:
        """G K (6, size)."""
        rows, products = (memory.empty((count, self.size), _FLOAT32) for count in (TAPS, PRODUCTS))
        for row, turned in zip(self.rows, rows, strict=True):
            self.turn(weight[:, :, row : row + 1], turned)
        self.sums(FILTER, rows, products)
        return products

    def gradient(self, products: Any, dk: Any) -> Any:
        """dK = G^T dU, put into dk."""
        rows = memory.empty((TAPS, self.size), _FLOAT32)
        self.sums(FILTER, products, rows)
        for row, turned in zip(self.rows, rows, strict=True):
            self.turn(turned, dk[:, :, row : row + 1])
        return dk


def _spread(matrix: Ints, images: int, height: int, numbers: int, is_transposed: bool = False) -> Kernel:
    """Rows of products (6 tiles, images, numbers) from rows of images (images, height, numbers)."""
    read, written = (height * numbers, numbers), (numbers, images * numbers)
    return _matrix_product(matrix, is_transposed, images, numbers, read, written)


def _gather(matrix: Ints, images: int, height: int, numbers: int, has_bias: bool) -> Kernel:
    """Rows of images from rows of products, plus a row of biases."""
    read, written = (numbers, images * numbers), (height * numbers, numbers)
    return _matrix_product(matrix, False, images, numbers, read, written, has_bias)


def _matrix_product(
    matrix: Ints, is_transposed: bool, images: int, numbers: int, read: Ints, written: Ints, has_bias: bool = False
) -> Kernel:
    """A (m, k), given as it is or transposed, with the rows (k, numbers) of each image; plus a row.

    `read` and `written` are the distances of images and of rows, in numbers.
    """
    rows, columns = matrix
    size = _FLOAT32.itemsize
    factor = ordered((1, rows, columns), (0, 2, 1) if is_transposed else None)
    given = strided((images, columns, numbers), (read[0] * size, read[1] * size, size))
    result = strided((images, rows, numbers), (written[0] * size, written[1] * size, size))
    bias = [(BIAS, ordered((1, 1, numbers)))] if has_bias else []
    descriptor = described("matmul", factor, given, bias[0][1] if bias else None, result, attributes())
    return Kernel(descriptor, (SOURCE, factor), (WEIGHTS, given), *bias, (RESULT, result, True))


def _c_strides(shape: Ints) -> Ints:
    return tuple(_FLOAT32.itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))
