"""Summaries of models whose names nobody expects: every form can be written into a file, and keeps its rows."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn

NAMES = [
    "<script>alert(1)</script>",
    "| --- |",
    "`**_~",
    "two\nlines\tand a tab",
    "\x00nul\x07",
    "\ud800 alone",
    "\u202eright to left",
    "n" * 10_000,
]


class Hostile(nn.Module):
    def __init__(self):
        self.layers = {name: nn.Linear(2, 2) for name in NAMES}

    def extra_repr(self):
        return "".join(NAMES)

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return x


Hostile.__name__ = "".join(NAMES[:4])


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)


@pytest.fixture
def summary():
    return tg.viz.summary(Hostile(), (1, 2))


def test_every_form_can_be_written(summary, tmp_path):
    compared = summary.compare(summary)
    forms = [str(summary), summary.to_markdown(), summary.to_html(), summary.to_json(), str(compared), repr(summary)]
    for text in (*forms, *summary._repr_mimebundle_().values(), *compared._repr_mimebundle_().values()):
        (tmp_path / "text").write_text(text, encoding="utf-8")
        assert "\x00" not in text
        assert "\x07" not in text


def test_a_row_stays_a_row(summary):
    rows = [line for line in summary.to_markdown().splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 1 + len(NAMES)  # two for the heading, one for the input
    bars = {row.replace("\\|", "").count("|") for row in rows}
    assert len(bars) == 1
    lines = str(summary).splitlines()
    first, last = (i for i, line in enumerate(lines) if line.strip("-") == "" and line)
    assert last - first - 1 == 1 + len(NAMES)


def test_names_bring_no_markup(summary):
    html = summary.to_html()
    tags = Tags()
    tags.feed(html)
    assert "script" not in tags.found
    assert tags.found.count("tr") == 1 + 1 + len(NAMES)
    ET.fromstring(f"<div>{html}</div>")


def test_a_notebook_can_send_what_is_shown():
    model = Hostile()
    x = tg.tensor([[1.0, 2.0]], name=NAMES[5])
    y = model(x)
    y.name = "".join(NAMES)
    for shown in (model, x, y):
        for text in shown._repr_mimebundle_().values():
            assert text.encode("utf-8")
