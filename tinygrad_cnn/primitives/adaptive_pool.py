"""Adaptive pooling: the output's size is given, and the regions follow from it. Global pooling: one region, the image.

With n pixels on an axis and m outputs, region p reaches from floor(p n / m) to ceil((p + 1) n / m): regions have
about n / m pixels, cover the image, and share pixels where m does not divide n.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import axis_map, sums
from tinygrad_cnn.kernels.axis_map import AxisMap
from tinygrad_cnn.kernels.reference import lowest
from tinygrad_cnn.primitives.arguments import check_ties, per_axis, spatial_shape
from tinygrad_cnn.primitives.pixels import put_pixels, taken
from tinygrad_cnn.primitives.reduction import max, mean
from tinygrad_cnn.primitives.shape import reshape


def bounds(n: int, m: int) -> list[tuple[int, int]]:
    """Where each of m regions of n pixels starts and ends: floor(p n / m), ceil((p + 1) n / m).

    >>> bounds(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(p * n // m, -(-(p + 1) * n // m)) for p in range(m)]


# The mean: a sum over each region, divided by its number of pixels


@lru_cache(maxsize=512)
def regions(n: int, m: int) -> AxisMap:
    """The sums over m regions of n pixels."""
    return AxisMap(n, tuple(tuple((i, 1) for i in range(start, end)) for start, end in bounds(n, m)))


@primitive(x=lambda dz, maps: share_among_regions(dz, maps=maps))
def mean_of_regions(x: Any, *, maps: tuple[AxisMap, ...]) -> Any:
    """Z[n,c,p] = the sum of X over region p / its number of pixels."""
    x = x.astype(np.float64) if x.dtype.kind in "biu" else x
    total = sums.sum(x, _spatial(x, maps), True) if _are_whole(maps) else axis_map.apply(maps, x)
    return total / _counts(total, maps)


@primitive(dz=lambda G, maps: mean_of_regions(G, maps=maps))
def share_among_regions(dz: Any, *, maps: tuple[AxisMap, ...]) -> Any:
    """dX[n,c,i] = the sum of dZ[n,c,p] / the number of pixels of p over the regions p that hold i."""
    share = dz / _counts(dz, maps)
    if _are_whole(maps):
        shape = (*dz.shape[: dz.ndim - len(maps)], *(each.size for each in maps))
        return get_array_module(dz).broadcast_to(share, shape)
    return axis_map.apply(axis_map.transposed(maps), share)


def _are_whole(maps: tuple[AxisMap, ...]) -> bool:
    """Whether there is one region, the image."""
    return all(len(each.rows) == 1 for each in maps)


def _spatial(x: Any, maps: tuple[AxisMap, ...]) -> tuple[int, ...]:
    """The axes that the maps are for."""
    return tuple(range(x.ndim - len(maps), x.ndim))


def _counts(like: Any, maps: tuple[AxisMap, ...]) -> Any:
    """The number of pixels of each region, (*out), in the dtype and on the device of an array."""
    counts: Any = np.ones((), dtype=np.int64)
    for each in maps:
        counts = counts[..., None] * [len(row) for row in each.rows]
    return get_array_module(like).asarray(counts.astype(like.dtype))


# The maximum over regions that are listed pixel by pixel


def plane_indices(entries: Sequence[Any], size: tuple[int, ...]) -> Any:
    """The pixels of each region, (N or 1, C or 1, *out, entries), as flat indices into a plane; -1 fills up.

    Args:
        entries: for each spatial axis, the places of each region on it: (N or 1, C or 1, out, entries); -1 fills up.
        size: the plane's size on each axis.
    """
    n = len(size)
    flat: Any = 0
    is_pixel: Any = True
    for axis, (places, pixels) in enumerate(zip(entries, size, strict=True)):
        *planes, out, count = places.shape
        shape = [*planes, *(1,) * 2 * n]
        shape[2 + axis], shape[2 + n + axis] = out, count
        places = places.reshape(shape)
        flat, is_pixel = flat * pixels + places, is_pixel & (places >= 0)
    table = np.where(is_pixel, flat, -1)
    return table.reshape(*table.shape[: 2 + n], prod(table.shape[2 + n :]))


@lru_cache(maxsize=64)
def _adaptive_table(size: tuple[int, ...], out: tuple[int, ...]) -> Any:
    """The pixels of each region of an adaptive pooling, as `plane_indices`."""
    entries = []
    for n, m in zip(size, out, strict=True):
        starts, ends = np.array(bounds(n, m)).T[..., None]
        places = starts + np.arange((ends - starts).max())
        entries.append(np.where(places < ends, places, -1)[None, None])
    table = plane_indices(entries, size)
    table.flags.writeable = False
    return table


def _winning(x: Any, table: Any) -> tuple[Any, Any]:
    """Which pixels of each region are its largest, and all of its pixels; a NaN is above all, a filling below."""
    xp = get_array_module(x)
    table = xp.asarray(table)
    inside = table >= 0
    values = xp.where(inside, taken(x, xp.where(inside, table, 0)), lowest(x))
    nan = values != values
    largest = (values == values.max(axis=-1, keepdims=True)) & inside
    return nan | (largest & ~nan.any(axis=-1, keepdims=True)), table


def _first_winners(won: Any, table: Any) -> Any:
    """The flat index of the first winner of each region, (N, C, *out)."""
    xp = get_array_module(won)
    return xp.take_along_axis(xp.broadcast_to(table, won.shape), won.argmax(axis=-1)[..., None], axis=-1)[..., 0]


@primitive(
    auxiliary=["indices"],
    x=lambda dZ, indices, x_shape: put_pixels(dZ, indices=indices, size=x_shape[2:]),
)
def max_of_regions(x: Any, *, table: Any) -> Any:
    """Z[n,c,p] = the largest X[n,c,i] over the pixels i that the table lists for region p, and the first such i."""
    indices = _first_winners(*_winning(x, table))
    return taken(x, indices), indices


def _dx_split(dZ: Any, shares: Any, table: Any, x_shape: Any) -> Any:
    """Each region's gradient in equal shares to all pixels that won it."""
    each = reshape(dZ, (*shape_of(dZ), 1)) * shares
    return put_pixels(each, indices=np.where(table >= 0, table, 0), size=x_shape[2:])


@primitive(auxiliary=["shares"], x=_dx_split)
def max_of_regions_split(x: Any, *, table: Any) -> Any:
    """As `max_of_regions`, with each pixel's share of its region's gradient: 1 / the number of winners, or 0."""
    won, on_device = _winning(x, table)
    count = won.sum(axis=-1, keepdims=True)
    exact = np.frompyfunc(lambda m: Fraction(1, int(m)), 1, 1)
    shares = won * exact(count) if is_object(x) else won / count.astype(x.dtype)
    return taken(x, _first_winners(won, on_device)), shares


@primitive()
def indices_of_winners(x: Any, *, table: Any) -> Any:
    """The first largest pixel of each region, as a flat index into its plane."""
    return _first_winners(*_winning(x, table))


def max_over_table(x: Any, table: Any, ties: str, return_indices: bool) -> Any:
    """The maximum over listed regions, with its indices where they are asked for."""
    z = (max_of_regions if ties == "first" else max_of_regions_split)(x, table=table)
    return (z, indices_of_winners(x, table=table)) if return_indices else z


# The public functions


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """The mean of each of H' x W' regions that cover the image, whatever its size.

    Args:
        x: images (N, C, H, W).
        output_size: (H', W'), or an integer for both; None on an axis keeps its size.

    Returns:
        (N, C, H', W'). Region p of an axis reaches from floor(p H / H') to ceil((p + 1) H / H').

    Backward: each pixel gets dZ / (the number of pixels) of every region that holds it.

    Raises:
        ValueError: wrong numbers of axes, an image without pixels, an output size below 1.
        TypeError: an output size that is no integer.

    >>> import tinygrad_cnn as tg
    >>> tg.adaptive_avg_pool2d(tg.tensor([[[[1.0, 2.0, 3.0, 4.0, 5.0]]]]), (1, 3)).tolist()
    [[[[1.5, 3.0, 4.5]]]]
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """Adaptive average pooling over one axis: x (N, C, W). Everything else as `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Any) -> Any:
    """Adaptive average pooling over three axes: x (N, C, D, H, W). Everything else as `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool2d(x: Any, output_size: Any, return_indices: bool = False, ties: str = "first") -> Any:
    """The largest pixel of each of H' x W' regions that cover the image, whatever its size.

    Args:
        x: images (N, C, H, W).
        output_size: (H', W'), or an integer for both; None on an axis keeps its size.
        return_indices: also return where the first winner of each region lies, as a flat index into its plane.
        ties: who gets the gradient when several pixels are largest: "first", the first in row-major order (as
            PyTorch), or "split", all of them in equal shares.

    Returns:
        (N, C, H', W'), or a pair of it and the indices. The regions are those of `adaptive_avg_pool2d`. NaN wins.

    Raises:
        ValueError: wrong numbers of axes, an image without pixels, an output size below 1, other `ties`.
        TypeError: an output size that is no integer.

    >>> import tinygrad_cnn as tg
    >>> z, indices = tg.adaptive_max_pool2d(tg.tensor([[[[1.0, 2.0, 3.0, 4.0, 1.0]]]]), (1, 3), return_indices=True)
    >>> z.tolist(), indices.tolist()
    ([[[[2.0, 4.0, 4.0]]]], [[[[1, 3, 3]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices, ties)


def adaptive_max_pool1d(x: Any, output_size: Any, return_indices: bool = False, ties: str = "first") -> Any:
    """Adaptive max pooling over one axis: x (N, C, W). Everything else as `adaptive_max_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices, ties)


def adaptive_max_pool3d(x: Any, output_size: Any, return_indices: bool = False, ties: str = "first") -> Any:
    """Adaptive max pooling over three axes: x (N, C, D, H, W). Everything else as `adaptive_max_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, x, output_size, return_indices, ties)


def global_avg_pool(x: Any, keepdims: bool = False) -> Any:
    """The mean of each channel over all its pixels: (N, C, *size) to (N, C), for any number of spatial axes.

    Lin, Chen, Yan, "Network in network" (2014), section 3.2, put it in place of the fully connected layers.

    Args:
        x: (N, C, *size).
        keepdims: leave the spatial axes in place with size 1.

    Raises:
        ValueError: no spatial axis, or no pixel.

    >>> import tinygrad_cnn as tg
    >>> tg.global_avg_pool(tg.tensor([[[[1.0, 3.0], [2.0, 6.0]]]])).tolist()
    [[3.0]]
    """
    return mean(x, axis=_spatial_axes("global_avg_pool", x), keepdims=keepdims)


def global_max_pool(x: Any, keepdims: bool = False, ties: str = "first") -> Any:
    """The largest pixel of each channel: (N, C, *size) to (N, C). `ties` as `max_pool2d`, else as `global_avg_pool`.

    >>> import tinygrad_cnn as tg
    >>> tg.global_max_pool(tg.tensor([[[[1.0, 3.0], [2.0, 6.0]]]])).tolist()
    [[6.0]]
    """
    check_ties("global_max_pool", ties)
    return max(x, axis=_spatial_axes("global_max_pool", x), keepdims=keepdims, ties=ties)


def _adaptive_avg_pool(operation: str, n: int, x: Any, output_size: Any) -> Any:
    size, out = _sizes(operation, n, x, output_size)
    return mean_of_regions(x, maps=tuple(map(regions, size, out)))


def _adaptive_max_pool(operation: str, n: int, x: Any, output_size: Any, return_indices: bool, ties: str) -> Any:
    check_ties(operation, ties)
    return max_over_table(x, _adaptive_table(*_sizes(operation, n, x, output_size)), ties, return_indices)


def _sizes(operation: str, n: int, x: Any, output_size: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The size of x and of the output."""
    size = spatial_shape(operation, "x", shape_of(x), n)
    if 0 in size:
        raise ValueError(f"{operation}: x must have at least one pixel but its size is {size}")
    given = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * n
    if len(given) == n:
        given = tuple(m if k is None else k for k, m in zip(given, size, strict=True))
    return size, per_axis(operation, "output_size", given, n)


def _spatial_axes(operation: str, x: Any) -> tuple[int, ...]:
    shape = shape_of(x)
    if len(shape) < 3 or 0 in shape[2:]:
        raise ValueError(f"{operation}: x must have at least one pixel and axes (N, C, *size) but its shape is {shape}")
    return tuple(range(2, len(shape)))
