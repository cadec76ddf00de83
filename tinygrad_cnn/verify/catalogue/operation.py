"""What the checker knows of an operation: its cases, its arguments' names, its right rules, and the mistakes in them.

A right rule is written on plain arrays as on a blackboard, with a keyword for each step that students get wrong: the
defaults are right, and a `Mistake` is a name, an explanation and other values of those keywords. Two mistakes are
combined by giving both their keywords.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Rule = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """Shapes and options for which a rule is checked.

    Attributes:
        shapes: of each operand, by the operation's own name ("x", "weight"), or by the forward's for an unknown one.
        options: likewise; those that are missing have their default.
        data: how the numbers are drawn: "distinct" (no two operand entries of one size), "ties" (from very few),
            "fractions" (halves and thirds).
        given: arrays that are not drawn, by operand.
    """

    shapes: Mapping[str, Shape]
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str = "distinct"
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of elements of all operands."""
        return sum(prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class Layout:
    """How somebody arranges the operands and the result ("z"), against the operation's own arrangement.

    Attributes:
        name: for the report.
        dropped: by operand, how many axes in front (of size 1) are missing; -1 is one more axis of size 1 at the end.
        swapped: operands whose last two axes are swapped.
        order: by operand, its axes in this layout, as `numpy.transpose` takes them; before any is dropped.
    """

    name: str
    dropped: Mapping[str, int] = field(default_factory=dict)
    swapped: frozenset[str] = frozenset()
    order: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def fits(self, case: Case) -> bool:
        """Whether the axes to drop have the size 1."""
        return all(
            set(self._turned(name, case.shapes.get(name, ()))[: max(n, 0)]) <= {1} for name, n in self.dropped.items()
        )

    def _turned(self, name: str, shape: Shape) -> Shape:
        if shape and name in self.order:
            shape = tuple(shape[axis] for axis in self.order[name])
        return (*shape[:-2], shape[-1], shape[-2]) if name in self.swapped and len(shape) > 1 else shape

    def shape(self, name: str, shape: Shape) -> Shape:
        """The operation's shape of an operand in this layout."""
        shape = self._turned(name, shape)
        n = self.dropped.get(name, 0)
        return shape[n:] if n >= 0 else (*shape, 1)

    def inward(self, name: str, array: Any) -> Any:
        """An array of this layout in the operation's own."""
        n = self.dropped.get(name, 0)
        array = np.asarray(array[(None,) * n] if n >= 0 else array[..., 0])
        array = np.swapaxes(array, -1, -2) if name in self.swapped else array
        return np.transpose(array, np.argsort(self.order[name])) if name in self.order else array

    def outward(self, name: str, array: Any) -> Any:
        """An array of the operation in this layout; the axes to drop keep their first entry."""
        if name in self.order and np.ndim(array) == len(self.order[name]):  # a wrong rule may give another number
            array = np.transpose(array, self.order[name])
        if name in self.swapped:
            array = np.swapaxes(array, -1, -2)
        n = self.dropped.get(name, 0)
        return np.asarray(array[(0,) * n] if n >= 0 else array[..., None])


@dataclass(frozen=True)
class Mistake:
    """A mistake that students make, as another value of the right rule's keywords.

    Attributes:
        name: "kernel-not-rotated".
        explanation: one or two sentences to the student.
        operands: the operands in whose gradient it is made, by the operation's names; empty means in any.
        changes: keywords of the right rule; several where one mistake has several outcomes.
        then: what is done to the rule's result instead, by one that concerns any rule: (result, inputs) -> result.
    """

    name: str
    explanation: str
    operands: tuple[str, ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ({},)
    then: Callable[[Any, Mapping[str, Any]], Any] | None = None

    def concerns(self, operand: str) -> bool:
        """Whether it is made in the gradient of this operand."""
        return not self.operands or operand in self.operands


@dataclass(frozen=True)
class Operation:
    """An operation that the checker knows.

    Attributes:
        name: "conv2d".
        function: the library's, called with the operands in order and the options by name.
        operands: the operands by their own names, each with the names that students give it; the first ones in order.
        options: likewise, with those names.
        defaults: the options' defaults.
        cases: the family in which a rule is checked, the smallest first.
        layouts: the arrangements of operands that are understood; the first is the operation's own.
        rules: by operand, the right rule: (dz, inputs, **keywords) -> gradient, where inputs has the operands, the
            options with defaults filled in, and "z". It may return None where its keywords make no sense.
        formulas: by operand, the right formula as a sentence, with its number in the lecture where it has one.
        mistakes: the catalogue.
        conventions: at a kink, keywords of the rules that are right too.
        draws: by operand, how its numbers are drawn where it is not by the case: (shape, rng) -> array.
        constants: operands without a gradient, such as labels.
        is_derived: whether a derivation of its gradient is worth reading: there is a closed form, and it comes at once.
    """

    name: str
    function: Callable[..., Any]
    operands: Mapping[str, tuple[str, ...]]
    options: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, Any]
    cases: tuple[Case, ...]
    layouts: tuple[Layout, ...]
    rules: Mapping[str, Rule]
    formulas: Mapping[str, str]
    mistakes: tuple[Mistake, ...]
    conventions: tuple[Mapping[str, Any], ...] = ()
    draws: Mapping[str, Callable[[Shape, np.random.Generator], Any]] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    is_derived: bool = True

    def own_name(self, name: str) -> str | None:
        """The operation's own name of an argument that somebody calls `name`; None for none of its arguments."""
        for table in (self.operands, self.options):
            for own, others in table.items():
                if name == own or name in others:
                    return own
        return None
