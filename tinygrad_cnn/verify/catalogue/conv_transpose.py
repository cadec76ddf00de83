"""Transposed convolutions: their three rules with the steps as keywords, and what goes wrong in them.

With Z[s i + d k - p] += X[i] K[k], then + B (Dumoulin and Visin 2016, chapter 4):

    dX = dZ, zero-padded by p, correlated with K as it is, at every s-th place
    dK = dZ, zero-padded by p, correlated with X (dilated by the stride)
    dB = sum of dZ over images and pixels
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.primitives import conv_transpose as transposed
from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, reach_of
from tinygrad_cnn.verify.catalogue import convolution, convolution_mistakes, convolution_rules
from tinygrad_cnn.verify.catalogue.blackboard import all_flipped, correlated, cut, spread, zero_padded
from tinygrad_cnn.verify.catalogue.chain_rule import ones_like
from tinygrad_cnn.verify.catalogue.convolution_rules import Inputs, altered_kernel, altered_upstream, bias_gradient
from tinygrad_cnn.verify.catalogue.operation import Case, Mistake, Operation


def geometry(inputs: Inputs) -> tuple[Any, Any, Any]:
    """Stride, what is taken off the output (pairs) and dilation, one for each spatial axis."""
    size, kernel = inputs["x"].shape[2:], inputs["weight"].shape[2:]
    stride = per_axis("conv_transpose", "stride", inputs["stride"], len(size))
    dilation = per_axis("conv_transpose", "dilation", inputs["dilation"], len(size))
    reach = reach_of(kernel, dilation)
    if inputs["padding"] == "same":  # an output of size times stride
        off = [max(r - s, 0) for r, s in zip(reach, stride, strict=True)]
        return stride, tuple((o // 2, o - o // 2) for o in off), dilation
    return stride, padding_pairs("conv_transpose", inputs["padding"], size, reach, stride), dilation


def input_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    kernel: str = "as it is",
    padded: str = "by the padding",
    stride: str = "own",
    kernel_dilated: bool = True,
    size: str = "of X",
    channels: str = "own",
    added: str = "everywhere",
    upstream: str = "dZ",
    result: str = "as it is",
) -> Any:
    """dX[n, c, i] = sum over f, k of dZ[n, f, s i + d k - p] K[c, f, k].

    Args:
        kernel: see `altered_kernel`.
        padded: dZ is zero-padded "by the padding" that the forward took off; "not"; "full" by the kernel's reach - 1;
            "full, less the padding", as in a convolution.
        stride: "own"; "ignored"; "dilated" spreads dZ, as in a convolution.
        kernel_dilated: whether the kernel is dilated.
        size: "of X"; "clipped" may be smaller; "as it comes" larger, too.
        channels: "own"; "swapped" reads K[f, c] for K[c, f]; "of all groups"; "summed" gives each channel the sum over
            those of its group.
        added: "everywhere"; "of the last filter"; "of the last entry" of the kernel in it.
        upstream: "dZ", or "ones" in its place.
        result: "as it is"; "rotated".
    """
    groups, weight, n = inputs["groups"], inputs["weight"], dz.ndim - 2
    steps, pads, dilation = geometry(inputs)
    dz = altered_upstream(dz, upstream)
    weight = altered_kernel(weight, kernel)
    if channels == "swapped" and weight is not None:
        weight = np.swapaxes(weight, 0, 1) if groups == 1 and weight.shape[0] == weight.shape[1] else None
    if weight is None:
        return None
    holes = dilation if kernel_dilated else (1,) * n
    reach = reach_of(weight.shape[2:], holes)
    if padded == "full":
        pads = tuple((r - 1, r - 1) for r in reach)
    elif padded == "full, less the padding":
        pads = tuple((r - 1 - a, r - 1 - b) for r, (a, b) in zip(reach, pads, strict=True))
        if min(map(min, pads)) < 0:
            return None
    wide = spread(dz, steps) if stride == "dilated" else dz
    wide = wide if padded == "not" else zero_padded(wide, pads)
    # (N, g, 1, F/g, ...) with (g, C/g, F/g, ...), summed over the filters of each group
    N, F = wide.shape[:2]
    C, per_group = weight.shape[:2]
    wide = wide.reshape(N, groups, 1, F // groups, *wide.shape[2:])
    kernels = spread(weight, holes).reshape(groups, C // groups, per_group, *reach)
    if added != "everywhere":
        wide, kernels = wide[:, :, :, -1:], kernels[:, :, -1:]
    if added == "of the last entry":
        last = (..., *(slice(-1, None),) * n)
        corner, kernels = kernels[last], np.zeros_like(kernels)
        kernels[last] = corner
    if channels == "of all groups":
        wide = np.broadcast_to(wide.sum(axis=1, keepdims=True), wide.shape)
    sums = correlated(wide, kernels, n).sum(axis=3)
    if channels == "summed":
        sums = np.broadcast_to(sums.sum(axis=2, keepdims=True), sums.shape)
    sums = sums.reshape(N, C, *sums.shape[3:])
    if stride == "own":
        sums = sums[(..., *(slice(None, None, s) for s in steps))]
    if size != "as it comes":
        sums = cut(sums, (0,) * n, inputs["x"].shape[2:], size == "of X")
    return all_flipped(sums, n) if result == "rotated" else sums


def kernel_gradient(
    dz: Any, inputs: Inputs, *, upstream: str = "dZ", operand: str = "X", **changes: Any
) -> Any:
    """dK[c, f, k] = sum over n, i of X[n, c, i] dZ[n, f, s i + d k - p].

    It is the convolution's rule with X and dZ in each other's place: the output is what a convolution would have seen.

    Args:
        upstream: "dZ", or "ones" in its place.
        operand: "X", or "ones" in its place.
        changes: see `convolution_rules.kernel_gradient`.
    """
    x = inputs["x"] if operand == "X" else ones_like(inputs["x"])
    stride, pads, dilation = geometry(inputs)
    seen = {"x": altered_upstream(dz, upstream), "weight": inputs["weight"], "groups": inputs["groups"]}
    seen |= {"stride": stride, "padding": pads, "dilation": dilation}
    return convolution_rules.kernel_gradient(x, seen, **changes)


AS_IT_COMES = {"size": "as it comes"}

MISTAKES = (
    Mistake(
        "remainder-rows-not-dropped",
        "Rows or columns that are the output padding's were correlated too: dK has then more entries than K.",
        ("weight",),
        (AS_IT_COMES,),
    ),
    Mistake(
        "stride-ignored",
        "The stride was ignored: pixel i of X stamped its kernel on the window of Z that begins at s i, and collects "
        "from there.",
        ("x",),
        ({"stride": "ignored"}, {"stride": "ignored", **AS_IT_COMES}),
    ),
    Mistake(
        "stride-ignored",
        "The stride was ignored: the windows of dZ that X's neighbours meet are s pixels apart, as if X had s - 1 "
        "zeros in between.",
        ("weight",),
        ({"dilated": "not"}, {"dilated": "not", **AS_IT_COMES}),
    ),
    Mistake(
        "stride-dilated",
        "dZ was dilated by the stride: that is a convolution's rule; here dZ is the large one, and every s-th place of "
        "the correlation is taken.",
        ("x",),
        ({"stride": "dilated"}, {"stride": "dilated", **AS_IT_COMES}),
    ),
    Mistake(
        "rule-of-convolution",
        "That is the rule of a convolution: a transposed convolution is the other direction, and its dX is the plain "
        "correlation of dZ with K at the stride.",
        ("x",),
        (
            {"kernel": "rotated", "stride": "dilated", "padded": "full, less the padding", **AS_IT_COMES},
            {"kernel": "rotated", "stride": "dilated", "padded": "full, less the padding"},
        ),
    ),
    Mistake(
        "dilation-ignored",
        "The kernel's dilation was ignored: neighbouring entries of K meet pixels of Z that are the dilation apart.",
        ("x", "weight"),
        ({"kernel_dilated": False}, {"kernel_dilated": False, **AS_IT_COMES}),
    ),
    Mistake(
        "padding-forgotten",
        "dZ was not zero-padded: the forward took the padding off the output, and the stamps reach over it.",
        ("x", "weight"),
        (
            {"padded": "not"},
            {"padded": "not", **AS_IT_COMES},
            {"padded": "not", "size": "clipped"},
        ),
    ),
    Mistake(
        "padding-forgotten",
        "dZ was not zero-padded on both sides: the forward took the padding off the output, and the stamps reach over "
        "it.",
        ("weight",),
        ({"padded": "at the end"},),
    ),
    Mistake(
        "full-instead-of-valid",
        "dZ was zero-padded for a full correlation: here it is a valid one, of dZ padded by no more than the forward "
        "took off.",
        ("x",),
        (
            {"padded": "full", **AS_IT_COMES},
            {"padded": "full"},
            {"padded": "full, less the padding", **AS_IT_COMES},
            {"padded": "full, less the padding"},
        ),
    ),
    Mistake(
        "full-instead-of-valid",
        "dZ was zero-padded for a full correlation with X: dK is a valid one, whose size is that of K.",
        ("weight",),
        ({"correlation": "full", **AS_IT_COMES}, {"correlation": "full"}),
    ),
    Mistake(
        "channel-axes-swapped",
        "The channel axes changed places: K is (channel of X, filter, row, column), so dX[c] sums over the filters f "
        "with K[c, f], and dK[c, f] pairs X[c] with dZ[f].",
        ("x", "weight"),
        ({"channels": "swapped"},),
    ),
    Mistake(
        "channels-summed",
        "The channels were summed: every pair of a channel and a filter has a kernel of its own.",
        ("x", "weight"),
        ({"channels": "summed"},),
    ),
    Mistake(
        "groups-mixed",
        "The groups were mixed: a channel meets only the filters of its own group, and only these give it a gradient.",
        ("x", "weight"),
        ({"channels": "of all groups"},),
    ),
    Mistake(
        "groups-mixed",
        "The groups were mixed: a channel has entries only for the filters of its own group.",
        ("weight",),
        ({"channels": "all of X"},),
    ),
    Mistake(
        "overwritten-instead-of-added",
        "Each product overwrote the one before: a pixel of X sums over the kernel's entries and the filters, += and "
        "not =.",
        ("x",),
        ({"added": "of the last filter"}, {"added": "of the last entry"}),
    ),
    Mistake(
        "overwritten-instead-of-added",
        "Each pixel overwrote what the one before gave: every entry of K was stamped by all pixels of X, and sums "
        "their shares, += and not =.",
        ("weight",),
        ({"added": "overwritten"},),
    ),
    Mistake(
        "last-windows-lost",
        "The last row and column of X are missing: a loop ends one too early.",
        ("weight",),
        ({"windows": "all but the last"},),
    ),
    Mistake(
        "x-and-dz-swapped",
        "X and dZ changed places: it is dZ, the large one, over which X slides.",
        ("weight",),
        ({"swapped": "padded dZ"}, {"swapped": "dZ"}),
    ),
    Mistake(
        "input-gradient-rotated",
        "dX came out rotated by 180 degrees: neither dZ nor the result is rotated.",
        ("x",),
        ({"result": "rotated"},),
    ),
)  # fmt: skip

FORMULAS = {
    "x": "dX = dZ (zero-padded by what the forward took off) correlated with K as it is, at every stride-th place",
    "weight": "dK = zero-padded dZ correlated with X (dilated by the stride)",
    "bias": "dB = sum of dZ over images and pixels",
}


def _case(n: int, size: Any, kernel: Any, channels: int = 1, filters: int = 1, batch: int = 1, **options: Any) -> Case:
    """A case with n spatial axes, of the last n sizes given."""
    shapes = {
        "x": (batch, channels, *size[-n:]),
        "weight": (channels, filters // options.get("groups", 1), *kernel[-n:]),
        "bias": (filters,),
    }
    return Case(shapes, options)


def family(n: int) -> tuple[Case, ...]:
    """One image of one channel with every option, an integer, then channels, filters and batches."""
    case = partial(_case, n)
    return (
        case((1, 2, 2), (2, 2, 2)),
        case((2, 2, 3), (1, 1, 2)),
        case((1, 1, 2), (1, 1, 1)),
        case((2, 3, 2), (2, 2, 3)),
        case((2, 2, 2), (2, 2, 2), stride=2),
        case((1, 2, 3), (2, 3, 3), stride=2),
        case((1, 3, 2), (1, 1, 2), stride=3),
        case((2, 3, 3), (2, 2, 2), padding=1),
        case((1, 2, 3), (3, 3, 3), padding=1),
        case((2, 3, 3), (3, 3, 3), stride=2, padding=1),
        case((1, 2, 3), (3, 4, 3), stride=3, padding=1),
        case((2, 2, 2), (2, 2, 2), stride=2, output_padding=1),
        case((1, 2, 3), (3, 3, 3), stride=2, padding=1, output_padding=1),
        case((1, 2, 2), (2, 2, 2), dilation=2),
        case((1, 2, 3), (2, 2, 3), stride=2, padding=1, dilation=2),
        case((1, 2, 2), (1, 2, 2), channels=2, filters=2),
        case((1, 2, 3), (1, 2, 2), channels=2, filters=3),
        case((1, 2, 2), (3, 3, 2), channels=3, filters=2, stride=2, padding=1),
        case((1, 2, 2), (1, 2, 2), channels=2, filters=2, batch=2),
        case((1, 2, 3), (1, 2, 2), channels=2, filters=1, batch=3, stride=2),
        case((1, 2, 2), (1, 2, 2), channels=4, filters=4, batch=2, groups=2),
        case((1, 2, 2), (1, 2, 2), channels=2, filters=4, groups=2, stride=2),
    )


def _operation(n: int, name: str, function: Callable[..., Any]) -> Operation:
    mistakes = (
        *convolution_mistakes.UNROTATED_KERNEL,
        *convolution_mistakes.KERNEL_GRADIENT,
        *MISTAKES,
        *convolution_mistakes.SUMS,
        *convolution_mistakes.FACTORS,
    )
    return Operation(
        name=name,
        function=function,
        operands={"x": convolution.IMAGE_NAMES, "weight": convolution.KERNEL_NAMES, "bias": convolution.BIAS_NAMES},
        options={
            "stride": convolution.STRIDE_NAMES,
            "padding": convolution.PADDING_NAMES,
            "output_padding": ("out_pad", "output_pad", "op", "extra"),
            "groups": convolution.GROUP_NAMES,
            "dilation": convolution.DILATION_NAMES,
        },
        defaults={"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1},
        cases=family(n),
        layouts=convolution.layouts(n),
        rules={"x": input_gradient, "weight": kernel_gradient, "bias": bias_gradient},
        formulas=FORMULAS,
        mistakes=convolution_mistakes.on_axes(mistakes, n),
    )


OPERATIONS = (
    _operation(2, "conv_transpose2d", transposed.conv_transpose2d),
    _operation(1, "conv_transpose1d", transposed.conv_transpose1d),
    _operation(3, "conv_transpose3d", transposed.conv_transpose3d),
)
