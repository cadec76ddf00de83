"""Recording: what a node knows, what is recorded and what is not, and what an error leaves."""

import threading
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.engine import KEPT_SIZE, Constant, Leaf, Unkept
from tinygrad_cnn.walk import nodes


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def count_recorded(action):
    """How many nodes were created while the action ran, by their numbers."""
    x = leaf(0.0)
    before = (x * x).node.number
    action()
    return (x * x).node.number - before - 1


# micrograd's README: https://github.com/karpathy/micrograd, "Example usage"


@pytest.mark.parametrize("kind", [float, Fraction])
def test_micrograds_example_gives_its_published_numbers(kind):
    a = leaf(kind(-4))
    b = leaf(kind(2))
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2
    g += 10 / f
    assert f"{float(g.data):.4f}" == "24.7041"
    g.backward()
    assert f"{float(a.grad.data):.4f}" == "138.8338"
    assert f"{float(b.grad.data):.4f}" == "645.5773"
    if kind is Fraction:
        assert (g.item(), a.grad.item(), b.grad.item()) == (
            Fraction(2421, 98), Fraction(47620, 343), Fraction(221433, 343)
        )  # fmt: skip


def test_micrograds_way_to_print():
    a = leaf(1.5)
    (a * a).backward()
    assert (f"{a.data:.4f}", f"{a.grad:.4f}", f"{a * a:8.2f}") == ("1.5000", "3.0000", "    2.25")


# Nodes


def test_parents_are_the_operands_in_order():
    a, b = leaf(1.0), leaf(2.0)
    assert (a - b).node.parents == (a.node, b.node)
    assert (b - a).node.parents == (b.node, a.node)
    assert (a - a).node.parents == (a.node, a.node)
    first, second = (1 - a).node.parents
    assert isinstance(first, Constant)
    assert first.value == 1
    assert second is a.node
    assert tg.concatenate([leaf([1.0]), b[None], leaf([2.0])]).node.parents[1].primitive.name == "getitem"


def test_creation_numbers_grow_from_operands_to_results():
    a = leaf(1.0)
    y = tg.exp(a * 2 + a) / (1 + a)
    order = nodes(y)
    assert [node.number for node in order] == sorted(node.number for node in order)
    for node in order:
        assert all(parent.number < node.number for parent in node.parents)
    assert order[-1] is y.node


def test_a_node_says_what_it_is():
    a = leaf(np.ones((2, 3), np.float32), name="a")
    z = tg.sum(a, axis=1)
    z.name = "row sums"
    node = z.node
    assert (node.primitive.name, node.primitive.operand_names, node.name) == ("sum", ("x",), "row sums")
    assert (node.shape, node.dtype, node.requires_grad, node.is_freed) == ((2,), np.float32, True, False)
    assert node.options == {"axis": (1,), "keepdims": False}
    assert node.value.tolist() == [3, 3]
    assert node.gradient is None
    assert repr(node) == f"<sum node {node.number}, shape (2,), float32>"
    assert (a.node.primitive, a.node.name, a.node.requires_grad) == (None, "a", True)
    z.backward([1, 2])
    assert node.gradient.tolist() == [1, 2]
    assert a.node.gradient.tolist() == [[1, 1, 1], [2, 2, 2]]
    assert node.is_freed


def test_nodes_lists_constants_and_everything_behind_several_outputs_once():
    a, k = leaf(2.0, name="a"), tg.tensor(3.0, name="k")
    shared = a * k
    y, z = shared + 1, shared * shared
    listed = nodes(y, z)
    assert len(listed) == len(set(listed))
    assert set(listed) == {a.node, k.node, shared.node, y.node, z.node, *y.node.parents}
    assert nodes(k * k) == []
    assert nodes() == []


def test_a_constant_has_one_node_and_shows_the_value_that_was_used():
    a, k = leaf(2.0), tg.tensor(3.0)
    first, second = a * k, a + k
    assert isinstance(k.node, Constant)
    assert first.node.parents[1] is second.node.parents[1] is k.node
    k.data = 5.0
    third = a * k
    assert third.node.parents[1] is not first.node.parents[1]
    assert (first.node.parents[1].value, third.node.parents[1].value) == (3, 5)
    assert not k.requires_grad


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_a_sequence_beside_a_tensor_is_a_constant_of_its_shape(kind):
    a = leaf([1.0, 2.0])
    z = a * kind([3.0, 4.0])
    assert z.node.parents[1].shape == (2,)
    assert z.tolist() == [3, 8]
    (da,) = tg.grad(z, a, [[1, 10]], create_graph=True)
    assert da.tolist() == [3, 40]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_list_beside_a_tensor_takes_its_dtype_as_a_number_does(dtype):
    a = leaf(np.ones(2, dtype))
    assert (a * [0.1, 0.2]).dtype == dtype
    assert tg.add([1, 2], a).dtype == dtype
    assert (a * [0.1, 0.2]).tolist() == (np.ones(2, dtype) * np.array([0.1, 0.2], dtype)).tolist()
    assert tg.where([True, False], a, 0).tolist() == [1, 0]


def test_values_are_kept_while_they_are_small():
    small, large = leaf(np.zeros(KEPT_SIZE)), leaf(np.zeros((KEPT_SIZE + 1, 1), np.float32))
    y, z = small * 2, large * 2
    assert isinstance(y.node.value, np.ndarray)
    assert z.node.value == Unkept((KEPT_SIZE + 1, 1), np.dtype(np.float32))
    assert (z.node.shape, z.node.dtype) == ((KEPT_SIZE + 1, 1), np.float32)
    assert isinstance(large.node.value, Unkept)
    y.backward(np.ones(KEPT_SIZE))
    z.backward(np.ones((KEPT_SIZE + 1, 1)))
    assert isinstance(small.node.gradient, np.ndarray)
    assert large.node.gradient == Unkept((KEPT_SIZE + 1, 1), np.dtype(np.float32))
    assert large.grad.shape == large.shape


