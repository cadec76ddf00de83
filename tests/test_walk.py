"""The backward walk: sums over uses, accumulation, what is kept, and walks that are refused."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import fractions
from tinygrad_cnn.engine import Unkept, primitive
from tinygrad_cnn.modes import keeping
from tinygrad_cnn.walk import contributions


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


@primitive(x=lambda dz: 1 / 0)
def broken(x):
    return x * 1


# A tensor used several times


def test_an_operand_used_twice_gets_both_gradients():
    x = leaf(3.0)
    (x + x).backward()
    assert x.grad.item() == 2
    for function, expected in [
        (lambda x: x * x * x, 27),
        (lambda x: x - x, 0),
        (lambda x: x / x, 0),
        (lambda x: x * (x + x * x), 33),
    ]:
        assert tg.grad(function(x), x)[0].item() == pytest.approx(expected, abs=1e-6)


def test_an_operand_used_a_thousand_times():
    x = leaf(Fraction(1, 3))
    total = x
    for k in range(1, 1000):
        total = total + x * k
    total.backward()
    assert x.grad.item() == 1 + sum(range(1000))


def test_diamonds_are_walked_once_not_once_a_path():
    x = leaf(Fraction(1))
    y = x
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad.item() == 2**200


def test_a_diamond_of_unequal_arms():
    x = leaf(Fraction(2))
    long = x
    for _ in range(5):
        long = long * x  # x**6
    z = long * x + x * long + x
    z.backward()
    assert x.grad.item() == 2 * 7 * 2**6 + 1


def test_every_path_counts_in_a_random_graph():
    """The gradient of a random circuit of sums and products is the one of forward accumulation."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        leaves = [leaf(value) for value in fractions((4,), int(rng.integers(1000)))]
        made = [(x, [Fraction(int(i == j)) for j in range(4)]) for i, x in enumerate(leaves)]
        for _ in range(25):
            (x, dx), (y, dy) = (made[int(i)] for i in rng.integers(max(len(made) - 9, 0), len(made), 2))
            if rng.random() < 0.6:
                made.append((x + y, [a + b for a, b in zip(dx, dy, strict=True)]))
            else:
                a, b = x.item(), y.item()
                made.append((x * y, [b * p + a * q for p, q in zip(dx, dy, strict=True)]))
        z, expected = made[-1]
        assert [dx.item() if dx is not None else 0 for dx in tg.grad(z, leaves, allow_unused=True)] == expected


# backward


@pytest.mark.parametrize("gradient", [[1.0, 10.0], (1, 10), np.array([1, 10]), tg.tensor([1.0, 10.0])])
def test_backward_takes_an_upstream_gradient(gradient):
    x = leaf([1.0, 2.0])
    (x * x).backward(gradient)
    assert (x.grad.tolist(), x.grad.dtype) == ([2, 40], np.float32)


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_upstream_gradient_of_another_dtype_does_not_change_the_gradients_dtype(create_graph):
    gradient = tg.tensor(np.array([1.0, 10.0]))
    x = leaf([1.0, 2.0])
    x.backward(gradient, create_graph=create_graph)
    assert x.grad.dtype == np.float32
    y = leaf([1.0, 2.0])
    (dy,) = tg.grad(y * y, y, [gradient], create_graph=create_graph)
    assert (dy.tolist(), dy.dtype) == ([2, 40], np.float32)


def test_the_upstream_gradient_may_change_afterwards():
    x = leaf([1.0, 2.0])
    gradient = np.array([1.0, 2.0], np.float32)
    (x + 0).backward(gradient)
    gradient[:] = 9
    assert x.grad.tolist() == [1, 2]


def test_backward_of_a_leaf_is_its_upstream_gradient():
    x = leaf([1.0, 2.0])
    x.backward([3.0, 4.0])
    x.backward([3.0, 4.0])
    assert x.grad.tolist() == [6, 8]


def test_backward_refuses_what_has_no_graph_or_no_shape():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"backward: an output of shape \(2,\) needs gradient"):
        (x * x).backward()
    with pytest.raises(ValueError, match=r"backward: an output of shape \(0,\) needs gradient"):
        x[:0].backward()
    with pytest.raises(ValueError, match=r"backward: gradient must have the output's shape \(2,\) but has \(2, 1\)"):
        (x * x).backward([[1.0], [1.0]])
    with pytest.raises(ValueError, match=r"backward: gradient must have the output's shape \(2,\) but has \(\)"):
        (x * x).backward(1.0)
    with pytest.raises(ValueError, match=r"backward: .* has no graph behind it"):
        tg.tensor(1.0).backward()
    with tg.no_grad():
        z = (x * x).sum()
    with pytest.raises(ValueError, match=r"no_grad\(\)"):
        z.backward()
    assert x.grad is None


