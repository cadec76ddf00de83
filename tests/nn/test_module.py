"""Module: what its attributes hold, under which names; state that is loaded wholly or not at all; modes and casts."""

import copy
import gc
import pickle
import re
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tinygrad_cnn import nn, optim


class Block(nn.Module):
    def __init__(self, size=3):
        self.linear = nn.Linear(size, size)
        self.scale = nn.Parameter(np.ones(size, np.float32))
        self.register_buffer("mean", tg.tensor(np.zeros(size, np.float32)))

    def forward(self, x):
        return self.linear(x - self.mean) * self.scale


class Net(nn.Module):
    def __init__(self):
        self.first = Block(2)
        self.blocks = [Block(2), (Block(2),)]
        self.heads = {"a": nn.Linear(2, 1), "b": nn.Linear(2, 1, bias=False)}
        self.offsets = [nn.Parameter([0.5]), nn.Parameter([1.5])]
        self.rate = 0.1
        self.title = "a net"
        self.cache = None

    def forward(self, x):
        for block in (self.first, self.blocks[0], self.blocks[1][0]):
            x = block(x)
        return self.heads["a"](x) + self.heads["b"](x) + self.offsets[0] * self.offsets[1]


# A module's own tensors come before those of the modules inside it, each in the order of the attributes.
BLOCK = ["scale", "linear.weight", "linear.bias"]
NET = [
    "offsets.0",
    "offsets.1",
    *(f"{path}.{name}" for path in ("first", "blocks.0", "blocks.1.0") for name in BLOCK),
    "heads.a.weight",
    "heads.a.bias",
    "heads.b.weight",
]


def names(tensors):
    return [name for name, _ in tensors]


# What is found


def test_parameters_and_buffers_have_the_dotted_names_of_attributes():
    net = Net()
    assert names(net.named_parameters()) == NET
    assert names(net.named_buffers()) == ["first.mean", "blocks.0.mean", "blocks.1.0.mean"]
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    assert next(net.named_parameters())[1] is net.offsets[0]
    assert next(net.buffers()) is net.first.mean


def test_modules_and_children():
    net = Net()
    assert names(net.named_children()) == ["first", "blocks.0", "blocks.1.0", "heads.a", "heads.b"]
    assert list(net.children())[:2] == [net.first, net.blocks[0]]
    assert names(net.named_modules()) == [
        "",
        *("first", "first.linear", "blocks.0", "blocks.0.linear", "blocks.1.0", "blocks.1.0.linear"),
        *("heads.a", "heads.b"),
    ]
    assert next(net.modules()) is net


def test_a_list_may_grow_and_shrink():
    net = nn.Module()
    net.layers = []
    net.layers.append(nn.Linear(2, 2))
    net.layers.append(nn.Parameter([1.0]))
    assert names(net.named_parameters()) == ["layers.1", "layers.0.weight", "layers.0.bias"]
    del net.layers[0]
    assert names(net.named_parameters()) == ["layers.0"]


def test_what_is_computed_and_what_asks_for_no_gradient_is_no_parameter():
    net = nn.Module()
    net.weight = nn.Parameter([1.0, 2.0])
    net.activation = net.weight * 2
    net.constant = tg.tensor([1.0])
    net.history = [net.activation, tg.tensor(1.0), 0.5, "text", None]
    assert names(net.named_parameters()) == ["weight"]
    assert list(net.state_dict()) == ["weight"]


def test_an_attribute_is_what_it_was_assigned_last():
    net = Block()
    net.scale = tg.tensor([1.0])
    assert names(net.named_parameters()) == BLOCK[1:]
    net.linear = nn.Parameter([1.0])
    assert names(net.named_parameters()) == ["linear"]
    del net.linear
    assert list(net.parameters()) == []
    del net.mean
    assert list(net.buffers()) == []
    net.mean = tg.tensor([1.0])
    assert list(net.state_dict()) == []


