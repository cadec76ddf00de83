"""How wrong numbers relate to the right ones: transposed, rotated, twice as large, one row off, rounded.

Two arrays tell that much by themselves; *why* they differ only somebody knows who has the formula.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.verify.excerpt import number

LARGEST_DENOMINATOR = 1000
"""A factor or an offset between decimals, which show it but for rounding, has a smaller one."""
MOST_DIGITS = 6
"""Roundings to up to so many decimal digits are recognised."""
FEWEST_SHIFTED = 4
"""So many entries, not all the same, have to stand one row or column off."""
MOST_ENTRIES = 10_000
"""Nothing is said of larger arrays, which would take long in exact arithmetic."""


class Relation(NamedTuple):
    """A relation of an array to the expected one: a name for scripts, and a sentence."""

    name: str
    explanation: str


_Route = Callable[[Any], Any]

_ROUTES: dict[str, tuple[str, _Route]] = {
    "transposed": ("transposed", lambda e: e.swapaxes(-1, -2)),
    "rotated-180": ("rotated by 180 degrees", lambda e: e[..., ::-1, ::-1]),
    "flipped-rows": ("flipped upside down", lambda e: e[..., ::-1, :]),
    "flipped-columns": ("flipped from left to right", lambda e: e[..., ::-1]),
    "rotated-90": ("rotated by 90 degrees", lambda e: np.rot90(e, 1, (-2, -1))),
    "rotated-270": ("rotated by 90 degrees clockwise", lambda e: np.rot90(e, -1, (-2, -1))),
    "transposed-other": ("mirrored at the other diagonal", lambda e: np.rot90(e.swapaxes(-1, -2), 2, (-2, -1))),
}
_REVERSAL: dict[str, tuple[str, _Route]] = {"reversed": ("in reverse order", lambda e: e[::-1])}


def relations(expected: Any, actual: Any, allowed: Any = 0) -> tuple[Relation, ...]:
    """What can be said about an array that is not the expected one.

    Args:
        expected, actual: object arrays of fractions.
        allowed: by how much an entry of actual may be off, a number or an array of actual's shape.

    Returns:
        The relations that hold, the most telling first; none where nothing can be said. A relation that any array of
        the kind would have (a transposed symmetric matrix, a factor between two single numbers) is not one.

    >>> e, a = np.array([[1, 2], [3, 4]], dtype=object), np.array([[2, 6], [4, 8]], dtype=object)
    >>> relations(e, a)
    (Relation(name='transposed', explanation='it is the expected one transposed, times 2'),)
    """
    allowed = np.broadcast_to(np.asarray(allowed, dtype=object), actual.shape)
    if not 0 < min(actual.size, expected.size) <= max(actual.size, expected.size) <= MOST_ENTRIES:
        return ()
    found = _between_shapes if expected.shape != actual.shape else _between_values
    return tuple(found(expected, actual, allowed))


def agrees(expected: Any, actual: Any, allowed: Any) -> bool:
    """Whether shapes are equal and no entry is off by more than is allowed."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    return expected.shape == actual.shape and bool(np.all(abs(actual - expected) <= allowed))


# Arrays of one shape


