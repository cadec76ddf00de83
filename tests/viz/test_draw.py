"""What `draw` shows of models: frames, folded modules, repetitions, statistics, and the line below the picture."""

import html
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from shutil import which

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import LeNet, ResNet, Transformer, recurrent
from tinygrad_cnn import nn
from tinygrad_cnn.viz.graph.description import FoldedNode

pytest.importorskip("graphviz", reason="needs graphviz")

needs_layout = pytest.mark.skipif(
    which("dot") is None and find_spec("pygraphviz") is None, reason="needs the program dot or pygraphviz"
)

IMAGE = (1, 1, 32, 32)
COLOUR = (1, 3, 32, 32)


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def words(label):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", label)).split())


def labels(source):
    """The text of every node by its id."""
    return {id: words(label) for id, label in re.findall(r"^\t+(\w+) \[label=<(.*?)> (?:class|shape)=", source, re.M)}


def frames(source):
    """The text of every frame, in the order of the source, with how deep it lies."""
    found = re.findall(r"^(\t+)subgraph \w+ \{\n.*?label=<(.*?)> labeljust", source, re.M)
    return [(len(tabs), words(label)) for tabs, label in found]


# Models


def test_a_frame_for_every_call():
    assert frames(LeNet().draw(IMAGE).source) == [
        (1, "LeNet 61,706 parameters"),
        (2, "conv1: Conv2d (1, 6, kernel_size=5) 156 parameters"),
        (2, "pool: AvgPool2d (kernel_size=2)"),
        (2, "conv2: Conv2d (6, 16, kernel_size=5) 2,416 parameters"),
        (2, "pool: AvgPool2d (call 2) kernel_size=2"),
        (2, "fc1: Linear (400, 120) 48,120 parameters"),
        (2, "fc2: Linear (120, 84) 10,164 parameters"),
        (2, "fc3: Linear (84, 10) 850 parameters"),
    ]


def test_names_say_what_the_frame_does_not():
    source = tg.viz.draw(LeNet(), IMAGE).source
    assert "conv1.weight" not in re.sub(r'tooltip="[^"]*"', "", source)
    assert 'tooltip="conv1.weight&#10;' in source
    shown = [text for text in labels(source).values() if "weight" in text]
    assert shown[0] == "weight (6, 1, 5, 5) float32"
    folded = tg.viz.draw(LeNet(), IMAGE, depth=1, highlight=()).source
    assert not [text for text in labels(folded).values() if "weight" in text]


def test_a_tensor_of_a_model_has_its_frames_too():
    model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    x = tg.tensor([[1.0, 2.0]], name="x")
    loss = tg.sum(model(x))
    assert [text for _, text in frames(loss.draw().source)] == [
        "Sequential 3 parameters",
        "0: Linear (2, 1) 3 parameters",
        "1: ReLU",
    ]


def test_the_input_is_a_constant_and_nothing_is_left_behind():
    model = LeNet()
    model.train()
    before = [p.data.copy() for p in model.parameters()]
    drawn = tg.viz.draw(model, IMAGE)
    (given,) = [node for node in drawn.graph.tensors if node.name == "input"]
    assert given.kind == "constant"
    assert drawn.name == "LeNet"
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    for old, p in zip(before, model.parameters(), strict=True):
        np.testing.assert_array_equal(old, p.data)


def test_inputs_of_every_kind():
    model = nn.Linear(3, 2)
    texts = {tg.viz.draw(model, x).source for x in ((1, 3), np.zeros((1, 3), np.float32), tg.tensor([[0.0, 0.0, 0.0]]))}
    assert len(texts) == 1

    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    assert [node.name for node in tg.viz.draw(Sum(), [(1, 3), (1, 3)]).graph.tensors] == ["input1", "input2", None]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (LeNet(),),
            {},
            r"draw: expected the input of LeNet, or its shape as in draw\(model, \(1, 3, 32, 32\)\), but got",
        ),
        ((parameter(1.0), (1, 3)), {}, "draw: expected inputs with a module alone but got them with Tensor"),
        ((LeNet(), IMAGE), {"depth": -1}, "draw: depth must be 0 or more, or None, but is -1"),
        ((LeNet(), IMAGE), {"budget": 0}, "draw: budget must be 1 or more, or None, but is 0"),
        ((LeNet(), IMAGE), {"direction": "up"}, "draw: direction must be one of LR, TB, RL, BT but is 'up'"),
        (
            (LeNet(), IMAGE),
            {"highlight": parameter(1.0)},
            "draw: .* can't be highlighted, since it is no part of the graph",
        ),
    ],
)
def test_wrong_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        tg.viz.draw(*arguments, **options)


