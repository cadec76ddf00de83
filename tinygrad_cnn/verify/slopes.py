"""The slope of a function along a line, by numbers alone: by a complex step, or by differences on both sides.

Differences see a kink: there the slope below and the slope above settle at two values, while at a smooth point
their gap shrinks with the step. Where neither happens (a jump, an infinite slope, the end of the domain) there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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
    middles: list[float] = []
    gaps: list[float] = []
    above = below = noise = math.nan
    kink = None
    while step >= smallest:
        above_before, below_before = above, below
        above, below, noise = change(step) / step, -change(-step) / step, noise_at_1 / step
        middles.append((above + below) / 2)
        gaps.append(abs(above - below))
        size = max(abs(above), abs(below), magnitude)
        is_drowned = len(middles) > 2 and noise > size / 10  # smaller steps show rounding alone
        if kink is not None and is_drowned:
            break
        near = precision * size + noise
        moved = abs(middles[-1] - middles[-2]) if len(middles) > 1 else math.inf
        if moved <= near and (gaps[-1] <= near or gaps[-1] <= gaps[-2] / 2):
            return Slope(middles[-1], middles[-1], noise + moved, step, "smooth")
        if abs(above - above_before) <= near and abs(below - below_before) <= near:
            kink = Slope(below, above, near, step, "kink")
            if step <= precision:  # a larger one may still reach over a kink nearby
                return kink
        if is_drowned:
            break
        step /= FINER
    if kink is None and _shrink(gaps) and _shrink([abs(b - a) for a, b in pairwise(middles)]):
        return Slope(middles[-1], middles[-1], noise + 2 * abs(middles[-1] - middles[-2]), step * FINER, "smooth")
    return kink or Slope(below, above, noise, step, "unsettled")


def largest_step(eps: float, scale: float) -> float:
    """The largest first step: the cube root of eps, of the line's unit or of the variable's, whichever is larger."""
    return float(eps ** (1 / 3) * max(1.0, 1 / scale))


def _shrink(values: list[float]) -> bool:
    """Whether the last three are each at most half of the one before: they go to 0."""
    return len(values) > 2 and values[-1] <= values[-2] / 2 <= values[-3] / 4


def by_complex_step(imaginary: Callable[[float], float], rounding: float, eps: float, step: float) -> Slope:
    """The slope at 0 from t -> Im F(i t)."""
    slope = imaginary(step) / step
    return Slope(slope, slope, 100 * eps * rounding, 0.0, "smooth")
