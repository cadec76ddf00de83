"""The paths of a scalar graph from a node back to one that it depends on, and the product of derivatives along each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from tinygrad_cnn.engine import Node
from tinygrad_cnn.modes import recording
from tinygrad_cnn.tensor import tensor
from tinygrad_cnn.verify.scalars.notation import Notation, product
from tinygrad_cnn.walk import grad


@dataclass(frozen=True, slots=True)
class Path:
    """A way from an output back to an entry.

    Attributes:
        entries: the names that it passes, from the output to the entry.
        factors: the derivatives along it as formulas, without ones.
        sign: that of their product, 1 or -1, which the formulas are without.
        product: the product of the derivatives.
    """

    entries: tuple[str, ...]
    factors: tuple[str, ...]
    sign: int
    product: Any

    @property
    def formula(self) -> str:
        """The product of the factors, without the sign; "" is 1."""
        return product(self.factors)

    def __str__(self) -> str:
        return f"{' <- '.join(self.entries)}: {'-' if self.sign < 0 else ''}{self.formula or '1'} = {self.product}"


class Ways:
    """All paths that end at one node.

    Args:
        nodes: those that paths may pass, in the order of creation.
        target: where they end.
        notation: how factors are written.
    """

    def __init__(self, nodes: list[Node], target: Node, notation: Notation) -> None:
        self._target = target
        self._notation = notation
        self._derivatives: dict[Node, list[Any]] = {}
        self.counts: dict[Node, int] = {target: 1}
        """The number of paths to the target from each node that has any."""
        for node in nodes:
            if node is not target:
                count = sum(self.counts.get(parent, 0) for _, parent in uses(node))
                if count:
                    self.counts[node] = count

    def paths(self, start: Node, path: Path) -> Iterator[Path]:
        """Every path from a node, each as the continuation of one that leads there; one at a time, so take few."""
        stack = [_Step(start, None, path.sign, "", path.product)] if start in self.counts else []
        while stack:
            step = stack.pop()
            if step.node is self._target:
                yield step.path(path)
                continue
            for operand, parent in reversed(uses(step.node)):
                if parent in self.counts:
                    sign, factor = self._notation.factor(step.node, operand)
                    slope = self._derivative(step.node, operand)
                    stack.append(_Step(parent, step, sign * step.sign, factor, step.product * slope))

    def _derivative(self, node: Node, operand: int) -> Any:
        if node not in self._derivatives:
            self._derivatives[node] = derivatives(node)
        return self._derivatives[node][operand]


class _Step(NamedTuple):
    """A path as far as a node, by its last step: paths share their beginnings, however long these are."""

    node: Node
    before: _Step | None
    sign: int
    factor: str
    product: Any

    def path(self, beginning: Path) -> Path:
        """The whole path, behind its beginning."""
        names: list[str] = []
        factors: list[str] = []
        step = self
        while step.before is not None:
            names += [step.node.name] if step.node.name is not None else []
            factors += [step.factor] if step.factor else []
            step = step.before
        return Path(
            (*beginning.entries, *reversed(names)), (*beginning.factors, *reversed(factors)), self.sign, self.product
        )


def uses(node: Node) -> list[tuple[int, Node]]:
    """The operands of a node that a gradient goes to, with their positions."""
    if node.primitive is None:
        return []
    names, rules = node.primitive.operand_names, node.primitive.rules
    return [
        (i, parent)
        for i, parent in enumerate(node.parents)
        if parent.requires_grad and names[min(i, len(names) - 1)] in rules
    ]


def derivatives(node: Node) -> list[Any]:
    """The derivatives of a scalar operation by its operands, at their values; None for one without a gradient."""
    assert node.primitive is not None
    operands: list[Any] = [parent.value for parent in node.parents]
    wanted = [i for i, _ in uses(node)]
    for i in wanted:
        value = operands[i]
        operands[i] = tensor(Fraction(value) if isinstance(value, int) else value, requires_grad=True)
    result: list[Any] = [None] * len(operands)
    with recording():
        z = node.primitive.apply(tuple(operands), node.options)
    for i, slope in zip(wanted, grad(z, [operands[i] for i in wanted], allow_unused=True), strict=True):
        result[i] = 0 if slope is None else slope.data
    return result
