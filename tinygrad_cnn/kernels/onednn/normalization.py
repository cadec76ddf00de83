"""Batch normalisation by oneDNN: of float32 images, channels-last, over images and pixels.

It takes the mean in float32, whose rounding shifts the result by some millionths of |mean| / sigma. The corrected
two-pass algorithm of `kernels.normalization` does not, so what lies far from zero is left to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.normalization import Axes, Statistics
from tinygrad_cnn.kernels.onednn.descriptors import (
    BACKWARD,
    INFERENCE,
    RESULT,
    RESULT_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    TRAINING,
    Handle,
    Ints,
    attributes,
    ordered,
)
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described, implementation
from tinygrad_cnn.kernels.onednn.library import UnsupportedError

FAR = 32.0
"""Means of more standard deviations than this are left to NumPy."""

# DNNL_ARG_*, dnnl_normalization_flags_t
MEAN, VARIANCE, SCALE, SHIFT, SCALE_GRADIENT, SHIFT_GRADIENT = 49, 50, 51, 52, 255, 256
GIVEN_STATISTICS, SCALED, SHIFTED = 1, 2, 4


def normalize(x: Any, weight: Any, bias: Any, axis: Axes, eps: Any) -> Any:
    """As the definition."""
    if not _is_of_channels(x, axis, weight, bias):
        return NotImplemented
    run = _forward(x.shape, float(eps))
    if run is None:
        return NotImplemented
    channels = x.shape[1]
    mean, variance = np.empty(channels, np.float32), np.empty(channels, np.float32)
    z = memory.empty(x.shape, np.float32, memory.channels_last(x.ndim))
    run(x, z, mean, variance, _vector(weight, channels, 1), _vector(bias, channels, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / np.sqrt(variance + np.float32(eps))
        is_near = np.abs(mean * inverse) <= FAR
    if not is_near.all():  # a NaN is left to NumPy, too
        return NotImplemented
    shape = (1, channels, *(1,) * (x.ndim - 2))
    return z, Statistics(mean.reshape(shape), np.float32(0), variance.reshape(shape), inverse.reshape(shape))


def normalize_gradient(dz: Any, x: Any, weight: Any, found: Statistics, axis: Axes) -> Any:
    """As the definition; the sums that the gradients of weight and bias need are found on the way."""
    if not _is_of_channels(x, axis, weight) or found.mean.size != x.shape[1] or found.rest.any():
        return NotImplemented
    run = _backward(x.shape)
    if run is None:
        return NotImplemented
    channels, upstream = x.shape[1], dz
    if not memory.is_channels_last(dz):
        upstream = memory.empty(x.shape, np.float32, memory.channels_last(x.ndim))
        upstream[...] = dz
    products, total = np.empty(channels, np.float32), np.empty(channels, np.float32)
    dx = memory.empty(x.shape, np.float32, memory.channels_last(x.ndim))
    # With eps = 0 what is divided by is the root of 1 / inverse**2
    variance = (1 / (found.inverse * found.inverse)).ravel()
    run(x, upstream, dx, found.mean.ravel(), variance, _vector(weight, channels, 1), products, total)
    found.keep_sums(dz, total.reshape(found.mean.shape), products.reshape(found.mean.shape) / found.inverse)
    return dx


def affine(x: Any, mean: Any, scale: Any, shift: Any) -> Any:
    """As the definition: a normalisation with the variance 1."""
    axis = (0, *range(2, x.ndim))
    if not _is_of_channels(x, axis, mean, scale, shift):
        return NotImplemented
    run = _with_given_statistics(x.shape)
    if run is None:
        return NotImplemented
    channels = x.shape[1]
    z = memory.empty(x.shape, np.float32, memory.channels_last(x.ndim))
    vectors = [_vector(array, channels, value) for array, value in ((mean, 0), (None, 1), (scale, 1), (shift, 0))]
    run(x, z, *vectors)
    return z


def _is_of_channels(x: Any, axis: Axes, *parameters: Any) -> bool:
    """Whether x is channels-last, the axes are all but the channels, and parameters are one number a channel."""
    if x.ndim < 3 or not x.size or axis != (0, *range(2, x.ndim)) or not memory.is_channels_last(x):
        return False
    each = {(x.shape[1], *(1,) * (x.ndim - 2)), (1, x.shape[1], *(1,) * (x.ndim - 2))}
    return all(p is None or (p.dtype == np.float32 and p.shape in each) for p in parameters)


def _vector(array: Any, channels: int, value: float) -> Any:
    """One number for each channel, all of them `value` where there is no array."""
    if array is None:
        return np.full(channels, value, np.float32)
    return np.ascontiguousarray(array).reshape(channels)


def _layouts(shape: Ints) -> tuple[Any, Any]:
    """The descriptors of images, and of one number for each channel."""
    return ordered(shape, memory.channels_last(len(shape))), ordered(shape[1:2])


def _described(direction: str, *arguments: Any) -> Handle:
    """A primitive's descriptor, unless it is none of compiled code: for numbers of channels that vectors don't divide
    there is nothing else, and it takes longer than NumPy."""
    made = described(f"batch_normalization_{direction}", *arguments, attributes())
    if "jit" not in implementation(made):
        raise UnsupportedError("only plain loops")
    return made


@cached
def _forward(shape: Ints, eps: float) -> Kernel:
    """Called with x, z, mean, variance, weight and bias."""
    x, each = _layouts(shape)
    primitive = _described("forward", TRAINING, x, x, eps, SCALED | SHIFTED)
    return Kernel(
        primitive, (SOURCE, x), (RESULT, x, True), (MEAN, each, True), (VARIANCE, each, True), (SCALE, each),
        (SHIFT, each),
    )  # fmt: skip


@cached
def _backward(shape: Ints) -> Kernel:
    """Called with x, dz, dx, mean, variance + eps, weight, and room for the sums of dz z and of dz."""
    x, each = _layouts(shape)
    forward = _described("forward", TRAINING, x, x, 0.0, SCALED | SHIFTED)
    primitive = _described("backward", BACKWARD, x, x, x, 0.0, SCALED | SHIFTED, forward)
    return Kernel(
        primitive, (SOURCE, x), (RESULT_GRADIENT, x), (SOURCE_GRADIENT, x, True), (MEAN, each), (VARIANCE, each),
        (SCALE, each), (SCALE_GRADIENT, each, True), (SHIFT_GRADIENT, each, True),
    )  # fmt: skip


@cached
def _with_given_statistics(shape: Ints) -> Kernel:
    """Called with x, z, mean, variance, scale and shift."""
    x, each = _layouts(shape)
    primitive = _described("forward", INFERENCE, x, x, 0.0, GIVEN_STATISTICS | SCALED | SHIFTED)
    return Kernel(
        primitive, (SOURCE, x), (RESULT, x, True), (MEAN, each), (VARIANCE, each), (SCALE, each), (SHIFT, each),
    )  # fmt: skip
