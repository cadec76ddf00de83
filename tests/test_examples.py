"""The examples that students read do what they say."""

import runpy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_scalar(capsys):
    difference = load("scalar")["main"]()
    lines = capsys.readouterr().out.splitlines()
    answers = [float(line.partition("=")[2]) for line in lines if " xor " in line]
    assert [round(answer) for answer in answers] == [0, 1, 1, 0]
    assert difference < 1e-15
    assert any(line.startswith("do/dw1 by hand 1.1932, by backward() 1.1932") for line in lines)


def test_backward_formulas(capsys):
    assert load("backward_formulas")["main"]()
    assert capsys.readouterr().out.count("exactly the same") == 6


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 2), (5, 6)])
def test_backward_formulas_on_other_sizes(stride, kernel):
    """The formulas by hand hold also where the last rows and columns are in no window."""
    example = load("backward_formulas")
    rng = np.random.default_rng(0)

    def fractions(shape):
        return np.vectorize(Fraction, otypes=[object])(rng.integers(-9, 10, shape), rng.integers(1, 10, shape))

    X, K, B = fractions((5, 6)), fractions(kernel), Fraction(1, 3)
    dZ = fractions([(n - k) // stride + 1 for n, k in zip(X.shape, kernel, strict=True)])
    by_hand, by_engine = example["by_hand"](X, K, dZ, stride), example["by_engine"](X, K, B, dZ, stride)
    for hand, engine in zip(by_hand, by_engine, strict=True):
        assert np.shape(hand) == np.shape(engine)
        assert np.all(hand == engine)


def test_digits(capsys):
    assert load("digits")["main"](epochs=8) >= 0.97
    out = capsys.readouterr().out
    assert out.startswith("DigitsCNN(  # 9,930 parameters")
    assert out.count("epoch ") == 8


def test_first_example(tmp_path, capsys):
    pytest.importorskip("graphviz")
    assert load("first_example")["main"](tmp_path)
    printed = capsys.readouterr().out
    assert "[[2., 0.]" in printed
    assert "passed  dK" in printed
    assert {path.name for path in tmp_path.iterdir()} & {"first_example.svg", "first_example.dot"}


def test_check_a_rule(tmp_path, capsys):
    """README shows what it prints."""
    pytest.importorskip("graphviz")
    report = load("check_a_rule")["main"](tmp_path)
    assert report["X"].diagnosis.name == "kernel-not-rotated"
    assert report["K"].passed
    printed = capsys.readouterr().out
    assert "dL/dX22 = dL/dz11 K22 + dL/dz12 K21 + dL/dz21 K12 + dL/dz22 K11" in printed
    assert {path.name for path in tmp_path.iterdir()} & {"scalar_graph.svg", "scalar_graph.dot"}
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert str(report) in readme


def test_receptive_field(capsys):
    comparison, same = load("receptive_field")["main"]()
    assert same
    assert [found.parameters for found in comparison.summaries] == [6_416, 4_640]
    pictures = [line for line in capsys.readouterr().out.splitlines() if line.startswith((" .", " #"))]
    assert pictures[4] == " . . # # # # # . ."
    assert pictures[9:12] == [" # # # . . . . . ."] * 3


def test_convolution_page(tmp_path, capsys):
    load("convolution_page")["main"](tmp_path)
    names = ["convolution.html", "max_pool.html", "transposed_convolution.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [line.rsplit("/")[-1] for line in capsys.readouterr().out.splitlines()] == [f"{name}>" for name in names]


def test_graph_page(tmp_path, capsys):
    pytest.importorskip("graphviz")
    load("graph_page")["main"](tmp_path)
    page = (tmp_path / "lenet.html").read_text(encoding="utf-8")
    assert len(page) < 2_000_000
    assert "graph_page.py, line " in page  # where a node was recorded
    assert "61,706 parameters" in capsys.readouterr().out


def test_large_graphs(tmp_path, capsys):
    pytest.importorskip("graphviz")
    load("large_graphs")["main"](tmp_path)
    assert "443 nodes in " in capsys.readouterr().out
    rolled_up = next(tmp_path.glob("rolled_up.*")).read_text(encoding="utf-8")
    assert "×12" in rolled_up


@pytest.mark.slow
def test_figures(tmp_path):
    pytest.importorskip("matplotlib")
    load("figures")["main"](tmp_path, epochs=2)
    assert len(list(tmp_path.glob("*.png"))) == 14
