"""A judged function in the pieces of which text, page and JSON are made; in pieces it leaves the student's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_cnn.verify.page import article
from tinygrad_cnn.verify.report import Check
from tinygrad_cnn.verify.rules import RuleCheck
from tinygrad_cnn.verify.text import details

HEADING = 3


@dataclass(frozen=True)
class FunctionResult:
    """What became of one function.

    Attributes:
        name: of the function.
        passed: whether it is right.
        score, max_score: its points.
        message: what was found, in a sentence.
        failure: the kind of failure where there was no result to judge ("timeout", "crash", ...), else None.
        details: the lines below the message in a text.
        html: the check as a part of a page.
        data: the check in JSON's types, as `Check.to_dict` and its subclasses give it.
    """

    name: str
    passed: bool
    score: float
    max_score: float
    message: str
    failure: str | None
    details: tuple[str, ...]
    html: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, pieces: Mapping[str, Any], points: float, failure: str | None = None) -> FunctionResult:
        """From the pieces of a check."""
        passed = pieces["passed"] is True
        score = points if passed else 0
        texts = pieces["message"], failure, tuple(pieces["details"]), pieces["html"], pieces["data"]
        return cls(pieces["name"], passed, score, points, *texts)


def pieces(check: Check) -> dict[str, Any]:
    """A check in JSON's types: what it is, and how it reads."""
    return {
        "name": check.name,
        "passed": bool(check.passed),
        "message": check.message,
        # A page has the derivation folded up; the text only says how to get it from a report, which nobody has here.
        "details": details(replace(check, derive=None) if isinstance(check, RuleCheck) else check),
        "html": article(check, HEADING),
        "data": check.to_dict(),
    }
