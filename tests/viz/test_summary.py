"""The table of a model: the lectures' numbers, every kind of graph, and how it is shown."""

import gc
import json
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.viz.summaries import Comparison, compare, summary
from tinygrad_cnn.viz.summaries.tables import Column, Line, Table, short, size_of

LECTURES = json.loads((Path(tg.__file__).parent / "verify" / "lectures.json").read_text(encoding="utf-8"))


class LeNet(nn.Module):
    """The lectures' network, with the activations between the layers."""

    def __init__(self, shared=False):
        self.conv1 = nn.Conv2d(3, 8, 5, shared_kernel=shared)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(8, 16, 5, shared_kernel=shared)
        self.pool2 = nn.MaxPool2d(2)
        self.fc3 = nn.Linear(400, 120, shared_bias=shared)
        self.fc4 = nn.Linear(120, 84, shared_bias=shared)
        self.softmax = nn.Linear(84, 10, shared_bias=shared)

    def forward(self, x):
        x = self.pool1(tg.relu(self.conv1(x)))
        x = self.pool2(tg.relu(self.conv2(x)))
        x = tg.relu(self.fc3(x.reshape(len(x), -1)))
        return tg.softmax(self.softmax(tg.relu(self.fc4(x))))


def blocks(shared):
    """The same network, every layer of the lecture's table in one block."""
    conv, linear = nn.Conv2d, nn.Linear
    return nn.Sequential({
        "conv1": nn.Sequential(conv(3, 8, 5, shared_kernel=shared), nn.ReLU()),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Sequential(conv(8, 16, 5, shared_kernel=shared), nn.ReLU()),
        "pool2": nn.MaxPool2d(2),
        "fc3": nn.Sequential(nn.Flatten(), linear(400, 120, shared_bias=shared), nn.ReLU()),
        "fc4": nn.Sequential(linear(120, 84, shared_bias=shared), nn.ReLU()),
        "softmax": nn.Sequential(linear(84, 10, shared_bias=shared), nn.Softmax()),
    })  # fmt: skip


@pytest.mark.parametrize(("column", "shared"), [("params", False), ("params_shared", True)])
def test_the_table_of_the_lectures(column, shared):
    table = LECTURES["lenet_table"]
    wanted = [(row["layer"].split()[0], tuple(row["shape"]), row["size"], row[column]) for row in table]
    found = summary(blocks(shared), (1, 3, 32, 32), depth=1)
    assert [(r.path, found.activation(r, channels_last=True), r.size, r.parameters) for r in found] == wanted
    between = summary(LeNet(shared), (1, 3, 32, 32))
    named = [row for row in between if row.kind != "operation"]
    assert [(r.path, between.activation(r, channels_last=True), r.size, r.parameters) for r in named] == wanted
    assert between.parameters == sum(row[-1] for row in wanted)


def test_operations_between_the_layers_have_rows_of_their_own():
    found = summary(LeNet(), (1, 3, 32, 32))
    assert [row.name for row in found] == [
        "input", "conv1", "relu()", "pool1", "conv2", "relu()", "pool2", "reshape()", "fc3", "relu()", "fc4", "relu()",
        "softmax", "softmax()",
    ]  # fmt: skip
    assert [row.kind for row in found][:3] == ["input", "module", "operation"]
    assert found["conv1"].multiply_adds == 8 * 28 * 28 * 3 * 25
    assert found["conv2"].multiply_adds == 16 * 10 * 10 * 8 * 25
    assert found.multiply_adds == 470_400 + 320_000 + 400 * 120 + 120 * 84 + 84 * 10
    assert found.nonlinearities == 4
    layers = [found[name] for name in ("conv1", "pool1", "conv2", "pool2")]
    fields = [(axis.size, axis.stride) for row in layers for axis in row.field.axes]
    assert fields == [(5, 1)] * 2 + [(6, 2)] * 2 + [(14, 2)] * 2 + [(16, 4)] * 2
    assert found["fc3"].field.axes[0].is_whole
    with pytest.raises(KeyError, match=r"LeNet: no row 'conv3'; there are input, conv1, relu, pool1"):
        found["conv3"]


class Block(nn.Module):
    def __init__(self, channels):
        self.inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))

    def forward(self, x):
        return tg.relu(self.inner(x) + x)


class Branches(nn.Module):
    """A skip, one layer called twice, a join."""

    def __init__(self):
        self.block = Block(2)
        self.twice = nn.Conv2d(2, 2, 3, padding=1)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        x = self.block(x)
        return self.head(tg.concatenate([self.twice(self.twice(x)), x], axis=1))


