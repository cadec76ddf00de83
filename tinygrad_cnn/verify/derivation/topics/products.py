"""Matrix products and fully connected layers."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation import forms
from tinygrad_cnn.verify.derivation.document import Block, Display, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import Equation, Notation, Product, Total, plus, times
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, matrix_product, seen, transposed


def picture_of(*factors: Any) -> Notation | None:
    """The product of small matrices, drawn."""
    drawn = [forms.drawn(factor, 6) for factor in factors]
    return Product(tuple(matrix for matrix in drawn if matrix is not None)) if None not in drawn else None


class Matmul(Topic):
    """Z = X Y: dX = dZ Y^T, dY = X^T dZ."""

    def title(self) -> Equation:
        return Equation(self.output.plane(), (matrix_product(*map(seen, self.stage.operands)),))

    def given(self) -> list[Block]:
        return [say(self.title(), " is the matrix product, tg.matmul.")]

    def closed(self, position: int) -> Closed | None:
        x, y, dz = (np.asarray(a) for a in (self.operand(0).array, self.operand(1).array, self.stage.upstream))
        mine = (x, y)[position]
        lead = dz.shape[:-2]
        array = forms.zeros((*lead, *mine.shape[-2:]))
        x, y = (np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in (x, y))
        for i in np.ndindex(*lead):
            array[i] = forms.product_of(dz[i], y[i].T) if position == 0 else forms.product_of(x[i].T, dz[i])
        shown = [self.upstream().shown, transposed(seen(self.operand(1)))]
        drawn = (dz, np.swapaxes(y, -1, -2))
        if position:
            shown = [transposed(seen(self.operand(0))), self.upstream().shown]
            drawn = (np.swapaxes(x, -1, -2), dz)
        words: list[Paragraph] = []
        if lead:
            words.append(say("for each matrix of the stack; where one matrix served several, summed over them"))
        picture = picture_of(*drawn) if not lead and not any(operand.move for operand in self.stage.operands) else None
        form = Form(forms.reduced(array, mine.shape), matrix_product(*shown))
        return Closed(self.operand(position), form, (), tuple(words), picture, position + 1)


class Linear(Topic):
    """y = W x + b of one sample, Y = X W^T + b of several in rows."""

    def title(self) -> Equation:
        x, weight = seen(self.operand(0)), seen(self.operand(1))
        bias = [seen(operand) for operand in self.stage.operands[2:]]
        product = matrix_product(x, transposed(weight)) if self.is_batch else matrix_product(weight, x)
        return Equation(self.output.plane(), (plus(product, *bias),))

    @property
    def is_batch(self) -> bool:
        """Whether there are several samples, in rows."""
        return np.ndim(self.stage.upstream) > 1

    def given(self) -> list[Block]:
        rows = f"; the rows of {self.output.whole} are the samples" if self.is_batch else ""
        blocks: list[Block] = [say(self.title(), f" is the fully connected layer, tg.linear{rows}.")]
        x, weight = self.operand(0).variable, self.operand(1).variable
        axes = len(self.output.shape)
        if x is not None and weight is not None and len(x.shape) == axes <= 2:
            n = ["n"] if self.is_batch else []
            bias = [b.at((), ["i"]) for operand in self.stage.operands[2:] if (b := operand.variable)]
            total = Total(("j",), times(weight.at((), ["i", "j"]), x.at((), [*n, "j"])))
            blocks.append(Display(Equation(self.output.at((), [*n, "i"]), (plus(total, *bias),))))
        return blocks

    def closed(self, position: int) -> Closed | None:
        x, weight, dz = (np.asarray(a) for a in (self.operand(0).array, self.operand(1).array, self.stage.upstream))
        rows, up = x.reshape(-1, x.shape[-1]), dz.reshape(-1, dz.shape[-1])
        dy, name_x, name_w = self.upstream().shown, seen(self.operand(0)), seen(self.operand(1))
        outputs, inputs = up.shape[1], rows.shape[1]
        if position == 2:
            return self._bias(up)
        if position == 1:
            array = forms.product_of(up.T, rows)
            shown = matrix_product(transposed(dy), name_x) if self.is_batch else matrix_product(dy, transposed(name_x))
            picture = picture_of(up.T, rows)
            return Closed(self.operand(1), Form(array, shown), (), self._shape_said(), picture, 1)
        array = forms.product_of(up, weight).reshape(x.shape)
        if self.is_batch:
            shown, picture = matrix_product(dy, name_w), picture_of(up, weight)
        else:
            shown = matrix_product(transposed(name_w), dy)
            picture = picture_of(weight.T, up.reshape(outputs, 1)) if inputs else None
        return Closed(self.operand(0), Form(array, shown), (), (), picture, 3)

    def _shape_said(self) -> tuple[Paragraph, ...]:
        return (say("it has the shape of ", seen(self.operand(1)), ": an outer product for each sample"),)

    def _bias(self, up: Any) -> Closed:
        array = forms.total(up, (0,))
        if not self.is_batch:
            return Closed(self.operand(2), Form(array, self.upstream().shown), (), (), None, 2)
        letters = "nmk"[: len(self.output.shape) - 1]
        dy = self.output.upstream(self.output.at((), [*letters, "i"]))
        variable = self.operand(2).variable
        entry = variable.at((), ["i"]) if variable is not None and self.operand(2).move is None else None
        summary = ("the sum of ", self.upstream().shown, " over the samples")
        return Closed(self.operand(2), Form(array, Total(tuple(letters), dy)), (), (), None, 2, summary, entry)

