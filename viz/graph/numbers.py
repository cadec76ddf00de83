"""How numbers and arrays are written in pictures: short, and exact wherever that is short enough."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn import backend

LONGEST = 20
"""An exact number of more characters is rounded, and any other object's text is cut."""

GRID = 5
"""An array of up to so many rows and columns is written out, a larger one as minimum, mean and maximum."""


def number(x: Any, digits: int = 4) -> str:
    """A number in a few characters.

    Integers and fractions are exact while they are short, and marked as rounded otherwise. A float has so many
    significant digits; trailing zeros say that it was rounded to them.

    >>> from fractions import Fraction
    >>> [number(x) for x in (3, 0.25, 2 / 3, 1.0, 1.00001, -0.0, 1e-7, float("nan"))]
    ['3', '0.25', '0.6667', '1', '1.000', '0', '1e-7', 'nan']
    >>> number(Fraction(-7, 3)), number(10**40)
    ('-7/3', '≈1e40')
    """
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, float | np.floating):
        return _float(x, digits)
    if isinstance(x, Rational | np.integer):
        return _rational(Fraction(int(x.numerator), int(x.denominator)), digits)
    if isinstance(x, complex | np.complexfloating):
        return _exponent(f"{complex(x):.{digits}g}")
    return shortened(str(x), LONGEST)


def _float(x: Any, digits: int) -> str:
    value = float(x)  # in float16 the bounds below would overflow
    if not isfinite(value):
        return str(value)
    if abs(value) < 10**6 and value == int(value):
        return str(int(value))
    for n in range(1, digits + 1):
        text = f"{value:.{n}g}"
        if type(x)(text) == x:  # exact in its own precision: 0.1 is 0.1 in float32 too
            return _exponent(text)
    text = f"{value:#.{digits}g}"
    # Up to a million, all digits before the point, and one behind it.
    return f"{value:.1f}" if 10 ** (digits - 1) <= abs(value) < 10**6 or text.endswith(".") else _exponent(text)


def _rational(x: Fraction, digits: int) -> str:
    if max(x.numerator.bit_length(), x.denominator.bit_length()) <= 64 and len(str(x)) <= LONGEST:
        return str(x)
    rounded = Decimal(x.numerator) / Decimal(x.denominator)  # no overflow, however large
    return "≈" + _exponent(f"{rounded.normalize():.{digits}g}")


def _exponent(text: str) -> str:
    """Python's 1e-07 and 1E+40 as 1e-7 and 1e40."""
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def shortened(text: str, longest: int) -> str:
    """The text, cut with an ellipsis where it is longer.

    >>> shortened("a long name", 7)
    'a long…'
    """
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def grid(array: Any) -> list[list[str]] | None:
    """The numbers of a small array, row by row; None for one of more than `GRID` rows or columns, or no elements.

    Leading axes of size 1 are left out, so that a single kernel (1, 1, 3, 3) is three rows of three.

    >>> grid(np.array([[[[0.0, -1.5], [2.0, 1.0]]]]))
    [['0', '-1.5'], ['2', '1']]
    """
    array = np.asarray(backend.to_numpy(array))
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    array = array.reshape(1, -1) if array.ndim < 2 else array
    if array.ndim > 2 or not array.size or max(array.shape) > GRID:
        return None
    return [[number(x) for x in row] for row in array]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is said of an array too large to write out; over its finite elements, None where there are none.

    Attributes:
        minimum: the least.
        mean: the sum over the number.
        maximum: the largest.
        deviation: the standard deviation, the root of the mean squared distance to the mean; a float.
        zeros: how many are exactly 0.
        not_finite: how many of all elements are infinite or not a number.
        size: the number of all elements.
    """

    minimum: Any
    mean: Any
    maximum: Any
    deviation: float | None
    zeros: int
    not_finite: int
    size: int


def statistics(array: Any) -> Statistics | None:
    """The statistics of an array of numbers; None where elements can't be compared (symbols, complex numbers).

    >>> found = statistics(np.array([1.0, np.nan, 2.0, 0.0]))
    >>> found.minimum, found.mean, found.maximum, round(found.deviation, 4), found.zeros, found.not_finite, found.size
    (np.float64(0.0), np.float64(1.0), np.float64(2.0), 0.8165, 1, 1, 4)
    """
    array = np.asarray(backend.to_numpy(array)).reshape(-1)
    size = array.size
    if array.dtype.kind in "fc":
        array = array[np.isfinite(array)]
    if not array.size:
        return Statistics(None, None, None, None, 0, size, size)
    if array.dtype.kind == "c":
        return None
    if array.dtype.kind == "b":
        array = array.astype(int)
    zeros = int(np.count_nonzero(array == 0))
    try:
        minimum, maximum = array.min(), array.max()
        if array.dtype == object:
            mean = array.sum() / Fraction(size)
            deviation = float(((array - mean) ** 2).sum() / Fraction(size)) ** 0.5
            return Statistics(minimum, mean, maximum, deviation, zeros, 0, size)
    except (TypeError, OverflowError):
        return None
    with np.errstate(over="ignore"):
        mean = array.mean(dtype=np.float64)
        deviation = float(array.std(dtype=np.float64))
    mean = array.dtype.type(mean) if array.dtype.kind == "f" else mean
    return Statistics(minimum, mean, maximum, deviation, zeros, size - array.size, size)
