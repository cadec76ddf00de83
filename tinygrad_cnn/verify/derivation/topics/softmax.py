"""Softmax by the quotient rule, and its cross entropy: p - y."""

# ruff: noqa: D102 - `Topic` says what its methods are for

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Node
from tinygrad_cnn.verify.derivation import forms, symbolic
from tinygrad_cnn.verify.derivation.document import Block, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import (
    Call,
    Equation,
    Letter,
    Negative,
    Notation,
    Number,
    Power,
    Quotient,
    Sum,
    Total,
    negative,
    plus,
    times,
)
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, Symbol, array_of, rational, terms_of
from tinygrad_cnn.verify.derivation.reader import Reader
from tinygrad_cnn.verify.derivation.stages import Operand, Stage
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, seen
from tinygrad_cnn.verify.derivation.variables import Variable


@dataclass(eq=False)
class Loss:
    """What a cross entropy makes of p: - sum of weights log p, divided by the norm, for each row or for all."""

    weights: Any
    norm: Any
    stage: Stage

    def target(self) -> tuple[Notation, list[Paragraph]]:
        """The weights' name, and what it means."""
        variable = self.stage.operands[1].variable
        if variable is not None:
            return variable.plane(), []
        y = Letter("y")
        return y, [say(y, ": 1 for the label of a row, else 0" if self.is_label else ": the weights of the classes")]

    @property
    def is_label(self) -> bool:
        """Whether the targets are ones and zeros."""
        return all(not isinstance(weight, Polynomial) and weight in (0, 1) for weight in self.weights.flat)


# Two steps of one operation


def expand_softmax(reader: Reader, node: Node, operands: tuple[Operand, ...]) -> bool:
    """softmax(x) with the partial derivatives in terms of p, after they were proved."""
    axis = node.options["axis"]
    if isinstance(axis, tuple):
        if len(axis) != 1:
            return False
        (axis,) = axis
    x = np.asarray(operands[0].array)
    if not x.ndim or any(_symbol(value) is None for value in x.flat):
        return False
    translation = symbolic.Translation()
    assert node.primitive is not None
    results = node.primitive.forward(*translation.arrays([x]), axis=axis)
    if not _is_softmax(np.moveaxis(x, axis, -1), np.moveaxis(results, axis, -1), translation):
        return False
    output = reader.output_of(node)
    reader.stages.append(_softmax_stage(node, operands, output, axis))
    return True


def expand_cross_entropy(reader: Reader, node: Node, operands: tuple[Operand, ...]) -> bool:
    """Cross entropy as p = softmax(x) and L = - sum of y log p, after it was proved to be that."""
    x = np.asarray(operands[0].array)
    if any(_symbol(value) is None for value in x.flat):
        return False
    samples, classes = x.shape
    target = np.asarray(operands[1].array)
    weights = target if target.ndim == 2 else 1 * (target[:, None] == np.arange(classes))
    kind = node.primitive.name if node.primitive else ""
    norm = {"mean_cross_entropy": max(samples, 1), "cross_entropy": 1}.get(kind) or node.options["norm"]
    norm = rational(norm)
    if not _is_cross_entropy(node, x, target, weights, norm):
        return False
    variable = operands[0].variable
    is_vector = variable is not None and variable.shape == (classes,)
    p = reader.between("pqs", (classes,) if is_vector else x.shape, node, _softmax_values(x))
    softmax = _softmax_stage(node, (operands[0],), p, 1, p.upstreams.reshape(x.shape))
    translation = symbolic.Translation()
    logs = [symbolic.library().log(translation.symbol(symbol)) for symbol in p.symbols]
    terms = [-log * translation.forth(w) for log, w in zip(logs, np.ravel(weights), strict=True)]
    rows = [sum(terms[n * classes : (n + 1) * classes]) for n in range(samples)]
    output = reader.output_of(node)
    results = [row / norm for row in rows] if kind == "cross_entropy" else [sum(rows) / norm]
    p_operand = Operand(p.polynomials.reshape(x.shape))
    upstream = output.upstreams if kind == "cross_entropy" else output.upstreams.reshape(())
    stage = Stage("cross_entropy", node, (p_operand, operands[1]), output, results, upstream, translation)
    stage.detail = softmax.detail = Loss(np.asarray(weights), norm, stage)
    reader.stages += [softmax, stage]
    return True


