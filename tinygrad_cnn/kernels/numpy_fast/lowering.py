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
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import blas, memory, threads
from tinygrad_cnn.kernels.reference import Ints, Pairs

CHUNK_BYTES = 3 << 20
"""About as many bytes of columns are made at a time. They lie in the second and third level of the cache."""

COLUMNS = 1024
"""About the most columns of a matrix: BLAS gains nothing from more."""

NARROW = 256
"""Output rows of fewer columns are worked on together, as one."""

SHARES = 4
"""What is worth it is cut into at least so many parts, for the threads to share."""

SMALL = 3 << 22
"""So many products of two numbers are not worth waking another thread for."""

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
    """Some groups of channels, some rows of outputs, and a run of columns in each of these rows."""

    groups: slice
    rows: slice
    inner: tuple[slice, ...]  # the run: for each inner axis, then for the samples
    columns: slice  # the same run, in a flattened row


def parts(windows: Windows, batch: int, channels: int, groups: int, itemsize: int, is_shared: bool) -> list[Part]:
    """All outputs in parts whose columns take about `CHUNK_BYTES`, the same ones for any number of threads.

    `channels` is the number of input channels in a group. At least `SHARES` parts if it is to be shared.
    """
    rows, inner = windows.out[0], (*windows.out[1:], batch)
    shares = SHARES if is_shared else 1
    column = channels * prod(windows.kernel[1:]) * itemsize  # the bytes of a column in one row
    columns = min(COLUMNS, max(CHUNK_BYTES // (column * windows.kernel[0]), NARROW))
    runs = list(_runs(inner, columns, -(-shares // (rows * groups))))
    longest = max(run.stop - run.start for _, run in runs) * column
    height = max((CHUNK_BYTES // longest - windows.kernel[0]) // windows.stride[0] + 1, 1)
    height = min(height, -(-rows * groups // shares), rows)
    together = 1
    if height == rows:
        image = longest * ((rows - 1) * windows.stride[0] + windows.kernel[0])
        together = max(1, min(CHUNK_BYTES // image, -(-groups // shares)))
    return [
        Part(some, few, *run) for some, few, run in product(cut(groups, together), cut(rows, height), runs)
    ]


def cut(count: int, most: int) -> list[slice]:
    """range(count) in slices of about the same length, at most `most` each."""
    pieces = -(-count // most)
    return [slice(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


def _runs(shape: Ints, most: int, least_runs: int) -> Iterator[tuple[tuple[slice, ...], slice]]:
    """An array of this shape in runs of neighbours, of about `most` elements: slices of each axis, and of all, flat."""
    most = max(min(most, prod(shape) // least_runs), 1)
    axis = 0
    while axis < len(shape) - 1 and prod(shape[axis + 1 :]) > most:
        axis += 1
    below = prod(shape[axis + 1 :])
    whole = tuple(slice(0, m) for m in shape[axis + 1 :])
    for start, above in enumerate(product(*map(range, shape[:axis]))):
        for some in cut(shape[axis], max(1, most // below)):
            flat = slice((start * shape[axis] + some.start) * below, (start * shape[axis] + some.stop) * below)
            yield (*(slice(i, i + 1) for i in above), some, *whole), flat


def lower(x: Any, windows: Windows, part: Part) -> Any:
    """The columns of a part: (groups, output rows, kernel entries (i, c, j), columns), for x (groups, C, R, ..., N)."""
    kernel, stride = windows.kernel, windows.stride
    outputs = (part.rows, *part.inner[:-1])
    height, *inner = (p.stop - p.start for p in outputs)
    starts = (slice(p.start * s, None) for p, s in zip(outputs, stride, strict=True))
    x = x[(part.groups, slice(None), *starts, part.inner[-1])]
    groups, channels, batch = x.shape[0], x.shape[1], x.shape[-1]
    rows, entries, columns = (height - 1) * stride[0] + kernel[0], channels * prod(kernel[1:]), prod(inner) * batch
    lowered = pitched((groups, rows, entries, columns), x.dtype)
    view = (groups, rows, channels, *kernel[1:], *inner, batch)
    of_group, of_channel, of_row, *of_inner, of_sample = x.strides
    dilated = (d * step for d, step in zip(windows.dilation[1:], of_inner, strict=True))
    strided = (s * step for s, step in zip(stride[1:], of_inner, strict=True))
    steps = (of_group, of_row, of_channel, *dilated, *strided, of_sample)
    np.copyto(lowered.reshape(view), as_strided(x, view, steps))
    to_group, to_row, to_entry, to_column = lowered.strides
    shape = (groups, height, kernel[0] * entries, columns)
    return as_strided(lowered, shape, (to_group, stride[0] * to_row, to_entry, to_column))


def correlate(z: Any, x: Any, weight: Any, bias: Any, windows: Windows, groups: int) -> None:
    """z (F, *out, N) from x (C, *size, N) and kernels (F, C / groups, *kernel), plus bias (F,); z may have gaps."""
    if not windows.rows_overlap(x.shape[-1]):
        windows, x, z, weight = windows.in_front(), x[:, None], z[:, None], weight[:, :, None]
    products = z.size * prod(weight.shape[1:])
    x, z = (a.reshape(groups, -1, *a.shape[1:]) for a in (x, z))
    # (F, C / groups, R, ...) -> for each group the matrix of its filters, over the entries (i, c, j)
    matrices = np.ascontiguousarray(np.moveaxis(weight, 2, 1).reshape(groups, 1, z.shape[1], -1))
    bias = None if bias is None else bias.reshape(groups, 1, -1, *(1,) * (z.ndim - 3))

    def correlate_part(part: Part) -> None:
        columns, kernels = lower(x, windows, part), matrices[part.groups]
        rows = pitched((*columns.shape[:2], kernels.shape[2], columns.shape[3]), z.dtype)
        np.matmul(kernels, columns, out=rows)
        place = z[(part.groups, slice(None), part.rows, *part.inner)].swapaxes(1, 2)
        if bias is None:
            np.copyto(place, rows.reshape(place.shape))
        else:
            np.add(rows.reshape(place.shape), bias[part.groups], out=place)

    is_shared = products > SMALL
    share(correlate_part, parts(windows, x.shape[-1], x.shape[1], groups, z.itemsize, is_shared), is_shared)


def correlate_kernel(x: Any, dz: Any, windows: Windows, groups: int) -> Any:
    """dK (F, C / groups, *kernel) from x (C, *size, N) and dz (F, *out, N)."""
    shape = (len(dz), len(x) // groups, *windows.kernel)
    if not windows.rows_overlap(x.shape[-1]):
        windows, x, dz = windows.in_front(), x[:, None], dz[:, None]
    is_shared = dz.size * prod(shape[1:]) > SMALL
    x, dz = (a.reshape(groups, -1, *a.shape[1:]) for a in (x, dz))
    filters, todo = dz.shape[1], parts(windows, x.shape[-1], x.shape[1], groups, x.itemsize, is_shared)
    sums: dict[int, Any] = {}

    def correlate_parts(some: slice) -> None:
        total = np.zeros((groups, prod(shape[1:]), filters), x.dtype)
        for part in todo[some]:
            columns = lower(x, windows, part)
            upstream = dz[(part.groups, slice(None), part.rows, *part.inner)].swapaxes(1, 2)
            rows = pitched((*upstream.shape[:3], columns.shape[3]), x.dtype)
            np.copyto(rows.reshape(upstream.shape), upstream)
            total[part.groups] += np.matmul(columns, rows.swapaxes(2, 3)).sum(axis=1)
        sums[some.start] = total

    # Which parts are summed together does not depend on the number of threads, so that the rounding doesn't either.
    share(correlate_parts, cut(len(todo), -(-len(todo) // SUMS)), is_shared)
    dk = sum(sums[start] for start in sorted(sums)).reshape(groups, windows.kernel[0], -1, *windows.kernel[1:], filters)
    return np.ascontiguousarray(np.moveaxis(dk, (-1, 2), (1, 2)).reshape(shape))


def pitched(shape: Ints, dtype: Any) -> Any:
    """A new array whose rows begin some cache lines after a power of two.

    Rows that are a power of two apart compete for the same places in the cache, which costs a product a tenth to a half
    of its speed.
    """
    return memory.empty((*shape[:-1], -(-shape[-1] // 16) * 16 + 16), dtype)[..., : shape[-1]]


def share(work: Callable[[Any], None], pieces: Sequence[Any], is_shared: bool = True) -> None:
    """All the pieces, on several threads if there is much to do. BLAS uses one, since its threads fight with ours."""
    with blas.one_thread():
        if is_shared:
            threads.run(work, pieces)
        else:
            for piece in pieces:
                work(piece)
