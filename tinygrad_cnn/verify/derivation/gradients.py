"""The gradient by one array: what each step contributes to each of its entries, and the closed form of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tinygrad_cnn.verify.derivation import polynomial, symbolic
from tinygrad_cnn.verify.derivation.document import Formulas, Listing, Paragraph
from tinygrad_cnn.verify.derivation.notation import Equation, Notation, Number, Partial, factored, plus, times
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, Symbol
from tinygrad_cnn.verify.derivation.reader import Graph
from tinygrad_cnn.verify.derivation.stages import Stage
from tinygrad_cnn.verify.derivation.topics import Topic, back_to, brought_back, moves_said
from tinygrad_cnn.verify.derivation.variables import Variable


@dataclass(frozen=True)
class ClosedForm:
    """A formula for the whole gradient that was compared with the collected sums, entry by entry, and found equal.

    Attributes:
        equation: dL/dX = ..., with its number.
        summary: the same in words and formulas.
        words: what the words in it mean.
        picture: the same with its matrices, of a small single image, else None.
        compared: how many entries were compared.
    """

    equation: Equation
    summary: tuple[str | Notation, ...]
    words: tuple[Paragraph, ...]
    picture: Equation | None
    compared: int

    def __str__(self) -> str:
        return self.equation.text()


@dataclass(frozen=True)
class Contribution:
    """One path to an entry: dL/d(result) times d(result)/d(entry)."""

    stage: Stage
    place: int
    partial: Any

    @property
    def upstream(self) -> Notation:
        """dL/d(result), 1 of L itself."""
        output = self.stage.output
        return Number(1) if output.is_loss else output.upstream_symbols[self.place].shown

    def derivative(self, entry: Symbol) -> Notation:
        """d(result)/d(entry)."""
        return Partial(self.stage.output.symbols[self.place].shown, entry.shown)

    def product(self) -> Any:
        """The product of the two, in the arithmetic of the step."""
        output, translation = self.stage.output, self.stage.translation
        if output.is_loss:
            return self.partial
        symbol = output.upstream_symbols[self.place]
        return (Polynomial.of(symbol) if translation is None else translation.symbol(symbol)) * self.partial


class Gradient:
    """dL/d(variable), from the steps that use the variable.

    `dead` are the entries of later results that L does not depend on.
    """

    def __init__(self, variable: Variable, uses: Sequence[Topic], dead: set[Symbol]) -> None:
        self.variable = variable
        self.uses = tuple(uses)
        self._vanishing = {s.variable.upstream_symbols[s.place] for s in dead}
        self.contributions: list[list[Contribution]] = [[] for _ in range(variable.size)]
        for topic in uses:
            stage = topic.stage
            for place, partials in enumerate(stage.partials):
                if stage.output.symbols[place] in dead:
                    continue
                for symbol, partial in partials.items():
                    if symbol.variable is variable:
                        self.contributions[symbol.place].append(Contribution(stage, place, partial))

    @property
    def whole(self) -> Notation:
        """dL/dX."""
        return self.variable.upstream(self.variable.plane())

    @cached_property
    def alive(self) -> list[int]:
        """The places of the entries that L depends on."""
        return [place for place, paths in enumerate(self.contributions) if paths]

    @cached_property
    def dead(self) -> list[Symbol]:
        """The entries that L does not depend on."""
        return [self.variable.symbols[place] for place, paths in enumerate(self.contributions) if not paths]

    @cached_property
    def topics(self) -> dict[Stage, Topic]:
        """What is known about each step that uses the variable."""
        return {topic.stage: topic for topic in self.uses}

    def _left(self, place: int) -> Notation:
        return self.variable.upstream_symbols[place].shown

    @cached_property
    def chain(self) -> Formulas:
        """The chain rule for each entry, without the partial derivatives that are 0."""

        def write(place: int) -> Equation:
            entry = self.variable.symbols[place]
            paths = self.contributions[place]
            products = [times(path.upstream, path.derivative(entry)) for path in paths]
            return Equation(self._left(place), (plus(*products),))

        return Formulas(self._names(), write)

    @cached_property
    def entries(self) -> Formulas:
        """The collected sums, one for each entry."""
        return Formulas(self._names(), self._entry)

    def _names(self) -> Iterable[str]:
        return (str(symbol) for symbol in self.variable.symbols)

    def _entry(self, place: int) -> Equation:
        products = []
        for path in self.contributions[place]:
            partial = self.topics[path.stage].partial(path.place, self.variable.symbols[place], path.partial)[-1]
            products.append(times(path.upstream, partial))
        known = (topic.simplified(self.contributions[place]) for topic in self.uses)
        rights = [factored(products), *(notation for notation in known if notation is not None)]
        return Equation(self._left(place), tuple(rights))

    @cached_property
    def partials(self) -> Formulas:
        """All partial derivatives that are not 0."""
        pairs = [(place, path) for place in self.alive for path in self.contributions[place]]

        def write(i: int) -> Equation:
            place, path = pairs[i]
            symbol = self.variable.symbols[place]
            rights = self.topics[path.stage].partial(path.place, symbol, path.partial)
            return Equation(path.derivative(symbol), rights)

        names = (f"d{path.stage.output.symbols[path.place]}/d{self.variable.symbols[place]}" for place, path in pairs)
        return Formulas(names, write)

    def rows(self) -> Listing:
        """The partial derivatives, those by one entry in one row."""
        rows, first = [], 0
        for place in self.alive:
            count = len(self.contributions[place])
            rows.append(range(first, first + count))
            first += count
        return Listing(self.partials, rows, self.alive.index(self.longest) if self.alive else 0)

    @cached_property
    def longest(self) -> int:
        """The entry with the most paths, the first of them."""
        return max(range(self.variable.size), key=lambda place: len(self.contributions[place]))

    @cached_property
    def collected(self) -> Any:
        """The gradient as an array of polynomials (or, where a step needs them, of sympy's expressions)."""
        sums = []
        for paths in self.contributions:
            total: Any = 0
            for path in paths:
                total = total + self.topics[path.stage].contribution(path)
            sums.append(total)
        return polynomial.array_of(sums, self.variable.shape)

    def at_values(self, upstream: Mapping[Symbol, Any]) -> Any:
        """The collected sums with the recorded numbers put in, and those given for the derivatives of L.

        Raises:
            ValueError: an entry whose value is not known.
        """
        sums = []
        for paths in self.contributions:
            total: Any = 0
            for path in paths:
                output, translation = path.stage.output, path.stage.translation
                slope = path.partial
                if translation is not None:
                    slope = translation.number(slope, _value)
                elif isinstance(slope, Polynomial):
                    slope = slope.substitute(_value)
                total = total + (1 if output.is_loss else upstream[output.upstream_symbols[path.place]]) * slope
            sums.append(total)
        return polynomial.array_of(sums, self.variable.shape)

    # The closed form

    def closed_form(self, number: int | None) -> ClosedForm | None:
        """The closed forms of all steps that use the variable, added; None unless each was tried and is right."""
        shown: list[Notation] = []
        words: list[Paragraph] = []
        summary: list[str | Notation] = []
        picture: Notation | None = None
        left: Notation = self.variable.plane()
        for topic in self.uses:
            found = [
                closed
                for position, operand in enumerate(topic.stage.operands)
                if self.variable in operand.variables and (closed := topic.closed(position)) is not None
            ]
            arrays = [back_to(self.variable, closed.operand, closed.form.array) for closed in found]
            if not found or not self._is_right(topic, arrays):
                return None
            for closed in found:
                shown.append(brought_back(closed.operand, closed.form.shown))
                summary += [*(["; plus "] if summary else []), *closed.summary]
                words += [*closed.words, *moves_said(closed.operand, is_back=True)]
                left = self.variable.plane(closed.leading) if closed.entry is None else closed.entry
                picture = closed.picture
                number = closed.number if number is None else number
        left = self.variable.upstream(left)
        total = plus(*shown)
        if len(shown) == 2 and shown[0] == shown[1]:
            total = times(Number(2), shown[0])
        drawn = Equation(self.whole, (picture,)) if picture is not None and len(shown) == 1 else None
        unique = tuple(dict.fromkeys(words))
        return ClosedForm(
            Equation(left, (total,), number=number), tuple(summary), unique, drawn, self.variable.size
        )

    def _is_right(self, topic: Topic, candidates: Sequence[Any]) -> bool:
        """Whether the closed forms add up to what the step contributes, entry by entry."""
        for place, paths in enumerate(self.contributions):
            claimed: Any = sum(candidate.flat[place] for candidate in candidates)
            collected: Any = 0
            for path in paths:
                if path.stage is topic.stage:
                    collected = collected + topic.contribution(path)
            if (translation := topic.stage.translation) is not None:
                zeros = {translation.symbol(symbol): 0 for symbol in self._vanishing}
                if not symbolic.are_equal(symbolic.exact(claimed).xreplace(zeros), symbolic.exact(collected)):
                    return False
            elif self._without_vanishing(claimed) != polynomial.terms_of(collected):
                return False
        return True


    def _without_vanishing(self, value: Any) -> dict[Any, Any]:
        """The terms of a polynomial without those derivatives of L that are known to be 0."""
        terms = polynomial.terms_of(value)
        return {m: c for m, c in terms.items() if self._vanishing.isdisjoint(m)}


def _value(symbol: Symbol) -> Any:
    if symbol.value is None:
        raise ValueError(f"derive: {symbol} has no known value")
    return symbol.value


def gradients(graph: Graph, topics: Sequence[Topic]) -> list[Gradient]:
    """The gradients of all results on the way and of `wrt`, the result's side first."""
    outputs = [topic.output for topic in topics]
    wanted = [variable for variable in reversed(outputs) if variable is not graph.result] + [graph.wrt]
    dead: set[Symbol] = set()
    found = []
    for variable in wanted:
        uses = [topic for topic in topics if any(variable in operand.variables for operand in topic.stage.operands)]
        gradient = Gradient(variable, uses, dead)
        dead.update(gradient.dead)
        found.append(gradient)
    return found


