"""Powers, roots, exp and the like, and rounding, of bare values: what is a fraction for a fraction, and what isn't."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.primitives import elementwise, piecewise, trigonometric
from tinygrad_cnn.verify.tracing import arithmetic
from tinygrad_cnn.verify.tracing.arithmetic import apply, is_symbolic, is_traced, like, of_plain, plain, rational, tie
from tinygrad_cnn.verify.tracing.errors import NotExact, NotTraceable


def power(x: Any, y: Any) -> Any:
    """x**y; exact for a whole exponent, and for half of one where the root of x is a fraction."""
    if type(y) is Fraction:
        base = plain(x)
        if y.denominator == 1:
            if not y:
                return Fraction(1)
            if y == 1:
                return x
            if y < 0 and not isinstance(base, float) and base == 0:
                return of_plain(operator.pow, base, y)
            exponent = y.numerator
            if isinstance(x, Variable):
                return elementwise.power(x, float(exponent) if isinstance(base, float) else exponent)
            return x**exponent
        if type(base) is Fraction:
            if y.denominator == 2:
                return power(sqrt(x), Fraction(y.numerator))
            return _irrational("power", base, y)
    elif type(y) is not float and type(plain(y)) is Fraction and type(plain(x)) is Fraction:
        raise NotExact("power", plain(x), plain(y))  # the derivative has a logarithm
    return apply(operator.pow, elementwise.power, x, y)


# Functions


def _irrational(name: str, *fractions: Fraction) -> Any:
    """The function of constants, in the arithmetic of the run, if that has a value for it."""
    base = {"log2": 2, "log10": 10}.get(name)
    if base and fractions[0] > 0:  # of a size, for a number of layers
        whole = round(math.log(fractions[0], base))
        if Fraction(base) ** whole == fractions[0]:
            return Fraction(whole)
    if arithmetic.current() == "float64":
        return np.float64(getattr(np, name)(*map(float, fractions)))
    if arithmetic.current() == "symbolic":
        rationals = map(rational, fractions)
        return operator.pow(*rationals) if name == "power" else getattr(elementary, name)(*rationals)
    raise NotExact(name, *fractions)


def _root(x: Fraction) -> Fraction | None:
    """The square root, where it is a fraction."""
    above, below = math.isqrt(x.numerator), math.isqrt(x.denominator)
    return Fraction(above, below) if above**2 == x.numerator and below**2 == x.denominator else None


@primitive(x=lambda dz, z: elementwise.divide(dz, 2 * z))
def _sqrt(x: Any) -> Any:
    return _root(x)


_sqrt.primitive.name = "sqrt"  # type: ignore[attr-defined]


def sqrt(x: Any) -> Any:
    """The square root; of a fraction exact where it is one, and NaN below 0."""
    value = plain(x)
    if type(value) is not Fraction:
        return function("sqrt", x)
    if value < 0:
        return math.nan
    root = _root(value)
    if not isinstance(x, Variable):
        return _irrational("sqrt", value) if root is None else root
    if not root:  # none, or 0, where the slope is infinite
        raise NotExact("sqrt", value)
    return _sqrt(x)


_PRIMITIVES = {
    name: getattr(module, name)
    for module, names in (
        (elementwise, "exp exp2 expm1 log log2 log10 log1p sqrt cbrt tanh hypot logaddexp"),
        (trigonometric, "sin cos tan arcsin arccos arctan sinh cosh arcsinh arccosh arctanh arctan2"),
    )
    for name in names.split()
}


def function(name: str, *values: Any) -> Any:
    """The function by NumPy's name."""
    if any(isinstance(x, Variable) for x in values):
        data = next(plain(x) for x in values if isinstance(x, Variable))
        if type(data) is Fraction:
            raise NotExact(name, *map(plain, values))
        return _PRIMITIVES[name](*[x if isinstance(x, Variable) else like(x, data) for x in values])
    if any(map(is_symbolic, values)):
        return getattr(elementary, name)(*map(rational, values))
    if any(isinstance(x, float) for x in values):
        with np.errstate(all="ignore" if arithmetic.current() != "float64" else None):
            z = getattr(np, name)(*map(float, values))
        return arithmetic.bare(z)
    return _irrational(name, *values)


_STEPS: dict[str, Callable[[Any], Any]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "rint": round,
}


def step(name: str, x: Any, traced: bool | None = None) -> Any:
    """x rounded by the named function: constant wherever it has a derivative, so without a graph."""
    value = plain(x)
    if is_symbolic(value):
        raise NotTraceable(name, f"{value} has no value yet")
    if not math.isfinite(value):
        return value
    z = _STEPS[name](value)
    is_at_step = abs(value - z) == Fraction(1, 2) if name == "rint" else value == z
    if is_at_step and (is_traced(x) if traced is None else traced):
        tie()
    return np.float64(z) if isinstance(value, np.float64) else Fraction(z)


def sign(x: Any) -> Any:
    """-1, 0 or 1, without a graph; NaN for NaN."""
    value = plain(x)
    if is_symbolic(value):
        raise NotTraceable("sign", f"{value} has no value yet")
    if value != value:
        return value
    if value == 0 and isinstance(x, Variable):
        tie()
    return Fraction((value > 0) - (value < 0))


# Remainders


def floor_divide(x: Any, y: Any) -> Any:
    """floor(x / y): a step, without a gradient."""
    quotient = plain(arithmetic.divide(x, y))
    return step("floor", quotient, is_traced(x) or is_traced(y))


def remainder(x: Any, y: Any) -> Any:
    """x % y, with the sign of y."""
    if plain(y) != 0:
        return apply(operator.mod, piecewise.remainder, x, y)
    return of_plain(operator.mod, plain(x), plain(y))


def fmod(x: Any, y: Any) -> Any:
    """x % y, with the sign of x."""
    if plain(y) != 0:
        return apply(elementary.fmod, piecewise.fmod, x, y)
    return math.nan
