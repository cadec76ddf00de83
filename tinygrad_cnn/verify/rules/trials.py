"""Trials: a rule at a point, that is, at drawn operands and an upstream gradient, and what it gave there."""

from __future__ import annotations

import math
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.verify import tracing
from tinygrad_cnn.verify.catalogue.operation import Case
from tinygrad_cnn.verify.report import largest
from tinygrad_cnn.verify.rules import cases
from tinygrad_cnn.verify.rules.arguments import RuleArguments
from tinygrad_cnn.verify.rules.cases import Known
from tinygrad_cnn.verify.rules.forward import Forward
from tinygrad_cnn.verify.tracing.library import is_library

TOLERANCE = 1e-9
"""In float64, an entry may differ by so much of the largest expected one (or of 1, where they are smaller)."""

NOT_DONE = "it is not done yet"
"""How the problem of a rule begins that raises NotImplementedError."""

REDRAWS = 5


@dataclass(frozen=True, eq=False)
class Point:
    """Operands and an upstream gradient, and what is right there.

    Attributes:
        case: whose shapes and options these are.
        operands: arrays by the forward's names; `constants`: those without a gradient, and the options.
        dz, z: the upstream gradient and the forward's result.
        accepted: by operand, the gradients that are right: one, or several at a kink.
        on_kink: whether the forward compared equal numbers, where no convention for it is known.
        own: the operands, options and result by the operation's own names, in its layout; None for an unknown one.
        changed: the operands that the forward changed (copies: here they are as they were).
    """

    case: Case
    operands: Mapping[str, Any]
    constants: Mapping[str, Any]
    dz: Any
    z: Any
    accepted: Mapping[str, list[Any]]
    on_kink: bool
    own: Mapping[str, Any] | None
    changed: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """All that the forward was called with."""
        return {**self.operands, **self.constants}


class Points:
    """Makes points: draws the numbers of a case, and evaluates the forward there."""

    def __init__(self, forward: Forward, known: Known | None, arithmetic: str, seed: int) -> None:
        self._forward, self._known, self._arithmetic = forward, known, arithmetic
        self._rng = np.random.default_rng(seed)

    def draw(self, case: Case) -> Point:
        """A point of the case, off the kinks that have no known convention where that is possible.

        Where the forward has no finite value, as a logarithm of a negative number, positive numbers are taken.

        Raises:
            ValueError: there is none for these either.
        """
        for redraws in range(REDRAWS):
            arrays = cases.drawn(case, self._known, self._rng, self._arithmetic)
            point = self._finite(case, arrays) or self._finite(case, {n: abs(a) for n, a in arrays.items()})
            if point is None:
                break
            if not point.on_kink or redraws == REDRAWS - 1:
                return point
        raise ValueError("its result or its gradient is not finite")

    def _finite(self, case: Case, arrays: Mapping[str, Any]) -> Point | None:
        with np.errstate(all="ignore"):
            point = self.at(case, arrays, lambda shape: cases.upstream(shape, self._rng, self._arithmetic, case.data))
        found = [point.z, *(gradient for gradients in point.accepted.values() for gradient in gradients)]
        return point if all(_is_finite(array) for array in found) else None

    def at(self, case: Case, arrays: Mapping[str, Any], upstream: Callable[[Any], Any]) -> Point:
        """The point with these operands; `upstream` makes dz of the result's shape."""
        known, forward = self._known, self._forward
        fixed = {name for name in arrays if known and known.names.get(name) in known.operation.constants}
        operands = {name: array for name, array in arrays.items() if name not in fixed}
        constants = {**{name: arrays[name] for name in fixed}, **case.options}
        evaluation = forward({n: a.copy() for n, a in operands.items()}, constants)
        z = np.asarray(evaluation.z, np.float64 if self._arithmetic == "float64" else None)
        dz = upstream(z.shape)
        gradients = evaluation.gradients(dz)
        accepted = {name: [np.asarray(gradient)] for name, gradient in gradients.items()}
        constants = {n: value for n, value in forward.defaults.items() if n not in operands} | constants
        own = None
        if known:
            defaults = {n: v for n, v in constants.items() if n in known.names}
            own = known.inputs(arrays, {n: v for n, v in defaults.items() if n not in arrays}, z)
            self._add_conventions(accepted, dz, own)
        on_kink = evaluation.ties > 0 and known is None
        return Point(case, operands, constants, dz, z, accepted, on_kink, own, evaluation.changed)

    def _add_conventions(self, accepted: dict[str, list[Any]], dz: Any, own: Mapping[str, Any]) -> None:
        assert self._known is not None
        known, operation = self._known, self._known.operation
        dz = known.layout.inward("z", np.asarray(dz))
        for name, gradients in accepted.items():
            for convention in ({}, *operation.conventions) if operation.conventions else ():
                gradient = operation.rules[known.names[name]](dz, own, **convention)
                if gradient is not None:
                    gradients.append(known.layout.outward(known.names[name], gradient))


