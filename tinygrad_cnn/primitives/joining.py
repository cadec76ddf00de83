"""Joining side by side, splitting, rolling and repeating: compositions of the rearrangements in `shape.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.primitives.arguments import axes_of, axis_of, integer, integers
from tinygrad_cnn.primitives.indexing import take
from tinygrad_cnn.primitives.shape import broadcast_to, getitem, joined, ravel, reshape


def hstack(tensors: Any) -> Any:
    """Tensors side by side: joined along the second axis, vectors and single numbers along the only one.

    Raises:
        ValueError: none given, or shapes that differ on another axis.

    >>> import tinygrad_cnn as tg
    >>> tg.hstack([tg.tensor([[1, 2]]), tg.tensor([[3]])]).tolist()
    [[1, 2, 3]]
    """
    tensors = [x if shape_of(x) else reshape(x, (1,)) for x in tensors]
    return joined("hstack", tensors, 1 if tensors and len(shape_of(tensors[0])) > 1 else 0)


def vstack(tensors: Any) -> Any:
    """Tensors on top of one another: joined along the first axis, a vector being a row.

    Raises:
        ValueError: none given, or shapes that differ on another axis.

    >>> import tinygrad_cnn as tg
    >>> tg.vstack([tg.tensor([1, 2]), tg.tensor([[3, 4]])]).tolist()
    [[1, 2], [3, 4]]
    """
    return joined("vstack", [x if len(shape_of(x)) > 1 else reshape(x, (1, -1)) for x in tensors], 0)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """x cut along an axis, as NumPy cuts: into so many equal parts, or before each of these indices.

    PyTorch's `split` takes the size of a part instead: its `split(x, 2)` is `chunk(x, n // 2)`.

    Raises:
        ValueError: an axis that is not there, or a number of parts that doesn't divide its size; `array_split` and
            `chunk` take any.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1, 2, 3, 4, 5, 6])
    >>> [part.tolist() for part in tg.split(x, 3)], [part.tolist() for part in tg.split(x, [1, 4])]
    ([[1, 2], [3, 4], [5, 6]], [[1], [2, 3, 4], [5, 6]])
    """
    n = _size("split", x, axis)
    if not isinstance(indices_or_sections, Sequence | np.ndarray):
        sections = _count("split", "indices_or_sections", indices_or_sections)
        if n % sections:
            raise ValueError(f"split: {n} elements on axis {axis} can't be split into {sections} equal parts")
    return _parts("split", x, indices_or_sections, axis)


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As `split`, into nearly equal parts where the number doesn't divide the size: the first are larger by one.

    Raises:
        ValueError: an axis that is not there, or a number of parts below 1.

    >>> import tinygrad_cnn as tg
    >>> [part.tolist() for part in tg.array_split(tg.tensor([1, 2, 3, 4, 5]), 3)]
    [[1, 2], [3, 4], [5]]
    """
    return _parts("array_split", x, indices_or_sections, axis)


