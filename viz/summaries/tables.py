"""Tables as text for a terminal, as Markdown, and as HTML that is light or dark as the reader's system is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Literal

LEAST_TITLE = 22
"""Optional columns are left out before the titles get less room than this."""

UNITS = ("", "k", "M", "G", "T", "P")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, which side its cells are set to, and whether a narrow table may go without it."""

    heading: str
    align: Literal["left", "right"] = "right"
    is_optional: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row: its title, a name, what it is and details of that, and a cell for each further column.

    `level` indents it; a line that is a `group` sums up those indented below it.
    """

    name: str
    remark: str
    detail: str
    cells: tuple[str, ...]
    level: int = 0
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title above and notes below; the first column holds the titles of the lines."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    def to_text(self, width: int = 80) -> str:
        """In at most `width` columns of a terminal where that is possible: details and optional columns go first."""
        kept = list(range(len(self.columns)))
        while True:
            widths = [self._width(i) for i in kept]
            room = width - sum(widths[1:]) - 2 * (len(kept) - 1)
            optional = [i for i in kept if self.columns[i].is_optional]
            if room >= min(widths[0], LEAST_TITLE) or not optional:
                break
            kept.remove(optional[-1])
        widths[0] = min(widths[0], max(room, LEAST_TITLE // 2))
        rows = [[self.columns[i].heading for i in kept]]
        rows += [[_fitting(line, widths[0]), *(line.cells[i - 1] for i in kept[1:])] for line in self.lines]
        widths[0] = max(_columns(row[0]) for row in rows)
        text = [self._row(row, kept, widths) for row in rows]
        rule = "-" * (sum(widths) + 2 * (len(kept) - 1))
        notes = [part for note in self.notes for part in _wrapped(note, max(width, 40))]
        return "\n".join([self.title, "", text[0], rule, *text[1:], rule, *notes])

    def _width(self, i: int) -> int:
        cells = [_title(line) if i == 0 else line.cells[i - 1] for line in self.lines]
        return max(map(_columns, [self.columns[i].heading, *cells]))

    def _row(self, cells: Sequence[str], kept: Sequence[int], widths: Sequence[int]) -> str:
        parts = []
        for cell, i, width in zip(cells, kept, widths, strict=True):
            space = " " * (width - _columns(cell))
            parts.append(cell + space if self.columns[i].align == "left" else space + cell)
        return "  ".join(parts).rstrip()

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown, under its title in bold."""
        head = [_markdown(column.heading) for column in self.columns]
        marks = [":---" if column.align == "left" else "---:" for column in self.columns]
        rows = [head, marks]
        for line in self.lines:
            name = f"**{_markdown(line.name)}**" if line.is_group else _markdown(line.name)
            title = "&nbsp;" * 4 * line.level + " ".join(filter(None, (name, _markdown(line.remark + line.detail))))
            rows.append([title, *map(_markdown, line.cells)])
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return "\n\n".join([f"**{_markdown(self.title)}**", table, *map(_markdown, self.notes)]) + "\n"

    def to_html(self) -> str:
        """A part of a page with the style that it needs, without ids or scripts; whatever the user named is escaped."""
        heads = "".join(map(_html_head, self.columns))
        body = "\n".join(map(self._html_line, self.lines))
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        title = escape(self.title)
        return (
            f'<style>{STYLE}</style>\n<section class="tg-table">\n'
            f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n'
            f"<table>\n<caption>{title}</caption>\n"
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
            f'<div class="notes">{notes}</div>\n</section>\n'
        )

    def _html_line(self, line: Line) -> str:
        text = line.remark + line.detail
        remark = f' <span class="remark">{escape(text)}</span>' if text else ""
        cells = "".join(
            f'<td class="{column.align}">{escape(cell)}</td>'
            for column, cell in zip(self.columns[1:], line.cells, strict=True)
        )
        kind = ' class="group"' if line.is_group else ""
        indent = f' style="padding-left: {.6 + 1.2 * line.level:.1f}em"' if line.level else ""
        return f'<tr{kind}><th scope="row" class="left"{indent}><b>{escape(line.name)}</b>{remark}</th>{cells}</tr>'