def test_gradients_accumulate():
    x = leaf(3.0)
    (x * x).backward()
    (x * 10).backward()
    assert x.grad.item() == 16
    x.grad = None
    (x * 2).backward()
    assert x.grad.item() == 2


def test_accumulation_makes_a_new_tensor():
    x = leaf([1.0])
    (x * 2).backward()
    first = x.grad
    (x * 3).backward()
    assert first.tolist() == [2]
    assert x.grad.tolist() == [5]


def test_backward_on_every_leaf_of_a_graph_and_on_no_constant():
    a, b, k = leaf(2.0), leaf(3.0), tg.tensor(4.0)
    (a * b * k).backward()
    assert (a.grad.item(), b.grad.item(), k.grad) == (12, 8, None)


def test_retain_grad_fills_the_gradient_of_a_computed_tensor():
    x = leaf(2.0)
    y = (x * x).retain_grad()
    hidden = y * 3
    hidden.backward(retain_graph=True)
    assert (y.grad.item(), x.grad.item(), hidden.grad) == (3, 12, None)
    hidden.backward()
    assert (y.grad.item(), x.grad.item()) == (6, 24)
    z = (x * 5).retain_grad()
    z.backward()
    assert z.grad.item() == 1
    with pytest.raises(ValueError, match=r"retain_grad: .* does not require a gradient"):
        tg.tensor(1.0).retain_grad()


def test_a_leaf_that_is_gone_is_passed_over():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    del x
    z.backward()
    assert y.grad.item() == 2


def test_detach_cuts_the_graph():
    x = leaf(3.0)
    y = x * x
    cut = y.detach()
    assert (cut.item(), cut.requires_grad, cut.node) == (9, False, None)
    (y * cut).backward()
    assert x.grad.item() == 9 * 6


def test_the_values_at_recording_count_when_a_leaf_is_assigned_afterwards():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    z = x * y
    w = tg.exp(x)
    x.data = [100.0, 100.0]
    y.data = [100.0, 100.0]
    z.backward([1.0, 1.0])
    assert x.grad.tolist() == [3, 4]
    assert y.grad.tolist() == [1, 2]
    (dx,) = tg.grad(w, x, [np.ones(2)], create_graph=True)
    np.testing.assert_allclose(tg.grad(dx, x, [np.ones(2)])[0].numpy(), np.exp([1, 2]), rtol=1e-6)


def test_gradient_descent_by_assignment():
    w = leaf([1.0, 2.0], name="w")
    for _ in range(3):
        w.grad = None
        (w * w).sum().backward()
        w.data = w.data - 0.25 * w.grad.data
    assert w.tolist() == [0.125, 0.25]
    assert w.is_leaf


# Refused walks


def test_backward_twice_is_refused_with_advice():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed .*multiply.*retain_graph=True.*add the losses"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"freed"):
        tg.grad(y, x)
    assert x.grad.item() == 6


@pytest.mark.parametrize("keep", ["retain_graph", "create_graph"])
def test_a_kept_graph_can_be_walked_again(keep):
    x = leaf(3.0)
    y = tg.exp(x * 0) * x * x
    y.backward(**{keep: True})
    y.backward(**{keep: True})
    y.backward()
    assert x.grad.item() == 18
    with pytest.raises(RuntimeError, match=r"freed"):
        y.backward()


def test_two_losses_on_one_freed_trunk_are_refused_and_change_no_gradient():
    x, w = leaf(3.0), leaf(5.0)
    trunk = x * x
    first, second = trunk * 2, trunk * w
    first.backward()
    with pytest.raises(RuntimeError, match=r"freed"):
        second.backward()
    assert x.grad.item() == 12
    assert w.grad is None


def test_a_freed_graph_is_refused_even_where_its_rules_keep_nothing():
    x = leaf(3.0)
    y = x + 1
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed"):
        y.backward()


def test_a_walk_that_fails_changes_no_gradient():
    a, b = leaf(2.0), leaf(3.0)
    a.grad = tg.tensor(7.0)
    middle = (a * b).retain_grad()
    z = middle * b + broken(a)
    with pytest.raises(ZeroDivisionError):
        z.backward()
    assert (a.grad.item(), b.grad, middle.grad) == (7, None, None)
    with pytest.raises(ZeroDivisionError):
        (b * 2 + broken(a)).backward(create_graph=True)
    assert (a.grad.item(), b.grad) == (7, None)


def test_a_walk_that_fails_when_it_adds_changes_no_gradient():
    a, b = leaf(2.0), leaf(0.5)
    b.grad = tg.tensor(3e38)
    z = a * 5 + b * 3e38
    with tg.debug(), pytest.raises(FloatingPointError):
        z.backward()
    assert a.grad is None
    assert b.grad.item() == pytest.approx(3e38)


