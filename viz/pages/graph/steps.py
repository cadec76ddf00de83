"""The steps of a page: the operations as they were recorded, then the rules as the backward walk ran them.

A step back shows what arrives at the operation, the rule for each operand, and what it sends to that operand, where it
is added to what came there before. With single numbers the rule is also written with them put in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Unkept
from tinygrad_cnn.viz.drawing.labels import printable
from tinygrad_cnn.viz.drawing.labels import typeset as with_minus
from tinygrad_cnn.viz.formulas import Formula, formula
from tinygrad_cnn.viz.formulas.expressions import EXPRESSIONS, WORDS
from tinygrad_cnn.viz.formulas.notation import typeset
from tinygrad_cnn.viz.graph import numbers, wording
from tinygrad_cnn.viz.graph.description import Edge, Graph, Missing, OperationNode, TensorNode
from tinygrad_cnn.viz.pages.graph.arrays import Arrays

LONGEST = 24
"""Of a name within a formula; a longer one stands there as the rule calls it."""


def steps(
    graph: Graph, arrays: Arrays, contributions: Mapping[str, Sequence[Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The steps forward and backward.

    Args:
        graph: the description.
        arrays: takes the arrays of the steps.
        contributions: for each operation of the walk, by its id, what it sent to its operands, as
            `walk.contributions` gives it. Without them the steps back have formulas alone.

    Returns:
        For each operation in the order of recording the item, its formula, and the same with names and with numbers;
        for each operation of the last walk, in its order, the item, what arrived, and for each operand what was sent.
    """
    found = _Steps(graph, arrays)
    return found.forward(), found.backward(contributions)