def _between_values(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    if np.all(actual == 0) and np.any(expected != 0):
        yield Relation("zero", "every entry is 0" if actual.size > 1 else "it is 0")
        return
    if (factor := _factor(expected, actual, allowed)) is not None:
        yield _times(factor, actual.size)
        return
    whole = list(_moved(expected, actual, allowed)) or list(_shifted(expected, actual, allowed))
    if not whole and (offset := _offset(expected, actual, allowed)) is not None:
        size, side = number(abs(offset)), "large" if offset > 0 else "small"
        whole.append(Relation("offset", f"every entry is too {side} by {size}"))
    if not whole:
        whole = list(itertools.chain(_signs(expected, actual, allowed), _rounded(expected, actual, allowed)))
    if not whole and _is_reordered(expected, actual, allowed):
        whole.append(Relation("reordered", "these are the expected numbers in another order"))
    yield from whole or _place(np.asarray(abs(actual - expected) > allowed))


def _times(factor: Fraction, size: int) -> Relation:
    if factor == -1:
        return Relation("sign", "every entry has the wrong sign" if size > 1 else "it has the wrong sign")
    return Relation("factor", f"every entry is the expected one times {number(factor)}")


def _factor(expected: Any, actual: Any, allowed: Any) -> Fraction | None:
    """c where actual = c expected, for c other than 0 and 1; of single numbers only a sign is one."""
    low, high = None, None
    for e, a, off in zip(expected.flat, actual.flat, allowed.flat, strict=True):
        if e == 0:
            if abs(a) > off:
                return None
            continue
        sides = sorted((Fraction(a - off) / e, Fraction(a + off) / e))
        low = sides[0] if low is None else max(low, sides[0])
        high = sides[1] if high is None else min(high, sides[1])
        if low > high:
            return None
    factor = None if low is None or high is None else _simplest(low, high)
    fewest = 1 if factor == -1 else 3 if allowed.any() else 2
    return factor if factor not in (0, 1) and np.count_nonzero(expected) >= fewest else None


def _offset(expected: Any, actual: Any, allowed: Any) -> Fraction | None:
    """c where actual = expected + c, for c other than 0, of several numbers."""
    if actual.size < (3 if allowed.any() else 2):
        return None
    difference = actual - expected
    return _simplest(Fraction(np.max(difference - allowed)), Fraction(np.min(difference + allowed))) or None


def _simplest(low: Fraction, high: Fraction) -> Fraction | None:
    """The fraction of the smallest denominator in an interval, None where that is empty or the denominator large."""
    if low == high:
        return low
    for denominator in range(1, LARGEST_DENOMINATOR):
        numerator = ceil(low * denominator)
        if numerator <= high * denominator:
            return Fraction(numerator, denominator)
    return None


def _moved(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    """The last two axes exchanged or reversed, perhaps with a factor; those that give the same are named together."""
    routes = _ROUTES if expected.ndim > 1 else _REVERSAL if expected.ndim else {}
    names: list[str] = []
    words: list[str] = []
    factor = Fraction(1)
    for name, (word, route) in routes.items():
        moved = route(expected)
        if moved.shape != actual.shape or np.array_equal(moved, expected):
            continue
        if agrees(moved, actual, allowed):
            found: Fraction | None = Fraction(1)
        else:
            found = _factor(moved, actual, allowed)
        if found is not None and (not names or found == factor):
            factor = found
            names.append(name)
            words.append(word)
    if names:
        times = "" if factor == 1 else ", with the wrong sign" if factor == -1 else f", times {number(factor)}"
        yield Relation(names[0], f"it is the expected one {' or '.join(words)}{times}")


def _shifted(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    """One row or column off: what is expected in one stands in the next."""
    if expected.ndim < 2:
        return
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)):
        rows, columns = _overlap(down), _overlap(right)
        e, a = expected[..., rows[0], columns[0]], actual[..., rows[1], columns[1]]
        if e.size < FEWEST_SHIFTED or _is_constant(e) or not agrees(e, a, allowed[..., rows[1], columns[1]]):
            continue
        steps = [f"one row {'down' if down > 0 else 'up'}"] * bool(down)
        steps += [f"one column to the {'right' if right > 0 else 'left'}"] * bool(right)
        yield Relation("shifted", f"it is off by one: the expected entries stand {' and '.join(steps)}")
        return


def _overlap(step: int) -> tuple[slice, slice]:
    """The part of an axis that is expected, and where it stands when it moved by one."""
    parts = {0: (slice(None), slice(None)), 1: (slice(None, -1), slice(1, None)), -1: (slice(1, None), slice(None, -1))}
    return parts[step]


def _signs(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    if agrees(abs(expected), abs(actual), allowed):
        count = int(np.sum(abs(actual - expected) > allowed))
        yield Relation("sign", f"right but for the sign of {count} of {actual.size} entries")


def _rounded(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    """Rounded, or cut off, after a number of decimal digits."""
    for digits in range(MOST_DIGITS + 1):
        unit = Fraction(1, 10**digits)
        if np.any(2 * allowed >= unit):  # whoever shows no more digits has rounded rightly
            return
        nearest = np.array([round(value / unit) * unit for value in actual.flat], dtype=object).reshape(actual.shape)
        if not agrees(nearest, actual, allowed):
            continue
        to = f"{digits} digit{'s' * (digits != 1)} after the point" if digits else "integers"
        if np.all(abs(actual - expected) <= unit / 2 + allowed):
            yield Relation("rounded", f"right but rounded to {to}")
        elif is_cut_off(expected, actual, unit):
            yield Relation("truncated", f"right but cut off to {to}, where rounding would give others")
        return


def is_cut_off(expected: Any, actual: Any, units: Any) -> bool:
    """Whether each entry is the expected one without what follows its last digit, in which one more is a unit."""
    cut = abs(expected) - abs(actual)
    return bool(np.all((actual == expected) | ((cut >= 0) & (cut < units) & (expected * actual >= 0))))


def _is_reordered(expected: Any, actual: Any, allowed: Any) -> bool:
    if actual.size < 3 or allowed.any():
        return False
    return sorted(expected.flat) == sorted(actual.flat)


def _place(wrong: Any) -> Iterator[Relation]:
    """Where all the wrong entries are: in one row, in one channel, on the border."""
    if wrong.sum() < 2 or wrong.all():
        return
    labels = {wrong.ndim - 2: "row", wrong.ndim - 1: "column"} if wrong.ndim > 1 else {}
    for axis in reversed(range(wrong.ndim)):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        found = np.flatnonzero(wrong.any(axis=others))
        if len(found) == 1 and wrong.shape[axis] > 1 and wrong.ndim > 1:
            label = labels.get(axis)
            where = f"in {label} {found[0]}" if label else f"at index {found[0]} of axis {axis}"
            yield Relation("place", f"the wrong entries are all {where}, counted from 0")
            return
    if wrong.ndim > 1 and min(wrong.shape[-2:]) > 2 and not wrong[..., 1:-1, 1:-1].any():
        yield Relation("border", "right in the interior, wrong on the border")


# Arrays of different shapes


def _between_shapes(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    e, a, off = np.squeeze(expected), np.squeeze(actual), np.squeeze(allowed)
    if e.shape == a.shape:
        if agrees(e, a, off):
            yield Relation("axes", "the numbers are right, but for axes of length 1")
        else:
            yield from _between_values(e, a, off)
    elif expected.size == actual.size and agrees(expected.ravel(), actual.ravel(), allowed.ravel()):
        yield Relation("shape", "these are the right numbers in the right order, in another shape")
    elif expected.ndim == actual.ndim:
        yield from list(_moved(expected, actual, allowed)) or _parts(expected, actual, allowed)


def _parts(expected: Any, actual: Any, allowed: Any) -> Iterator[Relation]:
    """One is a part of the other: a border too many or too few, rows left out, no stride."""
    for step in range(2, max(actual.shape) + 1):
        every = (..., *[slice(None, None, step)] * min(expected.ndim, 2))
        if agrees(expected, actual[every], allowed[every]) and not _is_constant(expected):
            ordinal = {2: "second", 3: "third"}.get(step, f"{step}th")
            yield Relation("stride", f"every {ordinal} row and column of it is the expected one: a stride left out")
            return
    if (corner := _corner(expected, actual, lambda part: allowed[part])) is not None:
        yield Relation("larger", f"the expected one is its part {_slices(corner, expected.shape)}")
    elif (corner := _corner(actual, expected, lambda _: allowed)) is not None:
        yield Relation("smaller", f"it is the part {_slices(corner, actual.shape)} of the expected one")


def _corner(inner: Any, outer: Any, allowed: Callable[[tuple[slice, ...]], Any]) -> tuple[int, ...] | None:
    """The corner where the inner array stands in the outer one; None where it does not, or has nothing telling."""
    room = [m - n + 1 for m, n in zip(outer.shape, inner.shape, strict=True)]
    if min(room) < 1 or _is_constant(inner) or prod(room) > MOST_ENTRIES:
        return None
    for corner in itertools.product(*map(range, room)):
        part = tuple(slice(i, i + n) for i, n in zip(corner, inner.shape, strict=True))
        if agrees(inner, outer[part], allowed(part)):
            return corner
    return None


def _is_constant(array: Any) -> bool:
    return bool(np.all(array == array.flat[0]))


def _slices(corner: tuple[int, ...], shape: tuple[int, ...]) -> str:
    return f"[{', '.join(f'{i}:{i + n}' for i, n in zip(corner, shape, strict=True))}]"
