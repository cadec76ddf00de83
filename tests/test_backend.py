"""The array-module switch without a GPU: devices by name, what is missing, dtypes, and the random state."""

import re
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tinygrad_cnn import backend


@pytest.fixture(autouse=True)
def _defaults(monkeypatch):
    """Every test begins with the library's own defaults and leaves none behind."""
    for name, value in {"device": "cpu", "dtype": np.dtype(np.float32)}.items():
        monkeypatch.setattr(backend, f"_default_{name}", value)
    monkeypatch.setattr(backend, "_seed", None)
    monkeypatch.setattr(backend, "_generators", {})


@pytest.fixture
def without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)


# Devices


def test_everything_is_on_the_cpu():
    x = tg.tensor([1.0])
    assert x.device == tg.get_default_device() == "cpu"
    assert tg.get_array_module() is tg.get_array_module(x, np.ones(1), 1.0) is np
    assert x.to("cpu") is x


ASKING = [
    pytest.param(tg.set_default_device, id="set_default_device"),
    pytest.param(lambda device: tg.tensor([1.0], device=device), id="tensor"),
    pytest.param(lambda device: tg.tensor([1.0], requires_grad=True).to(device), id="to"),
]


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("device", ["tpu", "", "GPU", "cuda", "gpu:", "gpu:x", "gpu:-1", "gpu 1", "cpu:0", 0])
def test_the_name_of_no_device(ask, device):
    with pytest.raises(ValueError, match=rf"^device: expected 'cpu', 'gpu' or 'gpu:<index>' but got {device!r}$"):
        ask(device)
    assert tg.get_default_device() == "cpu"


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("device", ["gpu", "gpu:1"])
def test_without_cupy(without_cupy, ask, device):
    with pytest.raises(RuntimeError, match=r"^device 'gpu': CuPy is not installed; pip install 'tinygrad_cnn\[cuda1"):
        ask(device)
    assert tg.get_default_device() == "cpu"
    assert tg.tensor([1.0]).device == "cpu"


@pytest.mark.parametrize("ask", ASKING)
def test_a_cupy_that_can_not_be_imported_is_not_called_missing(monkeypatch, tmp_path, ask):
    (tmp_path / "cupy.py").write_text("raise ImportError('libnvrtc.so.13: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(RuntimeError, match=r"^device 'gpu': CuPy is installed but .* libnvrtc\.so\.13"):
        ask("gpu")


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("driver", [True, False])
def test_cupy_without_a_gpu_or_a_driver(monkeypatch, ask, driver):
    standin.install(monkeypatch, devices=0, driver=driver)
    with pytest.raises(RuntimeError, match=r"^device 'gpu': CuPy is installed but finds no CUDA GPU or driver"):
        ask("gpu")
    assert tg.get_default_device() == "cpu"


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize(("count", "device"), [(2, "gpu:2"), (2, "gpu:7"), (1, "gpu:1")])
def test_a_gpu_that_is_not_there(monkeypatch, ask, count, device):
    standin.install(monkeypatch, devices=count)
    with pytest.raises(RuntimeError, match=rf"^device '{device}': this machine has {count} GPU\(s\), numbered from 0$"):
        ask(device)
    assert tg.get_default_device() == "cpu"


def test_cupy_is_imported_only_when_a_gpu_is_asked_for(without_cupy):
    x = tg.tensor([[1.0, 2.0]], requires_grad=True)
    tg.cross_entropy(x, [1]).backward()
    assert x.grad.to("cpu").device == "cpu"


# Dtypes and values


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.5, 2], np.float32),
        ([[True], [2.5]], np.float32),
        ([], np.float32),
        (3, np.int64),
        ([[1], [2]], np.int64),
        (2**40, np.int64),
        (True, np.bool_),
        ([True, False], np.bool_),
        ([True, 2], np.int64),
        (1j, np.complex128),
        (Fraction(1, 3), object),
        ([Fraction(1, 3), 1], object),
        (Decimal("0.1"), object),
        *((dtype(3), dtype) for dtype in (np.float16, np.float64, np.longdouble, np.int8, np.uint16, np.bool_)),
        *((np.zeros((2, 0), dtype), dtype) for dtype in (np.float16, np.float64, np.int8, np.uint8, np.bool_, object)),
    ],
)
def test_python_floats_take_the_default_dtype_and_everything_else_keeps_its_own(data, dtype):
    for default in (np.float32, np.float64, np.float16):
        tg.set_default_dtype(default)
        expected = default if dtype is np.float32 and not isinstance(data, np.generic | np.ndarray) else dtype
        assert tg.tensor(data).dtype == expected


