"""Fractional max pooling: windows whose step is no integer and varies at random (Graham 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_cnn.backend import generator, shape_of, to_numpy
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.primitives.adaptive_pool import max_over_table, plane_indices
from tinygrad_cnn.primitives.arguments import check_ties, per_axis, spatial_shape


def fractional_max_pool2d(
    x: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    random_samples: Any = None,
    ties: str = "first",
) -> Any:
    """The largest pixel of each window, the windows lying at steps of about H / H', some larger and some smaller.

    The windows of an axis start at floor((p + u) a) - floor(u a) with a = (H - kH) / (H' - 1) and a random u, each
    plane having its own, and the last one ends at the border (Graham, "Fractional max-pooling", 2014, section 2, the
    pseudorandom sequence). They overlap where the window is larger than the step.

    Args:
        x: images (N, C, H, W).
        kernel_size: the window, an integer or a pair.
        output_size: (H', W'), or an integer for both.
        output_ratio: instead of the size, a number r or a pair: H' = floor(r H), 0 < r < 1.
        return_indices: also return where each window's first winner lies, as a flat index into its plane.
        random_samples: u in [0, 1), an array (N, C, 2) of one for the width and one for the height, as in PyTorch;
            None draws them from the random state of `tg.manual_seed`.
        ties: who gets the gradient when several pixels are largest, as `max_pool2d`.

    Returns:
        (N, C, H', W'), or a pair of it and the indices. NaN wins.

    Raises:
        ValueError: wrong numbers of axes, no or two output sizes, windows that do not fit, a ratio or samples out of
            range or of another shape, other `ties`.
        TypeError: a size that is no integer or a ratio that is no number.

    >>> import tinygrad_cnn as tg
    >>> row = tg.tensor([[[[1.0, 2.0, 5.0, 4.0, 3.0]]]])
    >>> tg.fractional_max_pool2d(row, (1, 2), (1, 3), random_samples=[[[0.4, 0.0]]]).tolist()
    [[[[2.0, 5.0, 4.0]]]]
    """
    operation = "fractional_max_pool2d"
    check_ties(operation, ties)
    size = spatial_shape(operation, "x", shape_of(x), 2)
    kernel = per_axis(operation, "kernel_size", kernel_size, 2)
    out = _output_size(operation, size, output_size, output_ratio)
    if any(k + m - 1 > n for k, m, n in zip(kernel, out, size, strict=True)):
        raise ValueError(
            f"{operation}: windows {kernel} at {out} different places need an input of "
            f"{tuple(k + m - 1 for k, m in zip(kernel, out, strict=True))} but its size is {size}"
        )
    width, height = np.moveaxis(_samples(operation, shape_of(x)[:2], random_samples), -1, 0)
    entries = [_entries(*axis) for axis in zip((height, width), size, out, kernel, strict=True)]
    return max_over_table(x, plane_indices(entries, size), ties, return_indices)


def _output_size(
    operation: str, size: tuple[int, ...], output_size: Any, output_ratio: Any
) -> tuple[int, ...]:
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            f"{operation}: expected either output_size or output_ratio but got {output_size!r} and {output_ratio!r}"
        )
    if output_size is not None:
        return per_axis(operation, "output_size", output_size, 2)
    ratios = ratios_of(operation, output_ratio)
    out = tuple(math.floor(n * ratio) for n, ratio in zip(size, ratios, strict=True))
    if 0 in out:
        raise ValueError(f"{operation}: output_ratio {output_ratio!r} leaves no pixel of {size}")
    return out


def ratios_of(operation: str, output_ratio: Any) -> tuple[Any, ...]:
    """A ratio for each axis, checked."""
    ratios = tuple(output_ratio) if isinstance(output_ratio, Sequence) else (output_ratio,) * 2
    if not all(isinstance(ratio, Real) and not isinstance(ratio, bool) for ratio in ratios):
        raise TypeError(f"{operation}: output_ratio must be a number or a pair but is {output_ratio!r}")
    if len(ratios) != 2 or not all(0 < ratio < 1 for ratio in ratios):
        raise ValueError(f"{operation}: output_ratio must be one or 2 numbers between 0 and 1 but is {output_ratio!r}")
    return ratios


def _samples(operation: str, planes: tuple[int, ...], given: Any) -> Any:
    """The random numbers u, (N, C, 2), in the host's memory."""
    shape = (*planes, 2)
    if given is None:
        return generator("cpu").random(shape)
    samples = np.asarray(to_numpy(given._array if isinstance(given, Variable) else given), dtype=np.float64)
    if samples.shape != shape:
        raise ValueError(f"{operation}: random_samples must have shape {shape} but has {samples.shape}")
    inside = (samples >= 0) & (samples < 1)
    if not inside.all():
        raise ValueError(f"{operation}: random_samples must lie in [0, 1) but one is {samples[~inside][0]}")
    return samples


def _entries(u: Any, n: int, m: int, kernel: int) -> Any:
    """The places of m windows on an axis of n pixels, (N, C, m, kernel), for the samples u (N, C)."""
    u = u[..., None]
    step = (n - kernel) / max(m - 1, 1)
    starts = (np.floor((np.arange(m) + u) * step) - np.floor(u * step)).astype(np.int64)
    starts[..., -1] = n - kernel
    return starts[..., None] + np.arange(kernel)
