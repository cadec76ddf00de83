"""Average pooling on NumPy's floating-point arrays: some images after the other, one spatial axis after the other.

The sum over a window is a sum over its rows, of sums over its columns: k + k passes in place of k k, and the passes
over rows run through memory without a gap.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import blocks, memory
from tinygrad_cnn.kernels.reference import Ints, Pairs, divisor

Axis = tuple[int, int, list[tuple[slice, slice]], bool]
"""Its number of elements and of windows; for each entry of a window which windows have it, and where; and whether all
elements lie in exactly one window."""


def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs) -> Any:
    """As the definition; float16, whose sums need more digits, is left to it."""
    if x.dtype.itemsize < 4:
        return NotImplemented
    if memory.is_batch_last(x):  # channels and samples are alike
        return avg_pool(x.swapaxes(0, 1), kernel, stride, padding, dilation, counted).swapaxes(0, 1)
    axes = _axes(x.shape[2:], kernel, stride, padding, dilation)
    order = memory.channels_last(x.ndim) if memory.is_channels_last(x) else None
    z = memory.empty((*x.shape[:2], *(windows for _, windows, _, _ in axes)), x.dtype, order)
    count = divisor(z, x.shape[2:], kernel, stride, padding, dilation, counted)

    def pool(images: slice) -> None:
        total = x[images]
        for number, (_, windows, entries, is_tiled) in enumerate(axes):
            before = (slice(None),) * (2 + number)
            sums = np.empty_like(total, shape=(*total.shape[: 2 + number], windows, *total.shape[3 + number :]))
            if not is_tiled:
                sums.fill(0)
            for i, (outputs, inputs) in enumerate(entries):
                to, entry = sums[(*before, outputs)], total[(*before, inputs)]
                if i == 0 and is_tiled:
                    np.copyto(to, entry)
                else:
                    np.add(to, entry, out=to)
            total = sums
        np.divide(total, count, out=z[images])

    blocks.run(pool, len(x), prod(x.shape[1:]))
    return z


def scatter_shares(
    dz: Any, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs
) -> Any:
    """As the definition; where windows tile the image, elements are written, not added."""
    if dz.dtype.itemsize < 4:
        return NotImplemented
    if memory.is_batch_last(dz):
        return scatter_shares(dz.swapaxes(0, 1), size, kernel, stride, padding, dilation, counted).swapaxes(0, 1)
    axes = _axes(size, kernel, stride, padding, dilation)
    order = memory.channels_last(dz.ndim) if memory.is_channels_last(dz) else None
    dx = memory.empty((*dz.shape[:2], *size), dz.dtype, order)
    count = divisor(dz, size, kernel, stride, padding, dilation, counted)

    def scatter(images: slice) -> None:
        share = dz[images] / count
        for number, (elements, _, entries, is_tiled) in reversed([*enumerate(axes)]):
            before = (slice(None),) * (2 + number)
            shape = (*share.shape[: 2 + number], elements, *share.shape[3 + number :])
            grown = np.empty_like(share, shape=shape) if number else dx[images]
            if not is_tiled:
                grown.fill(0)
            for outputs, inputs in entries:
                to, entry = grown[(*before, inputs)], share[(*before, outputs)]
                if is_tiled:
                    np.copyto(to, entry)
                else:
                    np.add(to, entry, out=to)
            share = grown

    blocks.run(scatter, len(dz), prod(dx.shape[1:]))
    return dx


def _axes(size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> list[Axis]:
    axes = []
    for m, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True):
        windows = (m + before + after - d * (k - 1) - 1) // s + 1
        entries = []
        for start in range(-before, d * k - before, d):  # where the first window has this entry
            first, last = max(-(start // s), 0), min((m - 1 - start) // s, windows - 1)
            if first <= last:
                at = start + s * first
                entries.append((slice(first, last + 1), slice(at, start + s * last + 1, s)))
        axes.append((m, windows, entries, k == s and windows * k == m and not before and d == 1))
    return axes
