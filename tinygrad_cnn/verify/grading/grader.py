"""Grading a file: every exercise in a process of its own, so that what happens to one leaves the others alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinygrad_cnn.verify.grading.exercise import Exercise
from tinygrad_cnn.verify.grading.failures import Failure
from tinygrad_cnn.verify.grading.limits import Limits
from tinygrad_cnn.verify.grading.process import Outcome, Output, run
from tinygrad_cnn.verify.grading.registry import exercises
from tinygrad_cnn.verify.grading.rendering import FunctionResult, pieces
from tinygrad_cnn.verify.grading.results import ExerciseResult, Grade
from tinygrad_cnn.verify.report import Check


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
    grader = _Grader(path, limits, own)
    return Grade(path.name, tuple(map(grader.graded, chosen)), None, limits)


def _similar(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _nothing_to_grade(defined: Sequence[str], known: Iterable[Exercise]) -> str:
    expected = [name for exercise in known if exercise.is_automatic for name in exercise.functions]
    has = f"it defines {', '.join(defined[:20])}" if defined else "it defines nothing"
    close = [f"{match[0]} for {name}" for name in defined if (match := difflib.get_close_matches(name, expected, 1))]
    meant = f" (did you mean {', '.join(close[:3])}?)" if close else ""
    return f"the file has none of the functions of an exercise; {has}{meant}"


class _Grader:
    """Judges one file, exercise by exercise."""

    def __init__(self, path: Path, limits: Limits, own: Path | None) -> None:
        self._path, self._limits, self._own = path, limits, own
        self._endless: Failure | None = None  # the file itself does not end, which takes its time only once

    def graded(self, exercise: Exercise) -> ExerciseResult:
        """Judge an exercise, leaving out the functions that end the process, one after the other."""
        outcomes: list[Outcome] = []
        results = self._results(exercise, outcomes)
        said = [answer for outcome in outcomes for answer in outcome.answers.values()]
        notes = dict.fromkeys(note for answer in said for note in answer.get("notes", []))
        functions = tuple(results[name] for name in exercise.functions)
        output = outcomes[0].output if outcomes else Output()
        seconds = sum(outcome.seconds for outcome in outcomes)
        return ExerciseResult(exercise.name, exercise.title, functions, tuple(notes), output, seconds)

    def _results(self, exercise: Exercise, outcomes: list[Outcome]) -> dict[str, FunctionResult]:
        results: dict[str, FunctionResult] = {}

        def judge(names: Sequence[str]) -> Failure | None:
            if self._endless:
                return self._endless
            outcome = run(self._path, self._limits, exercise.name, names, self._own)
            outcomes.append(outcome)
            if outcome.failure is None:
                for one in outcome.answers["report"]["checks"]:
                    results[one["name"]] = FunctionResult.of(one, exercise.points)
            elif (outcome.failure.stage, outcome.failure.kind) == ("loading", "timeout"):
                self._endless = outcome.failure
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
        return results