def test_a_tree_with_subtotals_for_any_graph():
    found = summary(Branches(), (1, 2, 6, 5))
    rows = [(r.level, r.kind, r.path, r.turn, r.parameters, r.reused, r.multiply_adds) for r in found]
    conv = 6 * 5 * 2 * 2 * 9
    assert rows == [
        (0, "input", "input", 1, 0, 0, 0),
        (0, "group", "block", 1, 42, 0, conv),
        (1, "group", "block.inner", 1, 42, 0, conv),
        (2, "module", "block.inner.0", 1, 38, 0, conv),
        (2, "module", "block.inner.1", 1, 4, 0, 0),
        (1, "operation", "block.add", 1, 0, 0, 0),
        (1, "operation", "block.relu", 1, 0, 0, 0),
        (0, "module", "twice", 1, 38, 0, conv),
        (0, "module", "twice", 2, 0, 38, conv),
        (0, "operation", "concatenate", 1, 0, 0, 0),
        (0, "module", "head", 1, 5, 0, 6 * 5 * 4),
    ]
    assert found.parameters == 42 + 38 + 5
    assert found.multiply_adds == 3 * conv + 120
    assert [axis.size for axis in found.field.axes] == [7, 7]
    assert found.rows[1].shape == (1, 2, 6, 5)
    groups = [row for row in found if row.kind == "group"]
    assert groups[0].kept_bytes == sum(row.kept_bytes for row in found if row.path.startswith("block.inner.")) + sum(
        found[path].kept_bytes for path in ("block.add", "block.relu")
    )


def test_depth_puts_calls_into_one_row():
    shallow = summary(Branches(), (1, 2, 6, 5), depth=1)
    deep = summary(Branches(), (1, 2, 6, 5))
    assert [row.path for row in shallow] == ["input", "block", "twice", "twice", "concatenate", "head"]
    assert {row.kind for row in shallow if row.path == "block"} == {"module"}
    for name in ("parameters", "multiply_adds", "nonlinearities", "kept_bytes", "shapes", "field"):
        assert getattr(shallow["block"], name) == getattr(deep["block"], name), name
    totals = ("parameters", "multiply_adds", "nonlinearities", "activation_bytes", "kept_bytes", "training_bytes")
    assert [getattr(shallow, name) for name in totals] == [getattr(deep, name) for name in totals]
    (whole,) = [row for row in summary(Branches(), (1, 2, 6, 5), depth=0) if row.kind != "input"]
    assert (whole.parameters, whole.multiply_adds, whole.layer) == (85, deep.multiply_adds, "Branches")


class Functional(nn.Module):
    """No layers at all: parameters and functions."""

    def __init__(self):
        self.weight = tg.nn.Parameter(np.ones((2, 1, 3, 3), np.float32))
        self.gain = tg.nn.Parameter(np.ones((2, 1, 1, 1), np.float32))
        self.unused = tg.nn.Parameter(np.ones(7, np.float32))

    def forward(self, x):
        return tg.tanh(tg.conv2d(x, self.weight * self.gain))


def test_a_model_of_functions_alone_is_opened():
    found = summary(Functional(), (2, 1, 5, 5))
    rows = [(row.name, row.parameters, row.depends) for row in found]
    assert rows == [("input", 0, True), ("multiply()", 20, False), ("conv2d()", 0, True), ("tanh()", 0, True)]
    assert found.parameters == 27
    assert any("unused (7 parameters)" in note for note in found.notes)
    assert [row.kind for row in summary(nn.Conv2d(1, 2, 3), (1, 1, 5, 5))] == ["input", "module"]


def test_frozen_and_tied_parameters():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad = False
    found = summary(model, (3, 4))
    assert [(r.parameters, r.frozen, r.reused) for r in found] == [(0, 0, 0), (20, 4, 0), (4, 0, 16)]
    assert (found.parameters, found.frozen) == (24, 4)
    assert (found.parameter_bytes, found.gradient_bytes) == (96, 80)
    assert "24 parameters (20 trained, 4 frozen)" in str(found)
    assert "(16)" in str(found)
    assert found.field is None  # no spatial axes
    assert found.field_of is None
    assert "field" not in str(found)


def test_a_batch_multiplies_products_and_memory_but_not_sizes():
    one, many = (summary(LeNet(), (n, 3, 32, 32)) for n in (1, 16))
    assert many.multiply_adds == 16 * one.multiply_adds
    assert many.activation_bytes == 16 * one.activation_bytes
    assert [row.size for row in many] == [row.size for row in one]
    assert [many.activation(row) for row in many] == [one.activation(row) for row in one]
    assert many.activation(many["conv1"], batch=True, channels_last=True) == (16, 28, 28, 8)
    assert "multiply-adds for a batch of 16" in " ".join(str(many).split())


