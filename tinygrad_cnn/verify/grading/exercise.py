"""An exercise: the functions that a student writes, and how they are judged."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np

from tinygrad_cnn.verify.report import Check, Report, plain
from tinygrad_cnn.verify.values import check_values

Function = Callable[..., Any]
Case = Mapping[str, Any]


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
            from tinygrad_cnn.verify.rules import check_rule

            operation = given[next(iter(uses))] if isinstance(forward, str) else forward
            present = {argument: given[own] for argument, (own, _) in functions.items() if own in given}
            report = check_rule(operation, present, cases, arithmetic, seed)
            checks = [replace(report[argument], name=functions[argument][0]) for argument in present]
            return Report(report.title, tuple(map(_failed_where_it_changed_something, checks)), report.notes)

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
        values = _Values(reference, function, names, tuple(cases), tolerance, mistakes or {}, seed)

        def check(given: Mapping[str, Function]) -> Report:
            return Report(title, (_compared(given[own], own, values),))

        return cls(name, title, statement, {own: arguments}, check, points, is_automatic)


def _failed_where_it_changed_something(check: Any) -> Check:
    """A right rule that spoils what others get is wrong in a homework."""
    if check.passed and check.changed:
        return replace(check, passed=False, message=f"{check.message}, but it changes what it was given")
    return check


def _parsed(call: str) -> tuple[str, str]:
    """ "dX(dZ, X)" as the name and the arguments."""
    found = re.fullmatch(r"(\w+)\((.*)\)", call)
    if not found:
        raise ValueError(f'expected a function with its arguments, "dX(dZ, X)", but got {call!r}')
    return found[1], found[2]


@dataclass(frozen=True)
class _Values:
    """What an exercise of values asks for; the fields are the arguments of `Exercise.of_values`."""

    reference: Function
    call: str
    names: tuple[str, ...]
    cases: tuple[Case, ...]
    tolerance: float | None
    mistakes: Mapping[str, Function]
    seed: int


def _compared(function: Function, name: str, asked: _Values) -> Check:
    """The check of the first case that fails, or of all."""
    try:
        inspect.signature(function).bind(*asked.names)
    except TypeError:
        return Check(name, False, f"can't be called as {asked.call}: it takes {inspect.signature(function)}")
    except ValueError:  # a function of C that does not say what it takes
        pass
    rng = np.random.default_rng(asked.seed)
    for case in asked.cases:
        check = _compared_in(function, name, asked, case, rng)
        if not check.passed:
            return check
    return Check(name, True, f"right in all {len(asked.cases)} cases" if len(asked.cases) > 1 else "right")


def _compared_in(function: Function, name: str, asked: _Values, case: Case, rng: np.random.Generator) -> Check:
    arguments = [_drawn(case[n], rng) for n in asked.names]
    given = [_copied(argument) for argument in arguments]
    actual, problem = _array(function(*given))
    changed = [n for n, a, b in zip(asked.names, arguments, given, strict=True) if not np.array_equal(a, b)]
    change = f"changes its argument{'s' * (len(changed) > 1)} {' and '.join(changed)}: work on a copy"
    about = {
        "facts": {n: _flat(a) for n, a in zip(asked.names, arguments, strict=True) if _is_small_array(a)},
        "notes": (f"it {change}",) if changed else (),
    }
    where = f"with {', '.join(_shown(n, case[n]) for n in asked.names)}"
    if problem:
        return Check(name, False, f"{where}: {problem}", **about)

    def value(of: Function) -> Any:
        return of(*[_copied(argument) for argument in arguments])

    mistakes = {sentence: value(mistake) for sentence, mistake in asked.mistakes.items()}
    compared = check_values(value(asked.reference), actual, asked.tolerance, name, mistakes=mistakes)[name]
    if not compared.passed:
        return replace(
            compared,
            message=f"{where}: {compared.message}",
            facts={**about["facts"], **compared.facts},
            notes=(*compared.notes, *about["notes"]),
        )
    return Check(name, False, f"{where}: {change}") if changed else compared


def _drawn(value: Any, rng: np.random.Generator) -> Any:
    """A shape as an array of random integers from -9 to 9; anything else as it is."""
    return np.asarray(rng.integers(-9, 10, value), dtype=np.float64) if isinstance(value, tuple) else value


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _array(value: Any) -> tuple[Any, str | None]:
    """What a function returned as an array of numbers, or what it is instead."""
    if value is None:
        return None, "returns nothing (None): is there a return?"
    try:
        array = plain(value)
    except (TypeError, ValueError) as error:
        return None, f"returns a {type(value).__name__} that is no array: {error}"
    if array.dtype.kind not in "biufc":
        what = f"an array of {array.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        return None, f"returns {what}, not an array of numbers"
    return array, None


def _shown(name: str, value: Any) -> str:
    return f"{name} of shape {value}" if isinstance(value, tuple) else f"{name}={value!r}"


def _is_small_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size <= 30


def _flat(array: Any) -> str:
    """A small array in one line."""
    integers = np.vectorize(int, otypes=[object])(array) if array.size else array
    return str(integers.tolist())
