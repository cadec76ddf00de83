"""One step of a derivation: an operation's result, entry by entry, and its partial derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Node, Primitive
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify.derivation import polynomial, symbolic
from tinygrad_cnn.verify.derivation.notation import Notation
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, Symbol, rational
from tinygrad_cnn.verify.derivation.variables import Variable
from tinygrad_cnn.walk import grad

_OF_THE_LIBRARY = "tinygrad_cnn.primitives."


def kind_of(node: Node) -> str:
    """The name of one of the library's own operations, "" for anything else."""
    if node.primitive is None or not node.primitive.forward.__module__.startswith(_OF_THE_LIBRARY):
        return ""
    return node.primitive.name


@dataclass(eq=False)
class Operand:
    """What an operation is given: the entries as polynomials, and how they came to their places.

    `move` is the operation that moved them, `before` what they were before that; None where nothing moved them.
    """

    array: Any
    move: Node | None = None
    before: Operand | None = None

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The variables whose entries it holds."""
        values = self.array.flat if isinstance(self.array, np.ndarray) else (self.array,)
        found = (symbol.variable for value in values if isinstance(value, Polynomial) for symbol in value.symbols())
        return tuple(dict.fromkeys(found))

    @property
    def variable(self) -> Variable | None:
        """The one variable that it shows, if it is a single one."""
        return self.variables[0] if len(self.variables) == 1 else None


@dataclass(eq=False)
class Stage:
    """One step: what each entry of its result is.

    Attributes:
        kind: the name of the operation.
        node: its node.
        operands: in the operation's order and layout.
        output: the result under its name.
        results: its entries as expressions of the operands' entries, flat: polynomials, or sympy's with `translation`.
        upstream: dL/d(result) in the layout of the operation's own result.
        at_values: whether the expressions hold for the recorded values only (a maximum has a winner).
        known: the partial derivatives, where they were found otherwise than from `results`.
        detail: what the operation's topic needs beside.
    """

    kind: str
    node: Node
    operands: tuple[Operand, ...]
    output: Variable
    results: list[Any]
    upstream: Any
    translation: symbolic.Translation | None = None
    at_values: bool = False
    known: list[dict[Symbol, Any]] | None = None
    detail: Any = None

    @property
    def primitive(self) -> Primitive:
        """The operation."""
        assert self.node.primitive is not None
        return self.node.primitive

    @property
    def options(self) -> dict[str, Any]:
        """The options that it was given."""
        return self.node.options

    def shown(self, expression: Any) -> Notation:
        """An expression of this stage as a formula."""
        if self.translation is not None:
            return self.translation.shown(expression)
        return Polynomial(polynomial.terms_of(expression)).shown()

    @cached_property
    def partials(self) -> list[dict[Symbol, Any]]:
        """For each entry of the result its partial derivatives that are not 0."""
        if self.known is not None:
            return self.known
        if self.translation is not None:
            return [self.translation.derivatives(result) for result in self.results]
        found: list[dict[Symbol, Any]] = [
            result.derivatives() if isinstance(result, Polynomial) else {} for result in self.results
        ]
        if self.at_values:
            self._follow_conventions(found)
        return found

    @cached_property
    def places(self) -> list[int]:
        """Where each entry of the output stands in the operation's own result."""
        if self.output.is_loss:
            return [0]
        own = {value.symbol.place: i for i, value in enumerate(np.ravel(self.upstream))}
        return [own[place] for place in range(self.output.size)]

    def _follow_conventions(self, found: list[dict[Symbol, Any]]) -> None:
        """Take the engine's derivative where the operation has a kink at the recorded values."""
        for place, slopes in enumerate(_slopes(self)):
            if any(_differ(found[place].get(symbol), slopes.get(symbol, 0)) for symbol in {**found[place], **slopes}):
                kept = sorted(slopes, key=lambda s: s.order)
                found[place] = {s: Polynomial({(): rational(slopes[s])}) for s in kept if slopes[s]}


def _differ(partial: Polynomial | None, slope: Any) -> bool:
    """Whether the derivative of the expression is not the engine's, up to rounding."""
    own = 0 if partial is None else partial.value()
    return bool(abs(float(own - slope)) > 1e-6 * max(1, abs(slope)))


def _slopes(stage: Stage) -> list[dict[Symbol, Any]]:
    """The engine's own derivatives at the recorded values, for each entry of the result."""
    leaves = []
    for operand in stage.operands:
        array = operand.array
        if not operand.variables:
            leaves.append(array)
            continue
        flat = [value.value() if isinstance(value, Polynomial) else value for value in np.ravel(array)]
        is_exact = all(not isinstance(value, float) for value in flat)
        numbers = np.array(flat, dtype=object if is_exact else np.float64).reshape(np.shape(array))
        leaves.append(tensor(numbers[()], requires_grad=True))
    result = stage.primitive.apply(tuple(leaves), stage.options)
    inputs = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    arrays = [operand.array for operand in stage.operands if operand.variables]
    found = []
    for place in range(len(stage.results)):
        basis = np.zeros(result.size, dtype=result.dtype)
        basis[stage.places[place]] = 1
        gradients = grad(result, inputs, basis.reshape(result.shape), allow_unused=True)
        slopes: dict[Symbol, Any] = {}
        for array, gradient in zip(arrays, gradients, strict=True):
            if gradient is not None:
                for value, slope in zip(np.ravel(array), gradient.numpy().flat, strict=True):
                    if slope and isinstance(value, Polynomial):
                        for symbol, derivative in value.derivatives().items():
                            slopes[symbol] = slopes.get(symbol, 0) + slope * derivative.value()
        found.append(slopes)
    return found
