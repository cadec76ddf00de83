"""The lines that a picture shows on an operation, made from the expressions of its primitive."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinygrad_cnn.viz.formulas.expressions import EXPRESSIONS, OPTIONAL, WORDS
from tinygrad_cnn.viz.formulas.notation import typeset
from tinygrad_cnn.viz.graph.wording import compact, index_text


@dataclass(frozen=True, slots=True)
class Formula:
    """The lines on one operation.

    Attributes:
        forward: what the result is, "z = x y".
        backward: for each operand that has a gradient what that is, {"x": "dx = dz y", "y": "dy = dz x"}.
        where: what the other letters in these lines stand for, "n = the number of samples", or "".
    """

    forward: str
    backward: dict[str, str]
    where: str = ""


def formula(
    primitive: str, options: Mapping[str, Any] | None = None, operands: Collection[str] | None = None
) -> Formula | None:
    """The formula of an operation.

    Operands have the names that pictures give them, z is the result and dz the upstream gradient dL/dz (g where an
    operand is itself called dz, as in the graph of a gradient). The gradient of an operand that was broadcast is summed
    over the repetitions. ⋆ is the correlation that CNNs call convolution, · the product of matrices, ᵀ exchanges the
    last two axes, and Σ, Π, mean and var go over the axes that the operation reduces.

    Args:
        primitive: the engine's name of the operation, such as "correlation".
        options: the options of one application, of which single numbers are put in; without them they stand by name.
        operands: the names of the operands that were given, where the last may be left out; None stands for all.

    Returns:
        The lines, or None for an operation that the library doesn't have.

    >>> formula("multiply").backward
    {'x': 'dx = dz y', 'y': 'dy = dz x'}
    >>> formula("leaky_relu").forward, formula("leaky_relu", {"negative_slope": 0.1}).forward
    ('z = x where x > 0, else negative_slope x', 'z = x where x > 0, else 0.1 x')
    >>> formula("linear", operands=["x", "weight"]).forward
    'z = x · weightᵀ'
    """
    expressions = EXPRESSIONS.get(primitive)
    if expressions is None:
        return None
    absent = OPTIONAL.difference(operands) if operands is not None else frozenset()
    values = {name: _single(name, value) for name, value in (options or {}).items()}
    write = partial(typeset, words=WORDS, values=values, absent=absent)
    rules = {name: rule for name, rule in expressions.backward.items() if name not in absent}
    return Formula(
        f"z = {write(expressions.forward)}",
        {name: f"{_gradient(name)} = {write(rule)}" for name, rule in rules.items()},
        "; ".join(f"{name} = {write(meaning)}" for name, meaning in expressions.where.items()),
    )


def _gradient(operand: str) -> str:
    """What the gradient of an operand is called."""
    return f"d({operand})" if operand == "dz" else f"d{operand}"


def _single(name: str, value: Any) -> Any:
    """An option with one value for each axis as a single number, where they agree; an index as it is written."""
    if name == "index":
        return index_text(value)[1:-1]
    is_for_axes = isinstance(value, tuple) and all(isinstance(part, int) for part in value)
    return compact(value) if is_for_axes else value
