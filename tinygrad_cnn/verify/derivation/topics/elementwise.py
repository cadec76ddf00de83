"""Functions of single entries: one derivative for all of them, multiplied entry by entry."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation import forms, polynomial, symbolic
from tinygrad_cnn.verify.derivation.document import Block, Display, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import (
    JUXTAPOSED,
    Call,
    Condition,
    Equation,
    Letter,
    Notation,
    Number,
    Partial,
    Power,
    Product,
    Quotient,
    entrywise,
    negative,
    plus,
    split_sign,
    times,
)
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, Symbol, array_of
from tinygrad_cnn.verify.derivation.stages import Operand, Stage
from tinygrad_cnn.verify.derivation.topics.base import INPUT, Closed, Topic, seen
from tinygrad_cnn.verify.derivation.variables import Variable


def is_elementwise(stage: Stage) -> bool:
    """Whether each entry of the result depends on the operands' entries at its own place only."""
    shape = np.shape(stage.upstream)
    arrays = [np.asarray(operand.array) for operand in stage.operands]
    try:
        if np.broadcast_shapes(*(array.shape for array in arrays)) != shape:
            return False
    except ValueError:
        return False
    arrays = [np.broadcast_to(array, shape) for array in arrays]
    for place, partials in zip(stage.places, stage.partials, strict=True):
        own: set[Symbol] = set()
        for array in arrays:
            value = array.flat[place]
            own |= set(value.symbols()) if isinstance(value, Polynomial) else set()
        if not own.issuperset(partials):
            return False
    return True


_WRITTEN: dict[str, Callable[..., Notation]] = {
    "add": plus,
    "subtract": lambda x, y: plus(x, negative(y)),
    "multiply": entrywise,
    "divide": Quotient,
    "negative": negative,
    "power": Power,
    "square": lambda x: Power(x, Number(2)),
}
"""The operations that have a sign of their own."""


class Elementwise(Topic):
    """z = f(x, y, ...), entry by entry with broadcasting."""

    def title(self) -> Equation:
        if self.name not in _WRITTEN:
            return super().title()
        return Equation(self.output.plane(), (_WRITTEN[self.name](*map(seen, self.stage.operands)),))

    def given(self) -> list[Block]:
        general = self.general
        if general is None or self.name in _WRITTEN:
            return [say(self.title(), ", entry by entry.")]
        definition = Equation(self.output.plane(), (*self.title().rights, self.stage.shown(general)))
        return [say(definition, ", entry by entry.")]

    def chain(self, variable: Variable) -> Equation:
        if variable.shape != self.output.shape or not variable.shape:
            return super().chain(variable)
        letters = INPUT[: len(variable.shape)]
        own, lead = len(variable.leading), len(self.output.leading)
        x = variable.at(letters[:own], letters[own:])
        z = self.output.at(letters[:lead], letters[lead:])
        return Equation(variable.upstream(x), (times(self.output.upstream(z), Partial(z, x)),))

    @cached_property
    def arrays(self) -> list[Any]:
        """The operands' entries, broadcast to the operation's own result."""
        shape = np.shape(self.stage.upstream)
        return [np.broadcast_to(np.asarray(operand.array), shape) for operand in self.stage.operands]

    # One entry for all

    @cached_property
    def symbols(self) -> list[Symbol]:
        """A symbol for each operand as a whole, and behind them one for the result."""
        names = [seen(operand) for operand in self.stage.operands] + [self.output.plane()]
        return [Symbol(name, (1, i), self, i) for i, name in enumerate(names)]

    @cached_property
    def general(self) -> Any:
        """The result as an expression of `symbols`; None where there is no single one for all entries."""
        values: list[Any] = [
            Polynomial.of(symbol) if operand.variables else operand.array
            for operand, symbol in zip(self.stage.operands, self.symbols, strict=False)
        ]
        if self.stage.at_values or any(np.shape(value) for value in values):
            return None
        translation = self.stage.translation
        try:
            operands = translation.arrays(values) if translation else values
            result = self.stage.primitive.forward(*operands, **self.options)
            return symbolic.exact(result) if translation else Polynomial(polynomial.terms_of(result))
        except (TypeError, ValueError, AttributeError):
            return None

    @cached_property
    def derivatives(self) -> dict[int, tuple[Any, Any]]:
        """By operand: its derivative, and the engine's way of writing it, if that is proved to be the same."""
        result, translation = self.general, self.stage.translation
        if result is None:
            return {}
        if translation is None:
            return {s.place: (d, d) for s, d in result.derivatives().items()}
        found = translation.derivatives(result)
        return {s.place: (d, self._as_ruled(s.place, result, d)) for s, d in found.items()}

    def _as_ruled(self, position: int, result: Any, derivative: Any) -> Any:
        """The derivative as the engine's rule writes it, often by the result; as it is, where that is not proved."""
        translation = self.stage.translation
        assert translation is not None
        primitive = self.stage.primitive
        rule = primitive.rules.get(primitive.operand_names[min(position, len(primitive.operand_names) - 1)])
        z = translation.symbol(self.symbols[-1])
        known: dict[str, Any] = {"z": z, **self.options}
        for name, operand, symbol in zip(primitive.operand_names, self.stage.operands, self.symbols, strict=False):
            known[name] = translation.symbol(symbol) if operand.variables else translation.forth(operand.array)
        try:
            if rule is None:
                return derivative
            names = list(inspect.signature(rule).parameters)[1:]
            ruled = symbolic.exact(rule(symbolic.library().Integer(1), *(known[name] for name in names)))
            return ruled if symbolic.are_equal(ruled.xreplace({z: result}), derivative) else derivative
        except (KeyError, TypeError, ValueError, AttributeError):
            return derivative

    def _at(self, expression: Any, place: int) -> Any:
        """The expression of `symbols` for the entry at a place of the operation's own result."""
        entries = [array.flat[place] for array in self.arrays]
        translation = self.stage.translation
        if translation is None:
            return Polynomial(polynomial.terms_of(expression)).substitute(lambda symbol: entries[symbol.place])
        values = dict(zip(self.symbols, entries, strict=False))
        output = self.output.symbols[self.stage.places.index(place)]
        values[self.symbols[-1]] = Polynomial.of(output)
        return expression.xreplace({translation.symbol(s): translation.forth(value) for s, value in values.items()})

    def partial(self, place: int, symbol: Symbol, expression: Any) -> tuple[Notation, ...]:
        own = self.stage.places[place]
        positions = [i for i, array in enumerate(self.arrays)
                     if isinstance(array.flat[own], Polynomial) and array.flat[own].symbol is symbol]  # fmt: skip
        if self.stage.translation is None or len(positions) != 1 or positions[0] not in self.derivatives:
            return super().partial(place, symbol, expression)
        return (self.stage.shown(self._at(self.derivatives[positions[0]][1], own)),)

    def closed(self, position: int) -> Closed | None:
        operand = self.operand(position)
        if position not in self.derivatives:
            return None
        derivative, written = self.derivatives[position]
        translation = self.stage.translation
        values = []
        for place, dz in enumerate(np.ravel(self.stage.upstream)):
            upstream = dz if translation is None else translation.forth(dz)
            values.append(upstream * self._at(derivative, place))
        array = array_of(values, np.shape(self.stage.upstream))
        shown = entrywise(self.upstream().shown, *_factors(self.stage.shown(written)))
        words: list[Paragraph] = []
        if isinstance(shown, Product) and shown.kind != JUXTAPOSED:
            words.append(say(entrywise(Letter("P"), Letter("Q")), ": multiplied entry by entry"))
        return self.summed(operand, array, shown, words)

    def summed(self, operand: Operand, array: Any, shown: Notation, words: list[Paragraph]) -> Closed:
        """The gradient, summed over the axes on which the operand was repeated."""
        shape = np.shape(operand.array)
        if shape != array.shape:
            array = forms.reduced(array, shape)
            words.append(say("total: the sum over the axes on which ", seen(operand), " was repeated"))
            shown = Call("total", (shown,))
        return Closed(operand, Form(array, shown), (), tuple(words))


