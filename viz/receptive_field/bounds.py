"""What the units of a tensor see of one axis of the input, as bounds: the first and the last pixel, both included.

Bounds are computed as the tensor is: where a convolution adds up, the bounds of a window's units become one hull; where
an operation rearranges, they are rearranged. They are kept twice. The exact ones are of the units that there are, with
the borders of the image. The pattern is of a tensor that goes on without end and says what an interior unit sees where
no border is near; it repeats itself, after two units behind an upsampling by two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm, prod

import numpy as np

from tinygrad_cnn.viz.receptive_field.windows import NOTHING, Array, Windows

Groups = list[tuple[range, range]]

MOST_UNITS = 4096
"""A pattern that repeats itself only after more units than this is given up."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """First and last pixel of every unit, compact: of size 1 along an axis on which they are all the same."""

    low: Array
    high: Array

    def map(self, function: Callable[[Array], Array]) -> Bounds:
        """The bounds after a function that rearranges arrays."""
        return Bounds(function(self.low), function(self.high))

    def hull(self, axes: Iterable[int], keepdims: bool = True) -> Bounds:
        """What the units along these axes see together."""
        axes = tuple(axes)
        return Bounds(self.low.min(axis=axes, keepdims=keepdims), self.high.max(axis=axes, keepdims=keepdims))

    def joined(self, other: Bounds) -> Bounds:
        """What either of two units sees."""
        return Bounds(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def expanded(self, axis: int, size: int) -> Bounds:
        """With every unit of an axis written out."""

        def expand(array: Array) -> Array:
            shape = list(array.shape)
            shape[axis] = size
            return np.broadcast_to(array, shape)

        return self.map(expand)

    def moved(self, pixels: int | Array) -> Bounds:
        """The same pixels further on; units that see nothing go on seeing nothing."""
        return Bounds(
            np.where(self.low < NOTHING, self.low + pixels, NOTHING),
            np.where(self.high > -NOTHING, self.high + pixels, -NOTHING),
        )

    def seen_through(self, axis: int, at: Array, are_inside: Array) -> Bounds:
        """The hull of each window (m, k) of units along an axis."""
        if self.low.shape[axis] == self.high.shape[axis] == 1:
            if are_inside.any(axis=1).all():
                return self
            at = np.zeros_like(at)
        at = np.where(are_inside, at, 0)
        shape = [1] * self.low.ndim
        shape[axis : axis + 1] = at.shape
        mask = np.broadcast_to(are_inside, at.shape).reshape(shape)

        def take(array: Array) -> Array:
            return np.take(array, at if array.shape[axis] > 1 else np.zeros_like(at), axis=axis)

        low = np.where(mask, take(self.low), NOTHING).min(axis=axis + 1)
        high = np.where(mask, take(self.high), -NOTHING).max(axis=axis + 1)
        return Bounds(low, high)

    def compact(self) -> Bounds:
        """The same bounds without writing out an axis on which they are all the same."""
        return self.map(_compact)

    @property
    def largest(self) -> int:
        """The number of pixels of the unit that sees most."""
        return max(int((self.high - self.low).max()) + 1, 0)


def _compact(array: Array) -> Array:
    for axis, size in enumerate(array.shape):
        first = array.take([0], axis)
        if size > 1 and (array.strides[axis] == 0 or (array == first).all()):
            array = first
    return array


def concatenated(parts: Sequence[Bounds], axis: int, sizes: Sequence[int]) -> Bounds:
    """Bounds side by side along an axis of these sizes."""
    written = [part.expanded(axis, size) for part, size in zip(parts, sizes, strict=True)]

    def join(arrays: list[Array]) -> Array:
        shapes = [list(array.shape) for array in arrays]
        common = [max(n) for n in zip(*shapes, strict=True)]
        for shape in shapes:
            shape[:axis], shape[axis + 1 :] = common[:axis], common[axis + 1 :]
        return np.concatenate(list(map(np.broadcast_to, arrays, shapes)), axis=axis)

    return Bounds(join([part.low for part in written]), join([part.high for part in written])).compact()


def aligned(old: Sequence[int], new: Sequence[int]) -> Groups:
    """Which axes of a shape become which when it is reshaped, in the smallest groups of equal size.

    >>> aligned((2, 3, 4, 5), (2, 12, 5))
    [(range(0, 1), range(0, 1)), (range(1, 3), range(1, 2)), (range(3, 4), range(2, 3))]
    """
    groups = []
    i = j = 0
    while i < len(old) or j < len(new):
        a, b = i, j
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        while (p := prod(old[a:i])) != (q := prod(new[b:j])):
            if p < q:
                i += 1
            else:
                j += 1
        groups.append((range(a, i), range(b, j)))
    return groups


def reshaped(bounds: Bounds, old: Sequence[int], new: Sequence[int], groups: Groups) -> Bounds:
    """Bounds of a tensor of the old shape after a reshape; only the groups along which they vary are written out."""

    def regroup(array: Array) -> Array:
        written: list[int] = []
        result: list[int] = []
        for before, after in groups:
            varies = any(array.shape[i] > 1 for i in before)
            written += [old[i] if varies else 1 for i in before]
            result += [new[j] if varies else 1 for j in after]
        return np.broadcast_to(array, written).reshape(result)

    return bounds.map(regroup).compact()


@dataclass(frozen=True, slots=True)
class Pattern:
    """The bounds of a tensor that goes on without end along one axis.

    Attributes:
        axis: that axis.
        advance: how many pixels further the bounds are one period of units later.
        bounds: of one period, compact like the exact ones.
    """

    axis: int
    advance: int
    period: int
    bounds: Bounds

    def map(self, function: Callable[[Bounds], Bounds], axis: int | None = None) -> Pattern:
        """After an operation that leaves the axis alone, or only gives it another number."""
        return replace(self, axis=self.axis if axis is None else axis, bounds=function(self.bounds))

    def repeated(self, period: int) -> Pattern:
        """The same pattern with a multiple of its period."""
        times = period // self.period
        if times == 1:
            return self
        phases = self.bounds.expanded(self.axis, self.period)
        parts = [phases.moved(self.advance * i) for i in range(times)]
        bounds = concatenated(parts, self.axis, [self.period] * times)
        return Pattern(self.axis, self.advance * times, period, bounds.expanded(self.axis, period))

    def seen_through(self, windows: Windows) -> Pattern | None:
        """The pattern of windows along its axis."""
        turns = self.period // gcd(self.period, abs(windows.advance))
        period = windows.period * turns
        if period > MOST_UNITS:
            return None
        at, are_there = windows.places(np.arange(period))
        shift, phase = np.divmod(at, self.period)
        bounds = self.bounds.expanded(self.axis, self.period)
        shape = [1] * bounds.low.ndim
        shape[self.axis : self.axis + 1] = at.shape
        taken = bounds.map(lambda array: np.take(array, phase, axis=self.axis))
        taken = taken.moved((shift * self.advance).reshape(shape))
        mask = np.broadcast_to(are_there, at.shape).reshape(shape)
        low = np.where(mask, taken.low, NOTHING).min(axis=self.axis + 1)
        high = np.where(mask, taken.high, -NOTHING).max(axis=self.axis + 1)
        return Pattern(self.axis, self.advance * windows.advance * turns // self.period, period, Bounds(low, high))


def common(patterns: Sequence[Pattern | None]) -> list[Pattern] | None:
    """The patterns with one period, if they run along the same axis at the same pace."""
    known = [pattern for pattern in patterns if pattern is not None]
    if len(known) < len(patterns):
        return None
    if len({(pattern.axis, Fraction(pattern.advance, pattern.period)) for pattern in known}) > 1:
        return None
    period = lcm(*(pattern.period for pattern in known))
    return [pattern.repeated(period) for pattern in known] if period <= MOST_UNITS else None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the units of a tensor see of one axis of the input.

    Attributes:
        exact: of each unit, in the image as it is.
        pattern: of a unit with no border near; None where units don't follow each other at one pace.
        size: the largest number of pixels in such a pattern, where units were only put into another order since.
    """

    exact: Bounds
    pattern: Pattern | None
    size: int | None = None

    def through(self, axis: int, size: int, count: int, windows: Windows) -> Seen:
        """What `count` units see that each look through a window at units of an axis of that size."""
        return self.chosen(axis, *windows.inside(count, size), windows)

    def chosen(self, axis: int, at: Array, are_inside: Array, windows: Windows | None) -> Seen:
        """The same with exact places of their own, and a pattern only where there are windows."""
        pattern = self.pattern
        if pattern is not None:
            if pattern.axis == axis:
                pattern = None if windows is None else pattern.seen_through(windows)
            else:
                pattern = pattern.map(lambda bounds: bounds.seen_through(axis, at, are_inside))
        return Seen(self.exact.seen_through(axis, at, are_inside), pattern)

    def through_rows(self, axis: int, size: int, first: Array, last: Array, windows: Windows | None) -> Seen:
        """What units see that are computed from those from `first` to `last`, as `windows` say of a longer axis."""
        at = first[:, None] + np.arange(int((last - first).max()) + 1)
        if len(first) == 1 and (first[0], last[0]) == (0, size - 1):  # one unit for all: no pace to speak of
            windows = None
        return self.chosen(axis, at, at <= last[:, None], windows)

    def hull(self, axes: Sequence[int], keepdims: bool = True) -> Seen:
        """What the units along these axes see together."""
        if not axes:
            return self
        pattern = self.pattern
        if pattern is not None:
            left = pattern.axis if keepdims else pattern.axis - sum(axis < pattern.axis for axis in axes)
            is_lost = pattern.axis in axes
            pattern = None if is_lost else pattern.map(lambda bounds: bounds.hull(axes, keepdims), left)
        return Seen(self.exact.hull(axes, keepdims), pattern)

    def map(self, function: Callable[[Bounds], Bounds], axis: int | None = None) -> Seen:
        """After an operation that leaves the pattern's axis alone, or only gives it another number."""
        pattern = self.pattern and self.pattern.map(function, axis)
        return Seen(function(self.exact), pattern, self.size)

    @property
    def largest(self) -> int:
        """How many pixels the unit that sees most sees, beyond the border too where that is known."""
        if self.pattern is not None:
            return self.pattern.bounds.largest
        return self.exact.largest if self.size is None else self.size

    @property
    def known_size(self) -> int | None:
        """The largest size that does not depend on the image's."""
        return self.size if self.pattern is None else self.pattern.bounds.largest


def together(parts: Sequence[Seen]) -> Seen:
    """What units see that are computed from units of several tensors at the same place; the arrays broadcast."""
    if len(parts) == 1:
        return parts[0]
    exact = parts[0].exact
    for part in parts[1:]:
        exact = exact.joined(part.exact)
    patterns = common([part.pattern for part in parts])
    if patterns is None:
        return Seen(exact, None)
    bounds = patterns[0].bounds
    for pattern in patterns[1:]:
        bounds = bounds.joined(pattern.bounds)
    return Seen(exact, replace(patterns[0], bounds=bounds))
