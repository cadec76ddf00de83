"""Repeated blocks: which are rolled up, which differ too much for that, and what the picture of them says."""

import random

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.described import check, count_operations, titles
from tests.viz.networks import ResNet, Transformer, recurrent
from tinygrad_cnn import nn
from tinygrad_cnn.viz.folding.rolling import roll_up
from tinygrad_cnn.viz.graph.description import describe
from tinygrad_cnn.viz.graph.tracing import trace


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def described(model, shape):
    traced = trace(model, shape)
    return describe(traced.outputs, data=traced.inputs)


def rolled(what, shape=None):
    graph = describe(what) if shape is None else described(what, shape)
    found = check(roll_up(graph))
    assert count_operations(found) == len(list(graph.operations))
    return found


def repeated(graph):
    return [(group.title, group.times) for group in graph.groups if group.times > 1]


def edges(graph):
    return [(edge.source, edge.target) for edge in graph.edges]


class Steps(nn.Module):
    """Layers one after the other, as the function of them and the input says."""

    def __init__(self, layers, along):
        self.layers, self.along = layers, along

    def forward(self, x):
        return self.along(self.layers, x)


def straight(layers, x):
    for layer in layers:
        x = layer(x)
    return x


# What is rolled up


def test_the_blocks_of_a_residual_network():
    graph = rolled(ResNet(), (1, 3, 32, 32))
    assert repeated(graph) == [("Bottleneck", 2), ("Bottleneck", 3), ("Bottleneck", 5), ("Bottleneck", 2)]
    assert [(group.name, group.last) for group in graph.groups if group.times > 1] == [
        ("1", "2"), ("1", "3"), ("1", "5"), ("1", "2"),
    ]  # fmt: skip
    assert sum(group.title == "Bottleneck" for group in graph.groups) == 8


def test_the_layers_of_a_transformer():
    graph = rolled(Transformer(12), (1, 5, 8))
    assert repeated(graph) == [("Layer", 12)]
    assert len(graph.nodes) == len(rolled(Transformer(2), (1, 5, 8)).nodes)


def test_what_goes_in_and_what_comes_out():
    model = nn.Sequential(nn.Linear(3, 2), *(nn.Linear(2, 2) for _ in range(4)), nn.ReLU())
    whole = described(model, (1, 3))
    graph = check(roll_up(whole))
    first, second, third, _, last, relu = whole.operations
    results = {edge.source: edge.target for edge in whole.edges if edge.source.startswith("o")}
    assert (results[first.id], second.id) in edges(graph)
    assert (second.id, results[last.id]) in edges(graph)
    assert (results[last.id], relu.id) in edges(graph)
    shown = {node.id for node in graph.nodes}
    assert not shown & {results[second.id], third.id, results[third.id], last.id}


def test_the_output_of_the_last_block_is_the_one_shown():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    whole = described(model, (1, 2))
    (output,) = [node for node in whole.tensors if node.is_output]
    (shown,) = [node for node in rolled(model, (1, 2)).tensors if node.is_output]
    assert shown.id == output.id
    np.testing.assert_array_equal(shown.value, output.value)
    assert shown.group != output.group  # it stands in the frame of the first


def test_a_module_that_is_called_in_a_loop_has_its_parameters_once():
    layer = nn.Linear(2, 2)
    graph = rolled(Steps([layer], lambda layers, x: straight(layers * 6, x)), (1, 2))
    assert repeated(graph) == [("Linear", 6)]
    (weight,) = [node for node in graph.tensors if node.name == "layers.0.weight"]
    assert [edge.source for edge in graph.edges].count(weight.id) == 1


def test_a_period_of_two_modules():
    model = nn.Sequential(*(each for _ in range(5) for each in (nn.Linear(2, 2), nn.ReLU())), nn.Linear(2, 1))
    assert titles(rolled(model, (1, 2))) == [("Sequential", 1), ("", 5), ("Linear", 1), ("ReLU", 1), ("Linear", 1)]


def test_parallel_branches():
    branches = [nn.Linear(2, 3) for _ in range(4)]
    graph = rolled(Steps(branches, lambda layers, x: tg.concatenate([layer(x) for layer in layers], axis=1)), (1, 2))
    assert repeated(graph) == [("Linear", 4)]
    (joined,) = [node for node in graph.operations if node.title == "concatenate"]
    (edge,) = [edge for edge in graph.edges if edge.target == joined.id]
    assert (edge.label, edge.count) == ("0 … 3", 4)


