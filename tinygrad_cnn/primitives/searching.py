"""Where the largest or smallest element is, and whether any or all are true. None of it has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.primitives.arguments import axes_of, axis_of


@primitive()
def _argmax(x: Any, *, axis: int | None, keepdims: bool) -> Any:
    return _with_axes(x).argmax(axis=axis, keepdims=keepdims)


@primitive()
def _argmin(x: Any, *, axis: int | None, keepdims: bool) -> Any:
    return _with_axes(x).argmin(axis=axis, keepdims=keepdims)


def _with_axes(x: Any) -> Any:
    return x if hasattr(x, "dtype") else np.array(x, dtype=object)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest element along an axis, or in the flattened tensor; among several, of the first.

    A NaN counts as the largest. The result has no gradient; `take_along_axis` picks the elements.

    Raises:
        ValueError: an axis that is not there, or an empty one.
        TypeError: elements without an order.

    >>> import tinygrad_cnn as tg
    >>> tg.argmax(tg.tensor([[1, 5, 5], [7, 2, 3]]), axis=1).tolist()
    [1, 0]
    """
    return _argmax(x, axis=_checked("argmax", x, axis), keepdims=keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest element along an axis, or in the flattened tensor. Everything else as `argmax`."""
    return _argmin(x, axis=_checked("argmin", x, axis), keepdims=keepdims)


def _checked(operation: str, x: Any, axis: int | None) -> int | None:
    shape = shape_of(x)
    if axis is not None:
        axis = axis_of(operation, axis, len(shape))
    if 0 in (shape if axis is None else shape[axis : axis + 1]):
        raise ValueError(f"{operation}: an empty axis has no largest or smallest element (shape {shape}, axis {axis})")
    return axis


@primitive()
def _any(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return _is_true(x).any(axis=axis, keepdims=keepdims)


@primitive()
def _all(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return _is_true(x).all(axis=axis, keepdims=keepdims)


def _is_true(x: Any) -> Any:
    return get_array_module(x).asarray(x, dtype=bool)  # also of objects, whose own `any` is one of them


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element over an axis, several, or all is true, that is not 0.

    Raises:
        ValueError: an axis that is not there, or comes twice.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[0.0, 1.0], [0.0, 0.0]])
    >>> tg.any(x).item(), tg.any(x > 0, axis=1).tolist()
    (True, [True, False])
    """
    return _any(x, axis=axes_of("any", axis, len(shape_of(x))), keepdims=keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements over an axis, several, or all are true, that is not 0. Everything else as `any`."""
    return _all(x, axis=axes_of("all", axis, len(shape_of(x))), keepdims=keepdims)
