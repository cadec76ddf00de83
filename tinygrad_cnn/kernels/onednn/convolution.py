"""Convolutions by oneDNN, in the way that is fastest for their shapes.

| what | as | why |
| --- | --- | --- |
| kernels of three rows, many channels | `winograd` | half of the multiplications |
| few filters | `neighbours`: those of neighbouring windows side by side | they fill the vector registers |
| everything else | `direct`: the library's own primitive | |

Results are in channels-last memory, whatever the layout of what is given; see `direct` for exceptions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels.onednn import direct, neighbours, winograd
from tinygrad_cnn.kernels.onednn.descriptors import Ints
from tinygrad_cnn.kernels.reference import Pairs

FEW = 16
"""Filters, from which on they fill vector registers."""

LEAST = 1 << 18
"""Pixels times channels times filters, below which only the direct way comes into question."""


def correlate(x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f]."""
    way = _way(len(weight), x.size * len(weight), groups, weight)
    if way is not None:
        window = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
        out = tuple((m + before + after - d * (k - 1) - 1) // s + 1 for m, k, s, (before, after), d in window)
        z = way.correlate(x, weight, bias, out, stride, padding, dilation)
        if z is not None:
            return z
    return direct.correlate(x, weight, bias, stride, padding, dilation, groups)


def full_correlate(dz: Any, rotated: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dX as a transposed convolution, which turns the kernel itself: it is given the kernel turned back."""
    weight = rotated[(..., *(slice(None, None, -1),) * len(size))]
    return conv_transpose(dz, weight, None, size, stride, padding, dilation, groups)


def conv_transpose(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], + B[f]: the gradient of a convolution's input."""
    way = _way(weight.shape[1], x.size * weight.shape[1], groups, weight)
    if way is not None:
        y = way.conv_transpose(x, weight, bias, size, stride, padding, dilation)
        if y is not None:
            return y
    return direct.conv_transpose(x, weight, bias, size, stride, padding, dilation, groups)


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    way = _way(dz.shape[1], dz.size * x.shape[1], groups, dz)
    if way is not None:
        dk = way.correlate_kernel(x, dz, kernel, stride, padding, dilation)
        if dk is not None:
            return dk
    return direct.correlate_kernel(x, dz, kernel, stride, padding, dilation, groups)


def _way(filters: int, products: int, groups: int, other: Any) -> Any:
    """The module that may have a better way than the direct one."""
    if products < LEAST or groups > 1 or other.dtype != np.float32:
        return None
    return neighbours if filters < FEW else winograd
