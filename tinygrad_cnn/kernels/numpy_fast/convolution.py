"""Convolutions on NumPy's floating-point arrays: each is a matrix product, of what depends on its shape.

| what | as | why |
| --- | --- | --- |
| kernels of one pixel, stride 1 | `pointwise`: the images as they are | there is nothing to lower |
| few products | `small`: one product of all windows | what takes time are the calls of NumPy |
| transposed, few channels or no overlap | `folding`: products added up (col2im) | BLAS is slow with few rows |
| depthwise | `depthwise`: some rows of outputs, by banded matrices | BLAS is slow with a single row |
| few channels, many filters, float32 | `unrolled`: one product of all windows (im2col) | channels are to be last |
| many channels, float32 | `gathered`: one product of all windows, as rows | runs of memory are long, channels last |
| and transposed with a stride | `phases`: products for each phase of the stride | no zeros are put between pixels |
| and kernels of three rows | `winograd`: half of the multiplications | products take nearly all of the time |
| everything else | `lowering`: windows as columns, a part of the image at a time | the columns stay in the cache |

Many groups are taken some after the other.

Results with many channels are channels-last in memory, others have the batch innermost, see `layout`, and those of
`pointwise` what the images have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import memory, threads
from tinygrad_cnn.kernels.numpy_fast import (
    depthwise,
    folding,
    gathered,
    lowering,
    phases,
    pointwise,
    small,
    unrolled,
    winograd,
)
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last, channels_first, channels_last, filters_last
from tinygrad_cnn.kernels.numpy_fast.lowering import Windows, cut, share
from tinygrad_cnn.kernels.reference import Ints, Pairs

FEW_CHANNELS = 8
"""A product with fewer rows than this uses but a part of the vector registers that BLAS keeps its sums in."""

PIECES = 4
"""Many groups of channels are cut into so many pieces for each thread."""

PIECE = 1 << 17
"""But not into pieces with fewer numbers."""

FILTERS_LAST = 16
"""From so many filters on, their gradients are turned for a product that need not add up within vector registers."""


def correlate(x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f]."""
    if x.size == 0 or weight.size == 0:
        return NotImplemented
    x, weight, bias, later = _of_one_dtype(x, weight, bias)
    kernel = weight.shape[2:]
    if groups == 1 and pointwise.suits(kernel, stride, padding):
        z = pointwise.correlate(x, weight.reshape(weight.shape[:2]), bias)
        return z if later is None else z + later
    windows, start = _windows(x.shape[2:], kernel, stride, padding, dilation)
    if min(windows.out) < 1:
        return NotImplemented
    if groups == 1 and len(x) * weight.size * prod(windows.out) <= small.PRODUCTS:
        z = small.correlate(x, weight, bias, windows, start)
    elif groups == 1 and gathered.suits(x, len(weight)):
        z = _of_many_channels(x, weight, bias, windows, start)
    elif groups == 1 and unrolled.suits(x, len(weight), kernel):
        z = unrolled.correlate(x, weight, bias, windows, start)
    else:
        z = _correlate_groups(x, weight, bias, windows, start, groups)
        z = z.transpose(-1, *range(z.ndim - 1))
        if groups == 1 and len(weight) >= gathered.FEW and z.dtype == np.float32:  # what follows will want it
            z = channels_last(z).transpose(0, -1, *range(1, z.ndim - 1))
    return z if later is None else z + later


