"""Matrix products by oneDNN, of float32 matrices with any strides: a transposed view costs nothing.

Below `SMALL` multiplications NumPy is faster: a call of a primitive costs some microseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.onednn.descriptors import (
    BIAS,
    RESULT,
    SOURCE,
    WEIGHTS,
    Ints,
    as_described,
    attributes,
    ordered,
    strided,
)
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described, number_of_products

SMALL = 1 << 18

_FLOAT32 = np.dtype(np.float32)


def matmul(x: Any, y: Any) -> Any:
    """Z = X Y with x (M, K) and y (K, N)."""
    return _product(x, y, None)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Z = X W^T + b with x (N, C), weight (F, C), and bias (F,) or None."""
    return _product(x, weight.T, bias)


def _product(x: Any, y: Any, bias: Any) -> Any:
    if x.size * y.shape[1] < SMALL or y.dtype != _FLOAT32 or (bias is not None and bias.dtype != _FLOAT32):
        return NotImplemented
    kernel = _kernel(x.shape, x.strides, y.shape, y.strides, None if bias is None else bias.strides)
    if kernel is None:
        a, b, c = as_described(x), as_described(y), bias if bias is None else as_described(bias)
        return NotImplemented if a is x and b is y and c is bias else _product(a, b, c)
    z = memory.empty((x.shape[0], y.shape[1]), _FLOAT32)
    if bias is None:
        kernel(x, y, z)
    else:
        kernel(x, y, bias, z)
    return z


@cached
def _kernel(x: Ints, x_strides: Ints, y: Ints, y_strides: Ints, bias_strides: Ints | None) -> Kernel:
    number = number_of_products()
    result = ordered((x[0], y[1]))
    given = [(SOURCE, strided(x, x_strides)), (WEIGHTS, strided(y, y_strides))]
    bias = None
    if bias_strides is not None:
        bias = ordered((1, y[1]))
        given.append((BIAS, strided((1, y[1]), (4, *bias_strides))))
    read = (ordered(m, (0, 1) if s[0] >= s[1] else (1, 0), number) for m, s in ((x, x_strides), (y, y_strides)))
    descriptor = described("matmul", *read, bias, result, attributes())
    return Kernel(descriptor, *given, (RESULT, result, True))
