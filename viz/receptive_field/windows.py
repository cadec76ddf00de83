"""Windows: which units of an axis each unit of the next tensor is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_cnn.primitives.adaptive_pool import bounds

Array = Any

NOTHING = 1 << 29
"""The first pixel of a unit that sees none; its last one is -NOTHING, so that a hull with it changes nothing."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Which units of an axis each unit of the next tensor is computed from.

    Attributes:
        places: for positions (m,), which may lie beyond both ends, the units that each sees, (m, k), and which of these
            are there, a mask that broadcasts against them.
        advance, period: `period` positions further the units lie `advance` further.
    """

    places: Callable[[Array], tuple[Array, Array]]
    advance: int
    period: int

    def inside(self, count: int, size: int) -> tuple[Array, Array]:
        """The places of `count` positions and which of them lie in an axis of that size."""
        at, are_there = self.places(np.arange(count))
        return at, are_there & (at >= 0) & (at < size)


def strided(stride: int, before: int = 0, dilation: int = 1, kernel: int = 1) -> Windows:
    """The windows of a convolution or a pooling: position p sees stride p - before + dilation k; a stride may be < 0.

    >>> strided(2, 1, 1, 3).inside(2, 5)[0].tolist()
    [[-1, 0, 1], [1, 2, 3]]
    """
    offsets = dilation * np.arange(kernel) - before
    return Windows(lambda p: (p[:, None] * stride + offsets, np.True_), stride, 1)


def stamped(stride: int, before: int = 0, dilation: int = 1, kernel: int = 1) -> Windows:
    """The transpose: position p sees the units i with stride i + dilation k - before = p.

    >>> at, are_inside = stamped(2, 0, 1, 3).inside(3, 2)
    >>> [row[mask].tolist() for row, mask in zip(at, are_inside)]
    [[0], [0], [1, 0]]
    """
    offsets = before - dilation * np.arange(kernel)

    def places(p: Array) -> tuple[Array, Array]:
        reached = p[:, None] + offsets
        return reached // stride, reached % stride == 0

    return Windows(places, 1, stride)


def listed(first: Array, last: Array, start: int, advance: int) -> Windows:
    """Windows that repeat those from `first` to `last`, (period,), which belong to the positions from `start` on."""
    span = np.arange(int((last - first).max()) + 1)

    def places(p: Array) -> tuple[Array, Array]:
        turns, phase = np.divmod(p - start, len(first))
        at = (first[phase] + advance * turns)[:, None] + span
        return at, at <= (last[phase] + advance * turns)[:, None]

    return Windows(places, advance, len(first))


def repeating(first: Array, last: Array, size: int, turns: int = 1) -> Windows | None:
    """The windows that rows from `first` to `last` of an axis of that size are made of, beyond the border too.

    Interpolation cuts its rows off at the border, so the rows in the middle are continued; where they don't explain
    all others, or where there aren't as many turns of a period, nothing is known.
    """
    count = len(first)
    for advance, period in ((size, count), (size - 1, count - 1)):
        divisor = np.gcd(advance, period) if advance > 0 and period > 0 else 0
        if not divisor or divisor < turns:
            continue
        advance, period = int(advance // divisor), int(period // divisor)
        start = (count - period) // 2
        same = last[start : start + period] - first[start : start + period]
        if start == 0 and (same != same[0]).any():  # a row of the border would be among those continued
            continue
        windows = listed(first[start : start + period], last[start : start + period], start, advance)
        at, are_there = windows.places(np.arange(count))
        low = np.clip(np.where(are_there, at, NOTHING).min(axis=1), 0, size - 1)
        high = np.clip(np.where(are_there, at, -NOTHING).max(axis=1), 0, size - 1)
        if (low == first).all() and (high == last).all():
            return windows
    return None


def regions(size: int, count: int) -> Windows:
    """The windows of an adaptive pooling of an axis of that size to `count` units."""
    divisor = int(np.gcd(size, count))
    first, last = np.array(bounds(size, count)[: count // divisor]).T
    return listed(first, last - 1, 0, size // divisor)
