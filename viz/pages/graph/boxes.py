"""What stands in the boxes of the picture, and how large they are.

The page draws each text where it is said to stand, and measures nothing itself: the layouts are made before it opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from tinygrad_cnn.viz.drawing import labels
from tinygrad_cnn.viz.graph import numbers, wording
from tinygrad_cnn.viz.graph.description import FoldedNode, Missing, OperationNode, TensorNode
from tinygrad_cnn.viz.graph.groups import Group

LONGEST_NAME, LONGEST_REMARK, LONGEST_TITLE = 32, 34, 52
"""Longer texts are cut in the picture; the details have all of them."""

SLOT, MOST_SLOTS = 34.0, 6
"""An operation is so wide for each of its named operands, up to so many."""

LINE = 15.0
"""From one line of text to the next, in pixels."""

# Widths of the printable ASCII characters of Helvetica, Arial and Liberation Sans, in thousandths of the font's size.
_WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
]  # fmt: skip

_SIZES = {"name": 12.5, "symbol": 17.0}
_SIZE = 11.0


def text_width(text: str, style: str = "") -> float:
    """About how wide a text is in the picture, in pixels.

    >>> text_width("il") < text_width("wm") < text_width("wm", "name")
    True
    """
    thousandths = 0
    for character in text:
        code = ord(character)
        if 32 <= code < 127:
            thousandths += _WIDTHS[code - 32]
        else:
            thousandths += 1000 if east_asian_width(character) in "WF" else 620
    is_bold = style in ("name", "title")
    return thousandths / 1000 * _SIZES.get(style, _SIZE) * (1.08 if is_bold else 1.0)


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a box: where its baseline begins, is in the middle or ends, from the center of the box.

    Attributes:
        x, y: the place.
        anchor: "start", "middle" or "end".
        style: "name", "faint", "value", "gradient", "symbol" or "".
        text: what is written.
    """

    x: float
    y: float
    anchor: str
    style: str
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its width and height, and the texts in it."""

    width: float
    height: float
    texts: tuple[Text, ...]


def tensor(node: TensorNode, has_values: bool, has_gradients: bool, is_summed: bool = False) -> Box:
    """The box of a tensor: its name, shape and dtype, and its numbers where they are few.

    Args:
        node: the tensor.
        has_values: whether to show what it holds.
        has_gradients: whether to show its gradient.
        is_summed: whether that is a sum: then there is room for the sums on the way to it, which may be longer.

    >>> box = tensor(TensorNode("t0", "leaf", False, "a", (), "float", 2.0, Missing.NOT_COMPUTED), True, True)
    >>> [text.text for text in box.texts]
    ['a', 'value', '2', 'gradient', '–']
    """
    is_number = not node.shape and node.kind == "constant" and not node.name
    name = labels.printable(node.name or "")
    lines = [("name", numbers.shortened(name, LONGEST_NAME))] if name else []
    if node.shape:
        lines.append(("faint", " ".join(filter(None, (str(node.shape), node.dtype)))))
    lines += [("faint", numbers.shortened(remark, LONGEST_TITLE)) for remark in node.remarks]
    rows: list[tuple[str, str, list[list[str]]]] = []
    if is_number and not isinstance(node.value, Missing):
        lines.append(("name", labels.typeset(numbers.number(node.value))))
    elif has_values and (cells := _cells(node.value)):
        rows.append(("value", "value", cells))
    if has_gradients and node.gradient is not None:
        if isinstance(node.gradient, Missing):
            # Where the gradient would stand among the numbers; of a large one only the details speak.
            cells = [["–"]] if node.gradient is Missing.NOT_COMPUTED and (rows or not node.shape) else None
        else:
            cells = _cells(node.gradient)
        if cells:
            rows.append(("gradient", "gradient", cells))
    if not lines and not rows:
        lines.append(("faint", node.dtype or node.kind))
    return _box(lines, rows, least_cell=text_width("−1.234e−5") if is_summed and has_gradients else 0)


def _cells(array: object) -> list[list[str]] | None:
    if array is None or isinstance(array, Missing):
        return None
    written = numbers.grid(array)
    return written and [[labels.typeset(cell) for cell in line] for line in written]


def operation(node: OperationNode, operands: int = 1) -> Box:
    """The box of an operation: a sign in a circle, or its title and what is special about it.

    Args:
        node: the operation.
        operands: how many have a name of their own; the box is wide enough for these side by side above it.
    """
    if symbol := wording.symbol(node.primitive):
        return Box(32, 32, (Text(0, 6, "middle", "symbol", symbol),))
    lines = [("name", numbers.shortened(labels.printable(node.title), LONGEST_NAME))]
    lines += [("faint", numbers.shortened(remark, LONGEST_REMARK)) for remark in node.remarks]
    return _box(lines, (), margin=13, least=SLOT * min(operands, MOST_SLOTS))


def folded(node: FoldedNode | Group, operations: int) -> Box:
    """The box of a module that is folded, or of any other part of a graph that is drawn as one."""
    name, title = labels.printable(node.name), labels.printable(node.title or contents(node))
    lines = [("name", numbers.shortened(name or title, LONGEST_NAME))]
    about = labels.printable(node.arguments)
    if name:
        about = f"{title}({about})" if about else title
    if about:
        lines.append(("", numbers.shortened(about, LONGEST_REMARK)))
    lines.append(("faint", counts(node.parameters, operations, node.turn)))
    return _box(lines, (), margin=14)


def contents(node: FoldedNode | Group) -> str:
    """What is in a part that has no title of its own, such as "tanh ×2, multiply"."""
    found = node.contents if isinstance(node, FoldedNode) else ()
    times = f" ×{node.times:,}" if node.times > 1 else ""
    return ", ".join(f"{title} ×{count:,}" if count > 1 else title for title, count in found) + times


def part(title: str) -> Box:
    """The box of a folded part of a large graph, such as "operations 61 to 120"."""
    return _box([("name", title)], (), margin=14)


def heading(group: Group) -> str:
    """What stands at the top of the frame of an open module."""
    name, title, arguments = (labels.printable(text) for text in (group.name, group.title, group.arguments))
    about = f"{title}({arguments})" if arguments else title
    turn = f", call {group.turn}" if group.turn > 1 else ""
    times = f" ×{group.times:,}" if group.times > 1 else ""
    return numbers.shortened((f"{name}  {about}" if name else about) + turn, LONGEST_TITLE) + times


def counts(parameters: int, operations: int, turn: int = 1) -> str:
    """How much is in a module, in a few words.

    >>> counts(1200, 1), counts(0, 3, turn=2)
    ('1 operation, 1,200 parameters', '3 operations, call 2')
    """
    words = [f"{operations:,} operation{'' if operations == 1 else 's'}"]
    if parameters:
        words.append(f"{parameters:,} parameter{'' if parameters == 1 else 's'}")
    if turn > 1:
        words.append(f"call {turn}")
    return ", ".join(words)


def _box(
    lines: Sequence[tuple[str, str]],
    rows: Iterable[tuple[str, str, list[list[str]]]],
    margin: float = 9,
    least: float = 0,
    least_cell: float = 0,
) -> Box:
    """Lines of text in the middle, and below them rows of numbers in columns, with what they are on the left."""
    rows = list(rows)
    width = max((text_width(text, style) for style, text in lines), default=0.0)
    caption = max((text_width(name) for name, _, _ in rows), default=0.0) + 10
    columns = max((len(line) for _, _, cells in rows for line in cells), default=0)
    cell = max((text_width(text) for _, _, cells in rows for line in cells for text in line), default=0.0)
    cell = max(cell, least_cell) + 8
    if rows:
        width = max(width, caption + columns * cell)
    height = LINE * (len(lines) + sum(len(cells) for _, _, cells in rows)) + (4 if rows and lines else 0)
    texts = []
    y = -height / 2 - 4
    for style, text in lines:
        y += LINE
        texts.append(Text(0, y, "middle", style, text))
    y += 4 if rows and lines else 0
    left, right = -width / 2, width / 2
    for name, style, cells in rows:
        texts.append(Text(left, y + LINE, "start", "caption", name))
        for line in cells:
            y += LINE
            for i, text in enumerate(line):
                texts.append(Text(right - (len(line) - 1 - i) * cell, y, "end", style, text))
    return Box(round(max(width + 2 * margin, least), 1), round(height + 10, 1), tuple(texts))
