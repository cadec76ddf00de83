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
    to = y
    for axis, ((a, b), (low, high)) in enumerate(zip(region, inside, strict=True), 1):
        before, after = (low - a, b - high) if low < high else (0, b - a)
        if before:
            np.moveaxis(to, axis, 0)[:before] = 0
        if after:
            np.moveaxis(to, axis, 0)[-after:] = 0
        to = np.moveaxis(np.moveaxis(to, axis, 0)[before : len(np.moveaxis(to, axis, 0)) - after], 0, axis)
    _fill(to, view)
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
    is_turned = not _is_innermost(view)
    together = max(1, PIECE_BYTES // max(prod(size) * batch * view.itemsize, 1))

    def copy(some: slice) -> None:
        part = view[some]
        if is_turned:
            # By way of rows that do not begin at a power of two, or all would compete for the same places in the cache.
            rows = memory.empty((batch, part.size // batch + 16), view.dtype)[:, :-16]
            turned = np.moveaxis(rows.reshape(batch, *part.shape[:-1]), 0, -1)
            np.copyto(turned, part)
            part = turned
        np.copyto(to[some], part)

    pieces = [slice(start, start + together) for start in range(0, channels, together)]
    if view.size <= SMALL:
        for some in pieces:
            copy(some)
    else:
        threads.run(copy, pieces)
