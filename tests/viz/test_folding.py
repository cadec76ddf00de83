"""Folded graphs: calls of modules, chains, dropped results and stages, each as one node with all that it stands for."""

import random

import pytest

import tinygrad_cnn as tg
from tests.viz.described import check, count_operations
from tests.viz.networks import LeNet, ResNet, Transformer, recurrent
from tinygrad_cnn import nn
from tinygrad_cnn.viz.folding.chains import collapse_chains, without_results
from tinygrad_cnn.viz.folding.contraction import fold
from tinygrad_cnn.viz.folding.rolling import roll_up
from tinygrad_cnn.viz.folding.stages import summarise
from tinygrad_cnn.viz.graph.description import FoldedNode, describe
from tinygrad_cnn.viz.graph.tracing import trace


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def described(model, shape):
    traced = trace(model, shape)
    return describe(traced.outputs, data=traced.inputs)


def folded_nodes(graph):
    return [node for node in graph.nodes if isinstance(node, FoldedNode)]


def pairs(graph):
    return [(edge.source, edge.target) for edge in graph.edges]


# Calls of modules


def test_a_model_in_one_node():
    whole = described(LeNet(), (1, 1, 32, 32))
    graph = check(fold(whole, 0))
    (node,) = folded_nodes(graph)
    (given, output) = graph.tensors
    assert pairs(graph) == [(given.id, node.id), (node.id, output.id)]
    assert (node.title, node.name, node.parameters) == ("LeNet", "", 61706)
    assert node.operations == len(list(whole.operations))
    assert [tensor.id for tensor in node.outputs] == [output.id]
    assert given.name == "input"
    assert output.is_output
    assert {*node.inside, given.id, output.id} == {each.id for each in whole.nodes}


def test_layers_in_one_node_each():
    graph = check(fold(described(LeNet(), (1, 1, 32, 32)), 1))
    conv1, pool1, conv2, pool2, *_ = folded_nodes(graph)
    assert (conv1.name, conv1.arguments, conv1.parameters) == ("conv1", "1, 6, kernel_size=5", 156)
    assert (pool1.path, pool1.turn) == ("pool", 1)
    assert (pool2.path, pool2.turn) == ("pool", 2)
    assert dict(pool1.contents) == {"avg_pool2d": 1}
    (edge,) = [edge for edge in graph.edges if edge.source == pool1.id]
    assert (edge.target, edge.tensor.shape, edge.label) == (conv2.id, (1, 6, 14, 14), "")
    assert [group.title for group in graph.groups] == ["LeNet"]
    assert {node.group for node in folded_nodes(graph)} == {graph.groups[0].id}


def test_the_numbers_of_parameters_count_each_once():
    graph = fold(described(ResNet(), (1, 3, 32, 32)), 1)
    model = ResNet()
    counts = {node.path: node.parameters for node in folded_nodes(graph)}
    assert counts["stages.2"] == sum(p.size for p in model.stages[2].parameters())
    assert sum(counts.values()) == sum(p.size for p in model.parameters())


@pytest.mark.parametrize("depth", range(6))
def test_nothing_gets_lost_at_any_depth(depth):
    for model, shape in ((ResNet((2, 2), 2), (1, 3, 16, 16)), (Transformer(2), (1, 3, 8))):
        whole = described(model, shape)
        graph = check(fold(whole, depth))
        assert count_operations(graph) == len(list(whole.operations))
        inside = [id for node in folded_nodes(graph) for id in node.inside]
        apart = [node.id for node in graph.nodes if not isinstance(node, FoldedNode)]
        assert sorted(inside + apart) == sorted(node.id for node in whole.nodes)
        rolled = check(fold(roll_up(whole), depth))
        assert count_operations(rolled) == len(list(whole.operations))


