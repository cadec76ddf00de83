"""Formulas and derivations as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from tinygrad_cnn.verify.derivation.document import Block, Bullets, Display, Paragraph
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
    has_matrix,
    least_binding,
    split_sign,
)
from tinygrad_cnn.verify.excerpt import number

if TYPE_CHECKING:
    from tinygrad_cnn.verify.derivation.derivation import Derivation

WIDTH = 80
_GLUE = "\N{NO-BREAK SPACE}"


def rational(value: int | Fraction) -> str:
    """A rational number: an integer, a short fraction, or a decimal number."""
    return str(value) if isinstance(value, int) else number(value)


def line(notation: Notation) -> str:
    """The notation in one line.

    >>> line(Equation(Partial(Letter("L"), Letter("X", ("11",))), (Product((Letter("a"), Letter("K", ("2", "11")))),)))
    'dL/dX11 = a K2,11'
    """
    match notation:
        case Number(value):
            return rational(value)
        case Letter():
            return _letter(notation)
        case Word(text):
            return text.replace(_GLUE, " ")
        case Partial(of, by):
            return f"d{line(of)}/d{line(by)}"
        case Sum(terms):
            return " ".join(_signed(term, is_first=not i) for i, term in enumerate(terms))
        case Product():
            return _product(notation)
        case Quotient(top, bottom):
            return f"{enclosed(top, 3)}/{enclosed(bottom, 4)}"
        case Power(base, exponent):
            return f"{enclosed(base, 5)}^{enclosed(exponent, 5)}"
        case Negative(operand):
            return f"-{enclosed(operand, 1)}"
        case Call(function, arguments):
            return f"{function}({', '.join(map(line, arguments))})"
        case Total(indices, body):
            return f"sum over {', '.join(indices)} of {enclosed(body, 1)}"
        case Condition(left, relation, right):
            return f"[{line(left)} {relation} {line(right)}]"
        case Matrix(rows):
            lines = (", ".join(map(line, row)) for row in rows)
            return f"[{', '.join(f'[{row}]' for row in lines)}]"
        case Equation(left, rights):
            return " = ".join(map(line, (left, *rights)))
    raise TypeError(f"derivation: no text for {type(notation).__name__}")


def _letter(letter: Letter) -> str:
    index = ",".join(letter.index)
    if not index:
        return letter.name
    is_short = len(letter.name) == 1 or index[0].isdigit()
    if letter.is_whole or letter.name[-1:].isdigit() or not is_short or not index.replace(",", "").isalnum():
        return f"{letter.name}[{index}]"
    return letter.name + index if index[0].isdigit() or "," not in index else f"{letter.name}[{index}]"


def _signed(term: Notation, is_first: bool) -> str:
    is_negative, magnitude = split_sign(term)
    text = enclosed(magnitude, 1)
    return (f"-{text}" if is_negative else text) if is_first else f"{'-' if is_negative else '+'} {text}"


def _product(product: Product) -> str:
    least = least_binding(product)
    factors = []
    for i, factor in enumerate(product.factors):
        # After another factor, a / b would read as if all before it stood over b.
        is_split = i and isinstance(factor, Quotient) and product.kind not in (CORRELATED, ENTRYWISE)
        factors.append(f"({line(factor)})" if is_split else enclosed(factor, least))
    return operator(product).join(factors)


def operator(product: Product) -> str:
    """What stands between the factors."""
    if product.kind == CORRELATED:
        steps = product.step
        step = f"_{steps[0]}" if len(set(steps)) == 1 else f"_({','.join(map(str, steps))})" if steps else ""
        return f" (*){step} "
    return " o " if product.kind == ENTRYWISE else " "


def enclosed(notation: Notation, least: int) -> str:
    """The notation, in parentheses if it binds less than that."""
    return line(notation) if binding(notation) >= least else f"({line(notation)})"


# Several lines


def equation_lines(equation: Equation, width: int = WIDTH) -> list[str]:
    """The equation in lines of at most `width` characters, broken at its signs; one with matrices as a drawing."""
    tail = f"({equation.number})" if equation.number is not None else ""
    if has_matrix(equation):
        return drawing(equation, width)
    lines = _broken(_pieces(equation), width, " " * min(len(line(equation.left)) + 3, 24))
    if not tail:
        return lines
    room = width - len(lines[-1])
    return [*lines[:-1], lines[-1] + tail.rjust(room)] if len(tail) < room else [*lines, tail.rjust(width)]


def _pieces(equation: Equation) -> Iterator[str]:
    """What may stand at the beginning of a line."""
    yield line(equation.left)
    for right in equation.rights:
        start = "= "
        for i, term in enumerate(right.terms if isinstance(right, Sum) else (right,)):
            yield start + (_signed(term, is_first=not i) if isinstance(right, Sum) else line(term))
            start = ""


def _broken(pieces: Iterator[str], width: int, hanging: str) -> list[str]:
    lines = [next(pieces)]
    for piece in pieces:
        if len(lines[-1]) + 1 + len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(hanging + piece)
    return [short for long in lines for short in _wrapped(long, width, len(hanging))]


def _wrapped(text: str, width: int, hanging: int) -> list[str]:
    if len(text) <= width:
        return [text]
    start = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text, width, initial_indent=start, subsequent_indent=" " * hanging, break_on_hyphens=False
    )


def drawing(notation: Notation, width: int = WIDTH) -> list[str]:
    """The notation with its matrices drawn, what does not fit beside put below; no line where a matrix is too wide.

    >>> print("\\n".join(drawing(Equation(Letter("X"), (Matrix(((Letter("a"),), (Letter("b"),))),)))))
    X = [ a ]
        [ b ]
    """
    rows: list[list[list[str]]] = [[]]
    used = hanging = 0
    for part in _drawn(notation):
        box = _box(part)
        size = len(box[0])
        is_sign = isinstance(part, str) and part.startswith(" ")
        if used + size + (0 if is_sign else 2) > width and not is_sign and len(rows[-1]) > 1:
            rows.append([[" " * (hanging - len(rows[-1][-1][0]))], rows[-1].pop()])
            used = hanging
        rows[-1].append(box)
        used += size
        if len(rows) == 1 and len(rows[0]) == 2:
            hanging = used
        if used > width:
            return []
    blocks = [_side_by_side(row) for row in rows]
    return [text for i, block in enumerate(blocks) for text in ([""] if i else []) + block]


def _side_by_side(boxes: list[list[str]]) -> list[str]:
    height = max(map(len, boxes))
    rows: list[list[str]] = [[] for _ in range(height)]
    for box in boxes:
        above = (height - len(box)) // 2
        blank = " " * len(box[0])
        for i, row in enumerate(rows):
            row.append(box[i - above] if 0 <= i - above < len(box) else blank)
    return ["".join(row).rstrip() for row in rows]


def _drawn(notation: Notation) -> Iterator[str | Matrix]:
    """The strings and matrices that stand side by side."""
    if isinstance(notation, Matrix):
        yield notation
    elif not has_matrix(notation):
        yield line(notation)
    elif isinstance(notation, Equation):
        yield from _joined((notation.left, *notation.rights), " = ")
    elif isinstance(notation, Product):
        yield from _joined(notation.factors, operator(notation))
    elif isinstance(notation, Sum):
        yield from _joined(notation.terms, " + ")
    elif isinstance(notation, Call):
        yield f"{notation.function}("
        yield from _joined(notation.arguments, ", ")
        yield ")"
    elif isinstance(notation, Power):
        yield from _drawn(notation.base)
        yield f"^{line(notation.exponent)}"
    else:
        yield line(notation)


def _joined(notations: tuple[Notation, ...], between: str) -> Iterator[str | Matrix]:
    for i, notation in enumerate(notations):
        if i:
            yield between
        yield from _drawn(notation)


def _box(part: str | Matrix) -> list[str]:
    if isinstance(part, str):
        return [part]
    cells = [[line(entry) for entry in row] for row in part.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [f"[ {'  '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))} ]" for row in cells]


# The document


def render(derivation: Derivation, full: bool = False) -> str:
    """The derivation in lines of at most 80 characters."""
    lines = [*_wrapped(derivation.title, WIDTH, 4)]
    lines.append("=" * min(max(map(len, lines)), WIDTH))
    for i, step in enumerate(derivation.steps, 1):
        lines += ["", f"{i}. {step.title}", ""]
        for block in step.blocks:
            lines += [f"   {text}".rstrip() for text in _block(block, full)]
    text = "\n".join(text for text, before in zip(lines, ["", *lines], strict=False) if text or before)
    return text.replace(_GLUE, " ")


def _block(block: Block, full: bool) -> Iterator[str]:
    width = WIDTH - 3
    if isinstance(block, Paragraph):
        yield from textwrap.wrap(words(block), width, break_on_hyphens=False)
    elif isinstance(block, Bullets):
        for item in block.items:
            yield from textwrap.wrap(
                words(item), width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
            )
    elif isinstance(block, Display):
        yield from ("", *equation_lines(block.equation, width), "")
    else:
        for row in block.shown(full):
            yield from ["..."] if row is None else _beside(row, width)
        if block.left_out(full):
            yield f"({block.left_out(full)} more in the same way)"


def words(paragraph: Paragraph) -> str:
    """A paragraph as one line, short formulas without a space that the line could be broken at."""
    parts = (part if isinstance(part, str) else line(part) for part in paragraph.parts)
    return "".join(
        text.replace(" ", _GLUE) if not isinstance(part, str) and len(text) < WIDTH // 2 else text
        for part, text in zip(paragraph.parts, parts, strict=True)
    )


def _beside(row: list[Equation], width: int) -> Iterator[str]:
    """Equations side by side, as many as there is room for."""
    if len(row) == 1:
        yield from equation_lines(row[0], width)
        return
    cells = [line(equation) for equation in row]
    each = max(map(len, cells)) + 3
    count = max(1, (width + 3) // each)
    for i in range(0, len(cells), count):
        text = "".join(cell.ljust(each) if cell != "..." else "...   " for cell in cells[i : i + count]).rstrip()
        yield from _wrapped(text, width, 8)
