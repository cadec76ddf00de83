"""The slope of a function along a line, by numbers alone: by a complex step, or by differences on both sides.

Differences see a kink: there the slope below and the slope above settle at two values, while at a smooth point
their gap shrinks with the step. Where neither happens (a jump, an infinite slope, the end of the domain) there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Slope:
    """What was measured along a line.

    Attributes:
        below, above: the one-sided slopes; equal where the function is smooth.
        low, high: between these lies the slope of every subgradient, each output's taken on its own.
        uncertainty: by how much rounding and the finite step may have moved them.
        step: the last step, relative to the scale of the line; 0 for a complex step.
        kind: "smooth", "kink" or "unsettled".
    """

    below: float
    above: float
    low: float
    high: float
    uncertainty: float
    step: float
    kind: str

    @property
    def middle(self) -> float:
        """The mean of the one-sided slopes, which is the central difference."""
        return (self.below + self.above) / 2


def smooth(slope: float, uncertainty: float, step: float) -> Slope:
    """The slope of a function that has the same on both sides."""
    return Slope(slope, slope, slope, slope, uncertainty, step, "smooth")


@dataclass(frozen=True)
class _Differences:
    """The one-sided slopes of each output at one step."""

    below: Any
    above: Any
    noise: float
    step: float

    @property
    def middle(self) -> float:
        return float((self.below + self.above).sum()) / 2

    @property
    def gap(self) -> float:
        return float(abs(self.above - self.below).sum())

    @property
    def size(self) -> float:
        return float(np.maximum(abs(self.above), abs(self.below)).sum())

    def distance(self, other: _Differences) -> float:
        """By how much the slopes of a side differ, on the side where it is more."""
        return float(max(abs(self.above - other.above).sum(), abs(self.below - other.below).sum()))

    def slope(self, kind: str, uncertainty: float) -> Slope:
        low, high = np.minimum(self.below, self.above).sum(), np.maximum(self.below, self.above).sum()
        below, above = float(self.below.sum()), float(self.above.sum())
        return Slope(below, above, float(low), float(high), uncertainty, self.step, kind)


FINER = 10.0
"""Each step is that many times smaller than the one before."""


@np.errstate(all="ignore")  # a step may leave the domain
def by_differences(
    change: Callable[[float], Any], rounding: float, eps: float, magnitude: float, scale: float
) -> Slope:
    """The slope at 0 of F(t), a sum of outputs, from differences at ever smaller steps, until they settle.

    Several outputs may have a kink where their sum has none, or another one; so each is watched.

    Args:
        change: t -> the change of each output (weighted as in the sum) from 0 to t.
        rounding: how large the rounding error of the sum is, in units of eps.
        eps: the relative precision in which the outputs are computed.
        magnitude: of what order the slope is thought to be; decides what counts as small, and the first step where
            rounding would drown a slope of that order at the usual one.
        scale: the length of the line's unit, in the units of the variable.

    The usual first step is the cube root of eps, where the errors of rounding and of curvature are of one size: Press
    et al., Numerical Recipes (2007), section 5.7. The first one is larger, up to that length in the units of the
    variable, where rounding asks for it; the last one is at least a hundredth of the square root of eps.
    """
    precision = eps ** (1 / 3)
    noise_at_1 = 10 * eps * rounding
    largest = largest_step(eps, scale)
    step = min(max(precision, 10 * noise_at_1 / (precision * magnitude)), largest) if magnitude > 0 else largest
    smallest = min(step, eps**0.5) / 100
    found: list[_Differences] = []
    kink = None
    while step >= smallest:
        now = _Differences(-change(-step) / step, change(step) / step, noise_at_1 / step, step)
        before = found[-1] if found else None
        found.append(now)
        step /= FINER
        if before is None:
            continue
        size = max(now.size, magnitude)
        is_drowned = now.noise > max(size, before.size) / 10  # smaller steps show rounding alone
        if is_drowned and kink is not None:
            break
        if not math.isfinite(size):
            continue
        near = precision * size + now.noise
        moved, sides_moved = abs(now.middle - before.middle), now.distance(before)
        if moved <= near and (now.gap <= near or now.gap <= before.gap / 2):
            if before.noise + 2 * moved < now.noise + moved:
                return smooth(before.middle, before.noise + 2 * moved, before.step)
            return smooth(now.middle, now.noise + moved, now.step)
        if sides_moved <= near and now.gap > 10 * sides_moved:
            kink = now.slope("kink", near)
            if now.step <= precision:  # a larger one may still reach over a kink nearby
                return kink
        if is_drowned and len(found) > 2:
            break
    return kink or _slow_to_settle(found, precision)


def _slow_to_settle(found: list[_Differences], precision: float) -> Slope:
    """What differences that have not settled tell."""
    first, last = found[0], found[-1]
    moved = [abs(b.middle - a.middle) for a, b in pairwise(found)]
    if _shrink([each.gap for each in found]) and _shrink(moved):
        return smooth(last.middle, last.noise + 2 * moved[-1], last.step)
    # A kink so near that only the last steps don't reach over it: the first one shows both of its slopes.
    near = precision * first.size + last.noise
    low, high = np.minimum(first.below, first.above) - near, np.maximum(first.below, first.above) + near
    sides = [side for each in found for side in (each.below, each.above)]
    if first.gap > near and all(((low <= side) & (side <= high)).all() for side in sides):
        return first.slope("kink", near)
    # More rounding than was thought: the two steps that agree best, if they do to a hundredth.
    uncertainties = [3 * (change + each.gap) for change, each in zip(moved, found[1:], strict=True)]
    best = min(range(len(moved)), key=lambda i: uncertainties[i] if uncertainties[i] >= 0 else math.inf, default=None)
    if best is not None and uncertainties[best] <= 0.03 * found[best + 1].size:
        return smooth(found[best + 1].middle, uncertainties[best] + found[best + 1].noise, found[best + 1].step)
    return last.slope("unsettled", last.noise)


def _shrink(values: list[float]) -> bool:
    """Whether the last three are each at most half of the one before: they go to 0."""
    return len(values) > 2 and values[-1] <= values[-2] / 2 <= values[-3] / 4


def largest_step(eps: float, scale: float) -> float:
    """The largest first step: the cube root of eps, of the line's unit or of the variable's, whichever is larger."""
    return float(eps ** (1 / 3) * max(1.0, 1 / scale))


def by_complex_step(imaginary: Callable[[float], float], rounding: float, eps: float, step: float) -> Slope:
    """The slope at 0 from t -> Im F(i t)."""
    return smooth(imaginary(step) / step, 100 * eps * rounding, 0.0)
