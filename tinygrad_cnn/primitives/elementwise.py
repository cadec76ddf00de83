"""Elementwise operations: each with its derivative. dz is the upstream gradient dL/dz; a rule gives dL/dx = dz dz/dx.

Operands broadcast as in NumPy; the engine sums a gradient over the axes that were broadcast. Large arrays go to the
kernels, which put results into memory that is used again; all else takes its own operators, which are quicker.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from numpy import ndarray

from tinygrad_cnn.backend import is_object
from tinygrad_cnn.engine import Variable, overwriting, primitive
from tinygrad_cnn.kernels import dispatch, elementary
from tinygrad_cnn.kernels.blocks import LARGE
from tinygrad_cnn.primitives.logic import isinf

LN2, LN10 = math.log(2), math.log(10)


@primitive(x=lambda dz: dz, y=lambda dz: dz)
def add(x: Any, y: Any) -> Any:
    """z = x + y, elementwise with broadcasting."""
    return dispatch.add(x, y) if type(x) is ndarray and x.size >= LARGE else x + y


@primitive(x=lambda dz: dz, y=lambda dz: -dz)
def subtract(x: Any, y: Any) -> Any:
    """z = x - y, elementwise with broadcasting."""
    return dispatch.subtract(x, y) if type(x) is ndarray and x.size >= LARGE else x - y


@primitive(
    x=lambda dz, y: dispatch.multiply(dz, y) if type(dz) is ndarray and dz.size >= LARGE else dz * y,
    y=lambda dz, x: dispatch.multiply(dz, x) if type(dz) is ndarray and dz.size >= LARGE else dz * x,
)
def multiply(x: Any, y: Any) -> Any:
    """z = x y, elementwise with broadcasting."""
    return dispatch.multiply(x, y) if type(x) is ndarray and x.size >= LARGE else x * y


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


@primitive(x=lambda dz, x: dz * sign(x))
def abs(x: Any) -> Any:
    """z = |x|; the derivative is the sign, 0 at 0 (as PyTorch and NumPy's sign have it)."""
    return builtins.abs(x)


absolute = abs


@primitive(x=lambda dz, x: dz * (2 * x))
def square(x: Any) -> Any:
    """z = x**2."""
    return x * x


@primitive(x=lambda dz, z: -dz * z * z)
def reciprocal(x: Any) -> Any:
    """z = 1 / x; of integers too, for which NumPy's is an integer."""
    return elementary.divide(1, x)


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


@primitive(x=lambda dz, z: dz * z * LN2)
def exp2(x: Any) -> Any:
    """z = 2**x; dz/dx = z log 2."""
    return elementary.exp2(x)


@primitive(x=lambda dz, x: dz * exp(x))
def expm1(x: Any) -> Any:
    """z = e**x - 1, without cancellation near 0."""
    return elementary.expm1(x)


@primitive(x=lambda dz, x: dz / x)
def log(x: Any) -> Any:
    """z = ln x, the natural logarithm; -inf at 0, NaN below, as in NumPy."""
    return elementary.log(x)


@primitive(x=lambda dz, x: dz / x / LN2)
def log2(x: Any) -> Any:
    """z = log x / log 2; dz/dx = 1 / (x log 2)."""
    return elementary.log2(x)


@primitive(x=lambda dz, x: dz / x / LN10)
def log10(x: Any) -> Any:
    """z = log x / log 10; dz/dx = 1 / (x log 10)."""
    return elementary.log10(x)


@primitive(x=lambda dz, x: dz / (1 + x))
def log1p(x: Any) -> Any:
    """z = log(1 + x), without cancellation near 0; dz/dx = 1 / (1 + x)."""
    return elementary.log1p(x)


def _logaddexp_share(dz: Any, x: Any, y: Any) -> Any:
    # Of two equal infinities each is half of the sum, as of two equal numbers; their difference would be NaN.
    equal = isinf(x) * (x == y)
    return dz * sigmoid(where(equal, 0, x) - where(equal, 0, y))


@primitive(x=_logaddexp_share, y=lambda dz, x, y: _logaddexp_share(dz, y, x))
def logaddexp(x: Any, y: Any) -> Any:
    """z = log(e**x + e**y), without overflow; dz/dx = sigmoid(x - y), dz/dy = sigmoid(y - x).

    >>> import tinygrad_cnn as tg
    >>> tg.logaddexp(tg.tensor(1000.0), tg.tensor(0.0)).item()
    1000.0
    """
    return elementary.logaddexp(x, y)


@primitive(x=lambda dz, z: dz / (2 * z))
def sqrt(x: Any) -> Any:
    """z = sqrt(x); the derivative 1 / (2 sqrt(x)) is infinite at 0."""
    return elementary.sqrt(x)


@primitive(x=lambda dz, z: dz / (3 * z * z))
def cbrt(x: Any) -> Any:
    """z, real, with z**3 = x; the derivative 1 / (3 z**2) is infinite at 0."""
    return elementary.cbrt(x)


def cosine(leg: Any, hypotenuse: Any) -> Any:
    """leg / hypotenuse; 0 in every order where the triangle is a point."""
    return where(hypotenuse == 0, 0, leg) / nonzero(hypotenuse)


@primitive(x=lambda dz, x, z: dz * cosine(x, z), y=lambda dz, y, z: dz * cosine(y, z))
def hypot(x: Any, y: Any) -> Any:
    """z = sqrt(x**2 + y**2), without overflow; dz/dx = x / z, dz/dy = y / z.

    At x = y = 0, the tip of a cone, both derivatives are 0, the smallest subgradient, where x / z is NaN.

    >>> import tinygrad_cnn as tg
    >>> x, y = tg.tensor(3.0, requires_grad=True), tg.tensor(4.0, requires_grad=True)
    >>> z = tg.hypot(x, y)
    >>> z.backward()
    >>> z.item(), round(x.grad.item(), 4), round(y.grad.item(), 4)
    (5.0, 0.6, 0.8)
    """
    return elementary.hypot(x, y)


def nonzero(z: Any) -> Any:
    """z, and 1 where it is 0: a divisor for numerators that are 0 there too."""
    return where(z == 0, 1, z)


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


@overwriting
def _relu_x(dz: Any, z: Any) -> Any:
    """dz where z > 0, else 0: not dz times 0, which an infinite dz would make NaN."""
    if isinstance(dz, Variable):
        return where(z <= 0, 0, dz)
    gradient = dispatch.relu_gradient if type(dz) is ndarray and dz.size >= LARGE else elementary.relu_gradient
    return gradient(dz, z)


@primitive(x=_relu_x)
@overwriting
def relu(x: Any) -> Any:
    """z = max(x, 0).

    At the kink relu'(0) = 0, one of the subgradients in [0, 1]: Bertoin et al. 2021, "Numerical influence of ReLU'(0)
    on backpropagation", find 0 the most robust; PyTorch and JAX choose it too.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> tg.relu(x).sum().backward()
    >>> x.grad.numpy()
    array([0., 0., 1.], dtype=float32)
    """
    return dispatch.relu(x) if type(x) is ndarray and x.size >= LARGE else elementary.relu(x)


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
