"""Images with the batch innermost in memory, (C, ..., N), which is how convolutions in NumPy take and give them.

Whatever the kernel, the stride and the number of channels, windows are then copied in long runs, and the windows of
many samples make one wide matrix. Elementwise operations keep the layout, and (N, C, ...) flattened to (N, features)
remains a view.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory, threads

Ranges = tuple[tuple[int, int], ...]

SMALL = 1 << 18
"""So many numbers are copied by one thread."""

CONFLICT_BYTES = 1 << 10
"""Samples whose distance in memory is a multiple compete for the same places in the cache, and are moved apart first."""

PIECE_BYTES = 1 << 20
"""About as many bytes are turned at a time, so that they stay in the cache; in fewer, threads wait for one another."""


def batch_last(x: Any, region: Ranges) -> Any:
    """A region of images (N, C, *size), zero beyond them, as (C, *region, N) with the samples side by side in memory.

    The region is a range for each spatial axis. It is a view of x where x lies so already and the region is in it.
    """
    inside = tuple((min(max(a, 0), m), max(min(b, m), 0)) for (a, b), m in zip(region, x.shape[2:], strict=True))
    view = x.transpose(*range(1, x.ndim), 0)[(slice(None), *(slice(a, b) for a, b in inside))]
    if inside == region and _is_innermost(view):
        return view
    y = memory.empty((len(view), *(b - a for a, b in region), len(x)), x.dtype)
    within: tuple[slice, ...] = (slice(None),)
    for (a, b), (low, high) in zip(region, inside, strict=True):
        before, after = (low - a, high - a) if low < high else (b - a, b - a)
        if before:
            y[(*within, slice(0, before))] = 0
        if after < b - a:
            y[(*within, slice(after, None))] = 0
        within = (*within, slice(before, after))
    _fill(y[within], view)
    return y


def _is_innermost(view: Any) -> bool:
    """Whether neighbours on the last axis that has any are neighbours in memory."""
    for m, step in zip(view.shape[::-1], view.strides[::-1], strict=True):
        if m > 1:
            return bool(step == view.itemsize)
    return True


def _fill(to: Any, view: Any) -> None:
    """to = view, both (C, *size, N), on all threads where it is large."""
    channels, *size, batch = view.shape
    apart = view.strides[-1]
    has_conflicts = apart > view.itemsize and apart % CONFLICT_BYTES == 0

    def copy(some: slice) -> None:
        part = view[some]
        if has_conflicts:
            rows = memory.empty((batch, part.size // batch + 16), view.dtype)[:, :-16]
            turned = rows.reshape(batch, *part.shape[:-1]).transpose(*range(1, part.ndim), 0)
            np.copyto(turned, part)
            part = turned
        np.copyto(to[some], part)

    if view.size <= SMALL:
        copy(slice(None))
    else:
        together = max(1, PIECE_BYTES // max(prod(size) * batch * view.itemsize, 1))
        threads.run(copy, [slice(start, start + together) for start in range(0, channels, together)])
