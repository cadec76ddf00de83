"""The steps of which the right rules are made, on plain arrays (of fractions or floats) with n spatial axes at the end.

They are written for the mistakes that can be made in them, and share nothing with the library's kernels.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def all_flipped(array: Any, n: int) -> Any:
    """Mirrored on each spatial axis: for two of them, rotated by 180 degrees."""
    return array[(..., *(slice(None, None, -1),) * n)]


def spread(array: Any, steps: Ints) -> Any:
    """With zeros in between, so that neighbours are `steps` apart."""
    front, size = array.shape[: -len(steps)], array.shape[-len(steps) :]
    spread_size = (s * (m - 1) + 1 if m else 0 for m, s in zip(size, steps, strict=True))
    wide: Any = np.zeros((*front, *spread_size), array.dtype)
    wide[(..., *(slice(None, None, s) for s in steps))] = array
    return wide


def zero_padded(array: Any, pads: Pairs) -> Any:
    """With zeros around."""
    return np.pad(array, [(0, 0)] * (array.ndim - len(pads)) + list(pads))


def cut(array: Any, start: Ints, size: Ints, extend: bool = True) -> Any:
    """The part of that size from `start`; with zeros appended where the array ends before, unless told not to."""
    part = array[(..., *(slice(a, a + m) for a, m in zip(start, size, strict=True)))]
    missing = tuple((0, m - have) for m, have in zip(size, part.shape[-len(size) :], strict=True))
    return zero_padded(part, missing) if extend else part


def correlated(images: Any, kernels: Any, n: int) -> Any:
    """Z[..., p] = sum over k of images[..., p + k] kernels[..., k]; the axes in front broadcast."""
    size = tuple(max(m - k + 1, 0) for m, k in zip(images.shape[-n:], kernels.shape[-n:], strict=True))
    front = np.broadcast_shapes(images.shape[:-n], kernels.shape[:-n])
    z = np.zeros((*front, *size), np.result_type(images, kernels))
    if z.size:
        for k in product(*map(range, kernels.shape[-n:])):
            window = tuple(slice(a, a + m) for a, m in zip(k, size, strict=True))
            z += images[(..., *window)] * kernels[(..., *k)][(..., *(None,) * n)]
    return z


def part_of_x(sums: Any, pads: Pairs, wanted: Ints, padding: str = "taken off", size: str = "of X") -> Any:
    """X's part of a gradient that was collected for the padded X.

    Args:
        pads: the padding before and after each spatial axis.
        wanted: X's size.
        padding: "taken off"; "kept"; "at one end" takes all of it off below and on the right; "sliced to -0" takes off
            what [p:-p] does, and so everything where there is none.
        size: "of X" has zeros in the rows that no window reached; "clipped" ends where the windows end; "as it comes"
            too, and knows nothing of X's size.
    """
    before, after = zip(*pads, strict=True)
    whole = tuple(m + a + b for m, a, b in zip(wanted, before, after, strict=True))
    if padding == "sliced to -0":
        part = cut(sums, (0,) * len(pads), whole)
        return part[(..., *(slice(a, -b) for a, b in pads))]
    start = before if padding == "taken off" else (0,) * len(pads)
    if size == "as it comes":
        off = (0,) * len(pads) if padding == "kept" else after if padding == "taken off" else tuple(map(sum, pads))
        have = sums.shape[-len(pads) :]
        return cut(sums, start, tuple(max(m - a - b, 0) for m, a, b in zip(have, start, off, strict=True)))
    return cut(sums, start, whole if padding == "kept" else wanted, size == "of X")


def without_last(array: Any, n: int) -> Any:
    """With zeros in the last place of each spatial axis: what a loop gives that ends one too early."""
    result = array.copy()
    for axis in range(array.ndim - n, array.ndim):
        result[(slice(None),) * axis + (slice(-1, None),)] = 0
    return result
