"""What the check of a rule found: whether it is right, the smallest case where it fails, and which mistake it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_cnn.verify.catalogue.operation import Mistake
from tinygrad_cnn.verify.content import Arrays, Derived, Facts, Paragraph, Part
from tinygrad_cnn.verify.excerpt import dimensions
from tinygrad_cnn.verify.report import Check, to_json_types

EXACT = "exact fractions"
"""The arithmetic that needs no mention."""


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
        defaults: of the options; those that have theirs are not worth showing.
    """

    inputs: Mapping[str, Any]
    options: Mapping[str, Any]
    dz: Any
    expected: Any
    actual: Any
    wrong: Any
    problem: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arrays(self) -> dict[str, Any]:
        """All arrays that the rule was given: the operands, labels and the like, the upstream gradient."""
        constants = {name: value for name, value in self.options.items() if isinstance(value, np.ndarray)}
        return {**self.inputs, **constants, "dZ": self.dz}

    @property
    def sentence(self) -> str:
        """The shapes and options.

        >>> options, defaults = {"stride": 2, "padding": 0}, {"stride": 1, "padding": 0}
        >>> Counterexample({"X": np.ones((3, 3))}, options, 1, 1, 2, True, None, defaults).sentence
        'In this case: X (3x3), stride 2'
        """
        said = [f"{name} ({dimensions(np.shape(array))})" for name, array in self.inputs.items()]
        for name, value in self.options.items():
            is_default = value is None or (name in self.defaults and repr(value) == repr(self.defaults[name]))
            if not is_default and not isinstance(value, np.ndarray):
                said.append(f"{name} {value}")
        return f"In this case: {', '.join(said)}"

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
        remarks: what else can be said of a rule that is wrong and has no diagnosis.
        formula: the right formula, where the operation is known.
        derive: gives the `Derivation` of the right gradient in the first case where the rule fails (of a right one, in
            the first case), where the operation is known.
        cases: in how many cases it was checked.
        failed: in how many of them it failed.
        changed: the arguments that the rule changed, whatever it gave.
        label: what the gradient is called, "dX".
    """

    diagnosis: Diagnosis | None = None
    counterexample: Counterexample | None = None
    remarks: tuple[str, ...] = ()
    formula: str | None = None
    derive: Callable[[], Any] | None = None
    cases: int = 0
    failed: int = 0
    changed: tuple[str, ...] = ()
    label: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """The names of the mistakes."""
        return tuple(mistake.name for mistake in self.diagnosis.mistakes) if self.diagnosis else ()

    def parts(self) -> list[Part]:
        """The explanation, the right formula, and the counterexample as it would stand on a blackboard."""
        parts: list[Part] = []
        if not self.passed:
            if self.diagnosis:
                parts.append(Paragraph(self.diagnosis.explanation, "text"))
            if self.remarks:
                parts.append(Paragraph(" ".join(self.remarks), "text"))
            if self.formula:
                parts.append(Paragraph(self.formula, "formula"))
        parts += map(Paragraph, self.notes)
        if self.facts.get("arithmetic") != EXACT and self.facts:
            parts.append(Facts(self.facts))
        if not self.passed and self.counterexample:
            parts += [Paragraph(self.counterexample.sentence, "case"), Arrays(self.counterexample.arrays)]
            parts += self.comparison(self.label, (f"right {self.label}", f"your {self.label}"))
        if not self.passed and self.derive:
            title = f"How the right {self.label} comes about"
            parts.append(Derived(title, f'report["{self.name}"].derive()', self.derive))
        return parts

    def to_dict(self) -> dict[str, Any]:
        """As `Check.to_dict`, with the diagnosis and the counterexample."""
        diagnosis = self.diagnosis and {"name": self.diagnosis.name, "explanation": self.diagnosis.explanation}
        return super().to_dict() | {
            "diagnosis": diagnosis,
            "counterexample": self.counterexample and self.counterexample.to_dict(),
            "remarks": list(self.remarks),
            "formula": self.formula,
            "cases": self.cases,
            "failed": self.failed,
            "changed": list(self.changed),
        }
