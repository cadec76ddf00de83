"""A report as text for a terminal of 80 columns."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from tinygrad_cnn.verify import excerpt

WIDTH = 80
MOST_ROWS = 16
MOST_MATRICES = 3
MOST_ENTRIES = 10


def render(report: Any) -> str:
    """The report in lines of at most 80 characters, the wrong entries marked by a star."""
    failed, count = len(report.failures), len(report)
    verdict = f"FAILED, {failed} of {count}" if failed else f"passed, {count}"
    lines = wrapped(f"{report.title}: {verdict} check{'s' * (count > 1)}", "", "  ")
    for note in report.notes:
        lines += wrapped(note, "  ", "  ")
    lines.append("")
    widest = min(max(len(check.name) for check in report), 24)
    marked = False
    for check in report:
        lines += block(check.name, check.passed, check.message, below := details(check), widest)
        marked |= any("*" in line for line in below)
    if marked:
        lines += ["", "* marks a wrong entry"]
    return "\n".join(lines)


def block(name: str, passed: bool, message: str, below: list[str], widest: int) -> list[str]:
    """The lines of one check: its verdict and name, its message, and its details; names align up to `widest`."""
    hanging = " " * 10
    head = f"  {'passed' if passed else 'FAILED'}  {name.ljust(widest)}  "
    if len(name) > widest:
        lines = [head.rstrip(), *wrapped(message, hanging, hanging)]
    else:
        lines = wrapped(message, head, " " * len(head))
    return [line.rstrip() for line in [*lines, *(hanging + line for line in below)]]


def details(check: Any, width: int = WIDTH - 10) -> list[str]:
    """What stands below a check's message: facts, notes, and the arrays of one that failed."""
    facts = [f"{label}: {_text(value)}" for label, value in check.facts.items()]
    lines = wrapped("; ".join(facts), "", "  ", width) if facts else []
    for note in check.notes:
        lines += wrapped(note, "", "  ", width)
    if not check.passed and check.wrong is not None and check.wrong.any():
        lines += ["", *_arrays(check, width)]
    return lines


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def wrapped(text: str, first: str, others: str, width: int = WIDTH) -> list[str]:
    """The text in lines, none of which ends inside an index [0, 1]."""
    text = re.sub(r"\[[\d, ]*\]", lambda index: index[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _arrays(check: Any, width: int) -> list[str]:
    """Expected, actual and difference side by side where they fit, else the worst entries, one a line."""
    shown = list(excerpt.matrices(check))
    if shown[0][1].shape[0] > MOST_ROWS:
        return _entries(check)
    lines: list[str] = []
    for label, positions in shown[:MOST_MATRICES]:
        block = _side_by_side(check, positions)
        if max(map(len, block)) > width:
            return _entries(check)
        lines += [f"{check.name}{label}", *block] if label else block
    if len(shown) > MOST_MATRICES:
        lines.append(f"and {len(shown) - MOST_MATRICES} more with wrong entries")
    return lines


def _side_by_side(check: Any, positions: Any) -> list[str]:
    marks = ["*" if check.wrong.flat[i] else "" for i in positions.flat]
    parts = []
    columns = excerpt.columns(check, positions.ravel().tolist())
    for title, cells in zip(("expected", "actual", "difference"), columns, strict=True):
        if title != "expected":
            cells = [mark + cell for mark, cell in zip(marks, cells, strict=True)]
        each = max(map(len, cells))
        starts = range(0, len(cells), positions.shape[1])
        rows = [" ".join(cell.rjust(each) for cell in cells[i : i + positions.shape[1]]) for i in starts]
        column = [title, *rows]
        wide = max(map(len, column))
        parts.append([line.ljust(wide) for line in column])
    return ["   ".join(line).rstrip() for line in zip(*parts, strict=True)]


def _entries(check: Any) -> list[str]:
    positions = excerpt.worst(check, MOST_ENTRIES)
    count = int(check.wrong.sum())
    rows = [("index", "expected", "actual", "difference")]
    indices = [f"*{excerpt.index(check.wrong.shape, i)}" for i in positions]
    rows += zip(indices, *excerpt.columns(check, positions), strict=True)
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["   ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows]
    if count > len(positions):
        lines.append(f"the worst {len(positions)} of {count}")
    return lines
