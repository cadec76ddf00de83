"""Memory: a graph is freed at once without the garbage collector, and a million operations leave nothing behind."""

import gc
import os
import sys
import threading
import tracemalloc
from contextlib import suppress
from weakref import ref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.engine import KEPT_SIZE, Node, primitive

N = KEPT_SIZE + 1  # an array that a node does not keep for pictures


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def live_nodes():
    return sum(issubclass(type(x), Node) for x in gc.get_objects())


@pytest.fixture(autouse=True)
def no_garbage_collector():
    """Only reference counts free anything in these tests, and at the end no node is left over."""
    gc.collect()
    gc.disable()
    before = live_nodes()
    yield
    gc.enable()
    assert live_nodes() == before


def array_of(tensor):
    """A weak reference to the array inside."""
    return ref(tensor.data.base)


# A dropped graph


def test_a_dropped_graph_is_freed_at_once():
    before = live_nodes()
    x = leaf(np.ones(N))
    hidden = tg.tanh(x)
    array = array_of(hidden)
    loss = (hidden * hidden).sum()
    assert live_nodes() == before + 4
    del hidden
    assert array() is not None
    del loss
    assert live_nodes() == before + 1
    assert array() is None
    del x
    assert live_nodes() == before


def network(x, weights):
    for weight in weights:
        x = tg.relu(tg.linear(x, weight))
    images = tg.max_pool2d(tg.conv2d(x.reshape(2, 1, 4, 4), np.ones((1, 1, 3, 3)), padding=1), 2)
    parts = tg.concatenate([images.reshape(2, -1), tg.softmax(images[:, 0, 0])], axis=1)
    return tg.cross_entropy(parts, [0, 5])


@pytest.mark.parametrize("options", [{}, {"retain_graph": True}, {"create_graph": True}], ids=str)
def test_a_walked_graph_is_freed_at_once(options):
    before = live_nodes()
    weights = [leaf(np.eye(16) * 0.5) for _ in range(3)]
    x = leaf(np.ones((2, 16)))
    loss = network(x, weights)
    loss.backward(**options)
    gradients = tg.grad(network(x, weights), weights, create_graph=True)
    (sum(g.sum() for g in gradients) * 1).backward()
    del loss, gradients
    for weight in weights:
        weight.grad = None
    x.grad = None
    assert live_nodes() == before + 4
    del x, weights, weight
    assert live_nodes() == before


def test_a_leaf_with_a_gradient_that_is_a_graph_is_freed_with_it():
    before = live_nodes()
    x = leaf(np.full(N, 2.0))
    (x**3).sum().backward(create_graph=True)
    array = array_of(x.grad)
    (x.grad * x.grad).sum().backward(create_graph=True)
    assert live_nodes() > before + 1
    del x
    assert live_nodes() == before
    assert array() is None


def test_a_retained_gradient_makes_no_cycle():
    before = live_nodes()
    x = leaf(2.0)
    y = (x * x).retain_grad()
    (y * y).backward(create_graph=True)
    del x, y
    assert live_nodes() == before


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_graph_is_freed_after_an_error(create_graph):
    @primitive(x=lambda dz: 1 / 0)
    def broken(x):
        return x * 1

    before = live_nodes()
    x = leaf(np.ones(N))
    for refused in (
        lambda: (tg.exp(x) * broken(x)).sum().backward(create_graph=create_graph),
        lambda: tg.grad(tg.exp(x).sum() * broken(x).sum(), x, create_graph=create_graph),
        lambda: tg.exp(x) + np.ones(3),
        lambda: tg.exp(x) @ np.ones((2, 2)),
        lambda: tg.exp(x).backward(),
        lambda: tg.grad(tg.exp(x).sum(), leaf(1.0)),
        lambda: tg.cross_entropy(tg.exp(x), [N]),
    ):
        try:
            refused()
        except (ValueError, ZeroDivisionError):
            pass
        else:
            pytest.fail("no error")
        assert live_nodes() == before + 1
    with tg.debug():
        with suppress(FloatingPointError):
            tg.log(x - 1)
        assert live_nodes() == before + 1


def test_a_graph_under_debug_is_freed_at_once():
    before = live_nodes()
    with tg.debug():
        x = leaf(np.ones(N))
        y = tg.exp(x)
        array = array_of(y)
        (y * y).sum().backward()
        del x, y
    assert live_nodes() == before
    assert array() is None


# What a graph holds


def test_only_what_the_rules_need_is_kept():
    x = leaf(np.ones(N))
    hidden = x * 2
    array = array_of(hidden)
    total = (hidden + 1).sum()  # the rules of + and of the sum need no value
    del hidden
    assert array() is None
    total.backward()
    assert x.grad.data[0] == 2


