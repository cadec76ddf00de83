"""An exercise: the functions that a student writes, and how they are judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

from tinygrad_cnn.verify.grading.values import Case, Function, Values
from tinygrad_cnn.verify.report import Check, Report
from tinygrad_cnn.verify.rules import RuleCheck, check_rule
from tinygrad_cnn.verify.rules.trials import NOT_DONE


@dataclass(frozen=True)
class Exercise:
    """An exercise of a homework. `of_rules` and `of_values` make the usual ones.

    Attributes:
        name: by which `--exercise` finds it.
        title: a few words.
        statement: what a student is told.
        functions: the functions that are judged, by name, each with its arguments: {"dX": "dZ, X, K"}.
        check: given those of the functions that the file has (and all of `uses`), by name, returns a report with a
            check for each, called as it is. An exception out of the student's code may pass through.
        points: for each function that is right.
        is_automatic: whether a file that has one of the functions is graded on this without being asked to.
        uses: further functions of the student's that the check needs, which are not judged; as `functions`.

    Raises:
        ValueError: no functions, or points that are negative or not finite.
    """

    name: str
    title: str
    statement: str
    functions: Mapping[str, str]
    check: Callable[[Mapping[str, Function]], Report]
    points: float = 1
    is_automatic: bool = True
    uses: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.functions:
            raise ValueError(f"Exercise {self.name}: expected at least one function")
        if not (isfinite(self.points) and self.points >= 0):
            raise ValueError(f"Exercise {self.name}: expected points of 0 or more but got {self.points}")

    @property
    def max_score(self) -> float:
        """The points for all functions."""
        return self.points * len(self.functions)

    @property
    def signatures(self) -> list[str]:
        """Each function as it is called: "dX(dZ, X, K)"."""
        return [f"{name}({arguments})" for name, arguments in {**self.uses, **self.functions}.items()]

    @classmethod
    def of_rules(
        cls,
        name: str,
        title: str,
        statement: str,
        forward: Function | str,
        rules: Mapping[str, str],
        cases: Sequence[Case] | None = None,
        arithmetic: str = "auto",
        seed: int = 0,
        points: float = 1,
        is_automatic: bool = True,
    ) -> Exercise:
        """Backward rules, judged by `tg.verify.check_rule`.

        Args:
            name, title, statement, points, is_automatic: as the attributes.
            forward: a function of tensors; or the student's own, which stands in the same file: "conv(X, K, B)".
            rules: by the argument of the forward, the student's function: {"X": "dX(dZ, X, K)"}.
            cases, arithmetic, seed: as `check_rule`.
        """
        functions = {argument: _parsed(call) for argument, call in rules.items()}
        uses = dict([_parsed(forward)]) if isinstance(forward, str) else {}

        def check(given: Mapping[str, Function]) -> Report:
            operation = given[next(iter(uses))] if isinstance(forward, str) else forward
            present = {argument: given[own] for argument, (own, _) in functions.items() if own in given}
            report = check_rule(operation, present, cases, arithmetic, seed)
            checks = [replace(report[argument], name=functions[argument][0]) for argument in present]
            return Report(report.title, tuple(map(_as_homework, checks)), report.notes)

        return cls(name, title, statement, dict(functions.values()), check, points, is_automatic, uses)

    @classmethod
    def of_values(
        cls,
        name: str,
        title: str,
        statement: str,
        reference: Function,
        function: str,
        cases: Sequence[Case],
        tolerance: float | None = None,
        mistakes: Mapping[str, Function] | None = None,
        seed: int = 0,
        points: float = 1,
        is_automatic: bool = True,
    ) -> Exercise:
        """A function whose values are compared with those of a reference, by `tg.verify.check_values`.

        Args:
            name, title, statement, points, is_automatic: as the attributes.
            reference: gives the right values for NumPy arrays; takes its arguments in the order of the student's.
            function: the student's, with all its arguments: "conv2d(X, K, B, stride, padding)".
            cases: a value for each argument, shapes (tuples) standing for random integers in a float64 array:
                {"X": (5, 5), "K": (2, 2), "B": (), "stride": 2, "padding": 0}; the smallest first.
            tolerance: as `check_values`.
            mistakes: what known mistakes would give, as functions like the reference, by a sentence for each.
            seed: of the random integers.
        """
        own, arguments = _parsed(function)
        names = tuple(argument.strip() for argument in arguments.split(","))
        values = Values(reference, function, names, tuple(cases), tolerance, mistakes or {}, seed)

        def check(given: Mapping[str, Function]) -> Report:
            return Report(title, (values.check(given[own], own),))

        return cls(name, title, statement, {own: arguments}, check, points, is_automatic)


def _as_homework(check: Check) -> Check:
    """The check of a rule as a homework's.

    A right rule that spoils what others get is wrong; and who has handed in nothing yet is not told the formula.
    """
    if not isinstance(check, RuleCheck):
        return check
    if check.passed and check.changed:
        message = f"{check.message}, but it changes what it was given"
        return replace(check, passed=False, message=message, formula=None, derive=None)
    problem = check.counterexample and check.counterexample.problem
    if problem and check.failed == check.cases:
        is_written = not problem.startswith(NOT_DONE)
        case = check.counterexample if is_written else None
        return replace(
            check, message=problem, facts={}, formula=None, derive=None, expected=None, counterexample=case
        )
    return check


def _parsed(call: str) -> tuple[str, str]:
    """ "dX(dZ, X)" as the name and the arguments."""
    found = re.fullmatch(r"(\w+)\((.*)\)", call)
    if not found:
        raise ValueError(f'expected a function with its arguments, "dX(dZ, X)", but got {call!r}')
    return found[1], found[2]
