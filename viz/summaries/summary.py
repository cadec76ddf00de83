"""What a summary says of a model: its rows and its totals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tinygrad_cnn.viz.receptive_field import ReceptiveField
from tinygrad_cnn.viz.summaries.table import table
from tinygrad_cnn.viz.summaries.tables import Table

if TYPE_CHECKING:
    from tinygrad_cnn.viz.summaries.comparison import Comparison

Kind = Literal["input", "module", "group", "operation"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: an input, the call of a module, or an operation between modules.

    A row of the kind "group" is the call of a module whose rows follow it, one level further in; its numbers are theirs
    together.

    Attributes:
        kind: "input", "module", "group" or "operation".
        name: what the module around calls it, such as "conv1", or the operation with "()".
        path: the names from the outermost module down, with dots.
        layer: the module's class, such as "Conv2d"; "" for an operation.
        arguments: the module's arguments as its repr shows them; an operation's options.
        level: in how many groups it lies.
        turn: which call of the same module it is, from 1.
        shapes: of everything that it computes and hands on, with the batch axis; the last one is the latest.
        size: the numbers in the last of them, of one sample.
        parameters: the numbers in its parameters, each counted in the first row that uses it.
        frozen: how many of these want no gradient.
        reused: the numbers in parameters that an earlier row has counted.
        multiply_adds: for the whole batch; None where it holds a primitive of the user's own.
        nonlinearities: its activation functions.
        activation_bytes: the memory of what it hands on.
        kept_bytes: the memory of what it first keeps for the backward walk, without parameters and inputs.
        parameter_bytes: the memory of its parameters, counted as they are.
        depends: whether it depends on the input that the receptive field is of.
        field: what the units of the last activation see of it; None where that can't be known.
    """

    kind: Kind
    name: str
    path: str
    layer: str
    arguments: str
    level: int
    turn: int
    shapes: tuple[tuple[int, ...], ...]
    size: int
    parameters: int
    frozen: int
    reused: int
    multiply_adds: int | None
    nonlinearities: int
    activation_bytes: int
    kept_bytes: int
    parameter_bytes: int
    depends: bool
    field: ReceptiveField | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its activation, with the batch axis."""
        return self.shapes[-1]


@dataclass(frozen=True)
class Summary:
    """The table of a model. `str(summary)` fits in 80 columns where it can; notebooks show it as HTML.

    `for row in summary` goes through the rows, `summary["conv1"]` is the first one of that path.

    Attributes:
        title: the model's class.
        inputs: the shapes of its inputs.
        output: the shape of its (last) output.
        rows: in the order of computation.
        parameters: the numbers in all parameters, shared ones counted once and unused ones too.
        frozen: how many of these want no gradient.
        multiply_adds: of one forward pass of the batch, without primitives of the user's own.
        nonlinearities: the number of activation functions.
        activation_bytes: of all rows together as they are without a `depth`.
        kept_bytes: what the backward walk needs of the activations; one that several operations need is there once.
        parameter_bytes: of all parameters.
        gradient_bytes: of the gradients of those that are trained.
        input_bytes: of the inputs.
        field: what the units of this output see of the input; None where that can't be known.
        depends: whether they depend on it at all.
        field_of: the name of the input that receptive fields are of, the first one with spatial axes; None without one.
        notes: what else is to be said.
    """

    title: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    rows: tuple[Row, ...]
    parameters: int
    frozen: int
    multiply_adds: int
    nonlinearities: int
    activation_bytes: int
    kept_bytes: int
    parameter_bytes: int
    gradient_bytes: int
    input_bytes: int
    field: ReceptiveField | None
    depends: bool
    field_of: str | None
    notes: tuple[str, ...] = ()

    @property
    def batch(self) -> int | None:
        """The number of samples; None for an input of fewer than two axes."""
        return self.inputs[0][0] if len(self.inputs[0]) > 1 else None

    @property
    def training_bytes(self) -> int:
        """The memory that a training step holds on to after its forward pass and until the update: parameters, their
        gradients, the inputs and what the backward walk needs.

        It is an estimate: dropout and batch statistics are those of evaluation. An optimiser's state comes on top (as
        much as the gradients for each moment: momentum one, Adam two), and for a while the gradients of activations and
        the working space of an operation, which for large convolutions of small images can be as much again.
        """
        return self.parameter_bytes + self.gradient_bytes + self.input_bytes + self.kept_bytes

    def activation(self, row: Row, channels_last: bool = False, batch: bool = False) -> tuple[int, ...]:
        """The shape of a row's activation as the table shows it.

        Args:
            row: one of the rows.
            channels_last: (28, 28, 8) as the lectures write it, in place of (8, 28, 28).
            batch: with the batch axis.
        """
        sample = self.without_batch(row.shape)
        first = row.shape[: len(row.shape) - len(sample)]
        if channels_last and len(sample) > 1:
            sample = (*sample[1:], sample[0])
        return first + sample if batch else sample

    def without_batch(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape without the axis of the samples, where it has that."""
        return shape[1:] if self.batch is not None and shape[:1] == (self.batch,) else shape

    def compare(self, other: Summary, names: Sequence[str] | None = None) -> Comparison:
        """This model and another one side by side."""
        from tinygrad_cnn.viz.summaries.comparison import Comparison

        return Comparison.of(self, other, names)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, path: str) -> Row:
        for row in self.rows:
            if row.path == path:
                return row
        paths = ", ".join(dict.fromkeys(row.path for row in self.rows))
        raise KeyError(f"{self.title}: no row {path!r}; there are {paths}")

    def to_table(self, channels_last: bool = False, batch: bool = False, exact: bool = True) -> Table:
        """The table that text, Markdown and HTML are made of. Arguments as `activation`; `exact` numbers in full."""
        return table(self, channels_last, batch, exact)

    def to_text(self, width: int = 80, channels_last: bool = False, batch: bool = False) -> str:
        """In at most `width` columns where that is possible: the memory, the arguments and the stride go first."""
        return self.to_table(channels_last, batch, exact=False).to_text(width)

    def to_markdown(self, channels_last: bool = False, batch: bool = False) -> str:
        """A table of GitHub's Markdown."""
        return self.to_table(channels_last, batch).to_markdown()

    def to_html(self, channels_last: bool = False, batch: bool = False) -> str:
        """A part of a page, with its style and without scripts, light or dark as the reader's system is."""
        return self.to_table(channels_last, batch).to_html()

    def to_json(self, indent: int | None = None) -> str:
        """Title, inputs, totals and rows as JSON; a receptive field as its size, stride and start on each axis."""
        totals = ("parameters", "frozen", "multiply_adds", "nonlinearities", "activation_bytes", "kept_bytes",
                  "parameter_bytes", "gradient_bytes", "input_bytes", "training_bytes")  # fmt: skip
        rows = [
            {name: getattr(row, name) for name in Row.__slots__ if name != "field"} | {"field": _json_field(row.field)}
            for row in self.rows
        ]
        whole: dict[str, Any] = {"title": self.title, "inputs": self.inputs, "output": self.output}
        whole |= {name: getattr(self, name) for name in totals}
        whole |= {"field": _json_field(self.field), "rows": rows, "notes": self.notes}
        return json.dumps(whole, indent=indent)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Summary of {self.title}: {len(self.rows)} rows, {self.parameters:,} parameters>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.to_html(), "text/markdown": self.to_markdown()}


def _json_field(found: ReceptiveField | None) -> list[dict[str, Any]] | None:
    if found is None:
        return None
    return [
        {
            "size": axis.size,
            "stride": None if axis.stride is None else str(axis.stride),
            "start": axis.start,
            "is_whole": axis.is_whole,
        }
        for axis in found.axes
    ]
