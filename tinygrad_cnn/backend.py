"""The array-module switch: NumPy or CuPy, devices, dtypes and random state. It knows no tensor and no graph.

A device is "cpu", "gpu" (the current one) or "gpu:1". CuPy is imported only when a GPU is asked for, or when the caller
imported it; whether an array lies on a GPU is then a matter of its type.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fractions import Fraction
from functools import lru_cache
from numbers import Number
from types import ModuleType
from typing import Any

import numpy as np

_OBJECT = np.dtype(object)
_NO_NUMBER = (str, bytes, dict, set, type(None))
_default_dtype: np.dtype[Any] = np.dtype(np.float32)
_default_device = "cpu"


def get_array_module(*arrays: Any) -> ModuleType:
    """NumPy, or CuPy when one of the arrays lies on a GPU."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


# Devices


def gpu_module() -> ModuleType:
    """CuPy, where it is installed and finds a GPU.

    Raises:
        RuntimeError: it says which of the two is missing.
    """
    try:
        import cupy
    except ImportError as error:
        if error.name != "cupy":  # a library that CuPy needs
            raise RuntimeError(f"device 'gpu': CuPy is installed but can't be imported: {error}") from error
        raise RuntimeError(
            "device 'gpu': CuPy is not installed; pip install 'tinygrad_cnn[cuda13]' (or [cuda12] for a CUDA 12 driver)"
        ) from error
    try:
        is_available = cupy.is_available()
    except RuntimeError:  # CuPy 13, where there is no driver
        is_available = False
    if not is_available:
        raise RuntimeError("device 'gpu': CuPy is installed but finds no CUDA GPU or driver on this machine")
    return cupy  # type: ignore[no-any-return]


def parse_device(device: str | None) -> str:
    """The full name of a device ("cpu" or "gpu:<index>"), checked to be there; None is the default device."""
    if device is None:
        device = _default_device
    if device == "cpu":
        return "cpu"
    kind, _, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind != "gpu" or (index and not index.isdecimal()) or device.endswith(":"):
        raise ValueError(f"device: expected 'cpu', 'gpu' or 'gpu:<index>' but got {device!r}")
    cupy = gpu_module()
    number = int(index) if index else cupy.cuda.runtime.getDevice()
    count = cupy.cuda.runtime.getDeviceCount()
    if number >= count:
        raise RuntimeError(f"device {device!r}: this machine has {count} GPU(s), numbered from 0")
    return f"gpu:{number}"


def device_of(array: Any) -> str:
    """The device that holds the array: "cpu" or "gpu:<index>"."""
    if get_array_module(array) is np:
        return "cpu"
    return f"gpu:{array.device.id}"


def on_device(device: str) -> AbstractContextManager[Any]:
    """A context in which CuPy allocates on the (parsed) device."""
    if device == "cpu":
        return nullcontext()
    return gpu_module().cuda.Device(int(device.partition(":")[2]))  # type: ignore[no-any-return]


def to_device(array: Any, device: str | None) -> Any:
    """The array on the device; itself where it is there already."""
    device = parse_device(device)
    if device_of(array) == device:
        return array
    if device == "cpu":
        return to_numpy(array)
    if is_object(array):
        raise TypeError(f"device {device!r}: an array of objects (Fraction, sympy, ...) can only live on the cpu")
    with on_device(device):
        return gpu_module().asarray(array)


def to_numpy(array: Any) -> Any:
    """The array in the host's memory."""
    return array.get()[()] if get_array_module(array) is not np else array


def set_default_device(device: str) -> None:
    """Where `tg.tensor` and `tg.nn` put new tensors: "cpu", "gpu" or "gpu:1".

    Of several GPUs it becomes CuPy's current one too, which is where operations run.

    Raises:
        ValueError: not the name of a device.
        RuntimeError: CuPy or the GPU is missing.

    >>> set_default_device("cpu")
    >>> set_default_device("tpu")
    Traceback (most recent call last):
    ValueError: device: expected 'cpu', 'gpu' or 'gpu:<index>' but got 'tpu'
    """
    global _default_device
    device = parse_device(device)
    if device != "cpu":
        on_device(device).use()  # type: ignore[attr-defined]
    _default_device = device


def get_default_device() -> str:
    """The device of new tensors."""
    return _default_device


# Values and dtypes


def set_default_dtype(dtype: Any) -> None:
    """The dtype of tensors made from Python floats: float32 at first, or float64 or float16.

    Raises:
        ValueError: not a floating-point dtype.

    >>> set_default_dtype("float32")
    >>> set_default_dtype(int)
    Traceback (most recent call last):
    ValueError: set_default_dtype: expected a floating-point dtype but got int64
    """
    global _default_dtype
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise ValueError(f"set_default_dtype: expected a floating-point dtype but got {dtype}")
    _default_dtype = dtype


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of tensors made from Python floats."""
    return _default_dtype


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array or a nested list; () for a number or any other single object."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return np.shape(value) if isinstance(value, list | tuple) else ()
    return shape  # type: ignore[no-any-return]


def dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype of an array or a NumPy scalar; `object` for any other single object."""
    return getattr(value, "dtype", _OBJECT)


def is_object(value: Any) -> bool:
    """Whether the value is an array of objects (`Fraction`, sympy, scalar tensors) or a single object."""
    return getattr(value, "dtype", _OBJECT) is _OBJECT


