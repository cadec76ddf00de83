"""check_rule: a student's backward rules against the gradient of their forward, in a whole family of cases."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_cnn.tensor import tensor
from tinygrad_cnn.verify import tracing
from tinygrad_cnn.verify.catalogue import OPERATIONS
from tinygrad_cnn.verify.catalogue.operation import Case
from tinygrad_cnn.verify.report import Check, Report
from tinygrad_cnn.verify.rules.arguments import RuleArguments, UnknownArgumentError, parameters_of
from tinygrad_cnn.verify.rules.cases import Known, candidates, given_cases
from tinygrad_cnn.verify.rules.diagnosis import Detective
from tinygrad_cnn.verify.rules.forward import Forward
from tinygrad_cnn.verify.rules.remarks import remarks
from tinygrad_cnn.verify.rules.result import EXACT, Counterexample, RuleCheck
from tinygrad_cnn.verify.rules.shrink import smallest
from tinygrad_cnn.verify.rules.trials import Point, Points, Rule, has_value_of

ARITHMETICS = ("auto", "exact", "float64", "symbolic")
WORDS = {"exact": EXACT, "float64": "float64", "symbolic": "symbols"}

FEWEST_POINTS = 6
"""Of fewer cases, several points are drawn of each."""

MOST_SYMBOLS = 24
"""Of a family, the cases with at most so many entries are checked in symbols."""


def check_rule(
    forward: Callable[..., Any],
    rules: Mapping[str, Callable[..., Any]],
    cases: Sequence[Mapping[str, Any]] | Callable[[np.random.Generator], Mapping[str, Any]] | None = None,
    arithmetic: str = "auto",
    seed: int = 0,
) -> Report:
    """Check backward rules, as a student wrote them, against the gradient of their forward.

    Every rule is run in a family of cases: shapes, strides, paddings, with random integers. In the exact arithmetic
    these are fractions, so that a rule is right or wrong and there is no tolerance to argue about. Where a rule is
    wrong, the report has the smallest case where it fails and, if the catalogue has it (`mistakes()`), the name of the
    mistake, or of two at once: the right rule with that mistake gives in every case what the rule gave.

    Args:
        forward: a function of tensors, a primitive, or plain NumPy code with its loops. That is run on arrays of scalar
            tensors, as it is written, so that it becomes a scalar graph whose gradient is known.
        rules: by the forward's parameter, a function of (dZ, arguments), giving an array of that argument's shape. It
            is given what its parameters name: arguments of the forward, `dZ` (or `dout`, ...), `Z` (the result),
            `X_shape`, `cache` (all arguments); its first parameter is dZ if none is called so. It gets plain
            NumPy arrays.
        cases: dicts of shapes and options, {"X": (5, 5), "K": (2, 2), "B": (), "stride": 2}, or arrays in place of
            shapes; or a function of a `numpy.random.Generator` that draws one. None takes the family of the operation
            that the forward is, in the arrangement of axes that it accepts: known by its parameters' names and then by
            its values.
        arithmetic: "exact" (fractions), "float64" (with a tolerance, which the report shows), "symbolic" (sympy), or
            "auto": exact, and float64 where the forward or a rule has no exact value (exp, log, tanh).
        seed: of the random numbers.

    Returns:
        A `Report` with a `RuleCheck` for each rule, by its key in `rules`.

    Raises:
        TypeError: something that is no function; a forward that gives no array.
        ValueError: no rules; a rule for something that the forward has not; no cases for a forward that is not known; a
            case that the forward refuses.

    >>> import numpy as np
    >>> def conv(X, K):
    ...     Z = np.zeros((X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1))
    ...     for i in range(Z.shape[0]):
    ...         for j in range(Z.shape[1]):
    ...             Z[i, j] = np.sum(X[i : i + K.shape[0], j : j + K.shape[1]] * K)
    ...     return Z
    >>> def dK(dZ, X):
    ...     return conv(X, dZ)
    >>> def dX(dZ, K):
    ...     return conv(np.pad(dZ, ((K.shape[0] - 1,) * 2, (K.shape[1] - 1,) * 2)), K)
    >>> report = check_rule(conv, {"X": dX, "K": dK})
    >>> report["K"].passed, report["X"].passed, report["X"].diagnosis.name
    (True, False, 'kernel-not-rotated')
    """
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"check_rule: arithmetic must be one of {', '.join(ARITHMETICS)} but is {arithmetic!r}")
    if not isinstance(rules, Mapping) or not rules:
        raise ValueError('check_rule: rules must be a dict with a function for each argument, {"X": dX}, and not empty')
    for name, rule in rules.items():
        if not callable(rule):
            raise TypeError(f"check_rule: the rule for {name} must be a function but is {type(rule).__name__}")
    if arithmetic == "symbolic" and importlib.util.find_spec("sympy") is None:
        raise ModuleNotFoundError("check_rule: symbolic arithmetic needs sympy; pip install tinygrad_cnn[verify]")
    return _Examination(forward, rules, cases, arithmetic, seed).report()


class _Examination:
    """One call of check_rule."""

    def __init__(self, forward: Any, rules: Mapping[str, Any], cases: Any, arithmetic: str, seed: int) -> None:
        self._function, self._forward = forward, Forward(forward)
        self._rules, self._seed, self._are_given = rules, seed, cases is not None
        self._operands = {self._operand(name): name for name in rules}
        self._arithmetic = "exact" if arithmetic == "auto" else arithmetic
        self._notes: list[str] = []
        try:
            self._known, self._points = self._settle(cases)
        except tracing.NotExact as error:
            if arithmetic != "auto":
                raise
            self._arithmetic = "float64"
            self._notes.append(f"in float64, within a tolerance, since {error.function} has no exact value")
            self._known, self._points = self._settle(cases)

    def _operand(self, name: str) -> str:
        """The forward's parameter that a rule's key means: X for "X" or "dX"."""
        names = self._forward.names
        if not names or name in names:
            return name
        if name.startswith("d") and name[1:] in names:
            return name[1:]
        for operation in OPERATIONS:
            if self._function is operation.function and (own := operation.own_name(name.removeprefix("d"))):
                return own
        raise ValueError(f"check_rule: a rule for {name}, but {self._forward.title} has {', '.join(names)}")

    def _settle(self, cases: Any) -> tuple[Known | None, list[Point]]:
        """Which operation the forward is, and a point for each case."""
        known = candidates(self._forward, self._operands, OPERATIONS, self._function)
        if cases is not None:
            given = given_cases(cases, self._forward, self._operands, np.random.default_rng(self._seed))
            if not given:
                raise ValueError("check_rule: no cases; a report without any would pass")
            given *= -(-FEWEST_POINTS // len(given))
            points = self._drawn(None, given)
            for k in known:
                more = [replace(case, data="ties") for case in given if k.operation.conventions and not case.given]
                if own := self._confirmed(k, [*given, *self._in_fractions(given), *more], []):
                    return k, own
            return None, points + self._drawn(None, self._in_fractions(given))
        refusals: list[BaseException] = []
        differing: tuple[Known, tuple[Case, ...]] | None = None
        for k in known:
            family = self._family(k)
            refused = len(refusals)
            if family and (own := self._confirmed(k, family, refusals)):
                return k, own
            if family and len(refusals) == refused and differing is None:
                differing = k, family
        if differing is not None and (points := self._those_that_run(differing[1])):
            self._notes.append(
                f"{self._forward.title} has the arguments of {differing[0].operation.name} but gives other values: the "
                "rules are checked against its own gradient, and of mistakes only the general ones are known by name"
            )
            return None, points
        why = f"; it was tried with cases of {known[0].operation.name}: {refusals[0]}" if refusals else ""
        raise ValueError(
            f"check_rule: which cases suit {self._forward.title}({', '.join(self._forward.names)}) is not known{why}; "
            'give them: cases=[{"X": (3, 3), "K": (2, 2), "stride": 1}, ...]'
        ) from (refusals[0] if refusals else None)

    def _family(self, known: Known) -> tuple[Case, ...]:
        """The operation's cases in the forward's names and layout."""
        asked = self._asked() if known.operation.function is self._function else None
        cases = (case for case in known.operation.cases if known.suits(case, asked) and self._is_fit(case))
        family = tuple(known.theirs(case) for case in cases)
        return (*family * -(-FEWEST_POINTS // len(family)), *self._in_fractions(family)) if family else ()

    def _in_fractions(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """Two of the cases once more, with numbers that are no integers: these would hide that a rule rounds."""
        plain = [case for case in cases if case.data == "distinct" and not case.given]
        return tuple(replace(case, data="fractions") for case in plain[:2]) if self._arithmetic == "exact" else ()

    def _asked(self) -> set[str] | None:
        """The names that the rules ask for; None where one takes whatever there is."""
        names = {p.name for rule in self._rules.values() for p in parameters_of(rule)}
        return None if "cache" in names else names

    def _is_fit(self, case: Case) -> bool:
        """Whether the case suits the arithmetic: symbols have no order, and formulas in many of them take long."""
        return self._arithmetic != "symbolic" or (case.size <= MOST_SYMBOLS and case.data != "ties")

    def _drawn(self, known: Known | None, cases: Sequence[Case], makes: Points | None = None) -> list[Point]:
        """A point for each case.

        Raises:
            ValueError: a case that the forward refuses.
        """
        makes = makes or Points(self._forward, known, self._arithmetic, self._seed)
        drawn = []
        for case in cases:
            try:
                drawn.append(makes.draw(case))
            except tracing.NotExact:
                raise
            except Exception as error:
                raise ValueError(
                    f"check_rule: {self._forward.title} with {_described(case)} raised {type(error).__name__}: {error}"
                ) from error
        return drawn

    def _confirmed(self, known: Known, cases: Sequence[Case], refusals: list[BaseException]) -> list[Point] | None:
        """The points, if the forward's values are there those of the operation.

        It may refuse some cases, and mean something else by a pair of strides or paddings.
        """
        points: list[Point] = []
        refused = 0
        makes = Points(self._forward, known, self._arithmetic, self._seed)
        for case in cases:
            try:
                (point,) = self._drawn(known, [case], makes)
            except ValueError as error:
                refusals.append(error.__cause__ or error)
                refused += 1
                if refused > len(cases) // 2 or not points:
                    return None
                continue
            if known.operation.function is self._function or has_value_of(known, point):
                points.append(point)
            elif not any(isinstance(value, tuple) for value in case.options.values()):
                return None
        return points

    def _those_that_run(self, cases: Sequence[Case]) -> list[Point]:
        points: list[Point] = []
        makes = Points(self._forward, None, self._arithmetic, self._seed)
        for case in cases:
            with suppress(ValueError):
                points += self._drawn(None, [case], makes)
        return points

    def report(self) -> Report:
        """Every rule at every point."""
        makes = Points(self._forward, self._known, self._arithmetic, self._seed)
        clear = [point for point in self._points if not point.on_kink] or self._points
        checks = [self._check(operand, key, clear, makes) for operand, key in self._operands.items()]
        if self._known and not self._are_given and not all(check.passed for check in checks):
            self._notes += self._other_readings(self._known)
        if changed := sorted({name for point in self._points for name in point.changed}):
            self._notes.append(
                f"{self._forward.title} changes its argument{'s' * (len(changed) > 1)} {', '.join(changed)}: "
                "the rules are given what was there before"
            )
        return Report(f"backward rules of {self._forward.title}", tuple(checks), tuple(self._notes))

    def _other_readings(self, known: Known) -> list[str]:
        """Other shapes that the forward takes as well, if all rules are right there: perhaps these are meant."""
        for other in candidates(self._forward, self._operands, OPERATIONS, self._function):
            if other.operation is not known.operation or other.layout is known.layout:
                continue
            points = self._confirmed(other, self._family(other), [])
            if points and all(self._rule(operand, other).is_right(points) for operand in self._operands):
                case = points[0].case
                given = {**case.shapes, **case.options}
                found = f"Checked for {known.layout.name}; for {other.layout.name} all is right."
                return [f"{found} If that is what the rules are written for, give cases=[{given}, ...]."]
        return []

    def _rule(self, operand: str, known: Known | None) -> Rule:
        """A rule, as it is called for an operation.

        Raises:
            UnknownArgumentError: it asks for something that there is not.
        """
        function = self._rules[self._operands[operand]]
        operation = known.operation if known else None
        arguments = RuleArguments(function, list(self._forward.names), operation, operand)
        return Rule(operand, function, arguments, known, self._arithmetic != "float64")

    def _check(self, operand: str, key: str, points: list[Point], makes: Points) -> Check:
        formula = self._known.operation.formulas.get(self._known.names[operand]) if self._known else None
        try:
            rule = self._rule(operand, self._known)
        except UnknownArgumentError as error:
            return RuleCheck(key, False, str(error), formula=formula)
        rule.check(points)
        trials = rule.trials
        failed = [trial for trial in trials if not trial.passed]
        facts = {"arithmetic": WORDS[self._arithmetic if rule.exact else "float64"], "cases": len(trials)}
        if not rule.exact:
            facts["tolerance"] = max(trial.tolerance for trial in trials)
        changed = tuple(sorted({name for trial in trials for name in trial.changed}))
        notes = tuple(self._rule_notes(rule, changed))
        label = key if key != operand else f"d{key}"
        common: dict[str, Any] = {
            "label": label, "formula": formula, "cases": len(trials), "changed": changed,
            "facts": facts, "notes": notes,
        }  # fmt: skip
        count = f"{len(trials)} cases"
        every = f"all {count}" if len(trials) > 1 else "the one case"
        if not failed:
            equal = "exactly the gradient" if rule.exact else "the gradient, within the tolerance,"
            return RuleCheck(key, True, f"{equal} in {every}", derive=self._derivation(operand, points[0]), **common)
        detective = Detective(operand, label, self._known, trials)
        diagnosis = detective.diagnosis()
        shown = smallest(rule, makes, self._known, self._arithmetic, failed, detective.is_shown_by)
        counterexample = Counterexample(
            dict(shown.point.operands), dict(shown.point.constants), shown.point.dz, shown.expected, shown.actual,
            shown.wrong, shown.problem, self._defaults(),
        )  # fmt: skip
        where = f"in {len(failed)} of {count}" if len(failed) < len(trials) else f"in {every}"
        message = f"wrong {where}"
        if all(trial.problem for trial in failed):
            message = f"failed {where}: {shown.problem}"
        elif diagnosis:
            message = f"{message}: {diagnosis.name}"
        return RuleCheck(
            key, False, message, failed=len(failed), diagnosis=diagnosis, counterexample=counterexample,
            remarks=() if diagnosis else tuple(remarks(rule)), tolerance=shown.tolerance,
            expected=shown.expected, actual=shown.actual, difference=None if shown.wrong is None else shown.difference,
            wrong=shown.wrong, derive=self._derivation(operand, failed[0].point), **common,
        )  # fmt: skip

    def _derivation(self, operand: str, point: Point) -> Callable[[], Any] | None:
        """What derives the right gradient at a point, in the names of the forward's parameters."""
        known, own = self._known, point.own
        if known is None or own is None or not known.operation.is_derived:
            return None
        inputs, operation = own, known.operation
        theirs = {mine: name for name, mine in known.names.items()}

        def derive() -> Any:
            from tinygrad_cnn.verify.derivation import derive

            operands = {
                name: inputs[name]
                if name in operation.constants
                else tensor(inputs[name], requires_grad=True, name=theirs.get(name, name))
                for name in operation.operands
                if name in inputs
            }
            z = known.result({**inputs, **operands})
            z.name = "Z"
            return derive(z, operands[known.names[operand]])

        return derive

    def _defaults(self) -> dict[str, Any]:
        """The defaults of the forward's options, else those of the operation."""
        known = self._known
        theirs = {name: known.operation.defaults.get(own) for name, own in known.names.items()} if known else {}
        return {**theirs, **self._forward.defaults}

    @staticmethod
    def _rule_notes(rule: Rule, changed: tuple[str, ...]) -> list[str]:
        notes = []
        if not rule.arguments.takes_upstream and not np.shape(rule.trials[0].point.z):
            notes.append("It takes no dZ: checked with dZ = 1.")
        if rule.reason:
            notes.append(f"Run on float64, since on fractions {rule.reason}.")
        if changed:
            notes.append(f"It changes its argument{'s' * (len(changed) > 1)} {', '.join(changed)}: work on a copy.")
        return notes


def _described(case: Case) -> str:
    return ", ".join(f"{name} {value}" for name, value in {**case.shapes, **case.options}.items())
