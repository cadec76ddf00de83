"""Judging a function by its values: what it gives, case by case, against what a reference gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_cnn.verify.report import Check, plain
from tinygrad_cnn.verify.values import check_values

Function = Callable[..., Any]
Case = Mapping[str, Any]

SMALL = 30
"""Entries; an argument of no more is shown."""


@dataclass(frozen=True)
class Values:
    """What an exercise of values asks for.

    Attributes:
        reference: gives the right values.
        call: the student's function as it is called, "conv2d(X, K, B, stride, padding)"; `names` are its arguments.
        cases: a value for each argument, a shape standing for random integers; the smallest first.
        tolerance: as `check_values`.
        mistakes: what known mistakes give, by a sentence for each.
        seed: of the random integers.
    """

    reference: Function
    call: str
    names: tuple[str, ...]
    cases: tuple[Case, ...]
    tolerance: float | None
    mistakes: Mapping[str, Function]
    seed: int

    def check(self, function: Function, name: str) -> Check:
        """The check of the first case that fails, or of all."""
        try:
            inspect.signature(function).bind(*self.names)
        except TypeError:
            return Check(name, False, f"can't be called as {self.call}: it takes {inspect.signature(function)}")
        except ValueError:  # a function of C that does not say what it takes
            pass
        rng = np.random.default_rng(self.seed)
        for case in self.cases:
            check = self._check_in(case, function, name, rng)
            if not check.passed:
                return check
        return Check(name, True, f"right in all {len(self.cases)} cases" if len(self.cases) > 1 else "right")

    def _check_in(self, case: Case, function: Function, name: str, rng: np.random.Generator) -> Check:
        arguments = {n: _drawn(case[n], rng) for n in self.names}
        given = _copies(arguments)
        actual, problem = _array(function(*given))
        changed = [n for n, copy in zip(arguments, given, strict=True) if not np.array_equal(arguments[n], copy)]
        change = f"changes its argument{'s' * (len(changed) > 1)} {' and '.join(changed)}: work on a copy"
        facts = {n: _in_a_line(a) for n, a in arguments.items() if isinstance(a, np.ndarray) and a.size <= SMALL}
        notes = (f"it {change}",) if changed else ()
        where = f"with {', '.join(_shown(n, case[n]) for n in self.names)}"
        if problem:
            return Check(name, False, f"{where}: {problem}", facts=facts, notes=notes)
        mistakes = {sentence: mistake(*_copies(arguments)) for sentence, mistake in self.mistakes.items()}
        expected = self.reference(*_copies(arguments))
        compared = check_values(expected, actual, self.tolerance, name, mistakes=mistakes)[name]
        if not compared.passed:
            said, facts, notes = f"{where}: {compared.message}", {**facts, **compared.facts}, (*compared.notes, *notes)
            return replace(compared, message=said, facts=facts, notes=notes)
        return Check(name, False, f"{where}: {change}") if changed else compared


def _drawn(value: Any, rng: np.random.Generator) -> Any:
    """A shape as an array of random integers from -9 to 9; anything else as it is."""
    return np.asarray(rng.integers(-9, 10, value), dtype=np.float64) if isinstance(value, tuple) else value


def _copies(arguments: Mapping[str, Any]) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in arguments.values()]


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


def _in_a_line(array: Any) -> str:
    """A small array of whole numbers."""
    return str(array.astype(int).tolist())