def test_a_frozen_parameter_stays_one():
    net = Net()
    net.first.scale.requires_grad = False
    net.offsets[0].requires_grad = False
    assert names(net.named_parameters()) == NET
    assert set(NET) <= set(net.state_dict())


def test_shared_tensors_and_modules_come_once_under_their_first_name():
    net = nn.Module()
    net.a = nn.Linear(3, 3)
    net.b = nn.Linear(3, 3)
    net.b.weight = net.a.weight
    net.c = net.a
    assert names(net.named_parameters()) == ["a.weight", "a.bias", "b.bias"]
    assert names(net.named_modules()) == ["", "a", "b"]
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.bias"]
    assert "# 15 parameters" in repr(net)


def test_a_circle_of_modules_ends():
    net, child = nn.Module(), nn.Linear(1, 1)
    net.child, child.parent = child, net
    assert names(net.named_parameters()) == ["child.weight", "child.bias"]
    assert names(child.named_modules()) == ["", "parent"]
    assert "(parent): ..." in repr(net)


def test_init_may_leave_out_super():
    class WithSuper(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter([1.0])

    class Without(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter([1.0])

    for net in (WithSuper(), Without()):
        assert names(net.named_parameters()) == ["weight"]
        assert net.training


def test_a_parameter_has_a_copy_of_its_data():
    data = np.array([1.0, 2.0])
    parameter = nn.Parameter(data, name="w")
    data[0] = 9
    assert parameter.tolist() == [1.0, 2.0]
    assert parameter.is_leaf
    assert parameter.requires_grad
    assert (parameter.name, parameter.dtype) == ("w", np.float64)
    assert nn.Parameter([1.0], dtype="float16").dtype == np.float16
    with pytest.raises(ValueError, match="gradients need a floating-point"):
        nn.Parameter([1, 2])


# Names for pictures


def test_parameters_are_labelled_with_their_dotted_names():
    net = Net()
    assert [p.name for p in net.parameters()] == NET
    assert net.blocks[0].linear.weight.node.name == "blocks.0.linear.weight"


def test_a_label_grows_when_a_module_is_put_into_another():
    layer = nn.Linear(1, 1)
    assert layer.weight.name == "weight"
    outer = nn.Module()
    outer.inner = nn.Module()
    outer.inner.layer = layer
    assert layer.weight.name == "layer.weight"  # what outer holds was there before the layer was
    assert [p.name for p in outer.parameters()] == ["inner.layer.weight", "inner.layer.bias"]
    assert [p.name for p in layer.parameters()] == ["inner.layer.weight", "inner.layer.bias"]


def test_a_given_or_shared_label_stays():
    net = nn.Module()
    net.weight = nn.Parameter([1.0], name="K")
    net.a = nn.Linear(1, 1)
    net.b = net.a
    list(net.parameters())
    assert [p.name for p in net.parameters()] == ["K", "a.weight", "a.bias"]


# Buffers


def test_a_buffer_is_assigned_anew_and_stays_one():
    block = Block()
    block.mean = 0.5 * block.mean + tg.tensor([1.0, 2.0, 3.0])
    assert block.state_dict()["mean"].tolist() == [1.0, 2.0, 3.0]
    assert not any(p is block.mean for p in block.parameters())


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("linear", tg.tensor(1.0), ValueError, "already has an attribute 'linear'"),
        ("forward", tg.tensor(1.0), ValueError, "already has an attribute 'forward'"),
        ("mean", tg.tensor(1.0), ValueError, "already has an attribute 'mean'"),
        ("a.b", tg.tensor(1.0), ValueError, "expected the name of an attribute but got 'a.b'"),
        ("", tg.tensor(1.0), ValueError, "expected the name of an attribute but got ''"),
        ("new", np.ones(3), TypeError, "the buffer 'new' must be a tensor but is ndarray"),
        ("new", nn.Parameter([1.0]), ValueError, "the buffer 'new' must not require a gradient"),
    ],
)
def test_register_buffer_refuses(name, value, error, text):
    block = Block()
    with pytest.raises(error, match=text):
        block.register_buffer(name, value)
    assert list(block.state_dict()) == ["scale", "mean", "linear.weight", "linear.bias"]


