"""A grade as text, as a page, as JSON, as JUnit XML and as Gradescope's results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import Any
from xml.etree import ElementTree

from tinygrad_cnn.verify import page
from tinygrad_cnn.verify.grading.failures import printable
from tinygrad_cnn.verify.grading.process import Output
from tinygrad_cnn.verify.grading.rendering import HEADING, FunctionResult
from tinygrad_cnn.verify.grading.results import ExerciseResult, Grade
from tinygrad_cnn.verify.report import Check, legal_xml
from tinygrad_cnn.verify.text import block, wrapped

SHOWN_LINES = 5
SHOWN_COLUMNS = 66

_STYLE = """
.tg-report h3 { font-size: 1rem; margin: 0; }
.tg-report .exercise { border-top: 2px solid var(--line); margin-top: 1.2rem; padding-top: .8rem; }
.tg-report .exercise > h2 + article { border-top: none; padding-top: 0; }
.tg-report .exercise > h2 { font-size: 1.15rem; margin-bottom: .5rem; }
.tg-report.failed .exercise.passed h2 b { color: var(--good); }
.tg-report.failed article.passed h3 b { color: var(--good); }
.tg-report .exercise.failed > h2 b, .tg-report article.failed h3 b { color: var(--bad); }
.tg-report pre { margin: .4rem 0; padding: .5rem .8rem; border: 1px solid var(--line); overflow-x: auto; }
.tg-report summary { color: var(--faint); font-size: .9rem; }
"""


def text(grade: Grade) -> str:
    """In lines of at most 80 characters."""
    verdict = f"FAILED; {grade.problem}" if grade.problem else _verdict(grade)
    lines = wrapped(f"{grade.file}: {verdict}", "", "  ")
    lines += [line for note in grade.limits.unenforced for line in wrapped(f"Note that {note}.", "  ", "  ")]
    starred = False
    for exercise in grade.exercises:
        lines += ["", *wrapped(f"{exercise.name}: {_points(exercise)}", "", "  ")]
        lines += [line for note in exercise.notes for line in wrapped(note, "  ", "  ")]
        functions = list(_merged(exercise.functions))
        widest = min(max(len(function.name) for function in functions), 24)
        for function in functions:
            below = list(function.details)
            lines += block(function.name, function.passed, function.message, below, widest)
            starred |= any("*" in line for line in below)
        lines += _printed(exercise.output)
    if starred:
        lines += ["", "* marks a wrong entry"]
    return printable("\n".join(lines))


def _verdict(grade: Grade) -> str:
    right, count = sum(exercise.passed for exercise in grade.exercises), len(grade.exercises)
    if grade.passed:
        done = f"all {count} exercises are right" if count > 1 else "the exercise is right"
        return f"passed, {done}, {_fraction(grade)}"
    return f"FAILED, {right} of {count} exercise{'s' * (count > 1)} right, {_fraction(grade)}"


def _points(exercise: ExerciseResult) -> str:
    return f"{'passed' if exercise.passed else 'FAILED'}, {_fraction(exercise)}"


def _fraction(scored: Grade | ExerciseResult | FunctionResult) -> str:
    return f"{scored.score:g} of {scored.max_score:g} point{'s' * (scored.max_score != 1)}"


def _merged(functions: tuple[FunctionResult, ...]) -> Iterator[FunctionResult]:
    """Functions that failed for one and the same reason as one, called "dX, dK, dB"."""
    groups: dict[Any, list[FunctionResult]] = {}
    for i, function in enumerate(functions):
        groups.setdefault(function.message if function.failure else i, []).append(function)
    for group in groups.values():
        if len(group) == 1:
            yield group[0]
        else:
            name = ", ".join(function.name for function in group)
            check = Check(name, False, group[0].message)
            yield replace(group[0], name=name, html=page.article(check, HEADING))


def _printed(output: Output) -> list[str]:
    if not output.size:
        return []
    head = output.head.splitlines()[:SHOWN_LINES]
    cut = [line if len(line) <= SHOWN_COLUMNS else f"{line[:SHOWN_COLUMNS]} ..." for line in head]
    first = ", of which the first are" if output.lines > SHOWN_LINES else ""
    return [f"  it printed {_amount(output)}{first}:", *(f"    | {line.expandtabs()}".rstrip() for line in cut)]


def _amount(output: Output) -> str:
    size = f"{output.size:,} byte{'s' * (output.size != 1)}"
    return f"{output.lines:,} line{'s' * (output.lines != 1)} ({size})"


def fragment(grade: Grade) -> str:
    """As a part of a page, with the style that it needs."""
    kind = "passed" if grade.passed else "failed"
    verdict = f"failed; {grade.problem}" if grade.problem else _verdict(grade).replace("FAILED", "failed")
    parts = [f"<style>{page.STYLE}{_STYLE}</style>", f'<section class="tg-report {kind}">']
    parts.append(f"<h1>{escape(grade.file)}: <b>{escape(verdict)}</b></h1>")
    parts += [f'<p class="note">Note that {escape(note)}.</p>' for note in grade.limits.unenforced]
    return "\n".join([*parts, *map(_section, grade.exercises), "</section>"])


def _section(exercise: ExerciseResult) -> str:
    kind = "passed" if exercise.passed else "failed"
    parts = [f'<section class="exercise {kind}">']
    verdict = f"<b>{kind}, {_fraction(exercise)}</b>"
    parts.append(f"<h2>{escape(exercise.name)}, {escape(exercise.title)}: {verdict}</h2>")
    parts += [f'<p class="note">{escape(note)}</p>' for note in exercise.notes]
    parts += [function.html for function in _merged(exercise.functions)]
    if exercise.output.size:
        lines = escape("\n".join(exercise.output.head.splitlines()[:200]))
        parts.append(f"<details><summary>It printed {_amount(exercise.output)}</summary><pre>{lines}</pre></details>")
    return "\n".join([*parts, "</section>"])


def html(grade: Grade) -> str:
    """A page that needs no other file."""
    return printable(page.document(grade.file, fragment(grade)))


def json_text(grade: Grade, indent: int | None) -> str:
    """As docs/grading.md describes it."""
    document = {
        "file": grade.file,
        "passed": grade.passed,
        "score": grade.score,
        "max_score": grade.max_score,
        "problem": grade.problem,
        "limits": {
            "timeout": grade.limits.timeout,
            "memory": grade.limits.memory,
            "unenforced": list(grade.limits.unenforced),
        },
        "exercises": [
            {
                "name": exercise.name,
                "title": exercise.title,
                "passed": exercise.passed,
                "score": exercise.score,
                "max_score": exercise.max_score,
                "seconds": round(exercise.seconds, 3),
                "notes": list(exercise.notes),
                "output": {"head": exercise.output.head, "lines": exercise.output.lines, "size": exercise.output.size},
                "functions": [
                    {
                        **function.data,
                        "name": function.name,
                        "passed": function.passed,
                        "score": function.score,
                        "max_score": function.max_score,
                        "message": function.message,
                        "failure": function.failure,
                    }
                    for function in exercise.functions
                ],
            }
            for exercise in grade.exercises
        ],
    }
    return json.dumps(document, indent=indent, allow_nan=False) + "\n"


def junit(grade: Grade) -> str:
    """A test suite for each exercise, a test case for each function; what gave no result is an error, not a failure."""
    every = [function for exercise in grade.exercises for function in exercise.functions]
    suites = ElementTree.Element("testsuites", {"name": legal_xml(grade.file)} | _counts(every, grade.problem))
    if grade.problem:
        counts = {"name": legal_xml(grade.file)} | _counts([], grade.problem)
        suite = ElementTree.SubElement(suites, "testsuite", counts)
        case = ElementTree.SubElement(suite, "testcase", classname=legal_xml(grade.file), name="the file")
        ElementTree.SubElement(case, "error", type="unreadable", message=legal_xml(grade.problem))
    for exercise in grade.exercises:
        counts = {"name": legal_xml(exercise.name)} | _counts(list(exercise.functions), None)
        suite = ElementTree.SubElement(suites, "testsuite", counts | {"time": f"{exercise.seconds:.3f}"})
        for function in exercise.functions:
            case = ElementTree.SubElement(suite, "testcase", classname=legal_xml(exercise.name), name=function.name)
            if function.passed:
                ElementTree.SubElement(case, "system-out").text = legal_xml(function.message)
            else:
                tag, kind = ("error", function.failure) if function.failure else ("failure", "Mismatch")
                result = ElementTree.SubElement(case, tag, type=kind, message=legal_xml(function.message))
                result.text = legal_xml(_explained(function))
        if exercise.output.size:
            ElementTree.SubElement(suite, "system-out").text = legal_xml(exercise.output.head)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _counts(functions: list[FunctionResult], problem: str | None) -> dict[str, str]:
    errors = sum(function.failure is not None for function in functions)
    failures = sum(not function.passed for function in functions) - errors
    counts = {"tests": len(functions), "failures": failures, "errors": errors, "skipped": 0}
    if problem:
        counts |= {"tests": 1, "errors": 1}
    return {name: str(count) for name, count in counts.items()}


def _explained(function: FunctionResult) -> str:
    """The message and what stands below it."""
    return printable("\n".join([function.message, *function.details]))


def gradescope(grade: Grade) -> str:
    """The results.json that a Gradescope autograder leaves (gradescope-autograders.readthedocs.io, "Output format")."""
    tests = [
        {
            "name": f"{exercise.name}: {function.name}",
            "score": function.score,
            "max_score": function.max_score,
            "status": "passed" if function.passed else "failed",
            "output": _explained(function),
            "output_format": "text",
            "visibility": "visible",
        }
        for exercise in grade.exercises
        for function in exercise.functions
    ]
    lines = [f"{grade.file}: {grade.problem or _verdict(grade)}"]
    for exercise in grade.exercises:
        said = [*exercise.notes, *(line.strip() for line in _printed(exercise.output))]
        lines += [f"{exercise.name}: {line}" for line in said]
    results = {
        "score": grade.score,
        "execution_time": round(sum(exercise.seconds for exercise in grade.exercises), 3),
        "output": printable("\n".join(lines)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    return json.dumps(results, indent=1, allow_nan=False) + "\n"
