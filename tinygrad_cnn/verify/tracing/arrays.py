"""TracedArray: the arrays that a student's code sees, which keep their numbers whatever NumPy does with them.

It is an object array of `Number`s, or one of integers or bools, of which exact numbers are made as soon as floats would
come out. NumPy hands every ufunc and every function that it knows of such an array to `__array_ufunc__` and
`__array_function__`; there the few are replaced that don't work on objects, and what comes out is looked through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Variable
from tinygrad_cnn.verify.tracing.errors import CutOff, NotTraceable, TracingError
from tinygrad_cnn.verify.tracing.number import Number

FLOATS_ALONE = "it is written for floats alone"

_OBJECT = np.dtype(object)
_get, _set = np.ndarray.__getitem__, np.ndarray.__setitem__


class TracedArray(np.ndarray[Any, Any]):
    """An array whose floating-point numbers are `Number`s: `astype(float)`, `mean()` and the like keep them.

    A precision is not simulated: `astype(np.float32)` rounds nothing.

    >>> x = numbers([[1, 2], [4, 4]])
    >>> x.mean(axis=0), (x > 1).astype(float) / 3
    (TracedArray([Number(5/2), Number(3)], dtype=object),
     TracedArray([[Number(0), Number(1/3)],
                  [Number(1/3), Number(1/3)]], dtype=object))
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        def call(args: Any, kwargs: Any) -> Any:
            return super(TracedArray, self).__array_function__(func, types, args, kwargs)

        return apply_function(name_of(func), call, args, kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.dtype is _OBJECT and type(value) is not Number:
            value = as_numbers(value)
            if isinstance(value, np.ndarray) and not isinstance(_get(self, key), np.ndarray):
                # An object array would take the array as one of its elements.
                if value.size != 1:
                    raise ValueError("setting an array element with a sequence.")
                value = value.item()
        _set(self, key, value)

    def fill(self, value: Any) -> None:
        """Set every element."""
        self[...] = value

    def astype(  # type: ignore[override]
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """Floating-point dtypes are made of `Number`s."""
        if is_floating(dtype):
            return numbers(self) if copy or self.dtype is not _OBJECT else self
        return super().astype(dtype, order, casting, subok, copy)

    def __float__(self) -> Any:
        return float(self.item())


# To numbers


def _as_number(x: Any) -> Number:
    return x if type(x) is Number else Number(x)


_as_numbers = np.frompyfunc(_as_number, 1, 1)


def numbers(array: Any) -> TracedArray:
    """A new array of `Number`s.

    Args:
        array: an array or a nested list, of any shape, of `Fraction`s, integers, floats (see `fraction_of`), scalar
            tensors, sympy expressions or `Number`s.

    Raises:
        TypeError: an element that is no real number.
        ValueError: a ragged list.

    >>> numbers([0.5, 2])
    TracedArray([Number(1/2), Number(2)], dtype=object)
    """
    given = array if isinstance(array, np.ndarray) else nested(array)
    result = np.empty(given.shape, dtype=object)
    result[...] = _as_numbers(given.view(np.ndarray))
    return result.view(TracedArray)


def nested(given: Any) -> Any:
    """A number or a nested list as an object array, without asking its elements to become floats."""
    if isinstance(given, np.ndarray):
        return given.astype(object)
    if isinstance(given, Variable) and given.shape:  # type: ignore[attr-defined]
        return given.numpy().astype(object)  # type: ignore[attr-defined]
    if not isinstance(given, list | tuple):
        return _single(given)
    rows = [nested(x) for x in given]
    shapes = list(dict.fromkeys(row.shape for row in rows))
    if len(shapes) > 1:
        raise ValueError(f"expected a regular nested list but its elements have the shapes {shapes}")
    result = np.empty((len(rows), *(shapes[0] if shapes else ())), dtype=object)
    for i, row in enumerate(rows):
        result[i] = row if row.shape else row[()]
    return result


def _single(value: Any) -> Any:
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def as_numbers(value: Any) -> Any:
    """Plain numbers, arrays and lists of them as `Number`s; anything else as it is."""
    if isinstance(value, np.ndarray):
        return value if type(value) is TracedArray and value.dtype is _OBJECT else numbers(value)
    if isinstance(value, list | tuple):
        return numbers(value)
    try:
        return Number(value)
    except TypeError:
        return value


def is_floating(dtype: Any) -> bool:
    """Whether a dtype, in whatever form NumPy takes it, is of floating-point numbers, or of the objects they became."""
    if dtype is None:
        return False
    return np.dtype(dtype).kind in "fO"


# From numbers


def settled(array: Any) -> Any:
    """An object array as a traced one: plain numbers that NumPy put in (the zeros of a padding) become `Number`s."""
    bare = array.view(np.ndarray)
    if not all(type(x) is Number for x in bare.flat):
        if not bare.flags.writeable:
            bare = bare.copy()
        bare[...] = _settle(bare)
    return bare.view(TracedArray)


_settle = np.frompyfunc(lambda x: x if isinstance(x, Number | np.ndarray | list | tuple) else as_numbers(x), 1, 1)


def traced(result: Any, name: str = "NumPy") -> Any:
    """What a function of NumPy gave, in the form that a student's code goes on with."""
    if isinstance(result, np.ndarray):
        kind = result.dtype.kind
        if kind == "O":
            return settled(result)
        if kind == "f":
            return numbers(result)
        if kind == "c":
            raise NotTraceable(name, "it gives complex numbers")
        return result.view(TracedArray) if type(result) is np.ndarray else result
    if isinstance(result, float | np.floating):
        return Number(result)
    if isinstance(result, complex | np.complexfloating):
        raise NotTraceable(name, "it gives complex numbers")
    if isinstance(result, tuple) and hasattr(result, "_make"):
        return result._make(traced(x, name) for x in result)
    if type(result) is tuple or type(result) is list:
        return type(result)(traced(x, name) for x in result)
    return result


# NumPy's functions on numbers


def name_of(function: Any) -> str:
    """The name of a library's function, as it is written: np.fft.fft2.

    >>> name_of(np.linalg.inv)
    'np.linalg.inv'
    """
    name = getattr(function, "__name__", repr(function))
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"scipy.special.{name}"
    module = getattr(function, "__module__", None) or ""
    parts = [part for part in module.split(".") if not part.startswith("_")]
    return ".".join(["np" if part == "numpy" else part for part in parts] + [name])


def _method(name: str) -> Any:
    """A function of Python objects that calls the `Number`'s method."""

    def call(x: Any, *others: Any) -> Any:
        return getattr(_as_number(x), name)(*others)

    return call


_UNARY = ("isnan", "isinf", "isfinite", "signbit", "sign", "fabs")
_BINARY = ("heaviside", "copysign", "logaddexp", "float_power", "hypot")
_BOOLEAN = {np.isnan, np.isinf, np.isfinite, np.signbit}
_UFUNCS: dict[Any, Any] = {
    getattr(np, name): np.frompyfunc(_method(name), count, 1)
    for count, names in ((1, _UNARY), (2, _BINARY))
    for name in names
} | {np.divmod: np.frompyfunc(divmod, 2, 2), np.modf: np.frompyfunc(_method("modf"), 1, 2)}
"""What NumPy doesn't have for objects, or doesn't leave to them."""


_OPERANDS = {"reduce": (0,), "accumulate": (0,), "reduceat": (0,), "at": (0, 2)}
"""Which arguments of a ufunc's method are operands; of the others all are."""


def _lifted(x: Any) -> Any:
    """Integers, bools and floats as exact numbers."""
    if isinstance(x, np.ndarray):
        return numbers(x).view(np.ndarray) if x.dtype is not _OBJECT else x
    return x if x is None or isinstance(x, str) else as_numbers(x)


def _untraced(x: Any) -> Any:
    """A view that NumPy doesn't hand back to `__array_ufunc__`."""
    return x.view(np.ndarray) if type(x) is TracedArray else x


def _operand(x: Any) -> Any:
    return np.asarray(x) if type(x) is list or type(x) is tuple else _untraced(x)


def _is_object(x: Any) -> bool:
    return type(x) is Number or getattr(x, "dtype", None) is _OBJECT


def apply_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """A ufunc, or a method of it, on any mixture of traced arrays, plain ones and numbers."""
    out = kwargs.get("out")
    if out is not None:
        out = out if isinstance(out, tuple) else (out,)
        kwargs["out"] = tuple(map(_untraced, out))
    if kwargs.get("dtype") is not None and is_floating(kwargs["dtype"]):
        kwargs["dtype"] = _OBJECT
    positions = _OPERANDS.get(method) or range(len(inputs))  # the others are indices and axes
    inputs = [_operand(x) if i in positions else _untraced(x) for i, x in enumerate(inputs)]
    has_objects = any(map(_is_object, inputs))
    if method == "at" and has_objects and not _is_object(inputs[0]):
        raise _out_cuts_off(f"{name_of(ufunc)}.at", inputs[:1])
    if "where" in kwargs:
        kwargs["where"] = _operand(kwargs["where"])
        if method == "reduce" and has_objects and ufunc.identity is not None:  # which objects don't have
            kwargs.setdefault("initial", Number(ufunc.identity))
    function = _UFUNCS.get(ufunc, ufunc) if has_objects else ufunc
    try:
        result = getattr(function, method)(*inputs, **kwargs)
    except TypeError as error:
        if " output from dtype" in str(error) and has_objects:
            raise _out_cuts_off(name_of(ufunc), kwargs["out"]) from error
        if "ufunc" in str(error) and not isinstance(error, CutOff) and has_objects:
            raise NotTraceable(name_of(ufunc), FLOATS_ALONE) from error
        raise
    if out is not None:
        for x in out:
            if isinstance(x, TracedArray) and x.dtype is _OBJECT:
                settled(x)
        return out[0] if len(out) == 1 else out
    if not has_objects and _has_floats(result) and ufunc.signature is None:
        try:
            lifted = [_lifted(x) if i in positions else x for i, x in enumerate(inputs)]
            return apply_ufunc(ufunc, method, lifted, kwargs)
        except NotTraceable:  # constants in any case
            pass
    if ufunc in _BOOLEAN and has_objects:
        result = np.asarray(result, dtype=bool)[()]
    return _of_ufunc(result, name_of(ufunc), has_objects)


def _of_ufunc(result: Any, name: str, has_objects: bool) -> Any:
    if isinstance(result, tuple):
        return tuple(_of_ufunc(x, name, has_objects) for x in result)
    if has_objects and isinstance(result, int | Fraction) and not isinstance(result, bool):
        return Number(result)  # an empty sum, the maximum of a number and 0
    return traced(result, name)


def _has_floats(result: Any) -> bool:
    if isinstance(result, tuple | list):
        return any(map(_has_floats, result))
    return isinstance(result, float | np.floating) or getattr(getattr(result, "dtype", None), "kind", "") == "f"


def _out_cuts_off(name: str, out: Any) -> CutOff:
    kinds = ", ".join(sorted({str(x.dtype) for x in out}))
    return CutOff(f"{name}: an array of {kinds} can't take up traced values; make it by np.zeros(shape)")


def apply_function(name: str, call: Callable[[Any, Any], Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """A function of NumPy that is none of its ufuncs; `call` applies it to the arguments."""
    if kwargs.get("dtype") is not None and is_floating(kwargs["dtype"]):
        kwargs = {**kwargs, "dtype": _OBJECT}
    arguments = [*args, *kwargs.values()]
    calls_back = any(callable(x) and not isinstance(x, type) for x in arguments)
    try:
        result = call(args, kwargs)
        if any(map(_is_whole, arguments)) and _has_floats(result) and not calls_back:  # the mean of integers, say
            result = _exactly(call, args, kwargs, result)
    except CutOff as error:
        if calls_back or name in MAKERS:
            raise
        raise NotTraceable(name, FLOATS_ALONE) from error
    except NotTraceable as error:  # of a function that this one calls
        raise error if calls_back else NotTraceable(name, error.reason) from error
    except TracingError:
        raise
    except Exception as error:
        if calls_back or _is_misuse(name, error) or not _has_traced(arguments):
            raise
        raise NotTraceable(name, f"{FLOATS_ALONE} ({error})") from error
    if result is None:  # a function that fills one of its arguments
        for x in args:
            if type(x) is TracedArray and x.dtype is _OBJECT:
                settled(x)
    return traced(result, name)


def _is_misuse(name: str, error: Exception) -> bool:
    """Whether the error is a student's own: NumPy refuses objects by two kinds of error, SciPy by any."""
    if not (name.startswith("scipy.") or isinstance(error, TypeError | AttributeError)):
        return True
    return bool(re.search(r"(positional|keyword|required) argument|multiple values for", str(error)))


def _has_traced(arguments: Iterable[Any]) -> bool:
    return any(
        isinstance(x, Number | TracedArray) or (isinstance(x, list | tuple) and _has_traced(x)) for x in arguments
    )


def _is_whole(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "biu"


def _exactly(call: Callable[[Any, Any], Any], args: Any, kwargs: Any, floats: Any) -> Any:
    """What gave floats, once more with exact numbers in place of arrays of integers and bools."""

    def lifted(x: Any) -> Any:
        return numbers(x) if _is_whole(x) else x

    try:
        return call(tuple(map(lifted, args)), {key: lifted(x) for key, x in kwargs.items()})
    except TracingError:
        raise
    except (TypeError, ValueError, IndexError):  # the integers were indices or sizes
        return floats


MAKERS = {f"np.{name}" for name in ("array", "asarray", "asanyarray", "full", "full_like", "copyto", "put", "place")}
"""Functions that are asked for the dtype that cuts a value off."""


# Out of the traced world


def values(result: Any) -> Any:
    """The bare values of what a function gave, as an object array.

    Args:
        result: a `Number`, a plain number, a tensor, an array or a nested list of any of these.

    Returns:
        An object array of `Fraction`s, scalar tensors, sympy expressions, and floats where those are in it.

    Raises:
        TypeError: `None`, or something else that is no array of real numbers.
        ValueError: a ragged list.

    >>> values([[Number(1) / 2, 3], (0.1, True)])
    array([[Fraction(1, 2), Fraction(3, 1)],
           [Fraction(1, 10), Fraction(1, 1)]], dtype=object)
    """
    try:
        array: Any = numbers(list(result) if isinstance(result, Iterator) else result).view(np.ndarray)
    except TypeError as error:
        why = "; is there a `return`?" if result is None else f" ({error})"
        kind = "None" if result is None else type(result).__name__
        raise TypeError(f"expected an array of real numbers but the function returned {kind}{why}") from None
    for index in np.ndindex(array.shape):
        array[index] = array[index].value
    return array