def test_a_buffer_holds_no_graph():
    block = Block()
    with pytest.raises(ValueError, match="Block: the buffer 'mean' must not require a gradient; detach"):
        block.mean = block.scale * 2
    with pytest.raises(TypeError, match="Block: the buffer 'mean' must be a tensor but is NoneType"):
        block.mean = None
    assert block.mean.tolist() == [0.0, 0.0, 0.0]


# State


def test_a_state_dict_is_a_snapshot():
    net = Net()
    state = net.state_dict()
    before = {name: value.numpy().copy() for name, value in state.items()}
    optimizer = optim.SGD(net.parameters(), 0.1)
    net(tg.tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    assert any((value.data != before[name]).any() for name, value in net.state_dict().items())
    for name, value in state.items():
        assert not value.requires_grad
        np.testing.assert_array_equal(value.data, before[name])
    net.load_state_dict(state)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.data, before[name])


def test_a_state_travels_between_models_and_through_arrays():
    net, other = Net(), Net()
    arrays = {name: np.asarray(value) for name, value in net.state_dict().items()}
    assert other.load_state_dict(arrays) == ([], [])
    x = tg.tensor([[0.5, -1.0]])
    assert other(x).item() == net(x).item()
    assert all(p.requires_grad for p in other.parameters())


def test_loading_keeps_tensors_dtypes_and_optimisers():
    block = Block().astype("float64")
    tensors = list(block.parameters())
    arrays = {name: np.full(value.shape, 0.1, np.float32) for name, value in block.state_dict().items()}
    block.load_state_dict(arrays | {"scale": [0.1, 0.2, 1]})
    assert all(a is b for a, b in zip(tensors, block.parameters(), strict=True))
    assert {p.dtype for p in tensors} == {np.dtype(np.float64)}
    assert block.scale.tolist() == [0.1, 0.2, 1.0]
    arrays["linear.bias"][0] = 7
    assert block.linear.bias.tolist() == [float(np.float32(0.1))] * 3


def refused_state(change):
    block = Block()
    state = {name: value.numpy() for name, value in block.state_dict().items()}
    values = {name: value + 1 for name, value in state.items()}
    change(values)
    with pytest.raises((ValueError, TypeError)) as caught:
        block.load_state_dict(values)
    for name, value in block.state_dict().items():
        np.testing.assert_array_equal(value.data, state[name])
    return caught


def test_loading_lists_everything_that_is_wrong_and_changes_nothing():
    def change(values):
        del values["linear.bias"], values["mean"]
        values |= {"extra": np.ones(1), "linear.weight": np.ones((3, 2)), "scale": np.ones(4)}

    assert str(refused_state(change).value).splitlines() == [
        "load_state_dict: Block stays as it was",
        "    missing: 'mean', 'linear.bias'",
        "    unexpected: 'extra'",
        "    'scale': expected shape (3,) but got (4,)",
        "    'linear.weight': expected shape (3, 3) but got (3, 2)",
    ]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        # of "linear.bias", which comes last: a loader that does not check first has written all others by then
        ("abc", TypeError, "load_state_dict: 'linear.bias': tensor: expected numbers"),
        (None, TypeError, "load_state_dict: 'linear.bias': tensor: expected numbers"),
        ([[1.0], [1.0, 2.0]], ValueError, "load_state_dict: 'linear.bias': tensor: expected a regular nested sequence"),
        (np.ones(3) * 1j, TypeError, "load_state_dict: 'linear.bias': expected float32 but got complex128"),
        (np.array(["a", "b", "c"]), TypeError, "load_state_dict: 'linear.bias': "),
        (np.array([1, 2, None]), TypeError, "load_state_dict: 'linear.bias': expected float32 but got object"),
        (1.0, ValueError, r"'linear.bias': expected shape \(3,\) but got \(\)"),
        (np.ones((1, 3)), ValueError, r"'linear.bias': expected shape \(3,\) but got \(1, 3\)"),
    ],
)
def test_loading_refuses_a_bad_value(value, error, text):
    caught = refused_state(lambda values: values.update({"linear.bias": value}))
    assert caught.type is error
    assert re.search(text, str(caught.value))


