"""Matrix products. For Z = X Y: dX = dZ Y^T and dY = X^T dZ."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch, reference
from tinygrad_cnn.kernels.sums import FEW, of_rows
from tinygrad_cnn.primitives.shape import _transpose, broadcast_to, reshape

SMALL = 1 << 18
"""Multiplications below which OpenBLAS stays on one thread, and is as quick as anything."""


def transposed(x: Any) -> Any:
    """x with its last two axes exchanged."""
    ndim = len(shape_of(x))
    return _transpose(x, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


def _dot(x: Any, y: Any) -> Any:
    """The product of two plain matrices; of small ones by NumPy, without the question who computes it."""
    return x.dot(y) if x.size * y.shape[1] < SMALL else dispatch.matmul(x, y)


@primitive(
    x=lambda dz, y: _matmul(dz, transposed(y)),
    y=lambda dz, x: _matmul(transposed(x), dz),
)
def _matmul(x: Any, y: Any) -> Any:
    return _dot(x, y) if x.ndim == y.ndim == 2 else x @ y


def matmul(x: Any, y: Any) -> Any:
    """The matrix product Z = X Y, also written `x @ y`; dX = dZ Y^T, dY = X^T dZ.

    Args:
        x: (..., n, k), or (k,) for a row.
        y: (..., k, m), or (k,) for a column. Leading axes broadcast.

    Returns:
        (..., n, m), without the axis of a vector.

    Raises:
        ValueError: an operand without axes, or inner sizes that differ.

    >>> import tinygrad_cnn as tg
    >>> tg.matmul(tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    left, right = shape_of(x), shape_of(y)
    if not left or not right:
        raise ValueError(f"matmul: expected at least one axis on both sides but the shapes are {left} and {right}")
    if left[-1] != right[-2 if len(right) > 1 else 0]:
        raise ValueError(f"matmul: the inner sizes differ: {left} @ {right}")
    if len(left) > 1 and len(right) > 1:
        return _matmul(x, y)
    rows = x if len(left) > 1 else reshape(x, (1, *left))
    columns = y if len(right) > 1 else reshape(y, (*right, 1))
    z = _matmul(rows, columns)
    shape = shape_of(z)
    return reshape(z, shape[:-2] + (shape[-2:-1] if len(left) > 1 else ()) + (shape[-1:] if len(right) > 1 else ()))


def _rows(x: Any) -> Any:
    """All samples of (..., features) as the rows of one matrix."""
    return x if x.ndim == 2 else x.reshape((prod(x.shape[:-1]), x.shape[-1]))


@primitive(x=lambda dz, x_shape: broadcast_to(dz, x_shape))  # noqa: PLW0108 - rules name what they need
def _sum_of_rows(x: Any) -> Any:
    return dispatch.of_rows(x)


# The rules of a linear layer. The first line of each is the formula, on the plain matrix that nearly every dZ is; the
# rest says the same for samples along several axes, and for a walk that is recorded.


def _dX(dZ: Any, weight: Any) -> Any:
    if type(dZ) is np.ndarray and dZ.ndim == 2:
        return _dot(dZ, weight)
    dX = _matmul(_rows(dZ), weight)
    return dX if dZ.ndim == 2 else dX.reshape((*dZ.shape[:-1], weight.shape[1]))


def _dW(dZ: Any, x: Any) -> Any:
    if type(dZ) is np.ndarray and dZ.ndim == 2:
        return _dot(dZ.T, x)
    return _matmul(_rows(dZ).T, _rows(x))


def _dB(dZ: Any) -> Any:
    if type(dZ) is np.ndarray and dZ.ndim == 2:
        return of_rows(dZ) if dZ.size <= FEW else dispatch.of_rows(dZ)
    return _sum_of_rows(_rows(dZ))


@primitive(x=_dX, weight=_dW, bias=_dB)
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """A fully connected layer Z = X W^T + b; dX = dZ W, dW = dZ^T X, db = the sum of dZ over the samples.

    Args:
        x: (..., features).
        weight: (outputs, features).
        bias: (outputs,) or None.

    Returns:
        (..., outputs).

    Raises:
        ValueError: sizes that do not fit.

    >>> import tinygrad_cnn as tg
    >>> tg.linear(tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0, 4.0]]), tg.tensor([0.5])).tolist()
    [[11.5]]
    """
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: weight (outputs, features) has shape {weight.shape}, which does not fit "
            f"x (..., features) of shape {x.shape}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f"linear: bias must have shape {weight.shape[:1]} for {weight.shape[0]} outputs but has {bias.shape}"
        )
    rows = _rows(x)
    z = (reference if rows.size * weight.shape[0] < SMALL else dispatch).linear(rows, weight, bias)
    return z if x.ndim == 2 else z.reshape((*x.shape[:-1], weight.shape[0]))
