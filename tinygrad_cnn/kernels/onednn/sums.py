"""Sums of rows by oneDNN, of float32 matrices and of channels-last images: products with ones, on its threads."""

from __future__ import annotations

from functools import lru_cache, partial
from math import gcd
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.onednn.descriptors import RESULT, SOURCE, WEIGHTS, attributes, ordered
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described
from tinygrad_cnn.kernels.sums import MOST, Axes

WIDTH = 256
"""Rows of about so many numbers are added to one another the fastest."""


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
    wide = matrix.reshape(rows // together, together * columns)
    total = np.empty((-(-len(wide) // MOST), wide.shape[1]), np.float32)
    for i, z in enumerate(total):
        part = wide[i * MOST : (i + 1) * MOST]
        run = _product_with_ones(*part.shape)
        if run is None:
            return NotImplemented
        run(_ones(len(part)), part, z)
    return total.reshape(-1, columns).sum(axis=0)


def is_finite(x: Any) -> bool:
    """Whether no element of an array without gaps is NaN or infinite; also False where sums of them overflow."""
    rows, rest = divmod(x.size, WIDTH)
    run, total = _product_with_ones(rows, WIDTH), np.empty(WIDTH, np.float32)
    if run is None:
        return False
    run(_ones(rows), x, total)
    return bool(np.isfinite(total).all() and (not rest or np.isfinite(x.ravel("K")[-rest:]).all()))


_ones = lru_cache(16)(partial(np.ones, dtype=np.float32))


@cached
def _product_with_ones(rows: int, columns: int) -> Kernel:
    """Called with ones, a matrix and the sum of its rows."""
    given = ordered((1, rows)), ordered((rows, columns)), ordered((1, columns))
    descriptor = described("matmul", *given[:2], None, given[2], attributes())
    return Kernel(descriptor, (SOURCE, given[0]), (WEIGHTS, given[1]), (RESULT, given[2], True))
