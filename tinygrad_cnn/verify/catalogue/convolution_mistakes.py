"""What goes wrong in the three rules of a convolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_cnn.verify.catalogue.chain_rule import upstream_missing
from tinygrad_cnn.verify.catalogue.operation import Mistake
from tinygrad_cnn.verify.catalogue.windows import BORDERS

OF_TWO_AXES = (
    "kernel-transposed",
    "kernel-flipped-rows",
    "kernel-flipped-columns",
    "kernel-rotated-by-90-degrees",
    "kernel-gradient-flipped",
)
AS_IT_COMES = {"padding": "kept", "size": "as it comes"}

# Of dX, where formula (3) has the rotated kernel

ROTATED_KERNEL = (
    Mistake(
        "kernel-not-rotated",
        "The kernel was not rotated: dX is a full correlation of dZ with K rotated by 180 degrees, K[::-1, ::-1]. (In "
        "the form that adds dZ[i, j] K to the windows of dX it stays as it is: there rotating it is the mistake.)",
        ("x",),
        ({"kernel": "as it is"},),
    ),
    Mistake(
        "kernel-transposed",
        "The kernel was transposed: K.T mirrors it on the diagonal, but a full correlation needs both axes reversed. "
        "(In the form that adds dZ[i, j] K to the windows of dX, K stays as it is.)",
        ("x",),
        tuple(
            {"kernel": kernel} | size
            for kernel in ("transposed", "rotated and transposed")
            for size in ({}, {"size": "as it comes"})
        ),
    ),
    Mistake(
        "kernel-flipped-rows",
        "The kernel was only turned upside down: rotating by 180 degrees reverses the columns too. (In the form that "
        "adds dZ[i, j] K to the windows of dX it was flipped left to right, and stays as it is.)",
        ("x",),
        ({"kernel": "upside down"},),
    ),
    Mistake(
        "kernel-flipped-columns",
        "The kernel was only flipped left to right: rotating by 180 degrees reverses the rows too. (In the form that "
        "adds dZ[i, j] K to the windows of dX it was turned upside down, and stays as it is.)",
        ("x",),
        ({"kernel": "left to right"},),
    ),
    Mistake(
        "kernel-rotated-by-90-degrees",
        "The kernel was rotated by 90 degrees instead of 180: np.rot90(K) turns it once, np.rot90(K, 2) twice.",
        ("x",),
        tuple({"kernel": f"by {k} degrees"} | size for k in (90, -90) for size in ({}, {"size": "as it comes"})),
    ),
    Mistake(
        "kernel-flipped-on-every-axis",
        "The kernel was flipped on every axis, and so the order of the filters and of the channels too: only its rows "
        "and columns are reversed, K[:, :, ::-1, ::-1].",
        ("x",),
        ({"kernel": "flipped on every axis"},),
    ),
)

KERNEL_GRADIENT = (
    Mistake(
        "kernel-gradient-rotated",
        "dK came out rotated by 180 degrees: X is correlated with dZ, not convolved; only dX needs a rotation.",
        ("weight",),
        ({"result": "rotated"}, {"result": "flipped on every axis"}),
    ),
    Mistake(
        "kernel-gradient-flipped",
        "dK came out flipped on one axis: X is correlated with dZ, and nothing is flipped.",
        ("weight",),
        ({"result": "upside down"}, {"result": "left to right"}),
    ),
)

# Of dX, where the kernel is used as it is

UNROTATED_KERNEL = (
    Mistake(
        "kernel-rotated",
        "The kernel was rotated: here dZ is correlated with K as it is, since the forward already turned it around.",
        ("x",),
        ({"kernel": "rotated"},),
    ),
    Mistake(
        "kernel-transposed",
        "The kernel was transposed: K.T mirrors it on the diagonal, but dX needs K as it is.",
        ("x",),
        ({"kernel": "transposed"}, {"kernel": "transposed", "size": "as it comes"}),
    ),
    Mistake("kernel-flipped-rows", "The kernel was turned upside down, but dX needs K as it is.", ("x",),
            ({"kernel": "upside down"},)),
    Mistake("kernel-flipped-columns", "The kernel was flipped left to right, but dX needs K as it is.", ("x",),
            ({"kernel": "left to right"},)),
    Mistake("kernel-rotated-by-90-degrees", "The kernel was rotated by 90 degrees, but dX needs K as it is.", ("x",),
            tuple({"kernel": f"by {k} degrees"} | size for k in (90, -90) for size in ({}, {"size": "as it comes"}))),
    Mistake("kernel-flipped-on-every-axis", "The kernel was flipped on every axis, but dX needs K as it is.", ("x",),
            ({"kernel": "flipped on every axis"},)),
)  # fmt: skip

FLIPPED_KERNEL_GRADIENT = (
    Mistake(
        "kernel-gradient-not-rotated",
        "dK was not rotated: the forward flips K, so X correlated with dZ is the gradient of the flipped kernel.",
        ("weight",),
        ({"result": "as it is"},),
    ),
    Mistake(
        "kernel-gradient-flipped",
        "dK was flipped on the wrong axes: the forward flips K on its rows and columns, and so its gradient is.",
        ("weight",),
        ({"result": "upside down"}, {"result": "left to right"}, {"result": "flipped on every axis"}),
    ),
)

INPUT = (
    Mistake(
        "valid-instead-of-full",
        "dZ was not zero-padded: a valid correlation leaves out every window that lies only partly on dZ, but each "
        "pixel of X gets a share from all outputs that saw it (a full correlation, kernel - 1 zeros on each side).",
        ("x",),
        (
            {"correlation": "valid", **AS_IT_COMES},
            {"correlation": "valid"},
            {"correlation": "valid", "padding": "at one end"},
        ),
    ),
    Mistake(
        "same-instead-of-full",
        "dZ was correlated in the mode 'same', which keeps the size of dZ; X is larger than dZ, and a full correlation "
        "gives its size.",
        ("x",),
        ({"correlation": "same", **AS_IT_COMES}, {"correlation": "same"}),
    ),
    *BORDERS,
    Mistake(
        "input-gradient-rotated",
        "dX came out rotated by 180 degrees: neither dZ nor the result is rotated.",
        ("x",),
        ({"result": "rotated"},),
    ),
)

REMAINDER_KEPT = Mistake(
    "remainder-rows-not-dropped",
    "Rows or columns of X that no window reached were correlated too: dK has then more entries than K.",
    ("weight",),
    ({"size": "as it comes"},),
)

ANY_OPERAND = (
    Mistake(
        "stride-not-dilated",
        "dZ was not dilated by the stride: with stride s, neighbours in dZ belong to windows s pixels apart, so s - 1 "
        "zeros go between them.",
        ("x", "weight"),
        ({"dilated": "not"}, {"dilated": "not", "size": "as it comes"}, {"dilated": "not", "size": "clipped"}),
    ),
    Mistake(
        "stride-dilated-too-far",
        "Too many zeros were put between the entries of dZ: with stride s it is s - 1 zeros, none for stride 1.",
        ("x", "weight"),
        ({"dilated": "too far"}, {"dilated": "too far", "size": "as it comes"}),
    ),
    Mistake(
        "dilation-ignored",
        "The kernel's dilation was ignored: neighbouring entries of K meet pixels that are the dilation apart.",
        ("x", "weight"),
        ({"kernel_dilated": False}, {"kernel_dilated": False, "size": "as it comes"}),
    ),
    Mistake(
        "channel-axes-swapped",
        "The channel axes changed places: K is (filter, channel, row, column), so dX[c] sums over the filters f "
        "with K[f, c], and dK[f, c] pairs dZ[f] with X[c].",
        ("x", "weight"),
        ({"channels": "swapped"},),
    ),
    Mistake(
        "channels-summed",
        "The channels were summed: every channel of X meets its own part of the kernel and has a gradient of its own.",
        ("x", "weight"),
        ({"channels": "summed"},),
    ),
    Mistake(
        "groups-mixed",
        "The groups were mixed: a filter sees only the channels of its own group, and only these get its gradient.",
        ("x", "weight"),
        ({"channels": "of all groups"},),
    ),
    Mistake(
        "groups-mixed",
        "The groups were mixed: a filter has entries only for the channels of its own group.",
        ("weight",),
        ({"channels": "all of X"},),
    ),
    Mistake(
        "overwritten-instead-of-added",
        "Overlapping windows overwrote each other: a pixel that several outputs saw sums their shares, += and not =.",
        ("x",),
        ({"added": "overwritten"}, {"added": "overwritten by filter"}, {"added": "of the last filter"}),
    ),
    Mistake(
        "overwritten-instead-of-added",
        "Each output overwrote what the one before gave: every entry of K met all windows, and sums their shares, += "
        "and not =.",
        ("weight",),
        ({"added": "overwritten"},),
    ),
    Mistake(
        "last-windows-lost",
        "The last row and column of windows are missing: a loop ends one too early.",
        ("x", "weight"),
        ({"windows": "all but the last"},),
    ),
)


def _averaged(gradient: Any, inputs: Mapping[str, Any]) -> Any:
    z = inputs["z"]
    return gradient * z.shape[1] / z.size


KERNEL = (
    Mistake(
        "padding-forgotten",
        "X was not padded: the kernel saw the zeros around X, so dK correlates the padded X with dZ.",
        ("weight",),
        (
            {"padded": "not"},
            {"padded": "not", "size": "as it comes"},
            {"padded": "not", "size": "clipped"},
            {"padded": "at the end"},
        ),
    ),
    Mistake(
        "full-instead-of-valid",
        "X was zero-padded for a full correlation with dZ: dK is a valid one, whose size is that of K.",
        ("weight",),
        ({"correlation": "full", "size": "as it comes"}, {"correlation": "full"}),
    ),
    Mistake(
        "x-and-dz-swapped",
        "X and dZ changed places: it is X that is padded and dZ that slides over it, dK = X (*) dZ.",
        ("weight",),
        ({"swapped": "padded dZ"}, {"swapped": "dZ"}),
    ),
)

SUMS = (
    Mistake(
        "batch-not-summed",
        "Only one image of the batch was used: every image passes through the same parameters, so their gradients add.",
        ("weight", "bias"),
        ({"images": "the first"}, {"images": "the last"}),
    ),
    Mistake(
        "batch-not-summed",
        "Each image has a gradient of its own: every image passes through the same parameters, so their gradients add.",
        ("weight",),
        ({"images": "kept apart"},),
    ),
    Mistake(
        "averaged-instead-of-summed",
        "A mean was taken over images and pixels: every output adds its share, and dZ has a mean in it already where "
        "the loss takes one.",
        ("weight", "bias"),
        then=_averaged,
    ),
    Mistake(
        "bias-not-summed",
        "dZ was not summed: one bias is added to every image and every pixel of its filter, and so collects them all.",
        ("bias",),
        ({"axes": "none"}, {"axes": "none of one image"}),
    ),
    Mistake(
        "bias-summed-over-too-few-axes",
        "dZ was summed over too few axes: one bias is added to every image and every pixel of its filter.",
        ("bias",),
        tuple({"axes": axes} for axes in ("pixels", "rows", "columns", "images")),
    ),
    Mistake(
        "bias-summed-over-too-many-axes",
        "dZ was summed over the filters too: each filter has a bias of its own.",
        ("bias",),
        tuple({"axes": axes} for axes in ("all", "all, repeated", "images and filters")),
    ),
    Mistake(
        "axis-kept",
        "The axes that were summed over are still there with size 1: dB has the shape of B, without keepdims=True.",
        ("bias",),
        ({"axes": "images and pixels, kept"},),
    ),
)

FACTORS = (
    Mistake(
        "operand-missing",
        "The other factor is missing: Z is a product of X and K, so that dX has K in it, and dK has X.",
        ("x",),
        ({"kernel": "ones"},),
    ),
    Mistake(
        "operand-missing",
        "The other factor is missing: Z is a product of X and K, so that dX has K in it, and dK has X.",
        ("weight",),
        ({"operand": "ones"},),
    ),
    upstream_missing({"upstream": "ones"}, operands=("x", "weight", "bias")),
)

COMMON = (*INPUT, REMAINDER_KEPT, *ANY_OPERAND, *KERNEL, *SUMS, *FACTORS)


def on_axes(mistakes: tuple[Mistake, ...], n: int) -> tuple[Mistake, ...]:
    """Those that can be made with n spatial axes: some are of two."""
    return tuple(mistake for mistake in mistakes if n == 2 or mistake.name not in OF_TWO_AXES)
