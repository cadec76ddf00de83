"""The formula of every operation: what it computes, and the rule for each operand's gradient, in one line each.

Operands have the names that pictures give them, z is the result and dz the upstream gradient dL/dz. A gradient of an
operand that was broadcast is summed over the repetitions.

The formulas are kept as expressions of Python, from which the lines are made (`notation.typeset`) and which the tests
evaluate with NumPy against the rules themselves. What has no short symbol is told in words, `WORDS`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tinygrad_cnn.viz.notation import typeset
from tinygrad_cnn.viz.wording import compact


@dataclass(frozen=True, slots=True)
class Formula:
    """The lines on one operation.

    Attributes:
        forward: what the result is, "z = x y".
        backward: for each operand that has a gradient what that is, {"x": "dx = dz y", "y": "dy = dz x"}.
        where: what the other letters in these lines stand for, "n = the number of summands", or "".
    """

    forward: str
    backward: dict[str, str]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Expressions:
    """The same as expressions of Python, without left sides."""

    forward: str
    backward: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)


OPTIONAL = frozenset({"bias", "shift"})
"""Operands that may be left out; their terms then are left out too."""


def formula(
    primitive: str, options: Mapping[str, Any] | None = None, operands: Collection[str] | None = None
) -> Formula | None:
    """The formula of an operation, with the numbers of its options where they are given.

    Args:
        primitive: the engine's name of the operation, such as "correlation".
        options: the options of one application; those that are single numbers are put in.
        operands: the names of the operands it was given, where the last may be left out; None stands for all.

    Returns:
        The lines, or None for an operation of the user's own.

    >>> formula("multiply").backward
    {'x': 'dx = dz y', 'y': 'dy = dz x'}
    >>> formula("leaky_relu", {"negative_slope": 0.1}).forward
    'z = x where x > 0, else 0.1 x'
    >>> formula("linear", operands=["x", "weight"]).forward
    'z = x · weightᵀ'
    """
    expressions = EXPRESSIONS.get(primitive)
    if expressions is None:
        return None
    absent = OPTIONAL - set(operands) if operands is not None else ()
    values = {name: compact(value) for name, value in (options or {}).items()}
    write = partial(typeset, words=WORDS, values=values, absent=absent)
    return Formula(
        f"z = {write(expressions.forward)}",
        {name: f"{gradient(name)} = {write(rule)}" for name, rule in expressions.backward.items() if name not in absent},
        ", ".join(f"{name} = {write(meaning)}" for name, meaning in expressions.where.items()),
    )


def gradient(operand: str) -> str:
    """What the gradient of an operand is called: dx, and d(dz) for an operand that is itself a gradient."""
    return f"d({operand})" if operand == "dz" else f"d{operand}"


def _rules(forward: str, /, where: dict[str, str] | None = None, **backward: str) -> Expressions:
    return Expressions(forward, backward, where or {})


EXPRESSIONS: dict[str, Expressions] = {
    "add": _rules("x + y", x="dz", y="dz"),
    "subtract": _rules("x - y", x="dz", y="-dz"),
    "multiply": _rules("x * y", x="dz * y", y="dz * x"),
    "divide": _rules("x / y", x="dz / y", y="-dz * x / y**2"),
    "exp": _rules("exp(x)", x="dz * z"),
    "log": _rules("log(x)", x="dz / x"),
    "tanh": _rules("tanh(x)", x="dz * (1 - z**2)"),
    "sigmoid": _rules("1 / (1 + exp(-x))", x="dz * z * (1 - z)"),
    "relu": _rules("maximum(x, 0)", x="where(x > 0, dz, 0)"),
    "leaky_relu": _rules("where(x > 0, x, negative_slope * x)", x="where(x > 0, dz, negative_slope * dz)"),
    "matmul": _rules("x @ y", x="dz @ y.mT", y="x.mT @ dz"),
    "linear": _rules(
        "x @ weight.mT + bias", x="dz @ weight", weight="dz.mT @ x", bias="sum_of_samples(dz)"
    ),
    "correlation": _rules(
        "correlate(x, weight) + bias",
        x="correlate_filters(padded(dilated(dz, stride)), rot180(weight))",
        weight="correlate_images(x, dilated(dz, stride))",
        bias="sum_of_pixels(dz)",
    ),
}
"""The expressions of every operation, by the engine's name of it."""

WORDS = {
    "correlate": "{} ⋆ {}",
    "correlate_filters": "{} ⋆ {}",
    "correlate_images": "{} ⋆ {}",
    "padded": "{}, zero-padded",
    "dilated": "{} dilated by {}",
    "sum_of_samples": "Σ {} over the samples",
    "sum_of_pixels": "Σ {} over images and pixels",
}
"""Functions in the expressions that are told in words."""
