r"""Formulas and derivations as LaTeX that needs no package but amsmath."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import TYPE_CHECKING

from tinygrad_cnn.verify.derivation.document import DOTS, Block, Bullets, Display, Paragraph, Step
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
    inline,
    least_binding,
    split_sign,
)
from tinygrad_cnn.verify.derivation.text import drawing, line, rational

if TYPE_CHECKING:
    from tinygrad_cnn.verify.derivation.derivation import Derivation

LINE = 64
"""A line of a displayed formula is broken where its text would be longer."""

_BESIDE, _WIDEST = 3, 10**6
_OWN = frozenset({"exp", "log", "max", "min", "sin", "cos", "tan", "sinh", "cosh", "tanh"})
_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "\N{NO-BREAK SPACE}": "~", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}  # fmt: skip


def escape(text: str) -> str:
    r"""Words for LaTeX.

    >>> print(escape("100 % of my_x"))
    100 \% of my\_x
    """
    return "".join(_SPECIAL.get(mark, mark) for mark in text)


def formula(notation: Notation) -> str:
    r"""The notation for math mode.

    >>> print(formula(Product((Partial(Letter("L"), Letter("z", ("11",))), Letter("K", ("2", "12"))))))
    \frac{\partial L}{\partial z_{11}} K_{2,12}
    """
    match notation:
        case Number(value):
            return _number(value)
        case Letter(name, index):
            return _name(name) + (f"_{{{_index(','.join(index))}}}" if index else "")
        case Word():
            if notation == DOTS:
                return r"\cdots"
            text = notation.text
            return text if re.fullmatch("[A-Za-z]", text) else f"\\text{{{escape(text)}}}"
        case Partial(of, by, is_inline):
            if is_inline:
                return f"\\partial {formula(of)}/\\partial {formula(by)}"
            return f"\\frac{{\\partial {formula(of)}}}{{\\partial {formula(by)}}}"
        case Sum(terms):
            return " ".join(signed(term, is_first=not i) for i, term in enumerate(terms))
        case Product():
            least = least_binding(notation)
            return _operator(notation).join(_enclosed(factor, least) for factor in notation.factors)
        case Quotient(top, bottom):
            return f"\\frac{{{formula(top)}}}{{{formula(bottom)}}}"
        case Power(base, exponent):
            return f"{{{_enclosed(base, 5)}}}^{{{_exponent(exponent)}}}"
        case Negative(operand):
            return f"-{_enclosed(operand, 1)}"
        case Call("floor", (argument,)):
            return f"\\left\\lfloor {formula(argument)} \\right\\rfloor"
        case Call("exp", (argument,)):
            return f"e^{{{formula(argument)}}}"
        case Call("sqrt", (argument,)):
            return f"\\sqrt{{{formula(argument)}}}"
        case Call(function, arguments):
            name = f"\\{function}" if function in _OWN else f"\\operatorname{{{escape(function)}}}"
            return f"{name}\\left({', '.join(map(formula, arguments))}\\right)"
        case Total(indices, body):
            return f"\\sum_{{{', '.join(indices)}}} {_enclosed(body, 1)}"
        case Condition(left, relation, right):
            words = f"\\text{{ {relation} }}" if relation.isalpha() else relation
            relation = {">=": r"\ge", "<=": r"\le", "!=": r"\ne"}.get(relation, words)
            return f"\\left[{formula(left)} {relation} {formula(right)}\\right]"
        case Matrix(rows):
            columns = "c" * max(len(rows[0]), 1)
            lines = r" \\ ".join(" & ".join(formula(inline(entry)) for entry in row) for row in rows)
            return f"\\left[\\begin{{array}}{{{columns}}} {lines} \\end{{array}}\\right]"
        case Equation(left, rights):
            return " = ".join(map(formula, (left, *rights)))
    raise TypeError(f"derivation: no LaTeX for {type(notation).__name__}")


def _number(value: int | Fraction) -> str:
    text = rational(value)
    top, slash, bottom = text.partition("/")
    if slash:
        return f"-\\frac{{{top[1:]}}}{{{bottom}}}" if top.startswith("-") else f"\\frac{{{top}}}{{{bottom}}}"
    digits, e, power = text.partition("e")
    return f"{digits} \\cdot 10^{{{int(power)}}}" if e else text


def _name(name: str) -> str:
    bare = name.rstrip("'")
    if bare and bare != name:
        return _name(bare) + name[len(bare) :]
    if len(name) == 1 and name.isascii() and name.isalpha():
        return name
    if name.isascii() and name.isalnum():
        return f"\\mathrm{{{name}}}"
    greek = re.fullmatch("GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)", unicodedata.name(name, "") if len(name) == 1 else "")
    if greek and greek[2] not in ("OMICRON", "FINAL"):
        letter = {"LAMDA": "lambda"}.get(greek[2], greek[2].lower())
        # LaTeX has a command for those capitals only that look unlike Latin ones.
        if greek[1] == "SMALL":
            return f"\\{letter}"
        if letter in ["gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"]:
            return f"\\{letter.capitalize()}"
    return f"\\text{{{escape(name)}}}"


def _index(index: str) -> str:
    """The index with braces around nothing and a thin space nowhere: digits, letters, commas and signs."""
    return index.replace("*", r"\cdot ")


def _exponent(exponent: Notation) -> str:
    return r"\mathsf{T}" if exponent == Word("T") else formula(exponent)


def _operator(product: Product) -> str:
    if product.kind == CORRELATED:
        step = ",".join(map(str, dict.fromkeys(product.step) if len(set(product.step)) == 1 else product.step))
        return f" \\star_{{{step}}} " if step else r" \star "
    return r" \circ " if product.kind == ENTRYWISE else " "


def _enclosed(notation: Notation, least: int) -> str:
    # A fraction is set as one block, whatever stands around it.
    is_block = isinstance(notation, Quotient | Number) and not (isinstance(notation, Number) and notation.value < 0)
    if binding(notation) >= least or (is_block and least <= 4):
        return formula(notation)
    return f"\\left({formula(notation)}\\right)"


def signed(term: Notation, is_first: bool) -> str:
    """The term of a sum with its sign."""
    is_negative, magnitude = split_sign(term)
    text = formula(magnitude) if isinstance(magnitude, Total) else _enclosed(magnitude, 1)
    return (f"-{text}" if is_negative else text) if is_first else f"{'-' if is_negative else '+'} {text}"


# Displayed formulas


def display(*equations: Equation) -> str:
    r"""The equations below one another, aligned at their first sign of equality, long ones broken.

    >>> print(display(Equation(Letter("z"), (Letter("x"),), number=3)))
    \begin{align*}
    z &= x \tag{3}
    \end{align*}
    """
    lines = [text for equation in equations for text in _rows(equation)]
    return "\n".join([r"\begin{align*}", " \\\\\n".join(lines), r"\end{align*}"])


def _rows(equation: Equation) -> list[str]:
    rows = [f"{formula(equation.left)} &"]
    room = LINE - len(line(equation.left))
    for right in equation.rights:
        terms = right.terms if isinstance(right, Sum) else (right,)
        for i, term in enumerate(terms):
            length = len(line(term)) + 3
            if length > room and not rows[-1].endswith("&"):
                rows.append("&" if not i else r"&\quad ")
                room = LINE
            room -= length
            rows[-1] += ("" if i else "= ") + (signed(term, not i) if len(terms) > 1 else formula(term)) + " "
    rows = [row.rstrip() for row in rows]
    if equation.number is not None:
        rows[-1] += f" \\tag{{{equation.number}}}"
    return rows


# The document


def render(derivation: Derivation, full: bool = False, is_document: bool = False) -> str:
    """The derivation as sections of a text, or as a whole document."""
    lines = [f"\\section*{{{_inline(derivation.heading)}}}"]
    for i, step in enumerate(derivation.steps, 1):
        lines += ["", f"\\subsection*{{{i}. {_title(step)}}}"]
        for block in step.blocks:
            lines += ["", *_block(block, full)]
    if not is_document:
        return "\n".join(lines)
    head = [r"\documentclass{article}", r"\usepackage{amsmath}", r"\allowdisplaybreaks", r"\begin{document}"]
    return "\n".join([*head, *lines, r"\end{document}", ""])


def _title(step: Step) -> str:
    return _inline(step.heading)


def _inline(parts: tuple[str | Notation, ...]) -> str:
    return "".join(escape(part) if isinstance(part, str) else f"${formula(inline(part))}$" for part in parts)


def _block(block: Block, full: bool) -> list[str]:
    if isinstance(block, Paragraph):
        return [f"\\noindent {_inline(block.parts)}"]
    if isinstance(block, Bullets):
        items = [f"\\item {_inline(item.parts)}" for item in block.items]
        return [r"\begin{itemize}", *items, r"\end{itemize}"]
    if isinstance(block, Display):
        size = _size(block.equation)
        narrow = f"{{{size}\\setlength{{\\arraycolsep}}{{3pt}}"
        return [narrow, display(block.equation), "}"] if size else [display(block.equation)]
    rows = []
    for row in block.shown(full):
        if row is None:
            rows.append(r"&\;\;\vdots")
        elif len(row) == 1:
            rows += _rows(row[0])
        else:
            starts = range(0, len(row), _BESIDE)
            rows += [" & ".join(_cell(equation) for equation in row[i : i + _BESIDE]) for i in starts]
    lines = [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]
    if block.left_out(full):
        lines.append(f"\\noindent ({block.left_out(full)} more in the same way)")
    return lines


def _size(equation: Equation) -> str:
    """A smaller type for a drawing that would be wider than the page."""
    width = max(map(len, drawing(equation, _WIDEST)), default=0) if has_matrix(equation) else 0
    return r"\scriptsize" if width > 80 else r"\footnotesize" if width > LINE else ""


def _cell(equation: Equation) -> str:
    rights = " = ".join(map(formula, equation.rights))
    return f"{formula(equation.left)} &= {rights}" if rights else f"{formula(equation.left)} &"
