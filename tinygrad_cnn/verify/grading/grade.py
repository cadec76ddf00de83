"""Grading a file: every exercise in a process of its own, so that what happens to one leaves the others alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinygrad_cnn.verify.grading.exercise import Exercise
from tinygrad_cnn.verify.grading.failures import Failure
from tinygrad_cnn.verify.grading.limits import Limits
from tinygrad_cnn.verify.grading.process import Outcome, Output, run
from tinygrad_cnn.verify.grading.registry import exercises
from tinygrad_cnn.verify.grading.rendering import FunctionResult, pieces
from tinygrad_cnn.verify.report import Check


@dataclass(frozen=True)
class ExerciseResult:
    """What became of an exercise.

    Attributes:
        name, title: the exercise's.
        functions: each function that it asks for.
        notes: what else there is to know, in sentences.
        output: what the file printed meanwhile.
        seconds: how long it took, without starting the checker.
    """

    name: str
    title: str
    functions: tuple[FunctionResult, ...]
    notes: tuple[str, ...] = ()
    output: Output = field(default_factory=Output)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every function is right."""
        return all(function.passed for function in self.functions)

    @property
    def score(self) -> float:
        """The points of the right functions."""
        return sum(function.score for function in self.functions)

    @property
    def max_score(self) -> float:
        """The points of all functions."""
        return sum(function.max_score for function in self.functions)


@dataclass(frozen=True)
class Grade:
    """What became of a file; true when every exercise is right.

    Attributes:
        file: its name.
        exercises: those that were graded.
        problem: why nothing could be graded, in a sentence; else None.
        limits: that each exercise had.
    """

    file: str
    exercises: tuple[ExerciseResult, ...]
    problem: str | None
    limits: Limits

    @property
    def passed(self) -> bool:
        """Whether there are exercises and all are right."""
        return bool(self.exercises) and all(exercise.passed for exercise in self.exercises)

    @property
    def score(self) -> float:
        """The points of the right functions."""
        return sum(exercise.score for exercise in self.exercises)

    @property
    def max_score(self) -> float:
        """The points of all functions of the exercises that were graded."""
        return sum(exercise.max_score for exercise in self.exercises)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        from tinygrad_cnn.verify.grading.formats import text

        return text(self)

    def _repr_html_(self) -> str:
        from tinygrad_cnn.verify.grading.formats import fragment

        return fragment(self)

    def to_html(self) -> str:
        """A page that needs no other file."""
        from tinygrad_cnn.verify.grading.formats import html

        return html(self)

    def to_json(self, indent: int | None = 1) -> str:
        """As JSON; docs/grading.md describes it."""
        from tinygrad_cnn.verify.grading.formats import json_text

        return json_text(self, indent)

    def to_junit(self) -> str:
        """As JUnit XML: a test suite for each exercise, a test case for each function."""
        from tinygrad_cnn.verify.grading.formats import junit

        return junit(self)

    def to_gradescope(self) -> str:
        """As Gradescope's results.json: a test for each function."""
        from tinygrad_cnn.verify.grading.formats import gradescope

        return gradescope(self)


def grade(
    file: str | Path,
    names: Iterable[str] = (),
    limits: Limits | None = None,
    own: str | Path | None = None,
) -> Grade:
    """Grade a student's file, a script or a notebook.

    Each exercise runs in a process of its own, with limits of time and memory. Where that process ends before its time,
    the functions that were not the cause are judged in another one.

    Args:
        file: its path.
        names: of the exercises to grade; without any, those of whose functions the file defines at least one.
        limits: of time and memory; by default 60 s and 2048 MB.
        own: a Python file of the teacher's with more exercises.

    Raises:
        ValueError: an exercise that there is not; a file of the teacher's that can't be used.

    >>> grade("no_such_homework.py").problem
    'the file is not there'
    """
    path, names, limits = Path(file), tuple(dict.fromkeys(names)), limits or Limits()
    own = None if own is None else Path(own)
    known = exercises(own)
    for name in names:
        if name not in known:
            raise ValueError(f"no exercise is called {name!r}{_similar(name, known)}; there are {', '.join(known)}")
    chosen = [known[name] for name in names]
    if not chosen:
        found = run(path, limits)
        if found.failure:
            return Grade(path.name, (), found.failure.message, limits)
        defined = found.answers["names"]["names"]
        chosen = [e for e in known.values() if e.is_automatic and set(e.functions) & set(defined)]
        if not chosen:
            return Grade(path.name, (), _nothing_to_grade(defined, known.values()), limits)
    return Grade(path.name, tuple(_graded(exercise, path, limits, own) for exercise in chosen), None, limits)


def _similar(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _nothing_to_grade(defined: Sequence[str], known: Iterable[Exercise]) -> str:
    expected = [name for exercise in known if exercise.is_automatic for name in exercise.functions]
    has = f"it defines {', '.join(defined[:20])}" if defined else "it defines nothing"
    close = [f"{match[0]} for {name}" for name in defined if (match := difflib.get_close_matches(name, expected, 1))]
    meant = f" (did you mean {', '.join(close[:3])}?)" if close else ""
    return f"the file has none of the functions of an exercise; {has}{meant}"


def _graded(exercise: Exercise, path: Path, limits: Limits, own: Path | None) -> ExerciseResult:
    """Judge an exercise, leaving out the functions that end the process, one after the other."""
    results: dict[str, FunctionResult] = {}
    outcomes: list[Outcome] = []

    def judge(names: Sequence[str]) -> Failure | None:
        outcomes.append(outcome := run(path, limits, exercise.name, names, own))
        if outcome.failure is None:
            for one in outcome.answers["report"]["checks"]:
                results[one["name"]] = FunctionResult.of(one, exercise.points)
        return outcome.failure

    def fail(names: Sequence[str], failure: Failure) -> None:
        for name in names:
            check = Check(name, False, failure.message)
            results[name] = FunctionResult.of(pieces(check), exercise.points, failure.kind)

    waiting = list(exercise.functions)
    while waiting and (failure := judge(waiting)):
        if failure.stage == "loading" or len(waiting) == 1:
            fail(waiting, failure)
            break
        if failure.function in waiting:
            fail([failure.function], failure)
            waiting.remove(failure.function)
        else:  # nobody knows which function it was
            for name in waiting:
                if alone := judge([name]):
                    fail([name], alone)
            break
    notes: dict[str, None] = {}
    for outcome in outcomes:
        for event in ("loaded", "report"):
            notes |= dict.fromkeys(outcome.answers.get(event, {}).get("notes", []))
    return ExerciseResult(
        exercise.name,
        exercise.title,
        tuple(results[name] for name in exercise.functions),
        tuple(notes),
        outcomes[0].output,
        sum(outcome.seconds for outcome in outcomes),
    )
