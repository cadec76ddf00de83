"""From DOT text to a file: which program draws it, and what is said where none can."""

import sys
import warnings
from importlib.util import find_spec
from shutil import which

import pytest

import tinygrad_cnn as tg
from tests.viz.reference_graphs import parameter

pytest.importorskip("graphviz", reason="needs graphviz")

needs_dot = pytest.mark.skipif(which("dot") is None, reason="needs the program dot")
needs_pygraphviz = pytest.mark.skipif(find_spec("pygraphviz") is None, reason="needs pygraphviz")
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")

BEGINNINGS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.fixture
def digraph():
    return tg.viz.draw(tg.exp(parameter(1.0, "x")), values=True)


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def without_pygraphviz(monkeypatch):
    rendering = sys.modules["tinygrad_cnn.viz.drawing.rendering"]
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)


def put_dot_on_the_path(monkeypatch, folder, body):
    program = folder / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\n{body}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


@needs_dot
@pytest.mark.parametrize("format", BEGINNINGS)
def test_dot_draws(digraph, tmp_path, format, without_pygraphviz):
    path = tmp_path / f"graph.{format}"
    assert tg.viz.render(digraph, path).by == "dot"
    assert path.read_bytes().startswith(BEGINNINGS[format])


@needs_pygraphviz
@pytest.mark.parametrize("format", BEGINNINGS)
def test_pygraphviz_draws_where_there_is_no_dot(digraph, tmp_path, format, without_dot, capfd):
    path = tmp_path / f"graph.{format}"
    rendering = tg.viz.render(digraph, path)
    assert (rendering.path, rendering.by) == (path, "pygraphviz")
    assert str(rendering) == f"{path}: drawn by pygraphviz"
    assert path.read_bytes().startswith(BEGINNINGS[format])
    assert capfd.readouterr() == ("", "")


@needs_posix
def test_dot_comes_first_and_gets_the_text_and_the_format(digraph, tmp_path, monkeypatch):
    put_dot_on_the_path(monkeypatch, tmp_path, "print(sys.argv[1:], sys.stdin.read())")
    rendering = tg.viz.render(digraph, str(tmp_path / "graph.svg"))
    assert rendering.by == "dot"
    assert (tmp_path / "graph.svg").read_text().strip() == f"['-Tsvg'] {digraph.source}".strip()


@needs_posix
@needs_pygraphviz
def test_pygraphviz_draws_where_dot_fails(digraph, tmp_path, monkeypatch):
    put_dot_on_the_path(monkeypatch, tmp_path, "sys.exit('no layout')")
    assert tg.viz.render(digraph, tmp_path / "graph.png").by == "pygraphviz"


def test_without_either_a_page_is_written_and_both_are_named(digraph, tmp_path, without_dot, without_pygraphviz):
    with pytest.warns(RuntimeWarning, match=r"^render: .*graph\.svg was not drawn") as caught:
        rendering = tg.viz.render(digraph, tmp_path / "graph.svg")
    assert caught[0].filename == __file__
    for words in ("program dot", "graphviz.org/download", "pip install 'tinygrad_cnn[render]'", "graph.html"):
        assert words in rendering.message
    assert (rendering.path, rendering.by) == (tmp_path / "graph.html", "the browser")
    assert rendering.path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.html"]


def test_of_any_other_digraph_the_text_is_written(tmp_path, without_dot, without_pygraphviz):
    from graphviz import Digraph

    with pytest.warns(RuntimeWarning, match=r"The DOT text was written to .*graph\.dot"):
        rendering = tg.viz.render(Digraph("plain"), tmp_path / "graph.svg")
    assert (rendering.path, rendering.by) == (tmp_path / "graph.dot", "")
    assert rendering.path.read_text(encoding="utf-8") == Digraph("plain").source


@needs_posix
def test_the_message_says_why_dot_failed(digraph, tmp_path, monkeypatch, without_pygraphviz):
    put_dot_on_the_path(monkeypatch, tmp_path, "sys.exit('no layout plugin')")
    with pytest.warns(RuntimeWarning, match=r"dot failed \(no layout plugin\); the package pygraphviz"):
        tg.viz.render(digraph, tmp_path / "graph.svg")


@needs_posix
def test_a_dot_that_does_not_start(digraph, tmp_path, monkeypatch, without_pygraphviz):
    put_dot_on_the_path(monkeypatch, tmp_path, "")
    (tmp_path / "bin" / "dot").write_text("#!/nowhere/python\n")
    with pytest.warns(RuntimeWarning, match="dot could not be started"):
        tg.viz.render(digraph, tmp_path / "graph.svg")


@pytest.mark.parametrize("ending", ["dot", "gv", "DOT"])
def test_text_needs_no_graphviz(digraph, tmp_path, ending, without_dot, without_pygraphviz):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rendering = tg.viz.render(digraph, tmp_path / f"graph.{ending}")
    assert rendering.path.read_text(encoding="utf-8") == digraph.source
    assert rendering.by == ""


def test_the_format_goes_before_the_ending(digraph, tmp_path):
    rendering = tg.viz.render(digraph, tmp_path / "graph.txt", format="dot")
    assert rendering.path == tmp_path / "graph.txt"
    assert rendering.path.read_text(encoding="utf-8") == digraph.source


UNKNOWN_FORMATS = [("graph", None), ("graph.jpeg", None), ("graph.svg", "bmp"), ("graph", "")]


@pytest.mark.parametrize(("name", "format"), UNKNOWN_FORMATS)
def test_an_unknown_format_is_refused_before_anything_is_written(digraph, tmp_path, name, format):
    with pytest.raises(ValueError, match=r"render: expected a path that ends in \.svg, .* but got '.*graph") as caught:
        tg.viz.render(digraph, tmp_path / name, format)
    assert not format or repr(format) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(digraph, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        tg.viz.render(digraph, tmp_path / "nowhere" / "graph.dot")
