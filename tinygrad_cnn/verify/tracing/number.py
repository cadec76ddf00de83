"""Number: one scalar that a student's code computes with, whatever it is made of."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from tinygrad_cnn.verify.tracing import arithmetic, functions
from tinygrad_cnn.verify.tracing.errors import CutOff
from tinygrad_cnn.verify.tracing.library import students_line

_new = object.__new__


def wrap(value: Any) -> Number:
    """A number of a bare value, as it is."""
    self: Number = _new(Number)
    self.value = value
    return self


def _operator(of_fractions: Callable[[Any, Any], Any], of_values: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """A binary operator and its reflection."""

    def forward(self: Number, other: Any) -> Any:
        x = self.value
        y = other.value if type(other) is Number else arithmetic.bare(other)
        if y is NotImplemented:
            return y
        result = _new(Number)
        exact = type(x) is Fraction and type(y) is Fraction
        result.value = of_fractions(x, y) if exact else of_values(x, y)
        return result

    def reflected(self: Number, other: Any) -> Any:
        x = arithmetic.bare(other)
        return x if x is NotImplemented else wrap(of_values(x, self.value))

    return forward, reflected


def _comparison(comparison: Callable[[Any, Any], Any]) -> Any:
    def compare(self: Number, other: Any) -> Any:
        x = self.value
        y = other.value if type(other) is Number else arithmetic.bare(other)
        if y is NotImplemented:
            return y
        if type(x) is Fraction and type(y) is Fraction:
            return comparison(x, y)
        return arithmetic.compare(comparison, x, y)

    return compare


def _function(name: str) -> Any:
    def function(self: Number, *others: Any) -> Number:
        return wrap(functions.function(name, self.value, *(Number(x).value for x in others)))

    function.__name__ = name
    return function


def _step(name: str) -> Any:
    """Rounding. As `math.floor` it gives an integer, of which an index can be made, unless a graph hangs on it."""

    def rounded(self: Number) -> Any:
        if arithmetic.is_traced(self.value) or not arithmetic.is_finite(self.value):
            return wrap(functions.step(name, self.value))
        return int(functions.step(name, self.value))

    return rounded


class Number:
    """A scalar of any arithmetic: exact, a scalar tensor of a traced graph, a symbol, or a float.

    To NumPy it is an unknown object, so that an array of them is an object array, whose functions (`np.exp`) call the
    methods of the same names. It can't become a float: what would cut it off from its graph raises `CutOff`.

    Attributes:
        value: a `Fraction`; a scalar `Tensor` whose data is a `Fraction`, a float64 or a sympy expression; a sympy
            expression; or a float (infinite or NaN among exact numbers, any in a float64 run).

    >>> x = Number(1) / 3 + 0.1
    >>> x, x.value
    (Number(13/30), Fraction(13, 30))
    >>> float(x)
    Traceback (most recent call last):
    tinygrad_cnn.verify.tracing.errors.CutOff: float: ...
    """

    __slots__ = ("value",)
    value: Any

    def __init__(self, value: Any) -> None:
        self.value = value.value if type(value) is Number else arithmetic.bare(value)
        if self.value is NotImplemented:
            raise TypeError(f"Number: expected a real number but got {type(value).__name__} {value!r}")

    # Operators

    __add__, __radd__ = _operator(operator.add, arithmetic.add)
    __sub__, __rsub__ = _operator(operator.sub, arithmetic.subtract)
    __mul__, __rmul__ = _operator(operator.mul, arithmetic.multiply)
    __truediv__, __rtruediv__ = _operator(arithmetic.divide, arithmetic.divide)
    __floordiv__, __rfloordiv__ = _operator(functions.floor_divide, functions.floor_divide)
    __mod__, __rmod__ = _operator(functions.remainder, functions.remainder)
    __rpow__ = _operator(functions.power, functions.power)[1]
    _power = _operator(functions.power, functions.power)[0]

    def __pow__(self, other: Any, modulus: None = None) -> Any:
        return self._power(other)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Number:
        return wrap(arithmetic.negative(self.value))

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return wrap(arithmetic.absolute(self.value))

    __eq__ = _comparison(operator.eq)
    __ne__ = _comparison(operator.ne)
    __lt__ = _comparison(operator.lt)
    __le__ = _comparison(operator.le)
    __gt__ = _comparison(operator.gt)
    __ge__ = _comparison(operator.ge)

    def __bool__(self) -> bool:
        return arithmetic.truth(self.value)

    def __hash__(self) -> int:
        return hash(arithmetic.plain(self.value))

    # NumPy's functions, which it calls as methods

    exp, exp2, expm1 = map(_function, ("exp", "exp2", "expm1"))
    log, log2, log10, log1p = map(_function, ("log", "log2", "log10", "log1p"))
    sin, cos, tan = map(_function, ("sin", "cos", "tan"))
    arcsin, arccos, arctan, arctan2 = map(_function, ("arcsin", "arccos", "arctan", "arctan2"))
    sinh, cosh, tanh = map(_function, ("sinh", "cosh", "tanh"))
    arcsinh, arccosh, arctanh = map(_function, ("arcsinh", "arccosh", "arctanh"))
    cbrt, logaddexp = map(_function, ("cbrt", "logaddexp"))

    def sqrt(self) -> Number:
        """The square root; exact where that is a fraction."""
        return wrap(functions.sqrt(self.value))

    def hypot(self, other: Any) -> Number:
        """sqrt(x**2 + y**2)."""
        return wrap(functions.sqrt((self * self + other * other).value))

    def sign(self) -> Number:
        """-1, 0 or 1, without a graph."""
        return wrap(functions.sign(self.value))

    def fabs(self) -> Number:
        """|x|."""
        return abs(self)

    def heaviside(self, middle: Any) -> Number:
        """0 below 0, 1 above it, `middle` at 0."""
        return Number(0 if self < 0 else 1 if self > 0 else middle)

    def copysign(self, other: Any) -> Number:
        """|x| with the sign of the other."""
        return abs(self) if other >= 0 else -abs(self)

    def float_power(self, other: Any) -> Any:
        """x**y."""
        return self**other

    def isnan(self) -> bool:
        """Whether it is not a number."""
        return bool(arithmetic.plain(self.value) != arithmetic.plain(self.value))

    def isfinite(self) -> bool:
        """Whether it is neither infinite nor NaN."""
        return arithmetic.is_finite(self.value)

    def isinf(self) -> bool:
        """Whether it is infinite."""
        return not self.isfinite() and not self.isnan()

    def signbit(self) -> bool:
        """Whether it is negative."""
        return self < 0  # type: ignore[no-any-return]

    fmod = _operator(functions.fmod, functions.fmod)[0]

    def modf(self) -> tuple[Number, Number]:
        """What stands behind the point, and what stands before it, both with the sign."""
        whole = wrap(functions.step("trunc", self.value))
        return self - whole, whole

    def rint(self) -> Number:
        """The nearest integer, without a graph."""
        return wrap(functions.step("rint", self.value))

    def conjugate(self) -> Number:
        """Itself."""
        return self

    __floor__, __ceil__, __trunc__, _rounded = map(_step, ("floor", "ceil", "trunc", "rint"))

    def __round__(self, decimals: int | None = None) -> Any:
        if decimals is None:
            return self._rounded()
        scale = Fraction(10) ** decimals
        return (self * scale).rint() / scale

    # What a NumPy scalar has

    def item(self) -> Number:
        """Itself."""
        return self

    def copy(self) -> Number:
        """Itself, which doesn't change."""
        return self

    def astype(self, dtype: Any, *_: Any, **__: Any) -> Any:
        """Itself for a floating-point dtype; else the NumPy scalar."""
        dtype = np.dtype(dtype)
        return self if dtype.kind in "fO" else dtype.type(bool(self) if dtype.kind == "b" else int(self))

    @property
    def real(self) -> Number:
        """Itself."""
        return self

    @property
    def imag(self) -> Number:
        """0."""
        return Number(0)

    def __getattr__(self, name: str) -> Any:
        """What else a NumPy scalar has (`shape`, `ndim`, `sum`), by way of an array without axes."""
        if name.startswith("_") or not hasattr(np.float64, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        array = np.empty((), dtype=object)
        array[()] = self
        return getattr(array, name)

    # Ways out

    def __float__(self) -> NoReturn:
        raise _cut_off("float", self)

    def __complex__(self) -> NoReturn:
        raise _cut_off("complex", self)

    def __int__(self) -> int:
        if arithmetic.is_traced(self.value):
            raise _cut_off("int", self)
        whole: int = math.trunc(self.value)
        return whole

    def __index__(self) -> NoReturn:
        raise _cut_off("index", self)

    def __copy__(self) -> Number:
        return self

    def __deepcopy__(self, memo: Any) -> Number:
        return self

    def __str__(self) -> str:
        return str(arithmetic.plain(self.value))

    def __repr__(self) -> str:
        return f"Number({self})"

    def __format__(self, specification: str) -> str:
        value = arithmetic.plain(self.value)
        if arithmetic.is_symbolic(value):
            return str(value)
        return format(float(value) if specification else value, specification)


numbers.Real.register(Number)

_ADVICE = {
    "float": "keep it in a list, or in an array as np.zeros(shape) makes it",
    "complex": "there is no gradient of complex numbers here",
    "int": "leave out int(), and make arrays of floats (np.zeros(shape), 0.0), not of integers",
    "index": "an index must be an integer from the start, a size or a loop's variable",
}


def _cut_off(kind: str, x: Number) -> CutOff:
    line = students_line()
    where = f" ({line})" if line else ""
    what = "an index" if kind == "index" else f"a plain {kind}"
    lost = "cut it off from the graph" if arithmetic.is_traced(x.value) else "lose its exact value"
    happened = f"this would turn the value {x} into {what} and {lost}"
    return CutOff(f"{kind}: {happened}; {_ADVICE[kind]}{where}")