def test_several_inputs_and_what_does_not_depend_on_the_first():
    class Two(nn.Module):
        def __init__(self):
            self.left, self.right = nn.Conv2d(1, 2, 3), nn.Linear(4, 2)

        def forward(self, image, numbers):
            return self.left(image) * self.right(numbers).reshape((1, 2, 1, 1))

    found = summary(Two(), [(1, 1, 6, 6), (1, 4)])
    assert [(r.path, r.depends) for r in found] == [
        ("input1", True), ("input2", False), ("left", True), ("right", False), ("reshape", False), ("multiply", True)
    ]  # fmt: skip
    assert [axis.size for axis in found.field.axes] == [3, 3]
    assert "receptive fields in input1" in str(found)


def test_what_is_not_known_is_said():
    @primitive(x=lambda dz: dz)
    def mystery(x):
        return x + 1

    class Model(nn.Module):
        def __init__(self):
            self.conv, self.drop = nn.Conv2d(1, 1, 3), nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(mystery(self.conv(x)))

    found = summary(Model(), (1, 1, 5, 5))
    assert found["mystery"].multiply_adds is None
    assert (found["mystery"].depends, found["mystery"].field) == (True, None)
    assert found.multiply_adds == 81
    assert found.notes == (
        "multiply-adds are not known of mystery",
        "no row, since nothing was computed in evaluation: drop (Dropout)",
    )
    line = next(line for line in str(found).splitlines() if line.startswith("mystery()"))
    assert line.split()[-3:] == ["?", "?", "?"]


def test_activation_functions_of_several_operations_count_once():
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.GELU(), nn.SiLU(), nn.Mish(), nn.PReLU(), nn.Softmax())
    found = summary(model, (1, 1, 6, 6))
    assert [row.nonlinearities for row in found] == [0, 0, 1, 1, 1, 1, 0]
    assert found.nonlinearities == 4


def test_kept_memory_is_what_a_forward_pass_leaves():
    """The allocator's own count of what is still there after the forward, with nothing but the output in hand."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.SiLU(), nn.GlobalAvgPool(), nn.Linear(32, 10),
    ).eval()  # fmt: skip
    x = tg.tensor(np.ones((4, 3, 64, 64), np.float32), requires_grad=True)
    model(x)
    gc.collect()
    tg.release_memory()  # else results lie in blocks from before, which nobody counts
    tracemalloc.start()
    output = model(x)
    tg.release_memory()  # what was needed on the way
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    found = summary(model, x)
    assert output.shape == found.output == (4, 10)
    assert left == pytest.approx(found.kept_bytes, rel=0.02)
    assert sum(row.kept_bytes for row in found) == found.kept_bytes
    assert found.training_bytes == found.kept_bytes + found.parameter_bytes + found.gradient_bytes + x.data.nbytes


def test_the_model_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    tg.sum(model(tg.tensor(np.ones((2, 1, 5, 5), np.float32)))).backward()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    tg.manual_seed(7)
    expected = tg.dropout(tg.tensor(np.ones(50))).numpy()
    tg.manual_seed(7)
    with tg.no_grad():
        summary(model, (2, 1, 5, 5))
    assert all(module.training for module in model.modules())
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
    assert all(np.array_equal(g, p.grad.numpy()) for g, p in zip(gradients, model.parameters(), strict=True))
    assert np.array_equal(tg.dropout(tg.tensor(np.ones(50))).numpy(), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((tg.relu, (1, 1, 4, 4)), TypeError, "summary: expected a module but got function"),
        ((nn.ReLU(), "image"), TypeError, "summary: expected the shape of an input"),
        ((nn.ReLU(), (1, 0)), ValueError, "summary: expected the sizes of an input's axes, each 1 or more"),
        ((nn.ReLU(), (1, 1), -1), ValueError, "summary: depth must be 0 or more but is -1"),
        ((nn.ReLU(), (1, 1), 1.5), TypeError, "summary: depth must be an integer or None but is 1.5"),
        ((nn.ReLU(), (1, 1), True), TypeError, "summary: depth must be an integer or None but is True"),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        summary(*arguments)


# Two models


def test_one_5x5_and_two_3x3():
    """The lectures' comparison: the same receptive field, fewer parameters, one more non-linearity."""
    one = nn.Sequential(nn.Conv2d(8, 8, 5), nn.ReLU())
    two = nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    found = compare(one, two, (1, 8, 20, 20), names=("one 5x5", "two 3x3"))
    assert isinstance(found, Comparison)
    first, second = found.summaries
    assert first.field.axes == second.field.axes
    assert (first.parameters, second.parameters) == (8 * 8 * 25 + 8, 2 * (8 * 8 * 9 + 8))
    assert (first.nonlinearities, second.nonlinearities) == (1, 2)
    assert first.multiply_adds == 16 * 16 * 8 * 8 * 25
    assert second.multiply_adds == (18 * 18 + 16 * 16) * 8 * 8 * 9
    lines = {line[:22].strip(): line[22:].split() for line in str(found).splitlines()}
    assert lines["receptive field"] == ["5", "5"]
    assert lines["parameters"] == ["1,608", "1,168"]
    assert first.compare(second).names == ("Sequential 1", "Sequential 2")
    assert summary(LeNet(), (1, 3, 32, 32)).compare(first).names == ("LeNet", "Sequential")
    for names in (["one"], "ab", ("a", "b", "c")):
        with pytest.raises(ValueError, match="compare: expected a name for each of 2 models"):
            compare(one, two, (1, 8, 20, 20), names)


