"""Picking elements by their places: index arrays along an axis, diagonals, triangles.

A gradient is added where its element came from, so that an element picked twice gets both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, shape_of
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.modes import observed
from tinygrad_cnn.primitives.arguments import axis_of, integer
from tinygrad_cnn.primitives.elementwise import where
from tinygrad_cnn.primitives.shape import getitem, moveaxis, ravel, scatter


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at these indices along an axis: x[..., indices, ...]; without an axis, of the flattened tensor.

    Args:
        x: any shape.
        indices: integers of any shape, negative ones from the end; their axes take the place of x's.
        axis: an axis of x, or None.

    Raises:
        ValueError: an axis that is not there.
        TypeError: indices that are no integers.
        IndexError: an index out of bounds (on a GPU only where the indices come from the host: CuPy wraps its own).

    >>> import tinygrad_cnn as tg
    >>> tg.take(tg.tensor([[1, 2, 3], [4, 5, 6]]), [2, 0, 2], axis=1).tolist()
    [[3, 1, 3], [6, 4, 6]]
    """
    if axis is None:
        x, axis = ravel(x), 0
    shape = shape_of(x)
    axis = axis_of("take", axis, len(shape))
    return getitem(x, (*(slice(None),) * axis, _indices("take", x, indices, shape[axis])))


def take_along_axis(x: Any, indices: Any, axis: int | None) -> Any:
    """For each row along an axis the elements at its own indices: z[i, j] = x[i, indices[i, j]] for axis 1.

    It goes with `argmax` and with NumPy's `argsort`.

    Args:
        x: any shape.
        indices: integers with as many axes; the axes besides `axis` broadcast against x's.
        axis: an axis of x, or None for the flattened tensor.

    Raises:
        ValueError: an axis that is not there, indices of another number of axes or that do not broadcast.
        TypeError: indices that are no integers.
        IndexError: an index out of bounds, as `take`.

    >>> import tinygrad_cnn as tg
    >>> tg.take_along_axis(tg.tensor([[10, 20], [30, 40]]), [[1], [0]], axis=1).tolist()
    [[20], [30]]
    """
    if axis is None:
        x, axis = ravel(x), 0
    shape = shape_of(x)
    axis = axis_of("take_along_axis", axis, len(shape))
    indices = _indices("take_along_axis", x, indices, shape[axis])
    _check_axes("take_along_axis", "indices", indices, shape)
    if any(1 != n != m != 1 for i, (n, m) in enumerate(zip(indices.shape, shape, strict=True)) if i != axis):
        raise ValueError(
            f"take_along_axis: indices of shape {indices.shape} do not broadcast against x of shape {shape} "
            f"on the axes other than {axis}"
        )
    return getitem(x, _along(axis, indices, shape))


def gather(x: Any, axis: int, index: Any) -> Any:
    """For each row along an axis the elements at its own indices, as `take_along_axis` but nothing broadcasts.

    Args:
        x: any shape.
        axis: an axis of x.
        index: integers with as many axes, on none of them but `axis` longer than x; of x only that part is used.

    Returns:
        A tensor of the index' shape.

    Raises:
        ValueError: an axis that is not there, an index of another number of axes or longer than x.
        TypeError: an index that holds no integers.
        IndexError: an index out of bounds, as `take`.

    >>> import tinygrad_cnn as tg
    >>> tg.gather(tg.tensor([[10, 20], [30, 40]]), 1, [[0, 0, 1]]).tolist()
    [[10, 10, 20]]
    """
    shape = shape_of(x)
    axis = axis_of("gather", axis, len(shape))
    index = _indices("gather", x, index, shape[axis])
    _check_axes("gather", "index", index, shape, besides=axis)
    return getitem(x, _along(axis, index, index.shape))


def scatter_add(x: Any, axis: int, index: Any, source: Any) -> Any:
    """x with each element of `source` added at its index along an axis: the transpose of `gather`.

    For axis 1, z = x and then z[i, index[i, j]] += source[i, j]; dx = dz and dsource = gather(dz, axis, index).

    Args:
        x: any shape.
        axis: an axis of x.
        index: as for `gather`.
        source: on no axis shorter than the index; of it only that part is used.

    Raises:
        ValueError, TypeError, IndexError: as `gather`, and a source that is too short.

    >>> import tinygrad_cnn as tg
    >>> tg.scatter_add(tg.tensor([10.0, 20.0]), 0, [1, 0, 1], tg.tensor([1.0, 2.0, 3.0])).tolist()
    [12.0, 24.0]
    """
    shape = shape_of(x)
    axis = axis_of("scatter_add", axis, len(shape))
    index = _indices("scatter_add", x, index, shape[axis])
    _check_axes("scatter_add", "index", index, shape, besides=axis)
    given = shape_of(source)
    if len(given) != len(shape) or any(n > m for n, m in zip(index.shape, given, strict=True)):
        raise ValueError(f"scatter_add: source of shape {given} is too short for an index of shape {index.shape}")
    if given != index.shape:
        source = getitem(source, tuple(map(slice, index.shape)))
    return x + scatter(source, shape=shape, index=_along(axis, index, index.shape))


