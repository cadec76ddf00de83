"""Average pooling: the mean of each window. The gradient of a window goes to its elements in equal shares."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels.reference import window_counts
from tinygrad_cnn.primitives.arguments import padding_pairs, reach_of, spatial_shape
from tinygrad_cnn.primitives.maxpool import pool_windows


@primitive(
    x=lambda dz, x_shape, kernel, stride, padding, dilation, counted: share_among_windows(
        dz, size=x_shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation, counted=counted
    )
)
def mean_of_windows(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, counted: Any) -> Any:
    """Z[n,c,p] = sum_k X[n, c, s p + d k] / count(p); of the zero padding only the `counted` part counts."""
    return dispatch.avg_pool(x, kernel, stride, padding, dilation, counted)


@primitive(
    dz=lambda G, kernel, stride, padding, dilation, counted: mean_of_windows(
        G, kernel=kernel, stride=stride, padding=padding, dilation=dilation, counted=counted
    )
)
def share_among_windows(
    dz: Any, *, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, counted: Any
) -> Any:
    """dX[n, c, s p + d k] += dZ[n,c,p] / count(p) for all k: the transpose of `mean_of_windows`."""
    return dispatch.scatter_shares(dz, size, kernel, stride, padding, dilation, counted)


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
    if not window_counts(size, kernel, stride, padding, dilation, counted).all():
        raise ValueError(f"{operation}: padding {padding} leaves a window {kernel} without an element to count")
    return mean_of_windows(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, counted=counted)
