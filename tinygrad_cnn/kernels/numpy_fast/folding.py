"""Transposed convolutions as products whose entries are added where the windows took them from (col2im)."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.numpy_fast import lowering
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last
from tinygrad_cnn.kernels.numpy_fast.lowering import cut, multiply, share, shares_of
from tinygrad_cnn.kernels.numpy_fast.reach import reached
from tinygrad_cnn.kernels.reference import Ints, Pairs


def conv_transpose(
    y: Any, x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> None:
    """y (F, *size, N): y[f, s i + d k - before] += sum_c x[c,i] K[c,f,k], + B[f], for x (N, C, ...).

    Each thread has some rows of y, and works out again the products that also reach into its neighbours' rows.
    """
    x = batch_last(x, tuple((0, m) for m in x.shape[2:]))
    kernel = weight.shape[2:]
    matrices = weight.reshape(groups, len(weight) // groups, -1).swapaxes(1, 2)  # (groups, F / groups * kernel, C)
    shares = shares_of(x.size * prod(weight.shape[1:]))
    x, y = (a.reshape(groups, -1, *a.shape[1:]) for a in (x, y))
    biases = np.zeros(1, y.dtype) if bias is None else bias.reshape(groups, -1, *(1,) * (y.ndim - 2))
    (s, *_), (d, *_), ((before, _), *_), (height, *_) = stride, dilation, padding, kernel
    inner = [
        [reached(k * d - before, m, p, s) for k in range(entries)]
        for entries, m, p, s, d, (before, _) in zip(
            kernel[1:], y.shape[3:-1], x.shape[3:-1], stride[1:], dilation[1:], padding[1:], strict=True
        )
    ]
    # Every pixel of y is in one window: what falls on it is written, not added up.
    is_tiled = kernel == stride and y.shape[2:-1] == tuple(m * k for m, k in zip(x.shape[2:-1], kernel, strict=True))
    is_tiled = is_tiled and max(dilation) == 1 and not any(map(any, padding))
    row = matrices.shape[1] * groups * prod(x.shape[3:]) * x.itemsize
    together = max(1, lowering.CHUNK_BYTES // row)

    def fold(rows: slice) -> None:
        size, place = rows.stop - rows.start, y[:, :, rows]
        if not is_tiled:
            place[...] = biases
        low, high = before + rows.start - d * (height - 1), before + rows.stop - 1
        seen = range(max(-(-low // s), 0), min(high // s + 1, x.shape[2]))
        for some in cut(len(seen), together) if seen else ():
            first, last = seen[some.start], seen[some.stop - 1] + 1
            pixels = x[:, :, first:last]
            products = memory.scratch("products", (groups, matrices.shape[1], prod(pixels.shape[2:])), x.dtype)
            multiply(matrices, pixels.reshape(groups, pixels.shape[1], -1), products)
            products = products.reshape(groups, -1, *kernel, *pixels.shape[2:])
            for k in product(*map(range, kernel)):
                taken, to = zip(
                    reached(first * s + k[0] * d - before - rows.start, size, last - first, s),
                    *(along[i] for along, i in zip(inner, k[1:], strict=True)),
                    strict=True,
                )
                at = place[(slice(None), slice(None), *to)]
                np.add(biases if is_tiled else at, products[(slice(None), slice(None), *k, *taken)], out=at)

    least = 2 * d * (height - 1) + 1  # or more is worked out twice than once
    share(fold, cut(y.shape[2], max(-(-y.shape[2] // shares), least)))
