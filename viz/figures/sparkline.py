"""A curve in a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

BARS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*%#"
"""For a terminal that has no block characters."""


def sparkline(values: Sequence[float], width: int = 12, bars: str = BARS) -> str:
    """The values as bars, the smallest the lowest and the largest the highest; what isn't finite is a space.

    Args:
        values: at most `width` are drawn one by one; of more, each bar is the mean of an equal share.
        width: bars at most.
        bars: the characters, from low to high.

    Raises:
        ValueError: a width below 1.

    >>> sparkline([1.0, 2.0, 3.0, 8.0])
    '▁▂▃█'
    >>> sparkline([5.0, 5.0, float("nan")]) + "|"
    '▁▁ |'
    """
    if width < 1:
        raise ValueError(f"sparkline: width must be at least 1 but is {width}")
    count = min(width, len(values))
    means = []
    for i in range(count):
        share = values[i * len(values) // count : (i + 1) * len(values) // count]
        known = [value for value in share if isfinite(value)]
        means.append(sum(value / len(known) for value in known) if known else None)  # a sum could overflow
    known = [mean for mean in means if mean is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return "".join(" " if mean is None else bars[_level(mean, low, high, len(bars))] for mean in means)


def _level(value: float, low: float, high: float, levels: int) -> int:
    reach = high / 2 - low / 2  # halves: the difference of the largest floats has none
    return min(round((value / 2 - low / 2) / reach * (levels - 1)), levels - 1) if reach > 0 else 0
