"""Primitives made by hand: which rules run, how often and on what, and rules that are wrong."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.engine import PLAN_COUNT, primitive


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def spying_product():
    """A product that counts the calls of its rules and keeps what they were given."""
    calls = []

    @primitive(
        x=lambda dz, y: (calls.append(("x", dz, y)), dz * y)[1],
        y=lambda dz, x: (calls.append(("y", dz, x)), dz * x)[1],
    )
    def product(x, y):
        """The product."""
        return x * y

    return product, calls


def test_only_requested_rules_run():
    product, calls = spying_product()
    a, b, k = leaf(2.0), leaf(3.0), tg.tensor(4.0)
    product(a, k).backward()
    assert [name for name, *_ in calls] == ["x"]
    calls.clear()
    product(5.0, b).backward()
    assert [name for name, *_ in calls] == ["y"]
    calls.clear()
    z = product(a, b)
    tg.grad(z, b)
    assert [name for name, *_ in calls] == ["y"]
    calls.clear()
    tg.grad(z, a)
    assert [name for name, *_ in calls] == ["x"]
    calls.clear()
    z.backward()
    assert sorted(name for name, *_ in calls) == ["x", "y"]


def test_branches_that_lead_to_no_input_are_not_walked():
    product, calls = spying_product()
    a, b = leaf(2.0), leaf(3.0)
    branch = product(product(b, b), b)
    z = a * branch
    assert tg.grad(z, a)[0].item() == 27
    assert calls == []


def test_a_rule_runs_once_on_the_total_of_what_arrived():
    product, calls = spying_product()
    a, b = leaf(2.0), leaf(3.0)
    shared = product(a, b)
    (shared * shared + shared * 4 + tg.exp(shared * 0)).backward()
    assert [(name, dz) for name, dz, _ in calls] == [("x", 16), ("y", 16)]
    assert (a.grad.item(), b.grad.item()) == (48, 32)


def test_rules_run_on_plain_arrays_and_record_nothing():
    product, calls = spying_product()
    a, b = leaf(np.ones(3)), leaf(np.ones((2, 1)))
    z = product(a, b)
    z.backward(np.ones((2, 3)))
    assert len(calls) == 2
    assert all(type(value) is np.ndarray for _, *values in calls for value in values)
    assert a.grad.node is b.grad.node is None


def test_with_create_graph_rules_run_on_tensors():
    product, calls = spying_product()
    a, b = leaf(2.0), leaf(3.0)
    tg.grad(product(a, b), [a, b], create_graph=True)
    assert all(isinstance(value, tg.Tensor) for _, *values in calls for value in values)
    assert calls[0][2].node is b.node


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_may_give_a_constant(create_graph):
    @primitive(x=lambda dz: np.full(3, 2.0))
    def double_sum(x):
        return (2 * x).sum()

    x = leaf(np.array([1.0, 2.0, 3.0]))
    double_sum(x).backward(create_graph=create_graph)
    double_sum(x * x).backward(create_graph=create_graph)
    assert isinstance(x.grad, tg.Tensor)
    assert x.grad.tolist() == [6, 10, 14]


def test_a_primitive_keeps_its_docstring_and_is_found_on_the_function():
    product, _ = spying_product()
    assert (product.__name__, product.__doc__) == ("product", "The product.")
    assert product.primitive.operand_names == ("x", "y")
    assert repr(product.primitive) == "<primitive product(x, y)>"
    assert list(product.primitive.rules) == ["x", "y"]


def test_a_rule_may_name_shapes_result_auxiliaries_and_options():
    seen = {}

    def rule(dz, x_shape, z, half, power):
        seen.update(x_shape=x_shape, z=z, half=half, power=power)
        return dz * (power * 2 * half)

    @primitive(auxiliary=["half"], x=rule)
    def square(x, *, power):
        return x**power, x / 2

    x = leaf([3.0, 4.0])
    square(x, power=2).backward([1, 1])
    assert (seen["x_shape"], seen["z"].tolist(), seen["half"].tolist(), seen["power"]) == ((2,), [9, 16], [1.5, 2], 2)
    assert x.grad.tolist() == [6, 8]


def test_a_variadic_primitive_has_one_rule_with_an_index():
    @primitive(xs=lambda dz, index, scale: dz * (scale * (index + 1)))
    def weighted_sum(*xs, scale):
        return scale * sum((i + 1) * x for i, x in enumerate(xs))

    a, b = leaf(1.0), leaf(2.0)
    z = weighted_sum(a, 7.0, b, scale=10)
    z.backward()
    assert (z.item(), a.grad.item(), b.grad.item()) == (210, 10, 30)
    assert weighted_sum.primitive.is_variadic


def test_a_rule_may_name_the_index_anywhere():
    @primitive(xs=lambda dz, scale, z_scale, index: dz * (scale + z_scale * index))
    def ramp(*xs, scale, z_scale):
        return sum((scale + z_scale * i) * x for i, x in enumerate(xs))

    a, b = leaf(1.0), leaf(2.0)
    ramp(a, b, scale=3, z_scale=10).backward()
    assert (a.grad.item(), b.grad.item()) == (3, 13)


def test_a_primitive_of_many_lengths_keeps_few_plans():
    @primitive(xs=lambda dz, index: dz * index)
    def ramp(*xs):
        return sum(i * x for i, x in enumerate(xs))

    x = leaf(1.0)
    for length in range(1, 3 * PLAN_COUNT):
        assert tg.grad(ramp(*[x] * length), x)[0].item() == length * (length - 1) / 2
    assert len(ramp.primitive._plans) <= PLAN_COUNT
    assert tg.grad(ramp(x, x, 5.0, x), x)[0].item() == 4


def test_an_optional_operand_may_be_left_out():
    @primitive(x=lambda dz: dz, bias=lambda dz: dz, scale=lambda dz, x: dz * x)
    def shift(x, bias=None, scale=1):
        return x * scale if bias is None else x * scale + bias

    x, bias = leaf(1.0), leaf(2.0)
    assert shift(x).node.parents == (x.node,)
    z = shift(x, bias)
    z.backward()
    assert (z.item(), bias.grad.item()) == (3, 1)


def test_an_operand_without_a_rule_gets_no_gradient():
    @primitive(x=lambda dz, y: dz * y)
    def scale(x, y):
        return x * y

    x, y = leaf(2.0), leaf(3.0)
    assert not scale(2.0, y).requires_grad
    z = scale(x, y)
    z.backward()
    assert x.grad.item() == 3
    assert y.grad is None
    assert tg.grad(scale(x, y * y), y, allow_unused=True) == (None,)


def test_a_wrong_rule_is_refused_when_the_primitive_is_made_or_first_used():
    with pytest.raises(TypeError, match=r"square: rules for \['y'\].*\('x',\)"):

        @primitive(y=lambda dz: dz)
        def square(x):
            return x * x


    @primitive(x=lambda dz, w: dz * w)
    def cube(x, *, n):
        return x**n

    with pytest.raises(TypeError, match=r"cube: the rule for x asks for \['w'\]; known: .*'x_shape'.*'z'"):
        cube(leaf(1.0), n=3)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (), (4,)])
def test_a_rule_of_the_wrong_shape_is_refused(shape):
    @primitive(x=lambda dz: np.ones(shape))
    def broken(x):
        return x.sum()

    x = leaf(np.ones(3))
    with pytest.raises(RuntimeError, match=r"broken: .*gave shape .* for an operand of shape \(3,\)"):
        broken(x).backward()
    assert x.grad is None
