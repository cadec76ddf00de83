"""The complex step: f'(x) = Im f(x + i h) / h, with no difference to cancel and an h so small that it has no error.

Squire and Trapp, Using complex variables to estimate derivatives of real functions (1998). It holds for a function that
continues to complex numbers, as formulas of + - * / exp log tanh do, and not for one that compares or takes a modulus.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

STEP = 1e-100
"""h, relative to the scale of x: h**2 is far below rounding, and no product of two steps underflows to zero."""


def _method(function: Callable[[complex], complex]) -> Callable[[ComplexNumber], ComplexNumber]:
    return lambda self: ComplexNumber(function(self.value))


class ComplexNumber:
    """A complex number for object arrays that has no order, modulus or truth: what needs those raises `TypeError`.

    NumPy compares complex numbers by their real parts first, so that a maximum of them looks differentiable. On these
    numbers the definitions of the primitives run when the function has a complex step, and refuse when it has none.
    """

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: complex) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{self.value.real:.3g} + ih"

    def __add__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(self.value + _value(other))

    def __sub__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(self.value - _value(other))

    def __mul__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(self.value * _value(other))

    def __truediv__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(self.value / _value(other))

    def __pow__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(self.value ** _value(other))

    def __rsub__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(_value(other) - self.value)

    def __rtruediv__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(_value(other) / self.value)

    def __rpow__(self, other: Any) -> ComplexNumber:
        return ComplexNumber(_value(other) ** self.value)

    def __neg__(self) -> ComplexNumber:
        return ComplexNumber(-self.value)

    __radd__ = __add__
    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        raise TypeError("a comparison has no complex step")

    def __abs__(self) -> ComplexNumber:
        raise TypeError("an absolute value has no complex step")

    def __bool__(self) -> bool:
        raise TypeError("a condition has no complex step")

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__

    # By these names NumPy and the kernels look for an object's own functions.
    exp = _method(cmath.exp)
    exp2 = _method(lambda z: cmath.exp(z * math.log(2)))
    expm1 = _method(lambda z: cmath.exp(z) - 1)
    log = _method(cmath.log)
    log2 = _method(lambda z: cmath.log(z) / math.log(2))
    log10 = _method(cmath.log10)
    log1p = _method(lambda z: cmath.log(1 + z))
    sigmoid = _method(lambda z: (1 + cmath.tanh(z / 2)) / 2)
    sqrt = _method(cmath.sqrt)
    sin = _method(cmath.sin)
    cos = _method(cmath.cos)
    tan = _method(cmath.tan)
    sinh = _method(cmath.sinh)
    cosh = _method(cmath.cosh)
    tanh = _method(cmath.tanh)
    arcsin = _method(cmath.asin)
    arccos = _method(cmath.acos)
    arctan = _method(cmath.atan)
    arcsinh = _method(cmath.asinh)
    arccosh = _method(cmath.acosh)
    arctanh = _method(cmath.atanh)


def _value(other: Any) -> complex:
    if isinstance(other, ComplexNumber):
        return other.value
    if isinstance(other, Real):
        return complex(other)
    raise TypeError(f"a complex step works with real numbers, not with {type(other).__name__}")


def complex_array(real: Any, imaginary: Any = None) -> Any:
    """An object array of `ComplexNumber`."""
    values = np.asarray(real, dtype=complex) if imaginary is None else real + 1j * imaginary
    array = np.empty(values.shape, dtype=object)
    for index in np.ndindex(values.shape):
        array[index] = ComplexNumber(complex(values[index]))
    return array


def complex_values(array: Any) -> Any:
    """The complex numbers of an array of `ComplexNumber` and plain numbers."""
    flat = [_value(element) for element in np.asarray(array, dtype=object).flat]
    return np.array(flat, dtype=complex).reshape(np.shape(array))
