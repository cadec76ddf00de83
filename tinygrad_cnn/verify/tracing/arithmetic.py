"""The arithmetic of bare values: fractions, floats, sympy expressions, and scalar tensors of each.

A constant is a `Fraction` wherever it can be, and takes the arithmetic of what it meets: among exact numbers it stays a
fraction, next to a float64 it becomes a float, next to a symbol a rational number. Only a function without a rational
value (the square root of 2) has to know which arithmetic a run is in. Infinities and NaN are floats in all of them.
"""

from __future__ import annotations

import math
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_cnn.diagnostics import Line
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.primitives import elementwise, piecewise, trigonometric
from tinygrad_cnn.verify.tracing.errors import NotExact, NotTraceable
from tinygrad_cnn.verify.tracing.library import students_line

ARITHMETICS = ("exact", "float64", "symbolic")
ZERO, ONE, HALF = Fraction(0), Fraction(1), Fraction(1, 2)


class _Run(threading.local):
    """What a running trace has set for its thread."""

    arithmetic = "exact"
    ties: list[Line | None] | None = None


_run = _Run()


@contextmanager
def running(arithmetic: str) -> Iterator[list[Line | None]]:
    """Inside, constants are of this arithmetic; the list that it gives collects where equal numbers were compared."""
    before = _run.arithmetic, _run.ties
    _run.arithmetic, _run.ties = arithmetic, []
    try:
        yield _run.ties
    finally:
        _run.arithmetic, _run.ties = before


def _tie() -> None:
    """A kink was touched: two equal numbers were compared, and another branch is as near as this one."""
    if _run.ties is not None:
        _run.ties.append(students_line())


# Plain numbers


@lru_cache(maxsize=4096)
def fraction_of(x: float) -> Fraction:
    """The fraction that a float stands for.

    A float of up to 12 digits is the decimal that it shows. A longer one is usually the rounded quotient of two small
    numbers, which is recovered: the fraction with a denominator up to a million within 8 units in the last place. What
    is neither is the decimal that it shows.

    >>> fraction_of(0.1), fraction_of(1 / 9), fraction_of(1 - 0.9)
    (Fraction(1, 10), Fraction(1, 9), Fraction(1, 10))
    """
    text = repr(float(x))
    shown = Fraction(text)
    if len(Decimal(text).as_tuple().digits) <= 12:
        return shown
    near = shown.limit_denominator(10**6)
    return near if abs(near - shown) <= abs(shown) / 2**50 else shown


@lru_cache(maxsize=4096)
def _whole(x: int) -> Fraction:
    return Fraction(x)


def bare(x: Any) -> Any:
    """The bare value of a plain number in the arithmetic of the run; `NotImplemented` for what is no real number."""
    kind = type(x)
    if kind is int:
        return _whole(x)
    if kind is Fraction:
        return x
    if isinstance(x, float | np.floating):
        if _run.arithmetic == "float64":
            return np.float64(x)
        return fraction_of(float(x)) if math.isfinite(x) else float(x)
    if isinstance(x, int | np.integer | np.bool_):  # a fraction of NumPy's integers would overflow
        return Fraction(int(x))
    if isinstance(x, Variable):
        return x if x.shape == () else NotImplemented  # type: ignore[attr-defined]
    if is_symbolic(x):
        return x
    if isinstance(x, complex | np.complexfloating):
        raise NotTraceable("complex numbers", "their gradient is another one")
    return NotImplemented


