"""The product of two arrays, summed over axes that they share, as one matrix product, in any arithmetic."""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.kernels import dispatch


def contract(x: Any, y: Any, x_axes: str, y_axes: str, z_axes: str) -> Any:
    """z over the letters `z_axes`: the sum of x y over the letters that are not among them.

    Each letter names an axis and stands in two at least of the three; an axis has one size wherever it stands.
    """
    summed = [letter for letter in x_axes if letter in y_axes and letter not in z_axes]
    if not summed:
        return _spread(x, x_axes, z_axes) * _spread(y, y_axes, z_axes)
    batch = [letter for letter in x_axes if letter in y_axes and letter in z_axes]
    rows = [letter for letter in x_axes if letter not in y_axes]
    columns = [letter for letter in y_axes if letter not in x_axes]
    left, right = _matrices(x, x_axes, batch, rows, summed), _matrices(y, y_axes, batch, summed, columns)
    z = left @ right if batch else dispatch.matmul(left, right)
    sizes = dict(zip(x_axes + y_axes, x.shape + y.shape, strict=True))
    order = [*batch, *rows, *columns]
    z = z.reshape([sizes[letter] for letter in order])
    return z.transpose([order.index(letter) for letter in z_axes])[()]


def _matrices(x: Any, axes: str, batch: list[str], rows: list[str], columns: list[str]) -> Any:
    """x as a matrix, or one for each place of the batch, whose rows and columns take the axes together."""
    x = x.transpose([axes.index(letter) for letter in (*batch, *rows, *columns)])
    first, second = len(batch), len(batch) + len(rows)
    parts = [x.shape[:first]] if batch else []
    return x.reshape([prod(sizes) for sizes in (*parts, x.shape[first:second], x.shape[second:])])


def _spread(x: Any, axes: str, wanted: str) -> Any:
    """x with its axes in the wanted order and, where it has none, one of size 1; a number is left as it is."""
    if not axes:
        return x
    x = x.transpose([axes.index(letter) for letter in wanted if letter in axes])
    sizes = iter(x.shape)
    return x.reshape([next(sizes) if letter in axes else 1 for letter in wanted])