def test_an_input_that_is_none():
    with pytest.raises(
        TypeError, match=r"draw: expected the shape of an input, as \(1, 3, 32, 32\), or the input itself"
    ):
        tg.viz.draw(LeNet(), "image")


# Folding, rolling, budget


def test_folded_modules_say_what_is_in_them():
    source = tg.viz.draw(ResNet(), COLOUR, depth=1).source
    shown = labels(source)
    assert shown["g1"] == "conv1: Conv2d 3, 4, kernel_size=7, stride=2, padding=… 588 parameters → (1, 4, 16, 16)"
    model = ResNet()
    count = sum(p.size for p in model.stages[0].parameters())
    (stage,) = [text for text in shown.values() if text.startswith("stages.0")]
    assert stage == f"stages.0: Sequential {24 + 2 * 19} operations · {count:,} parameters → (1, 16, 8, 8)"
    assert labels(tg.viz.draw(LeNet(), IMAGE, depth=0).source)["g0"].startswith("LeNet 12 operations")


def test_repeated_blocks_say_how_often():
    source = tg.viz.draw(Transformer(12), (1, 5, 8)).source
    assert "layers.0 … layers.11: Layer ×12 872 parameters each" in [text for _, text in frames(source)]
    (text,) = [
        text for text in labels(tg.viz.draw(Transformer(12), (1, 5, 8), depth=1).source).values() if "Layer ×" in text
    ]
    assert text.startswith("layers.0 … layers.11: Layer ×12 ")
    assert "872 parameters each" in text
    assert "×12" not in tg.viz.draw(Transformer(12), (1, 5, 8), roll=False).source


def test_repeated_blocks_are_whole_where_numbers_are_shown():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    assert "×3" in tg.viz.draw(model, (1, 2)).source
    for numbers in ("values", "gradients", "statistics"):
        assert "×3" not in tg.viz.draw(model, (1, 2), **{numbers: True}).source
        assert "×3" in tg.viz.draw(model, (1, 2), roll=True, **{numbers: True}).source


def test_a_loop_shows_what_a_turn_hands_on():
    source = tg.viz.draw(recurrent(12)).source
    (feed,) = [line for line in source.splitlines() if "class=feed" in line]
    assert "constraint=false" in feed
    assert "headlabel" not in feed


def test_a_picture_within_its_budget_says_what_was_done():
    drawn = tg.viz.draw(ResNet(), COLOUR, roll=False)
    assert len(drawn.graph.nodes) <= 300
    total = len(tg.viz.draw(ResNet(), COLOUR, roll=False, budget=None, values=True).graph.nodes)
    assert drawn.note.startswith(f"{total:,} nodes in {len(drawn.graph.nodes):,}: modules folded at depth 3; budget=")
    assert drawn.note in drawn.source
    assert "labelloc=b" in drawn.source
    assert tg.viz.draw(LeNet(), IMAGE).note == ""


def test_what_is_highlighted_stays_visible():
    model = ResNet()
    weight = model.stages[2][3].conv2.weight
    for options in ({}, {"depth": 0}, {"budget": 30}):
        drawn = tg.viz.draw(model, COLOUR, highlight=weight, **options)
        (node,) = [node for node in drawn.graph.tensors if node.name == "stages.2.3.conv2.weight"]
        bold = [line for line in drawn.source.splitlines() if "penwidth=2.8" in line]
        assert [line.split()[0] for line in bold] == [node.id]


def test_large_pictures_run_down_and_small_ones_to_the_right():
    assert "rankdir=LR" in tg.viz.draw(LeNet(), IMAGE).source
    assert "rankdir=TB" in tg.viz.draw(ResNet(), COLOUR).source
    assert "rankdir=LR" in tg.viz.draw(ResNet(), COLOUR, direction="LR").source


