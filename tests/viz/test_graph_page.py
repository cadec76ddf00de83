"""What the page of a graph holds, read out of the page: every number the library's, every box in one place."""

import base64
import json
import re
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import LeNet, ResNet
from tinygrad_cnn import nn
from tinygrad_cnn.engine import KEPT_SIZE
from tinygrad_cnn.viz.drawing import layout
from tinygrad_cnn.viz.graph.description import describe
from tinygrad_cnn.viz.pages.graph import page, page_of
from tinygrad_cnn.viz.pages.graph.arrays import BINS, Arrays
from tinygrad_cnn.viz.pages.graph.arrays import describe as describe_array
from tinygrad_cnn.viz.pages.graph.scenes import MOST_BOXES, ROOT


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def data_of(made):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', made.html, re.DOTALL)
    return json.loads(text)


def node_named(data, name):
    (found,) = [node for node in data["nodes"] if node.get("name") == name]
    return found


def number(data, array):
    """The exact text of an array that is a single number."""
    ((pair,),) = data["arrays"][array]["grid"]
    return pair[1]


def exact(data, array):
    return [[pair[1] for pair in row] for row in data["arrays"][array]["grid"]]


def chain(n):
    x = y = parameter(0.5, "x")
    for _ in range(n):
        y = tg.tanh(y)
    return x, y


def residual():
    """A module called twice, a shared operand, modules in modules."""
    tg.manual_seed(0)
    block = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    x = parameter(np.linspace(-1, 1, 6).reshape(2, 3).astype(np.float32), "x")
    z = block(x) + x
    loss = tg.sum((block(z) + z) ** 2)
    loss.name = "loss"
    return block, x, loss


# --- structure ---


def around(data, item):
    containers = data["containers"]
    found = []
    while item != ROOT:
        item = (data["nodes"] + containers)[item]["in"]
        found.append(item)
    return found


def check_scenes(data):
    """Every item stands in the scene of what it lies in; every edge runs through scenes and ports that are there."""
    scenes = {scene["item"]: scene for scene in data["scenes"]}
    items = len(data["nodes"]) + len(data["containers"])
    assert set(scenes) == {ROOT, *range(len(data["nodes"]), items)}
    seen = []
    for scene in scenes.values():
        for item, x, y in scene["boxes"]:
            assert (data["nodes"] + data["containers"])[item]["in"] == scene["item"]
            assert 0 < x < scene["size"][0]
            assert 0 < y < scene["size"][1]
            seen.append(item)
    assert sorted(seen) == list(range(items))
    curves = {(scene["item"], str(a), str(b)) for scene in scenes.values() for a, b, _ in scene["edges"]}
    used = set()
    for source, target, _, _ in data["edges"]:
        out, into = around(data, source), around(data, target)
        common = next(item for item in out if item in into)
        start, end = str(source), str(target)
        for item in out[: out.index(common)]:
            assert f"out{source}" in scenes[item]["ports"]
            used.add((item, start, f"out{source}"))
            start = str(item)
        for item in into[: into.index(common)]:
            assert f"in{source}" in scenes[item]["ports"]
            used.add((item, f"in{source}", end))
            end = str(item)
        used.add((common, start, end))
    assert used == curves, "no line is drawn that no edge stands behind"


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_every_box_and_edge_has_its_place(direction):
    block, _, loss = residual()  # a module that is gone has no names
    loss.backward()
    data = data_of(page(loss, None, direction=direction))
    assert len(data["containers"]) == 2 * len(list(block.modules()))
    assert [each["name"] for each in data["containers"]] == ["", "0", "1", "", "0", "1"]
    assert [each.get("turn") for each in data["containers"]] == [1, 1, 1, 2, 2, 2]
    check_scenes(data)


def test_page_of_a_model():
    model = LeNet()
    data = data_of(page(model, None, inputs=(1, 1, 32, 32)))
    check_scenes(data)
    assert data["containers"][0]["title"] == "LeNet"
    assert data["containers"][0]["parameters"] == sum(p.size for p in model.parameters())
    assert node_named(data, "input")["kind"] == "constant"
    assert data["backward"] == []


