"""Two models side by side: what they see, what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.viz.drawing.labels import printable
from tinygrad_cnn.viz.summaries.reader import summary
from tinygrad_cnn.viz.summaries.summary import Summary
from tinygrad_cnn.viz.summaries.table import field_text, stride_text
from tinygrad_cnn.viz.summaries.tables import Column, Line, Table, count, size_of


@dataclass(frozen=True)
class Comparison:
    """Two summaries side by side. `str(comparison)` is a table; notebooks show it as HTML.

    Attributes:
        names: of the two models.
        summaries: of the two models.
    """

    names: tuple[str, str]
    summaries: tuple[Summary, Summary]

    @staticmethod
    def of(first: Summary, second: Summary, names: Sequence[str] | None = None) -> Comparison:
        """Two summaries under names; their classes, numbered where they are the same, where none are given."""
        if names is None:
            a, b = first.title, second.title
            names = (a, b) if a != b else (f"{a} 1", f"{b} 2")
        elif isinstance(names, str) or len(names) != 2:
            raise ValueError(f"compare: expected a name for each of 2 models but got {names!r}")
        return Comparison((printable(str(names[0])), printable(str(names[1]))), (first, second))

    def to_table(self) -> Table:
        """A line for each property, a column for each model."""
        lines = [Line(title, "", "", tuple(map(text, self.summaries))) for title, text in _PROPERTIES.items()]
        inputs = list(dict.fromkeys(", ".join(map(str, each.inputs)) for each in self.summaries))
        columns = (Column("property", "left"), *(Column(name) for name in self.names))
        return Table(f"{self.names[0]} and {self.names[1]}, input {' and '.join(inputs)}", columns, tuple(lines), ())

    def to_text(self, width: int = 80) -> str:
        """In at most `width` columns where that is possible."""
        return self.to_table().to_text(width)

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown."""
        return self.to_table().to_markdown()

    def to_html(self) -> str:
        """A part of a page, with its style and without scripts."""
        return self.to_table().to_html()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Comparison of {self.names[0]} and {self.names[1]}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.to_html(), "text/markdown": self.to_markdown()}


_PROPERTIES: dict[str, Callable[[Summary], str]] = {
    "receptive field": lambda found: field_text(found.field, found.depends),
    "output stride": lambda found: stride_text(found.field, found.depends),
    "output": lambda found: str(found.without_batch(found.output)),
    "parameters": lambda found: count(found.parameters),
    "multiply-adds": lambda found: count(found.multiply_adds),
    "non-linearities": lambda found: count(found.nonlinearities),
    "kept for backward": lambda found: size_of(found.kept_bytes),
    "a training step holds": lambda found: size_of(found.training_bytes),
}


def compare(first: Module, second: Module, inputs: Any, names: Sequence[str] | None = None) -> Comparison:
    """Two models on the same input side by side: receptive field, parameters, multiply-adds, non-linearities, memory.

    Args:
        first, second: modules.
        inputs: as `summary` takes them.
        names: of the two models; without them, their classes.

    Raises:
        TypeError, ValueError: as `summary`; another number of names than two.

    Two 3x3 convolutions see what one 5x5 does, with fewer parameters and one more non-linearity (Simonyan, Zisserman,
    "Very deep convolutional networks for large-scale image recognition", 2015, section 2.3):

    >>> from tinygrad_cnn import nn
    >>> one = nn.Sequential(nn.Conv2d(16, 16, 5, padding=2), nn.ReLU())
    >>> two = nn.Sequential(
    ...     nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
    ... )
    >>> print(compare(one, two, (1, 16, 28, 28), names=("one 5x5", "two 3x3")))
    one 5x5 and two 3x3, input (1, 16, 28, 28)
    <BLANKLINE>
    property                    one 5x5       two 3x3
    -------------------------------------------------
    receptive field                   5             5
    output stride                     1             1
    output                 (16, 28, 28)  (16, 28, 28)
    parameters                    6,416         4,640
    multiply-adds             5,017,600     3,612,672
    non-linearities                   1             2
    kept for backward           50.2 kB        100 kB
    a training step holds        152 kB        188 kB
    -------------------------------------------------
    """
    return Comparison.of(summary(first, inputs), summary(second, inputs), names)
