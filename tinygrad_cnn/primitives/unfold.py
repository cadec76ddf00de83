"""Unfold and fold: the windows of an image as the columns of a matrix (im2col), and back (col2im).

A convolution is a matrix product with these columns: Chellapilla, Puri, Simard, "High performance convolutional neural
networks for document processing" (2006), section 3.
"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, reach_of, spatial_shape, window_counts


@primitive(
    x=lambda G, x_shape, kernel, stride, padding, dilation: _fold(
        G, size=x_shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
def _unfold(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    n = len(kernel)
    windows = dispatch.unfold(x, kernel, stride, padding, dilation)  # (N, C, *out, *kernel)
    batch, channels, *out = windows.shape[: 2 + n]
    columns = windows.transpose(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    return columns.copy().reshape(batch, channels * prod(kernel), prod(out))


@primitive(
    columns=lambda G, kernel, stride, padding, dilation: _unfold(
        G, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
def _fold(columns: Any, *, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    n = len(kernel)
    out = window_counts("fold", size, reach_of(kernel, dilation), padding, stride)
    windows = columns.reshape(columns.shape[0], columns.shape[1] // prod(kernel), *kernel, *out)
    windows = windows.transpose(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    return dispatch.fold(windows, size, stride, padding, dilation)


def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Every window of the zero-padded images as a column: Z[n, (c, u, v), (i, j)] = X[n, c, s i + d u, s j + d v].

    Args:
        x: images (N, C, H, W).
        kernel_size: the window, an integer or a pair.
        dilation, padding, stride: as `conv2d` takes them.

    Returns:
        (N, C kH kW, L), with L = H' W' windows in row-major order and H' as in `conv2d`. A row of the kernel matrix
        `weight.reshape(F, -1)` times these columns is a convolution.

    Backward: `fold`, which adds every entry where it came from.

    Raises:
        ValueError: wrong numbers of axes, an image without pixels, a window larger than the padded image, a number
            below 1, a negative or unknown padding.
        TypeError: an argument that is no integer.

    >>> import tinygrad_cnn as tg
    >>> tg.unfold(tg.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), 2).tolist()
    [[[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]]
    """
    size = spatial_shape("unfold", "x", shape_of(x), 2)
    windows, _ = _windows("unfold", size, kernel_size, dilation, padding, stride)
    return _unfold(x, **windows)


def fold(
    x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Columns put back as windows, overlapping ones added: the transpose of `unfold`.

    `fold(unfold(x))` is x times the number of windows that each pixel lies in: `fold(unfold(ones))`.

    Args:
        x: columns (N, C kH kW, L), as `unfold` gives for images (N, C, H, W).
        output_size: (H, W), or an integer for both.
        kernel_size, dilation, padding, stride: those of the `unfold`.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: not three axes, rows that are no multiple of kH kW, another number of columns than there are
            windows, and as `unfold`.
        TypeError: an argument that is no integer.

    >>> import tinygrad_cnn as tg
    >>> columns = tg.unfold(tg.tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2))
    >>> tg.fold(columns, (1, 3), (1, 2)).tolist()
    [[[[1.0, 4.0, 3.0]]]]
    """
    shape = shape_of(x)
    if len(shape) != 3:
        raise ValueError(f"fold: x must have 3 axes (N, C kH kW, L) but has shape {shape}")
    size = per_axis("fold", "output_size", output_size, 2)
    windows, count = _windows("fold", size, kernel_size, dilation, padding, stride)
    kernel = windows["kernel"]
    if shape[1] % prod(kernel):
        raise ValueError(f"fold: the rows of x must be a multiple of {prod(kernel)} (kernel {kernel}) but x is {shape}")
    if shape[2] != prod(count):
        raise ValueError(
            f"fold: an output of {size} has {count[0]} x {count[1]} = {prod(count)} windows (kernel {kernel}, dilation "
            f"{windows['dilation']}, padding {windows['padding']}, stride {windows['stride']}) but x has {shape[2]} "
            f"columns (shape {shape})"
        )
    return _fold(x, size=size, **windows)


def _windows(
    operation: str, size: tuple[int, ...], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Kernel, stride, padding and dilation, checked, and how many windows there are on each axis."""
    n = len(size)
    kernel = per_axis(operation, "kernel_size", kernel_size, n)
    stride = per_axis(operation, "stride", stride, n)
    dilation = per_axis(operation, "dilation", dilation, n)
    reach = reach_of(kernel, dilation)
    padding = padding_pairs(operation, padding, size, reach, stride)
    count = window_counts(operation, size, reach, padding, stride)
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}, count