def test_deep_network_needs_no_more_than_its_nodes():
    made = page(ResNet(), None, inputs=(1, 3, 32, 32))
    data = data_of(made)
    check_scenes(data)
    assert max(each["level"] for each in data["containers"]) >= 3
    placed = sum(len(scene["boxes"]) for scene in data["scenes"])
    assert placed == len(data["nodes"]) + len(data["containers"])
    assert len(made.html) < 2e6


def test_first_view_can_be_read_at_a_glance():
    data = data_of(page(ResNet(), None, inputs=(1, 3, 32, 32)))
    assert data["depths"] == sorted(data["depths"])
    assert data["depths"][data["depth"]] <= 120
    assert data["depth"] == len(data["depths"]) - 1 or data["depths"][data["depth"] + 1] > 120
    assert data["depths"][0] == sum(1 for each in data["nodes"] + data["containers"] if each["in"] == ROOT)


def test_depth_is_what_was_asked_for():
    model = LeNet()
    assert data_of(page(model, None, inputs=(1, 1, 32, 32), depth=0))["depth"] == 0
    assert data_of(page(model, None, inputs=(1, 1, 32, 32), depth=99))["depth"] == 2


def test_long_chain_is_divided_into_parts():
    _, y = chain(400)
    data = data_of(page(y, None))
    check_scenes(data)
    assert all(len(scene["boxes"]) <= MOST_BOXES for scene in data["scenes"])
    counted = [each["operations"] for each in data["containers"]]
    assert sum(counted) == 400
    titles = [each["title"] for each in data["containers"]]
    assert titles[0] == f"operations 1 to {counted[0]}"
    assert titles[-1].endswith("to 400")
    for source, target, _, _ in data["edges"]:
        if data["nodes"][target]["kind"] == "result":
            assert data["nodes"][source]["in"] == data["nodes"][target]["in"], "results stay with operations"


def test_huge_graph_is_folded_and_says_so():
    _, y = chain(6000)
    made = page(y, None)
    data = data_of(made)
    assert len(data["nodes"]) <= 5000
    assert data["notes"]
    check_scenes(data)
    assert len(made.html) < 5e6


def test_no_graphviz_is_needed(monkeypatch):
    monkeypatch.setattr(layout, "which", lambda name: None)
    monkeypatch.setattr(layout, "find_spec", lambda name: None)
    data = data_of(page(residual()[2], None))
    assert data["by"] == ""
    check_scenes(data)


def test_same_page_in_every_run():
    def made():
        _, _, loss = residual()
        loss.backward()
        return page(loss, None).html

    assert made() == made()


# --- numbers ---


def test_values_and_gradients_are_the_librarys():
    a, b = parameter(-4.0, "a"), parameter(2.0 / 3, "b")
    c = a * b
    c.name = "c"
    d = tg.tanh(c) + a
    d.name = "d"
    d.backward()
    data = data_of(page(d, None))
    for tensor in (a, b, c, d):
        node = node_named(data, tensor.name)
        assert float(number(data, node["value"])) == tensor.item()
        expected = tensor.grad if tensor.grad is not None else tensor.node.gradient
        assert float(number(data, node["gradient"])) == float(expected)


def test_float32_is_exact_to_the_last_bit():
    x = parameter(np.array([[0.1, 1 / 3], [1e-38, -2.5e10]], np.float32), "x")
    data = data_of(page(tg.exp(x), None))
    shown = exact(data, node_named(data, "x")["value"])
    assert [[np.float32(text) for text in row] for row in shown] == x.data.tolist()
    assert [[float(text) for text in row] for row in shown] == x.data.astype(np.float64).tolist()


def test_every_step_back_adds_up_to_the_gradients():
    _, x, loss = residual()
    loss.backward()
    data = data_of(page(loss, None))
    assert [step["item"] for step in data["backward"]] == [step["item"] for step in reversed(data["forward"])]
    totals = {}
    for step in data["backward"]:
        result = data["nodes"][step["result"]]
        assert step["arrives"] == result["gradient"]
        if not result.get("output"):
            assert totals[step["result"]] == step["arrives"], "what arrives is the sum of what was sent"
        for sent in step["sends"]:
            assert ("earlier" in sent) == (sent["to"] in totals)
            if "earlier" in sent:
                assert sent["earlier"] == totals[sent["to"]]
            totals[sent["to"]] = sent.get("sum", sent["array"])
    for item, total in totals.items():
        assert data["nodes"][item]["gradient"] == total
    (place,) = [i for i, node in enumerate(data["nodes"]) if node.get("name") == "x"]
    assert [[float(t) for t in row] for row in exact(data, totals[place])] == x.grad.data.tolist()