def test_large_pictures_have_no_boxes_of_unnamed_results():
    drawn = tg.viz.draw(ResNet(), COLOUR)
    assert [node for node in drawn.graph.tensors if node.kind == "result" and not node.is_output] == []
    conv = next(node.id for node in drawn.graph.operations if node.title == "conv2d")
    assert labels(drawn.source)[conv] == "conv2d stride 2 padding 3 → (1, 4, 16, 16)"


def test_the_edges_of_a_stage():
    z = parameter(0.5, "z")
    seen = [z]
    for i in range(300):
        seen.append(tg.tanh(seen[-1]) * seen[-min(9, len(seen))] + i)
    drawn = tg.viz.draw(tg.stack(seen[-9:]), budget=6)
    assert any("tensors" in line for line in drawn.source.splitlines() if " -> " in line)
    assert {node.kind for node in drawn.graph.nodes if isinstance(node, FoldedNode)} == {"stage"}


# Statistics


def test_statistics_are_those_of_the_arrays():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((3, 3)).round(2)
    data[0] = 0
    x = parameter(data, "x")
    tg.sum(x * x).backward()
    text = labels(tg.viz.draw(x, statistics=True).source)["t0"]
    header, value, gradient = re.match(
        r"x \(3, 3\) float64 (min mean max std zeros) value (.*) grad (.*)", text
    ).groups()
    for shown, array in ((value, data), (gradient, 2 * data)):
        *numbers, zeros = shown.split()
        found = [float(number.replace("−", "-")) for number in numbers]
        expected = [array.min(), array.mean(), array.max(), np.sqrt(((array - array.mean()) ** 2).mean())]
        np.testing.assert_allclose(found, expected, rtol=6e-3)
        assert zeros == "33%"
    both = labels(tg.viz.draw(x, values=True, statistics=True).source)["t0"]
    assert header in both
    assert both.startswith("x (3, 3) float64 value 0 0 0 ")


def test_statistics_of_what_was_not_computed():
    x = parameter(np.zeros((2, 2)), "x")
    assert labels(tg.viz.draw(x, statistics=True).source)["t0"].endswith("value 0 0 0 0 100%")
    assert labels(tg.viz.draw(x, statistics=True, gradients=True).source)["t0"].endswith("grad –")
    assert labels(tg.viz.draw(parameter(2.5, "s"), statistics=True).source)["t0"] == "s float32 value 2.5"


@pytest.mark.parametrize(("zeros", "share"), [(0, "0%"), (1, "<1%"), (500, "50%"), (999, ">99%"), (1000, "100%")])
def test_the_share_of_zeros(zeros, share):
    data = np.ones(1000)
    data[:zeros] = 0
    assert labels(tg.viz.draw(parameter(data), statistics=True).source)["t0"].endswith(f" {share}")


# The picture


@needs_layout
@pytest.mark.parametrize("direction", ["LR", "TB", "RL", "BT"])
def test_a_resnet_50_is_well_formed(direction, tmp_path):
    drawn = tg.viz.draw(ResNet(), COLOUR, direction=direction)
    rendering = tg.viz.render(drawn, tmp_path / "graph.svg")
    assert rendering.by
    svg = ET.fromstring(rendering.path.read_bytes())
    kinds = [group.get("class", "") for group in svg.iter("{http://www.w3.org/2000/svg}g")]
    assert sum(kind.startswith("node") for kind in kinds) == len(drawn.graph.nodes)
    assert sum(kind.startswith("cluster") for kind in kinds) == len(drawn.graph.groups)


PROGRAM = """
import tinygrad_cnn as tg
from tests.viz.networks import ResNet, recurrent
from tests.viz.reference_graphs import GRAPHS
print(tg.viz.draw(ResNet((3, 2), 2), (1, 3, 32, 32), budget=100).source)
print(tg.viz.draw(recurrent(30), roll=False, budget=40).source)
print(GRAPHS["collapsed_chain"]().source)
"""


def test_the_same_picture_in_every_process():
    texts = set()
    for seed in ("0", "1", "4711"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.add(run.stdout)
    assert len(texts) == 1
