"""Scalar nodes as formulas: what a node is made of, and its derivative by an operand, in the names of the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tinygrad_cnn.engine import Node
from tinygrad_cnn.verify.excerpt import number

LONGEST = 160
"""A longer formula is cut, and ends in an ellipsis."""

SUM, NEGATIVE, PRODUCT, POWER, ATOM = range(5)
"""How tightly the last operation of a formula binds."""

Formula = tuple[str, int]

_ONE: Formula = ("", ATOM)  # a factor that is not written
_UNIT: Formula = ("1", ATOM)
_TWO: Formula = ("2", ATOM)


class Notation:
    """The formulas of a graph's nodes, each found once. A node with a name is its name in every other formula."""

    def __init__(self) -> None:
        self._formulas: dict[Node, Formula] = {}

    def definition(self, node: Node) -> str:
        """What the node is computed from: "X11 K11 + X12 K12"; "" for a leaf or a constant."""
        return "" if node.primitive is None else self._built(node)[0]

    def factor(self, node: Node, operand: int) -> tuple[int, str]:
        """The derivative of an operation by one of its operands, as a sign and a formula; "" is 1.

        Where no formula is known here it is f'(x), or df/dx(x, y) of a function of several operands.
        """
        assert node.primitive is not None
        name = node.primitive.name
        operands = [self._formula(parent) for parent in node.parents]
        if name in _FACTORS:
            formula = _FACTORS[name](operand, operands, node)
        elif name in _SLOPES:
            formula = _SLOPES[name](operands[0], self._formula(node))
        elif len(operands) == 1:
            formula = f"{name}'({operands[0][0]})", ATOM
        else:
            names = node.primitive.operand_names
            formula = f"d{name}/d{names[min(operand, len(names) - 1)]}({_listed(operands)})", ATOM
        text, level = formula
        return (-1, text[1:]) if level == NEGATIVE else (1, _within(formula, PRODUCT))

    def _formula(self, node: Node) -> Formula:
        """The formula by which others name the node."""
        found = self._formulas.get(node)
        if found is None:
            # From the oldest on, so that nothing recurses: a sum of a million summands is that deep.
            pending, seen = [node], {node}
            for each in pending:  # which grows meanwhile
                if each.name is None:
                    new = [parent for parent in each.parents if parent not in seen and parent not in self._formulas]
                    seen.update(new)
                    pending += new
            for each in sorted(seen, key=lambda each: each.number):
                if each.name is not None:
                    self._formulas[each] = str(each.name), ATOM
                elif each.primitive is None:
                    text = number(each.value)
                    self._formulas[each] = text, NEGATIVE if text.startswith("-") else ATOM
                else:
                    self._formulas[each] = self._built(each)
            found = self._formulas[node]
        return found

    def _built(self, node: Node) -> Formula:
        """The formula of an operation from those of its operands."""
        assert node.primitive is not None
        operands = [self._formula(parent) for parent in node.parents]
        text, level = _FORMULAS.get(node.primitive.name, _call_of(node.primitive.name))(*operands)
        return (text, level) if len(text) <= LONGEST else (text[:LONGEST].rpartition(" ")[0] + " …", level)


def joined(terms: Iterable[tuple[int, str]]) -> str:
    """A sum of signed terms.

    >>> joined([(1, "a"), (-1, "b c"), (1, "")])
    'a - b c + 1'
    """
    text = ""
    for sign, term in terms:
        operator = (" + " if sign > 0 else " - ") if text else ("" if sign > 0 else "-")
        text += operator + (term or "1")
    return text or "0"


def product(factors: Iterable[str]) -> str:
    """Factors side by side, numbers among them with a point.

    >>> product(["", "2", "3", "K11"])
    '2·3 K11'
    """
    text = ""
    for factor in factors:
        if text and factor:
            are_numbers = factor[0].isdecimal() and text.rpartition(" ")[2][0].isdecimal()
            text += ("·" if are_numbers else " ") + factor
        else:
            text += factor
    return text


def _within(formula: Formula, level: int) -> str:
    """The formula as an operand of an operation that binds like this."""
    text, own = formula
    return text if own >= level else f"({text})"


def _listed(operands: Iterable[Formula]) -> str:
    return ", ".join(text for text, _ in operands)


