"""Elementwise operations: each with its derivative. dz is the upstream gradient dL/dz; a rule gives dL/dx = dz dz/dx.

Operands broadcast as in NumPy; the engine sums a gradient over the axes that were broadcast.
"""

from __future__ import annotations

import builtins
from typing import Any

from tinygrad_cnn.backend import is_object
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import elementary


@primitive(x=lambda dz: dz, y=lambda dz: dz)
def add(x: Any, y: Any) -> Any:
    """z = x + y, elementwise with broadcasting."""
    return x + y


@primitive(x=lambda dz: dz, y=lambda dz: -dz)
def subtract(x: Any, y: Any) -> Any:
    """z = x - y, elementwise with broadcasting."""
    return x - y


@primitive(x=lambda dz, y: dz * y, y=lambda dz, x: dz * x)
def multiply(x: Any, y: Any) -> Any:
    """z = x y, elementwise with broadcasting."""
    return x * y


def _quotient(x: Any, y: Any) -> Any:
    return divide(x, y) if is_object(x) else x / y


@primitive(x=_quotient, y=lambda dz, z, y: _quotient(-dz * z, y))
def divide(x: Any, y: Any) -> Any:
    """z = x / y, elementwise with broadcasting. Among exact numbers the quotient of two integers is a `Fraction`."""
    return elementary.divide(x, y)


def _power_x(dz: Any, x: Any, y: Any) -> Any:
    if isinstance(y, int | float):
        return dz * (y * x ** (y - 1)) if y != 0 else dz * 0
    # Where y = 0 the power is the constant 1, also at x = 0, where y x**(y-1) would be 0 times infinity.
    return dz * y * x ** where(y == 0, 1, y - 1)


def _power_y(dz: Any, x: Any, y: Any, z: Any) -> Any:
    # Where x = 0 and y > 0 the power is 0 whatever y: the limit of z log x, not 0 times minus infinity.
    return dz * z * log(where(x == 0, where(y > 0, 1, x), x))


@primitive(x=_power_x, y=_power_y)
def power(x: Any, y: Any) -> Any:
    """z = x**y, elementwise with broadcasting; dz/dx = y x**(y-1), dz/dy = z log x.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> (x**2).backward()
    >>> x.grad.item()
    6.0
    """
    return x**y


@primitive(x=lambda dz: -dz)
def negative(x: Any) -> Any:
    """z = -x."""
    return -x


@primitive(x=lambda dz, x: dz * (x > 0) - dz * (x < 0))
def abs(x: Any) -> Any:
    """z = |x|; the derivative is the sign, 0 at 0 (as PyTorch and NumPy's sign have it)."""
    return builtins.abs(x)


@primitive(x=lambda dz, z: dz * z)
def exp(x: Any) -> Any:
    """z = e**x.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(0.0, requires_grad=True)
    >>> tg.exp(x).backward()
    >>> x.grad.item()
    1.0
    """
    return elementary.exp(x)


@primitive(x=lambda dz, x: dz / x)
def log(x: Any) -> Any:
    """z = ln x, the natural logarithm; -inf at 0, NaN below, as in NumPy."""
    return elementary.log(x)


@primitive(x=lambda dz, z: dz / (2 * z))
def sqrt(x: Any) -> Any:
    """z = sqrt(x); the derivative 1 / (2 sqrt(x)) is infinite at 0."""
    return elementary.sqrt(x)


@primitive(x=lambda dz, z: dz * (1 - z * z))
def tanh(x: Any) -> Any:
    """z = tanh x."""
    return elementary.tanh(x)


@primitive(x=lambda dz, z: dz * z * (1 - z))
def sigmoid(x: Any) -> Any:
    """z = 1 / (1 + e**-x), without overflow at large |x|."""
    return elementary.sigmoid(x)


@primitive()
def sign(x: Any) -> Any:
    """-1, 0 or 1, the sign of each element. It is constant wherever it has a derivative, so nothing is recorded."""
    return elementary.sign(x)


@primitive(x=lambda dz, z: dz * sign(z))  # z is 0 or positive, so its sign is the derivative
def relu(x: Any) -> Any:
    """z = max(x, 0).

    At the kink relu'(0) = 0, one of the subgradients in [0, 1]: Bertoin et al. 2021, "Numerical influence of ReLU'(0) on
    backpropagation", find 0 the most robust; PyTorch and JAX choose it too.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> tg.relu(x).sum().backward()
    >>> x.grad.numpy()
    array([0., 0., 1.], dtype=float32)
    """
    return elementary.relu(x)


@primitive(x=lambda dz, condition: where(condition, dz, 0), y=lambda dz, condition: where(condition, 0, dz))
def where(condition: Any, x: Any, y: Any) -> Any:
    """z = x where the condition holds, else y, elementwise with broadcasting. The condition has no gradient.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-1.0, 2.0], requires_grad=True)
    >>> z = tg.where(x > 0, x, 0)
    >>> z.tolist(), tg.grad(z.sum(), x)[0].tolist()
    ([0.0, 2.0], [0.0, 1.0])
    """
    return elementary.where(condition, x, y)