def _is_finite(array: Any) -> bool:
    """Whether no entry is a float that is NaN or infinite."""
    return all(math.isfinite(value) for value in np.ravel(array) if isinstance(value, float | np.floating))


def has_value_of(known: Known, point: Point) -> bool:
    """Whether the forward gave at the point what the operation gives."""
    assert point.own is not None
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(known.result(point.own))
    except Exception:  # the operation has no such case
        return False
    return agree(point.own["z"], value, TOLERANCE if np.asarray(point.z).dtype.kind == "f" else 0)


@dataclass(frozen=True, eq=False)
class Trial:
    """What a rule gave at a point.

    Attributes:
        actual: the array that the rule returned, or None.
        problem: why there is none.
        expected: the accepted gradient that is nearest to it.
        wrong: the wrong positions, None where the shapes differ or there is no array.
        tolerance: the largest difference that passes; 0 is equality.
        changed: the arguments that the rule changed.
        is_untraceable: whether fractions had no way through the rule.
    """

    point: Point
    actual: Any
    problem: str | None
    expected: Any
    wrong: Any
    tolerance: float = 0
    changed: tuple[str, ...] = ()
    is_untraceable: bool = False

    @property
    def difference(self) -> Any:
        """actual - expected, where both have one shape."""
        difference = np.array(self.actual - self.expected)
        for index in np.ndindex(difference.shape):
            entry: Any = difference[index]
            if hasattr(entry, "expand"):  # of symbols
                difference[index] = entry.expand()
        return difference

    @property
    def passed(self) -> bool:
        """Whether the rule is right here."""
        return self.wrong is not None and not self.wrong.any()


