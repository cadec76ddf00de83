"""Which windows, or pixels that are spread out, fall on an axis, and where: for pools and for folding."""

from __future__ import annotations


def reached(offset: int, size: int, count: int, step: int) -> tuple[slice, slice]:
    """The places p of `count` with 0 <= step p + offset < size, and these elements.

    >>> reached(-1, 5, 4, 2)  # elements -1, 1, 3, 5, of which two are on an axis of 5
    (slice(1, 3, None), slice(1, 4, 2))
    """
    first = max(-(offset // step), 0)
    end = max(min((size - 1 - offset) // step + 1, count), first)
    if first == end:
        return slice(0, 0), slice(0, 0)
    start = first * step + offset
    return slice(first, end), slice(start, start + (end - first - 1) * step + 1, step)
