"""Max pooling on NumPy's floating-point arrays: some images after the other, one pass for each entry of the window.

Nothing is decided by `where` or a masked copy, for which the processor has to guess every element's branch: a winner is
written by arithmetic on bytes, and a gradient is given by a product of its bits with 0 or 1, so that an infinite one is
taken or left as well.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import blocks, memory, reference
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints, Pairs, winner_dtype

_BITS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def max_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> tuple[Any, Any]:
    """Z[n,c,p] = max_k X[n, c, s p + d k] and its first winner, without a border around X."""
    if memory.is_batch_last(x):  # channels and samples are alike
        z, winners = max_pool(x.swapaxes(0, 1), kernel, stride, padding, dilation)
        return z.swapaxes(0, 1), winners.swapaxes(0, 1)
    out = tuple(
        (m + sum(pads) - d * (k - 1) - 1) // s + 1
        for m, k, s, pads, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    )
    shape, order = (*x.shape[:2], *out), memory.channels_last(x.ndim) if memory.is_channels_last(x) else None
    z = memory.empty(shape, x.dtype, order)
    winners = memory.empty(shape, winner_dtype(kernel), order)
    entries = _entries(kernel, x.shape[2:], out, stride, padding, dilation)
    unclear = []

    def pool(images: slice) -> None:
        largest, first = z[images], winners[images]
        largest.fill(-np.inf)
        first.fill(0)
        better, number = np.empty_like(first, dtype=bool), np.empty_like(first)
        for i, (outputs, inputs) in enumerate(entries):
            candidate, so_far, is_better = x[images][inputs], largest[outputs], better[outputs]
            np.greater(candidate, so_far, out=is_better)
            np.maximum(so_far, candidate, out=so_far)
            np.multiply(is_better.view(np.uint8), number.dtype.type(i), out=number[outputs])
            np.maximum(first[outputs], number[outputs], out=first[outputs])  # the last that was better
        if not np.greater(largest, -np.inf, out=better).all():
            unclear.append(images)

    blocks.run(pool, len(x), prod(x.shape[1:]))
    if unclear:  # a NaN wins, but compares false; what is minus infinity wins, but is no more than what z began with
        return reference.max_pool(x, kernel, stride, padding, dilation)
    return z, winners


def scatter_winners(
    dz: Any, winners: Any, kernel: Ints, size: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> Any:
    """dX[n, c, s p + d winner(p)] += dZ[n,c,p]; windows that do not overlap are written, not added."""
    bits = _BITS.get(dz.itemsize)
    if bits is None:
        return NotImplemented
    if memory.is_batch_last(winners):  # channels and samples are alike
        dz, winners = dz.swapaxes(0, 1), winners.swapaxes(0, 1)
        return scatter_winners(dz, winners, kernel, size, stride, padding, dilation).swapaxes(0, 1)
    shape, out = (*dz.shape[:2], *size), dz.shape[2:]
    is_apart = all(s >= d * (k - 1) + 1 for k, s, d in zip(kernel, stride, dilation, strict=True))
    is_covered = is_apart and all(
        p * s == m and k == s and pads == (0, 0)
        for p, s, m, k, pads in zip(out, stride, size, kernel, padding, strict=True)
    )
    dx = memory.empty(shape, dz.dtype, memory.channels_last(dz.ndim) if memory.is_channels_last(winners) else None)
    entries = _entries(kernel, size, out, stride, padding, dilation)

    def scatter(images: slice) -> None:
        to, upstream, first = dx[images].view(bits), dz[images].view(bits), winners[images]
        if not is_covered:
            to.fill(0)
        won, taken = np.empty_like(first, dtype=bool), np.empty_like(first, dtype=bits)
        for i, (outputs, inputs) in enumerate(entries):
            np.equal(first[outputs], i, out=won[outputs])
            factors = won[outputs].view(np.uint8)
            if is_apart:
                np.multiply(upstream[outputs], factors, out=to[inputs])
            else:
                np.multiply(upstream[outputs], factors, out=taken[outputs])
                share, total = taken[outputs].view(dz.dtype), to[inputs].view(dz.dtype)
                np.add(total, share, out=total)

    blocks.run(scatter, len(dz), prod(shape[1:]))
    return dx


def _entries(
    kernel: Ints, size: Ints, out: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """For each entry k of the window: the outputs p whose element s p + d k lies on the image, and these elements."""
    return [
        ((..., *(outputs for outputs, _ in axes)), (..., *(inputs for _, inputs in axes)))
        for axes in product(*(
            [reached(i * d - before, m, p, s) for i in range(k)]
            for k, m, p, s, (before, _), d in zip(kernel, size, out, stride, padding, dilation, strict=True)
        ))
    ]  # fmt: skip