@observed
def _indices(operation: str, x: Any, indices: Any, size: int) -> Any:
    """Indices as integers on x's device, checked where they come from the host."""
    array = indices._array if isinstance(indices, Variable) else indices
    if not hasattr(array, "dtype"):
        array = np.array(array, dtype=None if np.size(array) else np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{operation}: indices must be integers but are {array.dtype}")
    xp = get_array_module(x._array if isinstance(x, Variable) else x)
    if get_array_module(array) is np:
        wrong = (array < -size) | (array >= size)
        if wrong.any():
            first = np.asarray(array)[wrong].flat[0]
            raise IndexError(f"{operation}: index {first} is out of bounds for an axis of size {size}")
    return xp.asarray(array)


def _check_axes(
    operation: str, name: str, indices: Any, shape: tuple[int, ...], besides: int | None = None
) -> None:
    """Refuse another number of axes and, with `besides`, an axis other than this one that is longer than x's."""
    if indices.ndim != len(shape):
        raise ValueError(f"{operation}: {name} of shape {indices.shape} must have as many axes as x of shape {shape}")
    if besides is not None and any(
        n > m for i, (n, m) in enumerate(zip(indices.shape, shape, strict=True)) if i != besides
    ):
        raise ValueError(
            f"{operation}: {name} of shape {indices.shape} must not be longer than x of shape {shape} "
            f"on an axis other than {besides}"
        )


def _along(axis: int, indices: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index for every axis: the given ones along `axis`, each place's own along the others of the shape."""
    xp, ndim = get_array_module(indices), len(shape)
    return tuple(
        indices if i == axis else xp.arange(n).reshape((1,) * i + (n,) + (1,) * (ndim - i - 1))
        for i, n in enumerate(shape)
    )


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of the matrices that two axes make, as the last axis.

    Args:
        x: two axes or more.
        offset: which diagonal: 0 the main one, above it 1, 2, ..., below it -1, -2, ...
        axis1: the rows' axis.
        axis2: the columns' axis.

    Raises:
        ValueError: an axis that is not there, or one axis for both.

    >>> import tinygrad_cnn as tg
    >>> tg.diagonal(tg.tensor([[1, 2, 3], [4, 5, 6]])).tolist()
    [1, 5]
    """
    return diagonal_of("diagonal", x, offset, axis1, axis2)


def diagonal_of(operation: str, x: Any, offset: int, axis1: int, axis2: int) -> Any:
    """The diagonal, for the operation that an error names."""
    offset = integer(operation, "offset", offset)
    shape = shape_of(x)
    rows, columns = axis_of(operation, axis1, len(shape)), axis_of(operation, axis2, len(shape))
    if rows == columns:
        raise ValueError(f"{operation}: axis1 and axis2 must be two different axes but are {axis1} and {axis2}")
    count = max(min(shape[rows] + min(offset, 0), shape[columns] - max(offset, 0)), 0)
    places = get_array_module(x._array if isinstance(x, Variable) else x).arange(count)
    moved = moveaxis(x, (rows, columns), (-2, -1))
    return getitem(moved, (..., places - min(offset, 0), places + max(offset, 0)))


def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle of the matrices that the last two axes make, zeros above the k-th diagonal.

    Raises:
        ValueError: fewer than two axes.

    >>> import tinygrad_cnn as tg
    >>> tg.tril(tg.tensor([[1, 2], [3, 4]])).tolist()
    [[1, 0], [3, 4]]
    """
    rows, columns = _matrix_indices("tril", x)
    return where(columns - rows <= integer("tril", "k", k), x, 0)


def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle of the matrices that the last two axes make, zeros below the k-th diagonal.

    Raises:
        ValueError: fewer than two axes.

    >>> import tinygrad_cnn as tg
    >>> tg.triu(tg.tensor([[1, 2], [3, 4]])).tolist()
    [[1, 2], [0, 4]]
    """
    rows, columns = _matrix_indices("triu", x)
    return where(columns - rows >= integer("triu", "k", k), x, 0)


def _matrix_indices(operation: str, x: Any) -> tuple[Any, Any]:
    shape = shape_of(x)
    if len(shape) < 2:
        raise ValueError(f"{operation}: expected a matrix or several but the shape is {shape}")
    xp = get_array_module(x._array if isinstance(x, Variable) else x)
    return xp.arange(shape[-2])[:, None], xp.arange(shape[-1])
