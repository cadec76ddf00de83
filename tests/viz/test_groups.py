"""The frames of a picture: each operation in the innermost call of a module that recorded it."""

import gc
import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.viz.graph.description import OperationNode, describe
from tinygrad_cnn.walk import nodes

IMAGE = np.ones((2, 1, 4, 4), np.float32)


def paths(*tensors):
    """(group path or None, name of a tensor or title of an operation) of every operation and named tensor."""
    graph = describe(tensors)
    path = {group.id: group.path for group in graph.groups} | {None: None}
    named = [(path[n.group], n.title if isinstance(n, OperationNode) else n.name) for n in graph.nodes]
    return [pair for pair in named if pair[1] is not None]


class Same(nn.Module):
    """Hands its input on."""

    def forward(self, x):
        return x


class Doubled(nn.Module):
    """Calls one layer twice, and adds a number."""

    def __init__(self):
        self.layers = [nn.Conv2d(1, 1, 3, padding=1), Same()]

    def forward(self, x):
        y = self.layers[0](self.layers[1](self.layers[0](x)))
        return y + 1.0


def test_nested_calls_make_nested_groups_in_the_order_of_the_calls():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Flatten(), nn.Linear(8, 3))
    graph = describe(model(tg.tensor(IMAGE)))
    found = [(g.id, g.parent, g.title, g.name, g.path, g.arguments, g.turn, g.parameters) for g in graph.groups]
    assert found == [
        ("g0", None, "Sequential", "", "", "", 1, 20 + 27),
        ("g1", "g0", "Sequential", "0", "0", "", 1, 20),
        ("g2", "g1", "Conv2d", "0", "0.0", "1, 2, kernel_size=3", 1, 20),
        ("g3", "g1", "ReLU", "1", "0.1", "", 1, 0),
        ("g4", "g0", "Flatten", "1", "1", "", 1, 0),
        ("g5", "g0", "Linear", "2", "2", "8, 3", 1, 27),
    ]


def test_operations_parameters_and_inputs_lie_where_they_belong():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    x = tg.tensor(IMAGE, name="x")
    loss = tg.sum(model(x))
    found = paths(loss)
    assert (None, "x") in found
    assert (None, "sum") in found
    assert ("0", "conv2d") in found
    assert ("0", "0.weight") in found
    assert ("0", "0.bias") in found
    assert ("1", "1.weight") in found
    assert ("1", "affine") in found
    unnamed = [n for n in describe(loss).tensors if n.kind == "constant" and n.name is None]
    assert unnamed
    assert all(n.group is not None for n in unnamed)


def test_a_module_that_is_called_twice_has_two_groups_and_its_parameters_lie_around_both():
    model = Doubled()
    graph = describe(model(tg.tensor(IMAGE, name="x")))
    assert [(g.path, g.turn) for g in graph.groups] == [("", 1), ("layers.0", 1), ("layers.0", 2)]
    groups = {n.name: n.group for n in graph.tensors if n.name}
    assert groups == {"layers.0.weight": "g0", "layers.0.bias": "g0", "x": None}
    assert [n.group for n in graph.operations] == ["g1", "g2", "g0"]
    number = next(n for n in graph.tensors if n.kind == "constant" and n.name is None)
    assert number.group == "g0"


def test_a_module_that_hands_its_input_on_leaves_no_mark():
    x = tg.tensor(IMAGE, requires_grad=True)
    assert Same()(x) is x
    assert describe(Same()(x * 2)).groups == ()


def test_a_grandchild_called_directly_has_its_whole_path():
    class Outer(nn.Module):
        def __init__(self):
            self.parts = {"block": nn.Sequential(nn.Linear(2, 2))}

        def forward(self, x):
            return self.parts["block"][0](x)

    graph = describe(Outer()(tg.tensor([[1.0, 2.0]])))
    # The model is gone: titles stay, and what hung on it is not made up.
    assert [g.title for g in graph.groups] == ["Outer", "Linear"]
    model = Outer()
    graph = describe(model(tg.tensor([[1.0, 2.0]])))
    assert [g.path for g in graph.groups] == ["", "parts.block.0"]


def test_several_outputs_in_tuples_and_dicts():
    class Two(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(2, 1), nn.Linear(2, 1)

        def forward(self, x):
            return {"a": self.a(x), "rest": [(self.b(x), None)]}

    model = Two()
    out = model(tg.tensor([[1.0, 2.0]], name="x"))
    for roots in ([out["a"]], [out["rest"][0][0]], [out["a"], out["rest"][0][0]]):
        graph = describe(roots)
        assert graph.groups[0].title == "Two"
        assert len(graph.groups) == 1 + len(roots)
        assert all(group.parent == "g0" for group in graph.groups[1:])
        assert next(n for n in graph.tensors if n.name == "x").group is None


def test_an_input_by_keyword_lies_outside():
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(2.0)

        def forward(self, x, mask=None):
            return self.scale * x * mask

    model = Scaled()
    found = paths(model(tg.tensor([1.0], name="x"), mask=tg.tensor([1.0], name="mask")))
    assert (None, "mask") in found
    assert (None, "x") in found
    assert ("", "scale") in found


def test_a_gradient_graph_lies_outside_of_the_forwards_groups():
    model = nn.Linear(1, 1)
    (gradient,) = tg.grad(model(tg.tensor([[3.0]])) ** 2, model.weight, create_graph=True)
    graph = describe(gradient)
    inside = [n.title for n in graph.operations if n.group is not None]
    assert inside == ["linear"]
    assert len(list(graph.operations)) > 1


def test_calls_in_another_thread_at_the_same_time_do_not_confuse():
    started, finish = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(2.0)

        def forward(self, x):
            y = self.weight * x
            started.set()
            assert finish.wait(5)
            return tg.exp(y)

    slow, fast, made = Slow(), nn.Sequential(nn.Linear(1, 1)), []
    thread = threading.Thread(target=lambda: made.append(slow(tg.tensor(0.5))))
    thread.start()
    assert started.wait(5)
    z = fast(tg.tensor([[1.0]]))
    finish.set()
    thread.join()
    graph = describe(tg.sum(z) * made[0])
    path = {g.id: g.title for g in graph.groups}
    assert {"exp": "Slow", "linear": "Linear"}.items() <= {n.title: path.get(n.group) for n in graph.operations}.items()


def test_a_graph_is_freed_at_once_also_where_the_module_keeps_its_output():
    class Keeping(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(2.0)
            self.last = None

        def forward(self, x):
            self.last = self.weight * x
            return self.last

    gc.collect()
    gc.disable()
    try:
        model = Keeping()
        node = model(tg.tensor(1.0)).node
        call = node.calls[0]
        del model, node
        assert call.callee() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("depth", [1, 60])
def test_deep_nesting(depth):
    model = nn.Linear(1, 1)
    for _ in range(depth):
        model = nn.Sequential(model)
    graph = describe(model(tg.tensor([[1.0]])))
    assert [g.path for g in graph.groups] == [".".join("0" * i) for i in range(depth + 1)]
    assert len(nodes(model(tg.tensor([[1.0]])))) == 4