# How it is shown

EVIL = "<script>alert('|')</script>"


class Evil(nn.Module):
    """Hostile names and arguments."""

    def __init__(self):
        self.layers = {EVIL: nn.Conv2d(1, 1, 3)}

    def forward(self, x):
        return self.layers[EVIL](x)


class Elements(HTMLParser):
    """The elements of a fragment, each closed as it was opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_is_well_formed_accessible_and_escaped():
    html = summary(Evil(), (1, 1, 5, 5)).to_html()
    found = Elements(html)
    tags = [tag for tag, _ in found.seen]
    assert "script" not in tags
    assert EVIL in "".join(found.text)
    assert tags.count("caption") == 1
    assert all("scope" in attributes for tag, attributes in found.seen if tag == "th")
    assert not any("id" in attributes for _, attributes in found.seen)
    assert "http" not in html
    assert "prefers-color-scheme: dark" in html


def test_markdown_is_one_table_whatever_the_names():
    lines = summary(Evil(), (1, 1, 5, 5)).to_markdown().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 2
    assert {line.replace("\\|", "").count("|") for line in table} == {10}
    assert "<" not in "".join(table).replace("\\<", "")


@pytest.mark.parametrize("width", [80, 100, 160])
def test_text_keeps_to_its_width(width):
    for model, size in ((LeNet(), (1, 3, 32, 32)), (Branches(), (1, 2, 6, 5)), (Evil(), (1, 1, 5, 5))):
        text = summary(model, size).to_text(width)
        assert max(map(len, text.splitlines())) <= width
        assert ("kept" in text.splitlines()[2]) == (width > 80)
        assert not any(line != line.rstrip() for line in text.splitlines())


def test_text_of_wide_activations_still_has_every_number():
    model = nn.Sequential(nn.Conv2d(3, 2048, 1), nn.Conv2d(2048, 4, 1))
    text = str(summary(model, (1, 3, 112, 112)))
    assert max(map(len, text.splitlines())) <= 80
    assert "2048×112×112" in text
    assert "25,690,112" not in text  # in three digits
    assert "25.7 M" in text
    assert "77.1 M" in text


def test_channels_last_and_batch_in_text():
    found = summary(LeNet(), (2, 3, 32, 32))
    assert "28×28×8" in found.to_text(channels_last=True)
    assert "(2, 28, 28, 8)" in found.to_markdown(channels_last=True, batch=True)


def test_bundle_and_json():
    found = summary(Branches(), (1, 2, 6, 5))
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == str(found)
    assert set(bundle) == {"text/plain", "text/html", "text/markdown"}
    assert repr(found) == "<Summary of Branches: 11 rows, 85 parameters>"
    data = json.loads(found.to_json())
    assert data["parameters"] == 85
    assert data["rows"][7]["path"] == "twice"
    assert data["rows"][7]["field"][0] == {"size": 5, "stride": "1", "start": -2, "is_whole": False}
    assert set(compare(Branches(), Branches(), (1, 2, 6, 5))._repr_mimebundle_()) == set(bundle)


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (999_999, "999,999"), (1_000_000, "1.00 M"), (9_994_999, "9.99 M"), (9_995_001, "10.0 M"),
                    (99_949_999, "99.9 M"), (99_950_001, "100 M"), (999_499_999, "999 M"), (999_500_001, "1.00 G")],
)  # fmt: skip
def test_short_numbers(n, text):
    assert short(n) == text


def test_sizes_in_bytes():
    assert [size_of(n) for n in (0, 999, 1000, 25_088, 999_499, 999_500)] == [
        "0 B", "999 B", "1.00 kB", "25.1 kB", "999 kB", "1.00 MB"
    ]  # fmt: skip


def test_a_terminal_gives_wide_characters_two_columns():
    lines = (Line("层", "", "", ("1",)), Line("ab", "", "", ("22",)))
    text = Table("t", (Column("", "left"), Column("n")), lines, ()).to_text(40).splitlines()
    assert text[4] == "层   1"
    assert text[5] == "ab  22"
