"""check_values: a student's results, as numbers or as they were printed, against the right ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn.verify import printed
from tinygrad_cnn.verify.excerpt import number
from tinygrad_cnn.verify.relations import MOST_ENTRIES, Relation, agrees, is_cut_off, relations
from tinygrad_cnn.verify.report import Check, Report, plain, summary

PRECISION = 5 / 6
"""The part of a floating-point dtype's digits that has to agree: an error of eps ** PRECISION is taken for rounding.

Sums of 1,000 products that are added one by one in float32 come near it.
"""


@dataclass(frozen=True, eq=False)
class ValueCheck(Check):
    """One result.

    Attributes:
        relations: how wrong numbers relate to the right ones, each with a `name` and an `explanation`.
    """

    relations: tuple[Relation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As `Check.to_dict`, with the relations."""
        return super().to_dict() | {"relations": [relation._asdict() for relation in self.relations]}


def check_values(
    expected: Any,
    actual: Any,
    tolerance: float | None = None,
    name: str = "result",
    title: str = "printed values",
    mistakes: Mapping[str, Any] | None = None,
) -> Report:
    """Check results against the right ones, exactly, and say how wrong ones relate to them.

    Integers and fractions must be equal. A decimal in a text must be right at the digits that it shows: 0.56 and 0.563
    are right for 9/16, 0.57 is wrong; the report says by how much digits were rounded. Floats in an array, or in a text
    that names their dtype or shows all their digits, may be off by eps ** (5/6) of the largest expected number (float64
    9.0e-14, float32 1.7e-6), which the report gives as tolerance.

    Of wrong numbers it says what two arrays tell by themselves: transposed, rotated by 180 degrees, flipped, of the
    wrong sign, times 2, one row off, rounded, another shape, an expected result of another name; and which of the
    `mistakes` makes them.

    Args:
        expected: a tensor, an array, nested lists or a number; or several results by name.
        actual: the same, or the text that a program printed: NumPy's, PyTorch's or a list's form, rows with or without
            commas and brackets, "3/4". For several results a mapping, or a text with "dX = " in front of each. Without
            brackets a text has no axes of length 1: "1 2 3" is right for (3,) and for (1, 3).
        tolerance: by how much an entry may be off, beside the digits shown; None is the rule above.
        name: of the check, where there is one result.
        title: of the report.
        mistakes: what known mistakes give, by a sentence for each; for several results a mapping by their names.

    Returns:
        A report with a `ValueCheck` for each result. What a student may get wrong fails: another shape, a result that
        is missing, a text without numbers.

    Raises:
        ValueError: no expected result, expected numbers that are NaN, a tolerance below 0.
        TypeError: expected results that are no real numbers.

    >>> report = check_values([[19, 0], [38, -19]], "[[ 19  38]\\n [  0 -19]]")
    >>> print(report)
    printed values: FAILED, 1 of 1 check
    <BLANKLINE>
      FAILED  result  2 of 4 entries are wrong, by up to 38
              it is the expected one transposed
    <BLANKLINE>
              expected   actual      difference
               19   0     19 *38       0  *38
               38 -19     *0 -19     *-38   0
    <BLANKLINE>
    * marks a wrong entry
    >>> bool(check_values({"dB": 9 / 16, "dK": [1, 2]}, "dK = [1. 2.]\\ndB = 0.56"))
    True
    """
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(f"check_values: tolerance must be at least 0 but is {tolerance}")
    several = isinstance(expected, Mapping)
    results = expected if several else {name: expected}
    wanted = {str(key): _expected(value, key) for key, value in results.items()}
    if not wanted:
        raise ValueError("check_values: expected at least one result but got an empty mapping")
    given, missing, notes = _by_name(actual, wanted) if several else ({name: actual}, "", ())
    known = (mistakes or {}) if several else {name: mistakes or {}}
    checks = []
    for key, value in wanted.items():
        if key not in given:
            checks.append(ValueCheck(key, False, missing, value.shown))
            continue
        others = {f"this is what {other} should be": e.values for other, e in wanted.items() if other != key}
        wrongs = {words: _expected(array, f"mistake {words!r}").values for words, array in known.get(key, {}).items()}
        checks.append(_check(key, value, given[key], tolerance, wrongs, others))
    return Report(title, tuple(checks), notes)


