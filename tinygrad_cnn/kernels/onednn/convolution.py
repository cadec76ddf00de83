"""Convolutions by oneDNN: by Winograd's way where that is faster, else by its own primitives.

Results are in channels-last memory, whatever the layout of what is given; see `direct` for exceptions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels.onednn import direct, winograd
from tinygrad_cnn.kernels.onednn.descriptors import Ints
from tinygrad_cnn.kernels.reference import Pairs

LEAST = winograd.PAIRS * winograd.PIXELS // 2
"""Pixels times channels times filters, below which Winograd's way need not be asked for."""


def correlate(x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f]."""
    if groups == 1 and weight.dtype == np.float32 and x.size * len(weight) >= LEAST:
        window = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
        out = ((m + before + after - d * (k - 1) - 1) // s + 1 for m, k, s, (before, after), d in window)
        z = winograd.correlate(x, weight, bias, (len(x), len(weight), *out), stride, padding, dilation)
        if z is not None:
            return z
    return direct.correlate(x, weight, bias, stride, padding, dilation, groups)


def full_correlate(dz: Any, rotated: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dX by the backward primitive, which turns the kernel itself: it is given the kernel turned back."""
    weight = rotated[(..., *(slice(None, None, -1),) * len(size))]
    return conv_transpose(dz, weight, None, size, stride, padding, dilation, groups)


def conv_transpose(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], + B[f]: the gradient of a convolution's input."""
    if groups == 1 and weight.dtype == np.float32 and x.size * weight.shape[1] >= LEAST:
        y = winograd.conv_transpose(x, weight, bias, size, stride, padding, dilation)
        if y is not None:
            return y
    return direct.conv_transpose(x, weight, bias, size, stride, padding, dilation, groups)


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    if groups == 1 and dz.dtype == np.float32 and dz.size * x.shape[1] >= LEAST:
        dk = winograd.correlate_kernel(x, dz, kernel, stride, padding, dilation)
        if dk is not None:
            return dk
    return direct.correlate_kernel(x, dz, kernel, stride, padding, dilation, groups)
