"""The derivation of a gradient as a student writes it: given, forward, chain rule, partials, collected, closed form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation.document import Block, Bullets, Display, Formulas, Listing, Paragraph, Step, say
from tinygrad_cnn.verify.derivation.gradients import ClosedForm, Gradient, gradients
from tinygrad_cnn.verify.derivation.notation import Equation, Letter, Notation
from tinygrad_cnn.verify.derivation.reader import Graph, read
from tinygrad_cnn.verify.derivation.topics import EXPANSIONS, topic_of
from tinygrad_cnn.verify.derivation.topics.phrases import times_said
from tinygrad_cnn.verify.derivation.variables import Variable

MOST_ZEROS = 8


def derive(tensor: Any, wrt: Any) -> Derivation:
    """The derivation of dL/d(wrt), L being any scalar that depends on `wrt` through this tensor alone.

    Every operation between the two is run on named entries by its own definition, so that the forward sums, the partial
    derivatives and the collected gradient are those of any shape, stride, padding, dilation and groups. A closed form
    (lecture 14: X correlated with dZ; the sum of dZ; the zero-padded dZ correlated with the rotated K) is computed on
    the same entries and compared with the collected sums, entry by entry, before it is stated.

    Max-pool, relu and the like are derived at the recorded values. A tensor without axes is taken as L itself.

    Args:
        tensor: the result of recorded operations.
        wrt: a tensor that it was computed from, or its name. Named tensors keep their names, others get usual ones.

    Returns:
        A `Derivation`: text by `str`, LaTeX, a page, and every formula as data.

    Raises:
        ValueError: nothing was recorded, the tensor does not depend on `wrt`, an array of more than 1,024 entries or a
            graph of more than 200 nodes, an operation that can't be run on symbols.
        TypeError: no tensor, or a `wrt` that is neither a tensor nor a name.
        ImportError: sympy is missing and an operation needs it (exponentials, logarithms, quotients of entries).

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]], requires_grad=True, name="X")
    >>> k = tg.tensor([[[[1.0, 0.0], [0.0, -1.0]]]], name="K")
    >>> derivation = derive(tg.conv2d(x, k), "X")
    >>> print(derivation.forward["z11"])
    z11 = X11 K11 + X12 K12 + X21 K21 + X22 K22
    >>> print(derivation.entries["X22"])
    dL/dX22 = dL/dz11 K22 + dL/dz12 K21 + dL/dz21 K12 + dL/dz22 K11
    >>> print(derivation.closed_form.equation)
    dL/dX = pad(dL/dZ) (*) rot180(K)
    """
    return Derivation(read(tensor, wrt, EXPANSIONS))


class Derivation:
    """A derivation, step by step; made by `derive`.

    Attributes:
        title: what is derived.
        steps: its parts in order, each with a kind ("given", "forward", "chain rule", "partials", "collected",
            "closed form"), a title and blocks of words and formulas.
        forward: the forward sums, by entry: forward["z11"].
        chain: the chain rule, by entry of wrt: chain["X11"].
        partials: the partial derivatives that are not 0: partials["dz11/dX11"].
        entries: the collected gradient: entries["X22"].
        closed_form: the `ClosedForm` of the gradient, None where none was recognised.
        gradients: the same for each intermediate result too, the last result first.

    `str` gives text in 80 columns; long listings are shown in part, `text(full=True)` shows everything.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._topics = [topic_of(stage) for stage in graph.stages]
        self.gradients = gradients(graph, self._topics)
        is_single = len(self.gradients) == 1
        self._closed = [gradient.closed_form(None if is_single else i + 1) for i, gradient in enumerate(self.gradients)]

    @property
    def _last(self) -> Gradient:
        return self.gradients[-1]

    @property
    def title(self) -> str:
        """What is derived."""
        return "".join(map(str, self.heading))

    @property
    def heading(self) -> tuple[str | Notation, ...]:
        """What is derived, with its formulas."""
        parts: list[str | Notation] = [self._last.whole, " of "]
        for topic in reversed(self._topics):
            parts += [*([", "] if len(parts) > 2 else []), topic.title()]
        return tuple(parts)

    @cached_property
    def forward(self) -> Formulas:
        """What each entry of each result is."""
        places = [(topic, place) for topic in self._topics for place in range(topic.output.size)]
        names = (str(topic.output.symbols[place]) for topic, place in places)
        return Formulas(names, lambda i: places[i][0].result(places[i][1]))

    @property
    def chain(self) -> Formulas:
        """The chain rule for each entry of wrt."""
        return self._last.chain

    @property
    def partials(self) -> Formulas:
        """The partial derivatives by the entries of wrt that are not 0."""
        return self._last.partials

    @property
    def entries(self) -> Formulas:
        """The collected gradient by wrt, entry by entry."""
        return self._last.entries

    @property
    def closed_form(self) -> ClosedForm | None:
        """The closed form of the gradient by wrt; None where none was recognised."""
        return self._closed[-1]

    def equation(self, number: int) -> Equation:
        """The formula with that number, as (3) stands beside it.

        Raises:
            KeyError: no formula has it; the message says which there are.
        """
        found = {closed.equation.number: closed.equation for closed in self._closed if closed is not None}
        if number not in found:
            known = ", ".join(f"({known})" for known in found) or "none: no closed form was recognised"
            raise KeyError(f"{self.title}: no formula ({number}); there are {known}")
        return found[number]

    def at_values(self, upstream: Any = None) -> Any:
        """The gradient by wrt at the recorded values: the collected sums with numbers put in.

        Args:
            upstream: dL/d(result), of the result's shape; not for a result that is L itself.

        Returns:
            An object array of wrt's shape, exact where the values are.

        Raises:
            ValueError: an upstream gradient of another shape, or an entry whose value is not known.

        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([2.0, 3.0], requires_grad=True, name="x")
        >>> derive((x * x).sum(), x).at_values().tolist()
        [4.0, 6.0]
        """
        result = self._graph.result
        given = np.asarray(1 if upstream is None else upstream)
        if given.shape != result.shape or (upstream is None and not result.is_loss):
            raise ValueError(
                f"derivation: upstream must have the shape {result.shape} of {result.whole} but has {given.shape}"
            )
        known = dict(zip(result.upstream_symbols, given.flat, strict=True))
        numbers = given
        for gradient in self.gradients:
            numbers = gradient.at_values(known)
            known |= zip(gradient.variable.upstream_symbols, numbers.flat, strict=True)
        return numbers

    # As a document

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The parts of the derivation."""
        forward = Step("forward", ("Forward, entry by entry",), self._sums())
        steps = [Step("given", ("Given",), tuple(self._given())), forward]
        for gradient, closed in zip(self.gradients, self._closed, strict=True):
            steps += self._steps(gradient, closed, len(steps))
        return tuple(steps)

    def _given(self) -> Iterator[Block]:
        for topic in self._topics:
            yield from topic.given()
        variables = self._graph.variables
        yield Bullets(tuple(say(*_described(variable)) for variable in variables))
        yield say(*_indices_said(variables))
        result, loss = self._graph.result, Letter(self._graph.result.loss)
        if result.is_loss:
            yield say("Wanted: ", self._wanted(), ".")
        else:
            upstream = result.upstream(result.plane())
            yield say(loss, " is a number that depends on ", self._graph.wrt.plane(), " through ", result.plane(),
                      " alone. Known: ", upstream, ". Wanted: ", self._wanted(), ".")  # fmt: skip

    def _wanted(self) -> Notation:
        return self._graph.wrt.upstream(self._graph.wrt.plane())

    def _sums(self) -> tuple[Block, ...]:
        blocks: list[Block] = []
        first = 0
        for topic in self._topics:
            count = topic.output.size
            if len(self._topics) > 1:
                blocks.append(say(topic.title()))
            longest = max(range(count), key=lambda place: len(topic.stage.partials[place]))
            blocks.append(Listing(self.forward, [[first + i] for i in range(count)], longest))
            blocks += topic.notes()
            first += count
        return tuple(blocks)

    def _steps(self, gradient: Gradient, closed: ClosedForm | None, before: int) -> Iterator[Step]:
        """The parts on one gradient, after so many others."""
        variable = gradient.variable

        def heading(words: str) -> tuple[str | Notation, ...]:
            return (gradient.whole, f": {words[0].lower()}{words[1:]}") if len(self.gradients) > 1 else (words,)

        collected: list[Block] = []
        if gradient.alive:
            collected.append(Listing(gradient.entries, [[place] for place in gradient.alive], gradient.rows().longest))
        if gradient.dead:
            collected.append(self._zeros(gradient))
        if all(topic.output.is_loss for topic in gradient.uses):  # the partial derivatives are the gradient
            yield Step("collected", heading("Derivative"), tuple(collected))
        else:
            chain: list[Block] = [Display(topic.chain(variable)) for topic in gradient.uses]
            if len(gradient.uses) > 1:
                chain.append(say("The contributions of all steps add up."))
            if gradient.alive:
                chain.append(say("Only the partial derivatives that are not 0:"))
                chain.append(Listing(gradient.chain, [[place] for place in gradient.alive], gradient.rows().longest))
            yield Step("chain rule", heading("Chain rule"), tuple(chain))
            all_there_are = variable.size * sum(topic.output.size for topic in gradient.uses)
            others: list[Block] = [say("All others are 0.")] if len(gradient.partials) < all_there_are else []
            listing: list[Block] = [gradient.rows()] if gradient.alive else []
            said = [paragraph for topic in gradient.uses for paragraph in topic.on_partials()]
            yield Step("partials", heading("Partial derivatives"), (*said, *listing, *others))
            collected += [paragraph for topic in gradient.uses for paragraph in topic.on_collected()]
            yield Step("collected", heading("Collected"), tuple(collected))
            before += 2
        yield Step("closed form", heading("Closed form"), tuple(self._recognised(closed, before + 1)))

    def _zeros(self, gradient: Gradient) -> Paragraph:
        """Which entries have the gradient 0, and why."""
        symbols = gradient.dead
        shown = symbols if len(symbols) <= MOST_ZEROS else [*symbols[:3], None, symbols[-1]]
        parts: list[str | Notation] = []
        for symbol in shown:
            parts += [", "] if parts else []
            parts.append("..." if symbol is None else gradient.variable.upstream_symbols[symbol.place].shown)
        reason = gradient.uses[0].zero(len(symbols) == 1, gradient.variable)
        count = f" ({len(symbols)} entries)" if len(symbols) > MOST_ZEROS else ""
        return say(*parts, f"{count} = 0: {reason}.")

    @staticmethod
    def _recognised(closed: ClosedForm | None, section: int) -> Iterator[Block]:
        if closed is None:
            yield say(f"None recognised: the sums of section {section} are the result.")
            return
        yield Display(closed.equation)
        if closed.summary:
            yield say("In words: ", *closed.summary, ".")
        if closed.picture is not None:
            yield Display(closed.picture)
        if closed.words:
            yield Bullets(closed.words)
        entries = f"all {closed.compared} entries agree" if closed.compared > 1 else "its one entry agrees"
        yield say(f"Computed on the same symbols and compared with section {section}: {entries}, term by term.")

    # As text, LaTeX, a page

    def text(self, full: bool = False) -> str:
        """The derivation in lines of at most 80 characters; `full` leaves nothing out."""
        from tinygrad_cnn.verify.derivation.text import render

        return render(self, full)

    def to_latex(self, full: bool = False, document: bool = False) -> str:
        """The derivation as LaTeX, which needs amsmath only: a part of a text, or with `document` a whole one."""
        from tinygrad_cnn.verify.derivation.latex import render

        return render(self, full, document)

    def to_html(self, full: bool = False) -> str:
        """A page that needs no other file, its formulas in MathML, for a light and a dark screen and for paper."""
        from tinygrad_cnn.verify.derivation.page import page

        return page(self, full)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Derivation of {self.title}>"

    def _repr_html_(self) -> str:
        from tinygrad_cnn.verify.derivation.page import fragment

        return fragment(self)

    def _repr_latex_(self) -> str:
        return self.to_latex()


def _described(variable: Variable) -> Iterator[str | Notation]:
    """What the variable is: 2 images of 3 channels, 5 x 5."""
    size = times_said(variable.rest)
    parts = [
        f"{n} {word}s" for word, n in zip(variable.leading, variable.shape, strict=False) if n > 1
    ]  # fmt: skip
    words = " of ".join(parts)
    if not variable.rest:
        words = words if variable.leading and words else "a number"
        words = words.replace("filters", "numbers, one for each filter") if variable.leading else words
    elif len(variable.rest) == 1:
        entries = f"{size} entries" if variable.rest[0] > 1 else "1 entry"
        words = f"{words}, {entries}" if words else entries
    else:
        words = f"{words}, {size}" if words else size
    yield variable.plane()
    yield f": {words}"


def _indices_said(variables: tuple[Variable, ...]) -> Iterator[str | Notation]:
    """How entries are called."""
    said: set[tuple[str, ...]] = set()
    for variable in variables:
        words = [*variable.leading, *_axes(variable)]
        if not variable.shape or len(words) != len(variable.shape):
            continue
        typical = [1] * len(variable.leading) + list(range(len(variable.rest)))  # channel 2, row 1, column 2
        index = [min(i, n - 1) for i, n in zip(typical, variable.shape, strict=True)]
        kind = tuple(word for word, n in zip(words, variable.shape, strict=True) if word in variable.leading and n > 1)
        if kind in said or (said and not kind):
            continue
        named = [
            f"{word} {i + 1}"
            for word, i, n in zip(words, index, variable.shape, strict=True)
            if word not in variable.leading or n > 1
        ]
        if not named:
            continue
        yield " " if said else "Indices count from 1: "
        said.add(kind)
        yield variable.letter(index)
        yield f" is {', '.join(named)}."


def _axes(variable: Variable) -> list[str]:
    count = len(variable.rest)
    if variable.leading:
        return {0: [], 1: ["entry"], 2: ["row", "column"], 3: ["layer", "row", "column"]}.get(count, [""] * count)
    return {1: ["entry"], 2: ["row", "column"]}.get(count, [f"axis {i + 1}:" for i in range(count)])
