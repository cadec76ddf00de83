"""One operation of the graph, and what is seen after its operands were put into another shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm, prod
from typing import Any

import numpy as np

from tinygrad_cnn.viz.receptive_field.bounds import (
    MOST_UNITS,
    Pattern,
    Seen,
    aligned,
    common,
    concatenated,
    reshaped,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: its options, the shapes of its operands and its result, and what the operands' units see."""

    options: Mapping[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    operands: tuple[Seen | None, ...]

    @property
    def dependent(self) -> list[tuple[Seen, tuple[int, ...]]]:
        """The operands that depend on the input, with their shapes."""
        pairs = zip(self.operands, self.shapes, strict=True)
        return [(seen, shape) for seen, shape in pairs if seen is not None]

    @property
    def only(self) -> Seen | None:
        """The first operand, where it alone depends on the input."""
        return self.operands[0] if len(self.dependent) == 1 else None


Rule = Callable[[Step], Seen | None]


def on_first_operand(rule: Callable[[Step, Seen], Seen | None]) -> Rule:
    """A rule for operations that are known where their first operand alone depends on the input."""
    return lambda step: None if step.only is None else rule(step, step.only)


def broadcast(seen: Seen, old: Sequence[int], new: Sequence[int]) -> Seen:
    """What is seen after an operand was broadcast to a shape."""
    added = len(new) - len(old)
    pattern = seen.pattern
    if pattern is not None and old[pattern.axis] != new[pattern.axis + added]:
        seen = replace(seen, pattern=None, size=pattern.bounds.largest)
    if not added:
        return seen
    axis = seen.pattern.axis + added if seen.pattern else None
    return seen.map(lambda bounds: bounds.map(lambda array: array.reshape((1,) * added + array.shape)), axis)


def with_axis(seen: Seen, axis: int) -> Seen:
    """What is seen with a new axis of size 1 at this place."""
    pattern = seen.pattern
    at = pattern.axis + (axis <= pattern.axis) if pattern else None
    return seen.map(lambda bounds: bounds.map(lambda array: np.expand_dims(array, axis)), at)


def side_by_side(parts: Sequence[Seen], axis: int, sizes: Sequence[int]) -> Seen:
    """Tensors joined along an axis; unless that is the patterns' own, these are joined too."""
    exact = concatenated([part.exact for part in parts], axis, sizes)
    patterns = common([part.pattern for part in parts])
    if patterns is None or patterns[0].axis == axis:
        return Seen(exact, None)
    bounds = concatenated([pattern.bounds for pattern in patterns], axis, sizes)
    return Seen(exact, replace(patterns[0], bounds=bounds))


def transposed(seen: Seen, order: Sequence[int]) -> Seen:
    """What is seen with the axes in another order."""
    order = tuple(order)
    axis = order.index(seen.pattern.axis) if seen.pattern else None
    return seen.map(lambda bounds: bounds.map(lambda array: array.transpose(order)), axis)


def rearranged(seen: Seen, old: Sequence[int], new: Sequence[int]) -> Seen:
    """What is seen after a reshape.

    The pattern goes on where its axis is the outermost of those that are merged or split, as (H, 2) is merged by a
    repetition of rows and H split by patches.
    """
    groups = aligned(old, new)
    exact = reshaped(seen.exact, old, new, groups)
    pattern = seen.pattern
    if pattern is None:
        return Seen(exact, None, seen.size)
    for before, after in groups:
        merged, split = [i for i in before if old[i] > 1], [j for j in after if new[j] > 1]
        if merged and merged[0] == pattern.axis:
            inner, outer = prod(old[i] for i in merged[1:]), prod(new[j] for j in split[1:])
            units = lcm(pattern.period * inner, outer)
            if units > MOST_UNITS:
                break
            pattern = pattern.repeated(units // inner)
            from_shape, to_shape = list(old), list(new)
            from_shape[pattern.axis], to_shape[split[0]] = pattern.period, units // outer
            full = pattern.bounds.expanded(pattern.axis, pattern.period)
            bounds = reshaped(full, from_shape, to_shape, groups)
            return Seen(exact, Pattern(split[0], pattern.advance, units // outer, bounds))
    return Seen(exact, None, seen.known_size)
