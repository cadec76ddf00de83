"""Convolutions by oneDNN's own primitives: results in channels-last memory, whatever the layout of what is given.

Channels-last is what its kernels are fastest with, so that a network runs without reorders once its first layer has
made it; anything else is reordered on the way in. Kernels always want their weights in blocks, which costs little.

Some cases are faster in another way than the library's first choice for channels-last images:
- Few channels, or rows of few pixels: where the layout of one image is left open ("anyhow"), the library takes its
  older kernels, which are up to 1.7 times as fast as those that it prefers for channels-last on both sides.
- Windows of groups, or with few channels and a stride, where images are not channels-last: left open on both sides,
  the library takes blocks of channels, into and out of which it reorders in less time than into channels-last alone.
- dX of a gray or colour image: one product and a scattering, in channels-first memory.
- A kernel of one pixel, stride 1: a product of matrices; where images are channels-first, one for each sample, and the
  result is channels-first too.
- dK where all that is given is channels-first: the library's own layout for it.
"""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.onednn.copies import channels_last
from tinygrad_cnn.kernels.onednn.descriptors import (
    BIAS,
    DIRECT,
    FLOAT32,
    RESULT,
    RESULT_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    TRAINING,
    WEIGHTS,
    WEIGHTS_GRADIENT,
    Handle,
    Ints,
    anyhow,
    as_described,
    attributes,
    c_strides,
    dims,
    is_described,
    is_same,
    ordered,
    strided,
)
from tinygrad_cnn.kernels.onednn.elementwise import add_row
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described, number_of_products
from tinygrad_cnn.kernels.onednn.library import UnsupportedError
from tinygrad_cnn.kernels.reference import Pairs

FEW = 32  # channels, below which the older kernels are faster
NARROW, MANY = 4, 256  # so few pixels in a row of Z, for so many channels, with which they are faster, too
COLOURS = 3  # channels of an image, up to which its gradient is a product

_FLOAT32 = np.dtype(np.float32)


class Plan(NamedTuple):
    """A kernel, and the array that takes its result."""

    kernel: Kernel
    shape: Ints
    axes: Ints | None
    is_to_be_summed: bool = False  # over its first axis

    def result(self) -> Any:
        """A new array for it."""
        return memory.empty(self.shape, _FLOAT32, self.axes)


def correlate(x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f]."""
    if weight.dtype != _FLOAT32 or (bias is not None and bias.dtype != _FLOAT32):
        return NotImplemented
    steps = None if bias is None else bias.strides
    plan = _correlate(x.shape, x.strides, weight.shape, weight.strides, steps, stride, padding, dilation, groups)
    if plan is None:
        return _copied(correlate, x, weight, bias, stride, padding, dilation, groups)
    z = plan.result()
    if bias is None:
        plan.kernel(x, weight, z)
    else:
        plan.kernel(x, weight, bias, z)
    return z


def conv_transpose(
    x: Any, weight: Any, bias: Any, size: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Any:
    """Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], + B[f]: the gradient of a convolution's input."""
    if weight.dtype != _FLOAT32 or (bias is not None and bias.dtype != _FLOAT32):
        return NotImplemented
    plan = _scatter(x.shape, x.strides, weight.shape, weight.strides, size, stride, padding, dilation, groups)
    if plan is None:
        return _copied(conv_transpose, x, weight, bias, size, stride, padding, dilation, groups)
    y = plan.result()
    plan.kernel(x, weight, y)
    if bias is not None:
        _add_bias(y, bias, plan.axes)
    return y


def _add_bias(y: Any, bias: Any, axes: Ints | None) -> None:
    """y += B; in channels-last memory a row of pixels at a time, since short runs take long."""
    if axes is None:
        y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    else:
        add_row(y.transpose(axes).reshape(-1, y.shape[-1] * y.shape[1]), np.tile(bias, y.shape[-1]))