def test_loading_refuses_what_is_no_mapping():
    with pytest.raises(TypeError, match="load_state_dict: expected values by name but got list"):
        Block().load_state_dict([1.0])


def test_loading_without_strict_takes_what_fits_and_tells_the_rest():
    block = Block()
    before = block.linear.weight.numpy().copy()
    result = block.load_state_dict({"scale": [1.0, 2.0, 3.0], "extra": 1.0}, strict=False)
    assert result.missing == ["mean", "linear.weight", "linear.bias"]
    assert result.unexpected == ["extra"]
    assert block.scale.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(block.linear.weight.data, before)
    with pytest.raises(ValueError, match=r"'scale': expected shape \(3,\) but got \(2,\)"):
        block.load_state_dict({"scale": [1.0, 2.0]}, strict=False)


def test_copies_train_apart():
    net = Net()
    net.blocks[0].scale.requires_grad = False
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert names(other.named_parameters()) == NET
        assert [p.requires_grad for p in other.parameters()] == [p.requires_grad for p in net.parameters()]
        assert not {id(p) for p in net.parameters()} & {id(p) for p in other.parameters()}
        other(tg.tensor([[1.0, 2.0]])).sum().backward()
        assert other.first.scale.grad is not None
        assert all(p.grad is None for p in net.parameters())


def test_a_dropped_model_is_freed_at_once():
    net = Net()
    net(tg.tensor([[1.0, 2.0]])).sum().backward()
    seen = [weakref.ref(net), *(weakref.ref(p) for p in net.parameters())]
    gc.disable()
    try:
        del net
        assert all(reference() is None for reference in seen)
    finally:
        gc.enable()


# Modes, freezing, casts


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.blocks[0].train()
    assert net.blocks[0].linear.training
    assert not net.first.training
    assert all(module.training for module in net.train().modules())
    with pytest.raises(TypeError, match="train: expected True or False but got 1"):
        net.train(1)


