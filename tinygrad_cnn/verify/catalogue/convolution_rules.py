"""The three right rules of a convolution, lecture 14, with their steps as keywords.

With Z = X (*) K + B, stride s, padding p and dilation d:

    (1)  dK = X (*) dZ, the padded X correlated with dZ (dilated by the stride)
    (2)  dB = sum of dZ over images and pixels
    (3)  dX = dZ, dilated by the stride and zero-padded, correlated with K rotated by 180 degrees, the padding taken off
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, reach_of
from tinygrad_cnn.verify.catalogue.blackboard import (
    all_flipped,
    correlated,
    cut,
    part_of_x,
    spread,
    without_last,
    zero_padded,
)
from tinygrad_cnn.verify.catalogue.chain_rule import ones_like

Inputs = Mapping[str, Any]


def geometry(inputs: Inputs) -> tuple[Any, Any, Any]:
    """Stride, padding (pairs) and dilation, one for each spatial axis; a ValueError for a padding that is not zeros."""
    if inputs.get("padding_mode", "zeros") != "zeros":
        raise ValueError(f"conv: the rules are those of zero padding, but the mode is {inputs['padding_mode']!r}")
    size, kernel = inputs["x"].shape[2:], inputs["weight"].shape[2:]
    stride = per_axis("conv", "stride", inputs["stride"], len(size))
    dilation = per_axis("conv", "dilation", inputs["dilation"], len(size))
    padding = padding_pairs("conv", inputs["padding"], size, reach_of(kernel, dilation), stride)
    return stride, padding, dilation


def input_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    kernel: str = "rotated",
    correlation: str = "full",
    dilated: str = "by the stride",
    kernel_dilated: bool = True,
    padding: str = "taken off",
    size: str = "of X",
    channels: str = "own",
    added: str = "everywhere",
    upstream: str = "dZ",
    windows: str = "all",
    result: str = "as it is",
) -> Any:
    """Formula (3).

    Args:
        kernel: see `altered_kernel`.
        correlation: "full", for which dZ is zero-padded; "valid", for which it is not; "same", of which the middle is
            kept in the size of dZ.
        dilated: dZ "by the stride"; "not"; "too far", by s zeros in place of s - 1.
        kernel_dilated: whether the kernel is dilated.
        padding, size: see `part_of_x`.
        channels: "own"; "swapped" reads K[c, f] for K[f, c]; "of all groups" sums all filters into each group; "summed"
            gives each channel the sum over all.
        added: "everywhere"; "overwritten" where windows overlap; "overwritten by filter" also by the next filter; "of
            the last filter".
        upstream: "dZ", or "ones" in its place.
        windows: "all"; "all but the last".
        result: "as it is"; "rotated".
    """
    groups, weight, n = inputs["groups"], inputs["weight"], dz.ndim - 2
    stride, pads, dilation = geometry(inputs)
    dz = altered_upstream(dz, upstream, windows)
    if channels == "swapped":
        weight = _channels_swapped(weight, groups)
    if channels == "summed":
        weight = np.broadcast_to(weight.sum(axis=1, keepdims=True), weight.shape)
    weight = None if weight is None else altered_kernel(weight, kernel)
    if weight is None:
        return None
    step = {"by the stride": stride, "not": (1,) * n, "too far": tuple(s + 1 for s in stride)}[dilated]
    holes = dilation if kernel_dilated else (1,) * n
    reach = reach_of(weight.shape[2:], holes)
    if added in ("overwritten", "overwritten by filter"):
        sums = _overwritten(dz, weight, groups, step, holes, by_filter=added == "overwritten by filter")
    else:
        wide = spread(dz, step)
        if correlation == "full":
            wide = zero_padded(wide, tuple((r - 1, r - 1) for r in reach))
        if correlation == "same":
            wide = zero_padded(wide, tuple((r - 1 - (r - 1) // 2, (r - 1) // 2) for r in reach))
        # (N, g, F/g, 1, ...) with (g, F/g, C/g, ...), summed over the filters of each group
        N, F = wide.shape[:2]
        wide = wide.reshape(N, groups, F // groups, 1, *wide.shape[2:])
        kernels = spread(weight, holes).reshape(groups, F // groups, -1, *reach)
        if added == "of the last filter":
            wide, kernels = wide[:, :, -1:], kernels[:, -1:]
        sums = correlated(wide, kernels, n).sum(axis=2)
    if channels == "of all groups":
        sums = np.broadcast_to(sums.sum(axis=1, keepdims=True), sums.shape)
    sums = sums.reshape(sums.shape[0], -1, *sums.shape[3:])
    gradient = part_of_x(sums, pads, inputs["x"].shape[2:], padding, size)
    return all_flipped(gradient, n) if result == "rotated" else gradient


def altered_upstream(dz: Any, upstream: str, windows: str = "all") -> Any:
    """dZ; ones in its place; or without what the last windows give."""
    dz = dz if upstream == "dZ" else ones_like(dz)
    return dz if windows == "all" else without_last(dz, dz.ndim - 2)


def altered_kernel(weight: Any, kernel: str) -> Any:
    """The kernel that is correlated with dZ; None where this makes no sense.

    Args:
        kernel: "rotated"; "as it is"; of two spatial axes also "transposed", "rotated and transposed", "upside down",
            "left to right", "by 90 degrees", "by -90 degrees"; "flipped on every axis", also of channels; "ones".
    """
    n = weight.ndim - 2
    if kernel == "as it is":
        return weight
    if kernel == "rotated":
        return all_flipped(weight, n)
    if kernel == "flipped on every axis":
        return np.flip(weight)
    if kernel == "ones":
        return ones_like(weight)
    if n != 2:
        return None
    return {
        "transposed": np.swapaxes(weight, -1, -2),
        "rotated and transposed": np.swapaxes(all_flipped(weight, n), -1, -2),
        "upside down": weight[..., ::-1, :],
        "left to right": weight[..., ::-1],
        "by 90 degrees": np.rot90(weight, 1, (2, 3)),
        "by -90 degrees": np.rot90(weight, -1, (2, 3)),
    }[kernel]


def _channels_swapped(weight: Any, groups: int) -> Any:
    return np.swapaxes(weight, 0, 1) if groups == 1 and weight.shape[0] == weight.shape[1] else None


def _overwritten(dz: Any, correlated_with: Any, groups: int, step: Any, holes: Any, by_filter: bool) -> Any:
    """Each window's products written over those of the one before, (N, g, C/g, padded size)."""
    n = dz.ndim - 2
    N, F = dz.shape[:2]
    weight = all_flipped(correlated_with, n).reshape(groups, F // groups, *correlated_with.shape[1:])
    dz = dz.reshape(N, groups, F // groups, *dz.shape[2:])
    reach = reach_of(weight.shape[3:], holes)
    size = tuple(s * (m - 1) + r for s, m, r in zip(step, dz.shape[3:], reach, strict=True))
    result: Any = np.zeros((N, groups, weight.shape[2], *size), dz.dtype)
    kernel = (None,) * (1 + n)
    for f in range(F // groups) if by_filter else [slice(None)]:
        for p in np.ndindex(*dz.shape[3:]):
            window = tuple(slice(s * i, s * i + r, d) for s, i, r, d in zip(step, p, reach, holes, strict=True))
            products = dz[(slice(None), slice(None), f, *p)][(..., *kernel)] * weight[:, f]
            result[(..., *window)] = products if by_filter else products.sum(axis=2)
    return result


def kernel_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    result: str = "as it is",
    operand: str = "X",
    padded: str = "on both sides",
    correlation: str = "valid",
    dilated: str = "by the stride",
    kernel_dilated: bool = True,
    swapped: str = "no",
    size: str = "of K",
    channels: str = "own",
    images: str = "all",
    added: str = "everywhere",
    upstream: str = "dZ",
    windows: str = "all",
) -> Any:
    """Formula (1).

    Args:
        result: "as it is"; "rotated" is a true convolution; "upside down", "left to right"; "flipped on every axis".
        operand: "X", or "ones" in its place.
        padded: X is zero-padded "on both sides"; "not"; "at the end", by what the windows need.
        correlation: "valid"; "full", for which X is zero-padded by the size of dZ.
        dilated: dZ "by the stride"; "not"; "too far", by s zeros in place of s - 1.
        kernel_dilated: whether K's entries are the dilation apart.
        swapped: "no"; "padded dZ" correlates that with X, in place of X with dZ; "dZ" as far as it reaches.
        size: "of K"; "clipped" may be smaller; "as it comes" keeps the rows that X's remainder adds, too.
        channels: "own"; "swapped"; "of all groups" reads the first group's channels for every filter; "all of X" pairs
            each filter with every channel; "summed" gives each channel the sum over those of its group.
        images: "all" are summed; "the first"; "the last"; "kept apart".
        added: "everywhere"; "overwritten" keeps the last pixel's product alone.
        upstream, windows: see `input_gradient`.
    """
    x, weight, groups = inputs["x"], inputs["weight"], inputs["groups"]
    n = x.ndim - 2
    stride, pads, dilation = geometry(inputs)
    dz = altered_upstream(dz, upstream, windows)
    x = x if operand == "X" else ones_like(x)
    if images in ("the first", "the last"):
        only = slice(0, 1) if images == "the first" else slice(-1, None)
        x, dz = x[only], dz[only]
    if added == "overwritten":
        corner = (slice(-1, None), slice(None), *(slice(-1, None),) * n)
        last, dz = dz[corner], np.zeros_like(dz)
        dz[corner] = last
    step = {"by the stride": stride, "not": (1,) * n, "too far": tuple(s + 1 for s in stride)}[dilated]
    filters = spread(dz, step)
    if padded == "at the end":
        pads = tuple((0, before + after) for before, after in pads)
    if swapped == "no":
        image = x if padded == "not" else zero_padded(x, pads)
        if correlation == "full":
            image = zero_padded(image, tuple((m - 1, m - 1) for m in filters.shape[2:]))
    elif swapped == "padded dZ":
        image, filters = zero_padded(filters, pads), x
    else:
        sizes = zip(x.shape[2:], weight.shape[2:], filters.shape[2:], strict=True)
        image, filters = zero_padded(filters, tuple((0, max(m + k - 1 - o, 0)) for m, k, o in sizes)), x
    sums = _paired(image, filters, groups, n, swapped != "no", channels, images)
    if kernel_dilated and swapped == "no":
        sums = sums[(..., *(slice(None, None, d) for d in dilation))]
    if size != "as it comes" and swapped != "padded dZ":
        sums = cut(sums, (0,) * n, weight.shape[2:], size == "of K")
    if channels == "swapped":
        sums = np.swapaxes(sums, -n - 1, -n - 2)
    if channels == "summed":
        sums = np.broadcast_to(sums.sum(axis=-n - 1, keepdims=True), sums.shape)
    return _altered_result(sums, n, result)


def _paired(image: Any, filters: Any, groups: int, n: int, swapped: bool, channels: str, images: str) -> Any:
    """Each channel correlated with each filter of its group: (F, C/g, ...), or (N, F, C/g, ...) kept apart."""
    N, F, C = image.shape[0], (image if swapped else filters).shape[1], (filters if swapped else image).shape[1]
    by_filter, by_channel = (groups, F // groups, 1), (groups, 1, C // groups)
    if channels == "all of X":
        by_channel = (1, 1, C)
    front = (by_filter, by_channel) if swapped else (by_channel, by_filter)
    image, filters = (a.reshape(N, *axes, *a.shape[2:]) for a, axes in zip((image, filters), front, strict=True))
    if channels == "of all groups" and not swapped:
        image = np.broadcast_to(image[:, :1], image.shape)
    sums = correlated(image, filters, n)
    sums = sums.reshape(N, F, -1, *sums.shape[4:])
    return sums if images == "kept apart" else sums.sum(axis=0)


def _altered_result(sums: Any, n: int, result: str) -> Any:
    if result == "as it is":
        return sums
    if result == "rotated":
        return all_flipped(sums, n)
    if result == "flipped on every axis":
        return np.flip(sums)
    return None if n != 2 else sums[..., ::-1, :] if result == "upside down" else sums[..., ::-1]


def bias_gradient(
    dz: Any, inputs: Inputs, *, axes: str = "images and pixels", images: str = "all", upstream: str = "dZ"
) -> Any:
    """Formula (2).

    Args:
        axes: over which dZ is summed: "images and pixels"; "images and pixels, kept" with size 1; "pixels"; "rows";
            "columns"; "images"; "all" (one number); "all, repeated" (that number for each filter); "images and
            filters"; "none"; "none of one image", where there is one.
        images: "all"; "the first"; "the last".
        upstream: see `input_gradient`.
    """
    dz = altered_upstream(dz, upstream)
    if images != "all":
        dz = dz[:1] if images == "the first" else dz[-1:]
    pixels = tuple(range(2, dz.ndim))
    if axes == "all, repeated":
        return np.broadcast_to(dz.sum(), inputs["bias"].shape)
    if axes == "none":
        return dz
    if axes == "none of one image":
        return dz[0] if len(dz) == 1 else None
    if axes == "images and pixels, kept":
        return dz.sum(axis=(0, *pixels), keepdims=True)
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
