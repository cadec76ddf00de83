"""What `tinygrad-cnn verify` does."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tinygrad_cnn.verify.grading.exercise import Exercise
from tinygrad_cnn.verify.grading.grader import grade
from tinygrad_cnn.verify.grading.limits import Limits
from tinygrad_cnn.verify.grading.registry import exercises
from tinygrad_cnn.verify.grading.results import Grade
from tinygrad_cnn.verify.report import Report
from tinygrad_cnn.verify.text import WIDTH


class Options(Protocol):
    """The options of the command line."""

    target: str | None
    exercise: Sequence[str]
    exercises: Path | None
    format: str
    out: Path | None
    timeout: float
    memory: int
    list: bool
    mistakes: bool


def run(options: Options) -> int:
    """Grade, check the lectures, or list; returns the exit status.

    Raises:
        ValueError: options that don't go together, or an exercise that there is not.
        OSError: a report that can't be written.
    """
    _let_print_anything()
    if options.list:
        print(_listed(exercises(options.exercises), options.exercise))
        return 0
    if options.mistakes:
        print(_mistakes())
        return 0
    if options.target is None:
        raise ValueError("verify: expected a student's file, or lectures, --list or --mistakes")
    if options.out is not None:
        with options.out.open("a", encoding="utf-8"):  # before an hour of grading, not after it
            pass
    found: Grade | Report
    if options.target == "lectures":
        from tinygrad_cnn.verify.lectures import lectures

        if options.format == "gradescope":
            raise ValueError("verify lectures: gradescope is a format for a student's file, not for the lectures")
        found = lectures()
    else:
        limits = Limits(options.timeout, options.memory)
        found = grade(options.target, options.exercise, limits, options.exercises)
    _write(found, options)
    return 0 if found else 1


def _write(found: Grade | Report, options: Options) -> None:
    ways = {"text": "__str__", "json": "to_json", "html": "to_html", "junit": "to_junit", "gradescope": "to_gradescope"}
    written: str = getattr(found, ways[options.format])()
    if options.out is None:
        print(written.rstrip("\n"))
        return
    options.out.write_text(written.rstrip("\n") + "\n", encoding="utf-8")
    print(f"{str(found).partition(chr(10))[0]}\n{options.out}: the report")


def _listed(known: dict[str, Exercise], names: Sequence[str]) -> str:
    """All exercises, a few lines each; or those that are named, with what they ask for."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no exercise is called {', '.join(unknown)}; there are {', '.join(known)}")
    lines: list[str] = []
    for exercise in [known[name] for name in names] or known.values():
        asked = "" if exercise.is_automatic else " (only if asked for with --exercise)"
        lines += textwrap.wrap(f"{exercise.name}: {exercise.title}{asked}", WIDTH, subsequent_indent="    ")
        if names:
            lines += ["", *_indented(exercise.statement), ""]
        lines += [f"    {signature}" for signature in exercise.signatures]
    return "\n".join(lines)


def _mistakes() -> str:
    from tinygrad_cnn.verify import mistakes

    lines: list[str] = []
    for mistake in mistakes():
        lines += [mistake.name, *_indented(mistake.explanation)]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _let_print_anything() -> None:
    """Keep a terminal of a small character set from ending the command."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
