"""The largest elements of windows alone, for inference, where nobody asks which one won."""

from __future__ import annotations

from functools import lru_cache, reduce
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels.onednn import pooling
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
    if type(x) is np.ndarray and x.dtype.kind == "f" and 0 < x.size <= SMALL and dispatch.chosen() != "reference":
        pieces = _pieces(x.shape[2:], kernel, stride, padding, dilation)
        for of_axis in pieces:
            x = reduce(np.maximum, [x[piece] for piece in of_axis])
        if pieces:
            return x
    return dispatch.max_pool(x, kernel, stride, padding, dilation)[0]


def positive_maxima(
    x: Any, kernel: tuple[int, ...], stride: tuple[int, ...], padding: Pairs, dilation: tuple[int, ...]
) -> Any:
    """The ReLU of the maxima.

    >>> x = np.arange(-8, 8, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> positive_maxima(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)).tolist()
    [[[[0.0, 0.0], [5.0, 7.0]]]]
    """
    if type(x) is np.ndarray and x.dtype == np.float32 and dispatch.chosen() == "onednn":
        z = pooling.positive_maxima(x, kernel, stride, padding, dilation)
        if z is not NotImplemented:
            return z
    return dispatch.relu(maxima(x, kernel, stride, padding, dilation))


@lru_cache(256)
def _pieces(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
) -> list[list[tuple[slice, ...]]]:
    """For each spatial axis, the elements of all windows that come first, second and so on; none with a padding."""
    if any(map(any, padding)) or prod(kernel) == 1:
        return []
    found = []
    for axis, (m, k, s, d) in enumerate(zip(size, kernel, stride, dilation, strict=True), 2):
        end = m - d * (k - 1)  # behind the places where a window may begin
        found.append([(*(slice(None),) * axis, slice(d * u, d * u + end, s)) for u in range(k)])
    return found
