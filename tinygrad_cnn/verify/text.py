"""A report as text for a terminal of 80 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from tinygrad_cnn.verify import excerpt
from tinygrad_cnn.verify.content import Arrays, Comparison, Derived, Facts, Paragraph, Part

WIDTH = 80
MOST_ROWS = 16
MOST_MATRICES = 3
MOST_GIVEN = 8
MOST_ENTRIES = 10
BETWEEN = "   "


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
        lines += [""] * ("" in below)  # behind arrays
        marked |= any("*" in line for line in below)
    if not lines[-1]:
        lines.pop()
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
    return [line for part in check.parts() for line in _part(part, width)]


def _part(part: Part, width: int) -> list[str]:
    match part:
        case Paragraph(text, "formula"):
            return wrapped(text, "  ", "    ", width)
        case Paragraph(text, "text"):
            return wrapped(text, "", "", width)
        case Paragraph(text, "case"):
            return ["", *wrapped(text, "", "  ", width)]
        case Paragraph(text):
            return wrapped(text, "", "  ", width)
        case Facts(values):
            return wrapped("; ".join(f"{label}: {_text(value)}" for label, value in values.items()), "", "  ", width)
        case Arrays(arrays):
            return ["", *_arrays(arrays, width)]
        case Comparison():
            return ["", *_comparison(part, width)]
        case Derived(title, source):
            return ["", *wrapped(f"{title}: {source}", "", "  ", width)]


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def wrapped(text: str, first: str, others: str, width: int = WIDTH) -> list[str]:
    """The text in lines, none of which ends inside an index [0, 1]."""
    text = re.sub(r"\[[\d, ]*\]", lambda index: index[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _arrays(arrays: Mapping[str, Any], width: int) -> list[str]:
    """Arrays side by side, in as many bands as it takes."""
    blocks, hidden = [], []
    for name, array in arrays.items():
        grids = excerpt.grids(name, array)
        shown = [_block(grid) for grid in grids[:MOST_GIVEN]]
        if max(map(len, shown)) > MOST_ROWS + 1 or max(len(block[0]) for block in shown) > width:
            hidden.append(f"{name} is too large to be shown")
            continue
        blocks += shown
        if len(grids) > MOST_GIVEN:
            hidden.append(f"{name} has {len(grids) - MOST_GIVEN} more matrices")
    return [*_bands(blocks, width), *hidden]


def _comparison(comparison: Comparison, width: int) -> list[str]:
    """Expected, actual and difference side by side or one below the other, else the worst entries, one a line."""
    if comparison.wrong is None:
        return _arrays(excerpt.of_different_shapes(comparison), width)
    shown = excerpt.compared(comparison)
    lines: list[str] = []
    for label, triple in shown[:MOST_MATRICES]:
        blocks = [_block(grid) for grid in triple]
        if len(blocks[0]) > MOST_ROWS + 1 or max(len(block[0]) for block in blocks) > width:
            return _entries(comparison, width)
        if lines and sum(len(block[0]) for block in blocks) + 2 * len(BETWEEN) > width:
            lines.append("")
        lines += [f"{comparison.name}{label}"] if label else []
        lines += _bands(blocks, width, all_or_none=True)
    if len(shown) > MOST_MATRICES:
        lines.append(f"and {len(shown) - MOST_MATRICES} more with wrong entries")
    return lines


def _block(grid: excerpt.Grid) -> list[str]:
    """A matrix below its title, in lines of one length; a star marks a wrong entry."""
    cells = [list(row) for row in grid.rows]
    for i, row in enumerate(grid.wrong):
        cells[i] = [f"*{cell}" if wrong else cell for cell, wrong in zip(cells[i], row, strict=True)]
    each = max(len(cell) for row in cells for cell in row)
    lines = [grid.title, *(" ".join(cell.rjust(each) for cell in row) for row in cells)]
    wide = max(map(len, lines))
    return [line.ljust(wide) for line in lines]


def _bands(blocks: list[list[str]], width: int, all_or_none: bool = False) -> list[str]:
    """Blocks side by side as far as they fit, the others below; or each below the other where not all fit."""
    bands: list[list[list[str]]] = []
    all_fit = sum(len(block[0]) + len(BETWEEN) for block in blocks) - len(BETWEEN) <= width
    used = width
    for block in blocks:
        if used + len(BETWEEN) + len(block[0]) > width or (all_or_none and not all_fit):
            bands.append([])
            used = -len(BETWEEN)
        bands[-1].append(block)
        used += len(BETWEEN) + len(block[0])
    lines: list[str] = []
    for band in bands:
        lines += [""] if lines else []
        rows = zip_longest(*band)
        for row in rows:
            cells = [line or " " * len(block[0]) for line, block in zip(row, band, strict=True)]
            lines.append(BETWEEN.join(cells).rstrip())
    return lines


def _entries(comparison: Comparison, width: int) -> list[str]:
    positions = excerpt.worst(comparison, MOST_ENTRIES)
    count = int(comparison.wrong.sum())
    titles = ("index", *comparison.titles)
    indices = [f"*{excerpt.index(comparison.wrong.shape, i)}" for i in positions]
    rows = list(zip(indices, *excerpt.columns(comparison, positions), strict=True))
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(4)]
    if sum(widths) + 3 * len(BETWEEN) <= width:
        table = [titles, *rows]
        lines = [BETWEEN.join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)) for row in table]
    else:  # formulas
        lines = []
        for index, *cells in rows:
            lines.append(index)
            for title, cell in zip(comparison.titles, cells, strict=True):
                lines += textwrap.wrap(f"{title}: {cell}", width, initial_indent="  ", subsequent_indent="    ")
    if count > len(positions):
        lines.append(f"the worst {len(positions)} of {count}")
    return [line.rstrip() for line in lines]