class _Steps:
    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        self.arrays = arrays
        self.places = {node.id: i for i, node in enumerate(graph.nodes)}
        self.nodes = {node.id: node for node in graph.nodes}
        self.operands: dict[str, list[Edge]] = {}
        self.results: dict[str, TensorNode] = {}
        for edge in graph.edges:
            target = self.nodes[edge.target]
            if isinstance(target, OperationNode):
                self.operands.setdefault(edge.target, []).append(edge)
            elif isinstance(target, TensorNode) and isinstance(self.nodes[edge.source], OperationNode):
                self.results[edge.source] = target
        self.operations = [node for node in graph.operations if node.id in self.results]

    def forward(self) -> list[dict[str, Any]]:
        found = []
        for node in self.operations:
            lines = self._formula(node)
            step: dict[str, Any] = {"item": self.places[node.id], "result": self.places[self.results[node.id].id]}
            if lines is not None:
                step["formula"] = lines.forward
                if lines.where:
                    step["where"] = lines.where
                named, worked = self._worked(node, "z", lines.forward)
                step |= _given(named=named, worked=worked)
            found.append(step)
        return found

    def backward(self, contributions: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        walked = [node for node in reversed(self.operations) if self._gradient(node) is not Missing.NOT_COMPUTED]
        sums: dict[str, Any] = {}
        found = []
        for node in walked:
            sent = contributions.get(node.id, ())
            lines = self._formula(node)
            step = {
                "item": self.places[node.id],
                "result": self.places[self.results[node.id].id],
                "arrives": self.arrays.add(self._gradient(node)),
                "sends": [
                    self._sent(node, k, edge, sent[k] if k < len(sent) else Missing.NOT_KEPT, lines, sums)
                    for k, edge in enumerate(self.operands.get(node.id, ()))
                    if edge.has_gradient and (k >= len(sent) or sent[k] is not None)
                ],
            }
            if lines is not None and lines.where:
                step["where"] = lines.where
            found.append(step)
        return found

    def _sent(
        self, node: OperationNode, k: int, edge: Edge, array: Any, lines: Formula | None, sums: dict[str, Any]
    ) -> dict[str, Any]:
        """What one rule sends to one operand, and the sum there with what came before."""
        name = node.operands[k]
        array = Missing.NOT_KEPT if isinstance(array, Unkept) else array
        sent: dict[str, Any] = {"operand": k, "to": self.places[edge.source], "array": self.arrays.add(array)}
        rule = lines and lines.backward.get(name)
        if rule:
            sent["formula"] = rule
            named, worked = self._worked(node, name, rule, array)
            sent |= _given(named=named, worked=worked)
        earlier = sums.get(edge.source)
        total = _added(earlier, array)
        sums[edge.source] = total
        if earlier is not None:
            sent["earlier"] = self.arrays.add(earlier)
            sent["sum"] = self.arrays.add(total)
            operand = self.nodes[edge.source]
            if _is_number(earlier) and _is_number(array) and isinstance(operand, TensorNode):
                before, now, after = (_written(x) for x in (earlier, array, total))
                sent["added"] = f"{_gradient_of(_name(operand) or name)} = {before} + {_in_sum(now)} = {after}"
        return sent

    def _gradient(self, node: OperationNode) -> Any:
        gradient = self.results[node.id].gradient
        return Missing.NOT_COMPUTED if gradient is None else gradient

    def _formula(self, node: OperationNode) -> Formula | None:
        if not node.module.startswith("tinygrad_cnn."):  # a user's own primitive, whatever its name
            return None
        return formula(node.primitive, node.options, node.operands)

    def _worked(self, node: OperationNode, name: str, line: str, array: Any = None) -> tuple[str | None, str | None]:
        """A line with the user's names, and with the numbers put in where all of them are single numbers."""
        edges = self.operands.get(node.id, [])
        operands = {key: self.nodes[edge.source] for key, edge in zip(node.operands, edges, strict=True)}
        if len(operands) < len(edges):
            return None, None
        result = self.results[node.id]
        tensors = {**operands, "z": result}
        called: dict[str, str] = {}
        values: dict[str, str] = {}
        for key, each in tensors.items():
            if isinstance(each, TensorNode):
                if each.kind == "constant" and not each.name and _is_number(each.value):
                    called[key] = _in_product(_written(each.value))
                elif own := _name(each):
                    called[key], called[f"d{key}"] = own, _gradient_of(own)
                if _is_number(each.value):
                    values[key] = _written(each.value)
        if set(called.values()) & (tensors.keys() - called.keys()):
            called = {}  # the user's x is not the x of the formula
        if _is_number(gradient := result.gradient):
            values["dz"] = _written(gradient)
        named = _replaced(line, called) if called else None
        outcome = result.value if name == "z" else array
        expression = _expression(node.primitive, name)
        if expression is None or not _is_number(outcome):
            return named, None
        used = set(_WORD.findall(expression))
        if not used & values.keys() or (used & {*tensors, "dz"}) - values.keys():
            return named, None
        right = typeset(expression, values={key: value for key, value in node.options.items() if key not in values})
        parts = [called.get(left := line.split(" = ")[0], left), _replaced(right, called)]
        for text in (_replaced(right, {key: _in_product(text) for key, text in values.items()}), _written(outcome)):
            text = _NEEDLESS.sub(r"\1", text)
            if text != parts[-1]:
                parts.append(text)
        return named, " = ".join(parts)


@cache
def _expression(primitive: str, name: str) -> str | None:
    """The rule for one operand, or for the result, with a dot for every product; None where it needs words."""
    expressions = EXPRESSIONS.get(primitive)
    if expressions is None:
        return None
    text = expressions.forward if name == "z" else expressions.backward.get(name)
    if text is None:
        return None
    tree = ast.parse(text, mode="eval")
    called = {each.func.id for each in ast.walk(tree) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
    needs_words = any(isinstance(each, ast.IfExp | ast.MatMult | ast.Attribute) for each in ast.walk(tree))
    if needs_words or called & WORDS.keys():
        return None
    for each in ast.walk(tree):
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Mult):
            each.op = ast.MatMult()
    return ast.unparse(tree)


# Parentheses around a negative number at the beginning of a side, of an argument or of a condition.
_NEEDLESS = re.compile(r"(?:(?<=^)|(?<=\()|(?<=, )|(?<=where )|(?<=else ))\((−[^()]*)\)(?!\^|²|³)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """The text with these words in place of the names; ² and ᵀ end a name.

    >>> _replaced("dz x² exp(x)", {"x": "a", "dz": "dc"})
    'dc a² exp(a)'
    """
    return _WORD.sub(lambda found: words.get(found[0], found[0]), text)


def _name(node: TensorNode) -> str | None:
    name = printable(node.name) if node.name else ""
    return name if name and len(name) <= LONGEST else None


def _gradient_of(name: str) -> str:
    is_simple = _WORD.fullmatch(name) and (len(name) == 1 or not name.startswith("d"))
    return f"d{name}" if is_simple else f"d({name})"


def _is_number(value: Any) -> bool:
    return value is not None and not isinstance(value, Missing | Unkept) and not getattr(value, "shape", ())


def _written(value: Any) -> str:
    return with_minus(numbers.number(value))


def _in_product(text: str) -> str:
    return f"({text})" if text.startswith("−") or "/" in text else text


def _in_sum(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _added(earlier: Any, array: Any) -> Any:
    if earlier is None:
        return array
    if isinstance(earlier, Missing) or isinstance(array, Missing):
        return Missing.NOT_KEPT
    with np.errstate(all="ignore"):
        return earlier + array


def _given(**fields: str | None) -> dict[str, str]:
    return {name: text for name, text in fields.items() if text is not None}


def options(node: OperationNode) -> list[str]:
    """The options of an operation in full."""
    return [wording.option_text(name, value) for name, value in node.options.items()]
