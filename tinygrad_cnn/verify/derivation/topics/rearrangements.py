"""Entries at other places: the gradient is put back."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

import numpy as np

from tinygrad_cnn.verify.derivation.document import Block, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import Equation
from tinygrad_cnn.verify.derivation.stages import Operand
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, moved, moves_said, seen


class Rearrangement(Topic):
    """A reshape, a transpose, a flip, of which nothing else is made."""

    def title(self) -> Equation:
        return Equation(self.output.plane(), (moved(self.stage.node, seen(self.operand(0)), False),))

    def given(self) -> list[Block]:
        return [say(self.title(), f": the same entries, by tg.{self.name}.")]

    def closed(self, position: int) -> Closed | None:
        dz, shape = np.asarray(self.stage.upstream), np.shape(self.operand(0).array)
        if self.name == "transpose":
            array = dz.transpose(np.argsort(self.options["axes"]))
        else:
            array = dz.reshape(shape) if self.name == "reshape" else np.flip(dz, self.options["axis"])
        shown = moved(self.stage.node, self.upstream().shown, True)
        operand = self.operand(0)
        words = moves_said(Operand(self.stage.upstream, self.stage.node, operand), is_back=True)
        summary = ("every gradient back at its entry's place, in the shape of ", seen(operand))
        return Closed(operand, Form(array, shown), (), tuple(words), summary=summary)
