"""What a verification found: named checks in a report that reads as text, as a page, as JSON and as JUnit XML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Rational
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.verify.content import Comparison, Facts, Paragraph, Part


@dataclass(frozen=True, eq=False)
class Check:
    """One thing that was verified.

    Attributes:
        name: by which the report finds it.
        passed: whether it holds.
        message: what was found, in a sentence.
        expected, actual: the arrays that were compared, or None.
        difference: actual - expected, or None where the shapes differ or nothing was compared.
        wrong: which entries are wrong, an array of bools of the same shape, or None as `difference`.
        tolerance: the largest absolute difference that passes; 0 is equality.
        error: the largest absolute difference (NaN where one is NaN), or None as `difference`.
        facts: what else there is to know, by label.
        notes: further sentences.
    """

    name: str
    passed: bool
    message: str
    expected: Any = None
    actual: Any = None
    difference: Any = None
    wrong: Any = None
    tolerance: float = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def compare(
        cls,
        name: str,
        expected: Any,
        actual: Any,
        tolerance: float = 0,
        message: str | None = None,
        facts: Mapping[str, Any] | None = None,
        notes: tuple[str, ...] = (),
        **more: Any,
    ) -> Check:
        """A check that passes when shapes are equal and no entry differs by more than the tolerance; NaN is wrong.

        Fractions and integers are compared exactly. Without a message it says how many entries agree.

        >>> Check.compare("z", [19, -19], [21, -19]).message
        '1 of 2 entries is wrong, by 2'
        """
        expected, actual = plain(expected), plain(actual)
        passed, difference, wrong = expected.shape == actual.shape, None, None
        if passed:
            difference = _difference(expected, actual)
            wrong = _exceeds(difference, tolerance)
            passed = not wrong.any()
        if message is None:
            message = summary(expected, actual, difference, wrong)
        return cls(name, passed, message, expected, actual, difference, wrong, tolerance, facts or {}, notes, **more)

    @property
    def error(self) -> Any:
        """The largest absolute difference."""
        return None if self.difference is None else largest(self.difference)

    @property
    def tags(self) -> tuple[str, ...]:
        """The names in the message that stand in a catalogue."""
        return ()

    def parts(self) -> list[Part]:
        """What stands below the message in a text or on a page."""
        parts: list[Part] = [Facts(self.facts)] if self.facts else []
        return [*parts, *map(Paragraph, self.notes), *self.comparison(self.name)]

    def comparison(self, name: str, labels: tuple[str, str] = ("expected", "actual")) -> list[Part]:
        """The arrays that were compared, where they differ."""
        differ = self.wrong.any() if self.wrong is not None else self.expected is not None and self.actual is not None
        if self.passed or not differ:
            return []
        return [Comparison(name, labels, self.expected, self.actual, self.difference, self.wrong)]

    def to_dict(self) -> dict[str, Any]:
        """The check in JSON's types: arrays as nested lists, fractions and numbers that are not finite as text."""
        return {
            "name": self.name,
            "passed": self.passed,
            "message": self.message,
            "shape": None if self.expected is None else list(np.shape(self.expected)),
            "expected": to_json_types(self.expected),
            "actual": to_json_types(self.actual),
            "difference": to_json_types(self.difference),
            "wrong": None if self.wrong is None else np.argwhere(self.wrong).tolist(),
            "tolerance": to_json_types(self.tolerance),
            "error": to_json_types(self.error),
            "facts": {label: to_json_types(value) for label, value in self.facts.items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Report:
    """The checks of one verification; true when every one passed.

    `report["x"]` is the check of that name, `for check in report` goes through them, `str(report)` reads in 80 columns.

    Raises:
        ValueError: no check at all, which would pass without having verified anything, or two of one name.

    >>> report = Report("homework 1", (Check.compare("z", [19, -19], [21, -19]),))
    >>> bool(report), report["z"].error
    (False, 2)
    >>> print(report)
    homework 1: FAILED, 1 of 1 check
    <BLANKLINE>
      FAILED  z  1 of 2 entries is wrong, by 2
    <BLANKLINE>
              expected   actual     difference
               19 -19    *21 -19    *2  0
    <BLANKLINE>
    * marks a wrong entry
    """

    title: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", tuple(self.checks))
        object.__setattr__(self, "notes", tuple(self.notes))
        names = [check.name for check in self.checks]
        if not names:
            raise ValueError("Report: expected at least one check; a report without any would pass")
        if len(set(names)) < len(names):
            raise ValueError(f"Report: each check needs a name of its own but they are {', '.join(names)}")

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def __bool__(self) -> bool:
        return self.passed

    def __len__(self) -> int:
        return len(self.checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __contains__(self, name: object) -> bool:
        return any(check.name == name for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        names = ", ".join(check.name for check in self.checks)
        raise KeyError(f"{self.title}: no check named {name!r}; there are {names}")

    def __repr__(self) -> str:
        failed = ", ".join(check.name for check in self.failures)
        return f"<Report {self.title}: {f'failed {failed}' if failed else 'passed'}>"

    def __str__(self) -> str:
        from tinygrad_cnn.verify.text import render

        return render(self)

    def _repr_html_(self) -> str:
        from tinygrad_cnn.verify.page import fragment

        return fragment(self)

    def to_html(self) -> str:
        """A page that needs no other file, readable on a light and on a dark screen."""
        from tinygrad_cnn.verify.page import page

        return page(self)

    def to_json(self, indent: int | None = None) -> str:
        """The report as JSON: title, passed, notes and checks with their arrays; `Check.to_dict` says how."""
        return json.dumps(
            {
                "title": self.title,
                "passed": self.passed,
                "notes": list(self.notes),
                "checks": [check.to_dict() for check in self.checks],
            },
            indent=indent,
            allow_nan=False,
        )

    def to_junit(self) -> str:
        """The report as JUnit XML, which graders and CI servers read: one test case for each check."""
        from tinygrad_cnn.verify.text import details

        counts = {"name": legal_xml(self.title), "tests": str(len(self)), "failures": str(len(self.failures))}
        suites = ElementTree.Element("testsuites", counts)
        suite = ElementTree.SubElement(suites, "testsuite", counts | {"errors": "0", "skipped": "0"})
        for check in self.checks:
            named = {"classname": legal_xml(self.title), "name": legal_xml(check.name)}
            case = ElementTree.SubElement(suite, "testcase", named)
            if check.passed:
                ElementTree.SubElement(case, "system-out").text = legal_xml("\n".join([check.message, *check.notes]))
            else:
                failure = ElementTree.SubElement(case, "failure", type="Mismatch", message=legal_xml(check.message))
                failure.text = legal_xml("\n".join([check.message, *details(check)]))
        ElementTree.indent(suites)
        return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def plain(value: Any) -> Any:
    """A copy of a tensor, an array or numbers as a NumPy array; of fractions and other objects, one of objects."""
    if isinstance(value, Tensor):
        value = value.numpy()
    return np.array(backend.to_numpy(value))


def largest(difference: Any) -> Any:
    """The largest absolute value; 0 of an empty array, NaN where there is one."""
    magnitudes = np.asarray(abs(difference))
    if magnitudes.dtype != object:
        return magnitudes.max(initial=0).item()
    worst: Any = 0
    for magnitude in magnitudes.flat:
        if magnitude != magnitude:
            return math.nan
        if hasattr(magnitude, "free_symbols"):  # symbols have no order
            return magnitude
        worst = max(worst, magnitude)
    return worst


def _difference(expected: Any, actual: Any) -> Any:
    kinds = expected.dtype.kind + actual.dtype.kind
    if "O" not in kinds and "f" in kinds:
        wide = np.result_type(expected.dtype, actual.dtype, np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.subtract(actual, expected, dtype=wide)
            return np.asarray(np.where(actual == expected, 0, difference))  # infinity - infinity would be NaN
    return np.asarray(np.frompyfunc(_minus, 2, 1)(actual.astype(object), expected.astype(object)), dtype=object)


def _minus(actual: Any, expected: Any) -> Any:
    """The difference of two objects: exact between a float and a fraction, 0 between equal infinities."""
    if isinstance(actual, Rational) and isinstance(expected, float) and math.isfinite(expected):
        expected = Fraction(expected)
    elif isinstance(expected, Rational) and isinstance(actual, float) and math.isfinite(actual):
        actual = Fraction(actual)
    return 0 if isinstance(actual, float) and actual == expected else actual - expected


def _exceeds(difference: Any, tolerance: float) -> Any:
    with np.errstate(invalid="ignore"):
        return ~np.asarray(abs(difference) <= tolerance, dtype=bool)  # NaN is wrong too


def summary(expected: Any, actual: Any, difference: Any, wrong: Any) -> str:
    """How many entries agree, or are wrong and by how much, or which shapes differ: a check's message."""
    if wrong is None:
        return f"expected shape {expected.shape} but got {actual.shape}"
    count, size = int(wrong.sum()), wrong.size
    if not count:
        return "no entries" if not size else "1 entry agrees" if size == 1 else f"all {size} entries agree"
    from tinygrad_cnn.verify.excerpt import number

    worst = largest(difference)
    by = "" if isinstance(worst, float) and math.isnan(worst) else f", by {'up to ' * (count > 1)}{number(worst)}"
    return f"{count} of {size} entr{'y is' if size == 1 else 'ies is' if count == 1 else 'ies are'} wrong{by}"


def to_json_types(value: Any) -> Any:
    """In JSON's types; a number that JSON can't hold exactly becomes its text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray):
        return to_json_types(value.tolist())
    if isinstance(value, np.generic):
        return to_json_types(value.item())
    if isinstance(value, list | tuple):
        return [to_json_types(element) for element in value]
    if isinstance(value, Mapping):
        return {str(label): to_json_types(element) for label, element in value.items()}
    if isinstance(value, Fraction) and value.denominator == 1:
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def legal_xml(text: str) -> str:
    """The text without the characters that XML does not know."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
