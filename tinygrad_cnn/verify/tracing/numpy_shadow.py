"""NumPy, SciPy and `math` as a traced function sees them: the same names, which keep `Number`s."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_cnn.verify.tracing.arrays import (
    MAKERS,
    TracedArray,
    apply_function,
    apply_ufunc,
    is_floating,
    name_of,
    numbers,
    traced,
)
from tinygrad_cnn.verify.tracing.errors import CutOff
from tinygrad_cnn.verify.tracing.float_types import FLOAT_TYPES, is_float_type, real_type
from tinygrad_cnn.verify.tracing.number import Number
from tinygrad_cnn.verify.tracing.scipy_functions import SCIPY_FUNCTIONS

_OBJECT = np.dtype(object)


class Shadow(ModuleType):
    """A module whose names are looked up in the real one when they are asked for, and replaced."""

    def __init__(self, real: ModuleType, replace: Callable[[Any], Any]) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update(_real=real, _replace=replace, __file__=getattr(real, "__file__", None))

    def __getattr__(self, name: str) -> Any:
        value = self._replace(getattr(self._real, name))
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        return dir(self._real)


def _argument(x: Any) -> Any:
    """An argument as NumPy is given it: numbers that it knows as an array, floating-point dtypes as `object`."""
    kind = type(x)
    if kind is Number:
        return numbers(x)
    if is_float_type(x):
        return _OBJECT
    if kind is np.ndarray and x.dtype is _OBJECT:
        return x.view(TracedArray)
    if (kind is list or kind is tuple) and _has_numbers(x):
        try:
            return numbers(x)
        except (TypeError, ValueError):  # arrays to be joined, say
            return kind(map(_argument, x))
    return x


def _has_numbers(x: Any) -> bool:
    """Whether numbers, or arrays without axes, stand in a nested list."""
    kind = type(x)
    if kind is list or kind is tuple:
        return any(map(_has_numbers, x))
    return kind is Number or (kind is TracedArray and not x.ndim)


def lifted(function: Any) -> Any:
    """A function of NumPy or SciPy on traced numbers."""
    name = name_of(function)
    if name in SCIPY_FUNCTIONS:
        return SCIPY_FUNCTIONS[name]

    def call(args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return function(*args, **kwargs)

    @wraps(function, updated=())
    def function_of_numbers(*args: Any, **kwargs: Any) -> Any:
        given = [_argument(x) for x in args]
        if name in MAKERS:
            given = [_OBJECT if isinstance(x, str) and is_floating(x) else x for x in given]
        return apply_function(name, call, given, {key: _argument(x) for key, x in kwargs.items()})

    return function_of_numbers


class LiftedUfunc:
    """A ufunc on traced numbers, with its methods and attributes."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc
        self.__name__, self.__doc__ = ufunc.__name__, ufunc.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The ufunc of arrays, lists and numbers."""
        return apply_ufunc(self._ufunc, "__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._ufunc, name)
        if name not in ("reduce", "accumulate", "reduceat", "outer", "at"):
            return value
        return lambda *args, **kwargs: apply_ufunc(self._ufunc, name, args, kwargs)

    def __repr__(self) -> str:
        return repr(self._ufunc)


# NumPy's names that need more


def _constructor(value: Any) -> Callable[..., Any]:
    """`np.zeros` and the like."""

    def make(shape: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
        if dtype is None or np.dtype(dtype).kind in "fO":
            return _filled(np.empty(shape, dtype=bool, order=order), value)
        return np.full(shape, 0 if value != value else value, dtype=dtype, order=order).view(TracedArray)

    return make


def _empty_like(prototype: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Any:
    """An array of NaN in place of whatever lies in memory, so that an element that nobody sets is seen."""
    array = np.empty_like(np.asarray(prototype), dtype=dtype, order=order, shape=shape)
    return _filled(array, np.nan) if array.dtype.kind in "fO" else array.view(TracedArray)


def _filled(array: Any, value: Any) -> Any:
    """A traced array of the array's shape and order, with the number at every element."""
    result = np.empty_like(array, dtype=object, subok=False)
    result.fill(Number(value))
    return result.view(TracedArray)


def _arange(*limits: Any, dtype: Any = None, **named: Any) -> Any:
    """Whole limits are NumPy's; others are stepped through exactly, where a sum of floats may miss the end."""
    if all(isinstance(x, int | np.integer) for x in (*limits, *named.values())):
        return traced(np.arange(*limits, dtype=dtype, **named))
    names = ("stop",) if len(limits) == 1 and "stop" not in named else ("start", "stop", "step")
    given = {**dict(zip(names, limits, strict=False)), **named}
    start, stop, step = Number(given.get("start", 0)), Number(given["stop"]), Number(given.get("step", 1))
    count = max(0, math.ceil((stop - start) / step))
    return numbers([start + i * step for i in range(count)]).astype(dtype or float)


def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    largest = np.finfo(np.float64).max
    result = numbers(x) if copy or not isinstance(x, TracedArray) else x
    result[np.isnan(result)] = nan
    result[result == np.inf] = largest if posinf is None else posinf
    result[result == -np.inf] = -largest if neginf is None else neginf
    return result if result.ndim else result.item()


