"""Pixels taken from the planes of an image, and put into them, by their flat indices: each the transpose of the other.

A plane is one channel of one image. Its pixels are numbered in row-major order, as the indices of a max-pool are.
"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.backend import get_array_module
from tinygrad_cnn.engine import primitive


@primitive(x=lambda G, indices, x_shape: put_pixels(G, indices=indices, size=x_shape[2:]))
def take_pixels(x: Any, *, indices: Any) -> Any:
    """Z[n, c, p] = X[n, c, indices[n, c, p]]; indices (N or 1, C or 1, *out) of x (N, C, *size)."""
    return taken(x, indices)


@primitive(dz=lambda G, indices: take_pixels(G, indices=indices))
def put_pixels(dz: Any, *, indices: Any, size: tuple[int, ...]) -> Any:
    """X[n, c, indices[n, c, p]] += dZ[n, c, p], into zeros of the size."""
    xp = get_array_module(dz)
    batch, channels = dz.shape[:2]
    x = xp.zeros((batch, channels, *size), dtype=dz.dtype)
    planes = xp.arange(batch * channels).reshape(batch, channels, *(1,) * (dz.ndim - 2)) * prod(size)
    xp.add.at(x.reshape(-1), (planes + xp.asarray(indices)).reshape(-1), dz.reshape(-1))
    return x


def taken(x: Any, indices: Any) -> Any:
    """`take_pixels` on plain arrays."""
    xp = get_array_module(x)
    shape = (*x.shape[:2], *indices.shape[2:])
    at = xp.broadcast_to(xp.asarray(indices), shape).reshape(*shape[:2], prod(shape[2:]))
    return xp.take_along_axis(x.reshape(*x.shape[:2], prod(x.shape[2:])), at, axis=2).reshape(shape)