def agree(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two arrays have one shape and their entries differ by no more than the tolerance."""
    if np.shape(a) != np.shape(b):
        return False
    if not tolerance and np.size(a):  # of symbols one pair tells mostly, and comparing them takes long
        first = (0,) * np.ndim(a)
        if differing(np.asarray(a)[first], np.asarray(b)[first], 0).any():
            return False
    return not differing(a, b, tolerance).any()


def differing(actual: Any, expected: Any, tolerance: float) -> Any:
    """Where two arrays of one shape differ; NaN differs from everything."""
    if not tolerance:
        actual, expected = np.asarray(actual), np.asarray(expected)
        unequal = np.asarray(actual != expected, dtype=bool)
        for index in np.argwhere(unequal):
            at = tuple(index)
            if hasattr(expected[at], "free_symbols") or hasattr(actual[at], "free_symbols"):
                unequal[at] = not _is_zero(actual[at] - expected[at])
        return unequal
    difference = np.asarray(actual, dtype=np.float64) - np.asarray(expected, dtype=np.float64)
    return ~(abs(difference) <= tolerance)


def _is_zero(expression: Any) -> bool:
    """Whether a sympy expression vanishes: expanding settles polynomials, simplifying the others."""
    import sympy

    expanded = sympy.expand(expression)
    return bool(expanded == 0 or (not expanded.is_polynomial() and sympy.simplify(expanded) == 0))


@dataclass
class Rule:
    """A student's rule, run in exact arithmetic where it can be, else on float64 arrays as it is.

    Attributes:
        name: of the operand whose gradient it gives.
        function: the student's.
        arguments: what it is given.
        exact: whether it is run on fractions.
        reason: why it is not.
    """

    name: str
    function: Callable[..., Any]
    arguments: RuleArguments
    known: Known | None
    exact: bool
    reason: str | None = None
    trials: list[Trial] = field(default_factory=list)

    def check(self, points: list[Point]) -> None:
        """Run the rule at every point."""
        self.trials = [self.trial(point) for point in points]
        if not self.exact:
            return
        # A function that fractions have no way through may do well with floats: one of FFTs, or of compiled code.
        failed = next((t for t in self.trials if t.problem), None)
        if failed is not None:
            as_floats = self._trial(failed.point, exact=False)
            if as_floats.problem is None:
                self.exact, self.reason = False, failed.problem
                self.trials = [self.trial(point) for point in points]
            elif failed.is_untraceable:  # what the student's code raises by itself is what to tell
                self.trials = [as_floats if t is failed else t for t in self.trials]

    def is_right(self, points: list[Point]) -> bool:
        """Whether the rule is right at every point."""
        self.check(points)
        return all(trial.passed for trial in self.trials)

    def trial(self, point: Point) -> Trial:
        """Run the rule at a point."""
        return self._trial(self._seen(point), self.exact)

    def _seen(self, point: Point) -> Point:
        """The point as the rule sees it: the gradient of a loss may be written without dZ, for dZ = 1."""
        if self.arguments.takes_upstream or np.shape(point.z):
            return point
        accepted = {
            name: [np.asarray(gradient / point.dz) for gradient in each] for name, each in point.accepted.items()
        }
        return replace(point, dz=np.asarray(point.dz / point.dz), accepted=accepted)

    def _trial(self, point: Point, exact: bool) -> Trial:
        defaults = self.known.operation.defaults if self.known else {}
        convert: Callable[[Any], Any] = (lambda a: a) if exact else as_floats
        actual, problem, is_untraceable = None, None, False
        changed: tuple[str, ...] = ()
        try:
            arguments = {name: convert(value) for name, value in point.arguments.items()}
            given = self.arguments.values(convert(point.dz), arguments, convert(point.z), defaults)
            arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
            options = {name: value for name, value in given.items() if name not in arrays}
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                run = tracing.run(self.function, arrays, options)
            actual, changed = run.output, run.changed
        except NotImplementedError as error:
            problem = f"{NOT_DONE}{_after(error)}{_line(error)}"
        except (Exception, SystemExit) as error:  # whatever the student's code does
            problem, is_untraceable = _told(error), isinstance(error, tracing.TracingError)
        return replace(self._judged(point, actual, problem, exact, changed), is_untraceable=is_untraceable)

    def _judged(
        self, point: Point, actual: Any, problem: str | None, exact: bool, changed: tuple[str, ...]
    ) -> Trial:
        accepted = point.accepted[self.name]
        best = None
        for expected in accepted:
            shown = actual
            if actual is not None and not expected.shape and actual.size == 1:
                shown = actual.reshape(())  # a single bias as an array of one entry
            tolerance = 0.0 if exact else TOLERANCE * max(1.0, float(largest(np.asarray(expected, dtype=np.float64))))
            wrong = None
            if shown is not None and shown.shape == expected.shape:
                wrong = differing(shown, expected, tolerance)
            trial = Trial(point, shown, problem, expected, wrong, tolerance, changed)
            if best is None or (wrong is not None and (best.wrong is None or wrong.sum() < best.wrong.sum())):
                best = trial
        assert best is not None
        return best


def as_floats(value: Any) -> Any:
    """Fractions as float64; what is not numbers stays."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value.astype(np.float64)
    return float(value) if isinstance(value, Fraction) else value


def _told(error: BaseException) -> str:
    """An exception as a student reads it, with the line of the student's code."""
    return f"it raised {type(error).__name__}{_after(error)}{_line(error)}"


def _after(error: BaseException) -> str:
    """The exception's message, to stand behind something."""
    try:
        text = str(error).strip().partition("\n")[0][:300]
    except Exception:  # the student's own __str__
        return ""
    return f": {text}" if text else ""


def _line(error: BaseException) -> str:
    """The student's line that it came from."""
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_library(frame.filename)]
    return f" (line {theirs[-1].lineno}: {theirs[-1].line})" if theirs and theirs[-1].line else ""