def test_zero_grad_forgets():
    net = Net()
    net(tg.tensor([[1.0, 2.0]])).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_freezing_a_part():
    net = Net()
    net(tg.tensor([[1.0, 2.0]])).sum().backward()
    assert net.first.requires_grad_(False) is net.first
    assert all(p.grad is None and not p.requires_grad for p in net.first.parameters())
    optimizer = optim.SGD(net.parameters(), 0.5, weight_decay=0.1)
    before = net.first.state_dict()
    net.zero_grad()
    net(tg.tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    for name, value in net.first.state_dict().items():
        np.testing.assert_array_equal(value.data, before[name].data)
    assert all(p.grad is not None for p in net.blocks[0].parameters())
    net.requires_grad_()
    assert all(p.requires_grad for p in net.parameters())
    with pytest.raises(TypeError, match="requires_grad_: expected True or False"):
        net.requires_grad_("no")


def test_a_cast_parameters_gradient_has_every_digit_of_the_new_dtype():
    """Also of one that is too large for its node to keep the value."""
    for outputs in (1, 2000):
        layer = nn.Linear(1, outputs).astype("float64")
        layer(tg.tensor(np.array([[1 / 3]]))).sum().backward()
        assert layer.weight.node.dtype == np.float64
        np.testing.assert_array_equal(layer.weight.grad.data, np.full((outputs, 1), 1 / 3))


def test_astype_casts_parameters_gradients_and_floating_buffers():
    block = Block()
    block.register_buffer("count", tg.tensor(3))
    block(tg.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    tensors = list(block.parameters())
    assert block.astype("float64") is block
    assert all(a is b for a, b in zip(tensors, block.parameters(), strict=True))
    assert {p.dtype for p in tensors} | {p.grad.dtype for p in tensors} == {np.dtype(np.float64)}
    assert (block.mean.dtype, block.count.dtype) == (np.float64, np.int64)
    assert block(tg.tensor([[1.0, 2.0, 3.0]], dtype="float64")).dtype == np.float64
    block(tg.tensor([[1.0, 2.0, 3.0]], dtype="float64")).sum().backward()
    assert block.scale.grad.dtype == np.float64
    for dtype in ("int64", "complex64", object):
        with pytest.raises(ValueError, match="astype: expected a floating-point dtype"):
            block.astype(dtype)


def test_moving_to_a_device_and_back(monkeypatch):
    standin.install(monkeypatch)
    block = Block()
    values = {name: value.numpy() for name, value in block.state_dict().items()}
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    block(tg.tensor(x)).sum().backward()
    gradient = block.scale.grad.numpy()
    tensors = list(block.parameters())
    assert block.to("gpu") is block
    assert {p.device for p in block.parameters()} | {p.grad.device for p in tensors} == {"gpu:0"}
    assert block.mean.device == "gpu:0"
    assert all(a is b for a, b in zip(tensors, block.parameters(), strict=True))
    block(tg.tensor(x, device="gpu")).sum().backward()
    np.testing.assert_array_equal(block.scale.grad.numpy(), 2 * gradient)
    with pytest.raises(ValueError, match="the operands lie on different devices"):
        block(tg.tensor(x))
    block.load_state_dict({name: value * 2 for name, value in values.items()})
    assert block.scale.device == "gpu:0"
    block.to("cpu")
    for name, value in block.state_dict().items():
        assert value.device == "cpu"
        np.testing.assert_array_equal(value.data, 2 * values[name])


def test_moving_to_a_device_that_is_not_there_changes_nothing(monkeypatch):
    standin.install(monkeypatch, devices=0)
    block = Block()
    with pytest.raises(RuntimeError, match="device 'gpu'"):
        block.to("gpu")
    with pytest.raises(ValueError, match="device: expected"):
        block.to("tpu")
    assert {p.device for p in block.parameters()} == {"cpu"}


# Calling and showing


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match=r"Forgetful: define forward\(self, ...\)"):
        type("Forgetful", (nn.Module,), {})()(tg.tensor(1.0))


def test_a_call_passes_everything_to_forward():
    class Sum(nn.Module):
        def forward(self, *xs, scale=1):
            return scale * sum(xs)

    assert Sum()(1, 2, 3, scale=10) == 60


def test_repr_nests_and_counts():
    assert repr(Net()) == (
        "Net(  # 36 parameters\n"
        "  (first): Block(  # 8 parameters\n"
        "    (linear): Linear(2, 2)  # 6 parameters\n"
        "  )\n"
        "  (blocks.0): Block(  # 8 parameters\n"
        "    (linear): Linear(2, 2)  # 6 parameters\n"
        "  )\n"
        "  (blocks.1.0): Block(  # 8 parameters\n"
        "    (linear): Linear(2, 2)  # 6 parameters\n"
        "  )\n"
        "  (heads.a): Linear(2, 1)  # 3 parameters\n"
        "  (heads.b): Linear(2, 1, bias=False)  # 2 parameters\n"
        ")"
    ).replace("# 36", f"# {3 * 8 + 3 + 2 + 2}")
    assert repr(nn.ReLU()) == "ReLU()"
    assert "# 1,000,001 parameters" in repr(nn.Linear(1_000_000, 1))
