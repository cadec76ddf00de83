"""How often a sliding window touches each pixel: what a convolution reads, and what a transposed one writes.

Both are counted by the operations themselves, with ones for every value: a pixel is read as often as the gradient of
the sum says, and a transposed convolution of ones adds up the windows that cover a pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.modes import recording
from tinygrad_cnn.primitives.arguments import per_axis

__all__ = ["overlap_counts", "pixel_usage", "residue_counts"]


def pixel_usage(
    shape: tuple[int, int],
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    padding_mode: str = "zeros",
) -> Any:
    """How many products of a convolution each pixel of its input takes part in, per output channel.

    Without padding a corner is used once and a pixel inside kH kW times: the border counts for less. Padding with
    zeros evens that out; the other modes use border pixels again as their own surroundings.

    Args:
        shape: (H, W) of the input.
        kernel_size, stride, padding, dilation, padding_mode: as in `tg.conv2d`.

    Returns:
        (H, W), integers.

    Raises:
        ValueError, TypeError: as `tg.conv2d`; a shape that is no pair of positive integers.

    >>> pixel_usage((4, 4), 3)
    array([[1, 2, 2, 1],
           [2, 4, 4, 2],
           [2, 4, 4, 2],
           [1, 2, 2, 1]])
    >>> pixel_usage((1, 4), (1, 3), padding="same", padding_mode="replicate")
    array([[3, 3, 3, 3]])
    """
    height, width = per_axis("pixel_usage", "shape", shape, 2)
    kernel = per_axis("pixel_usage", "kernel_size", kernel_size, 2)
    with recording():
        x = tg.tensor(np.ones((1, 1, height, width)), device="cpu", requires_grad=True)
        ones = tg.tensor(np.ones((1, 1, *kernel)), device="cpu")
        z = tg.conv2d(x, ones, None, stride, padding, dilation, padding_mode=padding_mode)
        (gradient,) = tg.grad(z.sum(), x)
    return _counts(gradient)


def overlap_counts(
    shape: tuple[int, int], kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Any:
    """How many pixels of the input write into each pixel of a transposed convolution's output.

    Where the kernel is no multiple of the stride, neighbours inside get different numbers of contributions: the
    checkerboard of Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, Distill 2016.

    Args:
        shape: (H, W) of the input.
        kernel_size, stride, padding, dilation: as in `tg.conv_transpose2d`.

    Returns:
        (H', W') of the output, integers.

    Raises:
        ValueError, TypeError: as `tg.conv_transpose2d`; a shape that is no pair of positive integers.

    >>> overlap_counts((1, 3), (1, 3), stride=(1, 2))
    array([[1, 1, 2, 1, 2, 1, 1]])
    >>> overlap_counts((1, 3), (1, 4), stride=(1, 2))
    array([[1, 1, 2, 2, 2, 2, 1, 1]])
    """
    height, width = per_axis("overlap_counts", "shape", shape, 2)
    kernel = per_axis("overlap_counts", "kernel_size", kernel_size, 2)
    ones = np.ones((1, 1, height, width)), np.ones((1, 1, *kernel))
    return _counts(tg.conv_transpose2d(*ones, None, stride, padding, dilation=dilation))


def residue_counts(kernel_size: int, stride: int, dilation: int = 1) -> Any:
    """Along one axis, how many entries of the kernel reach an output pixel far from the borders, by its place.

    The pixel o is written by the entries u with (o - dilation u) divisible by the stride, so the counts repeat with
    the stride. They are all alike if and only if the kernel is a multiple of the stride, and the dilation shares no
    factor with it.

    Returns:
        (stride,), integers that sum to the kernel's size.

    Raises:
        ValueError: a number below 1.
        TypeError: not an integer.

    >>> residue_counts(3, 2), residue_counts(4, 2)
    (array([2, 1]), array([2, 2]))
    """
    for name, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"residue_counts: {name} must be an integer but is {value!r}")
        if value < 1:
            raise ValueError(f"residue_counts: {name} must be at least 1 but is {value}")
    return np.bincount(np.arange(kernel_size) * dilation % stride, minlength=stride)


def _counts(result: Any) -> Any:
    values = result.numpy() if isinstance(result, tg.Tensor) else result
    return np.rint(values[0, 0]).astype(np.int64)
