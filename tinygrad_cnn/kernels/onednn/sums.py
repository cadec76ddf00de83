"""Sums of rows by oneDNN, of float32 matrices and of channels-last images: products with ones, on its threads."""

from __future__ import annotations

from functools import lru_cache, partial
from math import gcd, isfinite
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.finite import has_finite_sum
from tinygrad_cnn.kernels.onednn.descriptors import RESULT, SOURCE, WEIGHTS, attributes, ordered
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described
from tinygrad_cnn.kernels.sums import MOST, Axes

WIDTH = 64
"""Rows of about so many numbers are added to one another the fastest."""

PARTS = 4
"""Threads that each take some parts of a matrix find in their cache what they wrote there."""


def sum(x: Any, axis: Axes, keepdims: bool = False) -> Any:
    """As the definition, of channels-last images over images and pixels, and of a matrix over its rows."""
    if x.ndim < 2 or sorted(axis) != [0, *range(2, x.ndim)]:
        return NotImplemented
    if not (x.flags.c_contiguous if x.ndim == 2 else memory.is_channels_last(x)):
        return NotImplemented
    total = of_rows(x.transpose(memory.channels_last(x.ndim)).reshape(-1, x.shape[1]))
    return total.reshape(1, -1, *(1,) * (x.ndim - 2)) if keepdims and total is not NotImplemented else total


def of_rows(matrix: Any) -> Any:
    """As the definition. Short rows are taken several at once, and their sums added up in the end."""
    rows, columns = matrix.shape
    if not matrix.flags.c_contiguous or not matrix.size:
        return NotImplemented
    together = gcd(rows, 1 << (WIDTH // columns).bit_length() - 1) if columns < WIDTH else 1
    total = _total(matrix.reshape(rows // together, together * columns))
    return total if total is NotImplemented else total.reshape(-1, columns).sum(axis=0)


def _total(matrix: Any) -> Any:
    """The sums of a contiguous matrix's rows in several parts, (parts, columns)."""
    rows, columns = matrix.shape
    parts = max(PARTS if rows > columns else 1, -(-rows // MOST))
    length = rows // parts
    run = _products_with_ones(parts, length, columns) if length else None
    if run is None:
        return NotImplemented
    total = np.empty((parts, columns), np.float32)
    run(_ones(parts * length), matrix, total)
    if parts * length < rows:
        total[0] += matrix[parts * length :].sum(axis=0)
    return total


def is_finite(x: Any) -> bool:
    """Whether no element of an array without gaps is NaN or infinite; also False where sums of them overflow."""
    vector = x.ravel("K")
    end = x.size - x.size % WIDTH
    total = _total(vector[:end].reshape(-1, WIDTH))
    if total is NotImplemented or not isfinite(total.reshape(-1).dot(_ones(total.size))):
        return False
    return end == x.size or has_finite_sum(vector[end:])


_ones = lru_cache(16)(partial(np.ones, dtype=np.float32))


@cached
def _products_with_ones(parts: int, rows: int, columns: int) -> Kernel:
    """Called with ones, several matrices and the sums of their rows."""
    given = [ordered((parts, *shape)) for shape in ((1, rows), (rows, columns), (1, columns))]
    descriptor = described("matmul", *given[:2], None, given[2], attributes())
    return Kernel(descriptor, (SOURCE, given[0]), (WEIGHTS, given[1]), (RESULT, given[2], True))
