"""Labels and tooltips in Graphviz's HTML-like language, from names and values of any content."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.viz.graph import numbers
from tinygrad_cnn.viz.graph.description import Missing

INK, GREY, GRADIENT = "#1f2933", "#5f6b7a", "#a3195b"
TILE = "#0000000e"

LONGEST = 2000
"""So many characters, each of which is at most 6 bytes long when escaped: Graphviz reads strings of up to 16,384."""

_ABSENT = {Missing.NOT_COMPUTED: "–", Missing.NOT_KEPT: "not kept"}
# What XML 1.0, so SVG, can't hold, and the control characters that it can.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    r"""The text in one line, with a mark for every character that no picture can hold.

    >>> printable("two\nlines\x07")
    'two lines�'
    """
    return _UNPRINTABLE.sub("�", " ".join(text.split()))


def plain(text: str) -> str:
    r"""The text for a label, where nothing in it has a meaning to Graphviz.

    >>> print(plain(r'<b> & "\N"'))
    &lt;b&gt; &amp; &quot;\\N&quot;
    """
    # Graphviz reads its own escapes (\N is the node's name) also in HTML-like labels, and refuses an empty element.
    return html.escape(printable(text)).replace("\\", "\\\\") or "&#160;"


def tooltip(lines: Iterable[str | None]) -> str:
    r"""A tooltip of several lines, cut where it gets too long; None and empty lines are left out.

    >>> print(tooltip(["x\\y", None, "<leaf>"]))
    x\\\\y&#10;&lt;leaf&gt;
    """
    text = numbers.shortened("\n".join(printable(line) for line in lines if line), LONGEST)
    # Graphviz reads the escapes of a tooltip twice.
    return "&#10;".join(plain(line).replace("\\\\", "\\\\\\\\") for line in text.split("\n"))


def bold(text: str) -> str:
    """The text in bold type, larger than the rest of a label."""
    return f'<font point-size="12"><b>{plain(text)}</b></font>'


def colored(text: str, color: str = GREY) -> str:
    """The text in another colour than the rest."""
    return f'<font color="{color}">{plain(text)}</font>'


def edge(text: str, is_on_line: bool = False) -> str:
    """The label of an edge, at a little distance from it or, on white, on the line."""
    ground = ' bgcolor="white"' if is_on_line else ""
    return f'<<table border="0" cellspacing="0" cellpadding="2"{ground}><tr><td>{plain(text)}</td></tr></table>>'


def note(text: str) -> str:
    """A line below the picture."""
    return f'<<font point-size="11">{colored(text)}</font>>'


def table(headings: Iterable[str], rows: Iterable[Row] = ()) -> str:
    """A label: headings over the whole width, and rows of cells, in which a row that is too short is stretched.

    >>> table(["x"], [Row("value", ("1", "2"), INK)]).count("<td")
    4
    """
    rows = list(rows)
    columns = max((len(row.cells) for row in rows), default=0)
    lines = [f"<tr><td{_over(columns + 1)}>{heading}</td></tr>" for heading in headings]
    for row in rows:
        if row.is_tiled and row.caption:
            lines.append('<tr><td height="2"></td></tr>')
        caption = colored(row.caption) if row.caption else ""
        lines.append(f'<tr><td align="left">{caption}</td>{_cells(row, columns)}</tr>')
    return f'<<table border="0" cellspacing="1" cellpadding="1">{"".join(lines)}</table>>'


@dataclass(frozen=True, slots=True)
class Row:
    """A row of numbers: what they are, the numbers, their colour, and the least width in points of an array's tile."""

    caption: str
    cells: tuple[str, ...]
    color: str = GREY
    width: int = 0

    @property
    def is_tiled(self) -> bool:
        """Whether it is a row of a written-out array."""
        return self.width > 0


def _cells(row: Row, columns: int) -> str:
    missing = columns - len(row.cells)
    over = _over(missing + 1) if len(row.cells) == 1 else ""  # a single cell is stretched
    rest = f"<td{_over(missing)}></td>" if missing and not over else ""
    look = f' bgcolor="{TILE}" width="{row.width}"' if row.is_tiled else ""
    end = "&#160;" if row.is_tiled else ""
    content = plain if row.color == INK else partial(colored, color=row.color)
    return "".join(f'<td align="right"{over}{look}>&#160;{content(cell)}{end}</td>' for cell in row.cells) + rest


def _over(columns: int) -> str:
    return f' colspan="{columns}"' if columns > 1 else ""


def number_rows(
    shown: Iterable[tuple[str, Any, str]], is_written: bool = True, has_statistics: bool = False
) -> list[Row]:
    """Rows for values and gradients, each given as a caption, an array or why there is none, and a colour.

    Args:
        shown: what to write.
        is_written: write a small array out; a single number always is.
        has_statistics: write the statistics of every array, with the standard deviation and the share of zeros.
    """
    rows: list[Row] = []
    header = Row("", ("min", "mean", "max", "std", "zeros") if has_statistics else ("min", "mean", "max"))
    for caption, array, color in shown:
        if isinstance(array, Missing):
            rows.append(Row(caption, (_ABSENT[array],)))
            continue
        size = int(np.size(array))
        written = numbers.grid(array) if is_written or size == 1 else None
        if written is not None:
            longest = max(len(cell) for line in written for cell in line)
            width = 8 + 6 * longest if len(written) * len(written[0]) > 1 else 0
            for line in written:
                rows.append(Row(caption, tuple(map(typeset, line)), color, width))
                caption = ""
            if size == 1 or not has_statistics:
                continue
        if (found := numbers.statistics(array)) is None:
            rows += [] if written else [Row(caption, (f"{size} elements",), color)]
        elif not found.size:
            rows.append(Row(caption, ("empty",)))
        else:
            if found.minimum is not None:
                rows += [] if header in rows and written is None else [header]
                cells = [numbers.number(x, 3) for x in (found.minimum, found.mean, found.maximum)]
                if has_statistics:
                    cells += [numbers.number(found.deviation, 3), _share(found.zeros, size - found.not_finite)]
                rows.append(Row(caption, tuple(map(typeset, cells)), color))
                caption = ""
            if found.not_finite:
                rows.append(Row(caption, (f"{found.not_finite} of {found.size} not finite",), color))
    return rows


def _share(count: int, size: int) -> str:
    """A part of a whole in percent; only none is 0 %, and only all is 100 %."""
    percent = 100 * count / size
    return "<1%" if 0 < percent < 1 else ">99%" if 99 < percent < 100 else f"{percent:.0f}%"


def typeset(number: str) -> str:
    """A number with the minus sign of print."""
    return number.replace("-", "−")


def reason(caption: str, array: Any) -> str | None:
    """Why a value or gradient is not there, for a tooltip; None where it is.

    >>> reason("gradient", Missing.NOT_COMPUTED)
    'gradient: not computed'
    """
    return f"{caption}: {array.value}" if isinstance(array, Missing) else None
