"""The largest elements of windows alone, for inference, where nobody asks which one won."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels.reference import Pairs

SMALL = 1 << 14
"""Up to so many numbers NumPy has compared them before a kernel that looks for winners has begun."""


def maxima(
    x: Any, kernel: tuple[int, ...], stride: tuple[int, ...], padding: Pairs, dilation: tuple[int, ...]
) -> Any:
    """Z of `max_pool`: the largest of a small image's windows along one axis after the other.

    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> maxima(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    is_plain = type(x) is np.ndarray and x.dtype.kind == "f" and 0 < x.size <= SMALL and prod(kernel) > 1
    if not is_plain or any(map(any, padding)) or dispatch.chosen() == "reference":
        return dispatch.max_pool(x, kernel, stride, padding, dilation)[0]
    for axis, k, s, d in zip(range(2, x.ndim), kernel, stride, dilation, strict=True):
        end = x.shape[axis] - d * (k - 1)  # behind the places where a window may begin
        before = (slice(None),) * axis
        x = reduce(np.maximum, [x[(*before, slice(d * u, d * u + end, s))] for u in range(k)])
    return x
