"""Which part of the compared arrays a report shows, and how a number reads in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.verify.content import Comparison

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
    if hasattr(value, "free_symbols"):
        return str(value).replace("**", "^").replace("*", " ")  # as on a blackboard
    return str(value)


def _decimal(value: Fraction, digits: int) -> str:
    try:
        return f"{float(value):.{digits}g}"
    except OverflowError:  # no float is that large
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{digits}g}"


def columns(comparison: Comparison, positions: list[int]) -> tuple[list[str], list[str], list[str]]:
    """The expected and actual entries and the differences at flat positions, with digits enough to tell them apart."""
    arrays = comparison.expected, comparison.actual, comparison.difference, comparison.wrong
    expected, actual, difference, wrong = ([array.flat[i] for i in positions] for array in arrays)
    digits = 6
    while digits < 17 and any(
        is_wrong and number(e, digits) == number(a, digits)
        for e, a, is_wrong in zip(expected, actual, wrong, strict=True)
    ):
        digits += 1
    # Of an entry that is right a difference is rounding, which two digits show.
    apart = [number(d, 6 if is_wrong else 2) for d, is_wrong in zip(difference, wrong, strict=True)]
    return [number(e, digits) for e in expected], [number(a, digits) for a in actual], apart


@dataclass(frozen=True)
class Grid:
    """A matrix as it is shown.

    Attributes:
        title: what stands above it.
        rows: its entries.
        wrong: which of them are marked.
    """

    title: str
    rows: tuple[tuple[str, ...], ...]
    wrong: tuple[tuple[bool, ...], ...] = ()


def matrices(shape: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """The matrices that an array of this shape is shown as: an index, and the flat positions of the entries.

    They are those of the last two axes; of 1x1 images, that of the two axes before. A single one needs no index.

    >>> [(label, positions.tolist()) for label, positions in matrices((2, 1, 1, 2))]
    [('[0, 0]', [[0, 1]]), ('[1, 0]', [[2, 3]])]
    >>> [(label, positions.tolist()) for label, positions in matrices((1, 3, 1, 1))]
    [('[:, :, 0, 0]', [[0, 1, 2]])]
    """
    positions = np.arange(math.prod(shape)).reshape(shape)
    behind: list[str] = []
    while positions.ndim > 2 and positions.shape[-2:] == (1, 1) and positions.size > 1:
        positions = positions[..., 0, 0]
        behind += ["0", "0"]
    front, rows, width = positions.shape[:-2], *(1, 1, *positions.shape)[-2:]
    count = math.prod(front)
    for i in range(count):
        label = [str(int(k)) for k in np.unravel_index(i, front)] if front else []
        if behind:
            label += [":"] * min(positions.ndim, 2) + behind
        needed = count > 1 or behind
        yield f"[{', '.join(label)}]" if needed else "", positions.reshape(count, rows, width)[i]


def grids(name: str, array: Any) -> list[Grid]:
    """An array as matrices."""
    array = np.asarray(array)
    if not array.size:
        return [Grid(name, (("(empty)",),))]
    return [
        Grid(f"{name}{label}", tuple(tuple(number(array.flat[i]) for i in row) for row in positions))
        for label, positions in matrices(array.shape)
    ]


def compared(comparison: Comparison) -> list[tuple[str, list[Grid]]]:
    """The matrices that have a wrong entry, each with its index: expected, actual, difference."""
    found = []
    for label, positions in matrices(comparison.wrong.shape):
        wrong = tuple(tuple(bool(comparison.wrong.flat[i]) for i in row) for row in positions)
        if any(map(any, wrong)):
            width = positions.shape[1]
            triple = []
            flat = columns(comparison, positions.ravel().tolist())
            for title, cells in zip(comparison.titles, flat, strict=True):
                rows = tuple(tuple(cells[i : i + width]) for i in range(0, len(cells), width))
                triple.append(Grid(title, rows, () if title == comparison.titles[0] else wrong))
            found.append((label, triple))
    return found


def of_different_shapes(comparison: Comparison) -> dict[str, Any]:
    """Both arrays, each by its label with its shape."""
    arrays = comparison.expected, comparison.actual
    return {
        f"{label} ({dimensions(np.shape(array))})": array
        for label, array in zip(comparison.labels, arrays, strict=True)
    }


def dimensions(shape: tuple[int, ...]) -> str:
    """A shape as a blackboard has it.

    >>> dimensions((3, 3)), dimensions((4,)), dimensions(())
    ('3x3', '4', 'a number')
    """
    return "x".join(map(str, shape)) if shape else "a number"


def worst(comparison: Comparison, count: int) -> list[int]:
    """The flat positions of wrong entries, the largest difference first (NaN before all), at most so many."""
    positions = [int(i) for i in np.flatnonzero(comparison.wrong)]

    def size(i: int) -> Any:
        magnitude = abs(comparison.difference.flat[i])
        return math.inf if magnitude != magnitude else 0 if hasattr(magnitude, "free_symbols") else magnitude

    return sorted(positions, key=size, reverse=True)[:count]


def index(shape: tuple[int, ...], position: int) -> str:
    """A flat position as an index into the shape.

    >>> index((2, 3), 4), index((), 0)
    ('[1, 1]', '[]')
    """
    return f"[{', '.join(str(int(k)) for k in np.unravel_index(position, shape))}]" if shape else "[]"