def _softmax_values(x: Any) -> Any:
    """The probabilities at the recorded logits, None where those are not known."""
    if any(_symbol(value).value is None for value in x.flat):  # type: ignore[union-attr]
        return None
    e = np.exp(np.array([[float(value.value()) for value in row] for row in x]))
    return e / e.sum(axis=1, keepdims=True)


def _symbol(value: Any) -> Symbol | None:
    return value.symbol if isinstance(value, Polynomial) else None


def _exponentials(x: Any, translation: symbolic.Translation) -> list[Any]:
    return [symbolic.library().exp(translation.forth(value)) for value in x]


def _is_softmax(x: Any, results: Any, translation: symbolic.Translation) -> bool:
    """Whether the definition is exp(x) / sum(exp(x)) of every row, and its derivative p_i (1[i=j] - p_j)."""
    for place in np.ndindex(x.shape[:-1]):
        e = _exponentials(x[place], translation)
        if any(result != a / sum(e) for result, a in zip(results[place], e, strict=True)):
            return False
    # The rows differ in the names of their entries only.
    first = (0,) * (x.ndim - 1)
    p = list(results[first])
    for i, result in enumerate(p):
        for j, value in enumerate(x[first]):
            slope = symbolic.library().diff(result, translation.forth(value))
            if not symbolic.are_equal(slope, p[i] * (int(i == j) - p[j])):
                return False
    return True


def _is_cross_entropy(node: Node, x: Any, target: Any, weights: Any, norm: Any) -> bool:
    """Whether the definition is - sum of weights (x - log(sum(exp(x)))) / norm, of each row or in all."""
    translation = symbolic.Translation()
    assert node.primitive is not None
    arrays = [translation.arrays([x])[0], translation.arrays([target])[0] if target.dtype == object else target]
    try:
        defined, *_ = node.primitive.forward(*arrays, **node.options)
    except (TypeError, ValueError, AttributeError):
        return False
    rows = []
    for n, row in enumerate(x):
        log_total = symbolic.library().log(sum(_exponentials(row, translation)))
        pairs = zip(weights[n], row, strict=True)
        rows.append(sum(translation.forth(w) * (log_total - translation.forth(v)) for w, v in pairs))
    claimed = rows if np.shape(defined) else [sum(rows) / norm]
    pairs = zip(np.ravel(defined), claimed, strict=True)
    return all(symbolic.are_equal(symbolic.exact(mine), symbolic.exact(other)) for mine, other in pairs)


def _softmax_stage(
    node: Node, operands: tuple[Operand, ...], output: Variable, axis: int, upstream: Any = None
) -> Stage:
    """p = softmax(x), with dp_i/dx_j = p_i (1[i=j] - p_j) as polynomials of p."""
    x = np.asarray(operands[0].array)
    upstream = output.upstreams if upstream is None else upstream
    p = array_of([Polynomial.of(symbol) for symbol in output.symbols], x.shape)
    known: list[dict[Symbol, Any]] = []
    for index in np.ndindex(x.shape):
        row = [(*index[:axis], j, *index[axis + 1 :]) for j in range(x.shape[axis])]
        known.append({_symbol(x[j]): p[index] * (int(j == index) - p[j]) for j in row})  # type: ignore[misc]
    stage = Stage("softmax", node, operands, output, list(p.flat), upstream, known=known)
    stage.detail = None
    return stage


