"""Tensors on a GPU (the stand-in for CuPy): every operation and its derivatives, moves, defaults, random state."""

import re
import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tests.operands import integers, normals
from tests.standin.arrays import machine, ndarray
from tests.standin.operations import MIXED, OPERATIONS, by_name, ignore_numpys_warning, model_on, run
from tinygrad_cnn import backend, primitives, walk


@pytest.fixture(autouse=True)
def cupy(monkeypatch):
    """A machine with two GPUs, and the library's own defaults."""
    monkeypatch.setattr(backend, "_default_device", "cpu")
    monkeypatch.setattr(backend, "_default_dtype", np.dtype(np.float32))
    monkeypatch.setattr(backend, "_seed", None)
    monkeypatch.setattr(backend, "_generators", {})
    return standin.install(monkeypatch, devices=2)


def on_gpu(data, **options):
    return tg.tensor(data, device="gpu", **options)


def assert_lies_on(device, *tensors):
    """Every tensor, its gradient, and what its graph keeps for pictures."""
    for tensor in tensors:
        assert tensor.device == device
        assert tensor.grad is None or tensor.grad.device == device
        for node in walk.nodes(tensor):
            for value in (node.value, node.gradient):  # numbers and what was not kept have no device
                if isinstance(value, np.ndarray | ndarray):
                    assert backend.device_of(value) == device


# Every operation


@by_name(OPERATIONS)
def test_values_and_derivatives_are_the_cpus_and_stay_on_the_device(operation, cupy):
    expected = run(operation, "cpu")
    machine.reads.clear()
    results = run(operation, "gpu")
    assert machine.reads == [1] * operation.flags
    assert_lies_on("gpu:0", *results)
    for actual, wanted in zip(results, expected, strict=True):
        assert type(actual._array) is cupy.ndarray
        assert (actual.shape, actual.dtype) == (wanted.shape, wanted.dtype)
        scale = max(1.0, np.nanmax(np.abs(wanted.numpy())))
        np.testing.assert_allclose(actual.numpy() / scale, wanted.numpy() / scale, rtol=0, atol=1e-12)


@by_name(OPERATIONS)
def test_backward_gives_every_leaf_its_gradient_on_the_device(operation):
    leaves, expected = [], []
    for device, into in (("cpu", expected), ("gpu", leaves)):
        into.extend(tg.tensor(array, device=device, requires_grad=True) for array in operation.operands)
        for factor in (1.0, 2.0):  # the second is added to the first
            value = operation.call(*into)
            value.backward(factor * normals(value.shape, 1))
    assert_lies_on("gpu:0", *leaves)
    for leaf, wanted in zip(leaves, expected, strict=True):
        scale = max(1.0, np.nanmax(np.abs(wanted.grad.numpy())))
        np.testing.assert_allclose(leaf.grad.numpy() / scale, wanted.grad.numpy() / scale, rtol=0, atol=1e-12)


def test_no_primitive_is_left_out():
    public = {getattr(member, "__module__", None) for member in vars(tg).values()}
    modules = [sys.modules[name] for name in public if name and name.startswith(primitives.__name__)]
    members = [member for module in modules for member in vars(module).values()]
    assert len(modules) > 5
    everyone = {member.primitive for member in members if hasattr(member, "primitive") and member.primitive.rules}
    seen = {node.primitive for operation in OPERATIONS for node in walk.nodes(*run(operation, "cpu"))}
    assert {p.name for p in everyone - seen} == set(), "add a case to tests/standin/operations.py"


def test_the_stand_in_is_computed_with_as_the_device(cupy):
    x = on_gpu([1.0, 2.0])
    assert tg.get_array_module(x) is tg.get_array_module(x.data) is tg.get_array_module(np.ones(2), x) is cupy
    assert type(tg.exp(x.data)) is cupy.ndarray  # plain in, plain out
    assert tg.get_array_module(tg.tensor([1.0]), np.ones(1)) is np


# To the host: only when asked


@pytest.mark.parametrize("convert", [np.asarray, np.array, np.sort, np.frexp])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_numpy_takes_no_tensor_from_a_device_by_itself(convert, requires_grad):
    x = on_gpu([1.0, 2.0], requires_grad=requires_grad)
    machine.reads.clear()
    with pytest.raises(TypeError):
        convert(x)
    assert machine.reads == []


@pytest.mark.parametrize("requires_grad", [True, False])
def test_numpys_functions_of_a_tensor_compute_on_its_device(requires_grad, cupy):
    x = on_gpu([1.0, 2.0], requires_grad=requires_grad)
    array = cupy.array([3.0, 4.0])
    machine.reads.clear()
    for z in (np.exp(x), np.stack([x, x]), np.sum(x), np.add(2, x), array + x, x * array, array > x, array @ x):
        assert type(z) is tg.Tensor
        assert z.device == "gpu:0"
        assert z.requires_grad == (requires_grad and z.dtype != bool)
    assert machine.reads == []
    with pytest.raises(ValueError, match=r"^add: the operands lie on different devices \(cpu, gpu:0\)"):
        np.add(np.ones(2), x)


