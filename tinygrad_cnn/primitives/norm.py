"""The p-norm over axes. For z = sum(|x|**p)**(1/p): dx = dz sign(x) (|x| / z)**(p-1), which is dz x / z for p = 2."""

from __future__ import annotations

import math
from numbers import Rational, Real
from typing import Any

import numpy as np

from tinygrad_cnn.backend import is_object, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import statistics
from tinygrad_cnn.primitives.arguments import axes_of
from tinygrad_cnn.primitives.elementwise import abs, nonzero, sign, where
from tinygrad_cnn.primitives.reduction import keep_axes, max, sum


def _d_norm(dz: Any, x: Any, z: Any, x_shape: tuple[int, ...], axis: tuple[int, ...], p: Any) -> Any:
    """0, in every order, where z is 0."""
    dz, z = keep_axes(dz, x_shape, axis), keep_axes(z, x_shape, axis)
    ratio = where(z == 0, 0, x) / nonzero(z)
    if p == 2:
        return dz * ratio
    return dz * sign(x) * where(x == 0, 1, abs(ratio)) ** (p - 1)


@primitive(x=_d_norm)
def norm_over(x: Any, *, axis: tuple[int, ...], keepdims: bool, p: Any) -> Any:
    """The p-norm over one axis or more, p a finite number."""
    return statistics.norm(x, axis, keepdims, p)


def norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False) -> Any:
    """The p-norm over an axis, several, or all, which are taken as one vector: sum(|x|**p)**(1/p).

    The elements are scaled before they are squared, so that nothing overflows or vanishes: norm([3e30, 4e30]) is 5e30
    in float32 too. This is `vector_norm` of NumPy's and PyTorch's linalg; their `norm` of two axes is a matrix norm
    where `ord` is given.

    Args:
        x: any shape.
        ord: p, a positive number: 2 for the Euclidean norm (over two axes Frobenius'), 1 for the sum of |x|,
            `math.inf` for the largest |x|.
        axis: an integer, a tuple of integers, or None for all axes.
        keepdims: leave the reduced axes in place with size 1.

    Backward: dx = dz sign(x) (|x| / z)**(p-1). At z = 0, where every norm has a kink, and for p <= 1 at each zero of x,
    it is 0: for p >= 1 the subgradient of least norm. For p = inf it goes to the first largest |x|, as in `max`.

    Raises:
        ValueError: an axis that is not there or comes twice, an `ord` that is not positive, an empty axis for p = inf.
        TypeError: an `ord` that is no number; exact numbers with p other than 1 and inf, since a root is no fraction.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[3.0, -4.0], [0.0, 0.0]], requires_grad=True)
    >>> z = tg.norm(x, axis=1)
    >>> z.tolist(), tg.grad(z.sum(), x)[0].numpy().round(2).tolist()
    ([5.0, 0.0], [[0.6000000238418579, -0.800000011920929], [0.0, 0.0]])
    """
    p = exponent("norm", "ord", ord)
    axes = axes_of("norm", axis, len(shape_of(x)))
    if not axes:
        return abs(x)
    if p == math.inf:
        return max(abs(x), axes, keepdims)
    if p == 1:
        return sum(abs(x), axes, keepdims)
    check_root("norm", p, x)
    return norm_over(x, axis=axes, keepdims=keepdims, p=p)


def exponent(operation: str, name: str, value: Any) -> Any:
    """The p of a norm, checked: an integer as such, any other number as a float."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{operation}: {name} must be a number but is {value!r}")
    p = float(value)
    if not p > 0:
        raise ValueError(f"{operation}: {name} must be positive but is {value!r}")
    return int(p) if p.is_integer() else p


def check_root(operation: str, p: Any, x: Any) -> None:
    """Refuse exact numbers, of which a root is none."""
    array = x._array if isinstance(x, Variable) else x
    for value in array.flat if isinstance(array, np.ndarray) and is_object(array) else ():
        if isinstance(value, Rational):
            raise TypeError(
                f"{operation}: the {p}-norm has no exact value for {type(value).__name__} {value}; use float64, or "
                "the norm for p = 1 or inf"
            )
