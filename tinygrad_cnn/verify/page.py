"""A report as a page: one HTML file without scripts or references, light or dark as the reader's system is."""

from __future__ import annotations

from html import escape
from typing import Any

from tinygrad_cnn.verify import excerpt

MOST_COLUMNS = 12
MOST_ROWS = 24
MOST_MATRICES = 6
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
.tg-report .note, .tg-report dl, .tg-report caption { color: var(--faint); font-size: .9rem; }
.tg-report dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .4rem 0; }
.tg-report dd { margin: 0; }
.tg-report .arrays { display: flex; flex-wrap: wrap; gap: .6rem 2rem; overflow-x: auto; margin: .6rem 0; }
.tg-report table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: max-content; }
.tg-report caption { text-align: left; padding-bottom: .2rem; }
.tg-report td, .tg-report th { border: 1px solid var(--line); padding: .1rem .5rem; text-align: right; }
.tg-report td.wrong { background: var(--mark); color: var(--bad); font-weight: 700; }
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
    """One check as a part of a page, under a heading of that level."""
    heading = f"<h{level}>{escape(check.name)}: <b>{_kind(check)}</b></h{level}>"
    parts = [f'<article class="{_kind(check)}">', heading]
    parts.append(f"<p>{escape(check.message)}</p>")
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(_text(value))}</dd>" for label, value in check.facts.items())
    if facts:
        parts.append(f"<dl>{facts}</dl>")
    parts += [f'<p class="note">{escape(note)}</p>' for note in check.notes]
    if not check.passed and check.wrong is not None and check.wrong.any():
        parts.append(_arrays(check))
    return "\n".join([*parts, "</article>"])


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _arrays(check: Any) -> str:
    shown = list(excerpt.matrices(check))
    rows, columns = shown[0][1].shape
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        return _entries(check)
    parts = [_matrices(check, label, positions) for label, positions in shown[:MOST_MATRICES]]
    if len(shown) > MOST_MATRICES:
        parts.append(f'<p class="note">and {len(shown) - MOST_MATRICES} more with wrong entries</p>')
    return "\n".join(parts)


def _matrices(check: Any, label: str, positions: Any) -> str:
    """Expected, actual and difference as three tables."""
    marks = [' class="wrong"' if check.wrong.flat[i] else "" for i in positions.flat]
    tables = []
    columns = excerpt.columns(check, positions.ravel().tolist())
    for title, cells in zip(("expected", "actual", "difference"), columns, strict=True):
        marked = marks if title != "expected" else [""] * len(cells)
        tagged = [f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marked, cells, strict=True)]
        starts = range(0, len(cells), positions.shape[1])
        rows = "".join(f"<tr>{''.join(tagged[i : i + positions.shape[1]])}</tr>" for i in starts)
        tables.append(f"<table><caption>{title} {escape(label)}</caption>{rows}</table>")
    return f'<div class="arrays">{"".join(tables)}</div>'


def _entries(check: Any) -> str:
    """The worst entries as one table."""
    positions = excerpt.worst(check, MOST_ENTRIES)
    count = int(check.wrong.sum())
    caption = f"the worst {len(positions)} of {count} wrong entries" if count > len(positions) else "the wrong entries"
    rows = "".join(
        f'<tr><td>{excerpt.index(check.wrong.shape, i)}</td><td>{escape(e)}</td><td class="wrong">{escape(a)}</td>'
        f'<td class="wrong">{escape(d)}</td></tr>'
        for i, e, a, d in zip(positions, *excerpt.columns(check, positions), strict=True)
    )
    head = "".join(f'<th scope="col">{title}</th>' for title in ("index", "expected", "actual", "difference"))
    return f'<div class="arrays"><table><caption>{caption}</caption><tr>{head}</tr>{rows}</table></div>'
