"""The device arrays of the stand-in: NumPy memory behind the walls that CuPy puts around a GPU's.

Each rule below was read in the source of CuPy 13.6 and 14.2 (`_core/core.pyx`, `_core/_kernel.pyx`,
`_core/_routines_indexing.pyx`). Where the two differ, or a machine may allow more, the stricter holds.
"""

import functools
import operator
from numbers import Number

import numpy as np


class Machine:
    """The GPUs of one installed stand-in, and what was copied from them to the host."""

    def __init__(self):
        self.restart(devices=0)

    def restart(self, devices):
        self.devices = devices
        self.current = 0
        self.module = None
        self.reads = []
        """The number of elements of each copy to the host, `bool()` and `float()` of an array among them."""


machine = Machine()


def memory_of(x):
    """What a kernel sees of an operand: an array on the current device, or a number."""
    if isinstance(x, ndarray):
        if x.device.id != machine.current:
            # What CuPy says without peer access. With it, CuPy warns and puts the result on the current device.
            raise ValueError(
                f"The device where the array resides ({x.device.id}) is different from the current device "
                f"({machine.current}). Peer access is unavailable between these devices."
            )
        return x._memory
    if isinstance(x, bool | int | float | complex | np.number | np.bool_):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def on_current_device(result):
    """The result of a kernel: always an array, also where NumPy gives a scalar."""
    if isinstance(result, tuple | list):
        return type(result)(map(on_current_device, result))
    return ndarray(np.asarray(result), machine.current)


def supported(array):
    """A host array that may be copied to a device."""
    if array.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {array.dtype}")
    return array


def silently(function, *arguments, **options):
    """A kernel runs without floating-point warnings."""
    with np.errstate(all="ignore"):
        return function(*arguments, **options)


class Flags:
    """No `writeable`: a device array always is."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


def _method(name, *, kernel=True):
    """NumPy's method of the name on device arrays, with the signature of the function it decorates."""

    def decorate(signature):
        @functools.wraps(signature)
        def method(self, *arguments, **options):
            signature(self, *arguments, **options)  # refuses an argument that CuPy does not know
            arguments = [memory_of(x) if isinstance(x, ndarray | np.ndarray) else x for x in arguments]
            return self._view(silently(getattr(self._memory, name), *arguments, **options), kernel)

        return method

    return decorate


def _operator(function):
    def method(self, other):
        if getattr(other, "__array_ufunc__", method) is None:
            return NotImplemented  # left to the other operand
        return on_current_device(silently(function, memory_of(self), memory_of(other)))

    def reflected(self, other):
        return on_current_device(silently(function, memory_of(other), memory_of(self)))

    return method, reflected


def _in_place(function):
    def method(self, other):
        memory = memory_of(self)
        silently(function, memory, memory_of(other))
        return self

    return method


class Capsule:
    """What DLPack hands over."""

    def __init__(self, memory):
        self.memory = memory


