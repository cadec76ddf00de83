"""Tensors on a GPU with CuPy itself, against NumPy: what `test_devices.py` tests on the stand-in, and memory.

Run them on a machine with a GPU: `python -m pytest -m gpu`.
"""

import gc

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import integers, normals
from tests.standin.operations import MIXED, OPERATIONS, by_name, ignore_numpys_warning, model_on, run
from tinygrad_cnn import backend, walk

pytestmark = [
    pytest.mark.gpu,
    # CuPy says so where only the CUDA libraries are installed, not the toolkit.
    pytest.mark.filterwarnings("ignore:CUDA path could not be detected"),
]
ONES = np.ones((2, 2))


@pytest.fixture(autouse=True)
def cupy(monkeypatch):
    monkeypatch.setattr(backend, "_default_device", "cpu")
    monkeypatch.setattr(backend, "_default_dtype", np.dtype(np.float32))
    monkeypatch.setattr(backend, "_seed", None)
    monkeypatch.setattr(backend, "_generators", {})
    import cupy

    with cupy.cuda.Device(0):
        yield cupy


def assert_lies_on_gpu(*tensors):
    """Every tensor, its gradient, and the arrays in its graph."""
    for tensor in tensors:
        assert tensor.device == "gpu:0"
        assert tensor.grad is None or tensor.grad.device == "gpu:0"
        for node in walk.nodes(tensor):
            assert not isinstance(node.value, np.ndarray)
            assert not isinstance(node.gradient, np.ndarray)


def assert_near(actual, expected, tolerance):
    """Equal shapes, dtypes and NaNs, and elements that differ by `tolerance` of the largest at most."""
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    actual, expected = actual.numpy(), expected.numpy()
    scale = max(1.0, np.nanmax(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=tolerance)


@by_name(OPERATIONS)
def test_values_and_derivatives_are_the_cpus_and_stay_on_the_gpu(operation, cupy):
    results = run(operation, "gpu")
    assert_lies_on_gpu(*results)
    for actual, expected in zip(results, run(operation, "cpu"), strict=True):
        assert type(actual._array) is cupy.ndarray
        assert_near(actual, expected, 1e-10)


X, STAMPS, FILTERS, BIAS = (8, 16, 32, 32), (16, 24, 3, 3), (24, 16, 3, 3), (24,)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)], ids=["single", "double"])
@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        (lambda x, k, b: tg.conv2d(x, k, b, stride=2, padding=1), (X, FILTERS, BIAS)),
        (lambda x, k, b: tg.conv_transpose2d(x, k, b, stride=2, padding=1, output_padding=1), (X, STAMPS, BIAS)),
        (lambda x: tg.max_pool2d(x, 3, stride=2, padding=1), (X,)),
        (lambda x, k, b: tg.cross_entropy(tg.conv2d(x, k, b).mean(axis=(2, 3)), list(range(8))), (X, FILTERS, BIAS)),
    ],
    ids=["conv2d", "conv_transpose2d", "max_pool2d", "cross_entropy"],
)
def test_layers_of_the_size_of_a_network(call, shapes, dtype, tolerance):
    results = {}
    for device in ("cpu", "gpu"):
        arrays = [normals(shape, i, dtype) for i, shape in enumerate(shapes)]
        tensors = [tg.tensor(array, device=device, requires_grad=True) for array in arrays]
        value = call(*tensors)
        value.backward(normals(value.shape, 4))
        results[device] = value, *(tensor.grad for tensor in tensors)
    assert_lies_on_gpu(*results["gpu"])
    for actual, expected in zip(results["gpu"], results["cpu"], strict=True):
        assert_near(actual, expected, tolerance)


def test_half_precision_is_exact_where_its_sums_are():
    arrays = [integers((2, 4, 8, 8), 1), integers((3, 4, 3, 3), 2), integers((3,), 3)]
    tensors = [tg.tensor(array.astype(np.float16), device="gpu", requires_grad=True) for array in arrays]
    expected = [tg.tensor(array, requires_grad=True) for array in arrays]
    for operands in (tensors, expected):
        z = tg.max_pool2d(tg.conv2d(*operands, padding=1), 2)
        z.backward(np.sign(integers(z.shape, 4)))
    for actual, wanted in zip(tensors, expected, strict=True):
        assert actual.grad.dtype == np.float16
        np.testing.assert_array_equal(actual.grad.numpy(), wanted.grad.numpy())


def test_ties_go_to_the_first_on_a_large_image():
    x = integers((4, 8, 65, 63), 5) % 2
    gradients = []
    for device in ("cpu", "gpu"):
        t = tg.tensor(x, device=device, requires_grad=True)
        z = tg.max_pool2d(t, 3, stride=2, padding=1) + tg.max(t, axis=(2, 3), keepdims=True)
        z.backward(integers(z.shape, 6))
        gradients.append(t.grad.numpy())
    np.testing.assert_array_equal(gradients[1], gradients[0])


# Several devices in one operation


@ignore_numpys_warning
@pytest.mark.parametrize("operation", MIXED)
@pytest.mark.parametrize("devices", [("cpu", "gpu:0"), ("gpu:0", "cpu")])
def test_tensors_on_different_devices_are_refused_by_name(operation, devices):
    x, y = (tg.tensor(ONES, device=device, requires_grad=True) for device in devices)
    with pytest.raises(ValueError, match=rf"^{operation}: .* different devices \({', '.join(devices)}\)"):
        MIXED[operation](x, y)


