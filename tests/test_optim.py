"""Optimisers: trajectories against the formulas in plain Python, exact ones in fractions; what a step may touch."""

import copy
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tests.standin.arrays import machine
from tinygrad_cnn import nn, optim

STEPS = 20
TARGET = [0.3, -1.2, 2.0]


def gradient(p, t):
    """The gradient at step t of a loss that is different at every step, so that no average of it stands still."""
    return [math.cos(t + i) * x + 0.1 * (x - target) for i, (x, target) in enumerate(zip(p, TARGET, strict=True))]


def trajectory(make, dtype="float64", shape=(3,)):
    """All the points that the library's optimiser comes through."""
    w = tg.tensor(np.array([1.0, -2.0, 0.5], dtype).reshape(shape), requires_grad=True)
    optimizer = make([w])
    points = []
    for t in range(1, STEPS + 1):
        w.grad = tg.tensor(np.array(gradient(w.data.ravel().tolist(), t), dtype).reshape(shape))
        optimizer.step()
        points.append(w.data.ravel().tolist())
    return points


def sgd(lr, momentum=0, weight_decay=0, nesterov=False):
    """The textbook's SGD, one number at a time."""
    p, v, points = [1.0, -2.0, 0.5], None, []
    for t in range(1, STEPS + 1):
        g = [a + weight_decay * b for a, b in zip(gradient(p, t), p, strict=True)]
        v = g if v is None else [momentum * a + b for a, b in zip(v, g, strict=True)]
        step = [b + momentum * a for a, b in zip(v, g, strict=True)] if nesterov else v
        p = [a - lr * b for a, b in zip(p, step, strict=True)]
        points.append(p)
    return points


def adam(lr, beta1, beta2, eps, weight_decay=0, decoupled=False):
    """Algorithm 1 of Kingma and Ba with its averages as the sums of section 3, of all past gradients at every step."""
    p, past, points = [1.0, -2.0, 0.5], [], []
    for t in range(1, STEPS + 1):
        g = gradient(p, t)
        if not decoupled:
            g = [a + weight_decay * b for a, b in zip(g, p, strict=True)]
        past.append(g)
        new = []
        for i, x in enumerate(p):
            m = (1 - beta1) * math.fsum(beta1 ** (t - k) * g[i] for k, g in enumerate(past, 1)) / (1 - beta1**t)
            v = (1 - beta2) * math.fsum(beta2 ** (t - k) * g[i] ** 2 for k, g in enumerate(past, 1)) / (1 - beta2**t)
            decay = lr * weight_decay * x if decoupled else 0
            new.append(x - decay - lr * m / (math.sqrt(v) + eps))
        p = new
        points.append(p)
    return points


CASES = {
    "sgd": (lambda p: optim.SGD(p, 0.05), sgd(0.05)),
    "momentum": (lambda p: optim.SGD(p, 0.05, 0.9), sgd(0.05, 0.9)),
    "nesterov": (lambda p: optim.SGD(p, 0.05, 0.8, nesterov=True), sgd(0.05, 0.8, nesterov=True)),
    "decay": (lambda p: optim.SGD(p, 0.05, weight_decay=0.3), sgd(0.05, weight_decay=0.3)),
    "all of it": (
        lambda p: optim.SGD(p, 0.05, 0.8, weight_decay=0.3, nesterov=True),
        sgd(0.05, 0.8, 0.3, nesterov=True),
    ),
    "adam": (lambda p: optim.Adam(p, 0.1), adam(0.1, 0.9, 0.999, 1e-8)),
    "adam, other betas": (lambda p: optim.Adam(p, 0.1, (0.5, 0.8), 0.1), adam(0.1, 0.5, 0.8, 0.1)),
    "adam without averages": (lambda p: optim.Adam(p, 0.1, (0, 0), 1e-3), adam(0.1, 0, 0, 1e-3)),
    "adam with decay": (lambda p: optim.Adam(p, 0.1, weight_decay=0.3), adam(0.1, 0.9, 0.999, 1e-8, 0.3)),
    "adamw": (lambda p: optim.AdamW(p, 0.1), adam(0.1, 0.9, 0.999, 1e-8, 0.01, decoupled=True)),
    "adamw with decay": (
        lambda p: optim.AdamW(p, 0.1, (0.8, 0.9), 1e-4, 0.3),
        adam(0.1, 0.8, 0.9, 1e-4, 0.3, decoupled=True),
    ),
}
MAKERS = [pytest.param(make, id=name) for name, (make, _) in CASES.items()]


