"""What a notebook shows: always the text, a picture where there is one, and never an exception."""

import builtins
import json
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

import tinygrad_cnn as tg
from tests.viz.reference_graphs import parameter
from tinygrad_cnn import nn
from tinygrad_cnn.viz import notebook

SVG, HTML, TEXT = "image/svg+xml", "text/html", "text/plain"

needs_layout = pytest.mark.skipif(
    find_spec("graphviz") is None or (which("dot") is None and find_spec("pygraphviz") is None),
    reason="needs the package graphviz, and dot or pygraphviz",
)


def computed():
    x = parameter([1.0, -2.0], "x")
    loss = tg.sum(tg.relu(x) * 3)
    loss.backward()
    return loss


class Broken(nn.Module):
    def __init__(self, inner=None):
        self.inner = inner

    def extra_repr(self):
        raise ZeroDivisionError("no repr")


def words(markup):
    """The text of the picture, without its tooltips and titles."""
    return [element.text for element in ElementTree.fromstring(markup).iter() if element.tag.endswith("}text")]


# Tensors


@needs_layout
def test_a_computed_tensor_shows_its_text_and_its_graph_with_the_numbers(capfd):
    loss = computed()
    bundle = loss._repr_mimebundle_()
    assert bundle[TEXT] == repr(loss)
    shown = [word.strip() for word in words(bundle[SVG]) if word and word.strip()]
    assert {"x", "relu", "sum", "value", "grad", "−2"} <= set(shown)
    assert capfd.readouterr() == ("", "")


@needs_layout
def test_gradients_are_shown_once_they_are_there():
    loss = tg.sum(parameter([1.0, 2.0], "x"))
    assert "grad" not in words(loss._repr_mimebundle_()[SVG])
    loss.backward()
    assert "grad" in words(loss._repr_mimebundle_()[SVG])


@pytest.mark.parametrize("x", [tg.tensor([1.0]), parameter(2.0, "w")], ids=["data", "leaf"])
def test_a_tensor_that_nothing_computed_is_text(x):
    assert x._repr_mimebundle_() == {TEXT: repr(x)}


@needs_layout
def test_a_large_graph_is_folded_and_a_very_large_one_is_text(monkeypatch):
    x = parameter(1.0, "x")
    for _ in range(300):
        x = tg.tanh(x * 2)
    assert 0 < x._repr_mimebundle_()[SVG].count('class="node') <= notebook.BUDGET
    monkeypatch.setattr(notebook, "LARGEST_GRAPH", 500)  # 1 + 300 * 3 nodes
    assert x._repr_mimebundle_() == {TEXT: repr(x)}


def test_the_limit_counts_every_node_once():
    x = parameter(1.0)
    for _ in range(3):
        x = x + x  # a tree of 15, a graph of 4
    assert len(notebook._nodes(x.node, 4)) == 4
    assert notebook._nodes(x.node, 3) is None


@needs_layout
def test_numbers_are_shown_where_all_are_there():
    small, large = parameter([1.0] * 1024, "x"), parameter([1.0] * 1025, "x")
    assert "value" in words(tg.sum(small * 2)._repr_mimebundle_()[SVG])
    assert "value" not in words(tg.sum(large * 2)._repr_mimebundle_()[SVG])


@needs_layout
def test_a_wide_picture_runs_down():
    x = parameter(1.0, "x")
    for i in range(10):
        x = tg.tanh(x) * parameter(2.0, f"w{i}")
    drawn = ElementTree.fromstring(x._repr_mimebundle_()[SVG])
    width, height = (float(drawn.attrib[name].removesuffix("pt")) for name in ("width", "height"))
    assert width < notebook.WIDEST < height


def test_without_graphviz_it_is_text(monkeypatch, recwarn):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys.modules["tinygrad_cnn.viz.drawing.rendering"], "find_spec", lambda name: None)
    loss = computed()
    assert loss._repr_mimebundle_() == {TEXT: repr(loss)}
    assert not recwarn.list


def test_without_the_package_graphviz_it_is_text(monkeypatch):
    imported = builtins.__import__

    def without(name, *arguments):
        if name.partition(".")[0] == "graphviz":
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    loss = computed()
    assert loss._repr_mimebundle_() == {TEXT: repr(loss)}


@needs_layout
def test_formats_that_nobody_asked_for_are_not_made(monkeypatch):
    loss = computed()
    assert set(loss._repr_mimebundle_(include={TEXT})) == {TEXT}
    assert set(loss._repr_mimebundle_(exclude={SVG})) == {TEXT}
    assert set(loss._repr_mimebundle_(include=[SVG], exclude=[HTML])) == {TEXT, SVG}
    terminal = SimpleNamespace(display_formatter=SimpleNamespace(active_types=[TEXT]))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: terminal))
    assert set(loss._repr_mimebundle_()) == {TEXT}


