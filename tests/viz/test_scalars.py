"""The picture of a scalar graph: its nodes are the entries, its edges who is computed from whom."""

import re
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from shutil import which

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.verify.scalars import scalar_graph
from tinygrad_cnn.viz.drawing.looks import HIGHLIGHT, PALE

pytest.importorskip("graphviz", reason="needs graphviz")

PIXELS = [(i, j) for i in (1, 2, 3) for j in (1, 2, 3)]
PLACES = [(i, j) for i in (1, 2) for j in (1, 2)]


def named(data, name):
    return tg.tensor(data, requires_grad=True, name=name)


def lecture():
    """Lecture 14: a 3x3 X, a 2x2 K and a number B."""
    X = named(np.arange(1.0, 10.0).reshape(1, 1, 3, 3), "X")
    K = named(np.array([[[[1.0, -1.0], [2.0, 3.0]]]]), "K")
    return scalar_graph(tg.conv2d(X, K, named(np.array([0.5]), "B")))


def label(line, key="label"):
    """The rows of text of a label."""
    found = re.search(rf"(?<![a-z]){key}=<(.*?)</table>>", line)
    rows = [re.sub(r"<[^>]*>|&#160;", "", row) for row in found[1].split("</tr>")]
    return [row for row in rows if row]


class Picture:
    """The nodes and edges of a DOT text, by the names that they show."""

    def __init__(self, digraph):
        self.source = digraph.source
        names, self.rows, self.looks = {}, {}, {}
        self.edges, self.labels = {}, {}
        for line in self.source.splitlines():
            if match := re.match(r"\t(\w+) \[label", line):
                heading, *rows = label(line)
                names[match[1]] = heading
                self.rows[heading], self.looks[heading] = rows, self.look(line)
            elif match := re.match(r"\t(\w+) -> (\w+)(.*)", line):
                pair = names[match[1]], names[match[2]]
                self.edges[pair] = self.look(line)
                for key in re.findall(r"(\w*label)=<", line):
                    (self.labels[pair],) = label(line, key)

    @staticmethod
    def look(line):
        return "bold" if f'color="{HIGHLIGHT}"' in line else "pale" if f'color="{PALE}"' in line else "plain"

    def bold(self, what):
        return {key for key, look in what.items() if look == "bold"}


def expected_edges():
    edges = {("B", f"z{i}{j}") for i, j in PLACES} | {(f"z{i}{j}", "L") for i, j in PLACES}
    for i, j in PLACES:
        for u, v in PLACES:
            edges |= {(f"X{i + u - 1}{j + v - 1}", f"z{i}{j}"), (f"K{u}{v}", f"z{i}{j}")}
    return edges


def test_the_picture_of_lecture_14():
    picture = Picture(lecture().draw())
    assert set(picture.edges) == expected_edges()
    assert set(picture.looks.values()) == set(picture.edges.values()) == {"plain"}
    assert picture.rows["z21"] == ["X21 K11 + X22 K12 + X31 K21 + X32 K22 + B"]
    assert picture.rows["X11"] == []
    assert not picture.labels


@pytest.mark.parametrize(("a", "b"), PIXELS)
def test_the_paths_to_a_pixel(a, b):
    """The bold edges with their labels are the formula: dL/dX_ab = sum of dL/dz_ij K_uv with i + u = a + 1, ..."""
    picture = Picture(lecture().draw(highlight=f"X{a}{b}"))
    factors = {
        f"z{i}{j}": f"K{a - i + 1}{b - j + 1}" for i, j in PLACES if 0 <= a - i <= 1 and 0 <= b - j <= 1
    }
    expected = {(f"X{a}{b}", z): factor for z, factor in factors.items()} | {(z, "L"): f"dL/d{z}" for z in factors}
    assert picture.labels == expected
    assert picture.bold(picture.edges) == set(expected)
    assert picture.bold(picture.looks) == {f"X{a}{b}", *factors, "L"}
    assert "plain" not in {*picture.looks.values(), *picture.edges.values()}
    assert set(picture.edges) == expected_edges()


def test_only_the_paths():
    picture = Picture(lecture().draw(highlight="X11", only=True))
    assert set(picture.looks) == {"X11", "z11", "L"}
    assert set(picture.edges) == {("X11", "z11"), ("z11", "L")}


def test_several_entries():
    picture = Picture(lecture().draw(highlight=["X11", "K12"], only=True))
    assert set(picture.looks) == {"X11", "K12", "z11", "z12", "z21", "z22", "L"}
    assert picture.labels["K12", "z21"] == "X22"
    assert picture.labels["X11", "z11"] == "K11"


def test_every_product_and_sum_without_folding():
    graph = lecture()
    source = graph.draw(fold=False).source
    assert source.count('label="×"') == 16
    assert source.count('label="+"') == 16
    between = graph.between("X22")
    bold = [line for line in graph.draw(highlight="X22", fold=False).source.splitlines() if HIGHLIGHT in line]
    assert len([line for line in bold if re.match(r"\tt\d+ \[", line)]) == len(between)
    assert len([line for line in bold if re.match(r"\to\d+ \[", line)]) == len(between) - 1


