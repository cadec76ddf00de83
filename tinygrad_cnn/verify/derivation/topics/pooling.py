"""Pooling: the winner of each window at the recorded values, and the mean of each window."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.reference import window_counts
from tinygrad_cnn.verify.derivation import forms
from tinygrad_cnn.verify.derivation.document import Block, Display, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import (
    Call,
    Condition,
    Equation,
    Notation,
    Number,
    Quotient,
    Total,
    Word,
    correlated,
    times,
)
from tinygrad_cnn.verify.derivation.polynomial import NotPolynomialError, Polynomial, array_of, rational
from tinygrad_cnn.verify.derivation.stages import Stage
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, chain_rule, seen
from tinygrad_cnn.verify.derivation.topics.phrases import Ints, between_said, times_said
from tinygrad_cnn.verify.derivation.topics.windows import OUT, PLACE, Windows, called, of_planes
from tinygrad_cnn.verify.derivation.variables import Variable


class Pooling(Windows):
    """An operation on the windows of each channel."""

    letters = "each"

    def read_options(self) -> None:
        super().read_options()
        self.window = self.options["kernel"]

    def places(self, index: Ints) -> Iterator[Ints]:
        """X's entries in the window of an entry of the result, in row-major order."""
        n, c, *i = index
        for u in np.ndindex(*self.window):
            axes = zip(i, self.stride, u, self.dilation, self.padding, strict=True)
            place = tuple(s * a + d * b - before for a, s, b, d, (before, _) in axes)
            if all(0 <= p < m for p, m in zip(place, self.size, strict=True)):
                yield (n, c, *place)

    def chain(self, variable: Variable) -> Equation:
        if len(variable.leading) != 2 or len(variable.rest) != self.n:
            return Topic.chain(self, variable)
        i = OUT[: self.n]
        x, z = variable.at(("n", "c"), PLACE[: self.n]), self.output.at(("n", "c"), i)
        return chain_rule(variable, x, self.output, z, i)

    def given(self) -> list[Block]:
        channels = ", of each channel on its own" if self.channels > 1 else ""
        return [
            say(self.title(), f" is tg.{self.name}: {self.said}{channels}; window {times_said(self.window)}, "
                f"{self.options_said()}."),
            *self.sizes(),
        ]  # fmt: skip

    said: str


class MaxPooling(Pooling):
    """The largest entry of each window, at the recorded values."""

    said = "the largest entry of each window"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.is_split = stage.kind.endswith("split")
        values = [value.value() if isinstance(value, Polynomial) else value for value in self.x.flat]
        self.values = array_of(values, self.x.shape)
        self.winners = [self._winners(index) for index in self.output.indices()]

    def _winners(self, index: Ints) -> list[Ints]:
        """All largest entries of a window, in row-major order; of NaN, all that are NaN."""
        places = list(self.places(index))
        nan = [place for place in places if self.values[place] != self.values[place]]
        largest = max((self.values[place] for place in places if place not in nan), default=None)
        return nan or [place for place in places if self.values[place] == largest]

    @property
    def name(self) -> str:
        return f"max_pool{self.n}d"

    def title(self) -> Equation:
        return Equation(self.output.plane(), (Call("maxpool", (seen(self.image),)),))

    def given(self) -> list[Block]:
        blocks = super().given()
        blocks.append(say("Which entry wins depends on the values; this derivation holds where the same entries win."))
        variable = self.image.variable
        matrix = variable.matrix() if variable is not None else None
        if variable is not None and matrix is not None:
            blocks.append(Display(Equation(variable.plane(), (matrix,))))
        return blocks

    def result(self, place: int) -> Equation:
        index = np.unravel_index(place, self.output.shape)
        entries = tuple(_entry(self.x[i]) for i in self.places(tuple(map(int, index))))
        rights: list[Notation] = [Call("max", entries), *(_entry(self.x[i]) for i in self.winners[place])]
        value = _number(self.values[self.winners[place][0]])
        return Equation(self.output.symbols[place].shown, (*rights, *([value] if value is not None else [])))

    def notes(self) -> list[Paragraph]:
        tied = [i for i, winners in enumerate(self.winners) if len(winners) > 1]
        notes = super().notes()
        if tied:
            parts: list[str | Notation] = ["Ties in ", self.output.symbols[tied[0]].shown]
            for i in tied[1:6]:
                parts += [", ", self.output.symbols[i].shown]
            more = f" and {len(tied) - 6} more" if len(tied) > 6 else ""
            rule = "shared equally by all winners" if self.is_split else "given to the first winner in row-major order"
            ties = "split" if self.is_split else "first"
            notes.append(say(*parts, f'{more}: the gradient is {rule} (ties="{ties}").'))
        return notes

    def zero(self, is_one: bool, variable: Variable) -> str:
        return "it wins no window" if is_one else "they win no window"

    def closed(self, position: int) -> Closed | None:
        """Each window's gradient to its winner, found by looking at the values anew."""
        dz = self.stage.upstream
        array = forms.zeros(self.x.shape)
        for place, winners in enumerate(self.winners):
            chosen = winners if self.is_split else winners[:1]
            for winner in chosen:
                array[winner] = array[winner] + dz.flat[place] * Fraction(1, len(chosen))
        i, a = OUT[: self.n], PLACE[: self.n]
        variable = self.image.variable
        if variable is None or self.image.move is not None:
            return Closed(self.image, Form(array, Call("to_winners", (self.upstream().shown,))), ("n", "c"))
        z, x = self.output.at(("n", "c"), i), variable.at(("n", "c"), a)
        shown = Total(tuple(i), times(self.output.upstream(z), Condition(x, "wins", z)))
        first = "1/m if it is one of the m largest entries" if self.is_split else "1 if it is the first largest entry"
        words = (say(Condition(x, "wins", z), f": {first} of the window of ", z, ", else 0"),)
        is_single = self.batch == self.channels == 1
        picture = forms.drawn(array[0, 0]) if is_single and self.n < 3 else None
        each = self.output.upstream(z)
        summary = ("each ", each, " goes to the entry that won the window; what several windows give adds up")
        return Closed(self.image, Form(array, shown), ("n", "c"), words, picture, 1, summary, x)


