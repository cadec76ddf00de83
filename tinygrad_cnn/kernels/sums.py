"""Sums over axes, of large arrays by products with ones: the BLAS reads an array in a third of NumPy's time.

The axes are taken in the order of memory, so that channels-last images are summed as quickly as others. A product adds
up to 4,096 numbers one after the other, a few at a time; the sums of longer rows are added by NumPy, in pairs.
"""

from __future__ import annotations

from itertools import groupby
from math import gcd, prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import ones, shape_of
from tinygrad_cnn.kernels import blas, blocks

Axes = tuple[int, ...]

MOST = 4096
"""The most numbers that are added one after the other."""

FEW = 1 << 13
"""So many numbers OpenBLAS multiplies by others on one thread, unasked."""

WIDE = 1024
"""So long rows NumPy adds to one another as quickly."""

_OF_BLAS = (np.float32, np.float64)


def sum(x: Any, axis: Axes, keepdims: bool = False) -> Any:
    """The sum over the axes, which are distinct and >= 0."""
    if type(x) is np.ndarray and x.size >= blocks.LARGE and x.dtype in _OF_BLAS:
        total = _sum_by_products(x, axis)
        if total is not None:
            return total if keepdims else total.reshape([n for i, n in enumerate(x.shape) if i not in axis])[()]
    return x.sum(axis=axis, keepdims=keepdims) if shape_of(x) else x


def of_rows(matrix: Any) -> Any:
    """The sum of the rows of a matrix, of whatever kind."""
    if matrix.size <= FEW or type(matrix) is not np.ndarray:
        return ones(len(matrix), matrix).dot(matrix)
    with blas.one_thread():
        if len(matrix) <= MOST:
            return ones(len(matrix), matrix).dot(matrix)
        parts = [matrix[i : i + MOST] for i in range(0, len(matrix), MOST)]
        return np.sum([ones(len(part), part).dot(part) for part in parts], axis=0)


def _sum_by_products(x: Any, axis: Axes) -> Any:
    """The sum, with the axes in place; None where too much of the array has to be copied for few products.

    Rows may have gaps between them: those of a part of the channels have, in channels-last memory.
    """
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
    in_memory = x.transpose(order)
    if not in_memory.flags.c_contiguous and (in_memory.strides[-1] != x.itemsize or min(x.strides) < 0):
        return None
    groups = [(is_summed, prod(x.shape[i] for i in group)) for is_summed, group in groupby(
        (i for i in order if x.shape[i] > 1), key=lambda i: i in axis
    )]  # fmt: skip
    # What is summed of the innermost axes, then what stays, is summed and stays, each of which may be missing
    columns = groups.pop()[1] if groups and groups[-1][0] else 1
    inner = groups.pop()[1] if groups else 1
    rows = groups.pop()[1] if groups else 1
    outer = groups.pop()[1] if groups else 1
    if groups or (columns == 1 and inner >= WIDE):
        return None
    total = in_memory
    if columns > 1:
        length = columns if columns <= MOST else gcd(columns, MOST)
        if length < 4:  # for so few a product is no gain
            return None
        with blas.one_thread():
            total = total.reshape(-1, length).dot(ones(length, x))
        if length < columns:
            total = total.reshape(-1, columns // length).sum(axis=1)
    if rows > 1:
        total = total.reshape(outer, rows, inner)
        total = of_rows(total[0]) if outer == 1 else _of_matrices(total)
    kept = [i for i in order if i not in axis]
    total = total.reshape([x.shape[i] for i in kept]).transpose(np.argsort(kept))
    return total.reshape([1 if i in axis else n for i, n in enumerate(x.shape)])


def _of_matrices(x: Any) -> Any:
    """The sum of the rows of each of several matrices."""
    if x.shape[1] > MOST:
        return np.stack([of_rows(matrix) for matrix in x])
    with blas.one_thread():
        return np.matmul(ones(x.shape[1], x), x)
