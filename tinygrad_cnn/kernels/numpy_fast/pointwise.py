"""Convolutions with kernels of one pixel: products with the images as they are, (N, C, pixels) or batch last."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last
from tinygrad_cnn.kernels.numpy_fast.lowering import SUMS, cut, share, shares_of
from tinygrad_cnn.kernels.reference import Ints, Pairs

PIXELS = 4096
"""About so many pixels are multiplied at a time."""


def suits(kernel: Ints, stride: Ints, padding: Pairs) -> bool:
    """Whether a convolution is a product with the pixels of the images as they are."""
    return max(kernel) == 1 == max(stride) and not any(map(any, padding))


def correlate(x: Any, matrix: Any, bias: Any) -> Any:
    """Z[n,f,p] = sum_c X[n,c,p] M[f,c] + B[f], in the layout of X."""
    filters, size = len(matrix), x.shape[2:]
    if x.flags.c_contiguous:
        z = result = memory.empty((len(x), filters, *size), x.dtype)
    else:
        x = batch_last(x, tuple((0, m) for m in size))[None]
        z = memory.empty((1, filters, *x.shape[2:]), x.dtype)
        result = z[0].transpose(-1, *range(z.ndim - 2))
    x, z = (a.reshape(*a.shape[:2], -1) for a in (x, z))
    bias = None if bias is None else bias[:, None]

    def multiply(part: tuple[slice, slice]) -> None:
        images, pixels = part
        to = np.matmul(matrix, x[images, :, pixels], out=z[images, :, pixels])
        if bias is not None:
            np.add(to, bias, out=to)

    share(multiply, _parts(x, shares_of(z.size * x.shape[1])))
    return result


def correlate_kernel(x: Any, dz: Any) -> Any:
    """dM[f,c] = sum_{n,p} dZ[n,f,p] X[n,c,p]."""
    if not (x.flags.c_contiguous and dz.flags.c_contiguous):
        x, dz = (batch_last(a, tuple((0, m) for m in a.shape[2:]))[None] for a in (x, dz))
    x, dz = (a.reshape(*a.shape[:2], -1) for a in (x, dz))
    todo = _parts(x, shares_of(dz.size * x.shape[1]))
    sums: dict[int, Any] = {}

    def multiply(some: slice) -> None:
        total = np.zeros((dz.shape[1], x.shape[1]), x.dtype)
        for images, pixels in todo[some]:
            total += np.matmul(dz[images, :, pixels], x[images, :, pixels].swapaxes(1, 2)).sum(axis=0)
        sums[some.start] = total

    share(multiply, cut(len(todo), -(-len(todo) // SUMS)))
    return sum(sums[start] for start in sorted(sums))


def _parts(x: Any, shares: int) -> list[tuple[slice, slice]]:
    """Of (images, channels, pixels), some images each with all their pixels, or one with some."""
    count, _, pixels = x.shape
    if shares > count or pixels > PIXELS:
        most = min(PIXELS, -(-pixels * count // shares))
        return [(slice(i, i + 1), some) for i in range(count) for some in cut(pixels, most)]
    return [(some, slice(None)) for some in cut(count, max(count // shares, 1))]