def _factors(notation: Notation) -> tuple[Notation, ...]:
    """The factors of a product of numbers and arrays."""
    is_negative, magnitude = split_sign(notation)
    is_product = isinstance(magnitude, Product) and magnitude.kind == JUXTAPOSED
    factors = magnitude.factors if is_product and isinstance(magnitude, Product) else (magnitude,)
    return (negative(Number(1)), *factors) if is_negative else factors


class Relu(Elementwise):
    """max(x, 0), at the recorded values."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.entries = [value if isinstance(value, Polynomial) else Polynomial({}) for value in self.arrays[0].flat]

    def given(self) -> list[Block]:
        blocks = super().given()
        variable = self.operand(0).variable
        matrix = variable.matrix() if variable is not None else None
        if variable is not None and matrix is not None:
            blocks.append(say("Which entries are positive depends on the values:"))
            blocks.append(Display(Equation(variable.plane(), (matrix,))))
        return blocks

    def result(self, place: int) -> Equation:
        z = super().result(place)
        entry = self.entries[self.stage.places[place]].shown()
        return Equation(z.left, (Call("max", (entry, Number(0))), z.right))

    def notes(self) -> list[Paragraph]:
        kinks = [entry for entry in self.entries if entry.terms and entry.value() == 0]
        if not kinks:
            return []
        more = f" and {len(kinks) - 1} more" if len(kinks) > 1 else ""
        return [say(kinks[0].shown(), f"{more} = 0 is a kink: the derivative there is taken to be 0.")]

    def zero(self, is_one: bool, variable: Variable) -> str:
        return "it is not positive" if is_one else "they are not positive"

    def closed(self, position: int) -> Closed | None:
        pairs = zip(self.entries, np.ravel(self.stage.upstream), strict=True)
        values = [dz if entry.terms and entry.value() > 0 else 0 for entry, dz in pairs]
        array = array_of(values, np.shape(self.stage.upstream))
        mask = Condition(seen(self.operand(0)), ">", Number(0))
        product = entrywise(Letter("P"), Letter("Q"))
        words = [say(mask, ": 1 where it holds, else 0"), say(product, ": multiplied entry by entry")]
        return self.summed(self.operand(0), array, entrywise(self.upstream().shown, mask), words)
