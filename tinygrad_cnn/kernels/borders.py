"""Borders made of an image's own elements, on any axes, and their adjoint.

A mode continues an axis of n elements to all integers: place i takes the element `SOURCES[mode](i, n)`. The modes of an
axis 1234, three places wide:

    reflect      432 1234 321      mirrored at the middle of the last element, period 2n - 2
    replicate    111 1234 444      the last element again and again
    circular     234 1234 123      period n
    symmetric    321 1234 432      mirrored at the edge of the last element, period 2n

One axis is continued after another, so that a corner takes its element by the table of each axis. Forward and adjoint
go through the same table, kept as runs of evenly spaced places: slices, which need no index array on any device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from tinygrad_cnn.backend import get_array_module
from tinygrad_cnn.kernels.reference import Pairs

Run = tuple[slice, slice]


def _reflect(i: int, n: int) -> int:
    i %= max(2 * n - 2, 1)
    return min(i, 2 * n - 2 - i)


def _symmetric(i: int, n: int) -> int:
    i %= 2 * n
    return min(i, 2 * n - 1 - i)


SOURCES: dict[str, Callable[[int, int], int]] = {
    "reflect": _reflect,
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
    "symmetric": _symmetric,
}


def extend(x: Any, widths: Pairs, mode: str) -> Any:
    """x continued on every axis by (before, after) elements."""
    if not any(map(any, widths)):
        return x
    inside = _inside(x.shape, widths)
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    y = get_array_module(x).empty_like(x, shape=shape)  # laid out as x
    y[inside] = x
    for axis, (n, (before, after)) in enumerate(zip(x.shape, widths, strict=True)):
        for border, sources in runs(mode, n, before, after):
            y[_at(axis, border, inside)] = y[_at(axis, sources, inside)]
    return y


def fold_back(dz: Any, widths: Pairs, mode: str) -> Any:
    """The adjoint of `extend`: every element of the border is added to the one that it was taken from."""
    if not any(map(any, widths)):
        return dz
    dx = dz.copy(order="K")
    size = tuple(m - before - after for m, (before, after) in zip(dz.shape, widths, strict=True))
    inside = _inside(size, widths)
    for axis in reversed(range(len(size))):
        for border, sources in runs(mode, size[axis], *widths[axis]):
            part = dx[_at(axis, border, inside)]
            if sources.stop == sources.start + 1:  # one element was taken by the whole run
                part = part.sum(axis=axis, keepdims=True)
            dx[_at(axis, sources, inside)] += part
    return dx[inside]


def take_off(dz: Any, widths: Pairs) -> Any:
    """dz without its border: the adjoint of a border of a constant."""
    size = tuple(m - before - after for m, (before, after) in zip(dz.shape, widths, strict=True))
    return dz[_inside(size, widths)]


def _inside(size: tuple[int, ...], widths: Pairs) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(size, widths, strict=True))


def _at(axis: int, places: slice, inside: tuple[slice, ...]) -> tuple[slice, ...]:
    """Places on an axis, where the axes before it have their border already and those behind it do not."""
    return (*(slice(None),) * axis, places, *inside[axis + 1 :])


@lru_cache(maxsize=512)
def runs(mode: str, n: int, before: int, after: int) -> tuple[Run, ...]:
    """The border of an axis of n elements in runs: its places, and the places that they take their elements from.

    Both count from the first place of the border. The sources of a run are distinct, or a single one for all of it.

    >>> runs("symmetric", 4, 2, 0)
    ((slice(0, 2, None), slice(3, 1, -1)),)
    >>> runs("replicate", 4, 0, 3)
    ((slice(4, 7, None), slice(3, 4, None)),)
    """
    source = SOURCES[mode]
    return tuple(
        (slice(first + before + start, first + before + stop), sources)
        for first, width in ((-before, before), (n, after))
        for start, stop, sources in _even([before + source(i, n) for i in range(first, first + width)])
    )


def _even(sources: list[int]) -> Iterator[tuple[int, int, slice]]:
    """The evenly spaced pieces of a list as (start, stop, its numbers as a slice)."""
    start = 0
    while start < len(sources):
        first, stop = sources[start], start + 1
        step = sources[stop] - first if stop < len(sources) else 0
        while stop < len(sources) and sources[stop] - sources[stop - 1] == step:
            stop += 1
        end = first + (stop - start) * step
        yield start, stop, slice(first, end if end >= 0 else None, step) if step else slice(first, first + 1)
        start = stop