def test_an_operand_is_not_kept_for_a_rule_that_is_not_requested():
    x = tg.tensor(np.ones(N))
    y = leaf(np.ones(N))
    factor = tg.exp(x)
    array = array_of(factor)
    z = factor * y  # the rule of y needs the factor, the rule of the factor is not requested
    w = leaf(np.ones(N)) * factor
    del factor
    assert array() is not None
    del z, w
    assert array() is None
    hidden = y * 3
    kept = array_of(hidden)
    z = hidden * tg.tensor(np.ones(N))  # the rule of hidden needs the other factor only
    del hidden
    assert kept() is None
    del z


def test_backward_lets_go_as_it_walks_although_the_output_is_still_there():
    x = leaf(np.ones(N))
    hidden = tg.exp(x)
    array = array_of(hidden)
    loss = (hidden * hidden).sum()
    del hidden
    loss.backward()
    assert array() is None
    assert loss.node.is_freed


def test_retain_graph_keeps_it():
    x = leaf(np.ones(N))
    hidden = tg.exp(x)
    array = array_of(hidden)
    loss = (hidden * hidden).sum()
    del hidden
    loss.backward(retain_graph=True)
    tg.grad(loss, x)
    assert array() is not None
    del loss
    assert array() is None


def test_no_grad_keeps_nothing():
    before = live_nodes()
    x = leaf(np.ones(N))
    with tg.no_grad():
        hidden = tg.exp(x)
        array = array_of(hidden)
        total = (hidden * hidden).sum()
    del hidden
    assert array() is None
    assert live_nodes() == before + 1
    assert total.requires_grad is False


def test_the_walks_peak_is_a_few_arrays_not_one_a_node():
    x = leaf(np.ones(100_000))
    y = x
    for _ in range(100):
        y = y + x
    tracemalloc.start()
    y.backward(np.ones(100_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * x.data.nbytes


# Long chains


def chain(length):
    """a * y + b, again and again: as many operations as the length."""
    y, a, b = leaf(1.0), leaf(0.5), leaf(1.0)
    z = y
    for _ in range(length // 2):
        z = a * z
        z = z + b
    return z, (y, a, b)


@pytest.mark.slow
def test_a_million_operations_are_recorded_walked_and_freed():
    chain(1000)[0].backward()  # what is made once for all is made here
    before = sys.getallocatedblocks()
    z, leaves = chain(1_000_000)
    held = sys.getallocatedblocks() - before
    assert held > 2_000_000
    z.backward()
    assert [x.grad.item() for x in leaves] == [0, 4, 2]  # of b / (1 - a), the limit of the chain
    del z, leaves
    assert sys.getallocatedblocks() - before < 5_000  # CPython keeps 2,000 tuples of a size to use again


def test_memory_is_back_where_it_was_after_a_chain():
    def run():
        z, _ = chain(20_000)
        z.backward()
        del z, _
        z, leaves = chain(2_000)
        tg.grad(z, leaves, create_graph=True)

    run()
    tracemalloc.start()
    run()
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak > 5_000_000
    assert left < 400_000  # CPython keeps 2,000 tuples of a size to use again


def test_chains_need_no_recursion():
    """Recording, walks, the public traversal and freeing, on a thread that may hardly recurse."""
    failures = []

    def work():
        try:
            z, leaves = chain(100_000)
            tg.walk.nodes(z)
            tg.grad(z, leaves, create_graph=True)
            z.backward()
            z, leaves = None, None
        except BaseException as error:
            failures.append(error)

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(before)
    assert failures == []


def test_a_chain_of_arrays_and_views():
    x = leaf(np.ones((2, 3)))
    z = x
    for _ in range(3_000):
        z = z.T.reshape(2, 3)[:, ::-1] + 0.0
    z.sum().backward()
    assert x.grad.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_ten_thousand_uses_of_one_leaf():
    x = leaf(np.float64(1))
    total = x * 0
    for k in range(10_000):
        total = total + x * k
    (dx,) = tg.grad(total, x, create_graph=True)
    assert dx.item() == sum(range(10_000))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the resident size from Linux's /proc")
def test_training_steps_do_not_grow_the_process():
    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    weights = [leaf(np.full((200, 200), 0.01)) for _ in range(3)]
    x = tg.tensor(np.ones((200, 200)))

    def step():
        hidden = x
        for weight in weights:
            weight.grad = None
            hidden = tg.tanh(hidden @ weight)
        (hidden * hidden).mean().backward()
        for weight in weights:
            weight.data = weight.data - 0.1 * weight.grad.data

    for _ in range(20):
        step()
    before = resident()
    for _ in range(100):
        step()
    assert resident() - before < 10 * x.data.nbytes
