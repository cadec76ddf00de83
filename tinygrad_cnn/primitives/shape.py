"""Rearranging elements: each backward puts every gradient back where its element came from."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.backend import get_array_module, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import blocks, dispatch, memory
from tinygrad_cnn.kernels.memory import SMALL_BYTES
from tinygrad_cnn.modes import observed
from tinygrad_cnn.primitives.arguments import axes_of, axis_of, remembered, shape_from


@primitive(x=lambda dz, x_shape: _reshape(dz, shape=x_shape))
def _reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    if type(x) is np.ndarray and x.nbytes >= SMALL_BYTES and memory.is_channels_last(x):
        x = dispatch.copy(x, memory.empty(x.shape, x.dtype))
    z = _with_axes(x).reshape(shape)
    return z if shape else z[()]


def _with_axes(x: Any) -> Any:
    """An array or a NumPy scalar as it is, a single object in an array without axes."""
    return x if hasattr(x, "dtype") else np.array(x, dtype=object)


def reshape(x: Any, shape: Any) -> Any:
    """The same elements in another shape; one entry may be -1 and is then worked out.

    Raises:
        ValueError: a shape with another number of elements.

    >>> import tinygrad_cnn as tg
    >>> tg.reshape(tg.tensor([[1, 2, 3], [4, 5, 6]]), (3, -1)).shape
    (3, 2)
    """
    old, shape = shape_of(x), shape_from("reshape", shape)
    if shape == old:
        return x
    known = math.prod(n for n in shape if n != -1)
    fits = math.prod(old) == known if -1 not in shape else known > 0 and math.prod(old) % known == 0
    if shape.count(-1) > 1 or not fits or any(n < -1 for n in shape):
        raise ValueError(f"reshape: shape {old} has {math.prod(old)} elements, which do not fill {shape}")
    return _reshape(x, shape=shape)


@primitive(x=lambda dz, axes: _transpose(dz, axes=tuple(int(i) for i in np.argsort(axes))))
def _transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    return x.transpose(axes)


def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order, all reversed by default; the gradient is put back in the old order.

    Raises:
        ValueError: axes that are no permutation of the tensor's.

    >>> import tinygrad_cnn as tg
    >>> tg.transpose(tg.tensor([[1, 2, 3]])).shape
    (3, 1)
    """
    ndim = len(shape_of(x))
    order = tuple(reversed(range(ndim))) if axes is None else axes_of("transpose", axes, ndim)
    if len(order) != ndim:
        raise ValueError(f"transpose: expected an order of all {ndim} axes but got {axes}")
    return _transpose(x, axes=order) if ndim else x


