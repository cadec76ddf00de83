"""Pooling by oneDNN, channels-last or in NumPy's order. What it keeps of a max-pool for the gradient are our winners:
one byte a window, the first winning entry of the flattened kernel, laid out as the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isnan, prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.descriptors import (
    INFERENCE,
    RESULT,
    RESULT_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    TRAINING,
    UINT8,
    WORKSPACE,
    Handle,
    Ints,
    attributes,
    dims,
    is_described,
    ordered,
    strided,
)
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described, implementation
from tinygrad_cnn.kernels.onednn.library import UnsupportedError
from tinygrad_cnn.kernels.onednn.sums import is_finite

Pairs = tuple[tuple[int, int], ...]

# dnnl_alg_kind_t
MAX, AVERAGE_WITH_PADDING, AVERAGE_OF_PIXELS = 0x1FF, 0x2FF, 0x3FF
RELU = 0x20
LOWEST = np.finfo(np.float32).min

LARGE = 1 << 18
"""From so many numbers on they are summed up on several threads before NumPy has found the largest."""


class Windows(NamedTuple):
    """What is pooled, (N, C, *size) with its axes in this order in memory (None: their own), and how.

    `result` is the shape of the result, which has the same order.
    """

    algorithm: int
    shape: Ints
    axes: Ints | None
    result: Ints
    kernel: Ints
    stride: Ints
    padding: Pairs


def max_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """As the definition. oneDNN passes over NaN and takes windows of minus infinity for empty: NumPy has those."""
    windows = _windows(MAX, x, x.shape, kernel, stride, padding, dilation)
    run = None if windows is None else _pooling(windows)
    if windows is None or run is None or _holds_nan(x):
        return NotImplemented
    z, winners = (memory.empty(windows.result, dtype, windows.axes) for dtype in (np.float32, np.uint8))
    run(x, z, winners)
    return (z, winners) if z.min() > LOWEST else NotImplemented


def positive_maxima(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """The ReLU of `max_pool`'s results, without the winners."""
    windows = _windows(MAX, x, x.shape, kernel, stride, padding, dilation)
    run = None if windows is None else _positive(windows)
    if windows is None or run is None or _holds_nan(x):
        return NotImplemented
    z = memory.empty(windows.result, np.float32, windows.axes)
    run(x, z)
    return z


def _holds_nan(x: Any) -> bool:
    """Whether there is a NaN in an array without gaps: it would be the largest."""
    if x.size >= LARGE and is_finite(x):
        return False
    vector = x.ravel("K")
    return isnan(vector.item(vector.argmax()))


def scatter_winners(
    dz: Any, winners: Any, kernel: Ints, size: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> Any:
    """As the definition, in the layout of the winners."""
    windows = _windows(MAX, winners, (*dz.shape[:2], *size), kernel, stride, padding, dilation)
    return NotImplemented if windows is None else _shared_out(windows, dz, winners)


def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs) -> Any:
    """As the definition, where all of the padding counts, or none."""
    windows = _windows(_averaging(padding, counted), x, x.shape, kernel, stride, padding, dilation)
    run = None if windows is None else _pooling(windows)
    if windows is None or run is None:
        return NotImplemented
    z = memory.empty(windows.result, np.float32, windows.axes)
    run(x, z)
    return z


def scatter_shares(
    dz: Any, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs
) -> Any:
    """As the definition, where all of the padding counts, or none; channels-last, as the images mostly are.

    The layout of dz does not tell theirs, since it may come out of a flattening.
    """
    shape = (*dz.shape[:2], *size)
    windows = _windows(_averaging(padding, counted), dz, shape, kernel, stride, padding, dilation)
    if windows is None:
        return NotImplemented
    return _shared_out(windows._replace(axes=memory.channels_last(dz.ndim)), dz)


def _averaging(padding: Pairs, counted: Pairs) -> int | None:
    if counted == padding:
        return AVERAGE_WITH_PADDING
    return None if any(map(any, counted)) else AVERAGE_OF_PIXELS


