"""Matrix products on the threads of this library, not on those of NumPy's BLAS.

OpenBLAS's threads don't sleep when a product is done: for some 25 milliseconds they wait for the next one, and take
the cores meanwhile from what this library shares among its own threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.numpy_fast.lowering import cut, share, shares_of
from tinygrad_cnn.kernels.reference import add_bias

NARROW = 64
"""No product is cut to fewer columns or rows: all of the other matrix is read again for each."""


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Z = X W^T + b with x (N, C), weight (F, C), and bias (F,) or None."""
    z = matmul(x, weight.T)
    return z if z is NotImplemented else add_bias(z, bias)


def matmul(x: Any, y: Any) -> Any:
    """Z = X Y with x (M, K) and y (K, N)."""
    if x.dtype != y.dtype:
        return NotImplemented
    (rows, _), columns = x.shape, y.shape[1]
    shares = shares_of(x.size * columns)
    z = memory.empty((rows, columns), x.dtype)

    def multiply(some: slice) -> None:
        if columns >= rows:
            np.matmul(x, y[:, some], out=z[:, some])
        else:
            np.matmul(x[some], y, out=z[some])

    longest = max(rows, columns)
    share(multiply, cut(longest, max(-(-longest // shares), NARROW)))
    return z
