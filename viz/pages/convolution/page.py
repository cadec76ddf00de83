"""The convolution page: one window at a time, forward and backward, with the user's own numbers.

Python checks the arguments and writes them into the page. The page computes every number itself, so that each can be
changed there; its scripts are one subject a file:

    numbers.js      doubles, and fractions that stay exact
    windows.js      padding, sizes, borders
    cells.js        grids, terms, steps: what every sweep is made of
    planes.js       the grids of the arrays: with a border, dilated, rotated
    convolution.js, transposed.js, pooling.js    the sweeps of the operations
    state.js        the model that is played with, and its edits
    grids.js, stage.js, explanation.js, player.js, settings.js    what is seen
    page.js         puts them together
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isfinite
from numbers import Rational
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.primitives.arguments import check_ties, padding_pairs, per_axis, reach_of
from tinygrad_cnn.primitives.avgpool import avg_pool2d
from tinygrad_cnn.primitives.conv2d import conv2d, convolve2d
from tinygrad_cnn.primitives.conv_transpose import conv_transpose2d
from tinygrad_cnn.primitives.maxpool import max_pool2d
from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.viz.images.kernels import KERNELS, ImageKernel, image_kernel
from tinygrad_cnn.viz.pages.document import Page, document

if TYPE_CHECKING:
    from os import PathLike

LIMITS = {"side": 32, "kernel": 11, "reach": 24, "plane": 64, "planes": 8}
"""What still can be read on a page: sides of the input and the kernel, how far a window reaches, sides of any plane
that is shown (the padded input, the output), and images, channels and filters."""

OPERATIONS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d, "convolve2d": convolve2d, "conv_transpose2d": conv_transpose2d, "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
}  # fmt: skip
POOLS = ("max_pool2d", "avg_pool2d")

_BODY = """<div id="page"></div>
<p id="spoken" class="spoken" aria-live="polite"></p>
<noscript>This page computes everything in a script, which this browser does not run.</noscript>"""
_SCRIPTS = (
    "numbers", "windows", "cells", "planes", "convolution", "transposed", "pooling", "state", "grids", "explanation",
    "stage", "player", "settings", "page",
)  # fmt: skip
# Options that belong to some of the operations only, with the value that says nothing.
_OWN_OPTIONS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "weight": (None, ("conv2d", "convolve2d", "conv_transpose2d")),
    "bias": (None, ("conv2d", "convolve2d", "conv_transpose2d")),
    "groups": (1, ("conv2d", "convolve2d", "conv_transpose2d")),
    "padding_mode": ("zeros", ("conv2d", "convolve2d")),
    "output_padding": (0, ("conv_transpose2d",)),
    "kernel_size": (None, POOLS),
    "ceil_mode": (False, POOLS),
    "ties": ("first", ("max_pool2d",)),
    "count_include_pad": (True, ("avg_pool2d",)),
}


def convolution_page(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    operation: str = "conv2d",
    kernel_size: Any = None,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    output_padding: Any = 0,
    padding_mode: str = "zeros",
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    ties: str = "first",
    dz: Any = None,
    path: str | PathLike[str] | None = None,
    title: str | None = None,
) -> Page:
    """A page on which a convolution or a pooling works step by step, forward and backward, with numbers to change.

    Forward, the window slides over the input with its border and fills the output cell by cell, the products written
    out. Backward (lecture 14; Deep Learning, section 9.5), with dZ = dL/dZ:

        dX = (dZ, dilated by the stride and zero-padded) (*) K rotated by 180 degrees, then a border that repeats pixels
             folded back onto them
        dK = X (*) dZ
        dB = sum of dZ

    A transposed convolution is shown as stamps that add up and as a window over the dilated input, a pooling with its
    winners or its equal shares. The page changes kernel, bias, stride, padding and its mode, dilation, sizes and the
    operation itself; it computes in doubles, and exactly where all numbers are whole or fractions.

    Args:
        x: (H, W), (C, H, W) or (N, C, H, W): nested lists, an array or a Tensor. Of a larger image, cut out a part.
        weight: as the operation takes it; or (C, kH, kW), one filter; or (kH, kW), one filter with the same kernel for
            all channels; or the name of an image kernel, such as "sobel_x", likewise. None for a pooling.
        bias: a number for each filter, a single number for one filter, or None.
        operation: "conv2d", "convolve2d", "conv_transpose2d", "max_pool2d" or "avg_pool2d".
        kernel_size: of a pooling, an integer or a pair.
        stride: an integer or a pair; None means 1, for a pooling the kernel's size.
        padding, dilation, groups, output_padding, padding_mode, ceil_mode, count_include_pad, ties: as the operation
            takes them.
        dz: the gradient dL/dZ that backward begins with, of the output's shape, leading axes of size 1 left out as in
            x; None for ones.
        path: where to write the page; None for nowhere.
        title: the page's heading; None for the operation's name.

    Returns:
        The page: `.html`, `.write(path)`, `.open()`; a notebook shows it.

    Raises:
        ValueError: what the operation refuses; sizes beyond `LIMITS`; NaN or infinities; a dz of another shape than the
            output; an option that the operation doesn't have.
        TypeError: what the operation refuses; elements that are no real numbers.
        OSError: the path's folder doesn't exist or can't be written to.

    >>> import tinygrad_cnn as tg
    >>> page = convolution_page([[1, 2, 0], [0, 1, 3], [4, 0, 1]], [[1, 0], [2, -1]], bias=1, padding=1)
    >>> page.title
    'conv2d'
    >>> convolution_page(tg.tensor([[1.0, 3.0], [2.0, 9.0]]), operation="max_pool2d", kernel_size=2).title
    'max_pool2d'
    >>> convolution_page(range(33), "sobel")
    Traceback (most recent call last):
    ValueError: convolution_page: x must be (H, W), (C, H, W) or (N, C, H, W) but has shape (33,)
    """
    if operation not in OPERATIONS:
        raise ValueError(f"convolution_page: operation must be one of {', '.join(OPERATIONS)} but is {operation!r}")
    _check_options(operation, locals())
    x = _image(x)
    operands: tuple[Any, ...]
    if operation in POOLS:
        if kernel_size is None:
            raise ValueError(f"convolution_page: {operation} needs a kernel_size but got None")
        kernel = per_axis(operation, "kernel_size", kernel_size, 2)
        operands, weight, bias = (x, kernel), None, None
    else:
        weight = _kernel(weight, operation, x.shape[1])
        kernel = weight.shape[2:]
        bias = None if bias is None else _numbers("bias", bias).reshape(-1)
        operands = (x, weight, bias)
    steps = per_axis(operation, "stride", (kernel if operation in POOLS else 1) if stride is None else stride, 2)
    gaps = per_axis(operation, "dilation", dilation, 2)
    _check_limits(operation, x, weight, kernel, gaps)
    options = {
        "groups": groups, "padding_mode": padding_mode, "output_padding": output_padding, "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad, "ties": ties,
    }  # fmt: skip
    check_ties(operation, ties)
    _check_planes(operation, x.shape[2:], kernel, steps, gaps, padding)
    own = {name: value for name, value in options.items() if operation in _OWN_OPTIONS[name][1]}
    z = OPERATIONS[operation](*operands, stride=steps, padding=padding, dilation=gaps, **own)
    pairs = padding if isinstance(padding, str) else _pairs(padding)
    data = {
        "title": title, "operation": operation, "x": _plain(x), "weight": _plain(weight), "bias": _plain(bias),
        "dz": None if dz is None else _plain(_gradient(dz, z.shape)),
        "kernelSize": kernel, "stride": steps, "padding": pairs, "dilation": gaps, "groups": groups,
        "outputPadding": per_axis(operation, "output_padding", output_padding, 2, minimum=0), "mode": padding_mode,
        "ceilMode": bool(ceil_mode), "countIncludePad": bool(count_include_pad), "ties": ties,
        "kernels": [_gallery_entry(kernel) for kernel in KERNELS.values()], "limits": LIMITS,
    }  # fmt: skip
    scripts = [f"convolution/{name}.js" for name in _SCRIPTS]
    page = document(operation if title is None else title, _BODY, ["convolution/page.css"], scripts, data, height=860)
    return page if path is None else page.write(path)


def _check_options(operation: str, given: Mapping[str, Any]) -> None:
    for name, (silent, owners) in _OWN_OPTIONS.items():
        if operation not in owners and not np.array_equal(given[name], silent):
            raise ValueError(
                f"convolution_page: {name} is for {', '.join(owners)}, not for {operation}, but is {given[name]!r}"
            )


def _numbers(name: str, data: Any) -> Any:
    """An array of finite real numbers on the host."""
    try:
        array = np.asarray(data.numpy() if isinstance(data, Tensor) else backend.to_numpy(data))
    except ValueError as error:
        raise ValueError(f"convolution_page: {name} must be a regular nested sequence of numbers; {error}") from error
    array = array.astype(np.int64) if array.dtype == np.bool_ else array
    for index, value in np.ndenumerate(array):
        if not isinstance(value, Rational | float | np.integer | np.floating):
            raise TypeError(f"convolution_page: {name} must hold real numbers but has {value!r} at {index}")
        if not isinstance(value, Rational) and not isfinite(value):
            raise ValueError(f"convolution_page: {name} must hold finite numbers but has {value} at {index}")
    return array


def _image(x: Any) -> Any:
    array = _numbers("x", x)
    if not 2 <= array.ndim <= 4:
        raise ValueError(f"convolution_page: x must be (H, W), (C, H, W) or (N, C, H, W) but has shape {array.shape}")
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _kernel(weight: Any, operation: str, channels: int) -> Any:
    """The weight with all four axes, in the operation's layout."""
    if weight is None:
        raise ValueError(f"convolution_page: {operation} needs a weight, or the name of an image kernel, but got None")
    array = _exact(image_kernel(weight)) if isinstance(weight, str) else _numbers("weight", weight)
    if not 2 <= array.ndim <= 4:
        raise ValueError(
            f"convolution_page: weight must be (kH, kW), (C, kH, kW), or as {operation} takes it, with four axes, but "
            f"has shape {array.shape}"
        )
    if array.ndim == 2:
        array = np.broadcast_to(array, (channels, *array.shape))
    if array.ndim == 3:
        array = array[:, None] if operation == "conv_transpose2d" else array[None]
    return array