def test_rules_with_numbers_put_in():
    a, b = parameter(3.0, "a"), parameter(2.0, "b")
    c = a * b
    c.name = "c"
    d = c * c
    d.name = "d"
    d.backward()
    data = data_of(page(d, None))
    assert [step["worked"] for step in data["forward"]] == ["c = a · b = 3 · 2 = 6", "d = c · c = 6 · 6 = 36"]
    first, second = data["backward"]
    assert [sent["worked"] for sent in first["sends"]] == ["dc = dd · c = 1 · 6 = 6", "dc = dd · c = 1 · 6 = 6"]
    assert [sent.get("added") for sent in first["sends"]] == [None, "dc = 6 + 6 = 12"]
    assert [sent["worked"] for sent in second["sends"]] == ["da = dc · b = 12 · 2 = 24", "db = dc · a = 12 · 3 = 36"]


def test_last_number_of_a_worked_rule_is_what_was_sent():
    x = parameter(-0.75, "u")
    y = tg.relu(x) + tg.tanh(x) * tg.exp(x) / (x - 3) + x**2
    y.backward()
    data = data_of(page(y, None))
    worked = [(sent["worked"], data["arrays"][sent["array"]]["grid"][0][0][0])
              for step in data["backward"] for sent in step["sends"]]  # fmt: skip
    assert len(worked) == 13
    for line, sent in worked:
        assert line.split(" = ")[-1] == sent


def test_generic_name_gives_way_to_the_users():
    """The first operand of the formula is called x; a second operand that the user calls x must not be taken for it."""
    x = parameter(2.0, "x")
    y = tg.exp(x) - x
    y.backward()
    data = data_of(page(y, None))
    step = data["backward"][0]
    assert step["sends"][1]["formula"] == "dy = −dz"
    assert "dx" not in step["sends"][1].get("named", "")


def test_not_computed_not_kept_and_zero_are_three_things():
    x = parameter(np.zeros(KEPT_SIZE + 1), "x")
    w = parameter(2.0, "w")
    v = parameter(1.0, "v")
    y = x * w
    loss = tg.sum(y) * v
    data = data_of(page([loss, tg.exp(v)], None))
    assert node_named(data, "w")["gradient"] == "not computed"
    loss.backward()
    data = data_of(page([loss, tg.exp(v)], None))
    assert number(data, node_named(data, "w")["gradient"]) == "0.0"
    product = next(i for i, node in enumerate(data["nodes"]) if node.get("title") == "multiply")
    (result,) = [data["nodes"][t] for s, t, _, _ in data["edges"] if s == product]
    assert "not kept" in result["value"] or "value" not in result or isinstance(result["value"], int)
    last = data["nodes"][-1]
    assert last["gradient"] == "not computed", "no walk went through the second output"


def test_large_values_are_not_kept_without_debug():
    x = parameter(np.ones(KEPT_SIZE + 1), "x")
    y = tg.sum(tg.exp(x))
    y.backward()
    data = data_of(page(y, None))
    between = [node for node in data["nodes"] if node["kind"] == "result" and not node.get("output")]
    assert [node["value"].split(",")[0] for node in between] == ["not kept"]
    assert [node["gradient"].split(",")[0] for node in between] == ["not kept"]
    with tg.debug():
        y = tg.sum(tg.exp(x))
        y.backward()
    data = data_of(page(y, None))
    between = [node for node in data["nodes"] if node["kind"] == "result" and not node.get("output")]
    assert all(isinstance(node["value"], int) and isinstance(node["gradient"], int) for node in between)
    assert "test_graph_page.py" in between[0]["line"]


def test_nan_and_infinities():
    x = parameter(np.array([[np.nan, np.inf, -np.inf, 1.0]] * 3), "x")
    y = x * 2
    y.backward(np.ones((3, 4)))
    data = data_of(page(y, None))
    assert exact(data, node_named(data, "x")["value"]) == [["nan", "inf", "-inf", "1.0"]] * 3
    assert data["arrays"][node_named(data, "x")["value"]]["statistics"]["not finite"][1] == "9"


