"""Polynomials of named entries with rational coefficients: the arithmetic in which definitions are run to be read.

An operation that only adds and multiplies, as a convolution does, run on arrays of these gives its own formula, entry
by entry. A symbol may know its value; only then can polynomials be compared, which is how a maximum finds its winner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation.notation import Notation, Number, Power, factored, times

Exact = int | Fraction
Monomial = tuple["Symbol", ...]

MOST_DENOMINATOR = 1000
"""A float is taken for a fraction with a denominator up to this, if one is as near as a few roundings."""

_compared: ContextVar[list[bool] | None] = ContextVar("compared", default=None)


class NotPolynomialError(TypeError):
    """The operation leaves the polynomials: it divides by an entry, or takes a root of one."""


class NoValueError(TypeError):
    """Entries were compared whose values are not known."""


class Symbol:
    """A named entry, or the derivative of L by one; each is equal to itself alone."""

    __slots__ = ("order", "place", "shown", "value", "variable")

    def __init__(self, shown: Notation, order: tuple[int, ...], variable: Any, place: int, value: Any = None) -> None:
        self.shown = shown
        self.order = order
        self.variable = variable
        self.place = place
        self.value = value

    def __repr__(self) -> str:
        return str(self.shown)


def rational(value: Any) -> Exact:
    """The number as an integer or a fraction; of the fractions that a float may have been rounded from, a short one.

    >>> rational(0.1), rational(np.float32(1) / 3), rational(1 - 0.7), rational(2.0)
    (Fraction(1, 10), Fraction(1, 3), Fraction(3, 10), 2)
    """
    if isinstance(value, Rational):
        exact = Fraction(value)
    else:
        try:
            exact = Fraction(float(value) if isinstance(value, np.floating) else value)
        except (ValueError, OverflowError):
            raise NotPolynomialError(f"no polynomial has the coefficient {value}") from None
        rounding = Fraction(4 * float(np.finfo(type(value) if isinstance(value, np.floating) else float).eps))
        short = exact.limit_denominator(MOST_DENOMINATOR)
        if abs(short - exact) <= rounding * abs(exact):
            exact = short
    return int(exact) if exact.denominator == 1 else exact


def _coefficient(value: Any) -> Exact | None:
    """The number that the operand is, or None."""
    if type(value) is int:
        return value
    if isinstance(value, Rational | float | np.integer | np.floating | np.bool_):
        return rational(int(value) if isinstance(value, np.bool_) else value)
    return None


def _comparison(compare: Callable[[Any, Any], bool]) -> Any:
    def method(self: Polynomial, other: Any) -> Any:
        if not isinstance(other, Polynomial | int | float | Rational | np.generic):
            return NotImplemented
        if (seen := _compared.get()) is not None:
            seen.append(True)
        return compare(self.value(), other.value() if isinstance(other, Polynomial) else other)

    return method


class Polynomial:
    """A sum of monomials with rational coefficients, in the order in which they were added."""

    __slots__ = ("terms",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, terms: dict[Monomial, Exact]) -> None:
        self.terms = terms

    @classmethod
    def of(cls, symbol: Symbol) -> Polynomial:
        """The symbol itself."""
        return cls({(symbol,): 1})

    @property
    def symbol(self) -> Symbol | None:
        """The symbol, if the polynomial is nothing but that."""
        if len(self.terms) != 1:
            return None
        ((monomial, coefficient),) = self.terms.items()
        return monomial[0] if len(monomial) == 1 and coefficient == 1 else None

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Polynomial):
            terms = self.terms.copy()
            for monomial, coefficient in other.terms.items():
                total = terms.get(monomial, 0) + coefficient
                if total:
                    terms[monomial] = total
                else:
                    del terms[monomial]
            return Polynomial(terms)
        number = _coefficient(other)
        if number is None:
            return NotImplemented
        return self + Polynomial({(): number}) if number else self

    __radd__ = __add__

    def __neg__(self) -> Polynomial:
        return Polynomial({monomial: -coefficient for monomial, coefficient in self.terms.items()})

    def __pos__(self) -> Polynomial:
        return self

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Polynomial):
            product: dict[Monomial, Exact] = {}
            for left, a in self.terms.items():
                for right, b in other.terms.items():
                    monomial = tuple(sorted(left + right, key=_order))
                    total = product.get(monomial, 0) + a * b
                    if total:
                        product[monomial] = total
                    else:
                        del product[monomial]
            return Polynomial(product)
        number = _coefficient(other)
        if number is None:
            return NotImplemented
        if number == 1:
            return self
        return Polynomial({monomial: number * c for monomial, c in self.terms.items()} if number else {})

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        number = _coefficient(other)
        if number:
            return self * Fraction(1, number)
        raise NotPolynomialError(f"a polynomial divided by {other} is none")

    def __rtruediv__(self, other: Any) -> Any:
        raise NotPolynomialError("a quotient by a polynomial is none")

    def __pow__(self, exponent: Any) -> Any:
        number = _coefficient(exponent)
        if not isinstance(number, int) or number < 0:
            raise NotPolynomialError(f"a polynomial to the power of {exponent} is none")
        result = Polynomial({(): 1})
        for _ in range(number):
            result = result * self
        return result

    def __abs__(self) -> Polynomial:
        return self if self >= 0 else -self

    def __bool__(self) -> bool:
        return bool(self != 0)

    __lt__ = _comparison(lambda a, b: bool(a < b))
    __le__ = _comparison(lambda a, b: bool(a <= b))
    __gt__ = _comparison(lambda a, b: bool(a > b))
    __ge__ = _comparison(lambda a, b: bool(a >= b))
    __eq__ = _comparison(lambda a, b: bool(a == b))
    __ne__ = _comparison(lambda a, b: bool(a != b))

    def value(self) -> Any:
        """The number that it is at the values of its symbols.

        Raises:
            NoValueError: a symbol without a value.
        """
        total: Any = 0
        for monomial, coefficient in self.terms.items():
            product: Any = 1
            for symbol in monomial:
                if symbol.value is None:
                    raise NoValueError(f"{symbol} has no value to compare")
                product = product * symbol.value
            # An integer leaves NumPy's numbers and fractions what they are.
            total = total + (product if coefficient == 1 else product * coefficient)
        return total

    def substitute(self, values: Callable[[Symbol], Any]) -> Any:
        """The polynomial with another polynomial or number for each of its symbols."""
        total: Any = 0
        for monomial, coefficient in self.terms.items():
            product: Any = coefficient
            for symbol in monomial:
                product = product * values(symbol)
            total = total + product
        return total

    def derivatives(self) -> dict[Symbol, Polynomial]:
        """The partial derivative by each entry in it."""
        result: dict[Symbol, dict[Monomial, Exact]] = {}
        for monomial, coefficient in self.terms.items():
            for i, symbol in enumerate(monomial):
                rest = monomial[:i] + monomial[i + 1 :]
                terms = result.setdefault(symbol, {})
                terms[rest] = terms.get(rest, 0) + coefficient
        return {symbol: Polynomial(terms) for symbol, terms in result.items()}

    def symbols(self) -> Iterator[Symbol]:
        """Its symbols, each as often as it occurs."""
        return (symbol for monomial in self.terms for symbol in monomial)

    def shown(self) -> Notation:
        """The polynomial as a formula, equal neighbours of a monomial as a power."""
        return factored([times(Number(c), *_factors(monomial)) for monomial, c in self.terms.items()])

    def __repr__(self) -> str:
        return str(self.shown())


def _order(symbol: Symbol) -> tuple[int, ...]:
    return symbol.order


def _factors(monomial: Monomial) -> Iterator[Notation]:
    for symbol in dict.fromkeys(monomial):
        power = monomial.count(symbol)
        yield Power(symbol.shown, Number(power)) if power > 1 else symbol.shown


def terms_of(value: Any) -> dict[Monomial, Exact]:
    """The terms of a polynomial or of a number."""
    if isinstance(value, Polynomial):
        return value.terms
    number = _coefficient(value)
    if number is None:
        raise NotPolynomialError(f"{type(value).__name__} is no polynomial")
    return {(): number} if number else {}


def are_equal(left: Any, right: Any) -> bool:
    """Whether two arrays hold the same polynomials, term by term."""
    if left.shape != right.shape:
        return False
    return all(terms_of(a) == terms_of(b) for a, b in zip(left.flat, right.flat, strict=True))


@contextmanager
def comparisons() -> Iterator[list[bool]]:
    """The list is no longer empty once polynomials were compared inside."""
    seen: list[bool] = []
    token = _compared.set(seen)
    try:
        yield seen
    finally:
        _compared.reset(token)


def array_of(entries: Any, shape: tuple[int, ...]) -> Any:
    """The entries as an object array."""
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array.reshape(shape)


