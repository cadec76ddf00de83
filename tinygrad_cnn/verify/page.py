"""A report as a page: one HTML file without scripts or references, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

from tinygrad_cnn.verify import excerpt
from tinygrad_cnn.verify.content import Arrays, Comparison, Derived, Facts, Paragraph, Part

MOST_COLUMNS = 12
MOST_ROWS = 24
MOST_MATRICES = 6
MOST_GIVEN = 12
MOST_ENTRIES = 40

STYLE = """
.tg-report { --ink: #1c2126; --faint: #5b6570; --line: #d5dae0; --ground: #ffffff; --good: #1a6e35;
  --bad: #b3261e; --mark: #ffe3df; color: var(--ink); background: var(--ground);
  font: 16px/1.5 system-ui, sans-serif; padding: 1.5rem; }
@media (prefers-color-scheme: dark) { .tg-report { --ink: #e4e8ec; --faint: #9aa5b1; --line: #3a424b; --ground: #15191d;
  --good: #6fcf8b; --bad: #ff8a80; --mark: #55231f; } }
.tg-report h1 { font-size: 1.4rem; margin: 0 0 .3rem; }
.tg-report h2 { font-size: 1.05rem; margin: 0; }
.tg-report p { margin: .3rem 0; }
.tg-report article { border-top: 1px solid var(--line); padding: .9rem 0; }
.tg-report.passed h1 b, .tg-report .passed b { color: var(--good); }
.tg-report.failed h1 b, .tg-report .failed b { color: var(--bad); }
.tg-report article.passed { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .8rem; padding: .25rem 0; }
.tg-report article.passed p { margin: 0; }
.tg-report .tag { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem; color: var(--bad);
  font-size: .9rem; white-space: nowrap; }
.tg-report p.formula { border-left: 3px solid var(--line); padding-left: .8rem; margin: .5rem 0; font-style: italic; }
.tg-report .case { margin-top: .8rem; font-weight: 600; }
.tg-report .note, .tg-report dl, .tg-report caption { color: var(--faint); font-size: .9rem; }
.tg-report dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .4rem 0; }
.tg-report dd { margin: 0; }
.tg-report .arrays { display: flex; flex-wrap: wrap; align-items: flex-start; gap: .6rem 2rem;
  overflow-x: auto; margin: .6rem 0; }
.tg-report .arrays table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: max-content; }
.tg-report caption { text-align: left; padding-bottom: .2rem; white-space: nowrap; }
.tg-report .arrays td, .tg-report .arrays th { border: 1px solid var(--line); padding: .1rem .5rem; text-align: right; }
.tg-report td.wrong { background: var(--mark); color: var(--bad); font-weight: 700; }
.tg-report summary { cursor: pointer; }
.tg-report td.wrong::before { content: "\\2717\\a0"; }
"""


def page(report: Any) -> str:
    """The whole HTML document of a report."""
    return document(report.title, fragment(report))


def document(title: str, body: str) -> str:
    """An HTML document, light or dark."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        # What a student's code printed stands in a report: whatever it is, it runs nothing and loads nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n"
        "<style>html { background: #ffffff; } body { margin: 0; max-width: 70rem; }\n"
        "@media (prefers-color-scheme: dark) { html { background: #15191d; } }</style>\n"
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def fragment(report: Any) -> str:
    """The report as a part of a page, with the style that it needs: what a notebook shows."""
    failed, count = len(report.failures), len(report)
    verdict = f"failed, {failed} of {count}" if failed else f"passed, {count}"
    parts = [f"<style>{STYLE}</style>", f'<section class="tg-report {_kind(report)}">']
    parts.append(f"<h1>{escape(report.title)}: <b>{verdict} check{'s' * (count > 1)}</b></h1>")
    parts += [f'<p class="note">{escape(note)}</p>' for note in report.notes]
    parts += [article(check) for check in report]
    return "\n".join([*parts, "</section>"])


def _kind(judged: Any) -> str:
    return "passed" if judged.passed else "failed"


