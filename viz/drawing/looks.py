"""How tensors, operations, folded nodes, frames and edges look: their attributes in the DOT language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinygrad_cnn.viz.drawing import labels
from tinygrad_cnn.viz.graph import numbers, wording
from tinygrad_cnn.viz.graph.description import Edge, FoldedNode, Missing, OperationNode, TensorNode
from tinygrad_cnn.viz.graph.groups import Group

LONGEST_NAME, LONGEST_REMARK, LONGEST_FORMULA = 40, 30, 72
"""Longer names, options and formulas are cut in the picture; the tooltip has all of it."""

MOST_LINES, LONGEST_LINE = 4, 34
"""So many lines list the operations of a folded node."""

_STYLES = {
    "leaf": {"style": "rounded,filled", "fillcolor": "#ffe3b3", "color": "#b35900", "penwidth": "2.2"},
    "constant": {"style": "rounded,filled,dashed", "fillcolor": "#e3f0fa", "color": "#2f6f9f", "penwidth": "1.2"},
    "result": {"style": "rounded,filled", "fillcolor": "#ffffff", "color": "#7b8794", "penwidth": "1"},
    "operation": {"style": "filled", "fillcolor": "#e8e4f3", "color": "#5b4a8a", "penwidth": "1"},
    "output": {"fillcolor": "#d3f0e0", "color": "#00704a", "penwidth": "1.6", "peripheries": "2"},
    "call": {"style": "filled", "fillcolor": "#dde3ea", "color": "#3e4c59", "penwidth": "1.2", "shape": "box"},
    "chain": {"style": "filled", "fillcolor": "#e8e4f3", "color": "#5b4a8a", "penwidth": "1.2", "shape": "box"},
    "stage": {"style": "filled", "fillcolor": "#e8e4f3", "color": "#5b4a8a", "penwidth": "1.2", "shape": "box"},
}

# Frames in frames get darker, down to the last of these.
_GROUNDS = ("#f5f7fa", "#ecf0f4", "#e3e9ef", "#dae2ea")
_FRAME, _REPEATED = "#9aa5b1", "#5b4a8a"

HIGHLIGHT, PALE = "#a1002f", "#c3ccd5"
BOLD = {"color": HIGHLIGHT, "penwidth": "2.8"}
BOLD_EDGE = {**BOLD, "fontcolor": HIGHLIGHT, "labelfontcolor": HIGHLIGHT, "arrowsize": "0.8"}
_FADED = {"color": PALE, "fontcolor": PALE, "penwidth": "0.7"}
FADED_EDGE = {**_FADED, "arrowsize": "0.4"}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers a picture shows."""

    values: bool = False
    gradients: bool = False
    statistics: bool = False

    def rows(self, node: TensorNode) -> list[labels.Row]:
        """The numbers of a tensor. With the statistics alone, what was never computed isn't mentioned."""
        shown = []
        if (self.values or self.statistics) and node.value is not None and not node.is_number:
            shown.append(("value", node.value, labels.INK))
        if self.gradients or (self.statistics and node.gradient is not Missing.NOT_COMPUTED):
            shown += [("grad", node.gradient, labels.GRADIENT)] if node.gradient is not None else []
        return labels.number_rows(shown, self.values or self.gradients, self.statistics)


NO_NUMBERS = Numbers()


def faded(attributes: dict[str, str]) -> dict[str, str]:
    """The look of a node that is not highlighted: its own text and border in one pale colour, on white."""
    label = re.sub(r'(?<= color=")#\w+', PALE, attributes["label"])
    return {**attributes, **_FADED, "fillcolor": "#ffffff", "label": label}


