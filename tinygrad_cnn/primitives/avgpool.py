"""Average pooling: the mean of each window. The gradient of a window goes to its elements in equal shares."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import dtype_of, get_array_module, shape_of
from tinygrad_cnn.primitives.arguments import Pairs, padding_pairs, reach_of, spatial_shape
from tinygrad_cnn.primitives.maxpool import pool_windows, unfold_windows
from tinygrad_cnn.primitives.reduction import sum


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of each channel.

    Args:
        x: images (N, C, H, W).
        kernel_size, stride, padding, dilation, ceil_mode: as `max_pool2d`; the padding is zeros.
        count_include_pad: whether the padding counts as elements of the mean. What `ceil_mode` adds never counts.

    Returns:
        (N, C, H', W'), the size as in `max_pool2d`.

    Raises:
        ValueError: wrong numbers of axes, a window larger than the padded image, or one without a counted element.

    >>> import tinygrad_cnn as tg
    >>> tg.avg_pool2d(tg.tensor([[[[1.0, 3.0, 2.0, 1.0], [2.0, 9.0, 1.0, 1.0]]]]), 2).tolist()
    [[[[3.75, 1.25]]]]
    """
    return _avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad)


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Average pooling over one axis: x (N, C, W). Everything else as `avg_pool2d`."""
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad)


def avg_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Average pooling over three axes: x (N, C, D, H, W). Everything else as `avg_pool2d`."""
    return _avg_pool("avg_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad)


def _avg_pool(
    operation: str,
    n: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    size = spatial_shape(operation, "x", shape_of(x), n)
    given = padding if count_include_pad else 0
    kernel, stride, padding, dilation = pool_windows(
        operation, n, size, kernel_size, stride, padding, dilation, ceil_mode
    )
    counted = padding_pairs(operation, given, size, reach_of(kernel, dilation), stride)
    counts = _counts(size, kernel, stride, padding, dilation, counted)
    if not counts.all():
        raise ValueError(f"{operation}: padding {padding} leaves a window {kernel} without an element to count")
    windows = unfold_windows(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    total = sum(windows, axis=tuple(range(2 + n, 2 + 2 * n)))
    if counted == padding:
        return total / prod(kernel)
    xp = get_array_module(windows if not hasattr(windows, "_array") else windows._array)
    dtype = dtype_of(x) if dtype_of(x).kind in "fO" else counts.dtype  # the counts of integers need not fit theirs
    return total / xp.asarray(counts.astype(dtype))


def _counts(
    size: tuple[int, ...], kernel: Any, stride: Any, padding: Pairs, dilation: Any, counted: Pairs
) -> Any:
    """How many elements of each window count, (*out): those on x and on the `counted` part of the padding."""
    counts = np.ones((), dtype=np.int64)
    for m, k, s, (before, after), d, (a, b) in zip(size, kernel, stride, padding, dilation, counted, strict=True):
        entries = np.arange((m + before + after - d * (k - 1) - 1) // s + 1)[:, None] * s + d * np.arange(k) - before
        counts = counts[..., None] * ((entries >= -a) & (entries < m + b)).sum(axis=1)
    return counts