def _windows(
    algorithm: int | None, array: Any, shape: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> Windows | None:
    """The pooling of an image of this shape, laid out as `array`; None where oneDNN has none that is fast."""
    return _windows_of(algorithm, array.shape, array.strides, array.itemsize, shape, kernel, stride, padding, dilation)


@lru_cache(1024)
def _windows_of(
    algorithm: int | None, given: Ints, strides: Ints, itemsize: int, shape: Ints,
    kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints,
) -> Windows | None:  # fmt: skip
    if algorithm is None or 0 in given or any(d != 1 for d in dilation):
        return None
    if algorithm == MAX and prod(kernel) > 255:  # the winners would not be bytes
        return None
    last = memory.channels_last(len(given))
    axes: Ints | None = last
    is_last = _are_contiguous(given, strides, itemsize, last)
    if _are_contiguous(given, strides, itemsize, range(len(given))):
        # The strides of a single pixel tell
        if not is_last or prod(given[2:]) > 1 or strides[1] >= strides[-1]:
            axes = None
    elif not is_last:
        return None
    spans = zip(shape[2:], kernel, stride, padding, strict=True)
    result = (*shape[:2], *((n + before + after - k) // s + 1 for n, k, s, (before, after) in spans))
    return Windows(algorithm, shape, axes, result, kernel, stride, padding)


def _are_contiguous(shape: Ints, strides: Ints, itemsize: int, axes: Sequence[int]) -> bool:
    """Whether there are no gaps between an array's numbers, whose axes are in this order in memory."""
    step = itemsize
    for axis in reversed(axes):
        if shape[axis] > 1 and strides[axis] != step:
            return False
        step *= shape[axis]
    return True


def _shared_out(windows: Windows, dz: Any, *winners: Any) -> Any:
    """dx from dz, and the winners of a maximum."""
    if not is_described(dz.shape, dz.strides):
        dz = np.ascontiguousarray(dz)
    run = _gradient(windows, dz.strides)
    if run is None:
        return NotImplemented
    dx = memory.empty(windows.shape, np.float32, windows.axes)
    run(dz, dx, *winners)
    return dx


def _described(windows: Windows, purpose: int, given: Handle) -> tuple[Handle, Handle, Handle, list[Any]]:
    """The descriptors of the forward primitive with these attributes, of x and of z, and the options."""
    before, after = zip(*windows.padding, strict=True)
    sizes = (windows.stride, windows.kernel, [0] * len(windows.kernel), before, after)  # dilation - 1
    x, z = ordered(windows.shape, windows.axes), ordered(windows.result, windows.axes)
    options = [dims(values) for values in sizes]
    return described("pooling_forward", purpose, windows.algorithm, x, z, *options, given), x, z, options


@cached
def _pooling(windows: Windows) -> Kernel:
    """Called with x, z, and room for the winners of a maximum."""
    forward, x, z, _ = _described(windows, TRAINING, attributes())
    winners = [(*argument, True) for argument in _winners(windows)]
    return Kernel(forward, (SOURCE, x), (RESULT, z, True), *winners)


@cached
def _positive(windows: Windows) -> Kernel:
    """Called with x and z, which are the maxima where they are positive and else 0."""
    functions, given = library.load().quick, attributes()
    operations = Handle(functions.post_ops_create, functions.post_ops_destroy)
    functions.post_ops_append_eltwise(operations, RELU, 0.0, 0.0)
    functions.primitive_attr_set_post_ops(given, operations)  # copied
    forward, x, z, _ = _described(windows, INFERENCE, given)
    if not implementation(forward).startswith("jit"):
        raise UnsupportedError("others multiply negative numbers by 0, which gives -0")
    return Kernel(forward, (SOURCE, x), (RESULT, z, True))


@cached
def _gradient(windows: Windows, dz_strides: Ints) -> Kernel:
    """Called with dz, dx, and the winners of a maximum."""
    forward, x, z, options = _described(windows, TRAINING, attributes())
    backward = described("pooling_backward", windows.algorithm, x, z, *options, forward, attributes())
    dz = strided(windows.result, dz_strides)
    return Kernel(backward, (RESULT_GRADIENT, dz), (SOURCE_GRADIENT, x, True), *_winners(windows))


def _winners(windows: Windows) -> list[tuple[int, Handle]]:
    return [(WORKSPACE, ordered(windows.result, windows.axes, UINT8))] if windows.algorithm == MAX else []