def test_the_refusal_says_what_to_do():
    with pytest.raises(TypeError, match=r"^np\.asarray of a tensor on gpu:0 .*\.numpy\(\)"):
        np.asarray(on_gpu([1.0, 2.0]))


def test_what_is_asked_for_comes_to_the_host():
    x = on_gpu([[1.0, 2.0]], name="x", requires_grad=True)
    assert type(x.numpy()) is np.ndarray
    assert x.tolist() == [[1.0, 2.0]]
    assert (x[0, 1].item(), float(x[0, 1]), int(x[0, 1]), bool(x[0, 1])) == (2.0, 2.0, 2, True)
    assert "device='gpu:0', name='x', requires_grad=True" in repr(x)
    assert [y.item() for y in x[0]] == [1.0, 2.0]
    assert x.argmax(1).device == (x > 1).device == x.detach().device == "gpu:0"


# Several devices in one operation


ONES = np.ones((2, 2))
PAIRS = [("cpu", "gpu:0"), ("gpu:0", "cpu"), ("gpu:0", "gpu:1"), ("gpu:1", "gpu:0")]


@ignore_numpys_warning
@pytest.mark.parametrize("operation", MIXED)
@pytest.mark.parametrize("devices", PAIRS)
def test_tensors_on_different_devices_are_refused_by_name(operation, devices):
    x, y = (tg.tensor(ONES, device=device, requires_grad=True) for device in devices)
    message = rf"^{operation}: the operands lie on different devices \({', '.join(devices)}\); move them with \.to"
    with pytest.raises(ValueError, match=message):
        MIXED[operation](x, y)
    assert x.grad is y.grad is None


@ignore_numpys_warning
@pytest.mark.parametrize("operation", MIXED)
def test_a_host_array_beside_a_tensor_on_a_device_is_refused_by_name(operation):
    with pytest.raises(ValueError, match=rf"^{operation}: .* different devices \(gpu:0, cpu\)"):
        MIXED[operation](on_gpu(ONES, requires_grad=True), ONES)


