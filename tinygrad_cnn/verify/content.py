"""What stands below the verdict of a check, before it is laid out as text or as a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Paragraph:
    """A sentence or a few.

    Attributes:
        text: the sentences.
        kind: "text", "formula" (on a line of its own), "case" (before its arrays) or "note" (of less weight).
    """

    text: str
    kind: str = "note"


@dataclass(frozen=True)
class Facts:
    """What else there is to know, by label."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class Arrays:
    """Arrays by name, side by side."""

    arrays: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Two arrays and their difference, the wrong entries marked; only both arrays, where their shapes differ.

    Attributes:
        name: of what is compared, which the matrices of an array of more axes are named by.
        labels: of the array that is right and of the other.
        expected, actual, difference, wrong: as a `Check` has them.
    """

    name: str
    labels: tuple[str, str]
    expected: Any
    actual: Any
    difference: Any
    wrong: Any

    @property
    def titles(self) -> tuple[str, str, str]:
        """Of the three arrays."""
        return (*self.labels, "difference")


@dataclass(frozen=True)
class Derived:
    """How the right result comes about: a page has it folded up, a text says how to get it.

    Attributes:
        title: what is derived.
        source: the expression that gives the derivation.
        derive: gives it.
    """

    title: str
    source: str
    derive: Callable[[], Any]


Part = Paragraph | Facts | Arrays | Comparison | Derived