def article(check: Any, level: int = 2) -> str:
    """One check as a part of a page, under a heading of that level; one that passed is a line."""
    heading = f"<h{level}>{escape(check.name)}: <b>{_kind(check)}</b></h{level}>"
    message = escape(check.message)
    for tag in check.tags:
        message = message.replace(escape(tag), f'<span class="tag">{escape(tag)}</span>')
    parts = [f'<article class="{_kind(check)}">', heading, f"<p>{message}</p>"]
    parts += [_part(part, check.passed) for part in check.parts()]
    return "\n".join([*parts, "</article>"])


def _part(part: Part, is_passed: bool) -> str:
    match part:
        case Paragraph(text, "text"):
            return f"<p>{escape(text)}</p>"
        case Paragraph(text, kind):
            return f'<p class="{kind}">{escape(text)}</p>'
        case Facts(values):
            if is_passed:
                facts = "; ".join(f"{label}: {_text(value)}" for label, value in values.items())
                return f'<p class="note">{escape(facts)}</p>'
            items = (f"<dt>{escape(label)}</dt><dd>{escape(_text(value))}</dd>" for label, value in values.items())
            return f"<dl>{''.join(items)}</dl>"
        case Arrays(arrays):
            return _arrays(arrays)
        case Comparison():
            return _comparison(part)
        case Derived(title, _, derive):
            try:
                derived = derive()._repr_html_()
            except (ImportError, TypeError, ValueError):  # sympy is missing, or it is too large to be written down
                return ""
            return f"<details><summary>{escape(title)}</summary>\n{derived}\n</details>"


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _arrays(arrays: Mapping[str, Any]) -> str:
    tables: list[str] = []
    hidden: list[str] = []
    for name, array in arrays.items():
        grids = excerpt.grids(name, array)
        if _is_large(grids[0]):
            hidden.append(f"{name} is too large to be shown")
            continue
        tables += map(_table, grids[:MOST_GIVEN])
        if len(grids) > MOST_GIVEN:
            hidden.append(f"{name} has {len(grids) - MOST_GIVEN} more matrices")
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in hidden)
    return f'<div class="arrays">{"".join(tables)}</div>{notes}'


def _comparison(comparison: Comparison) -> str:
    """Expected, actual and difference as tables, or the worst entries as one."""
    if comparison.wrong is None:
        return _arrays(excerpt.of_different_shapes(comparison))
    shown = excerpt.compared(comparison)
    if _is_large(shown[0][1][0]):
        return _entries(comparison)
    parts = []
    for label, triple in shown[:MOST_MATRICES]:
        named = [replace(grid, title=f"{grid.title} {label}".rstrip()) for grid in triple]
        parts.append(f'<div class="arrays compared">{"".join(map(_table, named))}</div>')
    if len(shown) > MOST_MATRICES:
        parts.append(f'<p class="note">and {len(shown) - MOST_MATRICES} more with wrong entries</p>')
    return "\n".join(parts)


def _is_large(grid: excerpt.Grid) -> bool:
    return len(grid.rows) > MOST_ROWS or len(grid.rows[0]) > MOST_COLUMNS


def _table(grid: excerpt.Grid) -> str:
    rows = []
    for i, row in enumerate(grid.rows):
        marks = grid.wrong[i] if grid.wrong else (False,) * len(row)
        cells = [
            f'<td class="wrong">{escape(cell)}</td>' if wrong else f"<td>{escape(cell)}</td>"
            for cell, wrong in zip(row, marks, strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><caption>{escape(grid.title)}</caption>{''.join(rows)}</table>"


def _entries(comparison: Comparison) -> str:
    """The worst entries as one table."""
    positions = excerpt.worst(comparison, MOST_ENTRIES)
    count = int(comparison.wrong.sum())
    caption = f"the worst {len(positions)} of {count} wrong entries" if count > len(positions) else "the wrong entries"
    rows = "".join(
        f'<tr><td>{excerpt.index(comparison.wrong.shape, i)}</td><td>{escape(e)}</td><td class="wrong">{escape(a)}</td>'
        f'<td class="wrong">{escape(d)}</td></tr>'
        for i, e, a, d in zip(positions, *excerpt.columns(comparison, positions), strict=True)
    )
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in ("index", *comparison.titles))
    return f'<div class="arrays"><table><caption>{caption}</caption><tr>{head}</tr>{rows}</table></div>'
