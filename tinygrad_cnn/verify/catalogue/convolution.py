"""Convolutions: their arguments, their family of cases, and their right rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from tinygrad_cnn.primitives import conv2d as convolutions
from tinygrad_cnn.verify.catalogue.convolution_mistakes import (
    COMMON,
    FLIPPED_KERNEL_GRADIENT,
    KERNEL_GRADIENT,
    ROTATED_KERNEL,
    UNROTATED_KERNEL,
    on_axes,
)
from tinygrad_cnn.verify.catalogue.convolution_rules import bias_gradient, input_gradient, kernel_gradient
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Operation

IMAGE_NAMES = ("X", "input", "image", "images", "img", "I", "A", "a", "A_prev", "inputs", "inp", "signal")
KERNEL_NAMES = ("K", "k", "W", "w", "kernel", "weights", "filter", "filters", "F", "f", "kernels")
BIAS_NAMES = ("B", "b", "biases")
STRIDE_NAMES = ("s", "S", "strides")
PADDING_NAMES = ("pad", "p", "P")
DILATION_NAMES = ("d", "D", "rate")
GROUP_NAMES = ("g", "G")
OPTION_NAMES = {
    "stride": STRIDE_NAMES,
    "padding": PADDING_NAMES,
    "dilation": DILATION_NAMES,
    "groups": GROUP_NAMES,
    "padding_mode": ("mode",),
}

FORMULAS = {
    "x": "(3) dX = zero-padded dZ (dilated by the stride) correlated with K rotated by 180 degrees, the padding taken "
    "off",
    "weight": "(1) dK = padded X correlated with dZ (dilated by the stride)",
    "bias": "(2) dB = sum of dZ over images and pixels",
}
FLIPPED_FORMULAS = {
    "x": "(3) dX = zero-padded dZ (dilated by the stride) correlated with K itself, since the forward has flipped it, "
    "the padding taken off",
    "weight": "(1) dK = padded X correlated with dZ (dilated by the stride), rotated by 180 degrees as K is in the "
    "forward",
}


def _case(n: int, size: Any, kernel: Any, channels: int = 1, filters: int = 1, batch: int = 1, **options: Any) -> Case:
    """A case with n spatial axes, of the last n sizes given."""
    size, kernel = size[-n:], kernel[-n:]
    shapes = {
        "x": (batch, channels, *size),
        "weight": (filters, channels // options.get("groups", 1), *kernel),
        "bias": (filters,),
    }
    return Case(shapes, options)


def family(n: int) -> tuple[Case, ...]:
    """One image of one channel with every option, an integer, then channels, filters and batches."""
    case = partial(_case, n)
    cubes = n == 3  # smaller, since there are more entries
    return (
        case((3, 3, 3), (2, 2, 2)),
        case((3, 4, 3), (2, 2, 1) if n == 2 else (1, 2, 2)),
        case((2, 3, 3), (1, 1, 1)),
        case((3, 3, 3), (3, 3, 3)),
        case((3, 4, 5) if not cubes else (2, 3, 4), (2, 2, 3)),
        case((3, 3, 3), (2, 2, 2), padding=1),
        case((3, 5, 5) if not cubes else (3, 3, 5), (2, 3, 3), padding=1),
        case((3, 3, 4), (2, 3, 2), padding=2),
        case((4, 4, 4) if not cubes else (2, 4, 4), (2, 2, 2), stride=2),
        case((3, 5, 5) if not cubes else (3, 3, 5), (2, 2, 2), stride=2),
        case((3, 6, 5) if not cubes else (3, 4, 5), (2, 3, 2), stride=2),
        case((3, 5, 6) if not cubes else (3, 3, 6), (2, 3, 3), stride=2, padding=1),
        case((2, 7, 6) if not cubes else (2, 4, 6), (1, 2, 2), stride=3, padding=1),
        case((3, 4, 6) if not cubes else (2, 4, 5), (1, 2, 3), stride=2, padding=1),
        case((3, 5, 5) if not cubes else (3, 3, 5), (2, 2, 2), dilation=2),
        case((3, 6, 7) if not cubes else (3, 4, 6), (2, 2, 3), stride=2, padding=1, dilation=2),
        case((3, 3, 3), (2, 2, 2), channels=2, filters=2),
        case((3, 4, 3), (2, 2, 2), channels=2, filters=3),
        case((2, 3, 4), (1, 2, 2), channels=3, filters=2, padding=1, stride=2),
        case((2, 3, 3), (1, 2, 2), channels=2, filters=2, batch=2),
        case((2, 4, 3), (1, 2, 2), channels=2, filters=3, batch=3, padding=1),
        case((2, 3, 3), (1, 2, 2), channels=4, filters=4, batch=2, groups=2),
        case((2, 4, 5), (1, 2, 2), channels=2, filters=4, groups=2, stride=2, padding=1),
    )


def layouts(n: int) -> tuple[Layout, ...]:
    """A batch, one image, one channel; the bias of one filter with its axis or without; channels last.

    K is (filter, channel, ...) throughout, but with channels last also (..., channel, filter).
    """
    space = tuple(range(2, n + 2))
    channels_last = {"x": (0, *space, 1), "z": (0, *space, 1)}
    kernel_last = {**channels_last, "weight": (*space, 1, 0)}
    return (
        Layout("a batch of images"),
        Layout("one image", {"x": 1, "z": 1}),
        Layout("one image and one filter", {"x": 1, "weight": 1, "bias": 1, "z": 2}),
        Layout("one image of one channel", {"x": 2, "weight": 2, "bias": 1, "z": 2}),
        Layout("one image of one channel, bias (1,)", {"x": 2, "weight": 2, "z": 2}),
        Layout("one gray image, several filters", {"x": 2, "weight": 1, "z": 1}, order={"weight": (1, 0, *space)}),
        Layout("a batch of images, channels last", order=channels_last),
        Layout("a batch of images, channels last, K (..., channel, filter)", order=kernel_last),
        Layout("one image, channels last", {"x": 1, "z": 1}, order=channels_last),
        Layout("one image, channels last, K (..., channel, filter)", {"x": 1, "z": 1}, order=kernel_last),
    )


def _operation(n: int, name: str, function: Callable[..., Any]) -> Operation:
    return Operation(
        name=name,
        function=function,
        operands={"x": IMAGE_NAMES, "weight": KERNEL_NAMES, "bias": BIAS_NAMES},
        options=OPTION_NAMES,
        defaults={"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"},
        cases=family(n),
        layouts=layouts(n),
        rules={"x": input_gradient, "weight": kernel_gradient, "bias": bias_gradient},
        formulas=FORMULAS,
        mistakes=on_axes((*ROTATED_KERNEL, *KERNEL_GRADIENT, *COMMON), n),
    )


def _flipped(n: int, name: str, function: Callable[..., Any]) -> Operation:
    """The textbook convolution, whose forward flips the kernel."""
    return replace(
        _operation(n, name, function),
        rules={
            "x": partial(input_gradient, kernel="as it is"),
            "weight": partial(kernel_gradient, result="rotated"),
            "bias": bias_gradient,
        },
        formulas=FORMULAS | FLIPPED_FORMULAS,
        mistakes=on_axes((*UNROTATED_KERNEL, *FLIPPED_KERNEL_GRADIENT, *COMMON), n),
    )


OPERATIONS = (
    _operation(2, "conv2d", convolutions.conv2d),
    _flipped(2, "convolve2d", convolutions.convolve2d),
    _operation(1, "conv1d", convolutions.conv1d),
    _flipped(1, "convolve1d", convolutions.convolve1d),
    _operation(3, "conv3d", convolutions.conv3d),
    _flipped(3, "convolve3d", convolutions.convolve3d),
)