def test_values_and_gradients():
    graph = lecture()
    graph.backward(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    picture = Picture(graph.draw(values=True, gradients=True))
    assert picture.rows["K11"] == ["value1", "grad5421"]
    assert picture.rows["z21"][-2:] == ["value" + str(4 - 5 + 2 * 7 + 3 * 8 + 0.5), "grad100"]
    assert picture.rows["L"] == []


def test_a_single_number_is_the_end():
    x = named([1.0, 2.0], "x")
    y = x * x
    y.name = "y"
    picture = Picture(scalar_graph(y.sum() / 4).draw(highlight="x2"))
    assert set(picture.looks) == {"x1", "x2", "y1", "y2", "t1", "L"}
    assert picture.labels == {("x2", "y2"): "2 x2", ("y2", "t1"): "1", ("t1", "L"): "1/4"}
    assert picture.rows["L"] == ["t1/4"]


def test_an_entry_that_no_path_leads_to():
    picture = Picture(scalar_graph(tg.max_pool1d(named([[[1.0, 5.0, 3.0, 2.0]]], "x"), 2)).draw(highlight="x4"))
    assert picture.bold(picture.looks) == {"x4"}
    assert not picture.bold(picture.edges)
    assert set(picture.edges) == {("x2", "z1"), ("x3", "z2"), ("z1", "L"), ("z2", "L")}
    assert {"x1", "x4"} <= set(picture.looks)


def test_constants_are_dashed_and_plain_numbers_in_the_formula():
    x = named([3.0], "x")
    picture = scalar_graph(x * tg.tensor([2.0], name="C") + 7).draw().source
    (line,) = [line for line in picture.splitlines() if "<b>C</b>" in line]
    assert 'style="rounded,filled,dashed"' in line
    assert "t1 + 7" in picture
    assert "<b>7</b>" not in picture


def test_many_paths_inside_of_an_operation_are_counted():
    @tg.engine.primitive(x=lambda dz, x: dz * (4 * x * x * x + 3 * x * x))
    def polynomial(x):
        return x * x * x * x + x * x * x

    picture = Picture(scalar_graph(polynomial(named([2.0], "x"))).draw(highlight="x"))
    assert picture.labels["x", "z"] == "7 paths"


def lines(digraph):
    """The entries that stand in one line, in their order, for each line."""
    found = []
    for block in re.findall(r"\t\{\n\t\trank=same\n(.*?)\t\}", digraph.source, re.DOTALL):
        pairs = re.findall(r"(\w+) -> (\w+) \[style=invis\]", block)
        found.append([pairs[0][0], *(pair[1] for pair in pairs)] if pairs else [])
    return found


def test_entries_stand_in_their_order():
    graph = lecture()
    given, results = lines(graph.draw())
    ids = [f"t{i}" for i, node in enumerate(graph.nodes)]
    names = {id: node.name for id, node in zip(ids, graph.nodes, strict=True)}
    order = [f"X{i}{j}" for i, j in PIXELS] + [f"K{u}{v}" for u, v in PLACES] + ["B"]
    assert [names[id] for id in given] == order
    assert [names[id] for id in results] == [f"z{i}{j}" for i, j in PLACES]


def test_entries_that_are_computed_from_one_another_do_not_stand_in_line():
    graph = scalar_graph(tg.cumsum(named([1.0, 2.0, 3.0], "x")))
    assert [len(line) for line in lines(graph.draw())] == [3]


@pytest.mark.parametrize("direction", ["LR", "TB", "RL", "BT"])
def test_directions(direction):
    assert f"rankdir={direction}" in lecture().draw(direction=direction).source
    assert f"rankdir={direction}" in lecture().draw(direction=direction, fold=False).source


@pytest.mark.parametrize("fold", [True, False])
def test_an_unknown_direction(fold):
    with pytest.raises(ValueError, match="draw: direction must be one of LR, TB, RL, BT but is 'up'"):
        lecture().draw(direction="up", fold=fold)


def test_wrong_entries():
    with pytest.raises(ValueError, match="no entry 'X99'"):
        lecture().draw(highlight="X99")
    graph = scalar_graph(named([1.0], "x") * tg.tensor([2.0], name="C"))
    with pytest.raises(ValueError, match="C is a constant"):
        graph.draw(highlight="C")


def test_drawing_changes_nothing():
    graph = lecture()
    before = graph.size, graph.draw(highlight="X22").source
    graph.draw(highlight="K11", fold=False)
    assert (graph.size, graph.draw(highlight="X22").source) == before
    assert all(x.grad is None for array in graph.leaves.values() for x in array.flat)


@pytest.mark.skipif(
    which("dot") is None and find_spec("pygraphviz") is None, reason="needs the program dot or pygraphviz"
)
def test_graphviz_draws_it(tmp_path):
    rendering = tg.viz.render(lecture().draw(highlight="X22", values=True), tmp_path / "graph.svg")
    assert rendering.by
    svg = ET.fromstring(rendering.path.read_bytes())
    titles = [title.text for title in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert len([title for title in titles if re.fullmatch(r"t\d+|loss", title)]) == 9 + 4 + 1 + 4 + 1
    assert len([title for title in titles if "->" in title]) == len(expected_edges())
