"""What the stand-in offers of CuPy's namespace: some functions, with CuPy's own signatures, and nothing else.

`test_standin.py` compares names and signatures with CuPy's where CuPy is installed.
"""

import inspect

import numpy as np

from tests.standin.arrays import machine, memory_of, ndarray, on_current_device, silently, supported

# NumPy's functions of the same name
SIGNATURES = """
all(a, axis=None, out=None, keepdims=False)
allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)
any(a, axis=None, out=None, keepdims=False)
arange(start, stop=None, step=1, dtype=None)
argmax(a, axis=None, dtype=None, out=None, keepdims=False)
argmin(a, axis=None, dtype=None, out=None, keepdims=False)
argsort(a, axis=-1, kind=None)
array_equal(a1, a2, equal_nan=False)
ascontiguousarray(a, dtype=None)
broadcast_to(array, shape)
clip(a, a_min, a_max, out=None)
concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind")
cumsum(a, axis=None, dtype=None, out=None)
dot(a, b, out=None)
empty(shape, dtype=float, order="C")
empty_like(prototype, dtype=None, order="K", subok=None, shape=None)
expand_dims(a, axis)
flip(a, axis=None)
full(shape, fill_value, dtype=None, order="C")
full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None)
linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0)
max(a, axis=None, out=None, keepdims=False)
mean(a, axis=None, dtype=None, out=None, keepdims=False)
min(a, axis=None, out=None, keepdims=False)
moveaxis(a, source, destination)
nonzero(a)
ones(shape, dtype=float, order="C")
ones_like(a, dtype=None, order="K", subok=None, shape=None)
pad(array, pad_width, mode="constant", **kwargs)
prod(a, axis=None, dtype=None, out=None, keepdims=False)
roll(a, shift, axis=None)
sort(a, axis=-1, kind=None)
split(ary, indices_or_sections, axis=0)
squeeze(a, axis=None)
stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind")
sum(a, axis=None, dtype=None, out=None, keepdims=False)
swapaxes(a, axis1, axis2)
take(a, indices, axis=None, out=None)
take_along_axis(a, indices, axis)
tensordot(a, b, axes=2)
transpose(a, axes=None)
unravel_index(indices, dims, order="C")
where(condition, x=None, y=None)
zeros(shape, dtype=float, order="C")
zeros_like(a, dtype=None, order="K", subok=None, shape=None)
"""

UFUNCS = """
abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or bitwise_xor cbrt ceil
copysign cos cosh divide equal exp exp2 expm1 floor floor_divide fmod frexp greater greater_equal hypot invert
isfinite isinf isnan ldexp less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or
logical_xor maximum minimum multiply negative not_equal power remainder rint sign sin sinh sqrt square subtract tan
tanh true_divide trunc
"""

# What CuPy takes from NumPy as it is
PLAIN = """
bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128 intp
dtype iinfo finfo issubdtype promote_types newaxis inf nan pi e integer floating
"""

# The parameters that are arrays; CuPy refuses a list or a number there.
_ARRAYS = {"a", "a1", "a2", "array", "ary", "b", "condition", "indices"}

# What a kernel can add atomically; in CuPy 13 not int64.
_ATOMIC = (np.float16, np.float32, np.float64, np.int32, np.uint32, np.uint64)


def _memory(name, value):
    if isinstance(value, ndarray):
        return memory_of(value)
    if isinstance(value, np.ndarray) or name in _ARRAYS:
        raise TypeError(f"{name}: unsupported type {type(value)}")
    if isinstance(value, list | tuple) and any(isinstance(x, ndarray | np.ndarray) for x in value):
        if not all(isinstance(x, ndarray) for x in value):
            raise TypeError("Only cupy arrays can be concatenated")
        return [memory_of(x) for x in value]
    return value


