"""Pictures in a page that holds others too: no id twice, every reference resolved, nothing raised."""

import re
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from shutil import which
from xml.etree import ElementTree

import pytest

import tinygrad_cnn as tg
from tests.viz.reference_graphs import GRAPHS, parameter
from tinygrad_cnn.viz.drawing.digraph import SVG, drawing_class, embedded, svg

needs_graphviz = pytest.mark.skipif(find_spec("graphviz") is None, reason="needs graphviz")
needs_layout = pytest.mark.skipif(
    find_spec("graphviz") is None or (which("dot") is None and find_spec("pygraphviz") is None),
    reason="needs the package graphviz, and dot or pygraphviz",
)

# Two colours make a gradient, which Graphviz defines in one place by an id and refers to in another.
GRADIENT = 'digraph { a [style=filled, fillcolor="red:blue", id="mine"]; b [tooltip="url(#l_0)"]; a -> b }'


class Ids(HTMLParser):
    """The ids in a page and what refers to one, read by a parser for HTML and not by the pattern under test."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.references = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name in ("fill", "stroke", "clip-path"):
                self.references += re.findall(r"^url\(#(.*)\)$", value)


@pytest.fixture
def without_layout(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys.modules["tinygrad_cnn.viz.drawing.rendering"], "find_spec", lambda name: None)


@needs_layout
def test_pictures_on_one_page_share_no_id():
    other = GRADIENT.replace("red", "green")
    page = Ids(svg(GRADIENT) + svg(other))
    assert len(page.ids) == len(set(page.ids)) == 2
    assert set(page.references) == set(page.ids)


@needs_layout
def test_a_picture_that_is_shown_twice_is_the_same_and_has_only_the_ids_that_it_needs():
    assert svg(GRADIENT) == svg(GRADIENT)
    assert Ids(svg("digraph { a -> b }")).ids == []


@needs_layout
def test_a_text_that_looks_like_a_reference_stays():
    assert 'xlink:title="url(#l_0)"' in svg(GRADIENT)


@needs_layout
@pytest.mark.parametrize("name", GRAPHS)
def test_drawn_graphs_are_well_formed_without_ids(name):
    markup = svg(GRAPHS[name]().source)
    root = ElementTree.fromstring(markup)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [element for element in root.iter() if "id" in element.attrib]
    assert root.attrib["style"].startswith("max-width: 100%; min-width: ")


def test_ids_are_prefixed_where_they_are_defined_and_where_they_are_used():
    markup = (
        '<svg><clipPath id="c"/><g clip-path="url(#c)" stroke="#c"/><a xlink:href="#d"/><g id="d"/><g id="e"/></svg>'
    )
    assert embedded(markup, "p-").partition(">")[2] == (
        '<clipPath id="p-c"/><g clip-path="url(#p-c)" stroke="#c"/><a xlink:href="#p-d"/><g id="p-d"/><g/></svg>'
    )


@needs_layout
def test_a_drawn_graph_displays_itself(capfd):
    bundle = tg.viz.draw(tg.exp(parameter(1.0, "x")))._repr_mimebundle_()
    assert bundle[SVG].startswith("<svg ")
    assert bundle["text/plain"].startswith("<graph 'computation', ")
    assert capfd.readouterr() == ("", "")


@needs_graphviz
def test_a_drawn_graph_says_in_a_line_why_it_is_not_displayed(without_layout):
    ((kind, text),) = tg.viz.draw(tg.exp(parameter(1.0, "x")))._repr_mimebundle_().items()
    assert kind == "text/plain"
    assert "not drawn: the program dot was not found" in text
    assert "\n" not in text


@needs_graphviz
def test_a_drawn_graph_is_a_digraph():
    import graphviz

    drawn = tg.viz.draw(tg.exp(parameter(1.0, "x")))
    assert isinstance(drawn, graphviz.Digraph)
    assert drawn.copy().source == drawn.source
    assert type(drawn.copy()) is drawing_class()
