"""What the check of a rule found: whether it is right, the smallest case where it fails, and which mistake it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_cnn.verify.catalogue.operation import Mistake
from tinygrad_cnn.verify.report import Check, to_json_types


@dataclass(frozen=True)
class Diagnosis:
    """The mistake, or two at once, that turn the right rule into the one that was handed in, in every case.

    Attributes:
        name: of the mistake; of two, joined by " + ".
        explanation: to the student, in a few sentences.
        mistakes: the entries of the catalogue.
    """

    name: str
    explanation: str
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A case where the rule fails, as small as it could be made.

    Attributes:
        inputs: the forward's operands, by its names.
        options: its options.
        dz: the upstream gradient.
        expected: the gradient that is right.
        actual: what the rule gave; None where it gave no array.
        wrong: the wrong positions; None where the shapes differ or there is no array.
        problem: what happened instead, where there is no array.
    """

    inputs: Mapping[str, Any]
    options: Mapping[str, Any]
    dz: Any
    expected: Any
    actual: Any
    wrong: Any
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        arrays = {"inputs": dict(self.inputs), "options": dict(self.options), "dz": self.dz}
        arrays |= {"expected": self.expected, "actual": self.actual, "problem": self.problem}
        where = None if self.wrong is None else np.argwhere(self.wrong).tolist()
        return {name: to_json_types(value) for name, value in arrays.items()} | {"wrong": where}


@dataclass(frozen=True, eq=False)
class RuleCheck(Check):
    """The check of one rule. `expected`, `actual`, `difference` and `wrong` are those of the counterexample.

    Attributes:
        diagnosis: the mistake; None when the rule passed or nothing in the catalogue matches.
        counterexample: None when the rule passed.
        formula: the right formula, where the operation is known.
        derive: gives the `Derivation` of the right gradient in the first case where the rule fails (of a right one, in
            the first case), where the operation is known.
        cases: in how many cases it was checked.
        failed: in how many of them it failed.
        changed: the arguments that the rule changed, whatever it gave.
    """

    diagnosis: Diagnosis | None = None
    counterexample: Counterexample | None = None
    formula: str | None = None
    derive: Callable[[], Any] | None = None
    cases: int = 0
    failed: int = 0
    changed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As `Check.to_dict`, with the diagnosis and the counterexample."""
        diagnosis = self.diagnosis and {"name": self.diagnosis.name, "explanation": self.diagnosis.explanation}
        return super().to_dict() | {
            "diagnosis": diagnosis,
            "counterexample": self.counterexample and self.counterexample.to_dict(),
            "formula": self.formula,
            "cases": self.cases,
            "failed": self.failed,
            "changed": list(self.changed),
        }