def correlate_kernel(x: Any, dz: Any, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    if dz.dtype != _FLOAT32:
        return NotImplemented
    plan = _correlate_kernel(x.shape, x.strides, dz.shape, dz.strides, kernel, stride, padding, dilation, groups)
    if plan is None:
        return _copied(correlate_kernel, x, dz, kernel, stride, padding, dilation, groups)
    dk = plan.result()
    plan.kernel(x, dz, dk)
    return dk.sum(axis=0).reshape(dz.shape[1], x.shape[1], *kernel) if plan.is_to_be_summed else dk


def _copied(operation: Any, *arguments: Any) -> Any:
    """The operation on channels-last copies, if an array's layout is why it had no kernel."""
    copies = [_as_described(a) if isinstance(a, np.ndarray) else a for a in arguments]
    if all(a is copy for a, copy in zip(arguments, copies, strict=True)):
        return NotImplemented
    return operation(*copies)


def _as_described(x: Any) -> Any:
    if x.ndim < 3 or x.size == 0 or is_described(x.shape, x.strides, x.itemsize):
        return as_described(x)
    return channels_last(x)


class Convolution:
    """Descriptors of x, weight and z, x and z being channels-last, and the options as the library takes them.

    `x` and `z` are for results, `read_x`, `read_z` and `kernel` for what is multiplied, perhaps in bfloat16.

    Raises:
        UnsupportedError: an array is empty, or there are fewer windows than fit.
    """

    def __init__(
        self, x: Ints, weight: Ints, z: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int
    ) -> None:
        if 0 in x or 0 in z or 0 in weight or min(z) < 0:
            raise UnsupportedError("an empty array")
        after = []  # what the last window needs, and the library would find fewer or more windows without
        for m, k, n, s, (before, _), d in zip(x[2:], weight[2:], z[2:], stride, padding, dilation, strict=True):
            last = (n - 1) * s + d * (k - 1) + 1 - m - before
            if last <= -s:
                raise UnsupportedError("fewer windows than there is room for")
            after.append(max(last, 0))
        self.options = dims(stride), dims([d - 1 for d in dilation]), dims([b for b, _ in padding]), dims(after)
        self.axes = memory.channels_last(len(x))
        self.number = number_of_products() if groups == 1 else FLOAT32
        self.x, self.z = ordered(x, self.axes), ordered(z, self.axes)
        self.read_x, self.read_z = (ordered(shape, self.axes, self.number) for shape in (x, z))
        self.weight, self.groups = (groups, weight[0] // groups, *weight[1:]) if groups > 1 else weight, groups
        self.kernel = anyhow(self.weight, self.number)
        self.has_few = groups == 1 and min(x[1], z[1]) < FEW and prod(weight[2:]) > 1
        self.is_narrow = groups == 1 and min(x[1], z[1]) >= MANY and z[-1] <= NARROW
        is_padded = any(before for before, _ in padding)
        self.is_product = x[2:] == z[2:] and prod(weight[2:]) == prod(stride) == groups == 1 and not is_padded

    def forward(self, x: Handle, z: Handle, bias: Handle | None = None) -> Handle:
        """The forward primitive's descriptor, which those of the gradients are made after."""
        return described("convolution_forward", TRAINING, DIRECT, x, self.kernel, bias, z, *self.options, attributes())

    def given_weight(self, strides: Ints) -> Handle:
        """The descriptor of the caller's weight, the groups an axis of their own."""
        if self.groups > 1:
            strides = (strides[0] * self.weight[1], *strides)
        return strided(self.weight, strides)


@cached
def _correlate(
    x: Ints, x_strides: Ints, weight: Ints, weight_strides: Ints, bias_strides: Ints | None,
    stride: Ints, padding: Pairs, dilation: Ints, groups: int,
) -> Plan:  # fmt: skip
    window = zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
    out = tuple((m + before + after - d * (k - 1) - 1) // s + 1 for m, k, s, (before, after), d in window)
    z = (x[0], weight[0], *out)
    convolution = Convolution(x, weight, z, stride, padding, dilation, groups)
    given = [(SOURCE, strided(x, x_strides)), (WEIGHTS, convolution.given_weight(weight_strides))]
    if convolution.is_product and bias_strides is None and is_same(given[0][1], ordered(x)):
        with suppress(UnsupportedError):
            return _of_samples(x, weight[:2], weight_strides[:2], z, convolution.number)
    bias = None
    if bias_strides is not None:
        bias = ordered(weight[:1])
        given.append((BIAS, strided(weight[:1], bias_strides)))
    read, written = convolution.read_x, convolution.z
    if convolution.has_few or convolution.is_narrow:
        written = anyhow(z)
    elif (groups > 1 or (prod(stride) > 1 and x[1] <= FEW)) and not is_same(given[0][1], convolution.x):
        read, written = anyhow(x, convolution.number), anyhow(z)
    descriptor = convolution.forward(read, written, bias)
    return Plan(Kernel(descriptor, *given, (RESULT, convolution.z, True)), z, convolution.axes)


def _of_samples(x: Ints, matrix: Ints, strides: Ints, z: Ints, number: int) -> Plan:
    """Z[n,f,p] = sum_c A[f,c] X[n,c,p] for a matrix A, images being channels-first."""
    read, result = ((shape[0], shape[1], prod(shape[2:])) for shape in (x, z))
    shape, steps = (1, *matrix), (4 * prod(matrix), *strides)
    factors = ordered(shape, (0, 1, 2) if strides[1] < strides[0] else (0, 2, 1), number), ordered(read, None, number)
    descriptor = described("matmul", *factors, None, ordered(result), attributes())
    given = (WEIGHTS, ordered(read)), (SOURCE, strided(shape, steps)), (RESULT, ordered(result), True)
    return Plan(Kernel(descriptor, *given), z, None)


@cached
def _scatter(
    z: Ints, z_strides: Ints, weight: Ints, weight_strides: Ints, size: Ints,
    stride: Ints, padding: Pairs, dilation: Ints, groups: int,
) -> Plan:  # fmt: skip
    x = (z[0], weight[1] * groups, *size)
    convolution = Convolution(x, weight, z, stride, padding, dilation, groups)
    given = (RESULT_GRADIENT, strided(z, z_strides)), (WEIGHTS, convolution.given_weight(weight_strides))

    def plan(read: Handle, written: Handle, result: Handle, axes: Ints | None) -> Plan:
        like = convolution.read_x if convolution.number != FLOAT32 else written
        descriptor = described(
            "convolution_backward_data", DIRECT, written, convolution.kernel, read, *convolution.options,
            convolution.forward(like, read), attributes(),
        )  # fmt: skip
        return Plan(Kernel(descriptor, *given, (SOURCE_GRADIENT, result, True)), x, axes)

    if x[1] <= COLOURS and groups == 1 and convolution.number == FLOAT32:
        with suppress(UnsupportedError):
            return plan(ordered(z), ordered(x), ordered(x), None)
    if convolution.is_product and is_same(given[0][1], ordered(z)):
        with suppress(UnsupportedError):
            return _of_samples(z, weight[1::-1], weight_strides[1::-1], x, convolution.number)
    is_turned = prod(weight[2:]) == 1 and groups == 1 and not is_same(given[0][1], convolution.z)
    if is_turned or convolution.is_narrow:
        return plan(anyhow(z, convolution.number), anyhow(x), convolution.x, convolution.axes)
    written = anyhow(x) if convolution.has_few else convolution.x
    return plan(convolution.read_z, written, convolution.x, convolution.axes)


@cached
def _correlate_kernel(
    x: Ints, x_strides: Ints, z: Ints, z_strides: Ints, kernel: Ints,
    stride: Ints, padding: Pairs, dilation: Ints, groups: int,
) -> Plan:  # fmt: skip
    weight = (z[1], x[1] // groups, *kernel)
    convolution = Convolution(x, weight, z, stride, padding, dilation, groups)
    given_x, given_z = strided(x, x_strides), strided(z, z_strides)
    are_last = is_same(given_x, convolution.x), is_same(given_z, convolution.z)
    if convolution.is_product:
        with suppress(UnsupportedError):
            if all(are_last):
                return _product_of_pixels((x[0] * prod(x[2:]),), x[1], z[1], weight, convolution.number)
            if is_same(given_x, ordered(x)) and is_same(given_z, ordered(z)) and prod(x[2:]) > min(weight[:2]):
                return _product_of_pixels((x[0], prod(x[2:])), x[1], z[1], weight, convolution.number)
    if any(are_last):
        read = convolution.read_x, convolution.read_z
    else:
        read = anyhow(x, convolution.number), anyhow(z, convolution.number)
    descriptor = described(
        "convolution_backward_weights", DIRECT, read[0], anyhow(convolution.weight), None, read[1],
        *convolution.options, convolution.forward(*read), attributes(),
    )  # fmt: skip
    result = convolution.given_weight(c_strides(weight))
    given = (SOURCE, given_x), (RESULT_GRADIENT, given_z), (WEIGHTS_GRADIENT, result, True)
    return Plan(Kernel(descriptor, *given), weight, None)


def _product_of_pixels(pixels: Ints, channels: int, filters: int, weight: Ints, number: int) -> Plan:
    """dK[f,c] = sum_p dZ[f,p] X[c,p], channels-last over all pixels, channels-first over those of each sample."""
    samples = pixels[:-1]
    left, right = (*samples, filters, pixels[-1]), (*samples, pixels[-1], channels)
    axes = ((0, 1, 2), (0, 2, 1)) if samples else ((1, 0), (0, 1))
    result = ordered((*samples, filters, channels))
    factors = (ordered(shape, order, number) for shape, order in zip((left, right), axes, strict=True))
    descriptor = described("matmul", *factors, None, result, attributes())
    given = (WEIGHTS, ordered(right, axes[1])), (SOURCE, ordered(left, axes[0])), (RESULT, result, True)
    kernel = Kernel(descriptor, *given)
    return Plan(kernel, (*samples, filters, channels), None, True) if samples else Plan(kernel, weight, None)