def ones_like(value: Any) -> Any:
    """Ones of the value's shape and dtype; for objects in their own arithmetic."""
    if isinstance(value, np.generic):
        return type(value)(1)
    if is_object(value):
        return _exact_ones(value)
    return get_array_module(value).ones_like(value)[()]


# Half of the integer 1 would be the float 0.5.
_exact_ones = np.frompyfunc(lambda value: Fraction(1) if isinstance(value, int | Fraction) else value**0, 1, 1)


def ones(count: int, like: Any) -> Any:
    """A vector of ones of the array's dtype, to sum rows by a product: a third of the time of a small reduction."""
    if isinstance(like, np.ndarray) and count <= 4096:
        return _small_ones(count, like.dtype)
    return get_array_module(like).ones(count, dtype=like.dtype)


@lru_cache(maxsize=256)
def _small_ones(count: int, dtype: np.dtype[Any]) -> Any:
    vector = np.ones(count, dtype=dtype)
    vector.flags.writeable = False
    return vector


def as_array(data: Any, dtype: Any = None, device: str | None = None, like: Any = None) -> Any:
    """A copy of the data as an array, a NumPy scalar (0 axes) or a single object, which nobody else can change.

    Python floats become the default dtype, ints int64, bools bool; NumPy and CuPy arrays and scalars keep their dtype;
    `Fraction`, sympy expressions and other objects stay as they are. Without a device, CuPy arrays stay on theirs and
    everything else goes to the default device. With `like`, dtype and device follow that array.

    Raises:
        TypeError: data that is no number, array or nested sequence of numbers.
        ValueError: a ragged sequence.
    """
    if like is not None:
        dtype, device = dtype_of(like), device_of(like)
    keeps_dtype = hasattr(data, "dtype")
    xp = get_array_module(data)
    if device is None and (xp is not np or (keeps_dtype and is_object(data))):
        device = device_of(data)  # what lies on a GPU stays there, and objects live on the host
    if isinstance(data, range):
        data = list(data)
    if not (keeps_dtype or hasattr(data, "__array__")) and _is_no_number(data):
        raise TypeError(f"tensor: expected numbers or an array but got {type(data).__name__} {data!r}")
    if not keeps_dtype and not isinstance(data, list | tuple | Number) and not hasattr(data, "__array__"):
        array = data  # a single object of another arithmetic
    else:
        try:
            array = xp.array(data)
        except ValueError as error:
            raise ValueError(f"tensor: expected a regular nested sequence of numbers; {error}") from error
        if array.dtype.kind == "f" and not keeps_dtype and dtype is None:  # an asked-for dtype gets every digit
            array = array.astype(_default_dtype)
        if array.dtype.kind in "USmMV" or (is_object(array) and any(map(_is_no_number, array.flat))):
            raise TypeError(f"tensor: expected numbers but got elements of type {array.dtype}")
    if dtype is not None and dtype_of(array) != np.dtype(dtype):
        array = array.astype(dtype) if hasattr(array, "astype") else np.asarray(array, dtype=dtype)
    array = to_device(array, device)
    # A single NumPy number is kept as a scalar: immutable, and several times faster than an array without axes.
    return array[()] if isinstance(array, np.ndarray) else array


def _is_no_number(value: Any) -> bool:
    return isinstance(value, _NO_NUMBER) or not hasattr(value, "__mul__")


def as_operand(data: list[Any] | tuple[Any, ...], others: list[Any]) -> Any:
    """A sequence as an array beside other operands: on their device, and in their floating-point dtype as numbers."""
    if not others:
        return as_array(data)
    dtype = dtype_of(others[0])
    return as_array(data, dtype if dtype.kind == "f" else None, device_of(others[0]))


def read_only(array: Any) -> Any:
    """A view that refuses to be written to (CuPy has none, so there it is the array itself)."""
    if isinstance(array, np.ndarray):
        array = array.view()
        array.flags.writeable = False
    return array


def mixed_devices(arrays: list[Any]) -> list[str]:
    """The devices of the arrays where they differ, else none."""
    # A number from the host goes anywhere, a single element on a device does not.
    devices = [device for array in arrays if (device := device_of(array)) != "cpu" or shape_of(array)]
    return devices if len(set(devices)) > 1 else []


# Random state


_seed: int | None = None
_generators: dict[str, Any] = {}


def manual_seed(seed: int) -> None:
    """Start the random state of every device anew from `seed`: initialisation, shuffling and dropout repeat.

    Raises:
        ValueError: a seed that is not an integer >= 0.

    >>> import tinygrad_cnn as tg
    >>> tg.manual_seed(0)
    """
    global _seed
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"manual_seed: expected an integer >= 0 but got {seed!r}")
    _seed = int(seed)
    _generators.clear()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the random state of every device begins at `seed`; afterwards it is again what it was."""
    global _seed, _generators
    before = _seed, _generators
    _seed, _generators = seed, {}
    try:
        yield
    finally:
        _seed, _generators = before


def generator(device: str | None = None) -> Any:
    """The random generator of the device (NumPy's or CuPy's), one for each device, from the last `manual_seed`."""
    device = parse_device(device)
    if device not in _generators:
        xp = np if device == "cpu" else gpu_module()
        with on_device(device):
            _generators[device] = xp.random.default_rng(_seed)
    return _generators[device]