def test_any_groups():
    whole = described(ResNet((2, 1), 2), (1, 3, 16, 16))
    chance = random.Random(1)
    for _ in range(30):
        chosen = chance.sample([group.id for group in whole.groups], chance.randint(1, 12))
        graph = check(fold(whole, groups=chosen))
        assert count_operations(graph) == len(list(whole.operations))
        left = {group.id for group in graph.groups} | {node.id for node in folded_nodes(graph)}
        parents = {group.id: group.parent for group in whole.groups}
        outermost = {id for id in chosen if not set(chosen) & set(around(id, parents))}
        assert {node.id for node in folded_nodes(graph)} == outermost
        assert left == {id for id in parents if not outermost & set(around(id, parents))}


def around(id, parents):
    found = []
    while (id := parents[id]) is not None:
        found.append(id)
    return found


def test_a_named_result_that_leaves_stays():
    class Named(nn.Module):
        def __init__(self):
            self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            z = self.first(x)
            z.name = "hidden"
            inner = tg.exp(z)
            inner.name = "inner"
            return self.second(inner)

    whole = described(Named(), (1, 2))
    graph = check(fold(whole, 1))
    assert [node.name for node in graph.tensors if node.name in ("hidden", "inner")] == ["hidden", "inner"]
    assert [node.name for node in check(fold(whole, 0)).tensors] == ["input", None]


def test_what_is_shared_stays_outside():
    layer, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.weight = layer.weight

    class Tied(nn.Module):
        def __init__(self):
            self.layer, self.other = layer, other

        def forward(self, x):
            return self.other(tg.tanh(self.layer(x)))

    graph = check(fold(described(Tied(), (1, 2)), 1))
    (weight,) = [node for node in graph.tensors if node.kind == "leaf"]
    assert pairs(graph).count((weight.id, folded_nodes(graph)[0].id)) == 1
    assert pairs(graph).count((weight.id, folded_nodes(graph)[1].id)) == 1


def test_several_tensors_between_two_nodes():
    class Many(nn.Module):
        def __init__(self, count):
            self.count = count

        def forward(self, *given):
            return [tg.tanh(given[i % len(given)]) for i in range(self.count)]

    class Both(nn.Module):
        def __init__(self, count):
            self.one, self.two = Many(count), Many(count)

        def forward(self, x):
            return self.two(*self.one(x))[0] if self.one.count == 1 else sum(self.two(*self.one(x)))

    for count, edges in ((2, [1, 1]), (7, [7])):
        graph = check(fold(described(Both(count), (1, 2)), 1))
        one, two = folded_nodes(graph)
        found = [edge for edge in graph.edges if (edge.source, edge.target) == (one.id, two.id)]
        assert [edge.count for edge in found] == edges
        assert len(one.outputs) == count


