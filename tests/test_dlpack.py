"""Values handed to other libraries and taken from them, and that nobody can change what a graph holds."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tests.operands import assert_equal, layouts, normals
from tinygrad_cnn import backend

DTYPES = [np.float16, np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]


# With NumPy


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0, 2)])
def test_round_trip_with_numpy(dtype, shape):
    array = np.asarray(10 * normals(shape, 1)).astype(dtype)
    x = tg.tensor(array)
    out = np.from_dlpack(x)
    assert (type(out), out.dtype) == (np.ndarray, dtype)
    assert_equal(out, array)
    again = tg.from_dlpack(out)
    assert (type(again), again.dtype, again.requires_grad, again.device) == (tg.Tensor, dtype, False, "cpu")
    assert_equal(again.numpy(), array)
    assert tg.from_dlpack(x).tolist() == x.tolist()


def test_memory_orders():
    array = normals((2, 3, 2, 4), 1)
    for laid_out in layouts(array).values():
        if laid_out.flags.writeable:
            assert_equal(tg.from_dlpack(laid_out).numpy(), array)
        assert_equal(np.from_dlpack(tg.tensor(laid_out)), array)
        assert_equal(np.from_dlpack(tg.transpose(tg.tensor(laid_out))), array.T)


def test_what_leaves_is_a_copy():
    """Writing to it changes no graph."""
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    for tensor in (x.detach(), y.detach(), tg.tensor([1.0, 4.0])):
        out = np.from_dlpack(tensor, copy=True)
        assert out.flags.writeable
        assert not np.shares_memory(out, tensor.data)
        assert not np.shares_memory(np.from_dlpack(tensor), tensor.data)
        out[:] = 100
    assert tg.grad(y, x, [np.ones(2)])[0].tolist() == [2, 4]
    assert y.tolist() == [1, 4]


def test_what_comes_in_is_a_copy():
    array = np.array([1.0, 2.0])
    x = tg.from_dlpack(array)
    array[:] = 100
    assert x.tolist() == [1, 2]
    x.requires_grad = True
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_the_default_device_does_not_move_what_comes_in(monkeypatch):
    standin.install(monkeypatch)
    monkeypatch.setattr(backend, "_default_device", "gpu:0")
    assert tg.from_dlpack(np.ones(2)).device == "cpu"


def test_a_tensor_that_requires_a_gradient_is_refused_with_advice():
    x = tg.tensor([1.0], requires_grad=True)
    for tensor in (x, x * 2):
        with pytest.raises(BufferError, match=r"^__dlpack__: .*leave the graph.*detach\(\)"):
            np.from_dlpack(tensor)
        with pytest.raises(BufferError, match=r"^from_dlpack: Tensor .*leave the graph.*detach\(\)"):
            tg.from_dlpack(tensor)
    assert np.from_dlpack(x.detach()).tolist() == [1]


def test_own_memory_is_refused():
    with pytest.raises(BufferError, match=r"^__dlpack__: tensors share no memory"):
        np.from_dlpack(tg.tensor([1.0]), copy=False)


def test_devices_that_are_not_there_are_refused():
    x = tg.tensor([1.0])
    assert x.__dlpack_device__() == (1, 0)
    assert np.from_dlpack(x, device="cpu").tolist() == [1]
    with pytest.raises(BufferError, match=r"^__dlpack__: expected the device \(1, 0\).*\(2, 0\)"):
        x.__dlpack__(dl_device=(2, 0))


def test_objects_are_refused():
    with pytest.raises(BufferError, match=r"^__dlpack__: objects"):
        np.from_dlpack(tg.tensor([Fraction(1, 2)]))


class Foreign:
    """An array on another kind of device."""

    def __dlpack__(self, **options):
        raise AssertionError

    def __dlpack_device__(self):
        return 8, 0  # Metal


def test_what_is_no_array_is_refused():
    for x in ([1.0], 1.0, None, Fraction(1)):
        with pytest.raises(TypeError, match=r"^from_dlpack: .*DLPack.*" + type(x).__name__):
            tg.from_dlpack(x)
    with pytest.raises(ValueError, match=r"^from_dlpack: .*kind of device is 8"):
        tg.from_dlpack(Foreign())


# With CuPy (the stand-in)


@pytest.fixture
def cupy(monkeypatch):
    monkeypatch.setattr(backend, "_default_device", "cpu")
    return standin.install(monkeypatch, devices=2)


@pytest.mark.parametrize("device", ["gpu:0", "gpu:1"])
def test_round_trip_with_cupy(cupy, device):
    array = normals((2, 3), 1)
    x = tg.tensor(array, device=device)
    assert x.__dlpack_device__() == (2, int(device[-1]))
    out = cupy.from_dlpack(x)
    assert out.device.id == int(device[-1])
    assert_equal(out.get(), array)
    again = tg.from_dlpack(out)
    assert again.device == device
    assert_equal(again.numpy(), array)
    with cupy.cuda.Device(out.device.id):
        out[:] = 0
    assert_equal(x.numpy(), array)
    assert_equal(again.numpy(), array)


def test_from_a_gpu_to_the_cpu_when_asked(cupy):
    array = normals((2, 3), 1)
    x = tg.tensor(array, device="gpu:1")
    assert_equal(np.from_dlpack(x, device="cpu"), array)
    with pytest.raises(BufferError, match=r"^__dlpack__: expected the device \(1, 0\) or the tensor's, \(2, 1\)"):
        x.__dlpack__(dl_device=(2, 0))


def test_a_gpu_without_cupy_is_refused_with_the_name_of_what_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    monkeypatch.setattr(Foreign, "__dlpack_device__", lambda self: (2, 0))
    with pytest.raises(RuntimeError, match="CuPy"):
        tg.from_dlpack(Foreign())


def test_cudas_array_interface(cupy):
    x = tg.tensor(normals((2, 3), 1), device="gpu")
    interface = x.__cuda_array_interface__
    assert interface["shape"] == (2, 3)
    assert interface["typestr"] == "<f8"
    assert interface["data"] == (x.data.__cuda_array_interface__["data"][0], True)  # read-only


def test_cudas_array_interface_is_not_there_on_the_cpu_nor_beside_a_gradient(cupy):
    on_cpu = tg.tensor([1.0])
    with_gradient = tg.tensor([1.0], device="gpu", requires_grad=True)
    assert not hasattr(on_cpu, "__cuda_array_interface__")
    assert not hasattr(with_gradient, "__cuda_array_interface__")
    assert hasattr(with_gradient.detach(), "__cuda_array_interface__")
    with pytest.raises(AttributeError, match=r"cpu"):
        _ = on_cpu.__cuda_array_interface__
    with pytest.raises(AttributeError, match=r"detach\(\)"):
        _ = with_gradient.__cuda_array_interface__


# With JAX


def test_round_trip_with_jax():
    jax = pytest.importorskip("jax")
    array = normals((2, 3), 1).astype(np.float32)
    out = jax.dlpack.from_dlpack(tg.tensor(array))
    np.testing.assert_array_equal(np.asarray(out), array)
    assert_equal(tg.from_dlpack(out).numpy(), array)