class Softmax(Topic):
    """p_i = e^x_i / S, S the sum of all e^x_k."""

    @property
    def axis(self) -> int:
        """The axis of the classes."""
        axis = self.options.get("axis", 1)
        return int(axis[0] if isinstance(axis, tuple) else axis)

    @cached_property
    def x(self) -> Any:
        """The logits."""
        return np.asarray(self.operand(0).array)

    def title(self) -> Equation:
        return Equation(self.output.plane(), (Call("softmax", (seen(self.operand(0)),)),))

    def _row(self, place: int) -> list[Notation]:
        """The logits of the row that an entry is in."""
        index = np.unravel_index(place, self.x.shape)
        at = tuple(slice(None) if i == self.axis else k for i, k in enumerate(index))
        return [value.shown() for value in self.x[at]]

    def _total(self) -> Letter:
        return Letter("S")

    def given(self) -> list[Block]:
        rows = " of each row on its own" if self.x.size > self.x.shape[self.axis] else ""
        return [say(self.title(), " is the softmax", rows, ": exponentials, divided by their sum ", self._total(), ".")]

    def result(self, place: int) -> Equation:
        e = [Call("exp", (x,)) for x in self._row(place)]
        mine = Call("exp", (self.x.flat[place].shown(),))
        total = plus(*e)
        return Equation(self.output.symbols[place].shown, (Quotient(mine, total),))

    def notes(self) -> list[Paragraph]:
        return [say("The entries of a row add up to 1.")]

    def on_partials(self) -> list[Paragraph]:
        """The quotient rule."""
        rule = "By the quotient rule, (f/g)' = (f' g - f g')/g^2, where f and g are an exponential and the sum "
        return [say(rule, self._total(), " of those in its row:")]

    def on_collected(self) -> list[Paragraph]:
        """What the last right side comes from."""
        return [say("The last step puts in ", self.upstream().shown, ".")] if self.loss is not None else []

    def partial(self, place: int, symbol: Symbol, expression: Any) -> tuple[Notation, ...]:
        """(e_i' S - e_i e_j) / S^2, which is p_i (1 - p_i) or - p_i p_j."""
        own = self.x.flat[place].symbol
        p = self.output.symbols[place].shown
        mine, other = Call("exp", (own.shown,)), Call("exp", (symbol.shown,))
        square = Power(self._total(), Number(2))
        if own is symbol:
            top = plus(times(mine, self._total()), negative(times(mine, mine)))
            return Quotient(top, square), times(p, Sum((Number(1), Negative(p))))
        j = next(i for i, value in enumerate(self.x.flat) if value.symbol is symbol)
        return Negative(Quotient(times(mine, other), square)), negative(times(p, self.output.symbols[j].shown))

    # With a cross entropy behind it

    @property
    def loss(self) -> Loss | None:
        """The cross entropy of p, if that is what follows."""
        return self.stage.detail  # type: ignore[no-any-return]

    def contribution(self, path: Any) -> Any:
        if self.loss is None:
            return path.product()
        # dL/dp = - weight / (norm p), and every term of dp/dx has the factor p.
        symbol = self.output.symbols[path.place]
        rest = {}
        for monomial, coefficient in terms_of(path.partial).items():
            factors = list(monomial)
            factors.remove(symbol)
            rest[tuple(factors)] = coefficient
        weight = self.loss.weights.flat[path.place]
        return Polynomial(rest) * weight * Fraction(-1) / self.loss.norm * self._row_upstream(path.place)

    def _row_upstream(self, place: int) -> Any:
        assert self.loss is not None
        upstream = self.loss.stage.upstream
        return upstream.flat[place // self.x.shape[1]] if np.ndim(upstream) else np.ravel(upstream)[0]

    def simplified(self, paths: Sequence[Any]) -> Notation | None:
        if self.loss is None or not paths:
            return None
        total: Any = 0
        for path in paths:
            total = total + self.contribution(path)
        return Polynomial(terms_of(total)).shown()

    def closed(self, position: int) -> Closed | None:
        p = array_of([Polynomial.of(symbol) for symbol in self.output.symbols], self.x.shape)
        if self.loss is not None:
            return self._with_loss(p)
        dp = self.stage.upstream
        inner = forms.mapped(lambda a, b: a * b, dp, p)
        total = forms.total(inner, (self.axis,), keepdims=True)
        array = forms.mapped(lambda a, b, c: a * (b - c), p, dp, np.broadcast_to(total, p.shape))
        letters = "nmkl"[: self.x.ndim - 1]
        index = [*letters[: self.axis], "j", *letters[self.axis :]]
        over = ["k" if letter == "j" else "l" if letter == "k" else letter for letter in index]
        index = ["l" if letter == "k" else letter for letter in index]
        if len(self.output.shape) != len(index) or self.operand(0).variable is None or self.operand(0).move:
            return Closed(self.operand(0), Form(array, Call("softmax back", (self.upstream().shown,))))
        lead = len(self.output.leading)
        at, others = self.output.at(index[:lead], index[lead:]), self.output.at(over[:lead], over[lead:])
        mean = Total(("k",), times(self.output.upstream(others), others))
        shown = times(at, Sum((self.output.upstream(at), Negative(mean))))
        variable = self.operand(0).variable
        assert variable is not None
        lead = len(variable.leading)
        entry = variable.at(index[:lead], index[lead:])
        return Closed(self.operand(0), Form(array, shown), (), (), None, 1, (), entry)

    def _with_loss(self, p: Any) -> Closed:
        """(p - y) / N; with weights that do not add up to 1, (p times their sum - y) / N."""
        loss = self.loss
        assert loss is not None
        sums = [sum(row) for row in loss.weights.reshape(self.x.shape)]
        values = []
        for n, row in enumerate(loss.weights.reshape(self.x.shape)):
            for j, weight in enumerate(row):
                values.append((p[n, j] * sums[n] - weight) / loss.norm * self._row_upstream(n * len(row) + j))
        y, words = loss.target()
        is_one = all(not isinstance(total, Polynomial) and total == 1 for total in sums)
        scaled: Notation = self.output.plane()
        if not is_one:
            scaled = times(Letter("s"), scaled)
            words.append(say(Letter("s"), ": the sum of ", y, " in the row, 1 for probabilities"))
        shown = times(Number(Fraction(1) / loss.norm), Sum((scaled, Negative(y))))
        upstream = loss.stage.output
        if not upstream.is_loss:
            shown = times(upstream.upstream(upstream.plane()), shown)
            words.append(say(upstream.upstream(upstream.plane()), " multiplies the row of its loss"))
        array = array_of(values, self.x.shape)
        return Closed(self.operand(0), Form(array, shown), (), tuple(words))


class CrossEntropy(Topic):
    """L = - the mean (or the sum) of y log p."""

    def title(self) -> Equation:
        return Equation(self.output.plane(), (Call("cross_entropy", (seen(self.operand(0)),)),))

    def given(self) -> list[Block]:
        loss: Loss = self.stage.detail
        count = f", divided by {loss.norm}" if loss.norm != 1 else ""
        blocks: list[Block] = [
            say(self.title(), f" is the cross entropy: minus the logarithms of the targets' probabilities{count}.")
        ]
        if loss.is_label and all(sum(row) == 1 for row in loss.weights):
            labels = ", ".join(str(list(row).index(1) + 1) for row in loss.weights[:12])
            more = ", ..." if len(loss.weights) > 12 else ""
            blocks.append(say(f"Label{'s' if len(loss.weights) > 1 else ''}, counted from 1: {labels}{more}."))
        return blocks

    def zero(self, is_one: bool, variable: Variable) -> str:
        return f"{'it does' if is_one else 'they do'} not belong to a label"

    def closed(self, position: int) -> Closed | None:
        """-y / p, divided by the norm."""
        loss: Loss = self.stage.detail
        translation = self.stage.translation
        assert translation is not None
        p = self.operand(0).array
        upstream = np.reshape(self.stage.upstream, (-1, 1)) if np.ndim(self.stage.upstream) else self.stage.upstream
        upstream = np.broadcast_to(upstream, p.shape)
        values = [
            -translation.forth(dz) * translation.forth(w) / translation.forth(value) / translation.forth(loss.norm)
            for dz, w, value in zip(upstream.flat, loss.weights.flat, p.flat, strict=True)
        ]
        y, words = loss.target()
        shown: Notation = Negative(Quotient(y, times(Number(loss.norm), seen(self.operand(0)))))
        if not self.output.is_loss:
            shown = times(self.output.upstream(self.output.plane()), shown)
        return Closed(self.operand(0), Form(array_of(values, p.shape), shown), (), (*words, say("entry by entry")))
