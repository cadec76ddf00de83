"""The DOT text: against stored references, through Graphviz, and with names that try to break it."""

import random
import re
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from shutil import which

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.reference_graphs import GRAPHS, REFERENCES, parameter
from tinygrad_cnn.viz.drawing.dot import digraph
from tinygrad_cnn.viz.drawing.looks import HIGHLIGHT, PALE, Numbers
from tinygrad_cnn.viz.graph.description import Graph, TensorNode, describe

pytest.importorskip("graphviz", reason="needs graphviz")

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"

needs_layout = pytest.mark.skipif(
    which("dot") is None and find_spec("pygraphviz") is None, reason="needs the program dot or pygraphviz"
)


def svg_of(drawn, folder):
    rendering = tg.viz.render(drawn, folder / "graph.svg")
    assert rendering.by in ("dot", "pygraphviz")
    return ET.fromstring(rendering.path.read_bytes())


def groups(svg, kind):
    return [group for group in svg.iter(f"{SVG}g") if kind in group.get("class", "").split()]


def title_of(group):
    return group.find(f"{SVG}title").text


def texts(element):
    found = [(text.text or "").replace("\xa0", " ").strip() for text in element.iter(f"{SVG}text")]
    return [text for text in found if text]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_text_is_the_stored_one(name):
    assert GRAPHS[name]().source == (REFERENCES / f"{name}.dot").read_text(encoding="utf-8")


def test_every_reference_has_its_graph():
    assert {path.stem for path in REFERENCES.glob("*.dot")} == set(GRAPHS)


@needs_layout
@pytest.mark.parametrize("name", GRAPHS)
def test_graphviz_draws_every_node_and_edge(name, tmp_path):
    drawn = GRAPHS[name]()
    svg = svg_of(drawn, tmp_path)
    assert {title_of(group) for group in groups(svg, "node")} == {node.id for node in drawn.graph.nodes}
    feeds = [feed for group in drawn.graph.groups for feed in group.feeds]
    assert len(groups(svg, "edge")) == len(drawn.graph.edges) + len(feeds)
    assert {title_of(group) for group in groups(svg, "cluster")} == {
        f"cluster_{each.id}" for each in drawn.graph.groups
    }
    assert {title_of(group)[0] for group in groups(svg, "tensor")} == {"t"}
    assert {title_of(group)[0] for group in groups(svg, "operation")} <= {"o"}


@needs_layout
def test_values_and_gradients_in_the_picture_are_the_tensors(tmp_path):
    random.seed(3)
    a, b = parameter(random.uniform(-2, 2), "a"), parameter(random.uniform(-2, 2), "b")
    z = tg.tanh(a * b) - b
    z.name = "z"
    z.backward()
    shown = {}
    for group in groups(svg_of(tg.viz.draw(z, values=True, gradients=True), tmp_path), "tensor"):
        *heading, value_word, value, grad_word, grad = texts(group)
        assert (value_word, grad_word) == ("value", "grad")
        shown[heading[0]] = [float(x.replace("−", "-")) for x in (value, grad)]
    assert shown["a"] == pytest.approx([a.item(), a.grad.item()], rel=5e-4)
    assert shown["b"] == pytest.approx([b.item(), b.grad.item()], rel=5e-4)
    assert shown["z"] == pytest.approx([z.item(), 1], rel=5e-4)


@needs_layout
def test_a_small_kernel_stands_in_rows(tmp_path):
    kernel = parameter(np.array([[1, -2], [0.5, 4]]).reshape(1, 1, 2, 2), "K")
    (group,) = groups(svg_of(tg.viz.draw(kernel, values=True), tmp_path), "leaf")
    at = {text.text.replace("\xa0", "").strip(): text for text in group.iter(f"{SVG}text")}
    x, y = ({name: float(at[name].get(axis)) for name in ("1", "−2", "0.5", "4")} for axis in "xy")
    assert y["1"] == y["−2"] < y["0.5"] == y["4"]
    assert x["1"] < x["−2"]
    assert x["0.5"] < x["4"]


def rows_of(source, node):
    (label,) = re.findall(rf"^\t{node} \[label=<(.*)> class=", source, re.MULTILINE)
    return [re.sub(r"<[^>]*>|&#160;", "", row) for row in label.split("</tr>")]


def test_zero_and_not_computed_look_different():
    a = parameter(-1.0, "a")
    z = tg.relu(a)
    assert "grad–" in rows_of(tg.viz.draw(z, gradients=True).source, "t0")
    assert "gradient: not computed" in tg.viz.draw(z, gradients=True).source
    z.backward()
    rows = rows_of(tg.viz.draw(z, gradients=True).source, "t0")
    assert "grad0" in rows
    assert "grad–" not in rows
    assert "not computed" not in tg.viz.draw(z, gradients=True).source


