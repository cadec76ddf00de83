"""The right rules of max and average pooling, with their steps as keywords.

With the window of output p at s p - padding, its entries the dilation apart:

    max      dX = dZ at each window's winner, added up where windows share an entry
    average  dX = dZ divided by the window's count, at each of its entries, added up
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, reach_of
from tinygrad_cnn.verify.catalogue.blackboard import part_of_x, without_last
from tinygrad_cnn.verify.catalogue.chain_rule import ones_like

Inputs = Mapping[str, Any]
Shares = Callable[[Any, Any, Any], tuple[Any, Any]]


def geometry(inputs: Inputs) -> tuple[Any, Any, Any, Any]:
    """Kernel size, stride, padding (pairs) and dilation, one for each spatial axis."""
    size = inputs["x"].shape[2:]
    kernel = per_axis("pool", "kernel_size", inputs["kernel_size"], len(size))
    stride = kernel if inputs["stride"] is None else per_axis("pool", "stride", inputs["stride"], len(size))
    dilation = per_axis("pool", "dilation", inputs.get("dilation", 1), len(size))
    return kernel, stride, padding_pairs("pool", inputs["padding"], size, reach_of(kernel, dilation), stride), dilation


def poured_back(
    dz: Any,
    inputs: Inputs,
    shares: Shares,
    *,
    added: str = "everywhere",
    stride: str = "own",
    padding: str = "taken off",
    size: str = "of X",
    upstream: str = "dZ",
    windows: str = "all",
) -> Any:
    """What each window gives to its entries, added up for each entry of X.

    Args:
        shares: (values, places, g) -> what each entry gets, (N, C, entries), and whether it gets anything. The values
            are those of X, the places (entries, n) its coordinates, which may lie outside; g is dZ, (N, C, 1).
        added: "everywhere"; "overwritten" by the next window that gives an entry something; "overwritten by windows",
            with their zeros, too.
        stride: "own"; "ignored", window p looked at and written at p; "ignored where it is written"; "of the size of
            the window"; "forgotten", written at the window's coordinates as if it began at 0.
        padding, size: see `part_of_x`.
        upstream: "dZ", or "ones" in its place.
        windows: "all"; "all but the last".
    """
    x, n = inputs["x"], dz.ndim - 2
    kernel, step, pads, dilation = geometry(inputs)
    dz = dz if upstream == "dZ" else ones_like(dz)
    dz = dz if windows == "all" else without_last(dz, n)
    ones = (1,) * n
    seen = np.array({"ignored": ones, "of the size of the window": kernel}.get(stride, step))
    written = {"ignored where it is written": ones, "forgotten": (0,) * n}.get(stride, tuple(seen))
    before = np.array([b for b, _ in pads])
    offsets = np.array([*np.ndindex(*kernel)]).reshape(-1, n) * dilation
    reach = reach_of(kernel, dilation)
    room = tuple(s * max(m - 1, 0) + r for s, m, r in zip(written, dz.shape[2:], reach, strict=True))
    sums = np.zeros((*dz.shape[:2], *room), dz.dtype)
    for p in np.ndindex(*dz.shape[2:]):
        places = offsets + p * seen - before
        values = _entries(x, places)
        given, gets = shares(values, places, dz[(slice(None), slice(None), *p)][..., None])
        at = (slice(None), slice(None), *(offsets + np.multiply(p, written)).T)
        if added == "everywhere":
            sums[at] += given
        else:
            sums[at] = given if added == "overwritten by windows" else np.where(gets, given, sums[at])
    return part_of_x(sums, pads, x.shape[2:], padding, size)


def is_inside(places: Any, size: Any, pads: Any = None) -> Any:
    """Which places (entries, n) lie in an image of that size, or in it and its padding."""
    before, after = zip(*pads, strict=True) if pads else ((0,) * len(size),) * 2
    return ((places >= -np.array(before)) & (places < np.add(size, after))).all(axis=1)


def _entries(x: Any, places: Any) -> Any:
    """X at the places, (N, C, entries); zeros outside of it."""
    inside = is_inside(places, x.shape[2:])
    values = np.zeros((*x.shape[:2], len(places)), x.dtype)
    values[..., inside] = x[(slice(None), slice(None), *places[inside].T)]
    return values


def max_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    winner: str = "largest",
    ties: str = "first",
    border: str = "never wins",
    times: str = "nothing",
    **changes: Any,
) -> Any:
    """dX = dZ at each window's winner.

    Args:
        winner: "largest"; "smallest"; "of the largest magnitude"; "first entry"; "last entry"; "rows and columns
            exchanged", the largest one's place in its window transposed; "of the first channel", and of the "first
            image", where these have theirs; "every entry"; "every entry, in shares".
        ties: which of several winners gets the gradient: "first", "last", "split" among them; "every".
        border: "never wins"; "zero", the padding may win.
        times: dZ times "nothing"; or the winner's "value".
        changes: see `poured_back`.
    """
    x = inputs["x"]
    n = x.ndim - 2
    kernel = geometry(inputs)[0]
    if winner == "rows and columns exchanged" and (n != 2 or kernel[0] != kernel[1]):
        return None

    def shares(values: Any, places: Any, g: Any) -> tuple[Any, Any]:
        inside = np.ones(len(places), bool) if border == "zero" else is_inside(places, x.shape[2:])
        won = np.zeros(values.shape, bool)
        won[..., inside] = _winners(values[..., inside], winner, ties)
        if winner == "rows and columns exchanged":
            won = np.swapaxes(won.reshape(*won.shape[:2], *kernel), 2, 3).reshape(won.shape)
        count = won.sum(axis=-1, keepdims=True).astype(dz.dtype) if ties == "split" else 1
        if winner == "every entry, in shares":
            count = prod(kernel)
        given = np.where(won, g, 0 * g) / np.maximum(count, 1)
        return (given if times == "nothing" else given * values), won

    return poured_back(dz, inputs, shares, **changes)


def _winners(values: Any, winner: str, ties: str) -> Any:
    """Who won, (N, C, entries) of truth values."""
    won = np.zeros(values.shape, bool)
    if winner.startswith("every entry") or not values.shape[-1]:
        return ~won
    if winner in ("first entry", "last entry"):
        won[..., 0 if winner == "first entry" else -1] = True
        return won
    if winner == "of the largest magnitude":
        values = abs(values)
    if winner == "of the first channel":
        values = np.broadcast_to(values[:, :1], values.shape)
    if winner == "of the first image":
        values = np.broadcast_to(values[:1], values.shape)
    best = values.min(axis=-1, keepdims=True) if winner == "smallest" else values.max(axis=-1, keepdims=True)
    won = np.asarray(values == best, bool)
    if ties == "first":
        return won & (won.cumsum(axis=-1) == 1)
    if ties == "last":
        return won & (won[..., ::-1].cumsum(axis=-1)[..., ::-1] == 1)
    return won


def average_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    to: str = "every entry",
    divided: str = "by the window",
    counted: str = "own",
    **changes: Any,
) -> Any:
    """dX = dZ divided by the window's count, at each of its entries.

    Args:
        to: "every entry"; "first entry"; "largest".
        divided: "by the window"; "not"; "by one side"; "by the image", its number of pixels; "by the input", of all
            images and channels; "by the output's pixels"; "by the output", of all images and channels.
        counted: "own", with or without the padding as `count_include_pad` says; "all", what lies outside, too; "pixels"
            of X alone; "pixels and padding".
        changes: see `poured_back`.
    """
    x = inputs["x"]
    kernel, _, pads, _ = geometry(inputs)
    if divided == "by one side" and (len(kernel) == 1 or len(set(kernel)) > 1):
        return None
    fixed = {
        "not": 1,
        "by one side": kernel[0],
        "by the image": prod(x.shape[2:]),
        "by the input": x.size,
        "by the output's pixels": prod(dz.shape[2:]),
        "by the output": dz.size,
    }
    with_padding = inputs["count_include_pad"] if counted == "own" else counted == "pixels and padding"

    def shares(values: Any, places: Any, g: Any) -> tuple[Any, Any]:
        inside = is_inside(places, x.shape[2:])
        count = len(places)
        if counted != "all":
            count = int((is_inside(places, x.shape[2:], pads) if with_padding else inside).sum())
        gets = np.ones(values.shape, bool)
        if to == "first entry":
            gets[..., 1:] = False
        if to == "largest":
            gets[:] = False
            gets[..., inside] = _winners(values[..., inside], "largest", "first")
        return np.where(gets, g, 0 * g) / max(fixed.get(divided, count), 1), gets

    return poured_back(dz, inputs, shares, **changes)


def global_average_gradient(dz: Any, inputs: Inputs, **changes: Any) -> Any:
    """dX = dZ divided by the number of pixels: the average of one window, the image; dZ is (N, C) or (N, C, 1, 1)."""
    x = inputs["x"]
    window = {"kernel_size": x.shape[2:], "stride": None, "padding": 0, "dilation": 1, "count_include_pad": True}
    return average_gradient(dz.reshape(*x.shape[:2], *(1,) * (x.ndim - 2)), {"x": x, **window}, **changes)