STYLE = """
.tg-table { --ink: #1c2126; --faint: #5b6570; --line: #d5dae0; --ground: #ffffff; --band: #f2f4f7; --focus: #0b5cad;
  color: var(--ink); background: var(--ground); font: 14px/1.45 system-ui, sans-serif; padding: .6rem; }
@media (prefers-color-scheme: dark) { .tg-table { --ink: #e4e8ec; --faint: #a3b0bc; --line: #3a424b;
  --ground: #15191d; --band: #1e252b; --focus: #7cb8ff; } }
.tg-table .scroll { overflow-x: auto; }
.tg-table .scroll:focus-visible { outline: 3px solid var(--focus); outline-offset: 1px; }
.tg-table table { border-collapse: collapse; font-variant-numeric: tabular-nums; color: inherit; font-size: inherit;
  margin: 0; border: 0; }
.tg-table caption { text-align: left; font-weight: 700; padding: 0 .6em .4em; color: inherit; caption-side: top; }
.tg-table th, .tg-table td { padding: .15em .6em; white-space: nowrap; text-align: right; background: none; border: 0;
  border-bottom: 1px solid var(--line); vertical-align: baseline; max-width: none; }
.tg-table th.left, .tg-table td.left { text-align: left; }
.tg-table tbody th { font-weight: 400; }
.tg-table tbody tr { background: none; }
.tg-table thead th { border-bottom: 2px solid var(--faint); color: inherit; font-weight: 700; white-space: normal;
  vertical-align: bottom; }
.tg-table tbody th { white-space: normal; min-width: 9em; overflow-wrap: break-word; }
.tg-table tbody th b { font-weight: 600; }
.tg-table tr.group { background: var(--band); }
.tg-table tr.group td { color: var(--faint); }
.tg-table .remark { color: var(--faint); }
.tg-table .notes p { margin: .3em .6em; color: var(--faint); max-width: 75ch; }
@media print { .tg-table { --ink: #000000; --faint: #444444; --ground: #ffffff; --line: #bbbbbb; --band: #eeeeee; } }
"""


def _html_head(column: Column) -> str:
    note = f' title="{escape(column.note)}"' if column.note else ""
    return f'<th scope="col" class="{column.align}"{note}>{escape(column.heading)}</th>'


def count(n: int) -> str:
    """A number in full, with commas.

    >>> count(48120)
    '48,120'
    """
    return f"{n:,}"


def short(n: int, exact_below: int = 1_000_000) -> str:
    """A number in full while it is short, else three digits of it.

    >>> short(470400), short(4089184256)
    ('470,400', '4.09 G')
    """
    return count(n) if n < exact_below else _scaled(n, "")


def size_of(n: int) -> str:
    """Bytes, in powers of a thousand.

    >>> size_of(999), size_of(102228128)
    ('999 B', '102 MB')
    """
    return f"{n} B" if n < 1000 else _scaled(n, "B")


def _scaled(n: int, unit: str) -> str:
    power = min((len(str(n)) - 1) // 3, len(UNITS) - 1)
    value = n / 1000**power
    if value >= 999.5 and power < len(UNITS) - 1:
        power, value = power + 1, value / 1000
    return f"{value:.{max(0, 2 - (value >= 9.995) - (value >= 99.95))}f} {UNITS[power]}{unit}"


def _title(line: Line, with_detail: bool = True) -> str:
    remark = line.remark + line.detail if with_detail else line.remark
    return "  " * line.level + "  ".join(filter(None, (line.name, remark)))


def _fitting(line: Line, width: int) -> str:
    """The title in so many columns: without its details, and cut, where that is needed."""
    text = _title(line)
    if _columns(text) > width:
        text = _title(line, with_detail=False)
    if _columns(text) <= width:
        return text
    text = text[: 2 * width]  # a letter and an accent to each column
    while _columns(text) > width - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _wrapped(text: str, width: int) -> list[str]:
    text = re.sub(r"(?<=\d) (?=[kMGTP]?B\b)", "\0", text)  # a number stays with its unit
    return [line.replace("\0", " ") for line in wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)]


def _markdown(text: str) -> str:
    for character in r"\`*_{}[]<>|#~":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split()).replace("&", "&amp;")