def tensor(node: TensorNode, shown: Numbers, path: str = "") -> dict[str, str]:
    """A tensor; the frame that it lies in has said `path` already."""
    kind_and_type = f"{node.shape} {node.dtype}" if node.shape else node.dtype
    if node.is_number:
        headings = [labels.bold(labels.typeset(numbers.number(node.value)))]
    else:
        name = labels.printable(short_name(node, path))
        headings = [labels.bold(numbers.shortened(name, LONGEST_NAME))] if name else []
        headings += [labels.colored(kind_and_type)] if kind_and_type else []
        headings += [labels.colored(numbers.shortened(remark, LONGEST_FORMULA)) for remark in node.remarks]
    about = [
        node.name,
        f"{node.kind}, {kind_and_type}" if kind_and_type else node.kind,
        *node.remarks,
        labels.reason("value", node.value),
        labels.reason("gradient", node.gradient),
        node.line and f"recorded at {node.line}",
    ]
    return {
        "label": labels.table(headings, shown.rows(node)),
        "shape": "box",
        "tooltip": labels.tooltip(about),
        "class": f"tensor {node.kind}{' output' if node.is_output else ''}",
        **_STYLES[node.kind],
        **(_STYLES["output"] if node.is_output else {}),
    }


def short_name(node: TensorNode, path: str) -> str:
    """The name without the parts that the frame around it, of this path, says already.

    >>> node = TensorNode("t0", "leaf", False, "blocks.0.conv1.weight", (8, 1, 3, 3), "float32", None, None)
    >>> short_name(node, "blocks.0.conv1"), short_name(node, "blocks.0"), short_name(node, "")
    ('weight', 'conv1.weight', 'blocks.0.conv1.weight')
    """
    name = node.name or ""
    parts, around = name.split("."), path.split(".")
    for n in range(min(len(parts) - 1, len(around)), 0, -1):
        if parts[:n] == around[-n:]:
            return ".".join(parts[n:])
    return name


def operation(node: OperationNode, result: TensorNode | None = None) -> dict[str, str]:
    """An operation; with the shape of its result where that has no box of its own."""
    options = [wording.option_text(name, value) for name, value in node.options.items()]
    result_text = f"gives {_shape(result)}" if result is not None else None
    common = {
        "tooltip": labels.tooltip([node.title, *options, result_text, node.line and f"recorded at {node.line}"]),
        "class": "operation",
        "ordering": "in",
        **_STYLES["operation"],
    }
    if symbol := wording.symbol(node.primitive):
        return {"label": symbol, "shape": "circle", "fontsize": "16", "width": "0.34", "fixedsize": "true", **common}
    remarks = [labels.colored(numbers.shortened(remark, LONGEST_REMARK)) for remark in node.remarks]
    remarks += [labels.colored(f"→ {_shape(result)}")] if result is not None else []
    return {"label": labels.table([labels.bold(node.title), *remarks]), "shape": "ellipse", **common}


def folded(node: FoldedNode) -> dict[str, str]:
    """A folded node: what it is, how much is in it, and the shapes of what it computes."""
    listed = [f"{title} ×{count}" if count > 1 else title for title, count in node.contents]
    amounts = []
    if node.kind == "call":
        title = _title(node)
        amounts += [_count(node.operations, "operation")] if node.operations > 1 else []
    else:
        title = node.title
    amounts += [_count(node.parameters, "parameter")] if node.parameters else []
    heading, below = _heading(node, title)
    lines = [below]
    if node.kind != "call" and node.operations > 1:
        lines += _wrapped(listed)
    lines.append(" · ".join(amounts) + (" each" if amounts and node.times > 1 else ""))
    shapes = list(dict.fromkeys(_shape(output) for output in node.outputs))
    lines.append("→ " + ", ".join(shapes) if 0 < len(shapes) < MOST_LINES else "")
    about = [
        title,
        node.path and f"module {node.path}",
        node.arguments,
        _count(node.operations, "operation") + ": " + ", ".join(listed),
        _count(node.parameters, "parameter"),
        *(f"gives {_shape(output)}" + (f", {output.name}" if output.name else "") for output in node.outputs),
    ]
    return {
        "label": labels.table([heading, *(labels.colored(line) for line in lines if line)]),
        "tooltip": labels.tooltip(about),
        "class": f"folded {node.kind}",
        **_STYLES[node.kind],
    }