def test_a_value_that_was_not_kept_says_so():
    w = parameter(np.zeros(5000), "w")
    z = (w + 1).sum()
    source = tg.viz.draw(z, values=True).source
    assert "valuenot kept" in rows_of(source, "t2")
    assert "value: not kept" in source
    assert "value000" in rows_of(source, "t0")  # minimum, mean and maximum of what is still there


def test_what_is_not_finite_is_counted():
    w = parameter(np.array([1.0, np.nan, 3, 4, np.inf, 6]))
    rows = rows_of(tg.viz.draw(w, values=True).source, "t0")
    assert rows[1:4] == ["minmeanmax", "value13.56", "2 of 6 not finite"]


def test_numbers_only_on_request():
    a = parameter(0.125)
    z = a * a
    z.backward()
    without, both = tg.viz.draw(z).source, tg.viz.draw(z, values=True, gradients=True).source
    assert not re.search(r"0\.125|value|grad\b|0\.25", re.sub(r'tooltip="[^"]*"', "", without))
    assert "0.125" in both
    assert "0.25" in both


def test_a_plain_number_is_its_own_name():
    rows = [rows_of(tg.viz.draw(parameter(2.0) ** -3).source, f"t{i}") for i in (0, 1)]
    assert ["−3", ""] in rows


def test_kinds_differ_by_colour_and_by_border():
    x = tg.tensor([1.0, 2.0], name="x")
    w = parameter([1.0, 2.0], "w")
    b = x * w
    source = tg.viz.draw(b * 2).source
    looks = {}
    for line in source.splitlines():
        if match := re.search(r'class="?([a-z ]+)"? color=(\S+) fillcolor=(\S+) (.*) shape=(\w+) style=(\S+)', line):
            looks.setdefault(match[1], (match[2], match[3], match[4], match[5], match[6]))
    del looks["operation"]
    assert set(looks) == {"tensor constant", "tensor leaf", "tensor result", "tensor result output"}
    colours = [look[1] for look in looks.values()]
    borders = [look[2:] for look in looks.values()]
    assert len(set(colours)) == len(set(borders)) == 4


def looks(source):
    """What is bold and what is pale: names of nodes, and edges as pairs."""
    bold, pale = set(), set()
    for line in source.splitlines():
        if match := re.match(r"\t([to]\d+)(?: -> ([to]\d+))? \[", line):
            chosen = bold if f'color="{HIGHLIGHT}"' in line else pale if f'color="{PALE}"' in line else None
            if chosen is not None:
                chosen.add(match[1] if match[2] is None else (match[1], match[2]))
    return bold, pale


def test_what_is_highlighted_and_what_is_not():
    a, b = parameter(2.0, "a"), parameter(3.0, "b")
    c = a * b  # t2 = o2(t0, t1)
    d = c + b  # t3 = o3(t2, t1)
    bold, pale = looks(tg.viz.draw(d, highlight=[a, c]).source)
    assert bold == {"t0", "o2", "t2", ("t0", "o2"), ("o2", "t2")}
    assert pale == {"t1", "t3", "o3", ("t1", "o2"), ("t2", "o3"), ("t1", "o3"), ("o3", "t3")}
    bold, _ = looks(tg.viz.draw(d, highlight=d).source)  # alone: no operation leads from it to another
    assert bold == {"t3"}
    bold, _ = looks(tg.viz.draw(d, highlight=(x.node for x in (a, d))).source)  # two that are no neighbours
    assert bold == {"t0", "t3"}
    assert looks(tg.viz.draw(d).source) == (set(), set())


def test_highlighting_stays_apart_in_grey():
    def luminance(colour):
        return sum(share * int(colour[i : i + 2], 16) / 255 for share, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))

    assert luminance(HIGHLIGHT) < 0.2
    assert luminance(PALE) > 0.7
    source = GRAPHS["highlighted_path"]().source
    assert {re.search(r"penwidth=([\d.]+)", line)[1] for line in source.splitlines() if HIGHLIGHT in line} == {"2.8"}
    assert {re.search(r"penwidth=([\d.]+)", line)[1] for line in source.splitlines() if PALE in line} == {"0.7"}


def test_text_of_what_is_not_highlighted_is_pale():
    a = parameter(2.0, "a")
    z = tg.exp(a)
    line = next(line for line in tg.viz.draw(z, values=True, highlight=z).source.splitlines() if "t0 [" in line)
    assert set(re.findall(r'color="(#\w+)"', line)) <= {PALE, "#ffffff"}


def test_what_can_not_be_highlighted():
    a = parameter(2.0, "a")
    with pytest.raises(ValueError, match=r"draw: Tensor\(.*\) can't be highlighted, since it is no part of the graph"):
        tg.viz.draw(tg.exp(a), highlight=[a, parameter(1.0)])
    with pytest.raises(ValueError, match="no part of the graph"):
        tg.viz.draw(tg.exp(a), highlight=tg.tensor(1.0))
    with pytest.raises(TypeError, match="draw: highlight expects tensors but got str"):
        tg.viz.draw(tg.exp(a), highlight="a")