class Quaternion:
    """Numbers of an arithmetic that nobody knows."""

    def __mul__(self, other):
        return self


def test_objects_stay_what_they_are():
    assert tg.tensor(Fraction(1, 3)).item() == Fraction(1, 3)
    assert type(tg.tensor([Fraction(1, 3), 2]).tolist()[0]) is Fraction
    unit = Quaternion()
    assert tg.tensor(unit).item() is unit


def test_a_dtype_that_is_given_is_reached_without_a_detour():
    assert tg.tensor(0.1, dtype="float64").item() == 0.1
    assert tg.tensor([0.1, 1e300], dtype=np.float64).tolist() == [0.1, 1e300]
    assert tg.tensor([2**60 + 1], dtype=np.int64).item() == 2**60 + 1
    assert tg.tensor(Fraction(1, 3), dtype=np.float64).item() == 1 / 3
    leaf = tg.tensor(np.zeros(1), requires_grad=True)
    leaf.data = [0.1]
    assert leaf.item() == 0.1
    (leaf * 1.0).backward([0.3])
    assert leaf.grad.item() == 0.3


@pytest.mark.parametrize("dtype", [np.int64, "bool", complex, object, "U"])
def test_the_default_dtype_is_a_float(dtype):
    expected = rf"^set_default_dtype: expected a floating-point dtype but got {np.dtype(dtype)}$"
    with pytest.raises(ValueError, match=expected):
        tg.set_default_dtype(dtype)
    assert tg.get_default_dtype() == np.float32


@pytest.mark.parametrize(
    "data", ["1", b"1", ["a"], None, {1: 2}, {1}, [None, 1.0], np.array(["a"]), [[1], ["b"]], object(), [object()]]
)
def test_data_that_is_no_numbers(data):
    with pytest.raises(TypeError, match=r"^tensor: expected numbers"):
        tg.tensor(data)


@pytest.mark.parametrize("data", [[1, [2]], [[1.0], [2.0, 3.0]], [[Fraction(1)], [Fraction(2), Fraction(3)]]])
def test_ragged_data(data):
    with pytest.raises(ValueError, match=r"^tensor: expected a regular nested sequence of numbers"):
        tg.tensor(data)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, object])
def test_a_tensor_is_a_copy_which_nobody_changes(dtype):
    array = np.ones(2, dtype)
    x = tg.tensor(array)
    array[0] = 5
    assert x.tolist() == [1, 1]
    for view in (x.data, x.numpy()):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5


def test_a_tensor_without_axes_holds_a_scalar():
    for data in (1.5, np.float64(1.5), np.array(1.5), np.ones((2, 2))[0, 0]):
        assert isinstance(tg.tensor(data)._array, np.floating)


# Random state


def test_the_seed_starts_the_numbers_anew():
    tg.manual_seed(7)
    first = backend.generator().standard_normal(5)
    further = backend.generator().standard_normal(5)
    tg.manual_seed(7)
    np.testing.assert_array_equal(backend.generator("cpu").standard_normal(5), first)
    np.testing.assert_array_equal(backend.generator().standard_normal(5), further)
    tg.manual_seed(np.int64(8))
    assert not np.array_equal(backend.generator().standard_normal(5), first)


def test_numpys_own_random_state_is_left_alone():
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    tg.manual_seed(1)
    backend.generator().random(10)
    assert np.random.rand() == expected  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1", None])
def test_a_seed_is_a_natural_number(seed):
    tg.manual_seed(5)
    numbers = backend.generator().random(3)
    with pytest.raises(ValueError, match=re.escape(f"manual_seed: expected an integer >= 0 but got {seed!r}")):
        tg.manual_seed(seed)
    tg.manual_seed(5)
    np.testing.assert_array_equal(backend.generator().random(3), numbers)
