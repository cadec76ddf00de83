"""Matrix products. For Z = X Y: dX = dZ Y^T and dY = X^T dZ."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.primitives.shape import _transpose, reshape


def transposed(x: Any) -> Any:
    """x with its last two axes exchanged."""
    ndim = len(shape_of(x))
    return _transpose(x, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


@primitive(
    x=lambda dz, y: _matmul(dz, transposed(y)),
    y=lambda dz, x: _matmul(transposed(x), dz),
)
def _matmul(x: Any, y: Any) -> Any:
    return x @ y


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


def _dW(dz: Any, x: Any) -> Any:
    """The sum over the samples of the outer products dz x^T."""
    features, outputs = shape_of(x)[-1], shape_of(dz)[-1]
    return _matmul(transposed(reshape(dz, (-1, outputs))), reshape(x, (-1, features)))


def _db(dz: Any) -> Any:
    return reshape(dz, (-1, shape_of(dz)[-1])).sum(axis=0)


@primitive(x=lambda dz, weight: _matmul(dz, weight), weight=_dW, bias=_db)
def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    z = x @ weight.T
    return z if bias is None else z + bias


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
    size, weights = shape_of(x), shape_of(weight)
    if len(weights) != 2 or not size or size[-1] != weights[1]:
        raise ValueError(
            f"linear: weight (outputs, features) has shape {weights}, which does not fit x (..., features) of shape {size}"
        )
    if bias is None:
        return _linear(x, weight)
    if shape_of(bias) != weights[:1]:
        raise ValueError(f"linear: bias must have shape {weights[:1]} for {weights[0]} outputs but has {shape_of(bias)}")
    return _linear(x, weight, bias)
