"""Max pooling on NumPy's floating-point arrays, one pass for each entry of the window."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.reference import Ints, Pairs, _reached, pad_spatial, winner_dtype


def max_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> tuple[Any, Any]:
    """Z[n,c,p] = max_k X[n, c, s p + d k] and its first winner, one pass for each entry of the window."""
    padded = pad_spatial(x, padding, reference.lowest(x))
    out = tuple(
        (m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    )
    z: Any = None
    winners: Any = None
    for i, k in enumerate(product(*map(range, kernel))):
        candidate = padded[(..., *_reached(k, out, stride, dilation))]
        if z is None:
            z, winners = candidate.copy(), np.zeros(candidate.shape, dtype=winner_dtype(kernel))
        else:
            np.copyto(winners, i, where=candidate > z)
            np.maximum(z, candidate, out=z)
    if not (z > -np.inf).all():  # a NaN wins, but compares false; the padding is minus infinity too, but does not win
        return reference.max_pool(x, kernel, stride, padding, dilation)
    return z, winners


def scatter_winners(
    dz: Any, winners: Any, kernel: Ints, size: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> Any:
    """As the definition; windows that do not overlap are written, not added."""
    if any(s < d * (k - 1) + 1 for k, s, d in zip(kernel, stride, dilation, strict=True)):
        return reference.scatter_winners(dz, winners, kernel, size, stride, padding, dilation)
    padded = tuple(m + before + after for m, (before, after) in zip(size, padding, strict=True))
    dx: Any = np.zeros((*dz.shape[:2], *padded), dtype=dz.dtype)
    for i, k in enumerate(product(*map(range, kernel))):
        np.copyto(dx[(..., *_reached(k, dz.shape[2:], stride, dilation))], dz, where=winners == i)
    return dx[(..., *(slice(before, before + m) for m, (before, _) in zip(size, padding, strict=True)))]
