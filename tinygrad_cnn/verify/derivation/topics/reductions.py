"""Sums and means."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np

from tinygrad_cnn.verify.derivation import forms
from tinygrad_cnn.verify.derivation.document import Block, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import Call, Equation, Number, times
from tinygrad_cnn.verify.derivation.topics.base import INPUT, Closed, Topic, seen


class Reduction(Topic):
    """The sum or the mean over some axes: the gradient is copied to every entry that was added."""

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are summed over."""
        return tuple(self.options["axis"])

    @property
    def count(self) -> int:
        """How many entries a mean is taken of; 1 for a sum."""
        shape = np.shape(self.operand(0).array)
        return prod(shape[axis] for axis in self.axes) if self.name == "mean" else 1

    def title(self) -> Equation:
        return Equation(self.output.plane(), (Call(self.name, (seen(self.operand(0)),)),))

    def given(self) -> list[Block]:
        shape = np.shape(self.operand(0).array)
        over = "all entries" if len(self.axes) == len(shape) else f"axis {', '.join(str(i + 1) for i in self.axes)}"
        return [say(self.title(), f" is the {self.name} over {over}.")]

    def closed(self, position: int) -> Closed | None:
        x = np.asarray(self.operand(0).array)
        dz = np.asarray(self.stage.upstream)
        kept = dz.reshape([1 if axis in self.axes else n for axis, n in enumerate(x.shape)])
        share = Number(Fraction(1, self.count))
        array = forms.mapped(lambda value: value * share.value, np.broadcast_to(kept, x.shape))
        variable = self.operand(0).variable
        summary = ("every summand gets the gradient of its sum", f", divided by {self.count}" if self.count > 1 else "")
        if variable is None or self.operand(0).move is not None or not variable.shape:
            return Closed(self.operand(0), Form(array, times(share, self.upstream().shown)), summary=summary)
        letters = INPUT[: x.ndim]
        lead = len(variable.leading)
        entry = variable.at(letters[:lead], letters[lead:])
        mine = [letters[axis] for axis in range(x.ndim) if axis not in self.axes]
        keeps = len(self.output.shape) == x.ndim and bool(self.axes)
        mine = [letters[axis] if axis not in self.axes else "1" for axis in range(x.ndim)] if keeps else mine
        lead = len(self.output.leading)
        z = self.output.at(mine[:lead], mine[lead:])
        form = Form(array, times(share, self.output.upstream(z)))
        return Closed(self.operand(0), form, (), (), None, 1, summary, entry)