def test_complex_results_have_no_gradient():
    x = leaf(2.0)
    with pytest.raises(TypeError, match=r"multiply: .*complex"):
        (x * 1j).backward(1.0)
    assert x.grad is None


# What each operation sent


def sent_to(node):
    return [None if gradient is None else np.asarray(gradient) for gradient in contributions(node)]


def test_what_was_sent_to_an_operand_that_is_used_twice_adds_up():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    y = a * b
    z = tg.sum(y * a)
    z.backward()
    product = z.node.parents[0]
    sent_y, sent_a = sent_to(product)
    assert np.array_equal(sent_y, [1, 2])
    assert np.array_equal(sent_a, [3, 10])
    again, sent_b = sent_to(y.node)
    assert np.array_equal(again, [3, 10])
    assert np.array_equal(sent_b, [1, 4])
    assert np.array_equal(sent_a + again, a.grad.numpy())


@pytest.mark.parametrize("retain", [True, False])
def test_what_was_sent_is_the_same_from_a_kept_and_from_a_freed_graph(retain):
    x = leaf(np.arange(16.0).reshape(1, 1, 4, 4) % 5)
    k, bias = leaf(np.array([[[[1.0, -1.0], [2.0, 0.5]]]])), leaf(np.array([0.5]))
    z = tg.max_pool2d(tg.conv2d(x, k, bias, padding=1), 2)
    tg.sum(z.reshape(2, 2) + bias).backward(retain_graph=retain)
    convolution = z.node.parents[0]
    assert convolution.is_freed is not retain
    for gradient, operand in zip(sent_to(convolution), (x, k, bias), strict=True):
        assert gradient.shape == operand.shape
    assert np.array_equal(sent_to(convolution)[0], x.grad.numpy())
    assert np.array_equal(sent_to(convolution)[1], k.grad.numpy())
    assert np.array_equal(sent_to(z.node)[0], convolution.gradient)


def test_what_was_sent_where_nothing_was():
    x, y = leaf([1.0, 2.0]), tg.tensor([3.0, 4.0])
    z = x * y
    assert sent_to(z.node) == [None, None]
    assert sent_to(x.node) == []
    tg.sum(z).backward()
    assert np.array_equal(sent_to(z.node)[0], [3, 4])
    assert sent_to(z.node)[1] is None


def test_what_was_sent_is_not_known_where_too_large_values_were_let_go():
    x = leaf(np.ones((40, 40)))
    y = x + x
    z = y * y
    tg.sum(z).backward()
    assert contributions(z.node) == (Unkept((40, 40), x.dtype),) * 2
    with keeping():
        z = x * x  # of a leaf, whose tensor is still there
        tg.sum(z).backward()
    assert np.array_equal(sent_to(z.node)[0], np.ones((40, 40)))


# Sums of large gradients take the memory of one that nobody else holds

LARGE = (128, 200)  # float64: more than memory that is looked after


def large(value=1.0, **options):
    return leaf(np.full(LARGE, value), **options)


def check(gradient, value):
    np.testing.assert_array_equal(gradient.numpy(), np.broadcast_to(value, gradient.shape))


def test_a_sum_of_many_gradients_is_right_whoever_made_them():
    x = large(2.0)
    y = x + x  # each sends the array that it got, twice
    z = y * 3 + y.reshape(-1).reshape(LARGE) + y.T.T + tg.broadcast_to(y.sum(axis=0), LARGE) / LARGE[0] + y
    z.backward(np.ones(LARGE))
    check(x.grad, 2 * (3 + 1 + 1 + 1 + 1))
    assert x.grad.shape == LARGE


def test_a_sum_does_not_change_the_upstream_gradient():
    x = large()
    for upstream in (np.ones(LARGE), tg.tensor(np.ones(LARGE))):
        x.grad = None
        z = x + x + x + x
        z.backward(upstream)
        check(x.grad, 4)
        np.testing.assert_array_equal(upstream if isinstance(upstream, np.ndarray) else upstream.numpy(), 1)


def test_a_sum_does_not_change_what_a_rule_keeps_or_sends_elsewhere():
    kept = np.full(LARGE, 5.0)
    sent = []

    @primitive(x=lambda dz: kept, y=lambda dz: sent.append(dz) or dz)
    def send(x, y):
        return x + y

    x, y = large(), large()
    a, b = x * 1, y * 1
    z = send(a, b) + send(a, b) + send(b, a)
    z.backward(np.ones(LARGE))
    check(x.grad, 11)
    check(y.grad, 7)
    np.testing.assert_array_equal(kept, 5)
    for dz in sent:
        np.testing.assert_array_equal(dz, 1)


