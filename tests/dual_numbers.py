"""Exact derivatives of rational functions by forward accumulation on dual numbers a + b e, e**2 = 0.

It goes through a computation in the other direction than a backward walk and needs no rule but those of the four
operations: Griewank and Walther, Evaluating Derivatives (2008), section 3.1.
"""

from fractions import Fraction
from functools import total_ordering

import numpy as np


@total_ordering
class Dual:
    """A number and its derivative. It is compared by the number, as a maximum compares."""

    def __init__(self, value, slope=Fraction(0)):
        self.value, self.slope = value, slope

    def __add__(self, other):
        other = _dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = _dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other):
        other = _dual(other)
        quotient = self.value / other.value
        return Dual(quotient, (self.slope - quotient * other.slope) / other.value)

    def __neg__(self):
        return Dual(-self.value, -self.slope)

    def __sub__(self, other):
        return self + -_dual(other)

    def __rsub__(self, other):
        return _dual(other) - self

    def __rtruediv__(self, other):
        return _dual(other) / self

    def __pow__(self, exponent):
        power = Dual(Fraction(1))
        for _ in range(abs(int(exponent))):
            power = power * self
        return power if exponent >= 0 else 1 / power

    def __abs__(self):
        return self if self.value > 0 else -self if self.value < 0 else Dual(self.value)

    def __eq__(self, other):
        return self.value == _dual(other).value

    def __lt__(self, other):
        return self.value < _dual(other).value

    __hash__ = None
    __radd__ = __add__
    __rmul__ = __mul__


def _dual(number):
    return number if isinstance(number, Dual) else Dual(number)


def exact_gradients(function, arrays, weights):
    """The gradient of sum(weights * function(*arrays)) for each object array of fractions."""
    gradients = []
    for position, array in enumerate(arrays):
        gradient = np.empty(array.shape, dtype=object)
        for index in np.ndindex(array.shape):
            operands = [x.copy() for x in arrays]
            operands[position][index] = Dual(array[index], Fraction(1))
            z = np.asarray(function(*operands), dtype=object)
            gradient[index] = sum(w * _dual(value).slope for w, value in zip(np.ravel(weights), z.flat, strict=True))
        gradients.append(gradient)
    return gradients