class ndarray:
    """An array on a device."""

    __slots__ = ("__weakref__", "_memory", "device")
    __hash__ = None

    def __init__(self, memory, device):
        self._memory = supported(memory)
        self.device = Device(device)

    def _view(self, result, kernel):
        """A view stays where the array is; anything else comes out of a kernel."""
        if not kernel and np.may_share_memory(result, self._memory):
            return ndarray(result, self.device.id)
        memory_of(self)
        return on_current_device(result)

    shape = property(lambda self: self._memory.shape)
    dtype = property(lambda self: self._memory.dtype)
    ndim = property(lambda self: self._memory.ndim)
    size = property(lambda self: self._memory.size)
    itemsize = property(lambda self: self._memory.itemsize)
    nbytes = property(lambda self: self._memory.nbytes)
    strides = property(lambda self: self._memory.strides)
    flags = property(lambda self: Flags(self._memory.flags))
    T = property(lambda self: ndarray(self._memory.T, self.device.id))

    # To the host: explicitly, or one number at a time

    def get(self, stream=None, order="C", out=None, blocking=True):
        machine.reads.append(self.size)
        return np.array(self._memory, order=order)

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, specification):
        return format(self.get(), specification)

    def __array__(self, dtype=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # To other libraries: the array's own memory

    def __dlpack__(self, *, stream=None):
        if not (stream is None or stream >= -1):
            raise ValueError("On CUDA, the valid stream for the DLPack protocol is -1, 1, 2, or any larger value")
        return Capsule(self._memory)

    def __dlpack_device__(self):
        return 2, self.device.id

    @property
    def __cuda_array_interface__(self):
        host = self._memory.__array_interface__
        return {"shape": self.shape, "typestr": host["typestr"], "data": (host["data"][0], False), "version": 3}

    # NumPy's functions, given a device array, become the module's

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        function = getattr(machine.module, ufunc.__name__, None)
        if function is None or method not in ("__call__", "at"):
            return NotImplemented
        if "out" in options:
            (options["out"],) = options["out"]
        return (function if method == "__call__" else function.at)(*inputs, **options)

    def __array_function__(self, function, types, arguments, options):
        try:
            module = functools.reduce(getattr, function.__module__.split(".")[1:], machine.module)
            return getattr(module, function.__name__)(*arguments, **options)
        except AttributeError:
            return NotImplemented

    # Elements

    def __len__(self):
        return len(self._memory)

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    @staticmethod
    def _index(index):
        """An index with device arrays in it; lists and NumPy arrays are copied to the device, as CuPy does."""
        if isinstance(index, tuple):
            return tuple(map(ndarray._index, index))
        return memory_of(index) if isinstance(index, ndarray) else index

    def __getitem__(self, index):
        return self._view(self._memory[self._index(index)], kernel=False)

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        memory_of(self)[self._index(index)] = memory_of(value)

    def fill(self, value):
        self[...] = value

    # Methods

    @_method("sum")
    def sum(self, axis=None, dtype=None, out=None, keepdims=False): ...

    @_method("prod")
    def prod(self, axis=None, dtype=None, out=None, keepdims=None): ...

    @_method("mean")
    def mean(self, axis=None, dtype=None, out=None, keepdims=False): ...

    @_method("max")
    def max(self, axis=None, out=None, keepdims=False): ...

    @_method("min")
    def min(self, axis=None, out=None, keepdims=False): ...

    @_method("any")
    def any(self, axis=None, out=None, keepdims=False): ...

    @_method("all")
    def all(self, axis=None, out=None, keepdims=False): ...

    @_method("argmax")
    def argmax(self, axis=None, out=None, dtype=None, keepdims=False): ...

    @_method("argmin")
    def argmin(self, axis=None, out=None, dtype=None, keepdims=False): ...

    @_method("cumsum")
    def cumsum(self, axis=None, dtype=None, out=None): ...

    @_method("cumprod")
    def cumprod(self, axis=None, dtype=None, out=None): ...

    @_method("clip")
    def clip(self, min=None, max=None, out=None): ...

    @_method("round")
    def round(self, decimals=0, out=None): ...

    @_method("dot")
    def dot(self, b, out=None): ...

    @_method("take")
    def take(self, indices, axis=None, out=None): ...

    @_method("copy")
    def copy(self, order="C"): ...

    @_method("flatten")
    def flatten(self, order="C"): ...

    @_method("ravel", kernel=False)
    def ravel(self, order="C"): ...

    @_method("reshape", kernel=False)
    def reshape(self, *shape, order="C"): ...

    @_method("transpose", kernel=False)
    def transpose(self, *axes): ...

    @_method("swapaxes", kernel=False)
    def swapaxes(self, axis1, axis2): ...

    @_method("squeeze", kernel=False)
    def squeeze(self, axis=None): ...

    @_method("view", kernel=False)
    def view(self, dtype=None): ...

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return on_current_device(silently(supported(memory_of(self)).astype, dtype, order=order))

    # Operators

    __add__, __radd__ = _operator(operator.add)
    __sub__, __rsub__ = _operator(operator.sub)
    __mul__, __rmul__ = _operator(operator.mul)
    __truediv__, __rtruediv__ = _operator(operator.truediv)
    __floordiv__, __rfloordiv__ = _operator(operator.floordiv)
    __mod__, __rmod__ = _operator(operator.mod)
    __pow__, __rpow__ = _operator(operator.pow)
    __and__, __rand__ = _operator(operator.and_)
    __or__, __ror__ = _operator(operator.or_)
    __eq__ = _operator(operator.eq)[0]
    __ne__ = _operator(operator.ne)[0]
    __lt__ = _operator(operator.lt)[0]
    __le__ = _operator(operator.le)[0]
    __gt__ = _operator(operator.gt)[0]
    __ge__ = _operator(operator.ge)[0]

    __iadd__ = _in_place(operator.iadd)
    __isub__ = _in_place(operator.isub)
    __imul__ = _in_place(operator.imul)
    __itruediv__ = _in_place(operator.itruediv)
    __ipow__ = _in_place(operator.ipow)
    __iand__ = _in_place(operator.iand)
    __ior__ = _in_place(operator.ior)

    def __matmul__(self, other):
        if isinstance(other, Number):
            raise ValueError("matmul: a scalar operand")
        return _matmul(self, other)

    def __rmatmul__(self, other):
        return _reflected_matmul(self, other)

    def __pos__(self):
        return on_current_device(+memory_of(self))

    def __neg__(self):
        return on_current_device(-memory_of(self))

    def __abs__(self):
        return on_current_device(abs(memory_of(self)))

    def __invert__(self):
        return on_current_device(~memory_of(self))


_matmul, _reflected_matmul = _operator(operator.matmul)


class Device:
    """A GPU; as a context, the current one."""

    def __init__(self, device=None):
        self.id = machine.current if device is None else int(device)

    def use(self):
        if self.id >= machine.devices:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        machine.current = self.id

    def __enter__(self):
        self._before = machine.current
        self.use()
        return self

    def __exit__(self, *exception):
        machine.current = self._before

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"


class CUDARuntimeError(RuntimeError):
    """What CuPy raises for an error of the CUDA runtime."""
