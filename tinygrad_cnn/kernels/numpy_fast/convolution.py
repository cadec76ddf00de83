"""Convolutions on NumPy's floating-point arrays.

They become matrix products (im2col): the windows of a few images at a time are copied into columns, so that
the copy stays in the cache and memory stays bounded whatever the batch. A window entry is a strided slice of the
padded image, so that what can't be a product is a loop over the kernel's entries, not over pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.reference import Ints, Pairs, _reached, pad_spatial, windows

CHUNK_BYTES = 1 << 20


def _chunks(count: int, bytes_each: int) -> Iterator[slice]:
    """The images in chunks whose columns fill about `CHUNK_BYTES`."""
    step = max(1, CHUNK_BYTES // max(bytes_each, 1))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def _columns(view: Any, groups: int) -> Any:
    """Windows (N, C, *out, *kernel) -> columns (N, groups, C / groups * kernel, out), copied unless 1x1."""
    n = (view.ndim - 2) // 2
    batch, channels = view.shape[:2]
    out, kernel = view.shape[2 : 2 + n], view.shape[2 + n :]
    moved = view.transpose(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    return moved.reshape(batch, groups, channels // groups * prod(kernel), prod(out))


def correlate(
    x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f], as kernel matrix times columns."""
    n, filters, kernel = len(stride), weight.shape[0], weight.shape[2:]
    view = windows(pad_spatial(x, padding), kernel, stride, dilation)
    out = view.shape[2 : 2 + n]
    matrix = weight.reshape(groups, filters // groups, weight.shape[1] * prod(kernel))
    dtype = np.result_type(x, weight) if bias is None else np.result_type(x, weight, bias)
    z = np.empty((x.shape[0], groups, filters // groups, prod(out)), dtype=dtype)
    for some in _chunks(x.shape[0], x.shape[1] * prod(kernel) * prod(out) * dtype.itemsize):
        np.matmul(matrix, _columns(view[some], groups), out=z[some])
    if bias is not None:
        z += bias.reshape(groups, filters // groups, 1)
    return z.reshape(x.shape[0], filters, *out)


def full_correlate(
    dz: Any, rotated: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """dX by scattering: a full correlation with the rotated kernel is a transposed convolution with the kernel."""
    weight = rotated[(..., *(slice(None, None, -1),) * len(stride))]
    return conv_transpose(dz, weight, None, size, stride, padding, dilation, groups)


def correlate_kernel(
    x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p], as dZ times columns transposed."""
    batch, filters, *out = dz.shape
    view = windows(pad_spatial(x, padding), kernel, stride, dilation)
    view = view[(slice(None), slice(None), *map(slice, out))]
    upstream = dz.reshape(batch, groups, filters // groups, prod(out))
    rows = x.shape[1] // groups * prod(kernel)
    dk = np.zeros((groups, filters // groups, rows), dtype=np.result_type(x, dz))
    for some in _chunks(batch, x.shape[1] * prod(kernel) * prod(out) * dk.itemsize):
        columns = _columns(view[some], groups)
        dk += np.matmul(upstream[some], columns.swapaxes(-1, -2)).sum(axis=0)
    return dk.reshape(filters, x.shape[1] // groups, *kernel)


def conv_transpose(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], as the kernel matrix transposed times X, then folded."""
    batch, channels, *small = x.shape
    kernel, filters = weight.shape[2:], weight.shape[1] * groups
    matrix = weight.reshape(groups, channels // groups, weight.shape[1] * prod(kernel)).swapaxes(-1, -2)
    dtype = np.result_type(x, weight)
    reach = tuple(
        s * (m - 1) + d * (k - 1) + 1 for s, m, d, k in zip(stride, small, dilation, kernel, strict=True)
    )
    room = tuple(max(r, before + m) for r, m, (before, _) in zip(reach, size, padding, strict=True))
    y: Any = np.zeros((batch, filters, *room), dtype=dtype)
    places = [(i, _reached(k, tuple(small), stride, dilation)) for i, k in enumerate(product(*map(range, kernel)))]
    for some in _chunks(batch, filters * prod(kernel) * prod(small) * dtype.itemsize):
        images = x[some]
        columns = np.matmul(matrix, images.reshape(len(images), groups, channels // groups, prod(small)))
        columns = columns.reshape(len(images), filters, prod(kernel), *small)
        for i, place in places:
            y[some][(..., *place)] += columns[:, :, i]
    y = y[(..., *(slice(before, before + m) for m, (before, _) in zip(size, padding, strict=True)))]
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(size))
