"""Fast substitutes for the definitions, by the oneDNN library: same names, same arguments, on float32 arrays.

A kernel gives NotImplemented for what the library can't do, or not faster than NumPy. `execution.py` tells how one is
added.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.convolution import (
    conv_transpose,
    correlate,
    correlate_kernel,
    full_correlate,
)
from tinygrad_cnn.kernels.onednn.copies import copy
from tinygrad_cnn.kernels.onednn.elementwise import (
    add,
    add_scaled,
    multiply,
    relu,
    relu_gradient,
    subtract,
)
from tinygrad_cnn.kernels.onednn.execution import get_precision, set_precision
from tinygrad_cnn.kernels.onednn.library import describe
from tinygrad_cnn.kernels.onednn.normalization import affine, normalize, normalize_gradient
from tinygrad_cnn.kernels.onednn.pooling import avg_pool, max_pool, scatter_shares, scatter_winners
from tinygrad_cnn.kernels.onednn.products import linear, matmul
from tinygrad_cnn.kernels.onednn.softmax import cross_entropy_of_labels
from tinygrad_cnn.kernels.onednn.sums import of_rows, sum

__all__ = [
    "add",
    "add_scaled",
    "affine",
    "avg_pool",
    "conv_transpose",
    "copy",
    "correlate",
    "correlate_kernel",
    "cross_entropy_of_labels",
    "describe",
    "full_correlate",
    "get_precision",
    "linear",
    "matmul",
    "max_pool",
    "multiply",
    "normalize",
    "normalize_gradient",
    "of_rows",
    "relu",
    "relu_gradient",
    "scatter_shares",
    "scatter_winners",
    "set_precision",
    "subtract",
    "sum",
    "unavailable",
]


@cache
def unavailable() -> str | None:
    """Why the library can't be used, as a clause; None where it can."""
    try:
        path = library.load().path
    except library.UnusableError as error:
        return str(error)
    x, weight = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2), np.float32)
    try:
        z = correlate(x, weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    except RuntimeError as error:
        return f"{path}: {error}"
    if z is NotImplemented or z.ravel().tolist() != [8, 12, 20, 24]:
        return f"{path} fails to convolve: the sums of four pixels came out as {z!r}"
    return None
