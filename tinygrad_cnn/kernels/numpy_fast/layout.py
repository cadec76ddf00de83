"""Images with the batch innermost in memory, (C, ..., N), which is how convolutions in NumPy take and give them.

Whatever the kernel, the stride and the number of channels, windows are then copied in long runs, and the windows of
many samples make one wide matrix. Elementwise operations keep the layout, and (N, C, ...) flattened to (N, features)
remains a view.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_float, c_int, c_void_p
from functools import cache
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import blas, memory, threads
from tinygrad_cnn.kernels.reference import Pairs

SMALL_BYTES = 3 << 20
"""So many bytes are copied by one thread."""

CONFLICT_BYTES = 1 << 10
"""Rows whose distance in memory is a multiple compete for the same places in the cache, and are moved apart first."""

PIECE_BYTES = 1 << 20
"""About as many bytes are turned at a time, so that they stay in the cache; in fewer, threads wait for one another."""


def batch_last(x: Any, region: Pairs) -> Any:
    """A region of images (N, C, *size), zero beyond them, as (C, *region, N) with the samples side by side in memory.

    The region is a range for each spatial axis. It is a view of x where x lies so already and the region is in it.
    """
    inside = tuple((min(max(a, 0), m), max(min(b, m), 0)) for (a, b), m in zip(region, x.shape[2:], strict=True))
    seen = (slice(None), *(slice(a, b) for a, b in inside))
    view = x.transpose(*range(1, x.ndim), 0)[seen]
    if inside == region and _is_innermost(view):
        return view
    if memory.is_channels_last(x) and _is_turned_fast(x.transpose(memory.channels_last(x.ndim))):
        return _from_channels_last(x, region, inside)
    y = memory.empty((len(view), *(b - a for a, b in region), len(x)), x.dtype)
    if not _is_turned_fast(x):
        _fill(_framed(y, region, inside), view)
        return y
    is_whole = y.shape[:-1] == x.shape[1:] and inside == region

    def turn(channels: slice) -> None:
        """Transpose the matrix of these channels: a row of it is a sample's."""
        rows = x[:, channels].reshape(len(x), -1)
        if is_whole:
            _transpose(y[channels].reshape(-1, len(x)), rows)
        else:
            turned = memory.scratch("turned", (rows.size,), x.dtype).reshape(-1, len(x))
            _transpose(turned, rows)
            images = turned.reshape(-1, *x.shape[2:], len(x))
            np.copyto(_framed(y[channels], region, inside), images[seen])

    _in_pieces(turn, len(y), y.nbytes)
    return y


def _from_channels_last(x: Any, region: Pairs, inside: Pairs) -> Any:
    """The same for channels-last images, row by row; in memory it is (*region, C, N)."""
    y = memory.empty((*(b - a for a, b in region), x.shape[1], len(x)), x.dtype)
    z = y.transpose(-2, *range(y.ndim - 2), -1)
    place = _framed(z, region, inside).transpose(*range(1, z.ndim - 1), 0, -1)
    rows = x.transpose(memory.channels_last(x.ndim))[(slice(None), *(slice(a, b) for a, b in inside))]
    some = list(np.ndindex(*place.shape[: x.ndim - 3]))

    def turn(part: slice) -> None:
        for index in some[part]:
            to = place[index]
            _transpose(to.reshape(-1, len(x)), rows[(slice(None), *index)].reshape(len(x), -1))

    if place.size:
        _in_pieces(turn, len(some), y.nbytes)
    return z


def _framed(y: Any, region: Pairs, inside: Pairs) -> Any:
    """What y (C, *region, N) has inside; the rest of it becomes zero."""
    within: tuple[slice, ...] = (slice(None),)
    for (a, b), (low, high) in zip(region, inside, strict=True):
        before, after = (low - a, high - a) if low < high else (b - a, b - a)
        if before:
            y[(*within, slice(0, before))] = 0
        if after < b - a:
            y[(*within, slice(after, None))] = 0
        within = (*within, slice(before, after))
    return y[within]


def _is_innermost(view: Any) -> bool:
    """Whether neighbours on the last axis that has any are neighbours in memory."""
    for m, step in zip(view.shape[::-1], view.strides[::-1], strict=True):
        if m > 1:
            return bool(step == view.itemsize)
    return True


