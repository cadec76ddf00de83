"""Products of tensors under NumPy's names, each as an equation of `einsum`, and the trace."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.primitives.arguments import axes_of, integer
from tinygrad_cnn.primitives.einsum import _einsum
from tinygrad_cnn.primitives.indexing import diagonal_of
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import ravel


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes; the result has x's other axes, then y's.

    Args:
        x: any shape.
        y: any shape.
        axes: n for x's last n axes with y's first n, or a pair: an axis or several of x, and as many of y.

    Raises:
        ValueError: axes that are not there, come twice or differ in number or size.

    >>> import tinygrad_cnn as tg
    >>> x, y = tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([[5.0, 6.0], [7.0, 8.0]])
    >>> tg.tensordot(x, y).item(), tg.tensordot(x, y, ([0], [1])).tolist()
    (70.0, [[23.0, 31.0], [34.0, 46.0]])
    """
    n, m = len(shape_of(x)), len(shape_of(y))
    if isinstance(axes, tuple | list):
        if len(axes) != 2:
            raise ValueError(f"tensordot: axes must be a number or a pair, axes of x and axes of y, but are {axes}")
        left, right = axes_of("tensordot", axes[0], n), axes_of("tensordot", axes[1], m)
    else:
        count = integer("tensordot", "axes", axes)
        if not 0 <= count <= min(n, m):
            raise ValueError(f"tensordot: axes must be 0 to {min(n, m)} for {n} and {m} axes but is {count}")
        left, right = tuple(range(n - count, n)), tuple(range(count))
    return _summed("tensordot", x, y, left, right)


def _summed(operation: str, x: Any, y: Any, left: tuple[int, ...], right: tuple[int, ...]) -> Any:
    """The sum of products over these axes of x with those of y."""
    x_shape, y_shape = shape_of(x), shape_of(y)
    if [x_shape[i] for i in left] != [y_shape[i] for i in right]:
        raise ValueError(
            f"{operation}: axes {left} of shape {x_shape} and {right} of shape {y_shape} differ in number or size"
        )
    n, m = len(x_shape), len(y_shape)
    if n + m > len(ascii_letters):
        raise ValueError(f"{operation}: expected at most {len(ascii_letters)} axes but got {n} and {m}")
    x_axes = ascii_letters[:n]
    other = iter(ascii_letters[n:])
    y_axes = "".join(x_axes[left[right.index(i)]] if i in right else next(other) for i in range(m))
    z_axes = "".join(letter for letter in x_axes + y_axes if (letter in x_axes) != (letter in y_axes))
    return _einsum(x, y, equation=f"{x_axes},{y_axes}->{z_axes}")


def outer(x: Any, y: Any) -> Any:
    """Every product of an element of x and one of y, z_ij = x_i y_j, both flattened.

    >>> import tinygrad_cnn as tg
    >>> tg.outer(tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    return _einsum(ravel(x), ravel(y), equation="a,b->ab")


def inner(x: Any, y: Any) -> Any:
    """The sum of products over the last axes, z_ij = sum over k of x_ik y_jk; a number is multiplied.

    Raises:
        ValueError: last axes that differ in size.

    >>> import tinygrad_cnn as tg
    >>> tg.inner(tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0])).item()
    11.0
    """
    n, m = len(shape_of(x)), len(shape_of(y))
    return _summed("inner", x, y, *(((n - 1,), (m - 1,)) if n and m else ((), ())))


def dot(x: Any, y: Any) -> Any:
    """The sum of products over x's last axis and y's last but one, or y's only one; a number is multiplied.

    For vectors and matrices the same as `matmul`, which for more axes goes through batches instead.

    Raises:
        ValueError: axes that differ in size.

    >>> import tinygrad_cnn as tg
    >>> tg.dot(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([5.0, 6.0])).tolist()
    [17.0, 39.0]
    """
    n, m = len(shape_of(x)), len(shape_of(y))
    return _summed("dot", x, y, *(((n - 1,), (max(m - 2, 0),)) if n and m else ((), ())))


def vdot(x: Any, y: Any) -> Any:
    """The sum of the products of all elements, both flattened.

    Raises:
        ValueError: another number of elements.

    >>> import tinygrad_cnn as tg
    >>> tg.vdot(tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0], [4.0]])).item()
    11.0
    """
    return _summed("vdot", ravel(x), ravel(y), (0,), (0,))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal of the matrices that two axes make. Arguments and errors as `diagonal`.

    >>> import tinygrad_cnn as tg
    >>> tg.trace(tg.tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0
    """
    return sum(diagonal_of("trace", x, offset, axis1, axis2), axis=-1)
