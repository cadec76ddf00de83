"""The slope of a function along a line, by numbers alone: by a complex step, or by differences on both sides.

Differences see a kink: there the slope below and the slope above settle at two values, while at a smooth point
their gap shrinks with the step. Where neither happens (a jump, an infinite slope, the end of the domain) there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise


@dataclass(frozen=True)
class Slope:
    """What was measured along a line.

    Attributes:
        below, above: the one-sided slopes; equal where the function is smooth.
        uncertainty: by how much rounding and the finite step may have moved them.
        step: the last step, relative to the scale of the line; 0 for a complex step.
        kind: "smooth", "kink" or "unsettled".
    """

    below: float
    above: float
    uncertainty: float
    step: float
    kind: str

    @property
    def low(self) -> float:
        """The smaller one-sided slope."""
        return min(self.below, self.above)

    @property
    def high(self) -> float:
        """The larger one-sided slope."""
        return max(self.below, self.above)

    @property
    def middle(self) -> float:
        """The mean of both, which is the central difference."""
        return (self.below + self.above) / 2

    @property
    def gap(self) -> float:
        """By how much they differ."""
        return abs(self.above - self.below)


FINER = 10.0
"""Each step is that many times smaller than the one before."""


def by_differences(
    change: Callable[[float], float], rounding: float, eps: float, magnitude: float, scale: float
) -> Slope:
    """The slope at 0 of a function on a line, from differences at ever smaller steps, until they settle.

    Args:
        change: t -> F(t) - F(0).
        rounding: how large the rounding error of F is, in units of eps.
        eps: the relative precision in which F is computed.
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
    slopes: list[Slope] = []
    kink = None
    while step >= smallest:
        noise = noise_at_1 / step
        found = Slope(-change(-step) / step, change(step) / step, noise, step, "unsettled")
        size = max(abs(found.below), abs(found.above), magnitude)
        is_drowned = len(slopes) > 1 and noise > size / 10  # smaller steps show rounding alone
        if is_drowned and kink is not None:
            break
        near = precision * size + noise
        if slopes and math.isfinite(size):
            before = slopes[-1]
            moved = abs(found.middle - before.middle)
            if moved <= near and (found.gap <= near or found.gap <= before.gap / 2):
                if noise / FINER + 2 * moved < noise + moved:
                    return _smooth(before, noise / FINER + 2 * moved)
                return _smooth(found, noise + moved)
            if abs(found.above - before.above) <= near and abs(found.below - before.below) <= near:
                kink = replace(found, uncertainty=near, kind="kink")
                if step <= precision:  # a larger one may still reach over a kink nearby
                    return kink
        slopes.append(found)
        if is_drowned:
            break
        step /= FINER
    return kink or _slow_to_settle(slopes, precision)


def _slow_to_settle(slopes: list[Slope], precision: float) -> Slope:
    """What slopes that have not settled tell."""
    first, last = slopes[0], slopes[-1]
    moved = [abs(b.middle - a.middle) for a, b in pairwise(slopes)]
    if _shrink([slope.gap for slope in slopes]) and _shrink(moved):
        return _smooth(last, last.uncertainty + 2 * moved[-1])
    # A kink so near that only the last steps don't reach over it: the first one shows both of its slopes.
    near = precision * max(abs(first.low), abs(first.high)) + last.uncertainty
    if first.gap > near and all(first.low - near <= s.low and s.high <= first.high + near for s in slopes):
        return replace(first, uncertainty=near, kind="kink")
    return last


def _smooth(slope: Slope, uncertainty: float) -> Slope:
    return Slope(slope.middle, slope.middle, uncertainty, slope.step, "smooth")


def _shrink(values: list[float]) -> bool:
    """Whether the last three are each at most half of the one before: they go to 0."""
    return len(values) > 2 and values[-1] <= values[-2] / 2 <= values[-3] / 4


def largest_step(eps: float, scale: float) -> float:
    """The largest first step: the cube root of eps, of the line's unit or of the variable's, whichever is larger."""
    return float(eps ** (1 / 3) * max(1.0, 1 / scale))


def by_complex_step(imaginary: Callable[[float], float], rounding: float, eps: float, step: float) -> Slope:
    """The slope at 0 from t -> Im F(i t)."""
    slope = imaginary(step) / step
    return Slope(slope, slope, 100 * eps * rounding, 0.0, "smooth")