def is_symbolic(x: Any) -> bool:
    """Whether x is a sympy expression; sympy isn't imported for it."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(x, sympy.Basic)


def plain(x: Any) -> Any:
    """The value without a graph."""
    return x.item() if isinstance(x, Variable) else x  # type: ignore[attr-defined]


def is_traced(x: Any) -> bool:
    """Whether a gradient passes through x: a scalar tensor, or a symbol."""
    return isinstance(x, Variable) or is_symbolic(x)


def _rational(x: Any) -> Any:
    """The sympy number that equals a fraction or a float."""
    import sympy

    return sympy.Rational(x.numerator, x.denominator) if isinstance(x, Fraction) else sympy.sympify(x)


def like(x: Any, data: Any) -> Any:
    """A constant in the arithmetic of the data."""
    if type(x) is Fraction:
        return float(x) if isinstance(data, float) else _rational(x) if is_symbolic(data) else x
    return _rational(x) if is_symbolic(data) else x


def _of_plain(operation: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """x op y of two values without a graph, of which at most one is a fraction or y is 0."""
    if is_symbolic(x) or is_symbolic(y):
        return operation(_rational(x), _rational(y))
    if type(x) is np.float64 or type(y) is np.float64:
        return operation(np.float64(x), np.float64(y))
    with np.errstate(all="ignore"):  # infinities and NaN among exact numbers
        z = float(operation(np.float64(x), np.float64(y)))
    return Fraction(z) if math.isfinite(z) else z


def _apply(operation: Callable[[Any, Any], Any], primitive: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """x op y, recorded where one of the two is a tensor."""
    if isinstance(x, Variable):
        if not isinstance(y, Variable):
            y = like(y, data := plain(x))
            if type(y) is float and type(data) is Fraction:
                return _of_plain(operation, data, y)  # infinity has no graph
    elif isinstance(y, Variable):
        x = like(x, data := plain(y))
        if type(x) is float and type(data) is Fraction:
            return _of_plain(operation, x, data)
    elif type(x) is Fraction and type(y) is Fraction:
        return operation(x, y)
    else:
        return _of_plain(operation, x, y)
    return primitive(x, y)


# 0 + x, 1 x and 0 x make no nodes: a padded window would bury its formula under them.


def add(x: Any, y: Any) -> Any:
    """x + y."""
    if type(x) is Fraction and not x:
        return y
    if type(y) is Fraction and not y:
        return x
    return _apply(operator.add, elementwise.add, x, y)


def subtract(x: Any, y: Any) -> Any:
    """x - y."""
    if type(y) is Fraction and not y:
        return x
    if type(x) is Fraction and not x:
        return negative(y)
    return _apply(operator.sub, elementwise.subtract, x, y)


def multiply(x: Any, y: Any) -> Any:
    """x y."""
    for a, b in ((x, y), (y, x)):
        if type(a) is Fraction:
            if a == 1:
                return b
            if not a and is_finite(b):
                return ZERO
    return _apply(operator.mul, elementwise.multiply, x, y)


def divide(x: Any, y: Any) -> Any:
    """x / y, infinite or NaN where y is 0, as NumPy has it."""
    if type(y) is Fraction and y == 1:
        return x
    divisor = plain(y)
    if type(divisor) is Fraction and not divisor and not isinstance(plain(x), np.float64 | float):
        return _of_plain(operator.truediv, plain(x), ZERO)
    if type(x) is Fraction and not x and divisor != 0 and is_finite(divisor):
        return ZERO
    return _apply(operator.truediv, elementwise.divide, x, y)


def floor_divide(x: Any, y: Any) -> Any:
    """floor(x / y): a step, without a gradient."""
    quotient = plain(divide(x, y))
    return step("floor", quotient, is_traced(x) or is_traced(y))


def remainder(x: Any, y: Any) -> Any:
    """x % y, with the sign of y."""
    if plain(y) != 0:
        return _apply(operator.mod, piecewise.remainder, x, y)
    return _of_plain(operator.mod, plain(x), plain(y))


def fmod(x: Any, y: Any) -> Any:
    """x % y, with the sign of x."""
    if plain(y) != 0:
        return _apply(elementary.fmod, piecewise.fmod, x, y)
    return math.nan


def negative(x: Any) -> Any:
    """-x."""
    return elementwise.negative(x) if isinstance(x, Variable) else -x


def absolute(x: Any) -> Any:
    """|x|."""
    if not isinstance(x, Variable):
        return abs(x)
    if plain(x) == 0:
        _tie()
    return elementwise.abs(x)


def power(x: Any, y: Any) -> Any:
    """x**y; exact for a whole exponent, and for half of one where the root of x is a fraction."""
    if type(y) is Fraction:
        base = plain(x)
        if y.denominator == 1:
            if not y:
                return ONE
            if y == 1:
                return x
            if y < 0 and not isinstance(base, float) and base == 0:
                return _of_plain(operator.pow, base, y)
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
    return _apply(operator.pow, elementwise.power, x, y)


# Functions


def _irrational(name: str, *fractions: Fraction) -> Any:
    """The function of constants, in the arithmetic of the run, if that has a value for it."""
    base = {"log2": 2, "log10": 10}.get(name)
    if base and fractions[0] > 0:  # of a size, for a number of layers
        whole = round(math.log(fractions[0], base))
        if Fraction(base) ** whole == fractions[0]:
            return Fraction(whole)
    if _run.arithmetic == "float64":
        return np.float64(getattr(np, name)(*map(float, fractions)))
    if _run.arithmetic == "symbolic":
        rationals = map(_rational, fractions)
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
    if root is None or (x is not value and not root):  # the slope at 0 is infinite
        return _irrational("sqrt", value) if x is value else _raise_not_exact("sqrt", value)
    return root if x is value else _sqrt(x)


def _raise_not_exact(name: str, *values: Any) -> Any:
    raise NotExact(name, *values)


_PRIMITIVES = {
    name: getattr(module, name)
    for module, names in (
        (elementwise, "exp exp2 expm1 log log2 log10 log1p sqrt cbrt tanh hypot logaddexp"),
        (trigonometric, "sin cos tan arcsin arccos arctan sinh cosh arcsinh arccosh arctanh arctan2"),
    )
    for name in names.split()
}
FUNCTIONS = tuple(_PRIMITIVES)


def function(name: str, *values: Any) -> Any:
    """The function by NumPy's name."""
    if any(isinstance(x, Variable) for x in values):
        data = next(plain(x) for x in values if isinstance(x, Variable))
        if type(data) is Fraction:
            raise NotExact(name, *map(plain, values))
        return _PRIMITIVES[name](*[x if isinstance(x, Variable) else like(x, data) for x in values])
    if any(map(is_symbolic, values)):
        return getattr(elementary, name)(*map(_rational, values))
    if any(isinstance(x, float) for x in values):
        with np.errstate(all="ignore" if _run.arithmetic != "float64" else None):
            z = getattr(np, name)(*map(float, values))
        return bare(z)
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
    is_at_step = abs(value - z) == HALF if name == "rint" else value == z
    if is_at_step and (is_traced(x) if traced is None else traced):
        _tie()
    return np.float64(z) if isinstance(value, np.float64) else Fraction(z)