def channels_last(x: Any) -> Any:
    """Images (N, C, *size) as (N, *size, C) without gaps in memory; a view where they lie so."""
    view = x.transpose(memory.channels_last(x.ndim))
    if view.flags.c_contiguous:
        return view
    if memory.is_batch_last(x) and _is_turned_fast(x.transpose(*range(1, x.ndim), 0)):
        rows = x.transpose(*range(1, x.ndim), 0).reshape(-1, len(x))
        x = memory.empty(x.shape, x.dtype)
        samples = x.reshape(len(x), -1)
        _in_pieces(lambda some: _transpose(samples[:, some], rows[some]), len(rows), rows.nbytes)
    y = memory.empty(view.shape, x.dtype)
    if len(x) and _is_turned_fast(x[0]):
        to, planes = y.reshape(len(y), -1, y.shape[-1]), x.reshape(*x.shape[:2], -1)

        def turn(some: slice) -> None:
            for image, plane in zip(to[some], planes[some], strict=True):
                _transpose(image, plane)

        _in_pieces(turn, len(x), x.nbytes)
    else:
        _fill(y, view)
    return y


def turnable(x: Any) -> Any:
    """Images (N, C, *size) that `turned` takes: as they are, or channels-last ones."""
    if x.flags.c_contiguous and x.size and _is_turned_fast(x[0]):
        return x
    return channels_last(x).transpose(0, -1, *range(1, x.ndim - 1))


def turned(x: Any) -> Any:
    """Some `turnable` images (n, C, *size), or some rows of one, as (n, *size, C): a view, or in scratch memory.

    There they stay in the cache. All of them are one matrix, since few long calls do not wait for one another as much
    as many short ones.
    """
    view = x.transpose(memory.channels_last(x.ndim))
    if x.strides[1] == x.itemsize or view.flags.c_contiguous:
        return view
    planes = x.reshape(len(x) * x.shape[1], -1)
    y = memory.scratch("turned", (x.size,), x.dtype).reshape(planes.shape[::-1])
    _transpose(y, planes)
    return np.moveaxis(y.reshape(*x.shape[2:], *x.shape[:2]), -2, 0)


def channels_first(x: Any) -> Any:
    """Images (N, C, *size) as they are, but channels-last ones with each channel's pixels side by side."""
    if not (x.size and memory.is_channels_last(x) and _is_turned_fast(x[0].transpose(*range(1, x.ndim - 1), 0))):
        return x
    y = memory.empty(x.shape, x.dtype)
    planes = y.reshape(*y.shape[:2], -1)
    pixels = x.transpose(memory.channels_last(x.ndim)).reshape(len(x), -1, x.shape[1])

    def turn(some: slice) -> None:
        for plane, image in zip(planes[some], pixels[some], strict=True):
            _transpose(plane, image)

    _in_pieces(turn, len(x), x.nbytes)
    return y


def pixels_first(weight: Any) -> Any:
    """Kernels (F, C, *size) as (*size, F, C); a view of these numbers without gaps, in this order or a similar one."""
    if abs(weight.strides[0]) < abs(weight.strides[1]):
        return pixels_first(weight.swapaxes(0, 1)).swapaxes(-1, -2)
    directions = tuple(slice(None, None, -1 if step < 0 else 1) for step in weight.strides[2:])
    weight = weight[(..., *directions)]
    y = np.empty((*weight.shape[2:], *weight.shape[:2]), weight.dtype)
    if weight.flags.c_contiguous:
        pairs = weight.shape[0] * weight.shape[1]
        transpose(y.reshape(-1, pairs), weight.reshape(pairs, -1))
    else:
        np.copyto(y, np.moveaxis(weight, (0, 1), (-2, -1)))
    return y[directions]