def test_a_loop_that_is_written_in_python():
    graph = rolled(recurrent(12))
    assert repeated(graph) == [("", 12), ("", 12)]  # the steps, and a reshape of each for the stack
    assert sorted(node.name or "" for node in graph.tensors if node.kind == "leaf") == ["U", "W", "b"]
    (loop, _) = graph.groups
    ((source, target),) = loop.feeds
    names = {node.id: getattr(node, "title", "") for node in graph.nodes}
    makers = {edge.target: edge.source for edge in graph.edges}
    assert (names[makers[source]], names[target]) == ("tanh", "matmul")
    (h0,) = [node for node in graph.tensors if node.name == "h0"]
    assert (h0.id, target) in edges(graph)


def test_the_index_of_a_loop_counts_its_turns():
    x = parameter(np.ones((2, 9)), "x")
    z = tg.tensor(np.zeros(2))
    for t in range(9):
        z = tg.tanh(z + x[:, t])
    (graph,) = [rolled(z)]
    assert repeated(graph) == [("", 9)]
    assert [node.remarks for node in graph.operations if node.title == "getitem"] == [("[:, 0] … [:, 8]",)]


def test_loops_in_loops():
    z = parameter(0.5, "z")
    for _ in range(7):
        for _ in range(20):
            z = tg.tanh(z) * z
        z = tg.exp(z)
    graph = rolled(z)
    assert repeated(graph) == [("", 7), ("", 20)]
    outer, inner = graph.groups
    assert inner.parent == outer.id
    assert sorted(node.title for node in graph.operations) == ["exp", "multiply", "tanh"]


def test_a_loop_inside_of_a_repeated_module():
    class Looped(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            for _ in range(6):
                x = tg.tanh(x * 2) + x
            return self.layer(x)

    graph = rolled(nn.Sequential(*(Looped() for _ in range(3))), (1, 2))
    assert titles(graph) == [("Sequential", 1), ("Looped", 3), ("", 6), ("Linear", 1)]


def test_a_beginning_that_differs_is_left_out():
    model = nn.Sequential(nn.ReLU(), *(each for _ in range(3) for each in (nn.Linear(2, 2), nn.ReLU())))
    # Where a turn begins is all the same: three times a ReLU and a layer, and a ReLU, or the other way round.
    graph = rolled(model, (1, 2))
    assert repeated(graph) == [("", 3)]
    assert [node.title for node in graph.operations] == ["relu", "linear", "relu"]


# What is not the same


class Pair(nn.Module):
    def __init__(self, size=4, **options):
        self.first, self.second = nn.Conv2d(size, size, 3, **{"padding": 1, **options}), nn.ReLU()

    def forward(self, x):
        return self.second(self.first(x))


DIFFERENT = {
    "stride": [Pair(), Pair(stride=2), Pair()],
    "dilation, with the same shapes": [Pair(), Pair(padding=2, dilation=2), Pair()],
    "mode": [Pair(), Pair(padding_mode="reflect"), Pair()],
    "groups": [Pair(), Pair(groups=2), Pair()],
    "no bias": [Pair(), Pair(bias=False), Pair()],
    "one shape of a parameter": [nn.Conv2d(4, 6, 1), nn.Conv2d(6, 4, 1)],
    "class": [Pair(), nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()), Pair()],
    "an argument": [nn.BatchNorm2d(4), nn.BatchNorm2d(4, eps=1e-3), nn.BatchNorm2d(4)],
    "an operation": [nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh()), nn.Sequential(nn.ReLU())],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_blocks_that_differ(name):
    assert repeated(rolled(nn.Sequential(*DIFFERENT[name]), (1, 4, 9, 9))) == []


class Gate(nn.Module):
    """Two operands that the order tells apart."""

    def __init__(self, is_swapped=False):
        self.a, self.b, self.is_swapped = nn.Linear(3, 3), nn.Linear(3, 3), is_swapped

    def forward(self, x):
        a, b = tg.tanh(self.a(x)), tg.sigmoid(self.b(x))
        return b - a if self.is_swapped else a - b


def test_wiring_inside():
    assert repeated(rolled(nn.Sequential(Gate(), Gate()), (1, 3))) == [("Gate", 2)]
    assert repeated(rolled(nn.Sequential(Gate(), Gate(is_swapped=True), Gate()), (1, 3))) == []


