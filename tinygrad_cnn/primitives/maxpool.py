"""Max pooling: the largest element of each window. The gradient of a window goes to its winner.

Windows are counted and placed as in a convolution; each channel is pooled on its own. Overlapping windows add their
gradients in an element that won several times.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch, reference
from tinygrad_cnn.kernels.maxima import maxima
from tinygrad_cnn.primitives.arguments import (
    Pairs,
    check_ties,
    padding_pairs,
    per_axis,
    reach_of,
    remembered,
    spatial_shape,
    window_counts,
)
from tinygrad_cnn.primitives.shape import reshape

# The gradient to the first winner: dX is zero but for the winners, which get the gradients of the windows they won.


def dX_first(
    dZ: Any, winners: Any, x_shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """Each window's gradient to the element that won it."""
    return give_to_winners(
        dZ, winners=winners, kernel=kernel, size=x_shape[2:], stride=stride, padding=padding, dilation=dilation
    )


def _maxima(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    return maxima(x, kernel, stride, padding, dilation)


@primitive(auxiliary=["winners"], alone=_maxima, x=dX_first)
def max_of_windows(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Z[n,c,p] = max_k X[n, c, s p + d k], and the first winning k of each window."""
    return dispatch.max_pool(x, kernel, stride, padding, dilation)


@primitive(
    dz=lambda G, winners, kernel, stride, padding, dilation: take_winners(
        G, winners=winners, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
def give_to_winners(
    dz: Any, *, winners: Any, kernel: Any, size: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """dX[n, c, s p + d winner(p)] += dZ[n, c, p]."""
    return dispatch.scatter_winners(dz, winners, kernel, size, stride, padding, dilation)


@primitive(
    x=lambda G, winners, x_shape, kernel, stride, padding, dilation: give_to_winners(
        G, winners=winners, kernel=kernel, size=x_shape[2:], stride=stride, padding=padding, dilation=dilation
    )
)
def take_winners(x: Any, *, winners: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Z[n, c, p] = X[n, c, s p + d winner(p)]: the transpose of `give_to_winners`."""
    return dispatch.gather_winners(x, winners, kernel, stride, padding, dilation)


@primitive()
def indices_of_winners(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Where the first winner of each window lies, as a flat index into its plane: winner(p) in X's own coordinates."""
    _, winners = dispatch.max_pool(x, kernel, stride, padding, dilation)
    xp, n = get_array_module(x), len(kernel)
    windows = zip(range(n), x.shape[2:], kernel, stride, padding, dilation, strict=True)
    rest, flat, pixels = winners.astype(np.int64), 0, 1
    for axis, m, k, s, (before, _), d in reversed([*windows]):
        starts = xp.arange(winners.shape[2 + axis]).reshape(-1, *(1,) * (n - 1 - axis)) * s - before
        flat, pixels = flat + pixels * (starts + rest % k * d), pixels * m
        rest = rest // k
    return flat


# The gradient split among the winners


def dX_split(dZ: Any, shares: Any, x_shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Each window's gradient in equal shares to all elements that won it."""
    each = reshape(dZ, (*shape_of(dZ), *(1,) * len(kernel))) * shares
    return fold_windows(each, size=x_shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@primitive(auxiliary=["shares"], x=dX_split)
def max_of_windows_split(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """As `max_of_windows`, with each element's share of its window's gradient: 1 / the number of winners, or 0."""
    z, _ = dispatch.max_pool(x, kernel, stride, padding, dilation)
    won = reference.winning(x, kernel, stride, padding, dilation)
    count = won.sum(axis=-1, keepdims=True)
    exact = np.frompyfunc(lambda m: Fraction(1, int(m)), 1, 1)
    shares = won * exact(count) if is_object(x) else won / count.astype(x.dtype)
    return z, shares.reshape(*z.shape, *kernel)


@primitive(
    x=lambda G, x_shape, kernel, stride, padding, dilation: fold_windows(
        G, size=x_shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
def unfold_windows(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Every window of the zero-padded x: (N, C, *size) -> (N, C, *out, *kernel)."""
    return dispatch.unfold(x, kernel, stride, padding, dilation)


@primitive(
    v=lambda G, kernel, stride, padding, dilation: unfold_windows(
        G, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
def fold_windows(v: Any, *, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Every window's entries added where they came from: the transpose of `unfold_windows`."""
    return dispatch.fold(v, size, stride, padding, dilation)


def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    ties: str = "first",
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of each channel.

    Args:
        x: images (N, C, H, W).
        kernel_size: the window, an integer or a pair.
        stride: the step between windows; None means the window's size.
        padding: rows and columns around x that never win, in the forms that `conv2d` takes.
        dilation: distance between the entries of a window.
        ceil_mode: also count a window that hangs over the bottom or right, if it begins inside x or the padding
            before it.
        ties: who gets the gradient when several elements are largest: "first", the first in the window's row-major
            order (as PyTorch and the lectures), or "split", all of them in equal shares.
        return_indices: also return where the first winner of each window lies, as a flat index into its plane, the
            row-major H x W pixels of one channel: what `max_unpool2d` takes.

    Returns:
        (N, C, H', W') with H' = floor((H + top + bottom - dilation (kH - 1) - 1) / stride) + 1, or a pair of it and the
        indices. NaN wins.

    Raises:
        ValueError: wrong numbers of axes, a window larger than the padded image, or one without any pixel in it.
        TypeError: an argument that is no integer.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[[1.0, 3.0, 2.0, 1.0], [2.0, 9.0, 1.0, 1.0]]]], requires_grad=True)
    >>> z = tg.max_pool2d(x, 2)
    >>> z.tolist()
    [[[[9.0, 2.0]]]]
    >>> z.sum().backward()
    >>> x.grad.tolist()
    [[[[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]]]]
    """
    return _max_pool(
        "max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, ties, return_indices
    )


def max_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    ties: str = "first",
    return_indices: bool = False,
) -> Any:
    """Max pooling over one axis: x (N, C, W). Everything else as `max_pool2d`."""
    return _max_pool(
        "max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, ties, return_indices
    )


def max_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    ties: str = "first",
    return_indices: bool = False,
) -> Any:
    """Max pooling over three axes: x (N, C, D, H, W). Everything else as `max_pool2d`."""
    return _max_pool(
        "max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, ties, return_indices
    )


def _max_pool(
    operation: str,
    n: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    ties: str,
    return_indices: bool,
) -> Any:
    check_ties(operation, ties)
    windows = _checked_windows(operation, n, shape_of(x), kernel_size, stride, padding, dilation, ceil_mode)
    z = (max_of_windows if ties == "first" else max_of_windows_split)(x, **windows)
    return (z, indices_of_winners(x, **windows)) if return_indices else z


@remembered
def _checked_windows(
    operation: str,
    n: int,
    x: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> dict[str, Any]:
    """The options of `max_of_windows` for an x of this shape; wrong ones are refused."""
    size = spatial_shape(operation, "x", x, n)
    kernel, stride, padding, dilation = pool_windows(
        operation, n, size, kernel_size, stride, padding, dilation, ceil_mode
    )
    _check_pixels(operation, size, kernel, stride, padding, dilation)
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


@remembered
def pool_windows(
    operation: str,
    n: int,
    size: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[tuple[int, ...], tuple[int, ...], Pairs, tuple[int, ...]]:
    """Kernel, stride, padding and dilation of a pooling, checked; `ceil_mode` becomes more padding after."""
    kernel = per_axis(operation, "kernel_size", kernel_size, n)
    stride = kernel if stride is None else per_axis(operation, "stride", stride, n)
    dilation = per_axis(operation, "dilation", dilation, n)
    reach = reach_of(kernel, dilation)
    padding = padding_pairs(operation, padding, size, reach, stride)
    if ceil_mode:
        wider = []
        for m, r, s, (before, after) in zip(size, reach, stride, padding, strict=True):
            count = math.ceil((m + before + after - r) / s) + 1
            if (count - 1) * s >= m + before:  # the last window would begin behind the image
                count -= 1
            wider.append((before, max(after, (count - 1) * s + r - m - before)))
        padding = tuple(wider)
    window_counts(operation, size, reach, padding, stride)
    return kernel, stride, padding, dilation


def _check_pixels(
    operation: str, size: tuple[int, ...], kernel: Any, stride: Any, padding: Pairs, dilation: Any
) -> None:
    """Refuse windows that lie in the padding alone: they have no largest element."""
    for m, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True):
        if before or after:
            count = (m + before + after - d * (k - 1) - 1) // s + 1
            entries = np.arange(count)[:, None] * s + d * np.arange(k) - before
            if not ((entries >= 0) & (entries < m)).any(axis=1).all():
                raise ValueError(
                    f"{operation}: padding {padding} leaves a window {kernel} (dilation {dilation}) "
                    "without a pixel of x"
                )
