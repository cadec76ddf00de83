"""Mathematics as it is written: expressions of Python in the notation of a lecture, in one line of Unicode.

`dz * (1 - z**2)` becomes "dz (1 − z²)". An expression can be evaluated, so that what is shown can also be tested.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from typing import Any

from tinygrad_cnn.viz.graph.numbers import number

# How tightly a part holds together; a looser one in a place that needs a tighter one is put in parentheses.
_CLAUSE, _LOGIC, _RELATION, _SUM, _PRODUCT, _POWER, _ATOM = range(7)

_SIGNS = {ast.Add: "+", ast.Sub: "−"}
_RELATIONS = {ast.Eq: "=", ast.NotEq: "≠", ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥"}
_LOGICAL = {ast.BitAnd: "and", ast.BitOr: "or"}
_ROOTS = {"sqrt": "√", "cbrt": "∛"}
_TOTALS = {"sum": "Σ", "total": "Σ", "sum_shared": "Σ", "prod": "Π"}
_FENCES = {"abs": "||", "floor": "⌊⌋", "ceil": "⌈⌉"}
_COMPUTED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip
_OPERATOR = re.compile(r"\{\} . \{\}")
_NAMES = {"log": "ln", "log2": "log₂", "log10": "log₁₀", "maximum": "max", "minimum": "min", "pi": "π"}
_EXPONENTS: dict[Any, str] = {2: "²", 3: "³"}


def typeset(
    expression: str,
    words: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
    absent: Collection[str] = (),
) -> str:
    """An expression as it is written on paper.

    Args:
        expression: one expression of Python. `where(c, a, b)` is "a where c, else b"; `a if option == "b" else c` tells
            what an option decides; `x.mT` is a transpose and `x @ y` a product of matrices.
        words: functions that are told in words, each as a template for `str.format` with its arguments; a template
            such as "{} ⋆ {}" is an operator that binds as a product does.
        values: names that are replaced by numbers or decided by strings.
        absent: names whose terms are left out of sums.

    Raises:
        ValueError: an expression of a kind that has no notation.

    >>> typeset("dz * (1 - z**2)"), typeset("where(x > 0, dz, slope * dz)", values={"slope": 0.1})
    ('dz (1 − z²)', 'dz where x > 0, else 0.1 dz')
    >>> typeset("sum(abs(x)**p)**(1 / p)"), typeset("sum(abs(x)**p)**(1 / p)", values={"p": 2})
    ('(Σ |x|^p)^(1 / p)', '√(Σ |x|²)')
    >>> typeset("rot180(x) + bias", {"rot180": "{} rotated by 180°"}, absent=["bias"])
    'x rotated by 180°'
    """
    tree = _Simplified(values or {}, absent).visit(ast.parse(expression, mode="eval").body)
    return _Writer(words or {}).write(tree, _CLAUSE)


class _Simplified(ast.NodeTransformer):
    """Values in place of their names, what an option decides decided, and no sums with 0, products with 1 and the like.

    Only the numbers that were put in are computed with, so that an expression stays as it was written without them.
    """

    def __init__(self, values: Mapping[str, Any], absent: Collection[str]) -> None:
        self.values = values
        self.absent = absent

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.values.get(node.id)
        if isinstance(value, str) or (isinstance(value, Real) and not isinstance(value, bool)):
            return ast.Constant(value, kind="put in")  # type: ignore[arg-type]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = node.test
        if not (isinstance(test, ast.Compare) and isinstance(test.left, ast.Name)):
            raise ValueError(f"typeset: expected a condition on an option but got {ast.unparse(test)!r}")
        (wanted,) = test.comparators
        if test.left.id in self.values and isinstance(wanted, ast.Constant):
            branch: ast.expr = self.visit(node.body if self.values[test.left.id] == wanted.value else node.orelse)
            return branch
        self.generic_visit(node)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub) and _is_put_in(node.operand):
            return ast.Constant(-node.operand.value, kind="put in")  # type: ignore[attr-defined]
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return node.args[0] if _is_call(node, ("dilated",)) and _is(node.args[1], 1) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right, operation = node.left, node.right, type(node.op)
        if operation is ast.Add and isinstance(right, ast.Name) and right.id in self.absent:
            return left
        if not (_is_put_in(left) or _is_put_in(right)):
            return node
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant) and operation in _COMPUTED:
            return ast.Constant(_COMPUTED[operation](left.value, right.value), kind="put in")
        if (_is(right, 0) and operation in _SIGNS) or (_is(right, 1) and operation in (ast.Mult, ast.Div, ast.Pow)):
            return left
        return right if _is(left, 1) and operation is ast.Mult else node


def _is_put_in(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.kind == "put in"


def _is(node: ast.expr, value: float) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value == value)


class _Writer:
    """Writes the parts of an expression, each with how tightly it holds together."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = words

    def write(self, node: ast.expr, least: int) -> str:
        """The part, in parentheses where it holds together less tightly than `least`."""
        text, strength = self._part(node)
        return text if strength >= least else f"({text})"

    def _part(self, node: ast.expr) -> tuple[str, int]:
        match node:
            case ast.Name(name):
                return _NAMES.get(name, name), _ATOM
            case ast.Constant(str(value)):
                return value, _ATOM
            case ast.Constant(value):
                written = number(value) if _is_put_in(node) else str(value)
                return written.replace("-", "−"), _SUM if written.startswith("-") else _ATOM
            case ast.Attribute(of, "mT"):
                return f"{self.write(of, _ATOM)}ᵀ", _ATOM
            case ast.Subscript(of, index):
                return f"{self.write(of, _ATOM)}[{self.write(index, _CLAUSE)}]", _ATOM
            case ast.UnaryOp(ast.USub(), of):
                return f"−{self.write(of, _PRODUCT)}", _SUM
            case ast.BinOp(left, operation, right):
                return self._operation(left, operation, right)
            case ast.Compare(left, [relation], [right]):
                return f"{self.write(left, _SUM)} {_RELATIONS[type(relation)]} {self.write(right, _SUM)}", _RELATION
            case ast.IfExp(test, body, orelse):
                plain = self.write(orelse, _CLAUSE)
                return f"{plain}; with {self.write(test, _CLAUSE)}: {self.write(body, _CLAUSE)}", _CLAUSE
            case ast.Call(ast.Name(name), arguments):
                return self._call(name, arguments)
        raise ValueError(f"typeset: no notation for {ast.unparse(node)!r}")

    def _operation(self, left: ast.expr, operation: ast.operator, right: ast.expr) -> tuple[str, int]:
        kind = type(operation)
        if kind in _LOGICAL:
            return f"{self.write(left, _LOGIC)} {_LOGICAL[kind]} {self.write(right, _LOGIC)}", _LOGIC
        if kind in _SIGNS:
            return f"{self.write(left, _SUM)} {_SIGNS[kind]} {self.write(right, _PRODUCT)}", _SUM
        if kind is ast.Pow:
            return self._power(left, right)
        if kind is ast.Div:
            divisor = self.write(right, _PRODUCT if _is_call(right, _TOTALS) else _POWER)
            return f"{self._first(left)} / {divisor}", _strength(left)
        sign = " · " if kind is ast.MatMult else " "
        # "x / y z" would be read as x / (y z), and a sum of everything behind it ends a product.
        first = self._first(left)
        if _is_call(left, _TOTALS) or (isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div)):
            first = f"({first})"
        second = self.write(right, _POWER if isinstance(right, ast.BinOp) and not _is_product(right) else _PRODUCT)
        return f"{first}{sign}{second}", _strength(left)

    def _first(self, node: ast.expr) -> str:
        """The first factor of a product: its minus sign needs no parentheses."""
        return self.write(node, _SUM if _strength(node) == _SUM and not _is_sum(node) else _PRODUCT)

    def _power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        if isinstance(exponent, ast.Constant) and exponent.value == 0.5:
            return self._call("sqrt", [base])
        written = self.write(base, _ATOM)
        if isinstance(exponent, ast.Constant) and exponent.value in _EXPONENTS:
            return written + _EXPONENTS[exponent.value], _POWER
        return f"{written}^{self.write(exponent, _ATOM)}", _POWER

    def _call(self, name: str, arguments: list[ast.expr]) -> tuple[str, int]:
        if name in self.words:
            template = self.words[name]
            strength = _PRODUCT if _OPERATOR.fullmatch(template) else _CLAUSE
            least = _POWER if strength == _PRODUCT else _CLAUSE
            return template.format(*(self.write(argument, least) for argument in arguments)), strength
        if name == "where":
            condition, value = self.write(arguments[0], _LOGIC), self.write(arguments[1], _SUM)
            joint = "" if _is_call(arguments[2], ("where",)) else "else "
            return f"{value} where {condition}, {joint}{self.write(arguments[2], _CLAUSE)}", _CLAUSE
        if name in _ROOTS:
            return _ROOTS[name] + self.write(arguments[0], _ATOM), _POWER
        if name in _TOTALS:
            return f"{_TOTALS[name]} {self.write(arguments[0], _PRODUCT)}", _PRODUCT
        listed = ", ".join(self.write(argument, _CLAUSE) for argument in arguments)
        if name in _FENCES:
            return _FENCES[name][0] + listed + _FENCES[name][1], _ATOM
        return f"{_NAMES.get(name, name)}({listed})", _ATOM


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and type(node.op) in _SIGNS


def _is_product(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Mult | ast.MatMult)


def _is_call(node: ast.expr, names: Collection[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _strength(node: ast.expr) -> int:
    """Of a product that begins with this factor: that of a sum where it begins with a minus sign."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.MatMult):
        node = node.left
    is_negative = isinstance(node, ast.UnaryOp) or (isinstance(node, ast.Constant) and str(node.value).startswith("-"))
    return _SUM if is_negative else _PRODUCT