@pytest.mark.parametrize("direction", ["LR", "TB", "RL", "BT"])
def test_directions(direction):
    assert f"rankdir={direction}" in tg.viz.draw(parameter(1.0), direction=direction).source


@pytest.mark.parametrize("direction", ["lr", "left", ""])
def test_an_unknown_direction_is_refused(direction):
    with pytest.raises(ValueError, match=f"draw: direction must be one of LR, TB, RL, BT but is {direction!r}"):
        tg.viz.draw(parameter(1.0), direction=direction)


def test_errors_name_draw():
    with pytest.raises(ValueError, match=r"draw: .* has no graph behind it"):
        tg.viz.draw(tg.tensor(1.0))
    with pytest.raises(TypeError, match="draw: expected a tensor or several but got int"):
        tg.viz.draw(1)


def test_without_the_package_graphviz(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "graphviz", None)
    with pytest.raises(ModuleNotFoundError, match="draw: the Python package graphviz is not installed; pip install"):
        tg.viz.draw(parameter(1.0))


# Names

HOSTILE = [
    '"',
    "\\",
    r"ends with \\",
    r"\N \G \E \T \H \L \l \r \n \" \\N",
    "<b>",
    "</b></td></tr></table>>",
    "<script>alert('x')</script>",
    "&amp; &lt; &#65; &nbsp; & ;",
    "{a|<port> b}",
    "[label=x]; t0 -> t0",
    "]]> <!-- x --> <?xml?>",
    "Δ中文ñ × −",
    "%s %n $x `y` #",
    "a  b",
    "digraph",
]


@needs_layout
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_as_it_is(name, tmp_path):
    x = parameter([1.0, 2.0], name)
    z = x * 2
    z.name = name
    svg = svg_of(tg.viz.draw(z, values=True, gradients=True, name=f"graph {name}"), tmp_path)
    shown = " ".join(name.split())
    for group in (*groups(svg, "leaf"), *groups(svg, "output")):
        assert texts(group)[0] == shown
        (tooltip,) = [link.get(TITLE) for link in group.iter(f"{SVG}a")]
        assert tooltip.split("\n")[0] == shown
    assert len(groups(svg, "node")) == 4
    assert len(groups(svg, "edge")) == 3
    assert svg.find(f"{SVG}g/{SVG}title").text == f"graph {shown}".strip().replace("\\", "_")


@needs_layout
@pytest.mark.parametrize("name", ["\x00", "\x1b[31m", "\ud800", "\ufffe\uffff", "a\x7f\x9fb"])
def test_what_no_picture_can_hold_is_marked(name, tmp_path):
    (group,) = groups(svg_of(tg.viz.draw(parameter(1.0, name), name=name), tmp_path), "leaf")
    assert "�" in texts(group)[0]


@needs_layout
@pytest.mark.parametrize("name", ["", " ", "\n\t"])
def test_an_empty_name_is_no_name(name, tmp_path):
    (group,) = groups(svg_of(tg.viz.draw(parameter(1.0, name), name=name), tmp_path), "leaf")
    assert texts(group) == ["float32"]


def test_a_long_name_is_cut_in_the_picture_and_whole_in_the_tooltip():
    source = tg.viz.draw(parameter(1.0, "n" * 500)).source
    (tooltip,) = re.findall(r'tooltip="(n+)&#10;', source)
    assert len(tooltip) == 500
    assert len(rows_of(source, "t0")[0]) <= 40


def test_an_option_of_any_text():
    @tg.engine.primitive(x=lambda dz: dz)
    def note(x, *, text):
        return x * 1

    source = tg.viz.draw(note(parameter(1.0), text='</td> "\\N" ' + "t" * 99)).source
    assert "text &lt;/td&gt; &quot;\\\\N&quot;" in source
    assert "t" * 99 in source


@needs_layout
def test_objects_without_a_text(tmp_path):
    class Blank:
        def __str__(self):
            return ""

    node = TensorNode("t0", "leaf", True, None, (), "Blank", Blank(), None)
    (group,) = groups(svg_of(digraph(Graph((node,), ()), Numbers(values=True)), tmp_path), "node")
    assert texts(group) == ["Blank", "value"]


# Size and repetition


def test_the_same_graph_gives_the_same_text():
    first = GRAPHS["second_order"]().source
    for _ in range(3):
        tg.exp(parameter(1.0))
    assert GRAPHS["second_order"]().source == first


def test_a_very_deep_graph_is_drawn():
    z = parameter(0.0)
    for _ in range(10_000):
        z = z + 1
    source = tg.viz.draw(z, values=True, budget=None).source
    assert source.count(" -> ") == 30_000
    assert rows_of(source, "t20000")[-2] == "value10000"


def test_drawing_leaves_gradients_alone():
    a = parameter(2.0, "a")
    z = a * a
    tg.viz.draw(z, values=True, gradients=True)
    assert a.grad is None
    z.backward()
    tg.viz.draw(z, values=True, gradients=True)
    assert a.grad.item() == 4
    assert len(describe(z).nodes) == 3
