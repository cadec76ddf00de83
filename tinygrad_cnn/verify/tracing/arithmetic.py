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
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.primitives import elementwise
from tinygrad_cnn.verify.tracing.errors import NotTraceable
from tinygrad_cnn.verify.tracing.library import students_line

ZERO = Fraction(0)


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


def current() -> str:
    """The arithmetic of the run: "exact", "float64" or "symbolic"."""
    return _run.arithmetic


def tie() -> None:
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


def rational(x: Any) -> Any:
    """The sympy number that equals a fraction or a float."""
    import sympy

    return sympy.Rational(x.numerator, x.denominator) if isinstance(x, Fraction) else sympy.sympify(x)


def like(x: Any, data: Any) -> Any:
    """A constant in the arithmetic of the data."""
    if type(x) is Fraction:
        return float(x) if isinstance(data, float) else rational(x) if is_symbolic(data) else x
    return rational(x) if is_symbolic(data) else x


def of_plain(operation: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """x op y of two values without a graph, of which at most one is a fraction or y is 0."""
    if is_symbolic(x) or is_symbolic(y):
        return operation(rational(x), rational(y))
    if type(x) is np.float64 or type(y) is np.float64:
        return operation(np.float64(x), np.float64(y))
    with np.errstate(all="ignore"):  # infinities and NaN among exact numbers
        z = float(operation(np.float64(x), np.float64(y)))
    return Fraction(z) if math.isfinite(z) else z


def apply(operation: Callable[[Any, Any], Any], primitive: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """x op y, recorded where one of the two is a tensor."""
    if isinstance(x, Variable):
        if not isinstance(y, Variable):
            y = like(y, data := plain(x))
            if type(y) is float and type(data) is Fraction:
                return of_plain(operation, data, y)  # infinity has no graph
    elif isinstance(y, Variable):
        x = like(x, data := plain(y))
        if type(x) is float and type(data) is Fraction:
            return of_plain(operation, x, data)
    elif type(x) is Fraction and type(y) is Fraction:
        return operation(x, y)
    else:
        return of_plain(operation, x, y)
    return primitive(x, y)


# 0 + x, 1 x and 0 x make no nodes: a padded window would bury its formula under them.


def add(x: Any, y: Any) -> Any:
    """x + y."""
    if type(x) is Fraction and not x:
        return y
    if type(y) is Fraction and not y:
        return x
    return apply(operator.add, elementwise.add, x, y)


def subtract(x: Any, y: Any) -> Any:
    """x - y."""
    if type(y) is Fraction and not y:
        return x
    if type(x) is Fraction and not x:
        return negative(y)
    return apply(operator.sub, elementwise.subtract, x, y)


def multiply(x: Any, y: Any) -> Any:
    """x y."""
    for a, b in ((x, y), (y, x)):
        if type(a) is Fraction:
            if a == 1:
                return b
            if not a and is_finite(b):
                return ZERO
    return apply(operator.mul, elementwise.multiply, x, y)


def divide(x: Any, y: Any) -> Any:
    """x / y, infinite or NaN where y is 0, as NumPy has it."""
    if type(y) is Fraction and y == 1:
        return x
    divisor = plain(y)
    if type(divisor) is Fraction and not divisor and not isinstance(plain(x), np.float64 | float):
        return of_plain(operator.truediv, plain(x), ZERO)
    if type(x) is Fraction and not x and divisor != 0 and is_finite(divisor):
        return ZERO
    return apply(operator.truediv, elementwise.divide, x, y)


def negative(x: Any) -> Any:
    """-x."""
    return elementwise.negative(x) if isinstance(x, Variable) else -x


def absolute(x: Any) -> Any:
    """|x|."""
    if not isinstance(x, Variable):
        return abs(x)
    if plain(x) == 0:
        tie()
    return elementwise.abs(x)


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
        tie()
    return bool(comparison(p, q))


def _compare_symbols(comparison: Callable[[Any, Any], Any], p: Any, q: Any) -> bool:
    p, q = rational(p), rational(q)
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