def test_a_target_on_another_device_is_refused_and_a_plain_one_follows():
    x = on_gpu([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    for plain in ([0, 1], np.array([0, 1]), np.eye(2)):
        assert tg.cross_entropy(x, plain).device == "gpu:0"
    for target in (tg.tensor([0, 1]), tg.tensor(np.eye(2))):
        for reduction in ("mean", "none"):
            with pytest.raises(ValueError, match=r"cross_entropy: .* on different devices \(gpu:0, cpu\)"):
                tg.cross_entropy(x, target, reduction=reduction)
    assert x.grad is None


def test_a_bias_on_another_device_is_refused():
    x, weight = on_gpu(np.ones((1, 1, 2, 2))), on_gpu(np.ones((1, 1, 2, 2)))
    for call in (tg.conv2d, tg.conv_transpose2d):
        with pytest.raises(ValueError, match=r"\(gpu:0, gpu:0, cpu\)"):
            call(x, weight, tg.tensor([1.0], requires_grad=True))
    with pytest.raises(ValueError, match=r"^linear: .*\(gpu:0, gpu:0, cpu\)"):
        tg.linear(on_gpu(ONES), on_gpu(ONES), tg.tensor([1.0, 2.0]))


def test_a_single_element_on_a_device_does_not_come_to_a_host_array():
    with pytest.raises(ValueError, match=r"^multiply: .*\(cpu, gpu:0\)"):
        tg.tensor([1.0, 2.0], requires_grad=True) * on_gpu(3.0, requires_grad=True)


def test_a_number_on_the_host_goes_anywhere_and_its_gradient_comes_back():
    x, scale = on_gpu([1.0, 2.0], requires_grad=True), tg.tensor(3.0, requires_grad=True)
    for create_graph in (False, True):
        z = (scale * x + 1 / scale - x**scale).sum()
        dx, dscale = tg.grad(z, [x, scale], create_graph=create_graph)
        assert (dx.device, dscale.device) == ("gpu:0", "cpu")
        a = 3.0
        np.testing.assert_allclose(dx.numpy(), [a - a * 1, a - a * 4], rtol=1e-6)
        np.testing.assert_allclose(dscale.item(), 3 - 2 / a**2 - 8 * np.log(2), rtol=1e-6)
    (second,) = tg.grad(dscale, scale)
    assert second.device == "cpu"
    np.testing.assert_allclose(second.item(), 4 / a**3 - 8 * np.log(2) ** 2, rtol=1e-6)
    z.backward()
    assert isinstance(scale.grad._array, np.float32)


def test_an_upstream_gradient_follows_the_output_unless_it_is_a_tensor():
    x = on_gpu([1.0, 2.0], requires_grad=True)
    for gradient in (np.array([1.0, 2.0]), on_gpu([1.0, 2.0])):
        assert tg.grad(x * x, x, gradient)[0].tolist() == [2.0, 8.0]
    (x * x).backward([1.0, 2.0])
    assert x.grad.tolist() == [2.0, 8.0]
    x.grad = None
    with pytest.raises(ValueError, match=r"^backward: gradient is on cpu but the output on gpu:0$"):
        (x * x).backward(tg.tensor([1.0, 2.0]))
    assert x.grad is None


def test_a_list_beside_a_tensor_goes_to_its_device():
    z = tg.add(on_gpu([1.0, 2.0], requires_grad=True), [1.0, 2.0])
    assert (z.device, z.tolist()) == ("gpu:0", [2.0, 4.0])


# Moving


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("data", [[1.0, 2.0], 2.0])
def test_a_move_is_recorded_and_its_gradient_comes_back(source, target, data):
    x = tg.tensor(data, device=source, requires_grad=True)
    y = x.to(target)
    assert (x.device, y.device, y.is_leaf) == (source, target, False)
    assert type(y.numpy()) is np.ndarray
    assert y.to(target) is y
    y.backward(3 * np.ones(y.shape))
    assert x.grad.device == source
    assert x.grad.tolist() == (3.0 if y.ndim == 0 else [3.0, 3.0])
    assert type(x.grad._array) is type(x._array)


def test_derivatives_of_every_order_go_through_a_move():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    z = (x.to("gpu") ** 3).sum().to("cpu")
    (dx,) = tg.grad(z, x, create_graph=True)
    (ddx,) = tg.grad(dx.to("gpu").sum(), x)
    assert (z.device, dx.device, ddx.device) == ("cpu",) * 3
    assert (dx.tolist(), ddx.tolist()) == ([3.0, 12.0], [6.0, 12.0])


def test_a_single_element_comes_to_the_host_as_a_scalar():
    loss = (on_gpu([1.0, 2.0], requires_grad=True) ** 2).sum().to("cpu")
    assert isinstance(loss._array, np.float32)
    assert isinstance(on_gpu(2.0).to("cpu")._array, np.float32)


def test_a_move_needs_a_device_that_holds_the_data():
    for objects in (np.array([1, None], dtype=object)[:1], [2**70]):
        with pytest.raises(TypeError, match=r"^device 'gpu:0': an array of objects .* can only live on the cpu$"):
            on_gpu(objects)
    with pytest.raises(RuntimeError, match=r"^device 'gpu:7': this machine has 2 GPU\(s\)"):
        tg.tensor([1.0]).to("gpu:7")


def test_assigned_data_goes_to_the_leafs_device():
    x = on_gpu([1.0, 2.0], requires_grad=True)
    for data in ([3.0, 4.0], np.array([3.0, 4.0]), tg.tensor([3.0, 4.0])):
        x.data = data
        assert (x.device, x.dtype, x.tolist()) == ("gpu:0", np.float32, [3.0, 4.0])


def test_a_tensor_copies_a_device_array_and_the_graph_a_plain_one(cupy):
    array = cupy.asarray(np.ones(2))
    x, w = tg.tensor(array), tg.tensor(array, requires_grad=True)
    z = (w * array).sum()
    array[...] = 5
    z.backward()
    assert x.tolist() == w.grad.tolist() == [1.0, 1.0]
    assert tg.tensor(array, device="cpu").tolist() == [5.0, 5.0]


# The default device


def test_new_data_goes_to_the_default_device():
    tg.set_default_device("gpu")
    assert tg.get_default_device() == "gpu:0"
    for data in (1.0, [1, 2], [[True]], np.ones(2)):
        assert tg.tensor(data).device == "gpu:0"
        assert tg.tensor(data, device="cpu").device == "cpu"
    assert tg.tensor(tg.tensor([1.0], device="cpu")).device == "cpu"  # a tensor stays where it is
    assert tg.nn.Linear(2, 3).weight.device == "gpu:0"
    tg.set_default_device("cpu")
    assert tg.tensor([1.0]).device == tg.nn.Linear(2, 3).weight.device == "cpu"


def test_dtypes_on_the_device_are_those_on_the_cpu():
    for data in (1.5, [1.5, 2], 3, [True], np.float64(1), np.ones(1, np.uint8), np.ones(1, np.float16)):
        assert on_gpu(data).dtype == tg.tensor(data).dtype
    tg.set_default_dtype("float64")
    assert on_gpu([0.1]).item() == 0.1
    assert on_gpu([0.1], dtype="float32").astype("float16").dtype == np.float16


def test_the_default_device_becomes_the_current_one_where_operations_run():
    tg.set_default_device("gpu:1")
    model = tg.nn.Sequential(tg.nn.Conv2d(1, 2, 3), tg.nn.MaxPool2d(2), tg.nn.Flatten(), tg.nn.Linear(8, 3))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(tg.tensor(np.ones((2, 1, 6, 6), np.float32), device="gpu")), [0, 2])
        loss.backward()
        optimizer.step()
    assert_lies_on("gpu:1", loss, *model.parameters())


def test_tensors_beside_the_current_device_are_refused_by_name():
    x = tg.tensor([1.0], device="gpu:1", requires_grad=True)
    with pytest.raises(ValueError, match=r"^multiply: .*resides \(1\).*current device \(0\)"):
        x * 2


# Random state


def test_the_seed_repeats_on_every_device_and_each_has_its_own_state():
    def numbers(device, count):
        with backend.on_device(device):
            drawn = backend.generator(device).standard_normal(count)
        assert backend.device_of(drawn) == device
        return backend.to_numpy(drawn).tolist()

    devices = ("cpu", "gpu:0", "gpu:1")
    tg.manual_seed(3)
    first = {device: numbers(device, 4) for device in devices}
    tg.manual_seed(3)
    again = {device: [] for device in devices}
    for _ in range(4):  # drawing on one device leaves the others where they were
        for device in reversed(devices):
            again[device].extend(numbers(device, 1))
    assert again == first
    assert first["cpu"] != first["gpu:0"]
    tg.manual_seed(4)
    assert all(numbers(device, 4) != first[device] for device in devices)


def test_initial_values_are_drawn_on_the_device_and_repeat():
    weights = []
    for _ in range(2):
        tg.manual_seed(1)
        machine.reads.clear()
        layer = tg.nn.Conv2d(2, 3, 3, device="gpu")
        assert machine.reads == []
        assert_lies_on("gpu:0", layer.weight, layer.bias)
        weights.append(layer.weight.tolist())
    assert weights[0] == weights[1]


# A model


@pytest.mark.parametrize(
    "make",
    [
        lambda p: tg.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
        lambda p: tg.optim.Adam(p, lr=0.01),
        lambda p: tg.optim.AdamW(p, lr=0.01),
    ],
)
def test_training_on_the_device_is_training_on_the_cpu(make):
    images, labels = integers((12, 1, 8, 8), 1) / 4, np.arange(12) % 10
    parameters = {}
    for device in ("cpu", "gpu"):
        model = model_on(device)
        optimizer = make(model.parameters())
        x, target = tg.tensor(images, device=device), tg.tensor(labels, device=device)
        machine.reads.clear()
        for _ in range(3):
            optimizer.zero_grad()
            loss = tg.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
        assert set(machine.reads) <= {1}  # the checks of the labels
        assert_lies_on("gpu:0" if device == "gpu" else "cpu", loss, *model.parameters())
        parameters[device] = [p.numpy() for p in model.parameters()]
    for actual, expected in zip(parameters["gpu"], parameters["cpu"], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def test_a_model_and_its_optimiser_move_between_steps():
    model = model_on("cpu")
    optimizer = tg.optim.Adam(model.parameters())
    for device in ("cpu", "gpu", "cpu"):
        model.to(device)
        model(tg.tensor(np.ones((2, 1, 8, 8)), device=device)).sum().backward()
        optimizer.step()
        assert_lies_on("cpu" if device == "cpu" else "gpu:0", *model.parameters())


# Looking for trouble


def test_debug_names_the_operation_that_made_a_nan_on_the_device():
    x = on_gpu([[1.0, 0.0]], requires_grad=True)
    message = re.escape("log: made -inf at index (0, 1) of shape (1, 2)")
    with tg.debug(), pytest.raises(FloatingPointError, match=message):
        tg.log(x)
    with tg.debug(), pytest.raises(FloatingPointError, match=r"^sqrt, backward"):
        tg.where(x > 0, tg.log(x.detach() + 1), tg.sqrt(x)).sum().backward()


def test_checks_of_values_name_what_came():
    x = on_gpu([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(ValueError, match=r"^cross_entropy: labels must be 0 to 1 but target\[1\] is 2$"):
        tg.cross_entropy(x, on_gpu([0, 2]))
    with pytest.raises(ValueError, match=r"^cross_entropy: target probabilities must be numbers >= 0"):
        tg.cross_entropy(x, on_gpu([[0.5, 0.5], [np.nan, 1.0]]))
    with pytest.raises(ValueError, match=r"^bool: a tensor of shape \(2, 2\)"):
        bool(x)