def test_fractions_stay_exact():
    x = parameter(np.array([Fraction(1, 3), Fraction(-7, 2)], dtype=object), "x")
    y = tg.sum(x * x)
    y.backward()
    data = data_of(page(y, None))
    assert exact(data, node_named(data, "x")["gradient"]) == [["2/3", "-7"]]
    assert node_named(data, "x")["dtype"] == "Fraction"


def test_symbols():
    sympy = pytest.importorskip("sympy")
    x = parameter(np.array(sympy.symbols("p q"), dtype=object), "x")
    y = tg.sum(x * x)
    y.backward()
    data = data_of(page(y, None))
    assert exact(data, node_named(data, "x")["gradient"]) == [["2*p", "2*q"]]


def test_freed_graph_and_second_order():
    x = parameter(3.0, "x")
    y = x * x * x
    (dx,) = tg.grad(y, x, create_graph=True)
    dx.name = "dy/dx"
    dx.backward()
    data = data_of(page([y, dx], None))
    check_scenes(data)
    assert float(number(data, node_named(data, "x")["gradient"])) == 18.0
    assert float(number(data, node_named(data, "dy/dx")["value"])) == 27.0


def test_gradient_of_an_earlier_walk_is_added_up_in_the_leaf_alone():
    a = parameter(3.0, "a")
    (a * 5).backward()
    y = a * 2
    y.backward()
    data = data_of(page(y, None))
    assert float(number(data, node_named(data, "a")["gradient"])) == 7.0
    (step,) = data["backward"]
    assert float(number(data, step["sends"][0]["array"])) == 2.0


def test_description_alone():
    a = parameter(2.0, "a")
    y = a * 3
    y.backward()
    data = data_of(page_of(describe(y), "alone"))
    (step,) = data["backward"]
    assert step["sends"][0]["formula"] == "dx = dz y"
    assert step["sends"][0]["array"].startswith("not kept")


def test_several_outputs():
    a = parameter(2.0, "a")
    y, z = tg.exp(a), tg.log(a)
    y.name, z.name = "y", "z"
    made = page([y, z], None)
    assert made.title == "y, z"
    assert [node["name"] for node in data_of(made)["nodes"] if node.get("output")] == ["y", "z"]


# --- arrays ---


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).normal(size=(3, 40, 50)),
        np.arange(100, dtype=np.int64),
        np.array([0.0, 0.0, 1.0, 5.0, 5.0, 5.0, 2.5]),
        np.array([1e300, -2e300, 0.0, 1.0, 2.0, 3.0, 7e299]),
        np.random.default_rng(1).random(1000, dtype=np.float32),
    ],
)
def test_histogram_and_statistics(array):
    found = describe_array(array)
    counts, _ = np.histogram(array.astype(np.float64), BINS)
    shown = found["histogram"]["counts"]
    assert sum(shown) == array.size
    assert np.abs(np.subtract(shown, counts)).max() <= 1, "an element on an edge may fall to either side"
    statistics = {name: float(pair[1]) for name, pair in found["statistics"].items()}
    assert statistics["min"] == array.min()
    assert statistics["max"] == array.max()
    assert statistics["mean"] == pytest.approx(array.mean(dtype=np.float64), rel=1e-6, abs=1e-300)
    assert statistics["zeros"] == (array == 0).sum()
    with np.errstate(over="ignore"):
        assert statistics["std"] == pytest.approx(array.std(dtype=np.float64), rel=1e-9)


def codes(found):
    shown = found["map"]
    read = np.frombuffer(base64.b64decode(shown["codes"]), np.uint8)
    return read.reshape(shown["planes"], shown["rows"], shown["columns"]).astype(int)


def test_map_shows_the_planes():
    array = np.random.default_rng(0).normal(size=(1, 3, 7, 9)).astype(np.float32)
    array[0, 1, 2, 3] = np.nan
    found = describe_array(array)
    assert found["map"]["of"] == 3
    read = codes(found)
    assert read.shape == (3, 7, 9)
    assert read[1, 2, 3] == 255
    known = np.isfinite(array[0])
    expected = array[0][known] / np.abs(array[0][known]).max() * 127 + 127
    assert np.abs(read[known] - expected).max() <= 0.5 + 1e-4


