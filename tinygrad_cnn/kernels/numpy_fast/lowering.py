"""The windows of images as columns of matrices, a part of the image at a time so that they stay in the cache.

Images are (C, R, ..., N) here: channels, rows, other spatial axes, samples. Only the entries of the windows along the
other axes are unrolled: row r of the columns holds x[c, r, s q + d j] for all c and j, and for all q and n, which are
the columns. The matrix of an output row, over all (i, c, j), is then a run of `kernel height` such rows: neighbouring
output rows have overlapping matrices, and the copy is `kernel height` times smaller than that of im2col. Where a row
of outputs is too short for this, or the kernel's rows are dilated, another axis is put in front of the rows, and the
copy is that of im2col.

Overlapping matrices: Cho and Brand, MEC: Memory-efficient convolution for deep neural network (2017). Parts: Chetlur
et al., cuDNN: Efficient primitives for deep learning (2014).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import blas, memory, threads
from tinygrad_cnn.kernels.reference import Ints, Pairs

CHUNK_BYTES = 3 << 20
"""About as many bytes of columns are made at a time. They lie in the second and third level of the cache."""

COLUMNS = 512
"""The columns of a part of an image that is too large for one: BLAS gains little from more."""

FEW_COLUMNS = 128
"""No part is cut to fewer columns for the threads to share."""

NARROW = 64
"""Output rows of fewer columns are worked on together, as one."""

SHARE = 6 << 20
"""So many products of two numbers, or more, are worth a part of their own, which another thread may take."""

SMALL = 1000000
"""So many products of two numbers BLAS computes from the matrices as they lie, more from copies in another order."""

SUMS = 8
"""The kernel's gradient is summed up in so many sums, which the threads share."""


class Windows(NamedTuple):
    """Windows on images, entry k of window p being x[s p + d k]; one integer for each spatial axis."""

    kernel: Ints
    out: Ints
    stride: Ints
    dilation: Ints

    def region(self, start: Ints) -> Pairs:
        """What the windows see of an image if the first begins at `start`: a range for each axis."""
        return tuple((a, a + s * (p - 1) + d * (k - 1) + 1) for a, k, p, s, d in zip(start, *self, strict=True))

    def rows_overlap(self, batch: int) -> bool:
        """Whether the first axis is lowered as overlapping rows."""
        is_wide = len(self.out) > 1 and prod(self.out[1:]) * batch >= NARROW
        return is_wide and self.kernel[0] > 1 and self.dilation[0] == 1

    def in_front(self) -> Windows:
        """With an axis in front on which there is one window of one entry."""
        return Windows(*((1, *along) for along in self))


class Part(NamedTuple):
    """Some groups of channels, some rows of outputs, a run of columns in each of these rows, and how it is lowered."""

    groups: slice
    rows: slice
    inner: tuple[slice, ...]  # the run: for each inner axis, then for the samples
    columns: slice  # the same run, in a flattened row
    begin: tuple[slice, ...]  # where it begins on the image
    view: Ints  # groups, rows, channels, entries of the kernel, outputs, samples
    strides: Ints  # of that view of the image
    lowered: Ints  # the same as groups, rows, entries, columns
    overlapping: Ints  # and with all entries of the kernel: groups, output rows, entries, columns


