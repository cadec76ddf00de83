"""Average pooling on NumPy's floating-point arrays, one pass for each entry of the window."""

from __future__ import annotations

from itertools import product
from typing import Any

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.reference import Ints, Pairs, _reached, divisor, pad_spatial


def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs) -> Any:
    """As the definition; float16, whose sums need more digits, is left to it."""
    if x.dtype.itemsize < 4:
        return NotImplemented
    padded = pad_spatial(x, padding)
    out = tuple(
        (m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    )
    z: Any = None
    for k in product(*map(range, kernel)):
        entry = padded[(..., *_reached(k, out, stride, dilation))]
        if z is None:
            z = memory.empty_like(entry)
            z[...] = entry
        else:
            z += entry
    z /= divisor(z, x.shape[2:], kernel, stride, padding, dilation, counted)
    return z


def scatter_shares(
    dz: Any, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs
) -> Any:
    """As the definition; windows that do not overlap are written, not added."""
    if any(s < d * (k - 1) + 1 for k, s, d in zip(kernel, stride, dilation, strict=True)):
        return NotImplemented
    padded = tuple(m + before + after for m, (before, after) in zip(size, padding, strict=True))
    share = dz / divisor(dz, size, kernel, stride, padding, dilation, counted)
    axes = memory.channels_last(dz.ndim) if memory.is_channels_last(dz) else None
    dx = memory.empty((*dz.shape[:2], *padded), dz.dtype, axes)
    if stride != kernel or any(m != n * k for m, n, k in zip(padded, dz.shape[2:], kernel, strict=True)):
        dx[...] = 0  # there are elements in no window
    for k in product(*map(range, kernel)):
        dx[(..., *_reached(k, dz.shape[2:], stride, dilation))] = share
    return dx[(..., *(slice(before, before + m) for m, (before, _) in zip(size, padding, strict=True)))]