def _function(line):
    """NumPy's function of the name on device arrays, with the signature on the line."""
    name, _, parameters = line.partition("(")
    signature = inspect.signature(eval(f"lambda {parameters.rpartition(')')[0]}: None"))

    def function(*arguments, **options):
        signature.bind(*arguments, **options)
        arguments = [_memory(key, value) for key, value in zip(signature.parameters, arguments, strict=False)]
        options = {key: _memory(key, value) for key, value in options.items()}
        return on_current_device(silently(getattr(np, name), *arguments, **options))

    function.__name__, function.__signature__ = name, signature
    return function


FUNCTIONS = {line.partition("(")[0]: _function(line) for line in SIGNATURES.split("\n") if line}


def _offer(function):
    FUNCTIONS[function.__name__] = function
    return function


@_offer
def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0):
    """A copy on the current device, of an array on any device or of numbers on the host."""
    host = obj._memory if isinstance(obj, ndarray) else np.asarray(obj)
    return on_current_device(np.array(supported(host), dtype=dtype, order=order, ndmin=ndmin))


@_offer
def asarray(a, dtype=None, order=None):
    here = isinstance(a, ndarray) and a.device.id == machine.current
    return a if here and dtype in (None, a.dtype) else array(a, dtype=dtype)


@_offer
def asnumpy(a, stream=None, order="C", out=None):
    return a.get(order=order) if isinstance(a, ndarray) else np.asarray(a)


@_offer
def from_dlpack(array):
    """An array on the memory that the capsule hands over."""
    kind, index = array.__dlpack_device__()
    if kind != 2:
        raise TypeError("CPU arrays cannot be directly imported to CuPy.")
    return ndarray(array.__dlpack__(stream=1).memory, index)


@_offer
def result_type(*arrays_and_dtypes):
    return np.result_type(*(x.dtype if isinstance(x, ndarray) else x for x in arrays_and_dtypes))


class ufunc:
    def __init__(self, name):
        self.name = self.__name__ = name

    def __call__(self, *operands, out=None, casting="same_kind", dtype=None):
        options = {"casting": casting} if dtype is None else {"casting": casting, "dtype": dtype}
        if out is not None:
            options["out"] = memory_of(out)
        result = silently(getattr(np, self.name), *map(memory_of, operands), **options)
        return on_current_device(result) if out is None else out

    def at(self, a, indices, b=None):
        if self.name != "add":
            raise NotImplementedError(f"{self.name}.at")
        if a.dtype.type not in _ATOMIC:
            raise TypeError("cupy.add.at only supports int32, float16, float32, float64, uint32, uint64 as data type")
        np.add.at(memory_of(a), ndarray._index(indices), memory_of(b))


class StrideTricks:
    @staticmethod
    def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
        if writeable:
            raise NotImplementedError("Writeable views are not supported.")
        machine.reads.extend([1] * len(window_shape))  # CuPy asks the device whether each is negative
        return ndarray(np.lib.stride_tricks.sliding_window_view(memory_of(x), window_shape, axis), x.device.id)

    @staticmethod
    def as_strided(x, shape=None, strides=None):
        return ndarray(np.lib.stride_tricks.as_strided(memory_of(x), shape, strides), x.device.id)


class Generator:
    """Of the methods of `numpy.random.Generator` some that CuPy has too; the numbers are not NumPy's."""

    def __init__(self, seed):
        self._device = machine.current
        self._rng = np.random.default_rng(None if seed is None else [seed, 1])

    def _draw(self, name, size, *arguments, dtype, **options):
        if self._device != machine.current:
            raise RuntimeError("This Generator state is allocated in a different device")
        numbers = getattr(self._rng, name)(*arguments, size=size, **options)
        return on_current_device(np.asarray(numbers, dtype=dtype))

    def random(self, size=None, dtype=np.float64, out=None):
        return self._draw("random", size, dtype=dtype)

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        return self._draw("standard_normal", size, dtype=dtype)

    def uniform(self, low=0.0, high=1.0, size=None, dtype=np.float64):
        return self._draw("uniform", size, low, high, dtype=dtype)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        return self._draw("integers", size, low, high, dtype=dtype, endpoint=endpoint)


def default_rng(seed=None):
    return Generator(seed)