def around_the_others(layers, x):
    """The first one's result goes also around the others."""
    y = layers[0](x)
    return straight(layers[1:], y) + y


def in_pairs(layers, x):
    """Both results of the first two go to the third, and it is not the same which goes where."""
    y = layers[0](x)
    return layers[3](layers[2](layers[1](y) - y))


def test_wiring_between():
    layers = [nn.Linear(3, 3) for _ in range(4)]
    graph = rolled(Steps(layers, around_the_others), (1, 3))
    assert [(group.name, group.times) for group in graph.groups if group.times > 1] == [("layers.1", 3)]
    graph = rolled(Steps(layers, in_pairs), (1, 3))
    assert [(group.name, group.times) for group in graph.groups if group.times > 1] == [("layers.2", 2)]


def dense(layers, x):
    """Each one gets the sum of all before it."""
    total = x
    for layer in layers:
        total = total + layer(total)
    return total


def skipping(layers, x):
    """Each one gets the results of the last two."""
    before = x
    for layer in layers:
        before, x = x, layer(x) + before
    return x


def test_sums_along_the_way():
    assert repeated(rolled(Steps([nn.Linear(3, 3) for _ in range(4)], dense), (1, 3))) == [("", 4)]
    # One turn takes from the last two, so that only two turns take from the two before: the second to the fifth.
    graph = rolled(Steps([nn.Linear(3, 3) for _ in range(6)], skipping), (1, 3))
    assert repeated(graph) == [("", 2)]


def test_modules_of_different_names_are_different_things():
    class Attend(nn.Module):
        def __init__(self):
            self.query, self.key = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.query(x) @ self.key(x).T

    assert repeated(rolled(Attend(), (2, 3))) == []


def test_results_that_are_outputs_stay():
    class Features(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(3, 3) for _ in range(4)]

        def forward(self, x):
            found = []
            for layer in self.layers:
                x = layer(x)
                found.append(x)
            return found

    graph = rolled(Features(), (1, 3))
    assert repeated(graph) == []
    assert sum(node.is_output for node in graph.tensors) == 4


def test_other_numbers_are_other_operations():
    z = parameter(0.5)
    for i in range(20):
        z = tg.tanh(z) * (i + 2)
    assert repeated(rolled(z)) == []


def test_few_operations_are_left_as_they_are():
    z = parameter(0.5)
    for _ in range(4):
        z = tg.tanh(z) * 2
    assert repeated(rolled(z)) == []


def test_what_is_kept_is_no_turn():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(7)))
    whole = described(model, (1, 2))
    weight = next(node.id for node in whole.tensors if node.name == "3.weight")
    graph = check(roll_up(whole, keep={weight}))
    assert [(group.name, group.last, group.times) for group in graph.groups[1:]] == [
        ("0", "2", 3), ("3", "", 1), ("4", "6", 3),
    ]  # fmt: skip
    assert weight in {node.id for node in graph.nodes}


# Any program


@pytest.mark.parametrize("seed", range(60))
def test_any_program_is_counted_to_the_last_operation(seed):
    chance = random.Random(seed)
    layers = [nn.Linear(3, 3) if chance.random() < 0.6 else nn.Tanh() for _ in range(chance.randint(2, 5))]

    def along(layers, x):
        seen = [x]
        for _ in range(chance.randint(1, 3)):
            body = [chance.choice(["layer", "add", "number", "far", "exp"]) for _ in range(chance.randint(1, 4))]
            for _ in range(chance.randint(1, 9)):
                for step in body:
                    if step == "layer":
                        x = layers[len(seen) % len(layers)](x)
                    elif step == "add":
                        x = x + seen[-1]
                    elif step == "far":
                        x = x - seen[max(0, len(seen) - 5)]
                    else:
                        x = tg.tanh(x) if step == "exp" else x * 2
                seen.append(x)
        return x if chance.random() < 0.5 else tg.stack(seen[1:])

    model = Steps(layers, along)
    try:
        graph = described(model, (1, 3))
    except ValueError:
        return  # it computed nothing
    found = check(roll_up(graph))
    assert count_operations(found) == len(list(graph.operations))
    assert sum(node.is_output for node in found.tensors) == sum(node.is_output for node in graph.tensors)