def chunk(x: Any, chunks: int, axis: int = 0) -> list[Any]:
    """x cut along an axis into parts of ceil(size / chunks) elements, the last smaller, as PyTorch cuts.

    They may be fewer than `chunks`: 5 elements in 4 chunks are 3 parts of 2, 2 and 1.

    Raises:
        ValueError: an axis that is not there, or a number of chunks below 1.

    >>> import tinygrad_cnn as tg
    >>> [part.tolist() for part in tg.chunk(tg.tensor([1, 2, 3, 4, 5]), 4)]
    [[1, 2], [3, 4], [5]]
    """
    n = _size("chunk", x, axis)
    size = max(-(-n // _count("chunk", "chunks", chunks)), 1)
    return _parts("chunk", x, range(size, n, size), axis)


def _size(operation: str, x: Any, axis: int) -> int:
    shape = shape_of(x)
    return shape[axis_of(operation, axis, len(shape))]


def _count(operation: str, name: str, value: Any) -> int:
    number = integer(operation, name, value)
    if number < 1:
        raise ValueError(f"{operation}: {name} must be at least 1 but is {number}")
    return number


def _parts(operation: str, x: Any, indices_or_sections: Any, axis: int) -> list[Any]:
    n = _size(operation, x, axis)
    before = (slice(None),) * axis_of(operation, axis, len(shape_of(x)))
    if isinstance(indices_or_sections, Sequence | np.ndarray):
        cuts = list(integers(operation, "indices_or_sections", indices_or_sections))
    else:
        sections = _count(operation, "indices_or_sections", indices_or_sections)
        size, larger = divmod(n, sections)
        cuts = [i * size + min(i, larger) for i in range(1, sections)]
    return [getitem(x, (*before, slice(i, j))) for i, j in zip([0, *cuts], [*cuts, n], strict=True)]


@primitive(x=lambda dz, shift, axis: _roll(dz, shift=tuple(-n for n in shift), axis=axis))
def _roll(x: Any, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    return get_array_module(x).roll(x, shift, axis)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """The elements moved on by `shift` places along an axis; what falls off at the end comes in at the start.

    Several axes are rolled each by its own shift; without an axis the flattened tensor is. The gradient is rolled back.

    Raises:
        ValueError: an axis that is not there or comes twice, or shifts that are not one or one for each axis.

    >>> import tinygrad_cnn as tg
    >>> tg.roll(tg.tensor([1, 2, 3, 4]), 1).tolist()
    [4, 1, 2, 3]
    """
    shape = shape_of(x)
    if axis is None:
        return reshape(roll(ravel(x), integer("roll", "shift", shift), 0), shape)
    axes = axes_of("roll", axis, len(shape))
    shifts = integers("roll", "shift", shift)
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: expected one shift or {len(axes)} for axis {axis} but got {shift}")
    return _roll(x, shift=shifts, axis=axes) if axes else x


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element along an axis repeated, so many times each; its gradient is the sum over the repetitions.

    Without an axis the flattened tensor is repeated. PyTorch's function of this name is `tile`.

    Args:
        x: any shape.
        repeats: an integer, or one for each element along the axis.
        axis: an axis of x, or None.

    Raises:
        ValueError: an axis that is not there, a negative number, or another number of them.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> z = tg.repeat(x, [1, 3])
    >>> z.tolist(), tg.grad(z.sum(), x)[0].tolist()
    ([1.0, 2.0, 2.0, 2.0], [1.0, 3.0])
    """
    if axis is None:
        x, axis = ravel(x), 0
    shape = shape_of(x)
    axis = axis_of("repeat", axis, len(shape))
    counts = integers("repeat", "repeats", repeats)
    if min(counts, default=0) < 0 or len(counts) not in (1, shape[axis]):
        raise ValueError(f"repeat: expected a number >= 0 or {shape[axis]} of them for axis {axis} but got {repeats}")
    if len(counts) == 1:
        rows = reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
        copies = broadcast_to(rows, (*shape[: axis + 1], counts[0], *shape[axis + 1 :]))
        return reshape(copies, (*shape[:axis], shape[axis] * counts[0], *shape[axis + 1 :]))
    return take(x, np.repeat(np.arange(shape[axis]), counts), axis)


def tile(x: Any, reps: Any) -> Any:
    """x beside itself, so many times along each axis; its gradient is the sum over the repetitions.

    Args:
        x: any shape.
        reps: an integer for the last axis, or one for each, from the last backward; x gets new axes in front for more.

    Raises:
        ValueError: a negative number.

    >>> import tinygrad_cnn as tg
    >>> tg.tile(tg.tensor([[1, 2]]), (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    counts = integers("tile", "reps", reps)
    if min(counts, default=0) < 0:
        raise ValueError(f"tile: expected numbers >= 0 but got {reps}")
    shape = shape_of(x)
    ndim = max(len(shape), len(counts))
    shape = (1,) * (ndim - len(shape)) + shape
    counts = (1,) * (ndim - len(counts)) + counts
    spread = broadcast_to(
        reshape(x, [size for n in shape for size in (1, n)]),
        [size for count, n in zip(counts, shape, strict=True) for size in (count, n)],
    )
    return reshape(spread, [math.prod(pair) for pair in zip(counts, shape, strict=True)])
