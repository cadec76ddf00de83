"""Depthwise convolutions: some rows of outputs of a channel as a product with all rows of pixels that they see.

The windows of one channel make a product with a matrix of a single row, which BLAS has no fast way for. A few rows of
outputs together see little more rows of pixels than one does. Each entry of a kernel's row has a copy of them, moved to
where it is multiplied; then the product has a matrix with a row for each row of outputs, in which all but a band around
the diagonal is zero.

The kernel's gradient is made of the products of such copies with dZ, by BLAS, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last
from tinygrad_cnn.kernels.numpy_fast.lowering import Windows
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints

ROWS = 4
"""So many rows of outputs are worked on together."""

NARROW = 64
"""With fewer numbers in a row of all samples BLAS is slow."""


def suits(x: Any, channels: int, windows: Windows, groups: int) -> bool:
    """Whether images x (N, C, H, W) are correlated faster here with kernels of so many channels each."""
    is_depthwise = x.ndim == 4 and channels == 1 < groups == x.shape[1]
    return is_depthwise and x.dtype.char in "fd" and windows.out[1] * len(x) >= NARROW


def correlate(z: Any, x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> bool:
    """z (F, *out, N) from images x (N, C, H, W), kernels (F, 1, kH, kW) and biases (F,); whether z is right.

    It is wrong where a pixel times zero is no zero, for an infinity or a NaN; then z is not finite.
    """
    images = batch_last(x, tuple((0, m) for m in x.shape[2:]))
    pixels = _moved(images[None], windows, start)[0]
    channels, _, columns, width = pixels.shape
    rows, stride = windows.out[0], windows.stride[0]
    band = _band(weight.reshape(channels, -1, *windows.kernel), windows)
    z = z.reshape(channels, -1, *z.shape[1:2], width)
    with np.errstate(invalid="ignore", over="ignore"):
        for first, count in ((0, rows // ROWS), (rows // ROWS * ROWS, 1)):
            some = min(ROWS, rows - first)
            if not (some and count):
                continue
            seen = _seen(some, windows)
            matrices = band[:, :, None, :some, :seen].reshape(channels, -1, 1, some, seen * columns)
            of_channel, of_row, _, of_number = pixels.strides
            shape = channels, 1, count, seen * columns, width
            strides = of_channel, 0, some * stride * of_row, of_row // columns, of_number
            place = z[:, :, first : first + count * some].reshape(channels, -1, count, some, width)
            np.matmul(matrices, as_strided(pixels[:, first * stride :], shape, strides), out=place)
        if bias is not None:
            z += bias.reshape(channels, -1, 1, 1)
        flat = z.reshape(-1)
        return bool(np.isfinite(flat.dot(flat)))


def _seen(rows: int, windows: Windows) -> int:
    """How many rows of pixels so many rows of outputs see."""
    return (rows - 1) * windows.stride[0] + (windows.kernel[0] - 1) * windows.dilation[0] + 1


def _band(weight: Any, windows: Windows) -> Any:
    """(C, F / C, rows of outputs, of pixels, kW): by what a pixel is multiplied for a row of outputs."""
    band = np.zeros((*weight.shape[:2], ROWS, _seen(ROWS, windows), weight.shape[3]), weight.dtype)
    for row in range(ROWS):
        band[:, :, row, row * windows.stride[0] :: windows.dilation[0]][:, :, : weight.shape[2]] = weight
    return band


def _moved(x: Any, windows: Windows, start: Ints, is_flat: bool = False) -> Any:
    """(A, C, rows, kW, width B) from x (A, C, H, W, B): what each entry of a kernel's row meets in rows of outputs.

    In memory the rows of one entry lie side by side if `is_flat`, which is for B = 1 and outputs as wide as images.
    """
    (a, channels, height, width, b), (first, stop) = x.shape, windows.region(start)[0]
    rows, columns, out = stop - first, windows.kernel[1], windows.out[1]
    if is_flat:
        y = memory.scratch("columns", (a, channels, columns, rows * out), x.dtype)
        y = y.reshape(a, channels, columns, rows, out, b).swapaxes(2, 3)
    else:
        y = memory.scratch("columns", (a, channels, rows, columns, out * b), x.dtype)
        y = y.reshape(a, channels, rows, columns, out, b)
    within, seen = reached(first, height, rows, 1)
    _clear(y, 2, within)
    for entry in range(columns):
        places, pixels = reached(start[1] + windows.dilation[1] * entry, width, out, windows.stride[1])
        to = y[:, :, within, entry]
        if is_flat:
            by = pixels.start - places.start
            flat, images = to.reshape(a, channels, -1), x[:, :, seen].reshape(a, channels, -1)
            count = flat.shape[-1]
            np.copyto(flat[..., max(-by, 0) : count - max(by, 0)], images[..., max(by, 0) : count + min(by, 0)])
        else:
            np.copyto(to[..., places, :], x[:, :, seen, pixels])
        _clear(to, 3, places)
    return y.reshape(*y.shape[:4], out * b)


def _clear(y: Any, axis: int, but: slice) -> None:
    """y = 0 on this axis before and after a range."""
    before = (slice(None),) * axis
    for outside in (slice(0, but.start), slice(but.stop, y.shape[axis])):
        if outside.start < outside.stop:
            y[(*before, outside)] = 0


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK (F, 1, kH, kW) from images x (N, C, H, W) and dz (N, F, *out); None if it is not finite, and may be wrong."""
    is_flat = _has_planes(x) and _has_planes(dz) and max(windows.stride) == 1 and x.shape[3] == dz.shape[3]
    if is_flat:
        images, upstream = x[..., None], dz[..., None]
    else:
        images, upstream = (batch_last(a, tuple((0, m) for m in a.shape[2:]))[None] for a in (x, dz))
    pixels = _moved(images, windows, start, is_flat)
    (a, channels, _, columns, width), rows = pixels.shape, windows.out[0]
    together = rows if is_flat else 1  # rows as one vector
    of_image, of_channel, of_row, of_entry, of_number = pixels.strides
    shape = a, channels, 1, rows // together, windows.kernel[0], columns, together * width
    by_rows = windows.stride[0] * of_row, windows.dilation[0] * of_row
    strides = of_image, of_channel, 0, *by_rows, of_entry, of_number
    upstream = upstream.reshape(a, channels, -1, rows // together, 1, 1, together * width)
    with np.errstate(invalid="ignore", over="ignore"):
        dk = np.vecdot(as_strided(pixels, shape, strides), upstream).sum(axis=(0, 3))
    return dk.reshape(-1, 1, *windows.kernel) if np.isfinite(dk).all() else None


def _has_planes(x: Any) -> bool:
    """Whether the images of all channels of a sample lie one after the other in memory."""
    return bool(x[0].flags.c_contiguous)
