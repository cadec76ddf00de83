"""The receptive field of every tensor of a graph: which pixels of the input its units are computed from.

For a chain of convolutions and poolings with kernels k, dilations d and strides s, layer after layer,

    size <- size + d (k - 1) stride        stride <- stride s        both 1 at the input

(Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill 2019, eq. 2). So two 3x3
convolutions see 5x5 pixels, as one 5x5 convolution does. Here the fields of all units are followed through any graph:
skips, upsampling, slices, where they differ from unit to unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Node
from tinygrad_cnn.viz.receptive_field.bounds import Bounds, Pattern, Seen
from tinygrad_cnn.viz.receptive_field.rules import RULES
from tinygrad_cnn.viz.receptive_field.steps import Step
from tinygrad_cnn.viz.receptive_field.windows import NOTHING

MOST_BOUNDS = 1 << 23
"""Where the fields of more units than this differ, as those of all pairs of pixels may, they are given up."""


@dataclass(frozen=True, slots=True)
class AxisField:
    """The receptive field along one axis of the input.

    Attributes:
        size: how many pixels lie from the first to the last that a unit sees, of the unit that sees most. Pixels beyond
            the border count where the padding stands for them; without a regular pattern, only those in the image.
        stride: how many pixels further the next unit's field lies, 1/2 behind an upsampling by two; None where the
            fields don't move on with the units, or not at one pace.
        start: the first pixel of the first unit's field, negative where that is padding; None without a stride.
        is_whole: whether every unit sees the whole axis, however long it is.
    """

    size: int
    stride: Fraction | None
    start: int | None
    is_whole: bool


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the units of a tensor see of the input.

    Attributes:
        axes: along each spatial axis of the input.
        shape: of the tensor.
    """

    axes: tuple[AxisField, ...]
    shape: tuple[int, ...]
    _seen: tuple[Seen, ...] = field(repr=False, compare=False)

    def of(self, *place: int) -> tuple[tuple[int, int] | None, ...]:
        """The first and the last pixel that a unit sees on each spatial axis, exactly, at the border too.

        Args:
            place: the unit's place on the last axes of the tensor, as (row, column); whatever lies in front, channels
                for one, is taken together, and without a place all units are.

        Returns:
            For each spatial axis (first, last), both inside of the image, or None for a unit that sees padding alone.

        Raises:
            IndexError: a place that is not there.
        """
        if len(place) > len(self.shape) or any(not 0 <= i < n for i, n in self._last(place)):
            raise IndexError(f"of: expected a place on the last axes of shape {self.shape} but got {place}")
        found: list[tuple[int, int] | None] = []
        for seen in self._seen:
            at: Any = (..., *place)
            low, high = (np.broadcast_to(a, self.shape)[at] for a in (seen.exact.low, seen.exact.high))
            ends = int(low.min()), int(high.max())
            found.append(ends if ends[0] <= ends[1] else None)
        return tuple(found)

    def _last(self, place: Sequence[int]) -> list[tuple[int, int]]:
        return list(zip(place, self.shape[len(self.shape) - len(place) :], strict=True))


def receptive_fields(recorded: Sequence[Node], source: Node) -> dict[Node, ReceptiveField | None]:
    """The receptive fields in one input of everything that depends on it.

    Args:
        recorded: every node of the graph, in the order of creation, as `walk.nodes` gives them.
        source: the input's node, (N, C, *spatial).

    Returns:
        By node, without an entry for what does not depend on the input; None where an operation is not known, such as
        one that puts pixels where their values say, or a primitive of the user's own.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.walk import nodes
    >>> x = tg.tensor([[[0.0] * 9]], requires_grad=True)
    >>> three = tg.tensor([[[1.0, 1.0, 1.0]]])
    >>> z = tg.conv1d(tg.conv1d(x, three, stride=2, padding=1), three)
    >>> field = receptive_fields(nodes(z), x.node)[z.node]
    >>> field.axes
    (AxisField(size=7, stride=Fraction(2, 1), start=-1, is_whole=False),)
    >>> field.of(0), field.of(1)
    (((0, 5),), ((1, 7),))
    """
    sizes = source.shape[2:]
    views: dict[Node, tuple[Seen, ...] | None] = {source: _of_input(len(source.shape), sizes)}
    for node in recorded:
        if node is not source and any(parent in views for parent in node.parents):
            views[node] = _of_result(node, views, len(sizes))
    return {node: view if view is None else _described(node.shape, view, sizes) for node, view in views.items()}


def _of_input(ndim: int, sizes: Sequence[int]) -> tuple[Seen, ...]:
    seen = []
    for axis, size in enumerate(sizes, 2):
        shape = [1] * ndim
        first = np.zeros(shape, dtype=np.int32)
        shape[axis] = size
        pixels = np.arange(size, dtype=np.int32).reshape(shape)
        seen.append(Seen(Bounds(pixels, pixels), Pattern(axis, 1, 1, Bounds(first, first))))
    return tuple(seen)


def _of_result(node: Node, views: Mapping[Node, tuple[Seen, ...] | None], count: int) -> tuple[Seen, ...] | None:
    primitive: Any = node.primitive
    rule = RULES.get(primitive.name) if primitive.forward.__module__.startswith("tinygrad_cnn.") else None
    operands = [views.get(parent, ()) for parent in node.parents]
    shapes = tuple(parent.shape for parent in node.parents)
    if rule is None or None in operands or 0 in node.shape or any(0 in shape for shape in shapes):
        return None
    found = []
    for i in range(count):
        each = tuple(view[i] if view else None for view in operands)
        seen = rule(Step(node.options, shapes, node.shape, each))
        if seen is None or seen.exact.low.size > MOST_BOUNDS:
            return None
        found.append(seen)
    return tuple(found)


def _described(shape: tuple[int, ...], view: Sequence[Seen], sizes: Sequence[int]) -> ReceptiveField:
    axes = []
    for seen, size in zip(view, sizes, strict=True):
        others = [other for other in view if other is not seen]
        axes.append(_axis_field(seen, size, others))
    return ReceptiveField(tuple(axes), shape, tuple(view))


def _axis_field(seen: Seen, size: int, others: Sequence[Seen]) -> AxisField:
    pattern, exact = seen.pattern, seen.exact
    if pattern is not None and any(_varies(other.exact, pattern.axis) for other in others):
        # Rows and columns lie along one axis, as tokens do: it has no pace in either.
        return AxisField(seen.largest, None, None, False)
    if pattern is None:
        is_whole = seen.size is None and (exact.low == 0).all() and (exact.high == size - 1).all()
        return AxisField(seen.largest, None, None, bool(is_whole))
    start = int(pattern.bounds.low.take(0, pattern.axis).min())
    stride = abs(Fraction(pattern.advance, pattern.period))
    return AxisField(seen.largest, stride, start if start < NOTHING else None, False)


def _varies(bounds: Bounds, axis: int) -> bool:
    """Whether units along an axis see different pixels, besides those that see none."""
    sees = bounds.low < NOTHING
    first, last = np.where(sees, bounds.low, NOTHING), np.where(sees, bounds.low, -NOTHING)
    return bool((first.min(axis=axis) < last.max(axis=axis)).any())
