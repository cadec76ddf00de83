"""What grading a file gives: a grade, of which every exercise and every function has its part."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinygrad_cnn.verify.grading.limits import Limits
from tinygrad_cnn.verify.grading.process import Output
from tinygrad_cnn.verify.grading.rendering import FunctionResult


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