class AveragePooling(Pooling):
    """The mean of each window."""

    said = "the mean of each window"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        counts = window_counts(
            self.size, self.window, self.stride, self.padding, self.dilation, self.options["counted"]
        )
        self.counts = np.broadcast_to(counts, self.output.shape)

    @property
    def name(self) -> str:
        return f"avg_pool{self.n}d"

    @property
    def is_even(self) -> bool:
        """Whether every window has the same count."""
        return len(set(self.counts.flat)) == 1

    def title(self) -> Equation:
        return Equation(self.output.plane(), (Call("avgpool", (seen(self.image),)),))

    def given(self) -> list[Block]:
        blocks = super().given()
        if self.is_padded:
            count = self.counts.flat[0]
            said = f"The border is zeros, which count: every sum is divided by {count}." if self.is_even else (
                "The border does not count: each sum is divided by the number of entries that lie in the image."
            )  # fmt: skip
            blocks.append(say(said))
        return blocks

    def closed(self, position: int) -> Closed | None:
        """Every window's gradient to all its entries: a correlation with a kernel of ones."""
        if position:
            return None
        shared = forms.mapped(lambda dz, count: dz * Fraction(1) / count, self.stage.upstream, self.counts)
        ones = forms.dilated(array_of([1] * prod(self.window), self.window), self.dilation)
        size = tuple(m + before + after for m, (before, after) in zip(self.size, self.padding, strict=True))
        dz = self.surrounded(shared)
        full = of_planes((self.batch, self.channels), size, lambda n, c: ((dz[n, c], ones),), self.one)
        words: list[Paragraph] = []
        upstream = self.upstream(("n", "c")).shown
        if not self.is_even:
            words.append(say("m: the number of entries that a window has in the image, divided by entry by entry"))
            upstream = Quotient(upstream, Word("m"))
        left = self.surround_shown(upstream, words)
        right: Notation = Call("ones", (Word(times_said(self.window)),))
        is_spread = any(d > 1 and k > 1 for d, k in zip(self.dilation, self.window, strict=True))
        right = called("dilate'", right, is_spread, words, f"{between_said(self.dilation)}, as in the windows")
        shown = self.without_padding(correlated(left, right), words)
        if self.is_even:
            shown = times(Number(Fraction(1, int(self.counts.flat[0]))), shown)
        words.append(say("ones: a kernel of ones"))
        i = OUT[: self.n]
        dz_entry = self.output.upstream(self.output.at(("n", "c"), i))
        share = Fraction(1, int(self.counts.flat[0]))
        part = times(Number(share), dz_entry) if self.is_even else Quotient(dz_entry, Word("m"))
        summary = ("every entry of a window gets ", part, "; what several windows give adds up")
        picture = self._picture(dz, ones)
        form = Form(forms.cropped(full, self.padding), shown)
        return Closed(self.image, form, ("n", "c"), tuple(words), picture, 1, summary)

    def _picture(self, dz: Any, ones: Any) -> Notation | None:
        if self.image.move is not None or self.n > 2 or self.batch > 1 or self.channels > 1:
            return None
        left, right = forms.drawn(dz[0, 0]), forms.drawn(ones)
        if left is None or right is None:
            return None
        return Call("crop", (correlated(left, right),)) if self.is_padded else correlated(left, right)


def _entry(value: Any) -> Notation:
    return value.shown() if isinstance(value, Polynomial) else Number(value)


def _number(value: Any) -> Notation | None:
    try:
        return Number(rational(value))
    except (TypeError, NotPolynomialError):
        return None