def _of_many_channels(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    if winograd.suits(x, len(weight), windows, start):
        z = winograd.correlate(x, weight, bias, windows, start)
        if z is not None:
            return z
    return gathered.correlate(x, weight, bias, windows, start)


def _correlate_groups(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints, groups: int) -> Any:
    """The correlation (F, *out, N) by products."""
    shape = len(weight), *windows.out, len(x)
    # the filters innermost where that is as fast and what follows will want it
    is_last = len(x) == 1 == groups and len(weight) >= gathered.FEW and x.dtype == np.float32
    z = memory.empty(shape, x.dtype, (*range(1, len(shape)), 0) if is_last else None)
    is_depthwise = depthwise.suits(x, weight.shape[1], windows, groups)
    x = channels_first(x) if is_depthwise else x

    def correlate_some(some: _Groups) -> None:
        images, filters = x[:, some.of(x.shape[1])], some.of(len(z))
        to, kernels, biases = z[filters], weight[filters], None if bias is None else bias[filters]
        if not (is_depthwise and depthwise.correlate(to, images, kernels, biases, windows, start)):
            images = batch_last(images, windows.region(start))
            to, images, kernels, biases = map(some.split, (to, images, kernels, biases))
            lowering.correlate(to, images, kernels, biases, windows)

    _in_groups(correlate_some, groups, x)
    return z


@lru_cache(1024)
def _windows(size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> tuple[Windows, Ints]:
    """The windows that fit on a padded image, and where the first begins."""
    out = tuple(
        (m + before + after - d * (k - 1) - 1) // s + 1
        for m, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    return Windows(kernel, out, stride, dilation), tuple(-before for before, _ in padding)


class _Groups(NamedTuple):
    """A run of the groups of channels."""

    start: int
    stop: int
    total: int

    @property
    def number(self) -> int:
        return self.stop - self.start

    def of(self, length: int) -> slice:
        """Their part of an axis, of channels or filters, that all groups share."""
        return slice(self.start * length // self.total, self.stop * length // self.total)

    def split(self, a: Any) -> Any:
        """An array over these channels or filters, if any, with an axis of groups in front."""
        return None if a is None else _split(a, self.number)


def _split(a: Any, groups: int) -> Any:
    return a.reshape(groups, len(a) // groups, *a.shape[1:])


def _in_groups(work: Callable[[_Groups], None], groups: int, x: Any) -> None:
    """All groups; some after the other where there is much, which then stays in the cache from one step to the next."""
    pieces = PIECES * threads.get_num_threads()
    if groups < pieces or x.size < pieces * PIECE:
        work(_Groups(0, groups, groups))
    else:
        share(work, [_Groups(piece.start, piece.stop, groups) for piece in cut(groups, groups // pieces)])


def _of_one_dtype(x: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any, Any]:
    """x and weight in the dtype of their product; the bias, or if it makes another dtype, what is to be added later."""
    if x.dtype != weight.dtype:
        dtype = np.result_type(x, weight)
        x, weight = x.astype(dtype, copy=False), weight.astype(dtype, copy=False)
    if bias is None or np.result_type(x, bias) == x.dtype:
        return x, weight, bias, None
    return x, weight, None, bias.reshape(-1, *(1,) * (x.ndim - 2))


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    if x.size == 0 or dz.size == 0:
        return NotImplemented
    x, dz, _, _ = _of_one_dtype(x, dz, None)
    if groups == 1 and pointwise.suits(kernel, stride, padding) and x.shape[2:] == dz.shape[2:]:
        return pointwise.correlate_kernel(x, dz).reshape(dz.shape[1], x.shape[1], *kernel)
    windows = Windows(kernel, dz.shape[2:], stride, dilation)
    start = tuple(-before for before, _ in padding)
    if groups == 1 and dz.size * x.shape[1] * prod(kernel) <= small.PRODUCTS:
        return small.correlate_kernel(x, dz, windows, start)
    if groups == 1 and gathered.suits(x, dz.shape[1]):
        dk = None
        if winograd.suits(x, dz.shape[1], windows, start):
            dk = winograd.correlate_kernel(x, dz, windows, start)
        return gathered.correlate_kernel(x, dz, windows, start) if dk is None else dk
    if groups == 1 and unrolled.suits(x, dz.shape[1], kernel):
        return unrolled.correlate_kernel(x, dz, windows, start)
    dk = np.empty((dz.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    is_depthwise = depthwise.suits(x, dk.shape[1], windows, groups)
    if is_depthwise:
        x, dz = channels_first(x), channels_first(dz)

    def correlate_groups(some: _Groups) -> None:
        filters = some.of(len(dk))
        images, upstream = x[:, some.of(x.shape[1])], dz[:, filters]
        if is_depthwise:
            of_filters = depthwise.correlate_kernel(images, upstream, windows, start)
            if of_filters is not None:
                dk[filters] = of_filters
                return
        image = batch_last(images, windows.region(start))
        if len(dk) // groups < FILTERS_LAST or (len(x) == 1 and dz.flags.c_contiguous):
            upstream = batch_last(upstream, tuple((0, m) for m in windows.out))
        else:
            upstream = filters_last(upstream)
        some.split(dk[filters])[...] = lowering.correlate_kernel(some.split(image), some.split(upstream), windows)

    _in_groups(correlate_groups, groups, x)
    return dk


def full_correlate(dz: Any, rotated: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dX: for little as it is defined, else a transposed convolution, for which dZ need not be dilated."""
    if groups == 1 and dz.dtype == rotated.dtype and 0 < dz.size * prod(rotated.shape[1:]) <= small.PRODUCTS:
        return small.full_correlate(dz, rotated, None, size, stride, padding, dilation)
    return conv_transpose(dz, _rotated(rotated), None, size, stride, padding, dilation, groups)


def _rotated(weight: Any) -> Any:
    return weight[(..., *(slice(None, None, -1),) * (weight.ndim - 2))]


def conv_transpose(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], + B[f]."""
    if 0 in (x.size, weight.size, *size):
        return NotImplemented
    x, weight, bias, later = _of_one_dtype(x, weight, bias)
    kernel = weight.shape[2:]
    if groups == 1 and pointwise.suits(kernel, stride, padding) and x.shape[2:] == size:
        y = pointwise.correlate(x, weight.reshape(weight.shape[:2]).T, bias)
        return y if later is None else y + later
    if groups == 1 and x.size * prod(weight.shape[1:]) <= small.PRODUCTS:
        y = small.full_correlate(x, _rotated(weight), bias, size, stride, padding, dilation)
        return y if later is None else y + later
    kernels, is_plain = _rotated(weight), max(stride) == 1  # then it is a correlation with the rotated kernel
    windows, start = _full_windows(kernel, size, padding, dilation)
    if is_plain and groups == 1 and gathered.suits(x, weight.shape[1]):
        y = _of_many_channels(x, kernels.swapaxes(0, 1), bias, windows, start)
    elif groups == 1 and phases.suits(x, weight.shape[1], dilation):
        y = phases.conv_transpose(x, weight, bias, size, stride, padding)
    else:
        if is_plain and depthwise.suits(x, kernels.shape[1], windows, groups):
            y = _correlate_groups(x, kernels, bias, windows, start, groups)
        else:
            y = _transpose_groups(x, weight, bias, size, stride, padding, dilation, groups)
        y = y.transpose(-1, *range(y.ndim - 1))
    return y if later is None else y + later


def _transpose_groups(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """The transposed convolution (F, *size, N) by products."""
    y = memory.empty((weight.shape[1] * groups, *size, len(x)), x.dtype)
    is_folded = weight.shape[1] < FEW_CHANNELS < weight.shape[0] // groups or weight.shape[2:] == stride
    transpose = folding.conv_transpose if is_folded else _by_phases

    def transpose_some(some: _Groups) -> None:
        channels, filters = some.of(x.shape[1]), some.of(len(y))
        biases = None if bias is None else bias[filters]
        transpose(y[filters], x[:, channels], weight[channels], biases, stride, padding, dilation, some.number)

    _in_groups(transpose_some, groups, x)
    return y


def _full_windows(kernel: Ints, size: Ints, padding: Pairs, dilation: Ints) -> tuple[Windows, Ints]:
    """The windows of the rotated kernel that make a transposed convolution of stride 1, and where the first begins."""
    start = tuple(before - d * (k - 1) for k, (before, _), d in zip(kernel, padding, dilation, strict=True))
    return Windows(kernel, size, (1,) * len(size), dilation), start


def _by_phases(
    y: Any, x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> None:
    """y (F, *size, N), a transposed convolution, as a correlation for each phase of the stride.

    With the entries of the kernel that a phase sees, rotated by 180 degrees, x is correlated.
    """
    # (C, F / groups) -> (F, C / groups): what was the input is the output now
    kernels, y = _split(weight, groups).swapaxes(1, 2), _split(y, groups)
    biases = None if bias is None else _split(bias, groups)
    axes = [
        phases.phases(*axis) for axis in zip(stride, dilation, weight.shape[2:], padding, y.shape[2:-1], strict=True)
    ]
    region = tuple((min(p.start for p in some), max(p.stop for p in some)) for some in axes)
    image = _split(batch_last(x, region), groups)
    for each in product(*axes):
        place = y[(slice(None), slice(None), *(p.outputs for p in each))]
        entries = kernels[(..., *(p.entries for p in each))]
        if entries.size:
            windows = Windows(entries.shape[3:], place.shape[2:-1], (1,) * len(stride), tuple(p.apart for p in each))
            seen = (slice(p.start - start, p.stop - start) for p, (start, _) in zip(each, region, strict=True))
            lowering.correlate(place, image[(slice(None), slice(None), *seen)], entries, biases, windows)
        else:
            place[...] = 0 if biases is None else biases.reshape(groups, -1, *(1,) * (y.ndim - 2))
