"""How a summary is shown: the columns of its table, and the totals below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tinygrad_cnn.viz.drawing.labels import printable
from tinygrad_cnn.viz.receptive_field import AxisField, ReceptiveField
from tinygrad_cnn.viz.summaries.tables import Column, Line, Table, count, short, size_of

if TYPE_CHECKING:
    from tinygrad_cnn.viz.summaries.summary import Row, Summary

NO_FIELD = "–"
UNKNOWN = "?"


def table(summary: Summary, channels_last: bool, batch: bool, exact: bool) -> Table:
    """The table of a summary. Arguments as `Summary.to_table`."""
    number = count if exact else short
    shape_note = f"the shape of what the layer computes{'' if batch else ', without the batch axis'}"
    columns = [
        Column("layer", "left"),
        Column("activation", note=shape_note),
        Column("size", note="the numbers in the activation of one sample"),
        Column("parameters", note="in brackets: those that an earlier row has counted"),
        Column("multiply-adds" if exact else "mult-adds", note="products that are added up, of the whole batch"),
    ]
    if summary.field_of is not None:
        field_note = "in pixels from the first to the last that a unit sees; all: the whole image, whatever its size"
        columns += [
            Column("receptive field" if exact else "field", note=field_note),
            Column("output stride" if exact else "stride", note="how many pixels further the next unit's field lies"),
        ]
    columns += [
        Column("memory", is_optional=True, note="of the activation"),
        Column("kept", is_optional=True, note="memory that is first needed here for the backward walk"),
    ]
    lines = []
    for row in summary.rows:
        shape = summary.activation(row, channels_last, batch)
        shape_text = str(shape) if exact or not shape else "×".join(map(str, shape))
        products = UNKNOWN if row.multiply_adds is None else number(row.multiply_adds)
        cells = [shape_text, number(row.size), parameters(row, number), products]
        if summary.field_of is not None:
            cells += [field_text(row.field, row.depends), stride_text(row.field, row.depends)]
        cells += [size_of(row.activation_bytes), size_of(row.kept_bytes)]
        lines.append(Line(_name(row), *_remark(row), tuple(cells), row.level, row.kind == "group"))
    return Table(printable(_title(summary)), tuple(columns), tuple(lines), tuple(_totals(summary)))


def _title(summary: Summary) -> str:
    shapes = ", ".join(map(str, summary.inputs))
    title = f"{summary.title}, input{'s' * (len(summary.inputs) > 1)} {shapes}"
    if len(summary.inputs) > 1 and summary.field_of is not None:
        title += f", receptive fields in {summary.field_of}"
    return title


def _name(row: Row) -> str:
    return printable(row.name) + (f", call {row.turn}" if row.turn > 1 else "")


def _remark(row: Row) -> tuple[str, str]:
    """What a row is, and details that a narrow table goes without."""
    arguments = printable(row.arguments)
    if row.kind == "operation":
        return "", arguments
    return printable(row.layer) if row.layer != row.name else "", f"({arguments})" if arguments else ""


def parameters(row: Row, number: Callable[[int], str] = count) -> str:
    """A row's own parameters, and in brackets those that were counted before.

    >>> from types import SimpleNamespace
    >>> parameters(SimpleNamespace(parameters=8, reused=600)), parameters(SimpleNamespace(parameters=0, reused=600))
    ('8 (600)', '(600)')
    """
    if not row.reused:
        return number(row.parameters)
    own = f"{number(row.parameters)} " if row.parameters else ""
    return f"{own}({number(row.reused)})"


def _per_axis(found: ReceptiveField | None, depends: bool, text_of: Callable[[AxisField], str]) -> str:
    if not depends:
        return NO_FIELD
    if found is None:
        return UNKNOWN
    each = [text_of(axis) for axis in found.axes]
    return each[0] if len(set(each)) == 1 else "×".join(each)


def field_text(found: ReceptiveField | None, depends: bool = True) -> str:
    """The sizes of a receptive field: one number where they are equal, "all" for the whole axis."""
    return _per_axis(found, depends, lambda axis: "all" if axis.is_whole else str(axis.size))


def stride_text(found: ReceptiveField | None, depends: bool = True) -> str:
    """The output strides: how far the field moves on with the units."""
    return _per_axis(found, depends, lambda axis: NO_FIELD if axis.stride is None else str(axis.stride))


def _totals(summary: Summary) -> list[str]:
    trained = f" ({count(summary.parameters - summary.frozen)} trained, {count(summary.frozen)} frozen)"
    batch = f" for a batch of {summary.batch}" if (summary.batch or 1) > 1 else ""
    functions = "non-linearity" if summary.nonlinearities == 1 else "non-linearities"
    numbers = (
        f"{count(summary.parameters)} parameters{trained if summary.frozen else ''}, "
        f"{count(summary.multiply_adds)} multiply-adds{batch}, {summary.nonlinearities} {functions}"
    )
    memory = (
        f"memory{batch}: parameters {size_of(summary.parameter_bytes)}, activations "
        f"{size_of(summary.activation_bytes)}, kept for backward {size_of(summary.kept_bytes)}; a training step holds "
        f"{size_of(summary.training_bytes)} with gradients; working space and the optimiser's state come on top"
    )
    reused = ["(n): parameters that an earlier row has counted"] if any(row.reused for row in summary.rows) else []
    return [numbers, memory, *reused, *map(printable, summary.notes)]