def test_large_map_shows_means_of_blocks():
    array = np.arange(100 * 130, dtype=float).reshape(100, 130)
    found = describe_array(array)
    tall, broad = found["map"]["block"]
    read = codes(found)[0]
    assert read.shape == (-(-100 // tall), -(-130 // broad))
    means = array[:tall, :broad].mean(), array[-(100 % tall or tall) :, -(130 % broad or broad) :].mean()
    for shown, mean in ((read[0, 0], means[0]), (read[-1, -1], means[1])):
        assert shown == np.rint(mean / means[1] * 127) + 127


@pytest.mark.parametrize(
    "array", [np.zeros((0, 3)), np.zeros(50), np.full(50, np.nan), np.ones((64, 1, 1)), np.array(True)]
)
def test_arrays_without_spread(array):
    found = describe_array(array)
    assert found["size"] == array.size
    assert "histogram" not in found
    json.dumps(found, allow_nan=False)


def test_an_array_is_written_once():
    arrays = Arrays()
    array = np.arange(4.0)
    assert arrays.add(array) == arrays.add(array.copy()) == 0
    assert arrays.add(array.astype(np.float32)) == 1
    assert arrays.add(array.reshape(2, 2)) == 2
    assert arrays.add(np.array([1, 2], dtype=object)) != arrays.add(np.array([Fraction(1), Fraction(2)], dtype=object))


# --- the file ---


def test_lenet_fits_into_two_megabytes():
    tg.manual_seed(0)
    model = LeNet()
    with tg.debug():
        digit = tg.tensor(np.random.default_rng(0).random((1, 1, 32, 32), np.float32))
        loss = tg.cross_entropy(model(digit), [3])
        loss.backward()
    assert len(page(loss, None).html.encode()) < 2_000_000


ATTACK = "</script><script>alert(1)</script>"
HOSTILE = [ATTACK, '"><img src=x onerror=alert(1)>', "<!--", "\ud800", "a\x00b", "n" * 5000]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_data(name, tmp_path):
    x = parameter(1.0, name)
    y = tg.exp(x)
    y.name = name
    made = page(y, tmp_path / "graph.html")
    html = made.path.read_text(encoding="utf-8")
    assert html.count("<script") == 2
    assert "<img" not in html
    assert data_of(made)["nodes"][0]["name"] == name


def test_written_where_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y = tg.exp(parameter(1.0))
    assert page(y).path.name == "graph.html"
    assert (tmp_path / "graph.html").exists()
    assert page(y, None).path is None
    assert page(y, None, title="<mine>").title == "<mine>"


def test_nothing_changes():
    _, x, loss = residual()
    loss.backward()
    before = x.grad.data.copy(), loss.node.gradient, loss.node.saved
    page(loss, None)
    assert (x.grad.data == before[0]).all()
    assert (loss.node.gradient, loss.node.saved) == before[1:]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"what": nn.ReLU()}, ValueError, "page: a model needs inputs"),
        ({"what": 3}, TypeError, "page: expected a tensor or several but got int"),
        ({"what": []}, ValueError, "page: expected a tensor or several but got none"),
        ({"what": tg.tensor(1.0)}, ValueError, "page: .* has no graph behind it"),
        ({"depth": -1}, ValueError, "page: depth must be 0 or more but is -1"),
        ({"direction": "BT"}, ValueError, "page: direction must be one of TB, LR but is 'BT'"),
        ({"inputs": (1,)}, ValueError, "page: inputs are for a model"),
    ],
)
def test_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        page(**{"what": tg.exp(parameter(1.0)), "path": None, **arguments})


def test_a_gradient_of_several_walks_is_told_from_the_last_one():
    a, b = tg.tensor(2.0, requires_grad=True, name="a"), tg.tensor(3.0, requires_grad=True, name="b")
    (a * b).backward()
    y = a * a
    y.backward()
    (note,) = data_of(page(y, None))["notes"]
    assert note == "The gradient of a is the sum of several walks; the steps back are those of the last one."
    a.grad = None
    y = a * b
    b.grad = None
    y.backward()
    assert data_of(page(y, None))["notes"] == []
