"""gradcheck and the exact proof of tensors on a GPU: the stand-in for CuPy everywhere, CuPy itself where it runs."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tests.operands import distinct, normals
from tinygrad_cnn import backend
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.verify.scalars import scalar_graph

# CuPy says so where only the CUDA libraries are installed, not the toolkit.
pytestmark = pytest.mark.filterwarnings("ignore:CUDA path could not be detected")
MACHINES = ["stand-in", pytest.param("CuPy", marks=pytest.mark.gpu)]


@pytest.fixture(autouse=True, params=MACHINES)
def _gpu(request, monkeypatch):
    monkeypatch.setattr(backend, "_default_device", "cpu")
    monkeypatch.setattr(backend, "_generators", {})
    if request.param == "stand-in":
        standin.install(monkeypatch, devices=1)


def on_gpu(*arrays):
    return [tg.tensor(array, device="gpu", requires_grad=True) for array in arrays]


@pytest.mark.parametrize(
    ("function", "arrays", "method"),
    [
        (tg.tanh, [normals((2, 3), 0)], "complex step"),
        (tg.tanh, [normals((), 0)], "complex step"),
        (tg.conv2d, [normals((2, 3, 4, 5), 0), normals((2, 3, 2, 2), 1), normals(2, 2)], "complex step"),
        (tg.relu, [normals((2, 3), 0)], "central differences, since relu: a comparison has no complex step"),
        (lambda x: tg.max_pool2d(x, 2), [distinct((1, 2, 4, 4), 0)], "central differences, since"),
    ],
)
def test_gradcheck(function, arrays, method):
    seen = []

    def watched(*xs):
        seen.extend(x.device for x in xs if x.dtype != object)  # exact and complex numbers live on the host
        return function(*xs)

    report = tg.verify.gradcheck(watched, on_gpu(*arrays), order=2)
    assert report, str(report)
    assert report[next(iter(report)).name].facts["method"].startswith(method)
    assert set(seen) == {"gpu:0"}


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (lambda x, k: tg.relu(tg.conv2d(x, k, padding=1)), [normals((1, 2, 3, 3), 0), normals((2, 2, 2, 2), 1)]),
        (lambda x: tg.max_pool2d(x, 2, ties="split"), [distinct((1, 2, 4, 4), 0)]),
        (lambda x: tg.adaptive_max_pool2d(x, 3), [distinct((1, 2, 4, 4), 0)]),
        (lambda x: x[tg.tensor([0, 2, 0], device="gpu")] * 2, [normals((3, 2), 0)]),
        (lambda x: tg.batch_norm(x, None, None, training=True), [normals((4, 2), 0)]),
        (lambda x: tg.dropout(x.to("cpu"), seed=1), [normals((4, 2), 0)]),
        (lambda x: tg.cross_entropy(x, tg.tensor([0, 1, 1, 0], device="gpu")), [normals((4, 2), 0)]),
        (lambda x: x * tg.tensor(3.0, device="gpu") + tg.tensor(np.ones(2)).to("gpu"), [normals((4, 2), 0)]),
    ],
)
def test_scalar_graph(function, arrays):
    leaves = on_gpu(*arrays)
    z = function(*leaves)
    graph = scalar_graph(z)
    dz = tg.tensor(normals(z.shape, 5), device=z.device)
    assert {x.device for x in graph.output.flat} == {"cpu"}
    gradients = tg.grad(z, leaves, dz)
    for actual, dx in zip(graph.gradients(dz).values(), gradients, strict=True):
        np.testing.assert_allclose(actual, dx.to("cpu").numpy(), 1e-12, 1e-12)


def test_kink_and_wrong_gradient():
    @primitive(x=lambda dz, x: dz * (x > 0) * 2)
    def relu(x):
        return backend.get_array_module(x).maximum(x, 0)

    assert len(tg.verify.gradcheck(tg.relu, on_gpu(np.array([0.0, 1.0])))["x"].kinks) == 1
    report = tg.verify.gradcheck(relu, on_gpu(np.array([-1.0, 2.0, 3.0])))
    assert report["x"].wrong.tolist() == [False, True, True]


def test_formulas_measure_the_rounding_on_the_gpu():
    x, weight, bias = on_gpu(*(normals(shape, 0, np.float32) for shape in [(2, 1, 6, 6), (3, 1, 3, 3), (3,)]))
    dz = normals((2, 3, 6, 6), 1, np.float32)
    report = tg.verify.conv2d_formulas(x, weight, bias, dz, padding=1)
    assert report, str(report)
    assert [report[f"{name} in float32"].facts["device"] for name in ("dX", "dK", "dB")] == ["gpu:0"] * 3
    assert x.grad is None
    on_host = tg.verify.conv2d_formulas(x.numpy(), weight, bias, dz, padding=1)
    assert on_host["dX in float32"].facts["device"] == "cpu"
    assert np.array_equal(on_host["dX"].expected, report["dX"].expected)


def test_default_device_is_a_gpu():
    tg.set_default_device("gpu")
    assert tg.verify.gradcheck(tg.tanh, [tg.tensor([1.0, 2.0], requires_grad=True)], order=2)
    assert tg.verify.gradcheck(tg.relu, [tg.tensor(1.0, requires_grad=True)], order=2)
    x = tg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert tg.verify.conv2d_formulas(x, x, None, [[[[2.0]]]])["dK in float32"].facts["device"] == "gpu:0"
