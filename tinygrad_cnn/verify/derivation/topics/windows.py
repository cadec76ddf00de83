"""What everything that moves a window over an image has in common: sizes, remainders, dilated and padded gradients."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation import forms
from tinygrad_cnn.verify.derivation.document import Block, Display, Paragraph, say
from tinygrad_cnn.verify.derivation.notation import Call, Equation, Letter, Notation, Word
from tinygrad_cnn.verify.derivation.stages import Stage
from tinygrad_cnn.verify.derivation.topics.base import Topic, seen
from tinygrad_cnn.verify.derivation.topics.phrases import (
    AXES,
    Ints,
    Pairs,
    between_said,
    border_said,
    counted,
    each_said,
    last_said,
    windows_counted,
    zeros_said,
)
from tinygrad_cnn.verify.derivation.variables import Variable

OUT, WINDOW, PLACE = "ijk", "uvw", "abg"


class Windows(Topic):
    """An operation on the windows of X (N, C, *size), which fall on `out` places."""

    window: Ints
    """The size of a window."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.read_options()
        self.n = len(self.stride)
        self.x = np.asarray(self.image.array)
        self.batch, self.channels = self.x.shape[:2]

    def read_options(self) -> None:
        """Stride, padding and dilation, one for each spatial axis."""
        self.stride: Ints = self.options["stride"]
        self.padding: Pairs = self.options["padding"]
        self.dilation: Ints = self.options["dilation"]

    @property
    def image(self) -> Any:
        """The operand that windows move over."""
        return self.operand(0)

    @property
    def size(self) -> Ints:
        """X's spatial size."""
        return self.x.shape[2:]

    @property
    def out(self) -> Ints:
        """The spatial size of the result."""
        return self.output.shape[-self.n :]

    @property
    def one(self) -> Ints:
        """A step of 1 on each axis."""
        return (1,) * self.n

    @cached_property
    def reach(self) -> Ints:
        """How far a window extends."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.window, strict=True))

    @cached_property
    def left(self) -> Ints:
        """How many rows and columns of the padded X lie behind the last window."""
        axes = zip(self.size, self.padding, self.stride, self.out, self.reach, strict=True)
        return tuple(m + before + after - s * (o - 1) - r for m, (before, after), s, o, r in axes)

    @property
    def unreached(self) -> Ints:
        """How many of them are X's own."""
        return tuple(max(left - after, 0) for left, (_, after) in zip(self.left, self.padding, strict=True))

    @property
    def is_padded(self) -> bool:
        """Whether there is a border around X."""
        return any(map(any, self.padding))

    @property
    def is_spread(self) -> bool:
        """Whether dZ, dilated by the stride, has zeros in between."""
        return any(s > 1 and m > 1 for s, m in zip(self.stride, self.out, strict=True))

    # In words

    def options_said(self) -> str:
        """Stride, padding and dilation."""
        parts = [f"stride {each_said(self.stride)}"]
        if self.is_padded:
            parts.append(f"padding {border_said(self.padding)}")
        if any(d != 1 for d in self.dilation):
            parts.append(f"dilation {each_said(self.dilation)}")
        return ", ".join(parts)

    def sizes(self) -> list[Block]:
        """The formula of the result's size with its numbers, one equation for all axes that agree."""
        axes = zip(self.size, self.window, self.stride, self.padding, self.dilation, self.out, strict=True)
        return [*sizes_said(self.output, self.n, [windows_counted(*axis) for axis in axes]), self.letters_said()]

    def letters_said(self) -> Paragraph:
        """What the letters of a size mean."""
        is_even = all(before == after for before, after in self.padding)
        n, k, s, p = map(Letter, "nksp")
        parts: list[str | Notation] = [n, " is the size of ", self.name_of(0), ", ", k, " the window's, "]
        parts += [s, " the stride, ", p, f" the padding{'' if is_even else ' before and '}"]
        parts += [] if is_even else [Letter("p'"), " behind"]
        parts += [", ", Letter("d"), " the dilation"] if any(d > 1 for d in self.dilation) else []
        return say(*parts, ".")

    def notes(self) -> list[Paragraph]:
        if last := last_said(self.unreached):
            return [say("No window reaches ", last, " of ", self.name_of(0), ".")]
        return []

    def name_of(self, position: int) -> Notation:
        """An operand as its variable, without its moves."""
        variable = self.operand(position).variable
        return variable.plane() if variable is not None else seen(self.operand(position))

    def zero(self, is_one: bool, variable: Variable) -> str:
        return f"no window reached {'it' if is_one else 'them'}"

    # The way back to X

    @cached_property
    def surround(self) -> Pairs:
        """The zeros around the dilated dZ that let a window stand on every entry of the padded X."""
        return tuple((r - 1, r - 1 + left) for r, left in zip(self.reach, self.left, strict=True))

    def surrounded(self, dz: Any) -> Any:
        """dZ, dilated by the stride, inside these zeros."""
        return forms.padded(forms.dilated(dz, self.stride), self.surround)

    def surround_shown(self, dz: Notation, words: list[Paragraph]) -> Notation:
        """The same as a formula."""
        dz = self.spread_shown(dz, words)
        said = f"{zeros_said(self.surround)}: the window's reach less one"
        more = [counted(rows, axis) for rows, axis in zip(self.left, AXES[self.n], strict=True) if rows]
        if more:
            said += f", and {' and '.join(more)} at the end for what lies behind the last window"
        return called("pad", dz, any(map(any, self.surround)), words, said)

    def spread_shown(self, dz: Notation, words: list[Paragraph]) -> Notation:
        """dL/dZ, dilated by the stride."""
        reason = f"{between_said(self.stride)}, as the windows are {each_said(self.stride)} apart"
        return called("dilate", dz, self.is_spread, words, reason)

    def without_padding(self, shown: Notation, words: list[Paragraph]) -> Notation:
        """A gradient of the padded X without that of the border."""
        return called("crop", shown, self.is_padded, words, f"without the border, {border_said(self.padding)}")


def called(name: str, shown: Notation, is_done: bool, words: list[Paragraph], said: str) -> Notation:
    """The function of a notation, explained; the notation itself where nothing is done."""
    if not is_done:
        return shown
    words.append(say(f"{name}: {said}"))
    return Call(name, (shown,))


def sizes_said(output: Variable, n: int, lines: list[tuple[Notation, ...]]) -> list[Block]:
    """Equations for the sizes, one for rows and columns together where they agree."""
    names = AXES[n]
    if n > 1 and all(line == lines[0] for line in lines):
        names, lines = (f"{' and '.join(names[-2:])}",), lines[:1]
    return [
        Display(Equation(Word(f"{name} of {output.whole}"), line)) for name, line in zip(names, lines, strict=True)
    ]


def of_planes(
    shape: tuple[int, int], size: Ints, pairs: Callable[[int, int], Iterable[tuple[Any, Any]]], step: Ints
) -> Any:
    """For each of the two leading indices the sum of the correlations of some pairs of planes."""
    array = forms.zeros((*shape, *size))
    for index in np.ndindex(*shape):
        for image, kernel in pairs(*index):
            array[index] = array[index] + forms.correlation(image, kernel, step)
    return array
