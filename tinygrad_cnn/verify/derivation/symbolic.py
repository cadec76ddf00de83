"""What polynomials can't say, by sympy: exponentials, logarithms, quotients, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from numbers import Complex
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation.notation import (
    Call,
    Notation,
    Number,
    Power,
    Quotient,
    Word,
    factored,
    negative,
    split_sign,
    times,
)
from tinygrad_cnn.verify.derivation.polynomial import MOST_DENOMINATOR, Polynomial, Symbol, array_of, rational

MOST_OPERATIONS = 120
"""sympy is asked to simplify a difference of up to this many operations."""

ROUNDING = 1e-12
"""What is left of two equal terms with floats, at most."""


@cache
def library() -> Any:
    """sympy.

    Raises:
        ImportError: it is missing; the message says how to install it.
    """
    try:
        import sympy
    except ImportError as error:
        raise ImportError(
            "derive: exponentials, logarithms and quotients of entries need sympy; pip install 'tinygrad_cnn[verify]'"
        ) from error
    return sympy


class Translation:
    """Entries as sympy's symbols, and back; with `signed`, they know the sign of their values."""

    def __init__(self, signed: bool = False) -> None:
        self.signed = signed
        self._forth: dict[Symbol, Any] = {}
        self._back: dict[Any, Symbol] = {}

    def symbol(self, symbol: Symbol) -> Any:
        """sympy's symbol for an entry."""
        if symbol not in self._forth:
            # sympy sorts by name; the names follow the order in which the entries stand in a product.
            name = "_".join(f"{part:06d}" for part in symbol.order)
            assumptions = _sign(symbol.value) if self.signed else {"real": True}
            self._forth[symbol] = made = library().Symbol(name, **assumptions)
            self._back[made] = symbol
        return self._forth[symbol]

    def forth(self, value: Any) -> Any:
        """A polynomial or a number, for sympy; anything else as it is."""
        if isinstance(value, Polynomial):
            return library().sympify(value.substitute(self.symbol))
        return library().Rational(rational(value)) if isinstance(value, float | Fraction | np.floating) else value

    def arrays(self, operands: Sequence[Any]) -> list[Any]:
        """Operands, arrays or single, for sympy."""
        return [
            array_of([self.forth(value) for value in x.flat], x.shape)
            if isinstance(x, np.ndarray) and x.dtype == object
            else self.forth(x)
            for x in operands
        ]

    def derivatives(self, expression: Any) -> dict[Symbol, Any]:
        """The partial derivatives that are not 0, in the order of the entries.

        Raises:
            ValueError: sympy knows none.
        """
        sympy = library()
        found = {}
        for symbol in sorted(sympy.sympify(expression).free_symbols, key=lambda s: self._back[s].order):
            derivative = exact(sympy.diff(expression, symbol))
            if derivative.has(sympy.Derivative, sympy.Subs):
                raise ValueError(f"derive: sympy finds no derivative of {self.shown(expression)}")
            if derivative != 0:
                found[self._back[symbol]] = derivative
        return found

    def is_right(self, expressions: Sequence[Any], values: Sequence[Any]) -> bool:
        """Whether the expressions have these values, as far as those of their symbols are known."""
        for expression, value in zip(expressions, values, strict=True):
            symbols = [self._back[s] for s in library().sympify(expression).free_symbols]
            if not isinstance(value, Complex) or any(symbol.value is None for symbol in symbols):
                continue
            number = complex(library().sympify(expression).evalf(subs={self.symbol(s): s.value for s in symbols}))
            if abs(number - complex(value)) > 1e-3 * max(1.0, abs(complex(value))):
                return False
        return True

    def number(self, expression: Any, value: Callable[[Symbol], Any]) -> Any:
        """The expression with numbers for its symbols: exact where it is rational, else a float."""
        expression = library().sympify(expression)
        values = {s: library().sympify(value(self._back[s])) for s in expression.free_symbols}
        number = expression.xreplace(values)
        return Fraction(int(number.p), int(number.q)) if number.is_Rational else float(number)

    def shown(self, expression: Any) -> Notation:
        """The expression as a formula."""
        return shown(expression, lambda symbol: self._back[symbol].shown)


def _sign(value: Any) -> dict[str, bool]:
    if value is None:
        return {"real": True}
    return {"positive": True} if value > 0 else {"negative": True} if value < 0 else {"zero": True}


def exact(expression: Any) -> Any:
    """The expression with fractions for the floats that stand for short ones; a float like log 2 stays what it is."""
    sympy = library()
    expression = sympy.sympify(expression)
    short = {}
    for number in expression.atoms(sympy.Float):
        value = rational(float(number))
        if value.denominator <= MOST_DENOMINATOR:
            short[number] = sympy.Rational(value)
    return expression.xreplace(short)


def are_equal(left: Any, right: Any) -> bool:
    """Whether the difference of two expressions is proved to be 0, up to the rounding of floats in them.

    A large one is not simplified for long.
    """
    sympy = library()
    difference = sympy.sympify(left) - right
    if difference == 0:
        return True
    expanded = sympy.expand(difference)
    if difference.has(sympy.Float):
        return all(abs(term.as_coeff_Mul()[0]) < ROUNDING for term in sympy.Add.make_args(expanded))
    return bool(expanded == 0 or (difference.count_ops() <= MOST_OPERATIONS and sympy.simplify(difference) == 0))


def shown(expression: Any, letter: Callable[[Any], Notation]) -> Notation:
    """A sympy expression as a formula, `letter` saying how its symbols are written."""
    sympy = library()

    def of(e: Any) -> Notation:
        if e.is_Symbol:
            return letter(e)
        if e.is_Rational:
            return Number(rational(Fraction(int(e.p), int(e.q))))
        if e.is_Float:
            return Number(rational(float(e)))
        if e.is_Add:
            return _sum([of(term) for term in e.as_ordered_terms()])
        if e.is_Mul:
            top, bottom = sympy.fraction(e, exact=True)
            if bottom == 1 or bottom.is_Rational:
                return times(*map(of, e.as_ordered_factors()))
            number, rest = bottom.as_coeff_Mul()
            if rest != 1 and not top.is_Rational:  # the number stands before the fraction
                return times(of(sympy.S.One / number), _quotient(top, rest))
            return _quotient(top, bottom)
        if e.is_Pow:
            if e.exp.is_negative and e.exp.is_Rational:
                return _quotient(sympy.S.One, e.base**-e.exp)
            return Call("sqrt", (of(e.base),)) if e.exp == sympy.S.Half else Power(of(e.base), of(e.exp))
        if isinstance(e, sympy.exp):
            return Call("exp", (of(e.exp),))
        if isinstance(e, sympy.Abs):
            return Call("abs", (of(e.args[0]),))
        if e.is_Function:
            return Call(type(e).__name__, tuple(map(of, e.args)))
        return Word(str(e))

    def _quotient(top: Any, bottom: Any) -> Notation:
        is_negative, numerator = split_sign(of(top))
        quotient = Quotient(numerator, of(bottom))
        return negative(quotient) if is_negative else quotient

    return of(sympy.sympify(expression))


def _sum(terms: list[Notation]) -> Notation:
    """The terms, one without a minus before the others: 1 - y, not -y + 1."""
    terms.sort(key=lambda term: split_sign(term)[0])
    return factored(terms)
