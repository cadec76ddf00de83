"""The description of a graph: every tensor and operation once, in order, and what was not computed told from 0."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.engine import KEPT_SIZE, primitive
from tinygrad_cnn.viz.graph.description import Missing, describe
from tinygrad_cnn.viz.pages.graph.arrays import Arrays
from tinygrad_cnn.viz.pages.graph.steps import steps


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def tensor_named(graph, name):
    (found,) = [node for node in graph.tensors if node.name == name]
    return found


def test_kinds_shapes_and_dtypes():
    x = tg.tensor(np.ones((2, 3), np.float32), name="x")
    w = parameter(np.ones((3, 1)), "w")
    z = tg.matmul(x, w)
    z.name = "z"
    graph = describe(z * 2)
    seen = [(node.name, node.kind, node.shape, node.dtype, node.is_output) for node in graph.tensors]
    assert sorted(seen, key=str) == sorted(
        [
            ("x", "constant", (2, 3), "float32", False),
            ("w", "leaf", (3, 1), "float64", False),
            ("z", "result", (2, 1), "float64", False),
            (None, "constant", (), "int", False),
            (None, "result", (2, 1), "float64", True),
        ],
        key=str,
    )


def test_edges_follow_the_operands_and_name_them_where_their_order_counts():
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    graph = describe(b - a)
    names = {node.id: node.name for node in graph.tensors}
    (operation,) = graph.operations
    into = [(names[edge.source], edge.label) for edge in graph.edges if edge.target == operation.id]
    assert into == [("b", "x"), ("a", "y")]
    out = [edge.target for edge in graph.edges if edge.source == operation.id]
    assert [names[target] for target in out] == [None]


@pytest.mark.parametrize(
    ("function", "labels"),
    [
        (lambda x: x + x, ["", ""]),
        (lambda x: x * x, ["", ""]),
        (lambda x: x / x, ["x", "y"]),
        (tg.exp, [""]),
        (lambda x: tg.where(True, x, 0), ["condition", "x", "y"]),
        (lambda x: tg.concatenate([x.reshape(1), x.reshape(1)])[0], ["0", "1"]),
    ],
)
def test_labels_of_operands(function, labels):
    graph = describe(function(parameter(2.0)))
    operations = [node.id for node in graph.operations]
    longest = max(([edge.label for edge in graph.edges if edge.target == id] for id in operations), key=len)
    assert longest == labels


def test_a_tensor_used_twice_is_one_node_with_two_edges():
    a = parameter(3.0)
    graph = describe(a * a)
    assert len(list(graph.tensors)) == 2
    assert [edge.source for edge in graph.edges].count(next(graph.tensors).id) == 2


def test_edges_of_constants_have_no_gradient():
    graph = describe(parameter(2.0, "a") * tg.tensor(3.0, name="k"))
    constant = tensor_named(graph, "k").id
    assert {edge.source == constant: edge.has_gradient for edge in graph.edges} == {True: False, False: True}


def test_several_outputs_share_what_they_have_in_common():
    a = parameter(2.0, "a")
    b = tg.exp(a)
    graph = describe([b, b * 2, b])
    assert [node.title for node in graph.operations] == ["exp", "multiply"]
    assert [node.is_output for node in graph.tensors if node.kind == "result"] == [True, True]


def test_a_leaf_alone_is_a_graph():
    (node,) = describe(parameter([1.0, 2.0], "w")).nodes
    assert (node.kind, node.is_output, node.name, node.shape) == ("leaf", True, "w", (2,))


def test_objects_are_called_by_their_type():
    third = parameter(Fraction(1, 3), "third")
    array = parameter(np.array([Fraction(1, 2), Fraction(2)], dtype=object), "array")
    graph = describe(third * array)
    assert tensor_named(graph, "third").dtype == tensor_named(graph, "array").dtype == "Fraction"


def test_ids_do_not_depend_on_what_was_recorded_before():
    def build():
        a = parameter(2.0, "a")
        return describe(tg.exp(a) * a)

    first = build()
    for _ in range(10):
        tg.exp(parameter(1.0))
    assert build() == first


# Options


def options_shown(tensor):
    return [(node.title, node.remarks) for node in describe(tensor).operations]


IMAGE = np.arange(2 * 4 * 7 * 7, dtype=np.float32).reshape(2, 4, 7, 7)


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda x: tg.conv2d(x, np.ones((4, 4, 3, 3), np.float32)), ("conv2d", ())),
        (
            lambda x: tg.conv2d(x, np.ones((4, 2, 3, 3), np.float32), stride=2, padding=1, dilation=(1, 2), groups=2),
            ("conv2d", ("stride 2", "padding 1", "dilation (1, 2)", "groups 2")),
        ),
        (
            lambda x: tg.conv2d(x, np.ones((4, 4, 3, 3), np.float32), padding=((0, 1), (2, 2))),
            ("conv2d", ("padding ((0, 1), 2)",)),
        ),
        (
            lambda x: tg.conv_transpose2d(x, np.ones((4, 4, 3, 3), np.float32), stride=2),
            ("conv_transpose2d", ("stride 2",)),
        ),
        (lambda x: tg.max_pool2d(x, 2), ("max_pool2d", ("kernel 2",))),
        (lambda x: tg.max_pool2d(x, (2, 3), stride=1), ("max_pool2d", ("kernel (2, 3)", "stride 1"))),
        (lambda x: tg.max_pool2d(x, 2, ties="split"), ("max_pool2d", ("ties split", "kernel 2"))),
        (tg.sum, ("sum", ())),
        (lambda x: tg.sum(x, axis=1, keepdims=True), ("sum", ("axis 1", "keepdims"))),
        (lambda x: tg.max(x, axis=(0, 2)), ("max", ("axis (0, 2)",))),
        (tg.log_softmax, ("log_softmax", ())),
        (lambda x: tg.log_softmax(x, axis=1), ("log_softmax", ("axis 1",))),
        (lambda x: x.reshape(2, -1), ("reshape", ())),
        (lambda x: x.T, ("transpose", ())),
        (lambda x: tg.transpose(x, (0, 2, 3, 1)), ("transpose", ("axes (0, 2, 3, 1)",))),
        (lambda x: x[0, :, 1:5:2, ..., None], ("getitem", ("[0, :, 1:5:2, ..., None]",))),
        (lambda x: x[[0, 1, 1]], ("getitem", ("[indices (3,)]",))),
        (lambda x: x[np.ones((2, 4), bool)], ("getitem", ("[mask (2, 4)]",))),
        (lambda x: tg.cross_entropy(x[:, :, 0, 0], [0, 1]), ("cross_entropy", ())),
        (lambda x: tg.cross_entropy(x[:, :, 0, 0], [0, 1], reduction="sum"), ("cross_entropy", ("reduction sum",))),
    ],
)
def test_options_that_are_not_the_default(function, shown):
    assert options_shown(function(parameter(IMAGE)))[-1] == shown


def test_the_kernel_gradient_shows_only_what_its_shapes_do_not():
    x, k = parameter(IMAGE), parameter(np.ones((4, 4, 3, 3), np.float32))
    (dk,) = tg.grad(tg.conv2d(x, k, stride=2).sum(), k, create_graph=True)
    assert ("kernel_correlation", ("stride 2",)) in options_shown(dk)


def test_all_options_are_kept_by_name():
    (operation,) = describe(tg.sum(parameter([1.0, 2.0]))).operations
    assert operation.options == {"axis": (0,), "keepdims": False}


# Values and gradients


def test_not_computed_is_not_zero():
    a, b = parameter(-1.0, "a"), parameter(2.0, "b")
    z = tg.relu(a) + b * 0
    before = describe(z)
    assert all(node.gradient is Missing.NOT_COMPUTED for node in before.tensors if node.kind != "constant")
    z.backward()
    after = describe(z)
    assert tensor_named(after, "a").gradient == 0
    assert tensor_named(after, "a").gradient is not Missing.NOT_COMPUTED


def test_a_constant_has_no_gradient_to_compute():
    z = parameter(1.0) * tg.tensor(2.0, name="k")
    z.backward()
    assert tensor_named(describe(z), "k").gradient is None


def test_a_tensor_that_no_walk_reached():
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    graph_of_both = [a * 2, b * 3]
    graph_of_both[0].backward()
    graph = describe(graph_of_both)
    assert tensor_named(graph, "a").gradient == 2
    assert tensor_named(graph, "b").gradient is Missing.NOT_COMPUTED


def test_a_leaf_shows_its_grad_which_accumulates():
    a = parameter(3.0, "a")
    for _ in range(2):
        z = a * 5
        z.backward()
    assert tensor_named(describe(z), "a").gradient == 10


def test_a_leaf_does_not_show_the_gradient_of_another_graph():
    a = parameter(3.0, "a")
    (a * 5).backward()
    a.grad = None
    assert tensor_named(describe(a * 7), "a").gradient is Missing.NOT_COMPUTED


def test_a_gradient_asked_for_by_grad_is_shown():
    a = parameter(3.0, "a")
    z = a * 5
    assert tg.grad(z, a)[0].item() == 5
    assert a.grad is None
    assert tensor_named(describe(z), "a").gradient == 5


def large(name=None):
    return parameter(np.ones(KEPT_SIZE + 1), name)


def test_a_large_value_is_missing_only_where_nobody_holds_it():
    w = large("w")
    z = (w * 2) * 3
    z.name = "z"
    graph = describe(z)
    assert tensor_named(graph, "w").value.sum() == KEPT_SIZE + 1
    assert tensor_named(graph, "z").value.sum() == 6 * (KEPT_SIZE + 1)
    (between,) = [node for node in graph.tensors if node.kind == "result" and not node.is_output]
    assert between.value is Missing.NOT_KEPT
    assert (between.shape, between.dtype) == ((KEPT_SIZE + 1,), "float64")


def test_a_large_gradient_is_not_kept_rather_than_not_computed():
    w = large("w")
    doubled = w * 2
    doubled.name = "doubled"
    z = doubled.sum()
    assert tensor_named(describe(z), "doubled").gradient is Missing.NOT_COMPUTED
    z.backward(retain_graph=True)
    assert tensor_named(describe(z), "doubled").gradient is Missing.NOT_KEPT
    assert tensor_named(describe(z), "w").gradient.sum() == 2 * (KEPT_SIZE + 1)


def test_debug_keeps_all_and_tells_the_line():
    with tg.debug():
        w = large("w")
        doubled = w * 2
        doubled.name = "doubled"
        z = doubled.sum()
        z.backward()
    node = tensor_named(describe(z), "doubled")
    assert node.value.sum() == 2 * (KEPT_SIZE + 1)
    assert node.gradient.sum() == KEPT_SIZE + 1
    assert "doubled = w * 2" in node.line
    assert __file__ in node.line


def test_describing_changes_nothing():
    a = parameter([1.0, 2.0], "a")
    z = (a * a).sum()
    describe(z)
    z.backward()
    grad = a.grad
    describe(z)
    assert a.grad is grad
    assert a.grad.tolist() == [2, 4]


def test_a_freed_graph_is_still_described():
    a = parameter(2.0, "a")
    z = tg.exp(a) * a
    before = describe(z)
    z.backward()
    assert z.node.is_freed
    assert [node.id for node in describe(z).nodes] == [node.id for node in before.nodes]


def test_a_very_deep_graph():
    z = parameter(0.0)
    for _ in range(10_000):
        z = z + 1
    graph = describe(z)
    assert len(list(graph.operations)) == 10_000
    assert len(graph.edges) == 30_000


# Refusals


@pytest.mark.parametrize("given", [3.0, "x", [parameter(1.0), 2.0], np.ones(2)])
def test_only_tensors_are_described(given):
    with pytest.raises(TypeError, match=r"describe: expected a tensor or several but got (float|str)"):
        describe(given)


def test_no_tensor_at_all():
    with pytest.raises(ValueError, match="describe: expected a tensor or several but got none"):
        describe([])


def test_a_tensor_without_a_graph_is_refused_with_the_reason():
    with tg.no_grad():
        z = parameter(1.0) * 2
    with pytest.raises(ValueError, match=r"describe: Tensor\(.* has no graph behind it.*no_grad"):
        describe(z)


def test_a_primitive_of_ones_own_is_not_taken_for_that_of_the_library():
    @primitive(x=lambda dz: 7 * dz)
    def relu(x):
        return x * (x > 0)

    graph = describe(relu(parameter([1.0, -1.0])) + tg.relu(parameter([2.0, 3.0])))
    own, library, _ = graph.operations
    assert (own.primitive, own.operands, own.module) == ("relu", ("x",), __name__)
    assert library.module == "tinygrad_cnn.primitives.elementwise"
    forward, _ = steps(graph, Arrays(), {})
    assert ["formula" in step for step in forward] == [False, True, True]


def test_an_operation_names_every_operand():
    x, k = parameter(np.ones((1, 1, 3, 3)), "x"), parameter(np.ones((1, 1, 2, 2)), "k")
    z = tg.concatenate([tg.conv2d(x, k).reshape(4), tg.conv2d(x, k, [0.5]).reshape(4)])
    names = [node.operands for node in describe(z).operations]
    assert names == [("x", "weight"), ("x",), ("x", "weight", "bias"), ("x",), ("xs", "xs")]
