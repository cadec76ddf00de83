"""The definitions: each operation once, in readable array code, for any number of spatial axes and any arithmetic.

They run on NumPy and CuPy arrays, on float32 and float64, and on object arrays of `Fraction`, sympy expressions or
scalar tensors. Speed is not their business: `dispatch.py` puts a faster kernel in their place where there is one, and
tests hold it to these.

Layout: images (N, C, *size), kernels (F, C / groups, *kernel), results (N, F, *out). `stride` and `dilation` hold one
integer for each spatial axis, `padding` a pair (before, after) for each.

Formulas: Goodfellow, Bengio, Courville, Deep Learning (2016), section 9.1 and 9.5; Dumoulin and Visin, A guide to
convolution arithmetic for deep learning (2016).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import dtype_of, get_array_module, is_object
from tinygrad_cnn.kernels.elementary import divide

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def pad(x: Any, widths: Pairs, value: Any = 0) -> Any:
    """x inside a border of `value`."""
    if not any(before or after for before, after in widths):
        return x
    xp = get_array_module(x)
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    y = xp.full_like(x, value, shape=shape)  # laid out as x
    y[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))] = x
    return y


def pad_spatial(x: Any, padding: Pairs, value: Any = 0) -> Any:
    """x (N, C, *size) with a border on its spatial axes."""
    return pad(x, ((0, 0), (0, 0), *padding), value)


def dilate(x: Any, stride: Ints) -> Any:
    """x (N, C, *size) with stride - 1 zeros between neighbours on each spatial axis."""
    if all(s == 1 for s in stride):
        return x
    size = tuple(max((n - 1) * s + 1, 0) for n, s in zip(x.shape[2:], stride, strict=True))
    y = get_array_module(x).zeros((*x.shape[:2], *size), dtype=x.dtype)
    y[(..., *(slice(None, None, s) for s in stride))] = x
    return y


def windows(x: Any, kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    """A view of every window of x: (N, C, *size) -> (N, C, *out, *kernel), entry (p, k) being x[s p + d k]."""
    out = (max((m - d * (k - 1) - 1) // s + 1, 0) for m, k, s, d in _zip(x.shape[2:], kernel, stride, dilation))
    steps = x.strides[2:]
    # sliding_window_view would do, but CuPy's waits for the GPU, once for each axis.
    return get_array_module(x).lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *out, *kernel),
        (*x.strides[:2], *(s * t for s, t in _zip(stride, steps)), *(d * t for d, t in _zip(dilation, steps))),
    )


def _by_group(x: Any, groups: int, axis: int) -> list[Any]:
    """The channels on an axis, in equal groups."""
    return get_array_module(x).split(x, groups, axis=axis) if groups > 1 else [x]


def matmul(x: Any, y: Any) -> Any:
    """Z[i,j] = sum_k X[i,k] Y[k,j]."""
    return x.dot(y)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Z = X W^T + b with x (N, C), weight (F, C), and bias (F,) or None."""
    return add_bias(x.dot(weight.T), bias)


def add_bias(z: Any, bias: Any) -> Any:
    """Z + b for a matrix that nobody else holds, and a number for each column or None."""
    if bias is None:
        return z
    if z.dtype is not bias.dtype:
        return z + bias
    z += bias
    return z