def pixels_last(weight: Any) -> Any:
    """Kernels (*size, F, C) without gaps as (F, C, *size)."""
    pairs = weight.shape[-2] * weight.shape[-1]
    y = np.empty((pairs, weight.size // pairs), weight.dtype)
    transpose(y, weight.reshape(-1, pairs))
    return y.reshape(*weight.shape[-2:], *weight.shape[:-2])


def filters_last(dz: Any) -> Any:
    """Images (N, F, *size) as (F, *size, N) that lie in memory as (*size, N, F)."""
    view = dz.transpose(*range(2, dz.ndim), 0, 1)
    if view.flags.c_contiguous:
        return view.transpose(-1, *range(dz.ndim - 1))
    y = memory.empty(view.shape, dz.dtype)
    planes = dz.reshape(-1, *dz.shape[2:]) if dz.flags.c_contiguous else None  # of all samples and filters
    if planes is not None and _is_turned_fast(planes):
        to, rows = y.reshape(-1, len(planes)), planes.reshape(len(planes), -1)

        def turn(some: slice) -> None:
            part = rows[some]
            if part.strides[0] % CONFLICT_BYTES == 0:
                part = memory.scratch("turned", part.shape, part.dtype)
                np.copyto(part, rows[some])
            _transpose(to[:, some], part)

        _in_pieces(turn, len(rows), rows.nbytes)
    else:
        if not _is_innermost(view):  # what is turned as a whole is turned faster, even twice
            view = batch_last(dz, tuple((0, m) for m in dz.shape[2:])).transpose(*range(1, dz.ndim), 0)
        _fill(y, view)
    return y.transpose(-1, *range(dz.ndim - 1))


def _fill(to: Any, view: Any) -> None:
    """to = view, where to's last axis is innermost, on all threads if they are large."""
    outermost = max(range(view.ndim - 1), key=lambda axis: view.strides[axis] if view.shape[axis] > 1 else 0)
    to, view = to.swapaxes(0, outermost), view.swapaxes(0, outermost)
    _in_pieces(lambda some: _copy(to[some], view[some]), len(view), view.nbytes)


def _in_pieces(work: Callable[[slice], None], count: int, size: int) -> None:
    """range(count), which stands for so many bytes, in slices for all threads; as a whole if that is little."""
    together = max(1, count if size <= SMALL_BYTES else PIECE_BYTES * count // size)
    threads.run(work, [slice(start, start + together) for start in range(0, count, together)])


def _is_turned_fast(x: Any) -> bool:
    """Whether `_transpose` takes x's matrix (len(x), ...): rows without gaps, which do not overlap."""
    is_matrix = x.flags.aligned and x[0].flags.c_contiguous and x.strides[0] >= x[0].nbytes
    return is_matrix and len(x) > 1 and x.dtype == np.float32 and _omatcopy() is not None


def transpose(to: Any, rows: Any) -> None:
    """to (M, N) = the transposed of rows (N, M), the numbers of a row side by side in both."""
    if rows.dtype == np.float32 and _omatcopy() is not None:
        _transpose(to, rows)
    else:
        np.copyto(to, rows.T)


def _transpose(to: Any, rows: Any) -> None:
    """The same by OpenBLAS, of float32."""
    count, length = rows.shape
    copy = _omatcopy()
    assert copy is not None
    copy(
        _ROW_MAJOR, _TRANSPOSED, count, length, 1.0,
        memory.address_of(rows), rows.strides[0] // rows.itemsize, memory.address_of(to), to.strides[0] // to.itemsize,
    )  # fmt: skip


_ROW_MAJOR, _TRANSPOSED = 101, 112


@cache
def _omatcopy() -> Callable[..., None] | None:
    """Called with order, transposition, rows, columns, a factor, the matrix and its step, the result and its step."""
    return blas.routine("somatcopy", c_int, c_int, int, int, c_float, c_void_p, int, c_void_p, int)


def _copy(to: Any, view: Any) -> None:
    apart = view.strides[-1]
    if apart > view.itemsize and apart % CONFLICT_BYTES == 0:
        # in the order of memory, but with the last axis in front
        order = (view.ndim - 1, *sorted(range(view.ndim - 1), key=lambda axis: -view.strides[axis]))
        shape = tuple(view.shape[axis] for axis in order)
        rows = memory.scratch("turned", (shape[0], prod(shape[1:])), view.dtype).reshape(shape)
        np.copyto(rows, view.transpose(order))
        view = rows.transpose(*sorted(range(view.ndim), key=order.__getitem__))
    np.copyto(to, view)
