"""Convolutions: the three right rules of lecture 14 with their steps as keywords, and what goes wrong in them.

With Z = X (*) K + B, stride s, padding p and dilation d:

    (1)  dK = X (*) dZ, the padded X correlated with dZ (dilated by the stride)
    (2)  dB = sum of dZ over images and pixels
    (3)  dX = dZ, dilated by the stride and zero-padded, correlated with K rotated by 180 degrees, the padding taken off
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.primitives import conv2d as convolutions
from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, reach_of
from tinygrad_cnn.verify.catalogue.blackboard import all_flipped, correlated, cut, spread, zero_padded
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation

Inputs = Mapping[str, Any]

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


def geometry(inputs: Inputs, operation: str) -> tuple[Any, Any, Any]:
    """Stride, padding (pairs) and dilation, one for each spatial axis."""
    size, kernel = inputs["x"].shape[2:], inputs["weight"].shape[2:]
    stride = per_axis(operation, "stride", inputs["stride"], len(size))
    dilation = per_axis(operation, "dilation", inputs["dilation"], len(size))
    padding = padding_pairs(operation, inputs["padding"], size, reach_of(kernel, dilation), stride)
    return stride, padding, dilation


def input_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    kernel: str = "rotated",
    full: bool = True,
    dilated: bool = True,
    kernel_dilated: bool = True,
    padding: str = "taken off",
    size: str = "of X",
    channels: str = "own",
    added: str = "everywhere",
) -> Any:
    """Formula (3).

    Args:
        kernel: "rotated"; "not rotated", "transposed", "upside down", "left to right".
        full: whether dZ is zero-padded so that the correlation is a full one.
        dilated: whether dZ is dilated by the stride.
        kernel_dilated: whether the kernel is dilated.
        padding: what becomes of X's: "taken off"; "kept"; "cut at the end" takes all of it off below and on the right.
        size: "of X" has zeros in the rows that no window reached; "as it comes" may be smaller.
        channels: "own"; "swapped" reads K[c, f] for K[f, c]; "of all groups" sums all filters into each group.
        added: "everywhere"; "overwritten" where windows overlap; "overwritten by filter" also by the next filter.
    """
    x, weight, groups = inputs["x"], inputs["weight"], inputs["groups"]
    n = x.ndim - 2
    stride, pads, dilation = geometry(inputs, "conv")
    weight = _altered(weight, kernel, channels, groups)
    if weight is None:
        return None
    reach = reach_of(weight.shape[2:], dilation if kernel_dilated else (1,) * n)
    if added == "everywhere":
        kernels = spread(weight, dilation) if kernel_dilated else weight
        wide = spread(dz, stride) if dilated else dz
        if full:
            wide = zero_padded(wide, tuple((r - 1, r - 1) for r in reach))
        # (N, g, F/g, 1, ...) with (g, F/g, C/g, ...), summed over the filters of each group
        N, F = wide.shape[:2]
        wide = wide.reshape(N, groups, F // groups, 1, *wide.shape[2:])
        sums = correlated(wide, kernels.reshape(groups, F // groups, *kernels.shape[1:]), n).sum(axis=2)
    else:
        sums = _overwritten(dz, weight, inputs, stride if dilated else (1,) * n, dilation, added)
    if channels == "of all groups":
        sums = np.broadcast_to(sums.sum(axis=1, keepdims=True), sums.shape)
    sums = sums.reshape(sums.shape[0], -1, *sums.shape[3:])
    before, after = zip(*pads, strict=True)
    if padding == "kept":
        wanted = tuple(m + a + b for m, a, b in zip(x.shape[2:], before, after, strict=True))
        return cut(sums, (0,) * n, wanted, size == "of X")
    return cut(sums, before if padding == "taken off" else (0,) * n, x.shape[2:], size == "of X")


def _altered(weight: Any, kernel: str, channels: str, groups: int) -> Any:
    """The kernel that is correlated with dZ; None where this makes no sense."""
    n = weight.ndim - 2
    if channels == "swapped":
        if groups > 1 or weight.shape[0] != weight.shape[1]:
            return None
        weight = np.swapaxes(weight, 0, 1)
    if kernel == "rotated":
        return all_flipped(weight, n)
    if kernel == "not rotated":
        return weight
    if n != 2:
        return None
    if kernel == "transposed":
        return np.swapaxes(weight, -1, -2)
    return weight[..., ::-1, :] if kernel == "upside down" else weight[..., ::-1]


def _overwritten(dz: Any, rotated: Any, inputs: Inputs, stride: Any, dilation: Any, added: str) -> Any:
    """Each window's products written over those of the one before, (N, g, C/g, padded size)."""
    n, groups = dz.ndim - 2, inputs["groups"]
    N, F = dz.shape[:2]
    weight = all_flipped(rotated, n).reshape(groups, F // groups, *rotated.shape[1:])
    dz = dz.reshape(N, groups, F // groups, *dz.shape[2:])
    reach = reach_of(rotated.shape[2:], dilation)
    size = tuple(s * (m - 1) + r for s, m, r in zip(stride, dz.shape[3:], reach, strict=True))
    result = np.zeros((N, groups, rotated.shape[1], *size), dz.dtype)
    kernel = (None,) * (1 + n)
    filters = range(F // groups) if added == "overwritten by filter" else [slice(None)]
    for f in filters:
        for p in np.ndindex(*dz.shape[3:]):
            window = tuple(slice(s * i, s * i + r, d) for s, i, r, d in zip(stride, p, reach, dilation, strict=True))
            if isinstance(f, int):
                products = dz[(slice(None), slice(None), f, *p)][(..., *kernel)] * weight[:, f]
            else:
                products = (dz[(slice(None), slice(None), f, *p)][(..., *kernel)] * weight).sum(axis=2)
            result[(..., *window)] = products
    return result


def kernel_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    result: str = "as it is",
    padded: bool = True,
    dilated: bool = True,
    kernel_dilated: bool = True,
    swapped: bool = False,
    size: str = "of K",
    channels: str = "own",
    images: str = "all",
    added: str = "everywhere",
) -> Any:
    """Formula (1).

    Args:
        result: "as it is"; "rotated" is a true convolution; "upside down", "left to right".
        padded: whether X is zero-padded.
        dilated: whether dZ is dilated by the stride.
        kernel_dilated: whether K's entries are the dilation apart.
        swapped: dZ zero-padded and correlated with X, in place of X with dZ.
        size: "of K"; "as it comes" keeps the rows that X's remainder adds.
        channels: "own"; "swapped"; "of all groups" reads the first group's channels for every filter.
        images: "all" are summed; "the first"; "the last".
        added: "everywhere"; "overwritten" keeps the last pixel's product alone.
    """
    x, weight, groups = inputs["x"], inputs["weight"], inputs["groups"]
    n = x.ndim - 2
    stride, pads, dilation = geometry(inputs, "conv")
    if images != "all":
        only = slice(0, 1) if images == "the first" else slice(-1, None)
        x, dz = x[only], dz[only]
    if added == "overwritten":
        last = np.zeros_like(dz)
        corner = (slice(-1, None), slice(None), *(slice(-1, None),) * n)
        last[corner] = dz[corner]
        dz = last
    N, F = dz.shape[:2]
    image, filters = (zero_padded(x, pads) if padded else x), (spread(dz, stride) if dilated else dz)
    if swapped:
        image, filters = x, zero_padded(filters, pads)
    image = image.reshape(N, groups, 1, -1, *image.shape[2:])
    if channels == "of all groups":
        image = np.broadcast_to(image[:, :1], image.shape)
    filters = filters.reshape(N, groups, F // groups, 1, *filters.shape[2:])
    sums = correlated(filters, image, n) if swapped else correlated(image, filters, n)
    sums = sums.sum(axis=0).reshape(F, -1, *sums.shape[4:])  # (g, F/g, C/g, ...)
    if kernel_dilated and not swapped:
        sums = sums[(..., *(slice(None, None, d) for d in dilation))]
    if size == "of K" and not swapped:
        sums = cut(sums, (0,) * n, weight.shape[2:])
    if channels == "swapped":
        sums = np.swapaxes(sums, 0, 1)
    if result == "rotated":
        return all_flipped(sums, n)
    if result == "as it is":
        return sums
    return None if n != 2 else sums[..., ::-1, :] if result == "upside down" else sums[..., ::-1]


def bias_gradient(dz: Any, inputs: Inputs, *, axes: str = "images and pixels", images: str = "all") -> Any:
    """Formula (2).

    Args:
        axes: over which dZ is summed: "images and pixels", "pixels", "rows", "columns", "images", "all" (one number),
            "all, repeated" (that number for each filter), "images and filters".
        images: "all", "the first", "the last".
    """
    if images != "all":
        dz = dz[:1] if images == "the first" else dz[-1:]
    pixels = tuple(range(2, dz.ndim))
    if axes == "all, repeated":
        return np.broadcast_to(dz.sum(), inputs["bias"].shape)
    if axes == "none":
        return dz
    summed = {
        "images and pixels": (0, *pixels),
        "pixels": pixels,
        "rows": (0, *pixels[:-1]),
        "columns": (0, *pixels[1:]),
        "images": (0,),
        "images and filters": (0, 1),
        "all": (0, 1, *pixels),
    }[axes]
    return dz.sum(axis=summed)


def of_flipped_kernel(rule: Callable[..., Any], is_kernel: bool, dz: Any, inputs: Inputs, **changes: Any) -> Any:
    """The rule of a textbook convolution, from that of a correlation with the flipped kernel."""
    n = dz.ndim - 2
    gradient = rule(dz, {**inputs, "weight": all_flipped(inputs["weight"], n)}, **changes)
    return all_flipped(gradient, n) if is_kernel and gradient is not None else gradient


MISTAKES = (
    Mistake(
        "kernel-not-rotated",
        "The kernel was not rotated: dX is a full correlation of dZ with K rotated by 180 degrees, K[::-1, ::-1].",
        ("x",),
        ({"kernel": "not rotated"},),
    ),
    Mistake(
        "kernel-transposed",
        "The kernel was transposed instead of rotated: K.T mirrors it on the diagonal, but dX needs both axes reversed.",
        ("x",),
        ({"kernel": "transposed"}, {"kernel": "transposed", "size": "as it comes"}),
    ),
    Mistake(
        "kernel-flipped-rows",
        "The kernel was only turned upside down: rotating by 180 degrees reverses the columns too.",
        ("x",),
        ({"kernel": "upside down"},),
    ),
    Mistake(
        "kernel-flipped-columns",
        "The kernel was only flipped left to right: rotating by 180 degrees reverses the rows too.",
        ("x",),
        ({"kernel": "left to right"},),
    ),
    Mistake(
        "valid-instead-of-full",
        "dZ was not zero-padded: a valid correlation leaves out every window that lies only partly on dZ, but each "
        "pixel of X gets a share from all outputs that saw it (a full correlation, kernel - 1 zeros on each side).",
        ("x",),
        ({"full": False, "padding": "cut at the end", "size": "as it comes"}, {"full": False},
         {"full": False, "padding": "cut at the end"}),
    ),
    Mistake(
        "padding-not-taken-off",
        "The padding was not taken off: the gradient of the padded X has to be cut back to X's own pixels.",
        ("x",),
        ({"padding": "kept"}, {"padding": "cut at the end"}),
    ),
    Mistake(
        "padding-forgotten",
        "X was not padded: the kernel saw the zeros around X, so dK correlates the padded X with dZ.",
        ("weight",),
        ({"padded": False}, {"padded": False, "size": "as it comes"}),
    ),
    Mistake(
        "stride-not-dilated",
        "dZ was not dilated by the stride: with stride s, neighbours in dZ belong to windows s pixels apart, so s - 1 "
        "zeros go between them.",
        ("x", "weight"),
        ({"dilated": False}, {"dilated": False, "size": "as it comes"}),
    ),
    Mistake(
        "dilation-ignored",
        "The kernel's dilation was ignored: neighbouring entries of K meet pixels that are the dilation apart.",
        ("x", "weight"),
        ({"kernel_dilated": False}, {"kernel_dilated": False, "size": "as it comes"}),
    ),
    Mistake(
        "remainder-rows-lost",
        "The last rows or columns of X, which no window reached, are missing: their gradient is zero, but they belong "
        "to dX.",
        ("x",),
        ({"size": "as it comes"},),
    ),
    Mistake(
        "remainder-rows-kept",
        "Rows or columns of X that no window reached were correlated too: dK has then more entries than K.",
        ("weight",),
        ({"size": "as it comes"},),
    ),
    Mistake(
        "kernel-gradient-rotated",
        "dK came out rotated by 180 degrees: X is correlated with dZ, not convolved; only dX needs a rotation.",
        ("weight",),
        ({"result": "rotated"},),
    ),
    Mistake(
        "kernel-gradient-flipped",
        "dK came out flipped on one axis: X is correlated with dZ, and nothing is flipped.",
        ("weight",),
        ({"result": "upside down"}, {"result": "left to right"}),
    ),
    Mistake(
        "x-and-dz-swapped",
        "X and dZ changed places: it is X that is padded and dZ that slides over it, dK = X (*) dZ.",
        ("weight",),
        ({"swapped": True},),
    ),
    Mistake(
        "channel-axes-swapped",
        "The channel axes changed places: K is (filter, channel, row, column), so dX[c] sums over the filters f "
        "with K[f, c], and dK[f, c] pairs dZ[f] with X[c].",
        ("x", "weight"),
        ({"channels": "swapped"},),
    ),
    Mistake(
        "groups-mixed",
        "The groups were mixed: a filter sees only the channels of its own group, and only these get its gradient.",
        ("x", "weight"),
        ({"channels": "of all groups"},),
    ),
    Mistake(
        "overwritten-instead-of-added",
        "Overlapping windows overwrote each other: a pixel that several outputs saw sums their shares, += and not =.",
        ("x", "weight"),
        ({"added": "overwritten"}, {"added": "overwritten by filter"}),
    ),
    Mistake(
        "batch-not-summed",
        "Only one image of the batch was used: every image passes through the same parameters, so their gradients add.",
        ("weight", "bias"),
        ({"images": "the first"}, {"images": "the last"}),
    ),
    Mistake(
        "bias-summed-over-too-few-axes",
        "dZ was summed over too few axes: one bias is added to every image and every pixel of its filter.",
        ("bias",),
        tuple({"axes": axes} for axes in ("pixels", "rows", "columns", "images", "none")),
    ),
    Mistake(
        "bias-summed-over-too-many-axes",
        "dZ was summed over the filters too: each filter has a bias of its own.",
        ("bias",),
        tuple({"axes": axes} for axes in ("all", "all, repeated", "images and filters")),
    ),
)

FORMULAS = {
    "x": "(3) dX = zero-padded dZ (dilated by the stride) correlated with K rotated by 180 degrees, the padding taken off",
    "weight": "(1) dK = padded X correlated with dZ (dilated by the stride)",
    "bias": "(2) dB = sum of dZ over images and pixels",
}


def _case(n: int, size: Any, kernel: Any, channels: int = 1, filters: int = 1, batch: int = 1, **options: Any) -> Case:
    """A case with n spatial axes, of the last n sizes given."""
    size, kernel = size[-n:], kernel[-n:]
    options = {name: value[-n:] if isinstance(value, tuple) else value for name, value in options.items()}
    shapes = {
        "x": (batch, channels, *size),
        "weight": (filters, channels // options.get("groups", 1), *kernel),
        "bias": (filters,),
    }
    return Case(shapes, options)


def family(n: int) -> tuple[Case, ...]:
    """One image of one channel with every option, then channels, filters and batches."""
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
        case((3, 5, 6) if not cubes else (2, 4, 5), (1, 2, 2), stride=(1, 1, 2), padding=(1, 0, 1)),
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


def layouts() -> tuple[Layout, ...]:
    """A batch, one image, one channel; the bias of one filter with its axis or without."""
    return (
        Layout("a batch of images"),
        Layout("one image", {"x": 1, "z": 1}),
        Layout("one image of one channel", {"x": 2, "weight": 2, "bias": 1, "z": 2}),
        Layout("one image of one channel, bias (1,)", {"x": 2, "weight": 2, "z": 2}),
    )


def _operation(n: int, name: str, function: Callable[..., Any], flipped: bool) -> Operation:
    rules: dict[str, Callable[..., Any]] = {"x": input_gradient, "weight": kernel_gradient, "bias": bias_gradient}
    formulas, mistakes = FORMULAS, MISTAKES
    if flipped:
        rules = {
            "x": partial(of_flipped_kernel, input_gradient, False),
            "weight": partial(of_flipped_kernel, kernel_gradient, True),
            "bias": bias_gradient,
        }
        formulas = FORMULAS | {
            "x": "(3) dX = zero-padded dZ (dilated by the stride) correlated with K itself: the forward has flipped it",
            "weight": "(1) dK = padded X correlated with dZ (dilated by the stride), flipped as K is in the forward",
        }
    return Operation(
        name=name,
        function=function,
        operands={"x": IMAGE_NAMES, "weight": KERNEL_NAMES, "bias": BIAS_NAMES},
        options=OPTION_NAMES,
        defaults={"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"},
        cases=family(n),
        layouts=layouts(),
        rules=rules,
        formulas=formulas,
        mistakes=mistakes,
    )


OPERATIONS = (
    _operation(2, "conv2d", convolutions.conv2d, flipped=False),
    _operation(2, "convolve2d", convolutions.convolve2d, flipped=True),
    _operation(1, "conv1d", convolutions.conv1d, flipped=False),
    _operation(1, "convolve1d", convolutions.convolve1d, flipped=True),
    _operation(3, "conv3d", convolutions.conv3d, flipped=False),
    _operation(3, "convolve3d", convolutions.convolve3d, flipped=True),
)