def _issubdtype(kind: Any, other: Any) -> bool:
    is_object = np.dtype(real_type(kind)).kind == "O" if not isinstance(kind, type) else kind is np.object_
    return bool(np.issubdtype(np.float64 if is_object else real_type(kind), real_type(other)))


def _finfo(dtype: Any) -> Any:
    if isinstance(dtype, Number | np.ndarray):
        dtype = getattr(dtype, "dtype", _OBJECT)
    dtype = np.dtype(dtype)
    return np.finfo(np.float64 if dtype.kind == "O" else dtype)


def _nditer(op: Any, flags: Sequence[Any] = (), *args: Any, **kwargs: Any) -> Any:
    return np.nditer(op, [*(flags or ()), "refs_ok"], *args, **kwargs)


class _Vectorize(np.vectorize):
    """`np.vectorize`; like NumPy's it makes integers of all values if the first is one, but it says so."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function of each element."""
        if self.signature or self.excluded or kwargs:
            return traced(super().__call__(*args, **kwargs))
        arrays = np.broadcast_arrays(*(np.asarray(x, dtype=object) for x in args))
        outputs = [self.pyfunc(*elements) for elements in zip(*(array.flat for array in arrays), strict=True)]
        if not outputs:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        is_tuple = isinstance(outputs[0], tuple)
        columns = list(zip(*outputs, strict=True)) if is_tuple else [outputs]
        kinds = self.otypes or [None] * len(columns)
        results = [_column(*pair).reshape(arrays[0].shape) for pair in zip(columns, kinds, strict=True)]
        return tuple(results) if is_tuple else results[0]


def _column(outputs: Sequence[Any], kind: str | None) -> Any:
    first = outputs[0]
    dtype = np.dtype(kind) if kind else np.dtype(object) if type(first) is Number else np.asarray(first).dtype
    try:
        return numbers(list(outputs)).astype(dtype)
    except CutOff as error:
        why = f"the first value, {first!r}, is no float, and so NumPy makes {dtype} of all: give otypes=[float]"
        raise CutOff(f"np.vectorize: {why}") from error


_NUMPY: dict[Any, Any] = {
    np.zeros: _constructor(0),
    np.ones: _constructor(1),
    np.empty: _constructor(np.nan),
    np.empty_like: _empty_like,
    np.arange: _arange,
    np.issubdtype: _issubdtype,
    np.finfo: _finfo,
    np.nan_to_num: _nan_to_num,
    np.nditer: _nditer,
    np.isscalar: lambda x: type(x) is Number or np.isscalar(x),
    np.vectorize: _Vectorize,
}


# math


def _exact_or_plain(name: str) -> Callable[..., Any]:
    """A function of `math` that NumPy has too."""
    real, numpy_name = getattr(math, name), _NUMPY_NAMES.get(name, name)

    def function(*args: Any) -> Any:
        if any(type(x) is not int for x in args):
            args = tuple(x.item() if isinstance(x, np.ndarray) and x.size == 1 else x for x in args)
        if not any(type(x) is Number for x in args):
            z = real(*args)
            if float(z).is_integer():  # math.sqrt(9), for a size
                return z
        return getattr(Number(args[0]), numpy_name)(*args[1:])

    function.__name__ = name
    return function


_NUMPY_NAMES = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atan2": "arctan2", "atanh": "arctanh",
}  # fmt: skip
_MATH_FUNCTIONS = (
    "exp exp2 expm1 log2 log10 log1p sqrt cbrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh "
    "hypot fmod copysign isnan isinf isfinite"
)


def _log(x: Any, base: Any = None) -> Any:
    if base is None:
        return _exact_or_plain("log")(x)
    return Number(_log(x)) / _log(base)


def _pow(x: Any, y: Any) -> Any:
    return Number(x) ** y


def _isclose(a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0) -> bool:
    return bool(a == b or abs(a - b) <= max(rel_tol * max(abs(a), abs(b)), abs_tol))


_MATH: dict[Any, Any] = {getattr(math, name): _exact_or_plain(name) for name in _MATH_FUNCTIONS.split()} | {
    math.log: _log,
    math.pow: _pow,
    math.fabs: abs,
    math.fsum: sum,
    math.isclose: _isclose,
}


def replacement(value: Any) -> Any:
    """What stands for a function, a type or a module of NumPy, SciPy or `math`; the value itself for any other."""
    if isinstance(value, ModuleType):
        is_ours = value is math or value.__name__.partition(".")[0] in ("numpy", "scipy")
        return _shadows.setdefault(value.__name__, Shadow(value, replacement)) if is_ours else value
    try:
        if value in FLOAT_TYPES:
            return FLOAT_TYPES[value]
        own = _NUMPY.get(value) or _MATH.get(value)
    except TypeError:  # unhashable
        return value
    if own is not None:
        return own
    if isinstance(value, np.ufunc):
        return LiftedUfunc(value)
    if not callable(value) or isinstance(value, type):
        return value
    module = getattr(value, "__module__", None) or type(value).__module__
    return lifted(value) if module.partition(".")[0] in ("numpy", "scipy") else value


_shadows: dict[str, Shadow] = {}
