"""A formula as data, which the writers of text, LaTeX and MathML share: it knows how it is read, not how it is set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any

JUXTAPOSED, ENTRYWISE, CORRELATED = "", "entrywise", "correlated"


class Notation:
    """A part of a formula. `str` gives it as one line of text."""

    __slots__ = ()

    def __str__(self) -> str:
        from tinygrad_cnn.verify.derivation.text import line

        return line(self)


@dataclass(frozen=True, slots=True)
class Number(Notation):
    """A rational number."""

    value: int | Fraction


@dataclass(frozen=True, slots=True)
class Letter(Notation):
    """A name with an index: ("X", ("2", "11")) is the entry 11 of channel 2, ("K", ("f", "c")) a whole kernel."""

    name: str
    index: tuple[str, ...] = ()
    is_whole: bool = False
    """Whether this is an array although it has an index, as one channel of an image is."""


@dataclass(frozen=True, slots=True)
class Word(Notation):
    """Something in upright letters: the T of a transpose, a few words."""

    text: str


@dataclass(frozen=True, slots=True)
class Partial(Notation):
    """The partial derivative of one by the other: dz11/dX12; inline, it is written with a slash everywhere."""

    of: Notation
    by: Notation
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class Sum(Notation):
    """Two terms or more, each with its own sign."""

    terms: tuple[Notation, ...]


@dataclass(frozen=True, slots=True)
class Product(Notation):
    """Two factors or more; correlated ones may have a step between the windows."""

    factors: tuple[Notation, ...]
    kind: str = JUXTAPOSED
    step: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Quotient(Notation):
    """The one over the other."""

    top: Notation
    bottom: Notation


@dataclass(frozen=True, slots=True)
class Power(Notation):
    """The base with an exponent (or a T)."""

    base: Notation
    exponent: Notation


@dataclass(frozen=True, slots=True)
class Negative(Notation):
    """The operand with a minus before it."""

    operand: Notation


@dataclass(frozen=True, slots=True)
class Call(Notation):
    """A function of its arguments: rot180(K), exp(x1)."""

    function: str
    arguments: tuple[Notation, ...]


@dataclass(frozen=True, slots=True)
class Total(Notation):
    """The sum of the body over some indices."""

    indices: tuple[str, ...]
    body: Notation


@dataclass(frozen=True, slots=True)
class Condition(Notation):
    """1 where the comparison holds, else 0 (Iverson's bracket)."""

    left: Notation
    relation: str
    right: Notation


@dataclass(frozen=True, slots=True)
class Matrix(Notation):
    """A matrix, entry by entry."""

    rows: tuple[tuple[Notation, ...], ...]


@dataclass(frozen=True, slots=True)
class Equation(Notation):
    """left = right = right ..., perhaps with a number (3) at the end of the line."""

    left: Notation
    rights: tuple[Notation, ...]
    number: int | None = field(default=None, kw_only=True)

    @property
    def right(self) -> Notation:
        """The last of its right sides."""
        return self.rights[-1]

    def text(self, width: int = 80) -> str:
        """The equation in lines of at most `width` characters."""
        from tinygrad_cnn.verify.derivation.text import equation_lines

        return "\n".join(equation_lines(self, width))

    def to_latex(self) -> str:
        """The equation as LaTeX for a displayed formula."""
        from tinygrad_cnn.verify.derivation.latex import display

        return display(self)

    def to_mathml(self) -> str:
        """The equation as one MathML element."""
        from tinygrad_cnn.verify.derivation.mathml import element

        return element(self)


ZERO, ONE = Number(0), Number(1)


def split_sign(notation: Notation) -> tuple[bool, Notation]:
    """Whether there is a minus before it, and it without."""
    if isinstance(notation, Negative):
        return True, notation.operand
    if isinstance(notation, Number) and notation.value < 0:
        return True, Number(-notation.value)
    if isinstance(notation, Product) and notation.kind == JUXTAPOSED:
        is_negative, first = split_sign(notation.factors[0])
        if is_negative:
            return True, times(first, *notation.factors[1:])
    if isinstance(notation, Quotient):
        is_negative, top = split_sign(notation.top)
        if is_negative:
            return True, Quotient(top, notation.bottom)
    return False, notation


def negative(notation: Notation) -> Notation:
    """The notation with the other sign."""
    is_negative, magnitude = split_sign(notation)
    if is_negative or magnitude == ZERO:
        return magnitude
    return Number(-magnitude.value) if isinstance(magnitude, Number) else Negative(magnitude)


def plus(*terms: Notation) -> Notation:
    """The sum of the terms, zeros left out.

    >>> print(plus(Letter("x"), ZERO, Number(-2)), plus())
    x - 2 0
    """
    flat: list[Notation] = []
    for term in terms:
        flat += term.terms if isinstance(term, Sum) else [] if term == ZERO else [term]
    return Sum(tuple(flat)) if len(flat) > 1 else flat[0] if flat else ZERO


def times(*factors: Notation) -> Notation:
    """The product of the factors, with their numbers and signs drawn together in front.

    >>> print(times(Letter("x"), Number(-2), Letter("y")), times(Letter("x"), Number(0)), times(Letter("x"), ONE))
    -2 x y 0 x
    """
    number: int | Fraction = 1
    others: list[Notation] = []
    for factor in factors:
        is_negative, magnitude = split_sign(factor)
        number = -number if is_negative else number
        for part in _plain_factors(magnitude):
            if isinstance(part, Number):
                number *= part.value
            else:
                others.append(part)
    if number.denominator == 1:
        number = int(number)
    if not number or not others:
        return Number(number)
    if abs(number) != 1:
        others.insert(0, Number(-number if number < 0 else number))
    product = Product(tuple(others)) if len(others) > 1 else others[0]
    return Negative(product) if number < 0 else product


def factored(terms: Sequence[Notation]) -> Notation:
    """The sum of the terms, a number that all of them have before the sum.

    >>> quarter = Number(Fraction(1, 4))
    >>> print(factored([times(quarter, Letter("x")), negative(times(quarter, Letter("y")))]))
    1/4 (x - y)
    """
    split = [_number_before(term) for term in terms]
    size = max((number for number, _ in split), default=0)
    size = size if size > 0 else min((number for number, _ in split), default=0)
    if len(terms) < 2 or abs(size) in (0, 1) or any(abs(number) != abs(size) for number, _ in split):
        return plus(*terms)
    return times(Number(size), plus(*(times(Number(1 if number == size else -1), rest) for number, rest in split)))


def _number_before(term: Notation) -> tuple[int | Fraction, Notation]:
    """The number that a term begins with, and the rest."""
    is_negative, magnitude = split_sign(term)
    first, *others = _plain_factors(magnitude)
    if not isinstance(first, Number):
        return -1 if is_negative else 1, magnitude
    return -first.value if is_negative else first.value, times(*others) if others else ONE


def _plain_factors(notation: Notation) -> tuple[Notation, ...]:
    is_product = isinstance(notation, Product) and notation.kind == JUXTAPOSED
    return notation.factors if is_product and isinstance(notation, Product) else (notation,)


def correlated(left: Notation, right: Notation, step: Iterable[int] = ()) -> Notation:
    """left (*) right, the windows of left `step` apart."""
    step = tuple(step)
    return Product((left, right), CORRELATED, step if any(s != 1 for s in step) else ())


def entrywise(*factors: Notation) -> Notation:
    """The product entry by entry, with numbers in front and ones left out."""
    numbers = [factor for factor in factors if isinstance(factor, Number)]
    others = tuple(factor for factor in factors if not isinstance(factor, Number))
    product = Product(others, ENTRYWISE) if len(others) > 1 else others[0] if others else ONE
    return times(*numbers, product)


def binding(notation: Notation) -> int:
    """How tightly a notation holds together: a part that binds less than what stands around it needs parentheses."""
    if isinstance(notation, Sum | Negative | Total) or (isinstance(notation, Number) and notation.value < 0):
        return 0
    if isinstance(notation, Product):
        return {CORRELATED: 1, ENTRYWISE: 2, JUXTAPOSED: 3}[notation.kind]
    if isinstance(notation, Quotient) or (isinstance(notation, Number) and notation.value % 1):
        return 3
    return 4 if isinstance(notation, Power) else 5


def least_binding(product: Product) -> int:
    """What a factor must bind at least so as to stand in the product without parentheses."""
    return {CORRELATED: 2, ENTRYWISE: 3, JUXTAPOSED: 3}[product.kind]


def has_matrix(notation: Notation) -> bool:
    """Whether a matrix is drawn in it, so that it takes more than one line."""
    if isinstance(notation, Matrix):
        return True
    return any(has_matrix(part) for part in parts(notation))


def parts(notation: Notation) -> tuple[Notation, ...]:
    """The notations that a notation is made of."""
    if isinstance(notation, Sum):
        return notation.terms
    if isinstance(notation, Product):
        return notation.factors
    if isinstance(notation, Call):
        return notation.arguments
    if isinstance(notation, Equation):
        return (notation.left, *notation.rights)
    if isinstance(notation, Quotient):
        return notation.top, notation.bottom
    if isinstance(notation, Power):
        return notation.base, notation.exponent
    if isinstance(notation, Partial):
        return notation.of, notation.by
    if isinstance(notation, Condition):
        return notation.left, notation.right
    if isinstance(notation, Negative):
        return (notation.operand,)
    if isinstance(notation, Total):
        return (notation.body,)
    if isinstance(notation, Matrix):
        return tuple(entry for row in notation.rows for entry in row)
    return ()


def inline(notation: Notation) -> Notation:
    """The notation for a line of words, where a derivative is no taller than a letter."""
    if isinstance(notation, Partial):
        return replace(notation, is_inline=True)
    changed: dict[str, Any] = {}
    for part in fields(notation):  # type: ignore[arg-type]
        value = getattr(notation, part.name)
        if isinstance(value, Notation):
            changed[part.name] = inline(value)
        elif isinstance(value, tuple) and any(isinstance(element, Notation) for element in value):
            changed[part.name] = tuple(map(inline, value))
    return replace(notation, **changed) if changed else notation  # type: ignore[type-var]