def permute(x: Any, axes: Any) -> Any:
    """The axes in another order, as `transpose` with an order.

    Raises:
        ValueError: axes that are no permutation of the tensor's.

    >>> import tinygrad_cnn as tg
    >>> tg.permute(tg.tensor([[[1, 2, 3], [4, 5, 6]]]), (2, 0, 1)).shape
    (3, 1, 2)
    """
    ndim = len(shape_of(x))
    order = axes_of("permute", axes, ndim)
    if axes is None or len(order) != ndim:
        raise ValueError(f"permute: expected an order of all {ndim} axes but got {axes}")
    return _ordered(x, order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    Raises:
        ValueError: an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> tg.swapaxes(tg.tensor([[[1, 2, 3], [4, 5, 6]]]), 0, -1).shape
    (3, 2, 1)
    """
    ndim = len(shape_of(x))
    first, second = axis_of("swapaxes", axis1, ndim), axis_of("swapaxes", axis2, ndim)
    order = list(range(ndim))
    order[first], order[second] = second, first
    return _ordered(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """One axis or several moved to other places; the rest stay in their order.

    Raises:
        ValueError: an axis that is not there or comes twice, or as many sources as destinations are not given.

    >>> import tinygrad_cnn as tg
    >>> tg.moveaxis(tg.tensor([[[1, 2, 3], [4, 5, 6]]]), 0, -1).shape
    (2, 3, 1)
    """
    ndim = len(shape_of(x))
    sources, destinations = axes_of("moveaxis", source, ndim), axes_of("moveaxis", destination, ndim)
    if source is None or destination is None or len(sources) != len(destinations):
        raise ValueError(f"moveaxis: expected a destination for each source but got {source} and {destination}")
    order = [axis for axis in range(ndim) if axis not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return _ordered(x, tuple(order))


def _ordered(x: Any, order: tuple[int, ...]) -> Any:
    return x if order == tuple(range(len(order))) else _transpose(x, axes=order)


def expand_dims(x: Any, axis: Any) -> Any:
    """A new axis of size 1, or several, at these places of the result.

    Raises:
        ValueError: a place that the result does not have, or one that comes twice.

    >>> import tinygrad_cnn as tg
    >>> tg.expand_dims(tg.tensor([1, 2]), (0, -1)).shape
    (1, 2, 1)
    """
    shape = shape_of(x)
    added = len(axis) if isinstance(axis, tuple | list) else 1
    if axis is None:
        raise ValueError("expand_dims: expected an axis or several but got None")
    axes = axes_of("expand_dims", axis, len(shape) + added)
    sizes = iter(shape)
    return reshape(x, tuple(1 if i in axes else next(sizes) for i in range(len(shape) + added)))


def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of size 1: this one, these, or by default all there are.

    Raises:
        ValueError: an axis that is not there, or of another size.

    >>> import tinygrad_cnn as tg
    >>> tg.squeeze(tg.tensor([[[1], [2]]]), axis=0).shape
    (2, 1)
    """
    shape = shape_of(x)
    axes = axes_of("squeeze", axis, len(shape))
    if axis is None:
        axes = tuple(i for i in axes if shape[i] == 1)
    elif any(shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: only an axis of size 1 can be left out, not axis {axis} of shape {shape}")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in axes))


def ravel(x: Any) -> Any:
    """All elements in one axis, in row-major order."""
    return reshape(x, -1)


def flatten(x: Any, start_axis: int = 0, end_axis: int = -1) -> Any:
    """The axes from `start_axis` to `end_axis` as a single one.

    Raises:
        ValueError: an axis that is not there, or a start behind the end.

    >>> import tinygrad_cnn as tg
    >>> tg.flatten(tg.tensor([[[1, 2], [3, 4]]]), 1).shape
    (1, 4)
    """
    return flattened("flatten", x, start_axis, end_axis)


def flattened(operation: str, x: Any, start_axis: int, end_axis: int) -> Any:
    """`flatten`, whose errors name the operation."""
    old = shape_of(x)
    shape = _flat_shape(operation, old, start_axis, end_axis)
    return x if shape == old else _reshape(x, shape=shape)


@remembered
def _flat_shape(operation: str, shape: tuple[int, ...], start_axis: int, end_axis: int) -> tuple[int, ...]:
    shape = shape or (1,)
    start, end = axis_of(operation, start_axis, len(shape)), axis_of(operation, end_axis, len(shape))
    if start > end:
        raise ValueError(f"{operation}: start_axis {start_axis} lies behind end_axis {end_axis} for x of shape {shape}")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


@primitive(x=lambda dz: dz)  # the engine sums over the axes that were broadcast
def _broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    return get_array_module(x).broadcast_to(x, shape)


def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated to a larger shape as NumPy broadcasts; the gradient is the sum over the repetitions.

    Raises:
        ValueError: a shape that x does not broadcast to.
    """
    old, shape = shape_of(x), shape_from("broadcast_to", shape)
    if old == shape:
        return x
    if len(old) > len(shape) or any(n not in (1, m) for n, m in zip(old[::-1], shape[::-1], strict=False)):
        raise ValueError(f"broadcast_to: shape {old} does not broadcast to {shape}")
    return _broadcast_to(x, shape=shape)


@primitive(x=lambda dz, x_shape, index: scatter(dz, shape=x_shape, index=index))
def _getitem(x: Any, *, index: Any) -> Any:
    return _with_axes(x)[index]


@primitive(dz=lambda g, index: _getitem(g, index=index))
def scatter(dz: Any, *, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of the shape, with dz added at the index; an element taken twice gets both gradients."""
    xp = get_array_module(dz)
    z = xp.zeros(shape, dtype=backend.dtype_of(dz))
    parts = index if isinstance(index, tuple) else (index,)
    if all(part is None or part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts):
        z[index] = dz  # a basic index takes no element twice
    else:
        xp.add.at(z, index, dz)
    return z if shape else z[()]


def getitem(x: Any, index: Any) -> Any:
    """x[index], basic and advanced; the gradient is added at the index into zeros.

    Index arrays are copied, so that changing them later does not change the graph.

    Raises:
        IndexError: out of bounds, or an index that NumPy refuses.
    """
    parts = tuple(_index_part(part) for part in (index if isinstance(index, tuple) else (index,)))
    if not shape_of(x) and any(part is not None and part is not Ellipsis for part in parts):
        raise IndexError(f"index: a tensor without axes can't be indexed by {index!r}")
    return _getitem(x, index=parts)


def _index_part(part: Any) -> Any:
    return _own(part) if isinstance(part, Variable | list | tuple) or shape_of(part) else part


@observed
def _own(part: Any) -> Any:
    """A copy of an index array, or the single index."""
    if isinstance(part, list | tuple):
        return np.array(part, dtype=None if part else np.intp)
    array = part._array if isinstance(part, Variable) else part
    return array.copy() if shape_of(array) else array


@primitive(xs=lambda dz, index, axis, starts: _part(dz, axis, starts[index], starts[index + 1]))
def _concatenate(*xs: Any, axis: int, starts: tuple[int, ...]) -> Any:
    largest = max(xs, key=_bytes_of)
    if _bytes_of(largest) < SMALL_BYTES or any(type(x) is not np.ndarray or x.dtype != largest.dtype for x in xs):
        return get_array_module(*xs).concatenate(xs, axis=axis)
    z = memory.empty_like(largest, shape=(*largest.shape[:axis], starts[-1], *largest.shape[axis + 1 :]))
    for x, start, stop in zip(xs, starts, starts[1:], strict=False):
        dispatch.copy(x, z[_between(axis, start, stop)])
    return z


def _bytes_of(x: Any) -> int:
    return getattr(x, "nbytes", 0)


def _part(dz: Any, axis: int, start: int, stop: int) -> Any:
    """What an operand gets of the gradient, without gaps: what comes next goes over it more than once."""
    part = _getitem(dz, index=_between(axis, start, stop))
    if type(part) is not np.ndarray or part.nbytes < SMALL_BYTES or blocks.flat(part) is not None:
        return part
    return dispatch.copy(part, memory.empty_like(part))


def _between(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, slice(start, stop))


def concatenate(tensors: Any, axis: int = 0) -> Any:
    """Tensors joined along an existing axis; each gets its own part of the gradient.

    Raises:
        ValueError: none given, an axis that is not there, or shapes that differ on another axis.

    >>> import tinygrad_cnn as tg
    >>> tg.concatenate([tg.tensor([1.0]), tg.tensor([2.0, 3.0])]).numpy()
    array([1., 2., 3.], dtype=float32)
    """
    return joined("concatenate", tensors, axis)


def joined(operation: str, tensors: Any, axis: int) -> Any:
    """Tensors joined along an existing axis; the operation is named where they don't fit."""
    tensors = tuple(tensors)
    if not tensors:
        raise ValueError(f"{operation}: expected at least one tensor")
    shapes = [shape_of(x) for x in tensors]
    axis = axis_of(operation, axis, len(shapes[0]))
    if len({(*shape[:axis], None, *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"{operation}: shapes may differ on axis {axis} only but are {', '.join(map(str, shapes))}")
    starts = [0]
    for shape in shapes:
        starts.append(starts[-1] + shape[axis])
    return _concatenate(*tensors, axis=axis, starts=tuple(starts))


def stack(tensors: Any, axis: int = 0) -> Any:
    """Tensors of one shape joined along a new axis.

    Raises:
        ValueError: none given, shapes that differ, or an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> tg.stack([tg.tensor(1.0), tg.tensor(2.0)]).numpy()
    array([1., 2.], dtype=float32)
    """
    tensors = tuple(tensors)
    shapes = {shape_of(x) for x in tensors}
    if len(shapes) != 1:
        raise ValueError(f"stack: expected tensors of one shape but got {sorted(shapes) or 'none'}")
    (shape,) = shapes
    axis = axis_of("stack", axis, len(shape) + 1)
    return concatenate([reshape(x, (*shape[:axis], 1, *shape[axis:])) for x in tensors], axis)


@primitive(x=lambda dz, axis: _flip(dz, axis=axis))
def _flip(x: Any, *, axis: tuple[int, ...]) -> Any:
    return x[_reversal(axis, x.ndim)]


@cache
def _reversal(axis: tuple[int, ...], ndim: int) -> tuple[slice, ...]:
    return tuple([slice(None, None, -1) if i in axis else slice(None) for i in range(ndim)])


def flip(x: Any, axis: Any = None) -> Any:
    """The order of the elements reversed along an axis, several, or all; the gradient is flipped back."""
    axes = axes_of("flip", axis, len(shape_of(x)))
    return _flip(x, axis=axes) if axes else x


def rot180(x: Any) -> Any:
    """A kernel rotated by 180 degrees: flipped along every axis behind the first two, (F, C, kH, kW).

    >>> import tinygrad_cnn as tg
    >>> tg.rot180(tg.tensor([[[[1, 2], [3, 4]]]])).tolist()
    [[[[4, 3], [2, 1]]]]
    """
    ndim = len(shape_of(x))
    if ndim < 3:
        raise ValueError(f"rot180: expected a kernel (F, C, spatial axes) but the shape is {shape_of(x)}")
    return _flip(x, axis=tuple(range(2, ndim)))


@primitive(x=lambda dz, device, source: transfer(dz, device=source, source=device))
def transfer(x: Any, *, device: str, source: str) -> Any:
    """x moved from the device `source` to `device`; the gradient is moved back."""
    return backend.to_device(x, device)


@primitive(x=lambda dz: dz)  # the engine casts the gradient back
def cast(x: Any, *, dtype: Any) -> Any:
    """x in another dtype."""
    return x.astype(dtype) if hasattr(x, "astype") else np.array(x).astype(dtype)[()]