def correlate(
    x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Cross-correlation: Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f]."""
    xp, n = get_array_module(x, weight), weight.ndim - 2
    view = windows(pad_spatial(x, padding), weight.shape[2:], stride, dilation)
    over_window = ((1, *range(2 + n, 2 + 2 * n)), tuple(range(1, 2 + n)))
    z = [
        xp.tensordot(window, kernel, axes=over_window)  # (N, *out, F / groups)
        for window, kernel in zip(_by_group(view, groups, 1), _by_group(weight, groups, 0), strict=True)
    ]
    z = xp.moveaxis(xp.concatenate(z, axis=-1), -1, 1)
    return z if bias is None else z + bias.reshape(-1, *(1,) * n)


def full_correlate(
    dz: Any, rotated: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """dX = (zero-padded, stride-dilated dZ) correlated with the rotated kernel, the padding of X taken off.

    `rotated` is the kernel (F, C / groups, *kernel) turned by 180 degrees; `size` is X's, since a remainder of the
    stride, which no window reached, can't be told from dZ.
    """
    xp = get_array_module(dz)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(rotated.shape[2:], dilation, strict=True))
    dz = dilate(dz, stride)
    rows, border = [], []
    for m, n, r, (before, _) in zip(dz.shape[2:], size, reach, padding, strict=True):
        # X's first row lies in the windows of dZ's rows `before - (reach - 1)` to `before`; beyond dZ there are zeros.
        start, stop = before - (r - 1), before + n
        row = slice(min(max(start, 0), m), min(stop, m))
        zeros_before = max(-start, 0)
        rows.append(row)
        border.append((zeros_before, stop - start - zeros_before - (row.stop - row.start)))
    full = pad_spatial(dz[(..., *rows)], tuple(border))
    # (F, C / groups) -> (C, F / groups): what was the output is the input now
    kernels = [xp.moveaxis(kernel, 0, 1) for kernel in _by_group(rotated, groups, 0)]
    one = (1,) * len(stride)
    return correlate(full, xp.concatenate(kernels, axis=0), None, one, ((0, 0),) * len(one), dilation, groups)


def correlate_kernel(
    x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """dK = X correlated with dZ: dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    xp, n = get_array_module(x, dz), len(kernel)
    view = windows(pad_spatial(x, padding), kernel, stride, dilation)
    view = view[(slice(None), slice(None), *map(slice, dz.shape[2:]))]
    over_output = ((0, *range(2, 2 + n)),) * 2
    dk = [
        xp.tensordot(upstream, window, axes=over_output)  # (F / groups, C / groups, *kernel)
        for window, upstream in zip(_by_group(view, groups, 1), _by_group(dz, groups, 1), strict=True)
    ]
    return xp.concatenate(dk, axis=0)


def conv_transpose(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Transposed convolution: Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], + B[f].

    `weight` is (C, F / groups, *kernel), `size` the spatial size of the result, and `padding` what is taken off.
    """
    xp, n = get_array_module(x, weight), weight.ndim - 2
    filters = weight.shape[1] * groups
    reach = tuple(s * (m - 1) + d * (k - 1) + 1 for s, m, d, k in _zip(stride, x.shape[2:], dilation, weight.shape[2:]))
    room = tuple(max(r, before + m) for r, m, (before, _) in zip(reach, size, padding, strict=True))
    y = xp.zeros((x.shape[0], filters, *room), dtype=xp.result_type(dtype_of(x), dtype_of(weight)))
    for k in product(*map(range, weight.shape[2:])):
        at = tuple(slice(d * j, d * j + s * (m - 1) + 1, s) for j, d, s, m in _zip(k, dilation, stride, x.shape[2:]))
        parts = [
            xp.moveaxis(xp.tensordot(image, kernel[(..., *k)], axes=((1,), (0,))), -1, 1)
            for image, kernel in zip(_by_group(x, groups, 1), _by_group(weight, groups, 0), strict=True)
        ]
        if x.size:
            y[(..., *at)] += xp.concatenate(parts, axis=1)
    y = y[(..., *(slice(before, before + m) for m, (before, _) in zip(size, padding, strict=True)))]
    return y if bias is None else y + bias.reshape(-1, *(1,) * n)


def _zip(*sequences: Any) -> Any:
    return zip(*sequences, strict=True)


def unfold(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """Every window of the zero-padded x, (N, C, *out, *kernel)."""
    return windows(pad_spatial(x, padding), kernel, stride, dilation)


def fold(v: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """The adjoint of `unfold`: each entry added where it came from, (N, C, *out, *kernel) -> (N, C, *size)."""
    n = len(size)
    out, kernel = v.shape[2 : 2 + n], v.shape[2 + n :]
    padded = tuple(m + before + after for m, (before, after) in zip(size, padding, strict=True))
    x = get_array_module(v).zeros((*v.shape[:2], *padded), dtype=v.dtype)
    for k in product(*map(range, kernel)):
        x[(..., *_reached(k, out, stride, dilation))] += v[(..., *k)]
    return x[(..., *(slice(before, before + m) for m, (before, _) in zip(size, padding, strict=True)))]


def _reached(k: Ints, out: Ints, stride: Ints, dilation: Ints) -> tuple[slice, ...]:
    """The padded input's elements that entry k of each window covers."""
    return tuple(
        slice(d * j, d * j + s * (m - 1) + 1 if m else d * j, s) for j, m, s, d in _zip(k, out, stride, dilation)
    )


def max_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> tuple[Any, Any]:
    """Z[n,c,p] = max_k X[n, c, s p + d k], and the first winning k of each window (in the flattened kernel)."""
    flat = _flat_windows(x, kernel, stride, padding, dilation, lowest(x))
    winners = winning(x, kernel, stride, padding, dilation).argmax(axis=-1)
    z = get_array_module(x).take_along_axis(flat, winners[..., None], axis=-1)[..., 0]
    return z, winners.astype(winner_dtype(kernel))