def _add(a: Formula, b: Formula) -> Formula:
    if a[0].endswith("…"):
        return a
    sign = -1 if b[0].startswith("-") else 1
    return joined([(1, a[0]), (sign, b[0].removeprefix("-"))]), SUM


def _subtract(a: Formula, b: Formula) -> Formula:
    return (f"{a[0]} + {b[0][1:]}" if b[1] == NEGATIVE else f"{a[0]} - {_within(b, PRODUCT)}"), SUM


def _multiply(a: Formula, b: Formula) -> Formula:
    left, right = _within(a, PRODUCT), _within(b, PRODUCT)
    if right[0].isdecimal() and not left[0].isdecimal():
        left, right = right, left
    return product([left, right]), PRODUCT


def _divide(a: Formula, b: Formula) -> Formula:
    return f"{_within(a, PRODUCT)}/{_within(b, POWER)}", PRODUCT


def _power(a: Formula, b: Formula) -> Formula:
    if b[0] in ("0", "1"):
        return _UNIT if b[0] == "0" else a
    return f"{_within(a, ATOM)}^{_within(b, ATOM)}", POWER


def _negative(a: Formula) -> Formula:
    return f"-{_within(a, PRODUCT)}", NEGATIVE


def _call_of(name: str) -> Callable[..., Formula]:
    return lambda *operands: (f"{name}({_listed(operands)})", ATOM)


_FORMULAS: dict[str, Callable[..., Formula]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "power": _power,
    "negative": _negative,
    "reciprocal": lambda a: _divide(_UNIT, a),
    "square": lambda a: _power(a, _TWO),
    "exact_sqrt": _call_of("sqrt"),
    "identity": lambda a: a,
    "cast": lambda a: a,
}


# Derivatives by one of several operands, given by its position.


def _quotient_factor(operand: int, operands: list[Formula], node: Node) -> Formula:
    x, y = operands
    return _divide(_UNIT, y) if operand == 0 else _negative(_divide(x, _power(y, _TWO)))


def _power_factor(operand: int, operands: list[Formula], node: Node) -> Formula:
    x, y = operands
    if operand == 1:
        return _multiply(_power(x, y), _call_of("log")(x))
    exponent = node.parents[1]
    if exponent.requires_grad or exponent.name is not None:
        return _multiply(y, _power(x, _subtract(y, _UNIT)))
    lower = number(exponent.value - 1)
    slope = _power(x, (lower, NEGATIVE if lower.startswith("-") else ATOM))
    if slope[0] == "1":
        return y
    text = f"{y[0].removeprefix('-')} {_within(slope, PRODUCT)}"
    return (f"-{text}", NEGATIVE) if y[0].startswith("-") else (text, PRODUCT)


_FACTORS: dict[str, Callable[[int, list[Formula], Node], Formula]] = {
    "add": lambda operand, operands, node: _ONE,
    "identity": lambda operand, operands, node: _ONE,
    "cast": lambda operand, operands, node: _ONE,
    "subtract": lambda operand, operands, node: ("-", NEGATIVE) if operand else _ONE,
    "negative": lambda operand, operands, node: ("-", NEGATIVE),
    "multiply": lambda operand, operands, node: operands[1 - operand],
    "divide": _quotient_factor,
    "power": _power_factor,
}


# Derivatives of functions of one operand x, where z is the result.
_SLOPES: dict[str, Callable[[Formula, Formula], Formula]] = {
    "exp": lambda x, z: z,
    "log": lambda x, z: _divide(_UNIT, x),
    "sqrt": lambda x, z: _divide(_UNIT, _multiply(_TWO, z)),
    "exact_sqrt": lambda x, z: _divide(_UNIT, _multiply(_TWO, z)),
    "square": lambda x, z: _multiply(_TWO, x),
    "reciprocal": lambda x, z: _negative(_power(z, _TWO)),
    "tanh": lambda x, z: _subtract(_UNIT, _power(z, _TWO)),
    "sigmoid": lambda x, z: _multiply(z, _subtract(_UNIT, z)),
    "sin": lambda x, z: _call_of("cos")(x),
    "cos": lambda x, z: _negative(_call_of("sin")(x)),
    "abs": lambda x, z: _call_of("sign")(x),
}
