"""The verifications as assertions, for pytest, otter-grader, nbgrader and whatever else knows AssertionError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.verify.report import Report
from tinygrad_cnn.verify.rules import check_rule
from tinygrad_cnn.verify.values import check_values


def assert_rule(
    forward: Callable[..., Any],
    rules: Mapping[str, Callable[..., Any]],
    cases: Sequence[Mapping[str, Any]] | Callable[[np.random.Generator], Mapping[str, Any]] | None = None,
    arithmetic: str = "auto",
    seed: int = 0,
) -> None:
    """Assert that backward rules are right; the arguments are those of `check_rule`.

    Raises:
        AssertionError: a rule is wrong. The message is the whole report: the smallest case where it fails, and which
            mistake it is.

    >>> def double(X):
    ...     return 2 * X
    >>> assert_rule(double, {"X": lambda dZ: 2 * dZ}, cases=[{"X": (2, 2)}])
    >>> assert_rule(double, {"X": lambda dZ: dZ}, cases=[{"X": (2, 2)}])
    Traceback (most recent call last):
        ...
    AssertionError: backward rules of double: FAILED, 1 of 1 check
    ...
    """
    __tracebackhide__ = True  # pytest shows the line of the test, not this one
    _raise_failures(check_rule(forward, rules, cases, arithmetic, seed))


def assert_values(
    expected: Any,
    actual: Any,
    tolerance: float | None = None,
    name: str = "result",
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """Assert that results, as numbers or as they were printed, are right; the arguments are those of `check_values`.

    Raises:
        AssertionError: a number is wrong, or there is none. The message is the whole report.

    >>> assert_values([[19, -19]], "19 -19")
    >>> assert_values([[19, -19]], "21 -19")
    Traceback (most recent call last):
        ...
    AssertionError: values: FAILED, 1 of 1 check
    <BLANKLINE>
      FAILED  result  1 of 2 entries is wrong, by 2
    ...
    """
    __tracebackhide__ = True
    _raise_failures(check_values(expected, actual, tolerance, name, "values", mistakes))


def _raise_failures(report: Report) -> None:
    __tracebackhide__ = True
    if not report:
        raise AssertionError(str(report))
