"""Formulas as MathML Core, which browsers render without any script or font from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from html import escape

from tinygrad_cnn.verify.derivation.document import DOTS
from tinygrad_cnn.verify.derivation.notation import (
    CORRELATED,
    ENTRYWISE,
    Call,
    Condition,
    Equation,
    Letter,
    Matrix,
    Negative,
    Notation,
    Number,
    Partial,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Word,
    binding,
    inline,
    least_binding,
    split_sign,
)
from tinygrad_cnn.verify.derivation.text import rational

_APPLY, _TIMES = "<mo>&#x2061;</mo>", "<mo>&#x2062;</mo>"  # invisible: f of x, a times b
_MINUS = "<mo>&#x2212;</mo>"
_DEL = '<mo lspace="0" rspace="0">&#x2202;</mo>'
_TALL = ("<mfrac", "<mtable", "<munder", "<msqrt")
_SIGNS = {"-": "−", ">=": "≥", "<=": "≤", "!=": "≠"}


def element(notation: Notation, is_display: bool = True) -> str:
    """The notation as a `math` element.

    >>> print(element(Letter("X", ("2", "11")), is_display=False))
    <math><msub><mi>X</mi><mrow><mn>2</mn><mo separator="true">,</mo><mn>11</mn></mrow></msub></math>
    """
    style = ' displaystyle="true"' if is_display else ""
    return f"<math{style}>{markup(notation)}</math>"


def pieces(right: Notation, sign: str = "=") -> list[str]:
    """A right side as `math` elements between which a line may be broken: one for each term of a sum."""
    start = operator(sign)
    if not isinstance(right, Sum):
        return [f'<math displaystyle="true"><mrow>{start}{markup(right)}</mrow></math>']
    return [
        f'<math displaystyle="true"><mrow>{start if not i else ""}{signed(term, is_first=not i)}</mrow></math>'
        for i, term in enumerate(right.terms)
    ]


def markup(notation: Notation) -> str:
    """The notation as MathML elements, one or more."""
    match notation:
        case Number(value):
            return _number(value)
        case Letter(name, index):
            letter = f"<mi>{escape(name)}</mi>"
            return f"<msub>{letter}{_row(_index(','.join(index)))}</msub>" if index else letter
        case Word(text):
            if notation == DOTS:
                return "<mo>⋯</mo>"
            return f"<mtext>{escape(text)}</mtext>"
        case Partial(of, by, is_inline):
            top, bottom = (f"<mrow>{_DEL}{markup(part)}</mrow>" for part in (of, by))
            slash = '<mo lspace="0" rspace="0">/</mo>'
            return f"<mrow>{top}{slash}{bottom}</mrow>" if is_inline else f"<mfrac>{top}{bottom}</mfrac>"
        case Sum(terms):
            return _row(signed(term, is_first=not i) for i, term in enumerate(terms))
        case Product():
            least = least_binding(notation)
            return _row([_operator(notation).join(_enclosed(factor, least) for factor in notation.factors)])
        case Quotient(top, bottom):
            return f"<mfrac><mrow>{markup(top)}</mrow><mrow>{markup(bottom)}</mrow></mfrac>"
        case Power(base, exponent):
            return f"<msup><mrow>{_enclosed(base, 5)}</mrow><mrow>{markup(exponent)}</mrow></msup>"
        case Negative(operand):
            return _row([_MINUS, _enclosed(operand, 1)])
        case Call("floor", (argument,)):
            return _bracketed("⌊", markup(argument), "⌋")
        case Call("exp", (argument,)):
            return f"<msup><mi>e</mi><mrow>{markup(argument)}</mrow></msup>"
        case Call("sqrt", (argument,)):
            return f"<msqrt>{markup(argument)}</msqrt>"
        case Call(function, arguments):
            inside = '<mo separator="true">,</mo>'.join(map(markup, arguments))
            return _row([f'<mi mathvariant="normal">{escape(function)}</mi>', _APPLY, _bracketed("(", inside, ")")])
        case Total(indices, body):
            under = '<mo separator="true">,</mo>'.join(f"<mi>{escape(index)}</mi>" for index in indices)
            sign = f"<munder><mo>&#x2211;</mo><mrow>{under}</mrow></munder>"
            return _row([sign, _enclosed(body, 1)])
        case Condition(left, relation, right):
            between = f"<mtext>&#xa0;{relation}&#xa0;</mtext>" if relation.isalpha() else operator(relation)
            return _bracketed("[", markup(left) + between + markup(right), "]")
        case Matrix(rows):
            lines = ("".join(f"<mtd>{markup(inline(entry))}</mtd>" for entry in row) for row in rows)
            return _bracketed("[", f"<mtable>{''.join(f'<mtr>{line}</mtr>' for line in lines)}</mtable>", "]")
        case Equation(left, rights):
            return _row([operator("=").join(map(markup, (left, *rights)))])
    raise TypeError(f"derivation: no MathML for {type(notation).__name__}")


def _row(elements: Iterable[str]) -> str:
    return f"<mrow>{''.join(elements)}</mrow>"


def _bracketed(left: str, inside: str, right: str) -> str:
    # A bracket that stretches around what is not tall gets the next larger glyph, with space beside it.
    stretchy = "true" if any(tag in inside for tag in _TALL) else "false"
    return f'<mrow><mo stretchy="{stretchy}">{left}</mo>{inside}<mo stretchy="{stretchy}">{right}</mo></mrow>'


def operator(sign: str) -> str:
    """A sign between two operands."""
    return f"<mo>{escape(_SIGNS.get(sign, sign))}</mo>"


def _number(value: int | Fraction) -> str:
    text = rational(value)
    sign = _MINUS if text.startswith("-") else ""
    top, slash, bottom = text.removeprefix("-").partition("/")
    size = f"<mfrac><mn>{top}</mn><mn>{bottom}</mn></mfrac>" if slash else f"<mn>{top}</mn>"
    return f"<mrow>{sign}{size}</mrow>" if sign else size


def _index(index: str) -> Iterable[str]:
    for part in re.findall(r"\d+|.", index):
        if part.isdigit():
            yield f"<mn>{part}</mn>"
        elif part.isalpha():
            yield f"<mi>{escape(part)}</mi>"
        else:
            yield '<mo separator="true">,</mo>' if part == "," else operator(part)


def _operator(product: Product) -> str:
    if product.kind == CORRELATED:
        steps = product.step
        step = ",".join(map(str, steps[:1] if len(set(steps)) == 1 else steps))
        return f"<msub><mo>⊛</mo><mrow>{''.join(_index(step))}</mrow></msub>" if step else "<mo>⊛</mo>"
    return "<mo>∘</mo>" if product.kind == ENTRYWISE else _TIMES


def _enclosed(notation: Notation, least: int) -> str:
    is_block = isinstance(notation, Quotient | Number) and not (isinstance(notation, Number) and notation.value < 0)
    if binding(notation) >= least or (is_block and least <= 4):
        return markup(notation)
    return _bracketed("(", markup(notation), ")")


def signed(term: Notation, is_first: bool) -> str:
    """The term of a sum with its sign."""
    is_negative, magnitude = split_sign(term)
    inside = markup(magnitude) if isinstance(magnitude, Total) else _enclosed(magnitude, 1)
    sign = "−" if is_negative else "" if is_first else "+"
    # A sign that begins a line of its own stands between two terms all the same.
    form = "" if is_first else ' form="infix"'
    return (f"<mo{form}>{sign}</mo>" if sign else "") + inside