def winning(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Any:
    """Which entries of each window are its largest, (N, C, *out, entries of the flattened kernel); a NaN is above all.

    The padding never wins. It is minus infinity or the least integer, but so may be the pixels beside it.
    """
    flat = _flat_windows(x, kernel, stride, padding, dilation, lowest(x))
    pixels = get_array_module(x).ones((1, 1, *x.shape[2:]), dtype=bool)
    nan = flat != flat
    largest = (flat == flat.max(axis=-1, keepdims=True)) & _flat_windows(pixels, kernel, stride, padding, dilation)
    return nan | (largest & ~nan.any(axis=-1, keepdims=True))


def _flat_windows(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, value: Any = 0) -> Any:
    """Every window of x inside a border of `value`, (N, C, *out, entries)."""
    view = windows(pad_spatial(x, padding, value), kernel, stride, dilation)
    return view.reshape(*view.shape[: 2 + len(kernel)], prod(kernel))


def winner_dtype(kernel: Ints) -> Any:
    """The smallest integer that can number the entries of a window."""
    return np.min_scalar_type(prod(kernel) - 1)


def lowest(x: Any) -> Any:
    """A number that is below or equal to every other of the dtype."""
    return np.iinfo(x.dtype).min if x.dtype.kind in "iu" else False if x.dtype.kind == "b" else -np.inf


def scatter_winners(
    dz: Any, winners: Any, kernel: Ints, size: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> Any:
    """The gradient of each window given to its winner, overlapping windows added: (N, C, *out) -> (N, C, *size)."""
    out = dz.shape[2:]
    padded = tuple(m + before + after for m, (before, after) in zip(size, padding, strict=True))
    xp = get_array_module(dz)
    dx = xp.zeros((*dz.shape[:2], *padded), dtype=dz.dtype)
    for i, k in enumerate(product(*map(range, kernel))):
        dx[(..., *_reached(k, out, stride, dilation))] += xp.where(winners == i, dz, xp.zeros_like(dz))
    return dx[(..., *(slice(before, before + m) for m, (before, _) in zip(size, padding, strict=True)))]


def gather_winners(
    x: Any, winners: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints
) -> Any:
    """The adjoint of `scatter_winners`: from each window of x the element at the winner's place."""
    flat = _flat_windows(x, kernel, stride, padding, dilation)
    return get_array_module(x).take_along_axis(flat, winners[..., None].astype(np.intp), axis=-1)[..., 0]


def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs) -> Any:
    """Z[n,c,p] = sum_k X[n, c, s p + d k] / count(p), where the elements on x and on the `counted` padding count."""
    entries = tuple(range(x.ndim, 2 * x.ndim - 2))
    total = unfold(x, kernel, stride, padding, dilation).sum(axis=entries)
    return divide(total, divisor(total, x.shape[2:], kernel, stride, padding, dilation, counted))


def scatter_shares(
    dz: Any, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs
) -> Any:
    """The gradient of each window's mean given to its elements in equal shares: (N, C, *out) -> (N, C, *size)."""
    share = divide(dz, divisor(dz, size, kernel, stride, padding, dilation, counted))
    share = share.reshape(*dz.shape, *(1,) * len(kernel))
    return fold(get_array_module(dz).broadcast_to(share, (*dz.shape, *kernel)), size, stride, padding, dilation)


def divisor(
    like: Any, size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs
) -> Any:
    """What the sums of windows are divided by: an integer where all windows count as many elements, else an array."""
    if counted == padding:
        return prod(kernel)
    counts = window_counts(size, kernel, stride, padding, dilation, counted)
    dtype = like.dtype if like.dtype.kind == "f" or is_object(like) else counts.dtype  # they need not fit an integer's
    return get_array_module(like).asarray(counts.astype(dtype))


@lru_cache(maxsize=512)
def window_counts(
    size: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, counted: Pairs
) -> Any:
    """How many elements of each window count, (*out): those on x and on the `counted` part of the padding."""
    counts = np.ones((), dtype=np.int64)
    for m, k, s, (before, after), d, (a, b) in _zip(size, kernel, stride, padding, dilation, counted):
        entries = np.arange((m + before + after - d * (k - 1) - 1) // s + 1)[:, None] * s + d * np.arange(k) - before
        counts = counts[..., None] * ((entries >= -a) & (entries < m + b)).sum(axis=1)
    counts.flags.writeable = False
    return counts
