"""Which part of the compared arrays a report shows, and how a number reads in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

WIDEST_FRACTION = 14
"""A fraction with more characters is shown as a decimal number."""


def number(value: Any, digits: int = 6) -> str:
    """A number as a report shows it.

    >>> number(0.1 + 0.2), number(Fraction(3, 4)), number(Fraction(10**9 + 1, 2**30)), number(2.0), number(-0.0)
    ('0.3', '3/4', '0.931323', '2', '0')
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, Fraction):
        text = str(value)
        return text if len(text) <= WIDEST_FRACTION else _decimal(value, digits)
    if isinstance(value, float | np.floating):
        return f"{float(value) + 0.0:.{digits}g}"  # + 0.0 makes -0 a 0
    return str(value)


def _decimal(value: Fraction, digits: int) -> str:
    try:
        return f"{float(value):.{digits}g}"
    except OverflowError:  # no float is that large
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{digits}g}"


def columns(check: Any, positions: list[int]) -> tuple[list[str], list[str], list[str]]:
    """The expected and actual entries and the differences at flat positions, with digits enough to tell them apart."""
    expected, actual, difference, wrong = (
        [array.flat[i] for i in positions] for array in (check.expected, check.actual, check.difference, check.wrong)
    )
    digits = 6
    while digits < 17 and any(
        is_wrong and number(e, digits) == number(a, digits)
        for e, a, is_wrong in zip(expected, actual, wrong, strict=True)
    ):
        digits += 1
    # Of an entry that is right a difference is rounding, which two digits show.
    apart = [number(d, 6 if is_wrong else 2) for d, is_wrong in zip(difference, wrong, strict=True)]
    return [number(e, digits) for e in expected], [number(a, digits) for a in actual], apart


def matrices(check: Any) -> Iterator[tuple[str, Any]]:
    """The matrices (last two axes) that hold a wrong entry: their index, and the flat positions of their entries."""
    shape = check.wrong.shape
    rows, width = (1, 1, *shape)[-2:]
    positions = np.arange(math.prod(shape)).reshape(-1, rows, width)
    wrong = check.wrong.reshape(positions.shape)
    for i in np.flatnonzero(wrong.any(axis=(1, 2))):
        yield index(shape[:-2], int(i)) if len(shape) > 2 else "", positions[i]


def worst(check: Any, count: int) -> list[int]:
    """The flat positions of wrong entries, the largest difference first (NaN before all), at most so many."""
    positions = [int(i) for i in np.flatnonzero(check.wrong)]

    def size(i: int) -> Any:
        magnitude = abs(check.difference.flat[i])
        return math.inf if magnitude != magnitude else 0 if hasattr(magnitude, "free_symbols") else magnitude

    return sorted(positions, key=size, reverse=True)[:count]


def index(shape: tuple[int, ...], position: int) -> str:
    """A flat position as an index into the shape.

    >>> index((2, 3), 4), index((), 0)
    ('[1, 1]', '[]')
    """
    return f"[{', '.join(str(int(k)) for k in np.unravel_index(position, shape))}]" if shape else "[]"
