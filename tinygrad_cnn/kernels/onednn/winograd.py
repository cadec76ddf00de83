"""Convolutions with kernels of three rows and stride 1 by Winograd's minimal filtering, on channels-last images.

`kernels/winograd.py` has the matrices T, S and G, and why this is right. T and S are multiplied with rows of images,
all pixels and channels of a row being columns of one matrix, so that nothing is gathered. Each of the six products is
a convolution along the width, or a gradient of one. Some rows of some images are done at a time, and what lies between
T and S stays in the cache. Kernels are brought into the layout that the library convolves with before they are
multiplied with G.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.copies import channels_last
from tinygrad_cnn.kernels.onednn.descriptors import (
    BIAS,
    DIRECT,
    FLOAT32,
    RESULT,
    RESULT_GRADIENT,
    SOURCE,
    SOURCE_1,
    SOURCE_GRADIENT,
    WEIGHTS,
    WEIGHTS_GRADIENT,
    Ints,
    attributes,
    c_strides,
    ordered,
    strided,
)
from tinygrad_cnn.kernels.onednn.direct import MANY, NARROW, Convolution
from tinygrad_cnn.kernels.onednn.elementwise import ADD
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described, number_of_products, reorder, wanted
from tinygrad_cnn.kernels.onednn.library import UnsupportedError
from tinygrad_cnn.kernels.onednn.sequences import Sequence
from tinygrad_cnn.kernels.onednn.sums import is_finite
from tinygrad_cnn.kernels.reference import Pairs
from tinygrad_cnn.kernels.winograd import FILTER, PRODUCTS, TAPS, Block, blocks, looks_finite

PAIRS = 1024
"""Pairs of a channel and a filter: with fewer, T and S take longer than they save."""

PIXELS, PIXELS_OF_GRADIENT = 512, 1024
"""With fewer in all images, what is done with the kernels takes longer than what is saved."""

TRIPLES = 1 << 23
"""Triples of a channel, a filter and a pixel: with fewer, it takes longer to call more primitives."""

CHUNK_BYTES = 8 << 20
"""About so many bytes lie between T and S at a time."""

GAP = 16
"""So many numbers lie between kernels that would else be a power of two apart, and compete for places in the cache."""

HEIGHT, TILES = 2, 16
"""Blocks are so many tiles high, or higher where all images together have fewer than `TILES` in a block."""

_FLOAT32 = np.dtype(np.float32)
_SIZE = _FLOAT32.itemsize


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
    biases = () if bias is None else (np.tile(bias, prod(pixels.shape[2:-1])),)
    plan.steps(channels_last(given), weight, result, *biases)
    return result if looks_finite(pixels, plan.height) else None


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """dK of this size; None as for `correlate`."""
    plan = _gradient(x.shape, (dz.shape[1], x.shape[1], *kernel), dz.shape, stride, padding, dilation)
    if plan is None:
        return None
    dk = memory.empty((dz.shape[1], x.shape[1], *kernel), _FLOAT32)
    plan.steps(channels_last(x), channels_last(dz), dk)
    return dk if is_finite(dk) else None


class _Shapes(NamedTuple):
    """A convolution of x (N, C, H, ...) with kernels (F, C, 3, ...) to z (N, F, ...)."""

    x: Ints
    weight: Ints
    z: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints

    def check(self, fewest: int) -> None:
        """Raise UnsupportedError where this is no way to convolve, or not a faster one."""
        if len(self.x) < 4 or (self.weight[2], self.stride[0], self.dilation[0]) != (TAPS, 1, 1):
            raise UnsupportedError("no filters of three neighbouring rows")
        pairs, pixels = prod(self.weight[:2]), self.z[0] * prod(self.z[2:])
        if min(self.z) < 1 or pairs < PAIRS or pixels < fewest or pairs * pixels < TRIPLES:
            raise UnsupportedError("few channels, or few pixels")
        if self.z[-1] <= NARROW and min(self.weight[:2]) >= MANY:
            raise UnsupportedError("rows of few pixels")
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


class _Run(NamedTuple):
    """A block of rows, of some images that are done together."""

    block: Block
    first: int
    images: int

    @property
    def rows(self) -> int:
        """Of pixels in each product."""
        return self.images * self.block.tiles

    def start(self, row: int, height: int, numbers: int) -> int:
        """The byte in images of this height where a row of the first one begins; so many numbers are in a row."""
        return _SIZE * numbers * (self.first * height + row)


def _runs(images: int, inputs: int, outputs: int, before: int, numbers: int) -> list[_Run]:
    """All that is to be done; so many numbers are in rows of pixels on both sides of the products."""
    runs = []
    for block in blocks(inputs, outputs, before, max(HEIGHT, -(-TILES // images))):
        most = max(CHUNK_BYTES // (_SIZE * PRODUCTS * block.tiles * numbers), 1)
        together = -(-images // -(-images // most))
        runs += [_Run(block, first, min(together, images - first)) for first in range(0, images, together)]
    return runs


class _Filtering:
    """Z from X, or transposed X from Z; and the bias.

    Attributes:
        steps: called with (N, ..., C), K, the result (N, ..., F), and a row of pixels of biases, if any.
        height: the rows of each block but the last.
    """

    def __init__(self, shapes: _Shapes, strides: Ints, is_transposed: bool, has_bias: bool) -> None:
        shapes.check(PIXELS)
        (images, _, x, *_), (_, _, z, *_), before = shapes.x, shapes.z, shapes.padding[0][0]
        numbers = shapes.numbers
        if is_transposed:
            x, z, before, numbers = z, x, TAPS - 1 - before, numbers[::-1]
        runs = _runs(images, x, z, before, sum(numbers))
        self.height = runs[0].block.outputs.stop
        layout, product = None, {}
        for rows in dict.fromkeys(run.rows for run in runs):
            row = shapes.of_rows(rows)
            descriptor = row.forward(row.x, row.z)
            ends = (SOURCE, row.x), (RESULT, row.z, True)
            if is_transposed:
                descriptor = described(
                    "convolution_backward_data", DIRECT, row.x, row.kernel, row.z, *row.options, descriptor,
                    attributes(),
                )  # fmt: skip
                ends = (RESULT_GRADIENT, row.z), (SOURCE_GRADIENT, row.x, True)
            layout = layout or wanted(descriptor, WEIGHTS)  # what the first wants, and the others as a rule too
            product[rows] = Kernel(descriptor, ends[0], (WEIGHTS, layout), ends[1])
        filters = _Filters(shapes.weight, strides, layout)
        given, weight, result, bias = range(4)
        data, products, taps, kernels = range(4)
        sides = [PRODUCTS * _SIZE * max(product) * n for n in numbers]
        self.steps = steps = Sequence(3 + has_bias, *sides, TAPS * filters.step, PRODUCTS * filters.step)
        for place, tap in enumerate(range(TAPS)[:: -1 if is_transposed else 1]):
            steps.add(filters.turn, (weight, tap * strides[2]), steps.room(taps, place * filters.step))
        steps.add(filters.sums, steps.keep(FILTER), steps.room(taps), steps.room(kernels))
        for run in runs:
            block, sizes = run.block, [_SIZE * run.rows * n for n in numbers]
            start, end = run.start(block.inputs.start, x, numbers[0]), run.start(block.outputs.start, z, numbers[1])
            spread = _spread(block.data.shape, run, x, numbers[0])
            steps.add(spread, steps.keep(block.data), (given, start), steps.room(data))
            _multiply(steps, product[run.rows], (data, sizes[0]), (kernels, filters.step), (products, sizes[1]))
            gather = _gather(block.inverse.shape, run, z, numbers[1], has_bias)
            biases = [(bias, 0)] * has_bias
            steps.add(gather, steps.keep(block.inverse), steps.room(products), *biases, (result, end))


class _Gradient:
    """dK from X and dZ.

    Attributes:
        steps: called with (N, ..., C), (N, ..., F) and dK.
    """

    def __init__(self, shapes: _Shapes) -> None:
        shapes.check(PIXELS_OF_GRADIENT)
        (images, _, x, *_), (_, _, z, *_), before, numbers = shapes.x, shapes.z, shapes.padding[0][0], shapes.numbers
        runs = _runs(images, x, z, before, sum(numbers))
        layout, product = None, {}
        for rows in dict.fromkeys(run.rows for run in runs):
            row = shapes.of_rows(rows)
            descriptor = described(
                "convolution_backward_weights", DIRECT, row.x, row.kernel, None, row.z, *row.options,
                row.forward(row.x, row.z), attributes(),
            )  # fmt: skip
            layout = layout or wanted(descriptor, WEIGHTS_GRADIENT)
            ends = (SOURCE, row.x), (RESULT_GRADIENT, row.z), (WEIGHTS_GRADIENT, layout, True)
            product[rows] = Kernel(descriptor, *ends)
        strides = c_strides(shapes.weight)
        filters = _Filters(shapes.weight, strides, layout, is_gradient=True)
        add = _addition(PRODUCTS * filters.step // _SIZE)
        given, upstream, result = range(3)
        data, other, taps, total, more = range(5)
        sides = [PRODUCTS * _SIZE * max(product) * n for n in numbers]
        of_filters = TAPS, PRODUCTS, PRODUCTS if len(runs) > 1 else 0
        self.steps = steps = Sequence(3, *sides, *(n * filters.step for n in of_filters))
        for run in runs:
            block, sizes = run.block, [_SIZE * run.rows * n for n in numbers]
            start, end = run.start(block.inputs.start, x, numbers[0]), run.start(block.outputs.start, z, numbers[1])
            spread = _spread(block.data.shape, run, x, numbers[0])
            steps.add(spread, steps.keep(block.data), (given, start), steps.room(data))
            spread = _spread(block.inverse.shape[::-1], run, z, numbers[1], is_transposed=True)
            steps.add(spread, steps.keep(block.inverse), (upstream, end), steps.room(other))
            sums = total if run is runs[0] else more
            _multiply(steps, product[run.rows], (data, sizes[0]), (other, sizes[1]), (sums, filters.step))
            if sums is more:
                steps.add(add, steps.room(total), steps.room(more), steps.room(total))
        steps.add(filters.sums, steps.keep(FILTER), steps.room(total), steps.room(taps))
        for tap in range(TAPS):
            steps.add(filters.turn, steps.room(taps, tap * filters.step), (result, tap * strides[2]))


def _multiply(steps: Sequence, product: Kernel, *sides: tuple[int, int]) -> None:
    """Add the six products: of parts of the room, each with the bytes from one of its six to the next."""
    for q in range(PRODUCTS):
        steps.add(product, *(steps.room(part, q * step) for part, step in sides))


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


class _Filters:
    """From rows of K (F, C, 3, ...) to the six kernels G K, each in the layout that a convolution wants, or back.

    Args:
        weight: the shape of K.
        strides: its strides.
        layout: the descriptor of one of the six.
        is_gradient: dK = G^T dU is wanted.

    Attributes:
        turn: a kernel, which brings a row of K into the layout, or out of it.
        sums: a kernel, called with G, the three rows or the six kernels, and the others.
        step: the bytes from one of the six, or of the three, to the next.
    """

    def __init__(self, weight: Ints, strides: Ints, layout: Any, is_gradient: bool = False) -> None:
        size = library.load().quick.memory_desc_get_size(layout)
        row = strided((*weight[:2], 1, *weight[3:]), strides)
        matrix, (read, written) = (PRODUCTS, TAPS), (row, layout)
        if is_gradient:
            matrix, (read, written) = (TAPS, PRODUCTS), (layout, row)
        self.turn = Kernel(reorder(read, written), (SOURCE, read), (RESULT, written))
        numbers = size // _SIZE
        self.step = size + _SIZE * GAP
        distances = 0, self.step // _SIZE
        self.sums = _matrix_product(matrix, is_gradient, 1, numbers, distances, distances)


def _spread(matrix: Ints, run: _Run, height: int, numbers: int, is_transposed: bool = False) -> Kernel:
    """Rows of products (6 tiles, images, numbers) from rows of images (images, height, numbers)."""
    read, written = (height * numbers, numbers), (numbers, run.images * numbers)
    return _matrix_product(matrix, is_transposed, run.images, numbers, read, written)


def _gather(matrix: Ints, run: _Run, height: int, numbers: int, has_bias: bool) -> Kernel:
    """Rows of images from rows of products, plus a row of biases."""
    read, written = (numbers, run.images * numbers), (height * numbers, numbers)
    return _matrix_product(matrix, False, run.images, numbers, read, written, has_bias)


def _matrix_product(
    matrix: Ints, is_transposed: bool, images: int, numbers: int, read: Ints, written: Ints, has_bias: bool = False
) -> Kernel:
    """A (m, k), given as it is or transposed, with the rows (k, numbers) of each image; plus a row.

    `read` and `written` are the distances of images and of rows, in numbers.
    """
    rows, columns = matrix
    factor = ordered((1, rows, columns), (0, 2, 1) if is_transposed else None)
    given = strided((images, columns, numbers), (_SIZE * read[0], _SIZE * read[1], _SIZE))
    result = strided((images, rows, numbers), (_SIZE * written[0], _SIZE * written[1], _SIZE))
    bias = [(BIAS, ordered((1, 1, numbers)))] if has_bias else []
    descriptor = described("matmul", factor, given, bias[0][1] if bias else None, result, attributes())
    return Kernel(descriptor, (SOURCE, factor), (WEIGHTS, given), *bias, (RESULT, result, True))


def _addition(numbers: int) -> Kernel:
    """Of vectors, called with both and the sum."""
    vector = ordered((numbers,))
    descriptor = described("binary", ADD, vector, vector, vector, attributes())
    return Kernel(descriptor, (SOURCE, vector), (SOURCE_1, vector), (RESULT, vector, True))
