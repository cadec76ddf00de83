"""Convolution: sums over windows, and the gradients as correlations (lecture 14, formulas 1 to 3)."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation import forms
from tinygrad_cnn.verify.derivation.document import Block, Bullets, Display, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import Call, Equation, Letter, Notation, Total, correlated, plus, times
from tinygrad_cnn.verify.derivation.stages import Stage, kind_of
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, chain_rule, seen
from tinygrad_cnn.verify.derivation.topics.phrases import (
    Ints,
    between_said,
    each_said,
    last_said,
    place,
    range_said,
    zeros_said,
)
from tinygrad_cnn.verify.derivation.topics.windows import OUT, PLACE, WINDOW, Windows, called, of_planes
from tinygrad_cnn.verify.derivation.variables import Variable


def cross_correlation_said(step: Ints) -> Paragraph:
    """What P (*) Q means."""
    image, kernel = Letter("P"), Letter("Q")
    moved: tuple[str | Notation, ...] = ()
    if any(s > 1 for s in step):
        moved = ("; ", correlated(image, kernel, step), f" moves it by {each_said(step)} at a time")
    return say(
        correlated(image, kernel), " is the cross-correlation: ", kernel, " slides over ", image,
        ", what lies on one another is multiplied, and the products are added up", *moved, ".",
    )  # fmt: skip


def summed(letter: str, count: int) -> list[str]:
    """The letter, if there is more than one to sum over."""
    return [letter] if count > 1 else []


class Convolution(Windows):
    """Z = X (*) K + B."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.kernel = np.asarray(self.operand(1).array)
        self.window = self.kernel.shape[2:]
        self.filters, self.per_group = self.kernel.shape[:2]
        self.groups: int = self.options["groups"]
        self.each = self.filters // self.groups

    @property
    def is_flipped(self) -> bool:
        """Whether this is the textbook convolution, whose kernel is flipped."""
        move = self.operand(1).move
        return move is not None and kind_of(move) == "flip" and move.options["axis"] == tuple(range(2, 2 + self.n))

    @property
    def name(self) -> str:
        return f"{'convolve' if self.is_flipped else 'conv'}{self.n}d"

    def title(self) -> Equation:
        z = correlated(seen(self.operand(0)), seen(self.operand(1)), self.stride)
        return Equation(self.output.plane(), (plus(z, *(seen(operand) for operand in self.stage.operands[2:])),))

    def group(self, channel: int) -> range:
        """The filters that see a channel."""
        first = channel // self.per_group * self.each
        return range(first, first + self.each)

    def channel(self, f: int, c: int) -> int:
        """The channel of X that channel c of filter f is for."""
        return int(f // self.each * self.per_group + c)

    # What is said

    def given(self) -> list[Block]:
        flipped = ", the textbook convolution, which flips the kernel" if self.is_flipped else ""
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        blocks: list[Block] = [
            say(self.title(), f" is tg.{self.name}{flipped}: {self.options_said()}{groups}."),
            cross_correlation_said(self.stride),
            *self.sizes(),
        ]
        if self.image.move is None and (self.operand(1).move is None or self.is_flipped):
            blocks.append(Display(self._definition()))
        if self.groups > 1:
            blocks.append(Bullets(tuple(self._groups())))
        return blocks

    def _definition(self) -> Equation:
        i, u = OUT[: self.n], WINDOW[: self.n]
        axes = zip(i, self.stride, u, self.dilation, self.padding, strict=True)
        places = [place(a, s, b, d, before) for a, s, b, d, (before, _) in axes]
        entries = [f"{size + 1}-{b}" for size, b in zip(self.window, u, strict=True)] if self.is_flipped else list(u)
        x, k = self.operand(0).variable, self.operand(1).variable
        assert x is not None
        assert k is not None
        product = times(x.at(("n", "c"), places), k.at(("f", "c"), entries))
        bias = [b.at(("f",), ()) for operand in self.stage.operands[2:] if (b := operand.variable)]
        total = Total((*summed("c", self.per_group), *u), product)
        return Equation(self.output.at(("n", "f"), i), (plus(total, *bias),))

    def _groups(self) -> Iterator[Paragraph]:
        for g in range(self.groups):
            filters = range_said("filter", g * self.each, self.each)
            channels = range_said("channel", g * self.per_group, self.per_group)
            yield say(f"{filters} {'see' if self.each > 1 else 'sees'} {channels} alone")

    def notes(self) -> list[Paragraph]:
        border = [say("The border around ", self.name_of(0), " is zeros, whose products vanish from the sums.")]
        return (border if self.is_padded else []) + super().notes()

    def zero(self, is_one: bool, variable: Variable) -> str:
        if variable in self.image.variables:
            return super().zero(is_one, variable)
        return f"only zeros of the border meet {'it' if is_one else 'them'}"

    def chain(self, variable: Variable) -> Equation:
        position = next(i for i, operand in enumerate(self.stage.operands) if variable in operand.variables)
        letters, rest, over = (
            (("n", "c"), PLACE[: self.n], summed("f", self.filters)),
            (("f", "c"), WINDOW[: self.n], summed("n", self.batch)),
            (("f",), "", summed("n", self.batch)),
        )[position]
        if len(variable.leading) != len(letters) or len(variable.rest) != len(rest):  # it was moved here
            return Topic.chain(self, variable)
        i = OUT[: self.n]
        return chain_rule(variable, variable.at(letters, rest), self.output, self.output.at(("n", "f"), i), [*over, *i])

    # The three formulas

    def closed(self, position: int) -> Closed | None:
        return (self.input_gradient, self.kernel_gradient, self.bias_gradient)[position]()

    def kernel_gradient(self) -> Closed:
        """Formula (1): X correlated with dZ."""
        widths = tuple((b, max(a - left, 0)) for (b, a), left in zip(self.padding, self.left, strict=True))
        image = forms.cropped(forms.padded(self.x, widths), tuple((0, rows) for rows in self.unreached))
        spread = forms.dilated(self.stage.upstream, self.stride)
        array = of_planes(
            (self.filters, self.per_group),
            self.window,
            lambda f, c: ((image[n, self.channel(f, c)], spread[n, f]) for n in range(self.batch)),
            self.dilation,
        )
        words: list[Paragraph] = []
        said = f"without {last_said(self.unreached)}, which no window reached"
        shown = called("cut", seen(self.image, ("n", "c")), any(self.unreached), words, said)
        shown = called("pad", shown, any(map(any, widths)), words, zeros_said(widths))
        step = self.dilation if any(k > 1 for k in self.window) else self.one
        product = correlated(shown, self.spread_shown(self.upstream(("n", "f")).shown, words), step)
        if any(d > 1 for d in step):
            entry = correlated(Letter("P"), Letter("Q"), step)
            words.append(say(entry, f": the window moves by {each_said(step)}, as the dilation says"))
        form = Form(array, Total(("n",), product) if self.batch > 1 else product)
        picture = self._picture(lambda a, b: correlated(a, b, step), image, spread)
        over = ", summed over the images" if self.batch > 1 else ""
        spread_said = ", dilated by the stride" if self.is_spread else ""
        summary = (self.name_of(0), " correlated with ", self.upstream().shown, spread_said + over)
        return Closed(self.operand(1), form, ("f", "c"), (*words, *self._groups_said()), picture, 1, summary)

    def bias_gradient(self) -> Closed:
        """Formula (2): the sum of dZ."""
        axes, i = (0, *range(2, 2 + self.n)), OUT[: self.n]
        dz = self.output.upstream(self.output.at(("n", "f"), i))
        form = Form(forms.total(self.stage.upstream, axes), Total((*summed("n", self.batch), *i), dz))
        each = " for each filter" if self.filters > 1 else ""
        summary = ("the sum of ", self.upstream().shown, each + (", over all images" if self.batch > 1 else ""))
        return Closed(self.operand(2), form, ("f",), (), None, 2, summary)

    def input_gradient(self) -> Closed:
        """Formula (3): the dilated, zero-padded dZ correlated with the rotated kernel, X's border taken off."""
        dz = self.surrounded(self.stage.upstream)
        turned = forms.dilated(forms.rotated(self.kernel, self.n), self.dilation)
        size = tuple(m + before + after for m, (before, after) in zip(self.size, self.padding, strict=True))
        full = of_planes(
            (self.batch, self.channels),
            size,
            lambda n, c: ((dz[n, f], turned[f, c % self.per_group]) for f in self.group(c)),
            self.one,
        )
        words: list[Paragraph] = []
        left = self.surround_shown(self.upstream(("n", "f")).shown, words)
        right = self._turned(words)
        if any(d > 1 and k > 1 for d, k in zip(self.dilation, self.window, strict=True)):
            name = "dilate'" if self.is_spread else "dilate"
            right = called(name, right, True, words, f"{between_said(self.dilation)}, as in the windows")
        product = correlated(left, right)
        shown = self.without_padding(Total(("f",), product) if self.each > 1 else product, words)
        form = Form(forms.cropped(full, self.padding), shown)

        def drawn(a: Notation, b: Notation) -> Notation:
            return Call("crop", (correlated(a, b),)) if self.is_padded else correlated(a, b)

        picture = self._picture(drawn, dz, turned)
        words += self._groups_said()
        return Closed(self.image, form, ("n", "c"), tuple(words), picture, 3, self._input_said())

    def _input_said(self) -> tuple[str | Notation, ...]:
        is_single = all(k == 1 for k in self.window)
        done = ["dilated by the stride"] if self.is_spread else []
        done += ["zero-padded"] if any(map(any, self.surround)) else []
        return (
            self.upstream().shown,
            f", {' and '.join(done)}," if done else "",
            " correlated with ",
            self.name_of(1),
            "" if is_single or self.is_flipped else " rotated by 180 degrees" if self.n == 2 else " turned round",
            "" if is_single else " (a full correlation)" if not any(self.left) else "",
            ", summed over the filters" if self.each > 1 else "",
            "; the border taken off" if self.is_padded else "",
        )

    def _turned(self, words: list[Paragraph]) -> Notation:
        """The kernel rotated by 180 degrees."""
        shown = seen(self.operand(1), ("f", "c"))
        if all(k == 1 for k in self.window):
            return shown
        name = "rot180" if self.n == 2 else "flip"
        if isinstance(shown, Call) and shown.function == name:
            words.append(say("the kernel, flipped in the forward pass and rotated now, is the kernel itself"))
            return shown.arguments[0]
        said = "rotated by 180 degrees" if self.n == 2 else "turned round on each axis"
        return called(name, shown, True, words, said)

    def _groups_said(self) -> list[Paragraph]:
        if self.groups == 1:
            return []
        return [say("f and c: a filter and a channel of one group; a filter's own channels count from 1")]

    def _picture(self, product: Callable[[Notation, Notation], Notation], image: Any, kernel: Any) -> Notation | None:
        """The formula with its matrices, of a single image, channel and filter."""
        is_moved = self.image.move is not None or self.operand(1).move is not None
        if is_moved or self.n > 2 or {self.batch, self.channels, self.filters} != {1}:
            return None
        left, right = forms.drawn(image[0, 0]), forms.drawn(kernel[0, 0])
        return product(left, right) if left is not None and right is not None else None
