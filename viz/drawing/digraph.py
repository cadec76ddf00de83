"""What `draw` returns: a `graphviz.Digraph` that a notebook shows without clashing with another picture."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Any

from tinygrad_cnn.viz.drawing.rendering import UnavailableError, picture
from tinygrad_cnn.viz.graph.description import Graph

__doctest_requires__ = {"drawing_class": ["graphviz"]}

SVG = "image/svg+xml"

_ID = re.compile(r'\sid="([^"]*)"')
_REFERENCE = re.compile(r'\s(?:(?:fill|stroke|clip-path)="url\(|xlink:href=")#([^)"]*)')
_WIDTH = re.compile(r'<svg[^>]*\swidth="([\d.]+)pt"')

SMALLEST = 0.6
"""The part of its size down to which a picture shrinks on a narrow page."""


@cache
def drawing_class() -> type[Any]:
    """The class of a drawn graph, made when the package graphviz is first needed.

    Raises:
        ImportError: it is missing.

    >>> drawing_class()("empty").source
    'digraph empty {\\n}\\n'
    """
    from graphviz import Digraph

    class Drawing(Digraph):  # type: ignore[misc]
        """A `graphviz.Digraph` that shows itself in a notebook; where nothing can draw it, as a line that says so.

        Attributes:
            graph: the description that was drawn, or None.
            note: what was folded to make it small enough, and how to see more; "" for nothing.
        """

        graph: Graph | None = None
        note: str = ""

        def __repr__(self) -> str:
            return f"<graph {self.name!r}, {len(self.body)} lines of DOT>"

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
            try:
                return {"text/plain": repr(self), SVG: svg(self.source)}
            except UnavailableError as error:
                return {"text/plain": f"{self!r}, not drawn: {error}"}

    return Drawing


def svg(source: str) -> str:
    """The picture of DOT text as SVG to be put into a page that holds others too.

    It has no prolog, is no wider than the page, and shares no id with another picture: what nothing refers to has none,
    and the others begin with a hash of the source.

    Raises:
        UnavailableError: neither dot nor pygraphviz can draw it.
    """
    drawn, _ = picture(source, "svg")
    return embedded(drawn.decode(), f"g{hashlib.sha256(source.encode()).hexdigest()[:12]}-")


def embedded(markup: str, prefix: str) -> str:
    """An SVG file of Graphviz as an element for a page, its ids dropped where nothing refers to them, else prefixed.

    It shrinks to the width of the page, but not so far that it can't be read.

    >>> embedded('<?xml version="1.0"?><svg width="90pt" id="a"><g fill="url(#b)"/><c id="b"/></svg>', "x-")
    '<svg style="max-width: 100%; min-width: 54pt; height: auto" width="90pt"><g fill="url(#x-b)"/><c id="x-b"/></svg>'
    """
    markup = markup[markup.index("<svg") :].strip()
    used = set(_REFERENCE.findall(markup))
    markup = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", markup)
    markup = _REFERENCE.sub(lambda found: found[0].replace("#", f"#{prefix}", 1), markup)
    style = f"max-width: 100%; min-width: {SMALLEST * width_of(markup):.0f}pt; height: auto"
    return markup.replace("<svg", f'<svg style="{style}"', 1)


def width_of(markup: str) -> float:
    """The width of a picture by Graphviz in points.

    >>> width_of('<svg width="90pt">')
    90.0
    """
    found = _WIDTH.search(markup)
    return float(found[1]) if found else 0.0
