"""A derivation as a page: one HTML file with MathML, no scripts and no references, on a light or a dark screen."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from tinygrad_cnn.verify.derivation import mathml
from tinygrad_cnn.verify.derivation.document import Block, Bullets, Display, Listing, Paragraph
from tinygrad_cnn.verify.derivation.notation import Equation, Notation, has_matrix
from tinygrad_cnn.verify.derivation.notation import inline as in_words

if TYPE_CHECKING:
    from tinygrad_cnn.verify.derivation.derivation import Derivation

_STYLE = """
.tg-derivation { --ink: #1c2126; --faint: #5b6570; --line: #d5dae0; --ground: #ffffff; --result: #f2f6fb;
  color: var(--ink); background: var(--ground); font: 16px/1.55 system-ui, sans-serif; padding: 1.5rem; }
@media (prefers-color-scheme: dark) { .tg-derivation { --ink: #e4e8ec; --faint: #9aa5b1; --line: #3a424b;
  --ground: #15191d; --result: #1e252c; } }
.tg-derivation h1 { font-size: 1.35rem; font-weight: 600; margin: 0 0 .5rem; line-height: 2; }
.tg-derivation h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
.tg-derivation section { border-top: 1px solid var(--line); padding: 1rem 0 .8rem; overflow-x: auto; }
.tg-derivation p, .tg-derivation ul { margin: .45rem 0; }
.tg-derivation ul { padding-left: 1.3rem; }
.tg-derivation math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", math, serif;
  font-size: 1.1em; }
.tg-derivation .formula { display: flex; align-items: center; gap: 2rem; margin: .6rem 0;
  padding: .2rem .6rem; overflow: auto hidden; }
.tg-derivation .formula span { margin-left: auto; color: var(--faint); }
.tg-derivation .closed .formula:first-of-type { background: var(--result); border-radius: .3rem; padding: .7rem .9rem; }
.tg-derivation table { border-collapse: collapse; margin: .5rem .6rem; }
.tg-derivation td { padding: .22rem 0; vertical-align: baseline; }
.tg-derivation td:first-child { text-align: right; white-space: nowrap; }
.tg-derivation td.rest { padding-left: .35rem; }
.tg-derivation td.cell { text-align: left; padding: .3rem 2rem .3rem 0; }
.tg-derivation .left { color: var(--faint); font-size: .92rem; }
.tg-derivation mtd { padding: .15rem .4rem; }
@media print { .tg-derivation { --ink: #000; --ground: #fff; --faint: #444; --line: #bbb; --result: #fff; padding: 0; }
  .tg-derivation tr, .tg-derivation .formula { break-inside: avoid; } .tg-derivation h2 { break-after: avoid; } }
"""


def page(derivation: Derivation, full: bool = False) -> str:
    """The whole HTML document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(derivation.title)}</title>\n"
        "<style>html { background: #ffffff; } body { margin: 0 auto; max-width: 62rem; }\n"
        "@media (prefers-color-scheme: dark) { html { background: #15191d; } }\n"
        "@media print { html { background: #ffffff; } }</style>\n"
        f"</head>\n<body>\n{fragment(derivation, full)}\n</body>\n</html>\n"
    )


def fragment(derivation: Derivation, full: bool = False) -> str:
    """The derivation as a part of a page, with the style that it needs: what a notebook shows."""
    parts = [f"<style>{_STYLE}</style>", '<article class="tg-derivation">', f"<h1>{inline(derivation.heading)}</h1>"]
    for i, step in enumerate(derivation.steps, 1):
        kind = ' class="closed"' if step.kind == "closed form" else ""
        parts += [f"<section{kind}>", f"<h2>{i}. {inline(step.heading)}</h2>"]
        for block in step.blocks:
            parts += _block(block, full)
        parts.append("</section>")
    return "\n".join([*parts, "</article>"])


def inline(parts: tuple[str | Notation, ...]) -> str:
    """Words and formulas in a line."""
    return "".join(escape(part) if isinstance(part, str) else mathml.element(in_words(part), False) for part in parts)


def _block(block: Block, full: bool) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield f"<p>{inline(block.parts)}</p>"
    elif isinstance(block, Bullets):
        yield f"<ul>{''.join(f'<li>{inline(item.parts)}</li>' for item in block.items)}</ul>"
    elif isinstance(block, Display):
        yield _display(block.equation)
    else:
        yield from _listing(block, full)


def _display(equation: Equation) -> str:
    number = f"<span>({equation.number})</span>" if equation.number is not None else ""
    if has_matrix(equation):
        return f'<div class="formula">{mathml.element(equation)}{number}</div>'
    rights = "<wbr/>".join(piece for right in equation.rights for piece in mathml.pieces(right))
    return f'<div class="formula"><div>{mathml.element(equation.left)}{rights}</div>{number}</div>'


def _listing(listing: Listing, full: bool) -> Iterator[str]:
    rows = list(listing.shown(full))
    is_single = all(row is None or len(row) == 1 for row in rows)
    yield "<table>"
    for row in rows:
        if row is None:
            kind = ' class="cell"' if not is_single else ""
            yield f'<tr><td{kind}><math><mo>⋮</mo></math></td><td class="rest"></td></tr>'
        elif is_single:
            rights = "<wbr/>".join(piece for right in row[0].rights for piece in mathml.pieces(right))
            yield f'<tr><td>{mathml.element(row[0].left)}</td><td class="rest">{rights}</td></tr>'
        else:
            cells = "".join(f'<td class="cell">{mathml.element(equation)}</td>' for equation in row)
            yield f"<tr>{cells}</tr>"
    yield "</table>"
    if listing.left_out(full):
        yield f'<p class="left">{listing.left_out(full)} more in the same way</p>'