# What was expected, and what came


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Numbers to compare: fractions (floats where they are not finite) and how far each may be off.

    `units` is one more in the last digit shown, `dtype` what the numbers were computed in; `has_axes` as in `Printed`.
    """

    values: Any
    units: Any
    dtype: np.dtype[Any] | None
    has_axes: bool = True

    @property
    def shown(self) -> Any:
        """The numbers as a report shows them: floats where they are decimals."""
        return self.values if self.dtype is None and not self.units.any() else _floats(self.values)


def _expected(value: Any, name: str) -> _Numbers:
    try:
        numbers = _numbers(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"check_values: {name}: {error}") from None
    if any(entry != entry for entry in numbers.values.flat):
        raise ValueError(f"check_values: {name} holds NaN, which equals nothing")
    return numbers


def _by_name(actual: Any, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """Several results by their names, what to say where one is missing, and notes."""
    if isinstance(actual, str):
        given: dict[str, Any] = dict(printed.sections(actual))
    elif isinstance(actual, Mapping):
        given = {str(key): value for key, value in actual.items()}
    else:
        return {}, f"expected results by name, in a mapping or a text, but got {_kind(actual)}", ()
    extra = [key for key in given if key not in wanted]
    notes = (f"not asked for: {', '.join(extra)}",) if extra else ()
    if given:
        return given, f"no result of this name, only {', '.join(given)}", notes
    advice = f', write "{next(iter(wanted))} = ..."' if isinstance(actual, str) else ""
    return given, f"no result has a name{advice}", notes


def _numbers(value: Any, shape: tuple[int, ...] | None = None) -> _Numbers:
    """The numbers of a text, or of a tensor, an array, lists or a single number.

    Raises:
        TypeError: what is no real number.
        ValueError: as `printed.read`; rows of different lengths; a large array of another shape than is expected, in
            which no number is worth a look.
    """
    if isinstance(value, str):
        text = printed.read(value)
        return _Numbers(text.values, text.units, text.dtype, text.has_axes)
    try:
        array = plain(value)
    except ValueError:  # NumPy's own advice on inhomogeneous shapes is about dtypes
        raise ValueError("expected rows of one length") from None
    if shape is not None and array.shape != shape and array.size > MOST_ENTRIES:
        raise ValueError(f"expected shape {shape} but got {array.shape}")
    values, units = np.empty(array.shape, dtype=object), np.zeros(array.shape, dtype=object)
    floats = [array.dtype] if array.dtype.kind == "f" else []
    for index in np.ndindex(array.shape):
        entry = array[index]
        if isinstance(entry, str):
            text = printed.read(entry)
            if text.values.shape:
                raise ValueError(f"expected a number but got {str(entry)!r}")
            entry, units[index] = text.values.item(), text.units.item()
        elif isinstance(entry, float) and array.dtype == object:
            floats.append(np.dtype(np.float64))
        values[index] = _fraction(entry)
    return _Numbers(values, units, _coarser(floats))


def _fraction(entry: Any) -> Any:
    if isinstance(entry, np.bool):
        entry = bool(entry)
    if isinstance(entry, np.generic):
        entry = entry.item() if entry.dtype != np.longdouble else entry
    if isinstance(entry, Rational):
        return Fraction(entry)
    if isinstance(entry, float | np.longdouble):
        return Fraction(*entry.as_integer_ratio()) if np.isfinite(entry) else float(entry)
    raise TypeError(f"expected real numbers but got {_kind(entry)}")


def _kind(value: Any) -> str:
    return "None" if value is None else f"{value!r}" if isinstance(value, str) else f"{type(value).__name__}"


# The comparison


def _check(
    name: str, expected: _Numbers, given: Any, tolerance: float | None, mistakes: dict[str, Any], others: dict[str, Any]
) -> ValueCheck:
    try:
        actual = _numbers(given, expected.values.shape)
    except (TypeError, ValueError) as error:
        return ValueCheck(name, False, str(error), expected.shown)
    e, a, units = expected.values, actual.values, actual.units
    if not actual.has_axes and np.squeeze(e).shape == np.squeeze(a).shape:
        a, units = a.reshape(e.shape), units.reshape(e.shape)
    # Half of the last digit shown, on the side that shows fewer, or what is allowed besides.
    half = np.asarray((np.maximum(units, expected.units) if a.shape == e.shape else units) / 2, dtype=object)
    dtype = _coarser([dtype for dtype in (expected.dtype, actual.dtype) if dtype])
    besides = _rounding(e, dtype) if tolerance is None else Fraction(tolerance)
    allowed: Any = np.asarray(np.maximum(half, np.asarray(besides, dtype=object)), dtype=object)
    exact = Check.compare(name, e, a, allowed)
    facts: dict[str, Any] = {"dtype": str(dtype)} if dtype and tolerance is None else {}
    facts |= {"tolerance": _float(besides)} if besides else {}
    if exact.passed:
        message, notes = _agreement(exact, half)
        found: tuple[Relation, ...] = ()
    else:
        found = _relations(e, a, allowed, units, mistakes, others)
        message, notes = exact.message, tuple(relation.explanation for relation in found)
    check = ValueCheck(name, exact.passed, message, e, a, exact.difference, exact.wrong, 0, facts, notes, found)
    if dtype or besides or half.any():
        check = _in_floats(check)
    return replace(check, tolerance=_float(np.max(allowed, initial=0)))


def _coarser(dtypes: list[Any]) -> np.dtype[Any] | None:
    return max(dtypes, key=lambda dtype: np.finfo(dtype).eps, default=None)


def _rounding(expected: Any, dtype: np.dtype[Any] | None) -> Fraction:
    """What is taken for the rounding of floats: eps ** (5/6) of the largest expected number."""
    largest = max((abs(value) for value in expected.flat if isinstance(value, Fraction)), default=0)
    return Fraction(float(np.finfo(dtype).eps) ** PRECISION) * largest if dtype else Fraction(0)


def _agreement(check: Check, half: Any) -> tuple[str, tuple[str, ...]]:
    rounded = [abs(d) for d, h in zip(check.difference.flat, half.flat, strict=True) if 0 < abs(d) <= h]
    if not rounded:
        return check.message, ()
    count, by = len(rounded), f"{'up to ' * (len(rounded) > 1)}{number(_float(max(rounded)), 2)}"
    which = f"{count} of them {'is' if count == 1 else 'are'}" if half.size > 1 else "it is"
    return check.message, (f"compared at the digits shown: {which} rounded, by {by}",)


def _relations(
    expected: Any, actual: Any, allowed: Any, units: Any, mistakes: dict[str, Any], others: dict[str, Any]
) -> tuple[Relation, ...]:
    """What can be said about wrong numbers."""
    if not all(isinstance(value, Fraction) for array in (expected, actual) for value in array.flat):
        return ()
    found = [Relation("mistake", words) for words, wrong in mistakes.items() if agrees(wrong, actual, allowed)]
    found += [Relation("exchanged", words) for words, other in others.items() if agrees(other, actual, allowed)]
    if not found and units.any() and expected.shape == actual.shape and is_cut_off(expected, actual, units):
        found = [Relation("truncated", "right but cut off after the digits shown, where rounding would give others")]
    return tuple(found) or relations(expected, actual, allowed)


def _in_floats(check: ValueCheck) -> ValueCheck:
    """The check with decimals in the place of fractions, for people to read."""
    floats = {key: _floats(getattr(check, key)) for key in ("expected", "actual")}
    if check.difference is None:
        return replace(check, **floats)
    floats["difference"] = _floats(check.difference)
    message = check.message if check.passed else summary(**floats, wrong=check.wrong)
    return replace(check, message=message, **floats)


def _floats(array: Any) -> Any:
    return np.asarray(np.frompyfunc(_float, 1, 1)(array), dtype=float)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf
