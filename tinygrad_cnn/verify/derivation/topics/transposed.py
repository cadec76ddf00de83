"""Transposed convolution: every entry of X stamps a copy of K on Z, and collects its gradient from there."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation import forms
from tinygrad_cnn.verify.derivation.document import Block, Bullets, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import Call, Equation, Notation, Total, correlated, plus, times
from tinygrad_cnn.verify.derivation.stages import Stage
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, chain_rule, seen
from tinygrad_cnn.verify.derivation.topics.convolution import cross_correlation_said, summed
from tinygrad_cnn.verify.derivation.topics.phrases import (
    Ints,
    Pairs,
    between_said,
    each_said,
    last_said,
    place,
    range_said,
    stamps_reach,
    zeros_said,
)
from tinygrad_cnn.verify.derivation.topics.windows import OUT, PLACE, WINDOW, Windows, called, of_planes, sizes_said
from tinygrad_cnn.verify.derivation.variables import Variable


class TransposedConvolution(Windows):
    """Z[s i + d u - p] += X[i] K[u], + B."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.kernel = np.asarray(self.operand(1).array)
        self.window = self.kernel.shape[2:]
        self.groups: int = self.options["groups"]
        self.each = self.kernel.shape[1]
        self.filters = self.each * self.groups
        self.per_group = self.channels // self.groups
        # Behind the last stamp there may be too much of Z (output padding), or too little (padding taken off).
        axes = zip(self.size, self.stride, self.reach, self.padding, self.out, strict=True)
        missing = [s * (m - 1) + r - before - o for m, s, r, (before, _), o in axes]
        self.widths: Pairs = tuple((b, max(a, 0)) for (b, _), a in zip(self.padding, missing, strict=True))
        self.beyond: Ints = tuple(max(-a, 0) for a in missing)

    @property
    def name(self) -> str:
        return f"conv_transpose{self.n}d"

    def title(self) -> Equation:
        z = Call("conv_transpose", (seen(self.operand(0)), seen(self.operand(1))))
        return Equation(self.output.plane(), (plus(z, *(seen(operand) for operand in self.stage.operands[2:])),))

    def filters_of(self, channel: int) -> range:
        """The filters of Z that a channel of X takes part in."""
        first = channel // self.per_group * self.each
        return range(first, first + self.each)

    # What is said

    def given(self) -> list[Block]:
        axes = zip(self.size, self.window, self.stride, self.padding, self.dilation, self.out, strict=True)
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        x, k = self.name_of(0), self.name_of(1)
        blocks: list[Block] = [
            say(self.title(), f" is tg.{self.name}: {self.options_said()}{groups}. Every entry of ", x,
                " stamps a copy of ", k, " on ", self.output.plane(), ", multiplied by that entry, the stamps ",
                f"{each_said(self.stride)} apart; where stamps overlap they add up.",
                " The padding is taken off at the end." if self.is_padded else ""),
            *sizes_said(self.output, self.n, [stamps_reach(*axis) for axis in axes]),
            self.letters_said(),
        ]  # fmt: skip
        if self.image.move is None and self.operand(1).move is None:
            blocks.append(self._definition())
        if self.groups > 1:
            blocks.append(Bullets(tuple(self._groups())))
        return blocks

    def _definition(self) -> Paragraph:
        i, u = OUT[: self.n], WINDOW[: self.n]
        axes = zip(i, self.stride, u, self.dilation, self.padding, strict=True)
        places = [place(a, s, b, d, before) for a, s, b, d, (before, _) in axes]
        x, k = self.operand(0).variable, self.operand(1).variable
        assert x is not None
        assert k is not None
        product = times(x.at(("n", "c"), i), k.at(("c", "f"), u))
        bias = ["; and then everywhere B", *([" of the filter"] if self.filters > 1 else [])]
        return say(
            self.output.at(("n", "f"), places), " gets ", product,
            f" for all {', '.join([*summed('c', self.per_group), *i, *u])}",
            *(bias if len(self.stage.operands) > 2 else []), ".",
        )  # fmt: skip

    def _groups(self) -> Iterable[Paragraph]:
        for g in range(self.groups):
            channels = range_said("channel", g * self.per_group, self.per_group)
            filters = range_said("filter", g * self.each, self.each)
            yield say(f"{channels} of X: {filters} of Z alone")

    def notes(self) -> list[Paragraph]:
        empty = [
            symbol for symbol, partials in zip(self.output.symbols, self.stage.partials, strict=True)
            if not any(s.variable in self.operand(0).variables for s in partials)
        ]  # fmt: skip
        return [say(f"No stamp reaches {len(empty)} of the entries.")] if empty else []

    def zero(self, is_one: bool, variable: Variable) -> str:
        return f"the padding takes off all that came from {'it' if is_one else 'them'}"

    def chain(self, variable: Variable) -> Equation:
        position = next(i for i, operand in enumerate(self.stage.operands) if variable in operand.variables)
        letters, rest, over = (
            (("n", "c"), OUT[: self.n], summed("f", self.each)),
            (("c", "f"), WINDOW[: self.n], summed("n", self.batch)),
            (("f",), "", summed("n", self.batch)),
        )[position]
        if len(variable.leading) != len(letters) or len(variable.rest) != len(rest):
            return Topic.chain(self, variable)
        a = PLACE[: self.n]
        return chain_rule(variable, variable.at(letters, rest), self.output, self.output.at(("n", "f"), a), [*over, *a])

    # The three formulas

    def closed(self, position: int) -> Closed | None:
        return (self._input_gradient, self._kernel_gradient, self._bias_gradient)[position]()

    def _framed(self) -> Any:
        """dZ with the padding put on again, and without what no stamp reached."""
        dz = forms.cropped(self.stage.upstream, tuple((0, rows) for rows in self.beyond))
        return forms.padded(dz, self.widths)

    def _framed_shown(self, words: list[Paragraph]) -> Notation:
        said = f"without {last_said(self.beyond)}, which no stamp reached"
        dz = called("cut", self.upstream(("n", "f")).shown, any(self.beyond), words, said)
        said = f"{zeros_said(self.widths)}, for what was taken off"
        return called("pad", dz, any(map(any, self.widths)), words, said)

    def _input_gradient(self) -> Closed:
        """dZ correlated with K: what the kernel stamped, it collects."""
        frame, kernel = self._framed(), forms.dilated(self.kernel, self.dilation)
        array = of_planes(
            (self.batch, self.channels),
            self.size,
            lambda n, c: ((frame[n, f], kernel[c, f % self.each]) for f in self.filters_of(c)),
            self.stride,
        )
        words: list[Paragraph] = []
        dz, k = self._framed_shown(words), seen(self.operand(1), ("c", "f"))
        is_spread = any(d > 1 and m > 1 for d, m in zip(self.dilation, self.window, strict=True))
        k = called("dilate", k, is_spread, words, f"{between_said(self.dilation)}, as in the stamps")
        step = self.stride if any(m > 1 for m in self.size) else self.one
        product = correlated(dz, k, step)
        form = Form(array, Total(("f",), product) if self.each > 1 else product)
        picture = self._picture(frame, kernel, step)
        over = ", summed over the filters" if self.each > 1 else ""
        summary = (self.upstream().shown, " correlated with ", self.name_of(1), " as it is" + over)
        words.append(cross_correlation_said(step))
        return Closed(self.image, form, ("n", "c"), (*words, *self._groups_said()), picture, 3, summary)

    def _kernel_gradient(self) -> Closed:
        """dZ correlated with X, dilated by the stride."""
        frame, spread = self._framed(), forms.dilated(self.x, self.stride)
        array = of_planes(
            (self.channels, self.each),
            self.window,
            lambda c, f: ((frame[n, c // self.per_group * self.each + f], spread[n, c]) for n in range(self.batch)),
            self.dilation,
        )
        words: list[Paragraph] = []
        is_spread = any(s > 1 and m > 1 for s, m in zip(self.stride, self.size, strict=True))
        dz, x = self._framed_shown(words), seen(self.operand(0), ("n", "c"))
        x = called("dilate", x, is_spread, words, f"{between_said(self.stride)}, as the stamps are apart")
        step = self.dilation if any(k > 1 for k in self.window) else self.one
        product = correlated(dz, x, step)
        form = Form(array, Total(("n",), product) if self.batch > 1 else product)
        picture = self._picture(frame, spread, step)
        over = ", summed over the images" if self.batch > 1 else ""
        dilated = ", dilated by the stride" if is_spread else ""
        summary = (self.upstream().shown, " correlated with ", self.name_of(0), dilated + over)
        words.append(cross_correlation_said(step))
        return Closed(self.operand(1), form, ("c", "f"), (*words, *self._groups_said()), picture, 1, summary)

    def _bias_gradient(self) -> Closed:
        """The sum of dZ."""
        axes, a = (0, *range(2, 2 + self.n)), PLACE[: self.n]
        dz = self.output.upstream(self.output.at(("n", "f"), a))
        form = Form(forms.total(self.stage.upstream, axes), Total((*summed("n", self.batch), *a), dz))
        each = " for each filter" if self.filters > 1 else ""
        summary = ("the sum of ", self.upstream().shown, each + (", over all images" if self.batch > 1 else ""))
        return Closed(self.operand(2), form, ("f",), (), None, 2, summary)

    def _groups_said(self) -> list[Paragraph]:
        return [say("c and f: a channel and a filter of one group")] if self.groups > 1 else []

    def _picture(self, image: Any, kernel: Any, step: Ints) -> Notation | None:
        is_moved = self.image.move is not None or self.operand(1).move is not None
        if is_moved or self.n > 2 or {self.batch, self.channels, self.filters} != {1}:
            return None
        left, right = forms.drawn(image[0, 0]), forms.drawn(kernel[0, 0])
        return correlated(left, right, step) if left is not None and right is not None else None