def test_a_hook_does_not_raise(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no picture")

    monkeypatch.setattr(notebook, "_nodes", fails)
    assert set(computed()._repr_mimebundle_()) == {TEXT}
    assert Broken()._repr_mimebundle_() == {TEXT: "<Broken, whose repr raises ZeroDivisionError: no repr>"}
    assert set(Broken(nn.Linear(2, 1))._repr_mimebundle_()) == {TEXT}


# Modules


class Tree(HTMLParser):
    """The lines of the tree, each with its depth and whether it is open."""

    def __init__(self, markup):
        super().__init__()
        self.depth, self.lines, self.opened, self.tags = 0, [], [], []
        self.feed(markup)
        assert not self.tags, f"not closed: {self.tags}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "details":
            self.opened.append(("open", None) in attributes)
        if tag == "summary" or ("class", "leaf") in attributes:
            self.lines.append((self.tags.count("div") - 1 - (tag == "div"), ""))

    def handle_endtag(self, tag):
        assert self.tags.pop() == tag

    def handle_data(self, data):
        if self.lines and self.tags[-1] != "style":
            depth, text = self.lines[-1]
            self.lines[-1] = depth, text + data


def test_a_module_is_a_tree_of_modules_parameters_and_buffers():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()))
    model[0].requires_grad_(False)
    bundle = model.eval()._repr_mimebundle_()
    assert bundle[TEXT] == repr(model)
    tree = Tree(bundle[HTML])
    assert [(depth, " ".join(text.split())) for depth, text in tree.lines] == [
        (0, "Sequential22 parametersevaluation mode"),
        (1, "0 Conv2d(1, 2, kernel_size=3, bias=False)18 parameters"),
        (2, "weight (2, 1, 3, 3) float32frozen"),
        (1, "1 Sequential4 parameters"),
        (2, "0 BatchNorm2d(2)4 parameters"),
        (3, "weight (2,) float32"),
        (3, "bias (2,) float32"),
        (3, "running_mean (2,) float32buffer"),
        (3, "running_var (2,) float32buffer"),
        (3, "num_batches_tracked () int64buffer"),
        (2, "1 ReLU"),
    ]
    assert tree.opened == [True, False, True, False]


def test_names_in_a_tree_are_escaped():
    model = nn.Sequential(type("<script>", (nn.Linear,), {})(1, 1))
    model.layers = {"<b>&": nn.Linear(1, 1)}
    markup = model._repr_mimebundle_()[HTML]
    assert "<script>" not in markup
    assert "<b>&<" not in markup
    assert "&lt;script&gt;" in markup
    assert "layers.&lt;b&gt;&amp;" in markup


def test_a_module_in_itself_and_one_that_is_used_twice():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Sequential(shared))
    model.itself = model
    lines = [" ".join(text.split()) for _, text in Tree(model._repr_mimebundle_()[HTML]).lines]
    assert lines[0] == "Sequential6 parameters"
    assert lines.count("0 Linear(2, 2)6 parameters") == 2
    assert lines[-1] == "itself Sequential6 parameters"


def test_a_model_of_very_many_modules_is_text(monkeypatch):
    monkeypatch.setattr(notebook, "LARGEST_TREE", 3)
    assert set(nn.Sequential(nn.ReLU(), nn.ReLU())._repr_mimebundle_()) == {TEXT, HTML}
    assert set(nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())._repr_mimebundle_()) == {TEXT}


def test_a_figure_shows_itself_without_pyplot():
    pytest.importorskip("matplotlib")
    figure = tg.viz.figures.filters([[[[1.0, -1.0]]]])
    assert figure._repr_png_().startswith(b"\x89PNG")


# A notebook


CELLS = """
import tinygrad_cnn as tg
from tinygrad_cnn import nn
x = tg.tensor([1.0, -2.0], requires_grad=True, name="<script>alert(1)</script>")
tg.relu(x) * 2
--
nn.Sequential(nn.Linear(2, 1), nn.ReLU())
--
tg.viz.draw(tg.relu(x))
--
tg.verify.check_values([1.0, 2.0], [1.0, 3.0])
--
tg.verify.derive(tg.sum(x * x), x)
--
tg.viz.summary(nn.Linear(2, 1), (1, 2))
--
tg.viz.page(tg.relu(x), None)
"""


@needs_layout
@pytest.mark.slow
@pytest.mark.notebook
def test_an_executed_notebook_shows_everything(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytest.importorskip("ipykernel")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS.split("--\n")]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [{kind for output in cell.outputs for kind in output["data"]} for cell in book.cells]
    assert shown[0] == {TEXT, SVG}
    assert shown[1] == {TEXT, HTML}
    assert shown[2] == {TEXT, SVG}
    assert shown[3] == {TEXT, HTML}
    assert all(kinds >= {TEXT, HTML} for kinds in shown[4:])
    assert "<iframe srcdoc=" in book.cells[6].outputs[0]["data"][HTML]
    assert "<script>" not in json.dumps([book.cells[0].outputs[0]["data"][SVG], book.cells[2].outputs[0]["data"][SVG]])