# What is recorded


def test_plain_arrays_stay_plain():
    x = np.array([1.0, 2.0])
    for z in (tg.add(x, 1), tg.exp(x), tg.reshape(x, (2, 1)), tg.matmul(x, x), x + tg.softmax(x)):
        assert not isinstance(z, tg.Tensor)
    assert tg.sum([1.0, 2.0, 3.0]) == 6
    assert tg.matmul([1.0, 2.0], [3.0, 4.0]) == 11
    assert tg.power(Fraction(2, 3), 2) == Fraction(4, 9)
    assert count_recorded(lambda: tg.exp(x)) == 0


def test_without_a_gradient_wanted_nothing_is_recorded():
    x = tg.tensor([1.0, 2.0])
    z = tg.exp(x) * 2 + x
    assert z.node is None
    assert not z.requires_grad
    assert z.is_leaf


def test_one_operation_is_one_node():
    a, b = leaf(1.0), leaf(2.0)
    assert count_recorded(lambda: a * b) == 1
    assert count_recorded(lambda: tg.tanh(a)) == 1
    assert count_recorded(lambda: leaf([1.0]).sum()) == 2  # with the leaf


def test_a_walk_records_nothing_without_create_graph():
    x, weight = leaf(np.ones((2, 3))), leaf(np.ones((4, 3)))
    loss = tg.cross_entropy(tg.softmax(tg.tanh(x) @ weight.T)[:, 1:], [0, 2])
    assert count_recorded(lambda: tg.grad(loss, [x, weight])) == 0
    assert count_recorded(lambda: loss.backward(retain_graph=True)) == 0
    assert count_recorded(lambda: tg.grad(loss, [x, weight], create_graph=True)) > 10


def test_a_comparison_and_argmax_have_no_graph():
    a = leaf([1.0, 2.0])
    assert (a > 1).node is None
    assert a.argmax().node is None


def test_a_cast_to_integers_has_no_gradient():
    a = leaf([1.5, -1.5])
    assert a.astype(np.int64).tolist() == [1, -1]
    assert not a.astype(np.int64).requires_grad
    assert not a.astype(bool).requires_grad
    assert a.astype(np.float64).requires_grad


# Modes


def test_no_grad_records_nothing_and_nests():
    x = leaf(2.0)
    with tg.no_grad():
        assert not (x * x).requires_grad
        with tg.no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
        assert leaf(1.0).requires_grad
    assert (x * x).requires_grad


def test_no_grad_ends_with_an_error():
    x = leaf(2.0)
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_no_grad_decorates_also_a_recursive_function():
    x = leaf(2.0)
    mode = tg.no_grad()

    @mode
    def evaluate(depth):
        inner = evaluate(depth - 1) if depth else 0
        return x * x + inner

    assert not evaluate(3).requires_grad
    assert (x * x).requires_grad
    with mode, mode:
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_holds_for_its_own_thread():
    x = leaf(2.0)
    inside, outside, seen = threading.Event(), threading.Event(), []

    def other():
        inside.wait(10)
        seen.append((x * x).requires_grad)
        with tg.no_grad():
            outside.set()
            seen.append((x * x).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    with tg.no_grad():
        inside.set()
        outside.wait(10)
        assert not (x * x).requires_grad
    thread.join()
    assert seen == [True, False]
    assert (x * x).requires_grad


def test_a_walk_inside_no_grad_is_recorded_with_create_graph():
    x = leaf(3.0)
    y = x * x * x
    with tg.no_grad():
        (dx,) = tg.grad(y, x, create_graph=True)
        (plain,) = tg.grad(y, x)
        assert not (x * x).requires_grad
    assert dx.requires_grad
    assert not plain.requires_grad
    assert tg.grad(dx, x)[0].item() == 18


# Errors while recording


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("operation", [tg.add, tg.multiply, tg.power, lambda x, y: tg.where(True, x, y)])
def test_shapes_that_do_not_broadcast_are_refused_by_name(operation, recorded):
    x, y = tg.tensor(np.ones((2, 3)), requires_grad=recorded), tg.tensor(np.ones((2, 4)), requires_grad=recorded)
    name = getattr(operation, "__name__", "").replace("<lambda>", "where")
    with pytest.raises(ValueError, match=rf"^{name}: .*\(2,3\).*\(2,4\)"):
        operation(x, y)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        operation(x, np.ones(2))


@pytest.mark.parametrize("other", [None, "1", {}, object()])
def test_an_operand_that_is_no_number_is_refused_by_name(other):
    for x in (leaf([1.0, 2.0]), leaf(1.0), tg.tensor([1.0])):
        with pytest.raises(TypeError, match=r"^add: "):
            x + other
        with pytest.raises(TypeError, match=r"^multiply: "):
            other * x


def test_a_failed_operation_leaves_everything_as_it_was():
    x = leaf([1.0, 2.0])
    y = x * 2
    with pytest.raises(ValueError, match=r"add"):
        tg.add(y, [1.0, 2.0, 3.0])
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_nodes_of_leaves():
    x = leaf(1.0)
    assert isinstance(x.node, Leaf)
    assert x.node.target() is x
    x.requires_grad = False
    assert x.node is None
    assert not (x * 2).requires_grad
