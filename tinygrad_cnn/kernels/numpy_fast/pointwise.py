"""Convolutions with kernels of one pixel: products with the images as they are, channels last, too, or batch last."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last
from tinygrad_cnn.kernels.numpy_fast.lowering import SUMS, cut, share, shares_of, sum_of_parts
from tinygrad_cnn.kernels.reference import Ints, Pairs

PIXELS = 4096
"""About so many pixels are multiplied at a time."""


def suits(kernel: Ints, stride: Ints, padding: Pairs) -> bool:
    """Whether a convolution is a product with the pixels of the images as they are."""
    return max(kernel) == 1 == max(stride) and not any(map(any, padding))


def correlate(x: Any, matrix: Any, bias: Any) -> Any:
    """Z[n,f,p] = sum_c X[n,c,p] M[f,c] + B[f], in the layout of X."""
    axes = _axes(x)
    result = memory.empty((len(x), len(matrix), *x.shape[2:]), x.dtype, axes)
    x, z = _matrices(x, axes), _matrices(result, axes)
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
    axes = _axes(x)
    if axes != _axes(dz):
        axes = _batch_last(x.ndim)
    x, dz = _matrices(x, axes), _matrices(dz, axes)
    todo = _parts(x, shares_of(dz.size * x.shape[1]))
    sums: dict[int, Any] = {}

    def multiply(some: slice) -> None:
        total = np.zeros((dz.shape[1], x.shape[1]), x.dtype)
        for images, pixels in todo[some]:
            total += np.matmul(dz[images, :, pixels], x[images, :, pixels].swapaxes(1, 2)).sum(axis=0)
        sums[some.start] = total

    share(multiply, cut(len(todo), -(-len(todo) // SUMS)))
    return sum_of_parts(sums)


def _batch_last(ndim: int) -> Ints:
    return (*range(1, ndim), 0)


def _axes(x: Any) -> Ints | None:
    """In which order x's axes are to lie in memory: as they do, or batch last; None is (N, C, ...)."""
    if x.flags.c_contiguous:
        return None
    return memory.channels_last(x.ndim) if memory.is_channels_last(x) else _batch_last(x.ndim)


def _matrices(x: Any, axes: Ints | None) -> Any:
    """x as (images, channels, pixels), a view where its axes lie in this order; all images are one but for None."""
    if axes is None:
        return x.reshape(*x.shape[:2], -1)
    if axes[-1] == 1:
        return x.transpose(axes).reshape(1, -1, x.shape[1]).swapaxes(1, 2)
    return batch_last(x, tuple((0, m) for m in x.shape[2:])).reshape(1, x.shape[1], -1)


def _parts(x: Any, shares: int) -> list[tuple[slice, slice]]:
    """Of (images, channels, pixels), some images each with all their pixels, or one with some."""
    count, _, pixels = x.shape
    if shares > count or pixels > PIXELS:
        most = min(PIXELS, -(-pixels * count // shares))
        return [(slice(i, i + 1), some) for i in range(count) for some in cut(pixels, most)]
    return [(some, slice(None)) for some in cut(count, max(count // shares, 1))]