def frame(group: Group, level: int, is_sideways: bool) -> dict[str, str]:
    """The frame around the call of a module, or around what is repeated, where the computation runs to a side."""
    title, below = _heading(group, _title(group))
    amount = _count(group.parameters, "parameter") if group.parameters else ""
    amount += " each" if amount and group.times > 1 else ""
    about = " · ".join(filter(None, (below, amount)))
    lines = [f'<tr><td align="left">{line}</td></tr>' for line in (title, about and labels.colored(about)) if line]
    return {
        "label": f'<<table border="0" cellspacing="0" cellpadding="1">{"".join(lines)}</table>>',
        "labeljust": "l",
        "labelloc": "b" if is_sideways else "t",  # where Graphviz mostly leads no edge
        "tooltip": labels.tooltip([_title(group), group.path and f"module {group.path}", group.arguments]),
        "class": "repeated module" if group.times > 1 else "module",
        "style": "rounded,filled",
        "fillcolor": _GROUNDS[min(level, len(_GROUNDS) - 1)],
        "color": _REPEATED if group.times > 1 else _FRAME,
        "penwidth": "2.4" if group.times > 1 else "1",
    }


def faded_frame(attributes: dict[str, str]) -> dict[str, str]:
    """The look of a frame where something is highlighted."""
    return {**faded(attributes), "penwidth": "0.7"}


def _heading(group: Group | FoldedNode, title: str) -> tuple[str, str]:
    """A title with the arguments behind it, and the arguments for the next line where they are too long for that."""
    arguments = labels.printable(group.arguments)
    if not arguments or len(title) + len(arguments) > LONGEST_LINE:
        return labels.bold(title), numbers.shortened(arguments, LONGEST_NAME)
    times = f" ×{group.times:,}" if group.times > 1 else ""
    heading = labels.bold(title.removesuffix(times)) + labels.colored(f"({arguments})")
    return heading + (labels.bold(times) if times else ""), ""


def _title(group: Group | FoldedNode) -> str:
    """What a call or a repetition is called: its name, or those of the first and the last, and its class."""
    first, last, kind = (
        numbers.shortened(labels.printable(text), LONGEST_NAME) for text in (group.name, group.last, group.title)
    )
    name = first if last in ("", first) else f"{first} … {last}"
    title = ": ".join(filter(None, (name, kind)))
    title += f" (call {group.turn})" if group.turn > 1 else ""
    return f"{title} ×{group.times:,}".strip() if group.times > 1 else title


def edge(edge: Edge, operand: str = "", is_one_of_many: bool = False, is_large: bool = False) -> dict[str, str]:
    """An edge, labelled with what its operation calls the operand, unless a parameter's box says so.

    Args:
        edge: the edge.
        operand: the name that stands on the box that it leaves.
        is_one_of_many: whether what it leaves sends out several tensors, so that it says the shape of this one.
        is_large: whether it is one of a large picture. Labels are then at its ends, where they cost no place, since
            Graphviz takes ten times as long for others.
    """
    end = "" if edge.label_at == "middle" else edge.label_at
    text = "" if edge.label == operand else edge.label
    if edge.count > 1 and not text:
        text = f"{edge.count:,} tensors"
    elif is_one_of_many and not text and not is_large and edge.tensor is not None:
        text = _shape(edge.tensor)
    end = end or ("head" if is_large else "")
    attributes = {f"{end}label": labels.edge(text, is_on_line=bool(end) and not is_large)} if text else {}
    return attributes if edge.has_gradient else {**attributes, "style": "dashed"}


def feed(group: Group) -> dict[str, str]:
    """The edge of what one turn of a repetition hands to the next."""
    tooltip = labels.tooltip([f"handed to the next of {group.times:,} turns"])
    return {"color": _REPEATED, "penwidth": "1.8", "constraint": "false", "tooltip": tooltip, "class": "feed"}


def _shape(node: TensorNode | None) -> str:
    return "" if node is None else str(node.shape) if node.shape else "a number"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _wrapped(words: Sequence[str]) -> Iterable[str]:
    """The words in a few lines; what doesn't fit is left out."""
    lines: list[str] = []
    for i, word in enumerate(words):
        last = "," if i + 1 < len(words) else ""
        if lines and len(lines[-1]) + len(word) < LONGEST_LINE:
            lines[-1] += f" {word}{last}"
        elif len(lines) < MOST_LINES:
            lines.append(word + last)
        else:
            lines[-1] += " …"
            break
    return lines
