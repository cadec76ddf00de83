"""Depthwise convolutions of images with short rows, a row of outputs as a product with all pixels that it sees.

Its windows of one channel make a product with a matrix of a single row, which BLAS has no fast way for. The rows of
pixels below a row of outputs lie one after the other in memory, in whatever layout; with them the product has a matrix
of a row for each output, in which all but a band around the diagonal of each row of pixels is zero, and nothing is
copied.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels.numpy_fast.lowering import Windows
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints

PIXELS = 128
"""No more are multiplied for an output, most of them by zero."""

SAMPLES = 16
"""With fewer columns BLAS is slow, and a sample is a column."""


def suits(x: Any, weight: Any, windows: Windows, groups: int) -> bool:
    """Whether images x (N, C, H, W) and kernels (C, 1, kH, kW) are correlated faster here."""
    if not (x.ndim == 4 and 1 < groups == x.shape[1] == len(weight) and weight.shape[1] == 1 and x.dtype.char in "fd"):
        return False
    are_rows_whole = x.strides[2] == x.shape[3] * x.strides[3] and x.itemsize in (x.strides[0], x.strides[3])
    is_small = windows.kernel[0] * x.shape[3] <= PIXELS and windows.dilation[0] == 1
    return is_small and are_rows_whole and len(x) >= SAMPLES


def correlate(z: Any, x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> bool:
    """z (C, *out, N) from images x (N, C, H, W), kernels (C, 1, kH, kW) and biases (C,); whether z is right.

    It is wrong where a pixel times zero is no zero, for an infinity or a NaN; then z is not finite.
    """
    band = _band(weight, windows, x.shape[3], start[1])
    of_sample, of_channel, of_row, of_pixel = x.strides
    with np.errstate(invalid="ignore", over="ignore"):
        for rows, entries, pixels in _runs(windows, x.shape[2], start[0]):
            shape = (len(z), rows.stop - rows.start, (entries.stop - entries.start) * x.shape[3], len(x))
            strides = (of_channel, windows.stride[0] * of_row, of_pixel, of_sample)
            matrices = band[:, :, entries].reshape(len(z), 1, windows.out[1], -1)
            np.matmul(matrices, as_strided(x[:, :, pixels:], shape, strides), out=z[:, rows])
        if bias is not None:
            z += bias[:, None, None, None]
        flat = z.reshape(-1)
        return bool(np.isfinite(flat.dot(flat)))


def _band(weight: Any, windows: Windows, width: int, start: int) -> Any:
    """(C, outputs of a row, kH, pixels of a row): by what a pixel is multiplied for an output."""
    band = np.zeros((len(weight), windows.out[1], windows.kernel[0], width), weight.dtype)
    outputs = np.arange(windows.out[1])
    for entry in range(windows.kernel[1]):
        within, pixels = reached(start + windows.dilation[1] * entry, width, windows.out[1], windows.stride[1])
        band[:, outputs[within], :, np.arange(width)[pixels]] = weight[:, 0, :, entry]
    return band


@lru_cache(256)
def _runs(windows: Windows, height: int, start: int) -> list[tuple[slice, slice, int]]:
    """Runs of output rows that see the same rows of the kernel: these rows of both, and the first row of pixels."""
    kernel, out, stride = windows.kernel[0], windows.out[0], windows.stride[0]
    tops = [start + stride * row for row in range(out)]
    seen = [(min(max(-top, 0), kernel), max(min(height - top, kernel), 0)) for top in tops]
    starts = [row for row in range(out) if row == 0 or seen[row] != seen[row - 1]]
    return [
        (slice(first, stop), slice(*seen[first]), tops[first] + seen[first][0])
        for first, stop in zip(starts, [*starts[1:], out], strict=True)
    ]
