"""The budget: a picture of any graph has no more nodes than asked for, and says what was done and what shows more."""

import random
import re
import time

import pytest

import tinygrad_cnn as tg
from tests.viz.described import check, count_operations
from tests.viz.networks import LeNet, ResNet, Transformer, recurrent
from tinygrad_cnn import nn
from tinygrad_cnn.viz.folding.budget import LARGE, fit
from tinygrad_cnn.viz.graph.description import FoldedNode, describe
from tinygrad_cnn.viz.graph.tracing import trace


def described(model, shape):
    traced = trace(model, shape)
    return describe(traced.outputs, data=traced.inputs)


def entangled(steps, names=False, seed=0):
    """A program without modules in which nothing repeats."""
    chance = random.Random(seed)
    seen = [tg.tensor(0.1 * i, requires_grad=True, name=f"p{i}") for i in range(5)]
    for i in range(steps):
        z = chance.choice([tg.tanh, tg.exp, tg.sin])(seen[-1]) * chance.choice(seen[-40:])
        if names:
            z.name = f"z{i}"
        seen.append(z)
    return tg.stack(seen[-3:])


class Deep(nn.Module):
    """Wrappers around one long function."""

    def __init__(self, steps, levels):
        self.steps, self.inner = steps, Deep(steps, levels - 1) if levels else None

    def forward(self, x):
        return tg.sum(x) * entangled(self.steps) if self.inner is None else self.inner(x)


GRAPHS = {
    "LeNet": lambda: described(LeNet(), (1, 1, 32, 32)),
    "ResNet-50": lambda: described(ResNet(), (1, 3, 32, 32)),
    "transformer": lambda: described(Transformer(4), (1, 4, 8)),
    "recurrent": lambda: describe(recurrent(60)),
    "imperative": lambda: describe(entangled(1000)),
    "named": lambda: describe(entangled(300, names=True)),
    "wrapped": lambda: described(Deep(400, 3), (1, 2)),
}


@pytest.mark.parametrize("budget", [20, 60, 300])
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("options", [{}, {"is_rolled": False}, {"has_numbers": True}])
def test_no_picture_is_larger(name, budget, options):
    graph = GRAPHS[name]()
    fitted = fit(graph, budget=budget, **options)
    check(fitted.graph)
    assert len(fitted.graph.nodes) <= budget
    assert count_operations(fitted.graph) == len(list(graph.operations))
    assert sum(node.is_output for node in fitted.graph.tensors) == sum(node.is_output for node in graph.tensors)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_budget_that_it_names_shows_more(name):
    graph = GRAPHS[name]()
    budget = 20
    while note := (fitted := fit(graph, budget=budget)).note:
        assert note.startswith(f"{len(graph.nodes):,} nodes in {len(fitted.graph.nodes):,}: ")
        (more,) = re.findall(r"budget=(\d+) shows more", note)
        assert int(more) > budget
        seen = {node.id for node in fitted.graph.nodes}
        budget = int(more)
        assert {node.id for node in fit(graph, budget=budget).graph.nodes} != seen
    assert len(fitted.graph.nodes) <= budget


def test_a_small_graph_is_left_alone():
    graph = described(LeNet(), (1, 1, 32, 32))
    assert fit(graph, budget=300).graph == graph
    assert fit(graph, budget=300).note == ""
    assert fit(graph, budget=None).note == ""


def test_all_can_be_had():
    graph = described(ResNet((1, 1), 2), (1, 3, 16, 16))
    assert len(graph.nodes) > LARGE
    assert fit(graph, is_rolled=False, has_numbers=True).graph == graph


def test_the_deepest_modules_are_folded_first():
    graph = described(ResNet(), (1, 3, 32, 32))
    fitted = fit(graph, budget=150, is_rolled=False)
    folded = {node.path for node in fitted.graph.nodes if isinstance(node, FoldedNode)}
    assert "modules folded at depth 2" in fitted.note
    assert folded == {f"stages.{i}.{j}" for i, count in enumerate((3, 4, 6, 3)) for j in range(count)}


def test_repeated_blocks_are_rolled_up_where_numbers_would_be_shown():
    graph = described(Transformer(12), (1, 4, 8))
    assert all(group.times == 1 for group in fit(graph, has_numbers=True).graph.groups)
    fitted = fit(graph, has_numbers=True, budget=100)
    assert [group.times for group in fitted.graph.groups if group.title == "Layer"] == [12]
    assert "repeated blocks rolled up" in fitted.note
    assert "rolled" not in fit(graph, has_numbers=True, is_rolled=False, budget=100).note


def test_small_modules_stay_open_beside_a_huge_one():
    class Mixed(nn.Module):
        def __init__(self):
            self.small, self.huge = LeNet(), Deep(600, 0)

        def forward(self, x):
            return self.huge(self.small(x))

    graph = described(Mixed(), (1, 1, 32, 32))
    fitted = fit(graph, budget=200)
    assert {group.path for group in fitted.graph.groups} >= {"small"}
    assert len(fitted.graph.nodes) <= 200


def test_what_is_highlighted_stays():
    graph = described(ResNet(), (1, 3, 32, 32))
    keep = {node.id for node in graph.tensors if node.name in ("stages.2.3.conv2.weight", "fc.bias")}
    keep |= {[node.id for node in graph.operations if node.title == "relu"][20]}
    for budget in (40, 300):
        fitted = fit(graph, budget=budget, keep=keep)
        assert keep <= {node.id for node in check(fitted.graph).nodes}
        assert count_operations(fitted.graph) == len(list(graph.operations))


def test_a_budget_that_cannot_be_reached_says_so():
    a = tg.tensor(1.0, requires_grad=True)
    graph = describe([tg.exp(a) for _ in range(20)])
    fitted = fit(graph, budget=3)
    assert fitted.note.endswith("no fewer can be shown")
    assert sum(node.is_output for node in fitted.graph.tensors) == 20


@pytest.mark.parametrize("kind", ["same", "mixed"])
def test_a_chain_of_100_000_nodes(kind):
    chance = random.Random(0)
    z = tg.tensor(0.5, requires_grad=True)
    for _ in range(50_000):
        z = tg.tanh(z) if kind == "same" else chance.choice([tg.tanh, tg.sin, tg.sigmoid])(z)
    start = time.process_time()
    graph = fit(describe(z), budget=300).graph
    assert time.process_time() - start < 30
    assert len(graph.nodes) < 30
    assert count_operations(graph) == 50_000