def test_an_operand_that_is_used_twice_stays_twice():
    class Root(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            z = self.layer(x)
            return z * z

    graph = check(fold(described(Root(), (1, 2)), 1))
    (square,) = graph.operations
    assert [edge.target for edge in graph.edges].count(square.id) == 2


def test_what_is_kept_opens_the_groups_around_it():
    whole = described(ResNet((2, 1), 2), (1, 3, 16, 16))
    weight = next(node for node in whole.tensors if node.name == "stages.0.1.conv2.weight")
    graph = check(fold(whole, 1, keep={weight.id}))
    assert weight in graph.tensors
    paths = {node.path for node in folded_nodes(graph)}
    assert {"conv1", "stages.1", "stages.0.0", "stages.0.1.conv1", "stages.0.1.bn2"} <= paths
    assert not {"stages.0", "stages.0.1", "stages.0.1.conv2"} & paths


def test_wrong_arguments():
    graph = described(LeNet(), (1, 1, 32, 32))
    with pytest.raises(ValueError, match="fold: depth must be 0 or more but is -1"):
        fold(graph, -1)
    with pytest.raises(KeyError, match="fold: expected the ids of groups of the graph but got 'x'"):
        fold(graph, groups=["x"])
    with pytest.raises(TypeError, match="roll_up: expected a graph without folded nodes but 'g0' is one"):
        roll_up(fold(graph, 0))


# Chains


def chain(n, start=None):
    z = parameter(0.5, "z") if start is None else start
    for i in range(n):
        z = tg.tanh(z) if i % 2 else z * 2
    return z


def test_a_long_chain_is_one_node():
    for n, expected in ((7, []), (8, [(("multiply", 4), ("tanh", 4))])):
        graph = check(collapse_chains(describe(chain(n))))
        assert [node.contents for node in folded_nodes(graph)] == expected
    (node,) = folded_nodes(graph)
    start, output = graph.tensors
    assert pairs(graph) == [(start.id, node.id), (node.id, output.id)]
    assert node.title == "8 operations"


def test_a_chain_ends_where_something_else_uses_it():
    first = chain(8)
    second = chain(8, first)
    graph = check(collapse_chains(describe(second + first)))
    assert [node.operations for node in folded_nodes(graph)] == [8, 8]


def test_a_chain_ends_at_a_name_an_output_and_what_is_kept():
    z = chain(4)
    z.name = "middle"
    assert folded_nodes(collapse_chains(describe(chain(4, z)))) == []
    z = chain(4)
    assert folded_nodes(collapse_chains(describe([z, chain(4, z)]))) == []
    graph = describe(chain(8))
    middle = [node.id for node in graph.operations][4]
    assert folded_nodes(collapse_chains(graph, keep={middle})) == []
    result = dict(pairs(graph))[middle]
    assert folded_nodes(collapse_chains(graph, keep={result})) == []


def test_a_number_that_two_operations_share_stays():
    two = tg.tensor(2.0)
    z = parameter(0.5)
    for _ in range(8):
        z = z * two
    graph = check(collapse_chains(describe(z)))
    assert count_operations(graph) == 8
    assert folded_nodes(graph) == []


# Results without a name


def test_results_become_edges_that_carry_them():
    z = parameter(2.0, "z")
    y = tg.exp(z)
    named = tg.tanh(y)
    named.name = "named"
    whole = describe(tg.exp(named) * y)
    graph = check(without_results(whole))
    assert [node.name for node in graph.tensors] == ["z", "named", None]
    carried = [(edge.source, edge.target, edge.tensor.shape) for edge in graph.edges if edge.tensor is not None]
    exp, tanh, other, times = (node.id for node in graph.operations)
    assert carried == [(exp, tanh, ()), (other, times, ()), (exp, times, ())]
    kept = next(edge.target for edge in whole.edges if edge.source == exp)
    assert kept in {node.id for node in without_results(whole, keep={kept}).nodes}


# Stages


@pytest.mark.parametrize("most", [5, 12, 40, 100])
def test_stages_reach_the_number(most):
    z, w = parameter(0.5, "z"), parameter(0.1, "w")
    chance = random.Random(0)
    seen = [z]
    for i in range(400):
        step = chance.choice([tg.tanh, tg.exp, lambda x: x * w, lambda x: x + chance.choice(seen[-5:])])
        seen.append(step(seen[-1]) * 0.1)
        if i % 50 == 0:
            seen[-1].name = f"named{i}"
    whole = describe(seen[-1])
    graph = check(summarise(without_results(whole), most))
    assert len(graph.nodes) <= most
    assert count_operations(graph) == len(list(whole.operations))
    assert sum(node.is_output for node in graph.tensors) == 1


def test_stages_keep_what_they_must():
    whole = describe(recurrent(100))
    graph = without_results(whole)
    kept = [node.id for node in graph.operations][200:202]
    found = check(summarise(graph, 30, keep=kept))
    assert set(kept) <= {node.id for node in found.nodes}
    assert count_operations(found) == len(list(whole.operations))


def test_stages_do_not_cross_frames():
    whole = described(Transformer(3), (1, 4, 8))
    found = check(summarise(without_results(whole), 12))
    groups = {node.id: node.group for node in whole.nodes}
    for node in folded_nodes(found):
        assert {groups[id] for id in node.inside if id.startswith("o")} == {node.group}
