"""Pictures of names, sizes and numbers that nobody expects: Graphviz reads every text, and SVG holds it."""

import xml.etree.ElementTree as ET
from shutil import which

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.viz.drawing.rendering import picture

pytest.importorskip("graphviz")


def texts(digraph):
    """The texts of the SVG; Graphviz must have read all of the source."""
    if which("dot") is None:
        pytest.skip("needs Graphviz")
    drawn, _ = picture(digraph.source, "svg")
    return ["".join(element.itertext()) for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]


def test_an_operation_with_thousands_of_operands():
    numbers = [tg.tensor(float(i), requires_grad=True) for i in range(3000)]
    assert "concatenate" in texts(tg.viz.draw(tg.stack(numbers)))


@pytest.mark.parametrize("character", ["n", '"', "'", "\\N", "<", "\N{GRINNING FACE}", "\x00"], ids=ascii)
def test_paths_and_names_of_any_length(character):
    class Hostile(nn.Module):
        def __init__(self):
            self.layers = {character * 20_000: nn.Linear(2, 2)}

        def extra_repr(self):
            return character * 20_000

        def forward(self, x):
            (layer,) = self.layers.values()
            y = layer(x)
            y.name = character * 20_000
            return y

    for depth in (None, 0, 1):
        assert texts(Hostile().draw((1, 2), depth=depth, name=character * 20_000))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("values", [[np.nan], [np.inf, -np.inf], [np.nan, np.inf, 0.0, -0.0, 1e-7], [65504.0] * 40])
def test_numbers_that_are_none(dtype, values):
    x = tg.tensor(np.array(values, dtype=dtype), requires_grad=True)
    y = x.reshape(1, -1)
    y.backward(tg.tensor(np.array([values], dtype=dtype)))
    for shown in ({"values": True, "gradients": True}, {"statistics": True}):
        assert texts(tg.viz.draw(y, **shown))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"depth": "1"}, TypeError, "draw: depth must be an integer or None but is '1'"),
        ({"depth": -1}, ValueError, "draw: depth must be 0 or more, or None, but is -1"),
        ({"budget": 1.5}, TypeError, "draw: budget must be an integer or None but is 1.5"),
        ({"budget": True}, TypeError, "draw: budget must be an integer or None but is True"),
        ({"budget": 0}, ValueError, "draw: budget must be 1 or more, or None, but is 0"),
        ({"highlight": 3}, TypeError, "draw: highlight expects tensors but got int"),
    ],
)
def test_wrong_options_are_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        tg.viz.draw(tg.tensor(1.0, requires_grad=True), **options)