@ignore_numpys_warning
def test_labels_and_biases_on_the_host_are_refused():
    x, image = tg.tensor(ONES, device="gpu"), tg.tensor(ONES[None, None], device="gpu")
    for target in (tg.tensor([0, 1]), np.array([0, 1]), np.eye(2)):
        with pytest.raises(ValueError, match=r"cross_entropy: .* different devices \(gpu:0, cpu\)"):
            tg.cross_entropy(x, target)
    with pytest.raises(ValueError, match=r"different devices \(gpu:0, gpu:0, cpu\)"):
        tg.conv2d(image, image, tg.tensor([1.0]))


def test_numpy_takes_no_tensor_from_the_gpu_by_itself():
    for requires_grad in (False, True):
        with pytest.raises(TypeError, match=r"^np\.asarray of a tensor"):
            np.asarray(tg.tensor(ONES, device="gpu", requires_grad=requires_grad))


def test_a_number_on_the_host_goes_anywhere_and_its_gradient_comes_back():
    x, scale = tg.tensor([1.0, 2.0], device="gpu", requires_grad=True), tg.tensor(3.0, requires_grad=True)
    dx, dscale = tg.grad((scale * x + np.float32(1) / scale - x**scale + 2**x).sum(), [x, scale], create_graph=True)
    (second,) = tg.grad(dscale, scale)
    assert (dx.device, dscale.device, second.device) == ("gpu:0", "cpu", "cpu")
    np.testing.assert_allclose(dx.numpy(), [2 * np.log(2), -9 + 4 * np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(dscale.item(), 3 - 2 / 9 - 8 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(second.item(), 4 / 27 - 8 * np.log(2) ** 2, rtol=1e-6)


# Moving, defaults, random state


@pytest.mark.parametrize(("source", "target"), [("cpu", "gpu:0"), ("gpu:0", "cpu")])
@pytest.mark.parametrize("data", [[1.0, 2.0], 2.0])
def test_a_move_is_recorded_and_its_gradient_comes_back(source, target, data):
    x = tg.tensor(data, device=source, requires_grad=True)
    y = x.to(target)
    assert (x.device, y.device, y.is_leaf) == (source, target, False)
    y.backward(3 * np.ones(y.shape))
    assert x.grad.device == source
    assert x.grad.tolist() == (3.0 if y.ndim == 0 else [3.0, 3.0])


def test_the_default_device_and_the_array_module(cupy):
    tg.set_default_device("gpu")
    x = tg.tensor([0.1])
    assert (tg.get_default_device(), x.device, x.dtype) == ("gpu:0", "gpu:0", np.float32)
    assert tg.get_array_module(x) is tg.get_array_module(x.data) is cupy
    assert tg.tensor(np.ones(2)).device == "cpu"
    assert tg.nn.Linear(2, 3).weight.device == "gpu:0"
    assert "device='gpu:0'" in repr(x)
    assert x.numpy().tolist() == x.tolist() == [np.float32(0.1)]


def test_devices_that_are_not_there(cupy):
    count = cupy.cuda.runtime.getDeviceCount()
    with pytest.raises(RuntimeError, match=rf"^device 'gpu:{count}': this machine has {count} GPU"):
        tg.tensor([1.0]).to(f"gpu:{count}")
    with pytest.raises(TypeError, match="can only live on the cpu"):
        tg.tensor([2**70], device="gpu")


def test_the_seed_repeats_on_the_gpu_and_leaves_the_cpus_numbers_alone():
    def draw(*devices):
        return [backend.to_numpy(backend.generator(device).standard_normal(5)).tolist() for device in devices]

    tg.manual_seed(1)
    gpu, cpu, further = draw("gpu", "cpu", "gpu")
    tg.manual_seed(1)
    assert draw("cpu", "gpu", "gpu") == [cpu, gpu, further]
    assert gpu != further
    tg.manual_seed(2)
    assert draw("gpu") != [gpu]


def test_initial_values_repeat_and_have_their_deviation():
    weights = []
    for _ in range(2):
        tg.manual_seed(1)
        weights.append(tg.nn.init.he_normal((64, 32, 3, 3), device="gpu"))
    assert_lies_on_gpu(*weights)
    np.testing.assert_array_equal(weights[0].numpy(), weights[1].numpy())
    np.testing.assert_allclose(weights[0].numpy().std(), np.sqrt(2 / (32 * 9)), rtol=0.05)


# A model


def train(device, steps):
    model = model_on(device)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x = tg.tensor(integers((12, 1, 8, 8), 1) / 4, device=device)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(x), [i % 10 for i in range(12)])
        loss.backward()
        optimizer.step()
    return loss, *model.parameters()


def test_training_on_the_gpu_is_training_on_the_cpu():
    results = train("gpu", steps=3)
    assert_lies_on_gpu(*results)
    for actual, expected in zip(results, train("cpu", steps=3), strict=True):
        assert_near(actual, expected, 1e-10)


def test_a_dropped_graph_gives_its_memory_back(cupy):
    train("gpu", steps=1)  # what CuPy itself keeps from now on
    gc.collect()
    used = cupy.get_default_memory_pool().used_bytes
    before = used()
    gc.disable()
    try:
        results = train("gpu", steps=2)
        assert used() > before
        del results
        assert used() == before
    finally:
        gc.enable()


def test_debug_names_the_operation_that_made_an_infinity():
    x = tg.tensor([[1.0, 0.0]], device="gpu", requires_grad=True)
    with tg.debug(), pytest.raises(FloatingPointError, match=r"^log: made -inf at index \(0, 1\) of shape \(1, 2\)"):
        tg.log(x)


def test_a_second_gpu(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs two GPUs")
    tg.set_default_device("gpu:1")
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (x**2).sum().backward()
    assert (x.device, x.grad.device, x.grad.tolist()) == ("gpu:1", "gpu:1", [2.0, 4.0])
    assert x.to("gpu:0").to("cpu").tolist() == [1.0, 2.0]