@lru_cache(1024)
def parts(windows: Windows, shape: Ints, strides: Ints, itemsize: int, products: int) -> list[Part]:
    """All outputs in parts whose columns take about `CHUNK_BYTES`, the same ones for any number of threads.

    The shape and strides are those of x (groups, C, R, ..., N). Rows are cut last, since neighbours both need some.
    """
    groups, channels, batch = shape[0], shape[1], shape[-1]
    shares = shares_of(products)
    rows, inner = windows.out[0], (*windows.out[1:], batch)
    column = channels * prod(windows.kernel[1:]) * itemsize  # the bytes of a column in one row
    seen = (rows - 1) * windows.stride[0] + windows.kernel[0]
    columns = max(CHUNK_BYTES // (column * seen), COLUMNS)
    runs = list(_runs(inner, columns, min(-(-shares // groups), prod(inner) // FEW_COLUMNS)))
    longest = max(run.stop - run.start for _, run in runs) * column
    height = max((CHUNK_BYTES // longest - windows.kernel[0]) // windows.stride[0] + 1, 1)
    height = min(height, -(-rows * groups * len(runs) // shares), rows)
    together = 1
    if height == rows:
        together = max(1, min(CHUNK_BYTES // (longest * seen), groups * len(runs) // shares))
    return [
        _part(windows, strides, channels, some, few, *run)
        for some, few, run in product(cut(groups, together), cut(rows, height), runs)
    ]


def _part(
    windows: Windows, strides: Ints, channels: int, some: slice, rows: slice, inner: tuple[slice, ...], columns: slice
) -> Part:
    (height, *kernel), (stride, *_) = windows.kernel, windows.stride
    groups, out, *along, batch = (p.stop - p.start for p in (some, rows, *inner))
    starts = (slice(p.start * s, None) for p, s in zip((rows, *inner[:-1]), windows.stride, strict=True))
    of_group, of_channel, of_row, *of_inner, of_sample = strides
    dilated = (d * step for d, step in zip(windows.dilation[1:], of_inner, strict=True))
    strided = (s * step for s, step in zip(windows.stride[1:], of_inner, strict=True))
    seen, entries, count = (out - 1) * stride + height, channels * prod(kernel), columns.stop - columns.start
    return Part(
        some,
        rows,
        inner,
        columns,
        (some, slice(None), *starts, inner[-1]),
        (groups, seen, channels, *kernel, *along, batch),
        (of_group, of_row, of_channel, *dilated, *strided, of_sample),
        (groups, seen, entries, count),
        (groups, out, height * entries, count),
    )


def shares_of(products: int) -> int:
    """In how many parts or more a convolution of so many products is to be cut: a power of two, about their root."""
    return 1 << (products // SHARE).bit_length() // 2


def cut(count: int, most: int) -> list[slice]:
    """range(count) in slices of about the same length, at most `most` each."""
    pieces = -(-count // most)
    return [slice(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


def _runs(shape: Ints, most: int, least_runs: int) -> Iterator[tuple[tuple[slice, ...], slice]]:
    """An array of this shape in runs of neighbours, of about `most` elements: slices of each axis, and of all, flat."""
    most = max(min(most, prod(shape) // max(least_runs, 1)), 1)
    axis = 0
    while axis < len(shape) - 1 and prod(shape[axis + 1 :]) > most:
        axis += 1
    below = prod(shape[axis + 1 :])
    whole = tuple(slice(0, m) for m in shape[axis + 1 :])
    for start, above in enumerate(product(*map(range, shape[:axis]))):
        for some in cut(shape[axis], max(1, (most + below // 2) // below)):
            flat = slice((start * shape[axis] + some.start) * below, (start * shape[axis] + some.stop) * below)
            yield (*(slice(i, i + 1) for i in above), some, *whole), flat


def lower(x: Any, windows: Windows, part: Part) -> Any:
    """The columns of a part: (groups, output rows, kernel entries (i, c, j), columns), for x (groups, C, R, ..., N)."""
    lowered = memory.scratch("columns", part.lowered, x.dtype)
    np.copyto(lowered.reshape(part.view), as_strided(x[part.begin], part.view, part.strides))
    to_group, to_row, to_entry, to_column = lowered.strides
    return as_strided(lowered, part.overlapping, (to_group, windows.stride[0] * to_row, to_entry, to_column))


def correlate(z: Any, x: Any, weight: Any, bias: Any, windows: Windows) -> None:
    """z (groups, F, *out, N) from x (groups, C, *size, N) and kernels (groups, F, C, *kernel), plus bias (groups, F).

    z may have gaps in memory.
    """
    if not windows.rows_overlap(x.shape[-1]):
        windows, x, z, weight = windows.in_front(), x[:, :, None], z[:, :, None], weight[:, :, :, None]
    groups, filters = z.shape[:2]
    products = z.size * prod(weight.shape[2:])
    # for each group the matrix of its filters, over the entries (i, c, j)
    matrices = np.ascontiguousarray(weight.swapaxes(2, 3).reshape(groups, 1, filters, -1))
    flat = _flat(z)

    def correlate_part(part: Part) -> None:
        columns, kernels = lower(x, windows, part), matrices[part.groups]
        if flat is None:
            rows = memory.scratch("rows", (*columns.shape[:2], kernels.shape[2], columns.shape[3]), z.dtype)
        else:
            rows = flat[part.groups, :, part.rows, part.columns].swapaxes(1, 2)
        multiply(kernels, columns, rows)
        if flat is None:
            place = z[(part.groups, slice(None), part.rows, *part.inner)].swapaxes(1, 2)
            rows = rows.reshape(place.shape)
        else:
            place = rows
        if bias is not None:
            np.add(rows, bias[part.groups].reshape(-1, 1, filters, *(1,) * (place.ndim - 3)), out=place)
        elif flat is None:
            np.copyto(place, rows)

    share(correlate_part, parts(windows, x.shape, x.strides, z.itemsize, products))


def _flat(z: Any) -> Any:
    """z (groups, F, rows, ..., N) with each row as one axis, a view; None if there are gaps in its rows."""
    has_gaps = not z[0, 0, 0].flags.c_contiguous and prod(z.shape[4:]) > 1
    return None if has_gaps else z.reshape(*z.shape[:3], -1)


def multiply(a: Any, b: Any, out: Any) -> None:
    """out (..., F, n) = a (..., F, K) @ b (..., K, n), by so few columns at a time that BLAS copies nothing."""
    count = b.shape[-1]
    width = _width(count, a.shape[-2] * a.shape[-1], 32)
    whole = count // width * width
    np.matmul(a[..., None, :, :], _blocks(b[..., :whole], width), out=_blocks(out[..., :whole], width))
    if whole < count:
        np.matmul(a, b[..., whole:], out=out[..., whole:])


def _width(count: int, products: int, least: int) -> int:
    """How many of `count` columns to multiply at a time if each takes so many products: all, or `least` or more."""
    most = SMALL // products // 16 * 16
    if count * products <= SMALL or most < least:
        return count
    fitting = (width for width in range(most, most // 2, -16) if count % width == 0)
    return next(fitting, most)


def _blocks(matrix: Any, width: int) -> Any:
    """(..., rows, columns) -> (..., columns / width, rows, width), a view."""
    return matrix.reshape(*matrix.shape[:-1], -1, width).swapaxes(-3, -2)


def correlate_kernel(x: Any, dz: Any, windows: Windows) -> Any:
    """dK (groups, F, C, *kernel) from x (groups, C, *size, N) and dz (groups, F, *out, N) with N or F innermost."""
    (groups, filters), channels, kernel = dz.shape[:2], x.shape[1], windows.kernel
    # Products of single rows, which are added up, are not worth it where there are more filters than columns in a row.
    if not windows.rows_overlap(x.shape[-1]) or prod(dz.shape[3:]) <= filters:
        windows, x, dz = windows.in_front(), x[:, :, None], dz[:, :, None]
    entries = channels * prod(kernel)
    todo = parts(windows, x.shape, x.strides, x.itemsize, dz.size * entries)
    sums: dict[int, Any] = {}

    def correlate_parts(some: slice) -> None:
        total = memory.empty((groups, entries, filters), x.dtype)
        total.fill(0)
        for part in todo[some]:
            columns = lower(x, windows, part)
            rows = dz[(part.groups, slice(None), part.rows, *part.inner)]
            rows = rows.transpose(0, *range(2, rows.ndim), 1).reshape(*columns.shape[:2], -1, filters)
            add_products(total[part.groups], columns, rows)
        sums[some.start] = total

    # Which parts are summed together does not depend on the number of threads, so that the rounding doesn't either.
    share(correlate_parts, cut(len(todo), -(-len(todo) // SUMS)))
    dk = sum_of_parts(sums).reshape(groups, windows.kernel[0], -1, *windows.kernel[1:], filters)
    return np.ascontiguousarray(np.moveaxis(dk, (-1, 2), (1, 2)).reshape(groups, filters, channels, *kernel))


def sum_of_parts(sums: dict[int, Any]) -> Any:
    """The sum of arrays in the order of their numbers; the first becomes it."""
    first, *others = (sums[number] for number in sorted(sums))
    for other in others:
        first += other
    return first


def add_products(total: Any, a: Any, b: Any) -> None:
    """total (groups, K, F) += the sum over rows of a (groups, rows, K, n) @ b (groups, rows, n, F)."""
    count = b.shape[-2]
    width = _width(count, a.shape[-2] * b.shape[-1], 64)
    whole = count // width * width
    parts = _blocks(a[..., :whole], width) @ b[..., :whole, :].reshape(*b.shape[:-2], -1, width, b.shape[-1])
    total += parts.sum(axis=(1, 2))
    if whole < count:
        total += (a[..., whole:] @ b[..., whole:, :]).sum(axis=1)


def share(work: Callable[[Any], None], pieces: Sequence[Any]) -> None:
    """All the pieces, on several threads if there are several. BLAS uses one, since its threads fight with ours."""
    with blas.one_thread():
        threads.run(work, pieces)