def sign(x: Any) -> Any:
    """-1, 0 or 1, without a graph; NaN for NaN."""
    value = plain(x)
    if is_symbolic(value):
        raise NotTraceable("sign", f"{value} has no value yet")
    if value != value:
        return value
    if value == 0 and isinstance(x, Variable):
        _tie()
    return Fraction((value > 0) - (value < 0))


def is_finite(x: Any) -> bool:
    """Whether x is neither infinite nor NaN; a symbol is not."""
    value = plain(x)
    return not isinstance(value, float) or math.isfinite(value)


# Comparisons


def compare(comparison: Callable[[Any, Any], Any], x: Any, y: Any) -> bool:
    """Whether the comparison holds. Two different traced numbers that are equal are a tie."""
    p, q = plain(x), plain(y)
    if is_symbolic(p) or is_symbolic(q):
        return _compare_symbols(comparison, p, q)
    # Python compares its floats with fractions exactly, infinities too.
    p, q = (float(v) if isinstance(v, np.float64) else v for v in (p, q))
    if p == q and x is not y and (isinstance(x, Variable) or isinstance(y, Variable)):
        _tie()
    return bool(comparison(p, q))


def _compare_symbols(comparison: Callable[[Any, Any], Any], p: Any, q: Any) -> bool:
    p, q = _rational(p), _rational(q)
    if comparison in (operator.eq, operator.ne):  # of the same form; other symbols are other numbers
        return bool(comparison(p, q))
    try:
        return bool(comparison(p, q))
    except TypeError:
        shown = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">="}[comparison]
        raise NotTraceable(f"{p} {shown} {q}", "a comparison of symbols is neither true nor false") from None


def truth(x: Any) -> bool:
    """Whether x is not 0."""
    return compare(operator.ne, x, ZERO)