def test_a_sum_does_not_change_a_retained_gradient():
    x = large()
    y = (x * 2).retain_grad()
    z = (y * 3).retain_grad()
    w = z + y + y
    w.backward(np.ones(LARGE))
    check(z.grad, 1)
    check(y.grad, 5)
    check(x.grad, 10)


@pytest.mark.parametrize("create_graph", [False, True])
def test_walks_of_a_kept_graph_are_the_same_again(create_graph):
    x = large(3.0)
    y = x * x
    z = y + y.reshape(-1).reshape(LARGE) + x
    for count in (1, 2, 3):
        z.backward(np.ones(LARGE), retain_graph=True, create_graph=create_graph)
        check(x.grad.detach(), 13 * count)
    check(tg.grad(z, x, [np.ones(LARGE)])[0], 13)
    check(y.detach(), 9)


def test_accumulation_reuses_the_gradients_memory_while_nobody_holds_it():
    x = large()
    (x * 1).backward(np.ones(LARGE))
    (x * 2).backward(np.ones(LARGE))  # from now on the sum is the walk's own
    address = x.grad.data.ctypes.data
    (x * 3).backward(np.ones(LARGE))
    assert x.grad.data.ctypes.data == address
    check(x.grad, 6)


def signs():
    """A large leaf of float32 with both signs, and where it is positive."""
    array = np.random.default_rng(0).standard_normal((4, 8, 32, 32)).astype(np.float32)
    return tg.tensor(array, requires_grad=True), array > 0


@pytest.mark.parametrize("upstream", [3.0, np.inf, np.nan])
def test_the_rule_of_relu_writes_over_no_gradient_that_somebody_holds(upstream):
    x, positive = signs()
    given = tg.tensor(np.full(x.shape, upstream, np.float32))
    tg.relu(x).backward(given)
    np.testing.assert_array_equal(x.grad.numpy(), np.where(positive, np.float32(upstream), 0))
    np.testing.assert_array_equal(given.numpy(), np.float32(upstream))
    z = tg.relu(x * 1)
    z.retain_grad()
    (z * 1).backward(given)
    np.testing.assert_array_equal(z.grad.numpy(), np.float32(upstream))
    np.testing.assert_array_equal(given.numpy(), np.float32(upstream))


def test_the_rule_of_relu_writes_over_no_gradient_that_another_rule_needs():
    x, positive = signs()
    y = x * 1
    for _ in range(2):
        x.grad = None
        (2 * (tg.relu(y) + tg.relu(-y) + y)).backward(tg.tensor(np.ones(x.shape, np.float32)), retain_graph=True)
        np.testing.assert_array_equal(x.grad.numpy(), np.where(positive, 4, 0))


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x.grad,
        lambda x: x.grad.data,
        lambda x: x.grad.numpy(),
        lambda x: x.grad.data[3:],
        lambda x: x.grad.detach(),
        lambda x: memoryview(x.grad.data),
    ],
    ids=["tensor", "data", "numpy", "slice", "detached", "memory"],
)
def test_accumulation_does_not_change_a_gradient_that_somebody_holds(hold):
    x = large()
    for _ in range(2):
        (x * 1).backward(np.ones(LARGE))
    held = hold(x)
    (x * 2).backward(np.ones(LARGE))
    check(x.grad, 4)
    np.testing.assert_array_equal(held.numpy() if isinstance(held, tg.Tensor) else np.asarray(held), 2)


def test_accumulation_does_not_change_a_gradient_of_two_tensors_or_of_a_graph():
    x, y = large(), large()
    (x * 1).backward(np.ones(LARGE))
    (x * 1).backward(np.ones(LARGE))
    y.grad = x.grad
    (x * 2).backward(np.ones(LARGE))
    check(x.grad, 4)
    check(y.grad, 2)
    w = large()
    z = w * x.grad  # the rule of w keeps it
    (x * 2).backward(np.ones(LARGE))
    check(x.grad, 6)
    z.backward(np.ones(LARGE))
    check(w.grad, 4)


def test_one_result_for_two_leaves_is_not_added_to():
    x, y = large(), large()
    for count in (1, 2, 3):
        (x + y).backward(np.ones(LARGE))  # both get the upstream gradient itself
        check(x.grad, count)
        check(y.grad, count)


def test_the_peak_of_a_walk_with_branches():
    """Four arrays at once: the total, what two branches send, and their sum."""
    x = large()
    y = x
    for _ in range(20):
        y = y * 2 + y * 3
    tracemalloc.start()
    y.backward(np.ones(LARGE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * x.data.nbytes