@pytest.mark.parametrize("shape", [(3,), (1, 3, 1)])
@pytest.mark.parametrize("name", CASES)
def test_trajectory(name, shape):
    make, expected = CASES[name]
    np.testing.assert_allclose(trajectory(make, shape=shape), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_trajectory_in_float32(name):
    make, expected = CASES[name]
    np.testing.assert_allclose(trajectory(make, "float32"), expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_a_parameter_without_axes_is_one_among_many(make):
    """Each of three single numbers goes the way that it goes in an array of three."""
    scalars = [tg.tensor(x, dtype="float64", requires_grad=True) for x in (1.0, -2.0, 0.5)]
    optimizer = make(scalars)
    for t, point in enumerate(trajectory(make), 1):
        for w, g in zip(scalars, gradient([w.item() for w in scalars], t), strict=True):
            w.grad = tg.tensor(g, dtype="float64")
        optimizer.step()
        assert [w.item() for w in scalars] == pytest.approx(point, rel=1e-13)
        assert {w.shape for w in scalars} == {()}


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_exact_in_fractions(nesterov):
    lr, momentum, decay = Fraction(1, 7), Fraction(2, 3), Fraction(1, 5)
    w = tg.tensor(np.array([Fraction(1, 2), Fraction(-3)]), requires_grad=True)
    b = tg.tensor(Fraction(1, 3), requires_grad=True)
    optimizer = optim.SGD([w, b], lr, momentum, weight_decay=decay, nesterov=nesterov)
    p, v = [Fraction(1, 2), Fraction(-3), Fraction(1, 3)], None
    for _ in range(4):
        optimizer.zero_grad()
        (w * w * b).sum().backward()
        optimizer.step()
        g = [2 * p[0] * p[2], 2 * p[1] * p[2], p[0] ** 2 + p[1] ** 2]
        g = [a + decay * b for a, b in zip(g, p, strict=True)]
        v = g if v is None else [momentum * a + b for a, b in zip(v, g, strict=True)]
        p = [x - lr * (b + momentum * a if nesterov else a) for x, a, b in zip(p, v, g, strict=True)]
        assert [*w.tolist(), b.item()] == p
        assert all(type(x) is Fraction for x in [*w.tolist(), b.item()])


# What a step touches


@pytest.mark.parametrize("make", MAKERS)
def test_a_step_writes_to_no_array_that_somebody_holds(make):
    w = tg.tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    optimizer = make([w])
    held = []
    for t in range(3):
        data, grad = w.data, tg.tensor(np.array([0.5, -1.0, t]))
        held.append((data, data.copy(), grad.data, grad.data.copy()))
        w.grad = grad
        optimizer.step()
    for data, data_before, grad, grad_before in held:
        np.testing.assert_array_equal(data, data_before)
        np.testing.assert_array_equal(grad, grad_before)
    arrays = [w.data, *(array for array, _, _, _ in held), *(grad for _, _, grad, _ in held)]
    arrays += [value for value in optimizer.state.get(w, {}).values() if isinstance(value, np.ndarray)]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def many(make, shape, layout=None, dtype="float32"):
    """An optimiser of one large parameter and one small one, and a function that takes so many steps."""
    rng = np.random.default_rng(3)
    large, small = (tg.tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in (shape, (5,)))
    if layout is not None:
        large._array = np.ascontiguousarray(large._array.transpose(layout)).transpose(np.argsort(layout))
    optimizer = make([small, large])

    def steps(count):
        for _ in range(count):
            for w in (large, small):
                w.grad = tg.tensor(rng.standard_normal(w.shape).astype(dtype))
            optimizer.step()
        return large

    return steps, optimizer


@pytest.mark.parametrize("shape", [((1 << 19) + 17,), (7, 64, 9, 80), (optim.LARGE,)])
@pytest.mark.parametrize("make", MAKERS)
def test_a_large_parameter_goes_the_same_way_in_pieces(make, shape, monkeypatch):
    pieces = many(make, shape)[0](4).numpy()
    monkeypatch.setattr(optim, "LARGE", 1 << 40)
    expected = many(make, shape)[0](4).numpy()  # rounded twice where a piece's product and sum are rounded once
    np.testing.assert_allclose(pieces, expected, rtol=4 * np.finfo(expected.dtype).eps, atol=1e-7)


@pytest.mark.parametrize("make", MAKERS)
def test_a_large_parameter_may_lie_otherwise_than_its_gradient(make):
    expected = many(make, (40, 60, 5, 5))[0](3).numpy()
    steps, optimizer = many(make, (40, 60, 5, 5), (0, 2, 3, 1))
    np.testing.assert_allclose(steps(3).numpy(), expected, rtol=4 * np.finfo(expected.dtype).eps, atol=1e-7)
    optimizer.zero_grad()


@pytest.mark.parametrize("make", MAKERS)
def test_a_large_parameter_is_updated_in_place_only_while_nobody_holds_it(make):
    steps, _ = many(make, (optim.LARGE + 3,))
    w = steps(2)
    for hold in (
        lambda: w.data,
        w.numpy,
        lambda: w.data[5:],
        lambda: w.detach().data,
        lambda: memoryview(w.data),
        lambda: nn.Sequential(holding(w)).state_dict()["0.weight"].data,
    ):
        held, address = hold(), w.data.ctypes.data
        before, kept = w.numpy().copy(), np.array(held)
        steps(1)
        assert w.data.ctypes.data != address
        assert not np.array_equal(w.numpy(), before)
        np.testing.assert_array_equal(np.array(held), kept)
        del held
    before, loss = w.numpy().copy(), (w * w).sum()
    steps(1)
    np.testing.assert_array_equal(tg.grad(loss, w)[0].numpy(), 2 * before)
    del loss
    address = w.data.ctypes.data
    steps(2)
    assert w.data.ctypes.data == address


def holding(w):
    layer = nn.Flatten()
    layer.weight = w
    return layer


def test_a_graph_from_before_the_step_gives_its_own_gradient():
    w = tg.tensor([2.0, 3.0], requires_grad=True)
    optimizer = optim.SGD([w], 1.0)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    assert w.tolist() == [-2.0, -3.0]
    w.grad = None
    loss.backward()
    assert w.grad.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("make", MAKERS)
def test_no_gradient_no_change(make):
    w, other, frozen = (tg.tensor([1.0, 2.0], requires_grad=True) for _ in range(3))
    frozen.requires_grad = False
    optimizer = make([w, other, frozen])
    for _ in range(2):
        w.grad = tg.tensor([1.0, 1.0])
        optimizer.step()
    assert w.tolist() != [1.0, 2.0]
    assert other.tolist() == frozen.tolist() == [1.0, 2.0]
    assert set(optimizer.state) == {w}


def test_adam_counts_the_steps_of_each_parameter():
    """A gradient that comes late is corrected for as a first one: the step is lr, whatever its size."""
    w, late = tg.tensor(np.zeros(1), requires_grad=True), tg.tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.Adam([w, late], 0.1, eps=0)
    for _ in range(5):
        w.grad = tg.tensor(np.ones(1))
        optimizer.step()
    late.grad = tg.tensor(np.full(1, -1e-3))
    optimizer.step()
    assert late.item() == pytest.approx(0.1, rel=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
@pytest.mark.parametrize("make", MAKERS)
def test_the_dtype_stays(make, dtype):
    for value in (np.array([1.0, 2.0], dtype), np.dtype(dtype).type(1)):
        w = tg.tensor(value, requires_grad=True)
        optimizer = make([w])
        optimizer.param_groups[0]["lr"] = np.float64(0.01)  # as from np.linspace
        optimizer.param_groups[0]["weight_decay"] = np.float64(0.01)
        for _ in range(2):
            w.grad = tg.tensor(np.ones(value.shape))  # float64, as a user may assign it
            optimizer.step()
        assert w.dtype == dtype
        assert all(v.dtype == dtype for name, v in optimizer.state.get(w, {}).items() if name != "step")


def test_zero_grad_forgets():
    w = tg.tensor([1.0], requires_grad=True)
    w.grad = tg.tensor([1.0])
    optimizer = optim.SGD([{"params": [w]}], 0.1)
    optimizer.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize(
    ("make", "arrays"),
    [
        (lambda p: optim.SGD(p, 0.1), 1),
        (lambda p: optim.SGD(p, 0.1, 0.9), 1),
        (lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True), 1),
        (optim.Adam, 1),
        (optim.AdamW, 2),
    ],
)
def test_a_step_allocates_the_new_parameter_and_hardly_more(make, arrays):
    w = tg.tensor(np.ones(100_000, np.float32), requires_grad=True)
    w.grad = tg.tensor(np.ones(100_000, np.float32))
    optimizer = make([w])
    optimizer.step()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < (arrays + 0.1) * w.data.nbytes


# Devices, casts


@pytest.mark.parametrize("make", MAKERS)
def test_steps_on_a_device_are_the_steps_on_the_cpu(monkeypatch, make):
    standin.install(monkeypatch)
    values = [np.array([[1.0, 2.0, 3.0]], np.float32), np.float32(0.5)]
    cpu = [tg.tensor(value, requires_grad=True) for value in values]
    gpu = [tg.tensor(value, device="gpu", requires_grad=True) for value in values]
    optimizers = make(cpu), make(gpu)
    for t in range(3):
        for w in (*cpu, *gpu):
            w.grad = tg.tensor(np.full(w.shape, t - 0.5, np.float32), device=w.device)
        for optimizer in optimizers:
            machine.reads.clear()
            optimizer.step()
            assert machine.reads == []
        for a, b in zip(cpu, gpu, strict=True):
            assert b.device == "gpu:0"
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("make", MAKERS)
def test_the_state_follows_a_model_that_is_cast_and_moved(monkeypatch, make):
    standin.install(monkeypatch)
    tg.manual_seed(0)
    model = nn.Linear(3, 2)
    twin = copy.deepcopy(model)
    optimizers = make(model.parameters()), make(twin.parameters())
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    for t in range(4):
        if t == 1:
            model.to("gpu")
        if t == 2:
            model.to("cpu").astype("float64")
        for net, optimizer in zip((model, twin), optimizers, strict=True):
            optimizer.zero_grad()
            net(tg.tensor(x, device=net.weight.device)).sum().backward()
            optimizer.step()
    assert model.weight.dtype == np.float64
    np.testing.assert_allclose(model.weight.data, twin.weight.data, rtol=1e-5)


def test_a_gradient_on_another_device_is_refused(monkeypatch):
    standin.install(monkeypatch)
    first, w = (tg.tensor([1.0], requires_grad=True, name=name) for name in ("first", "w"))
    first.grad, w.grad = tg.tensor([1.0]), tg.tensor([1.0], device="gpu")
    for optimizer in (optim.SGD([first, w], 0.1), optim.Adam([{"params": [first]}, {"params": [w]}], 0.1)):
        with pytest.raises(ValueError, match=r": w of shape \(1,\) lies on cpu but its gradient on gpu:0"):
            optimizer.step()
        assert first.tolist() == w.tolist() == [1.0]
        assert optimizer.state == {}


# Groups and options


def test_groups_have_options_of_their_own():
    a, b, c = (tg.tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [c], "weight_decay": 1.0})
    for w in (a, b, c):
        w.grad = tg.tensor([1.0])
    optimizer.step()
    assert [w.item() for w in (a, b, c)] == [0.75, 0.5, 0.5]
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert a.item() == 0.25
    assert repr(optimizer) == (
        "SGD(1 parameters, lr=0.5, momentum=0, weight_decay=0, nesterov=False; "
        "1 parameters, lr=0.5, momentum=0, weight_decay=0, nesterov=False; "
        "1 parameters, lr=0.25, momentum=0, weight_decay=1.0, nesterov=False)"
    )


W = tg.tensor([1.0, 2.0], requires_grad=True, name="w")
PLAIN = tg.tensor([1.0])
REFUSED = [
    (lambda: optim.SGD([], 0.1), ValueError, "SGD: expected parameters but got none"),
    (lambda: optim.Adam(iter(())), ValueError, "Adam: expected parameters but got none"),
    (lambda: optim.SGD([{"params": []}], 0.1), ValueError, "SGD: expected parameters but got none"),
    (lambda: optim.SGD(W, 0.1), TypeError, r"SGD: expected a list of tensors but got one; write \[w\]"),
    (lambda: optim.SGD(nn.Linear(1, 1), 0.1), TypeError, r"SGD: .* got a Linear; give its .parameters\(\)"),
    (lambda: optim.SGD(nn.Linear(1, 1).parameters, 0.1), TypeError, r"SGD: .* got a function; call it"),
    (lambda: optim.SGD({W}, 0.1), TypeError, "SGD: expected a list or iterator of tensors"),
    (lambda: optim.SGD({"params": [W]}, 0.1), TypeError, "SGD: expected a list or iterator of tensors"),
    (lambda: optim.SGD(3, 0.1), TypeError, "SGD: expected a list or iterator of tensors but got 3"),
    (lambda: optim.SGD([W, W], 0.1), ValueError, r"SGD: each parameter may come once but w of shape \(2,\)"),
    (lambda: optim.SGD([{"params": W}, {"params": [W]}], 0.1), ValueError, "each parameter may come once"),
    (lambda: optim.SGD([W * 2], 0.1), ValueError, r"SGD: parameters must be leaves but number 0, a tensor of .*\(2,\)"),
    (lambda: optim.SGD([W, 1.0], 0.1), TypeError, "SGD: parameters must be tensors but number 1 is 1.0"),
    (lambda: optim.SGD([PLAIN], 0.1), ValueError, "SGD: none of the 1 parameters requires a gradient"),
    (lambda: optim.SGD([{"params": [W]}, W], 0.1), TypeError, "SGD: expected a dict with 'params'"),
    (lambda: optim.SGD([{"weights": [W]}], 0.1), TypeError, "SGD: expected a dict with 'params'"),
    (lambda: optim.SGD([{"params": W, "rate": 1}], 0.1), ValueError, r"SGD: unknown options \['rate'\]; there are lr,"),
    (lambda: optim.SGD([{"params": [W], "lr": -1}], 0.1), ValueError, "SGD: lr must be 0 or more but is -1"),
    (lambda: optim.SGD([W], -0.1), ValueError, "SGD: lr must be 0 or more but is -0.1"),
    (lambda: optim.SGD([W], math.nan), ValueError, "SGD: lr must be 0 or more but is nan"),
    (lambda: optim.SGD([W], math.inf), ValueError, "SGD: lr must be 0 or more but is inf"),
    (lambda: optim.SGD([W], "0.1"), TypeError, "SGD: lr must be a number but is '0.1'"),
    (lambda: optim.SGD([W], True), TypeError, "SGD: lr must be a number but is True"),
    (lambda: optim.SGD([W], 0.1, 1.0), ValueError, "SGD: momentum must be from 0 to below 1 but is 1.0"),
    (lambda: optim.SGD([W], 0.1, weight_decay=-1), ValueError, "SGD: weight_decay must be 0 or more"),
    (lambda: optim.SGD([W], 0.1, nesterov=True), ValueError, "SGD: nesterov needs a momentum above 0"),
    (lambda: optim.SGD([W], 0.1, 0.9, nesterov=1), TypeError, "SGD: nesterov must be True or False"),
    (lambda: optim.Adam([W], betas=0.9), TypeError, "Adam: betas must be a pair of numbers but is 0.9"),
    (lambda: optim.Adam([W], betas=(0.9, 1)), ValueError, r"Adam: betas\[1\] must be from 0 to below 1 but is 1"),
    (lambda: optim.AdamW([W], eps=-1), ValueError, "AdamW: eps must be 0 or more but is -1"),
]


@pytest.mark.parametrize(("make", "error", "text"), REFUSED)
def test_wrong_parameters_and_options_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_refused_group_is_not_added():
    optimizer = optim.SGD([W], 0.1)
    with pytest.raises(ValueError, match="lr must be"):
        optimizer.add_param_group({"params": [tg.tensor([1.0], requires_grad=True)], "lr": -1})
    assert len(optimizer.param_groups) == 1


# State


@pytest.mark.parametrize("make", MAKERS)
def test_a_loaded_state_goes_on_as_if_nothing_had_been(make):
    def run(optimizer, tensors, steps):
        for t in steps:
            for i, w in enumerate(tensors):
                w.grad = tg.tensor(np.cos(t + i + w.data))
            optimizer.step()

    tensors = [tg.tensor(np.ones((2, 2)), requires_grad=True), tg.tensor(np.float64(2), requires_grad=True)]
    optimizer = make(tensors)
    run(optimizer, tensors, range(4))
    state = optimizer.state_dict()
    resumed = [tg.tensor(w, requires_grad=True) for w in tensors]
    run(optimizer, tensors, range(4, 8))
    other = make(resumed)
    other.param_groups[0]["lr"] = 99.0
    other.load_state_dict(state)
    run(other, resumed, range(4, 8))
    for a, b in zip(tensors, resumed, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert all(a is b for a, b in zip(other.param_groups[0]["params"], resumed, strict=True))


def changed(change):
    """A state of Adam over three steps, spoilt, and an optimiser to load it into with a state of its own."""
    w, b = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([{"params": [w]}, {"params": [b], "lr": 0.5}])
    for p in (w, b):
        p.grad = tg.tensor(np.ones(p.shape, np.float32))
    optimizer.step()
    state = optimizer.state_dict()
    change(state)
    return optimizer, state


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda s: s.pop("state"), TypeError, "load_state_dict expected 'state' and 'param_groups'"),
        (lambda s: s.update(param_groups=3), TypeError, "expected 'param_groups' to be a list of dicts"),
        (lambda s: s["param_groups"].pop(), ValueError, r"expected groups of \[1, 1\] parameters but got \[1\]"),
        (lambda s: s["param_groups"][0].pop("lr"), ValueError, "load_state_dict expected the options"),
        (lambda s: s["param_groups"][1].update(lr=-1), ValueError, "Adam: lr must be 0 or more"),
        (lambda s: s["param_groups"][1].update(params=[0, 1]), ValueError, r"expected groups of \[1, 1\] .* \[1, 2\]"),
        (lambda s: s["state"].update({2: {}}), ValueError, "expected the state of parameters 0 to 1 but got 2"),
        (lambda s: s["state"][1].pop("step"), ValueError, "Adam: load_state_dict expected the state .* parameter 1"),
        (lambda s: s["state"][1].update(velocity=1), ValueError, "but got .*'velocity'"),
        (lambda s: s["state"][1].update(step=0), ValueError, "expected a step of 1 or more but got 0"),
        (
            lambda s: s["state"][1].update(first_moment=np.ones(3)),
            ValueError,
            r"first_moment of parameter 1 to have shape \(1,\) but got \(3,\)",
        ),
    ],
)
def test_a_wrong_state_is_refused_and_nothing_of_it_is_taken(change, error, text):
    def spoil(state):
        state["param_groups"][0]["lr"] = 123.0
        state["state"][0]["first_moment"] = np.full(2, 123.0)
        change(state)

    optimizer, state = changed(spoil)
    before = optimizer.state_dict()
    with pytest.raises(error, match=text):
        optimizer.load_state_dict(state)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_a_state_of_another_optimiser_is_refused():
    w = tg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="Adam: load_state_dict expected the options"):
        optim.Adam([w]).load_state_dict(optim.SGD([w], 0.1).state_dict())


def test_a_state_dict_is_a_snapshot():
    w = tg.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], 0.1, 0.5)
    w.grad = tg.tensor([1.0])
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.step()
    assert state["state"][0]["velocity"].tolist() == [1.0]
    assert optimizer.state_dict()["state"][0]["velocity"].tolist() == [1.5]