def _exact(kernel: ImageKernel) -> Any:
    """A kernel of the gallery in fractions: nine ninths are 1."""
    divisor = Fraction(kernel.divisor)
    return np.array([[Fraction(value) / divisor for value in row] for row in kernel.weight], dtype=object)


def _gradient(dz: Any, shape: tuple[int, ...]) -> Any:
    array = _numbers("dz", dz)
    if (1,) * (4 - array.ndim) + array.shape != shape:
        raise ValueError(f"convolution_page: dz must have the output's shape {shape} but has {array.shape}")
    return array.reshape(shape)


def _pairs(padding: Any) -> list[list[int]]:
    """A padding in numbers, checked by the operation before, as [[top, bottom], [left, right]]."""
    sides = padding if isinstance(padding, tuple | list) else (padding, padding)
    return [[int(n) for n in (side if isinstance(side, tuple | list) else (side, side))] for side in sides]


def _check_limits(operation: str, x: Any, weight: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> None:
    shape = x.shape
    planes = {"images": shape[0], "channels": shape[1]}
    if weight is not None:
        planes |= {"filters": weight.shape[1 if operation == "conv_transpose2d" else 0]}
    for name, count in planes.items():
        if not 1 <= count <= LIMITS["planes"]:
            raise ValueError(f"convolution_page: expected 1 to {LIMITS['planes']} {name} but got {count}")
    if max(shape[2:]) > LIMITS["side"] or 0 in shape:
        side = LIMITS["side"]
        raise ValueError(
            f"convolution_page: a page shows inputs of 1 x 1 to {side} x {side} pixels but x has shape {shape}; cut "
            f"out a part, as x[..., :{side}, :{side}]"
        )
    reach = reach_of(kernel, dilation)
    if max(kernel) > LIMITS["kernel"] or max(reach) > LIMITS["reach"]:
        raise ValueError(
            f"convolution_page: a page shows kernels of up to {LIMITS['kernel']} entries a side that reach over up to "
            f"{LIMITS['reach']} pixels but this one has {kernel} and reaches over {reach}"
        )


def _check_planes(
    operation: str, size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...],
    padding: Any,
) -> None:  # fmt: skip
    """Refuse planes that are too large before anything is computed on them."""
    reach = reach_of(kernel, dilation)
    if operation == "conv_transpose2d":  # before padding is taken off; "same" is a stride for each pixel
        least = stride if padding == "same" else (0, 0)
        each = [(n - 1) * s + max(r, m) for n, s, r, m in zip(size, stride, reach, least, strict=True)]
    else:
        pairs = padding_pairs(operation, padding, size, reach, stride)
        each = [n + sum(pair) for n, pair in zip(size, pairs, strict=True)]
    if max(each) > LIMITS["plane"]:
        raise ValueError(
            f"convolution_page: a page shows planes of up to {LIMITS['plane']} pixels a side but with this padding and "
            f"stride {operation} has {max(each)}"
        )


def _plain(array: Any) -> Any:
    """An array as nested lists for JSON: fractions and whole numbers too long for a double as text."""
    if array is None:
        return None
    return [_plain(part) for part in array] if array.ndim > 1 else [_plain_number(value) for value in array]


def _plain_number(value: Any) -> int | float | str:
    if isinstance(value, Rational):
        exact = Fraction(int(value.numerator), int(value.denominator))
    else:
        shortest = float(str(value))  # 0.1 in float32 is 0.1 here too
        if not shortest.is_integer():
            return shortest
        exact = Fraction(shortest)
    if exact.denominator == 1 and abs(exact.numerator) < 2**53:
        return int(exact)
    return float(value) if isinstance(value, float | np.floating) else str(exact)


def _gallery_entry(kernel: ImageKernel) -> dict[str, Any]:
    words = {"name": kernel.name, "title": kernel.title, "explanation": kernel.explanation}
    return {**words, "weight": _plain(_exact(kernel))}
