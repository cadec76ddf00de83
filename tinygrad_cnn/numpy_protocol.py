"""NumPy's functions on tensors: `np.exp(tensor)` and `np.concatenate([tensor, array])` record, as tinygrad_cnn's do.

NumPy asks an operand's class for `__array_ufunc__` (NEP 13) and `__array_function__` (NEP 18). Two tables say which
function here stands for which of NumPy's. What is in neither is refused: it would leave the graph unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from tinygrad_cnn.backend import device_of, dtype_of, get_array_module, read_only, shape_of
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.primitives import (
    einsum,
    elementwise,
    indexing,
    joining,
    linear_algebra,
    logic,
    matmul,
    norm,
    padding,
    piecewise,
    products,
    reduction,
    searching,
    shape,
    trigonometric,
)


def _compared(method: str, reflected: str) -> Callable[[Any, Any], Any]:
    """The comparison, or the logic of bools, by the method of whichever operand is the tensor."""

    def compare(x: Any, y: Any) -> Any:
        return getattr(x, method)(y) if isinstance(x, Variable) else getattr(y, reflected)(x)

    return compare


def _by_name(*families: tuple[Any, str]) -> dict[Any, Callable[..., Any]]:
    """NumPy's functions and those that carry their names here."""
    return {getattr(np, name): getattr(module, name) for module, names in families for name in names.split()}


_UFUNCS: dict[Any, Callable[..., Any]] = {
    **_by_name(
        (elementwise, "absolute add cbrt divide exp exp2 expm1 hypot log log10 log1p log2 logaddexp multiply negative"),
        (elementwise, "power reciprocal sign sqrt square subtract tanh"),
        (trigonometric, "arccos arccosh arcsin arcsinh arctan arctan2 arctanh cos cosh sin sinh tan"),
        (piecewise, "ceil floor floor_divide fmod maximum minimum remainder trunc"),
        (logic, "isfinite isinf isnan logical_and logical_not logical_or logical_xor"),
        (matmul, "matmul"),
    ),
    np.fabs: elementwise.abs,
    np.float_power: elementwise.power,
    np.positive: lambda x: x,
    np.rint: piecewise.round,
    np.equal: _compared("__eq__", "__eq__"),
    np.not_equal: _compared("__ne__", "__ne__"),
    np.less: _compared("__lt__", "__gt__"),
    np.less_equal: _compared("__le__", "__ge__"),
    np.greater: _compared("__gt__", "__lt__"),
    np.greater_equal: _compared("__ge__", "__le__"),
    np.bitwise_and: _compared("__and__", "__and__"),
    np.bitwise_or: _compared("__or__", "__or__"),
    np.bitwise_xor: _compared("__xor__", "__xor__"),
    np.invert: lambda x: ~x,
}

_REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: reduction.sum,
    np.maximum: reduction.max,
    np.minimum: reduction.min,
    np.multiply: products.prod,
    np.logical_and: searching.all,
    np.logical_or: searching.any,
}


def _call_ufunc(ufunc: Any, method: str, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
    name = f"np.{ufunc.__name__}"
    is_reduction = method == "reduce" and ufunc in _REDUCTIONS
    if method != "__call__" and not is_reduction:
        raise TypeError(f"{name}.{method}: is not recorded for tensors; {_ADVICE}")
    if ufunc not in _UFUNCS:
        raise TypeError(f"{name}: is not recorded for tensors; {_ADVICE}")
    reduced = {"axis": options.pop("axis", 0), "keepdims": options.pop("keepdims", False)} if is_reduction else {}
    for option, value in options.items():
        if not (value is None or (option == "where" and value is True)):
            hint = _INSTEAD.get(option, "it has no effect on them")
            raise TypeError(f"{name}: takes no {option}= for tensors; {hint}")
    return _REDUCTIONS[ufunc](*operands, **reduced) if is_reduction else _UFUNCS[ufunc](*operands)


_ADVICE = "use a function of tinygrad_cnn, or take the values out with .detach().numpy()"
_INSTEAD = {
    "out": "nothing changes in place, since a graph may need the old values: take the result",
    "where": "choose with tg.where",
    "dtype": "cast with .astype(dtype)",
}


# Functions whose parameters stand otherwise in NumPy. The names are NumPy's.


def _reducing(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return function(a, axis, keepdims)

    return reduce


def _varying(function: Callable[..., Any]) -> Callable[..., Any]:
    def vary(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
        return function(a, axis, ddof, keepdims)

    return vary


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return piecewise.clip(a, min if a_min is None else a_min, max if a_max is None else a_max)


def _einsum(*operands: Any, optimize: Any = None) -> Any:
    return einsum.einsum(*operands)  # which finds the order by itself


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    axes = len(shape_of(x)) if axis is None else len(axis) if isinstance(axis, tuple) else 1
    if ord is not None and axes == 2:
        raise TypeError("np.linalg.norm: a norm of matrices is not recorded; use tg.norm, whose axes are one vector")
    return norm.norm(x, 2 if ord is None else ord, axis, keepdims)


def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    return padding.pad(array, pad_width, padding.NAMES_ELSEWHERE.get(mode, mode), constant_values)


def _broadcast_arrays(*args: Any) -> Any:
    common = np.broadcast_shapes(*map(shape_of, args))
    return tuple(shape.broadcast_to(x, common) for x in args)


def _filled(name: str) -> Callable[..., Any]:
    """A new tensor of the same shape, dtype and device, without a graph."""

    def make(a: Any, dtype: Any = None) -> Any:
        return a._wrap(getattr(get_array_module(a._array), name)(a._array, dtype=dtype)[()], None)

    return make


def _full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    return a._wrap(get_array_module(a._array).full_like(a._array, _value(fill_value), dtype=dtype)[()], None)


def _value(x: Any) -> Any:
    """The array of a tensor, also inside a sequence."""
    if isinstance(x, list | tuple):
        return type(x)(map(_value, x))
    return x._array if isinstance(x, Variable) else x


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the arrays; its result, a number, a shape or a text, is NumPy's own."""

    def of_values(*arguments: Any, **options: Any) -> Any:
        return function(*map(_value, arguments), **{name: _value(value) for name, value in options.items()})

    return of_values


def _without_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the arrays as a tensor: of indices or bools, which have no gradient."""
    of_values = _of_values(function)

    def indices_or_bools(a: Any, *arguments: Any, **options: Any) -> Any:
        tensor = next(x for x in (a, *arguments, *options.values()) if isinstance(x, Variable))
        return tensor._wrap(of_values(a, *arguments, **options), None)

    return indices_or_bools


_OF_VALUES = (
    np.allclose, np.array2string, np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.count_nonzero,
    np.iscomplexobj, np.isrealobj, np.may_share_memory, np.ndim, np.result_type, np.shape, np.shares_memory, np.size,
)  # fmt: skip

_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **_by_name(
        (shape, "broadcast_to concatenate expand_dims flip moveaxis ravel reshape squeeze stack swapaxes transpose"),
        (joining, "array_split hstack repeat roll split tile vstack"),
        (indexing, "diagonal take take_along_axis tril triu"),
        (linear_algebra, "dot inner outer tensordot trace vdot"),
        (products, "cumprod cumsum"),
        (elementwise, "where"),
        (piecewise, "round"),
    ),
    **{
        getattr(np, name): _reducing(getattr(module, name))
        for module, name in (
            (reduction, "max"), (reduction, "mean"), (reduction, "min"), (reduction, "sum"), (products, "prod"),
            (searching, "all"), (searching, "any"), (searching, "argmax"), (searching, "argmin"),
        )
    },
    np.amax: _reducing(reduction.max),
    np.amin: _reducing(reduction.min),
    np.around: piecewise.round,
    np.std: _varying(reduction.std),
    np.var: _varying(reduction.var),
    **{getattr(np, name): _filled(name) for name in ("empty_like", "ones_like", "zeros_like")},
    **{function: _of_values(function) for function in _OF_VALUES},
    np.argsort: _without_gradient(np.argsort),
    np.isclose: _without_gradient(np.isclose),
    np.broadcast_arrays: _broadcast_arrays,
    np.clip: _clip,
    np.einsum: _einsum,
    np.full_like: _full_like,
    np.linalg.norm: _norm,
    np.pad: _pad,
}


@cache
def _parameters(implementation: Callable[..., Any]) -> Any:
    return signature(implementation)


def _call_function(function: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    name = f"{function.__module__.replace('numpy', 'np')}.{function.__name__}"
    implementation = _FUNCTIONS.get(function)
    if implementation is None:
        raise TypeError(f"{name}: is not recorded for tensors; {_ADVICE}")
    expected = _parameters(implementation)
    options = {key: value for key, value in options.items() if value is not None or key in expected.parameters}
    try:
        expected.bind(*arguments, **options)
    except TypeError as error:
        taken = ", ".join(expected.parameters)
        hints = [f"; {_INSTEAD[key]}" for key in options if key in _INSTEAD]
        raise TypeError(f"{name}: for tensors it takes ({taken}), but {error}{''.join(hints)}") from None
    return implementation(*arguments, **options)


class _OfTheClass:
    """A method that the class has, and of which its instances say None.

    NumPy looks at the class. CuPy's operators look at the instance, where None means that `array + tensor` is left to
    the tensor; else they would read a tensor through its `__cuda_array_interface__`, and a CuPy array would come out.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method

    def __get__(self, instance: Any, owner: Any) -> Callable[..., Any] | None:
        return self._method if instance is None else None


class NumpyProtocol(Variable):
    """What NumPy asks of an operand's class.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> np.square(x)
    Tensor([1., 4.], shape=(2,), dtype=float32, op=square)
    >>> np.sort(x)
    Traceback (most recent call last):
    TypeError: np.sort: is not recorded for tensors; use a function of tinygrad_cnn, or take the values out ...
    """

    __slots__ = ()
    __array_priority__ = 1000

    @_OfTheClass
    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        return _call_ufunc(ufunc, method, operands, options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        return _call_function(function, arguments, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.node is not None and self.node.requires_grad:
            raise TypeError(
                "np.asarray of a tensor that requires a gradient would leave the graph unnoticed: "
                "use .detach() or .numpy() to take the values out, or a tinygrad_cnn function to stay inside"
            )
        device, own = device_of(self._array), dtype_of(self._array)
        if device != "cpu":
            raise TypeError(f"np.asarray of a tensor on {device} would copy it unnoticed: use .numpy() or .to('cpu')")
        if copy is False and dtype is not None and np.dtype(dtype) != own:
            raise ValueError(f"np.asarray: {own} can't become {np.dtype(dtype)} without a copy")
        array = read_only(np.asarray(self._array))
        return np.array(array, dtype=dtype) if copy or dtype is not None else array

    # The methods that NumPy's functions call on each element of an array of objects, here of scalar tensors.

    exp, exp2, expm1 = elementwise.exp, elementwise.exp2, elementwise.expm1
    log, log2, log10, log1p = elementwise.log, elementwise.log2, elementwise.log10, elementwise.log1p
    sqrt, cbrt, hypot, logaddexp = elementwise.sqrt, elementwise.cbrt, elementwise.hypot, elementwise.logaddexp
    square, reciprocal, sign = elementwise.square, elementwise.reciprocal, elementwise.sign
    sin, cos, tan = trigonometric.sin, trigonometric.cos, trigonometric.tan
    arcsin, arccos, arctan = trigonometric.arcsin, trigonometric.arccos, trigonometric.arctan
    sinh, cosh, tanh = trigonometric.sinh, trigonometric.cosh, elementwise.tanh
    arcsinh, arccosh, arctanh = trigonometric.arcsinh, trigonometric.arccosh, trigonometric.arctanh
    arctan2, fmod, clip = trigonometric.arctan2, piecewise.fmod, piecewise.clip
    floor, ceil, trunc = piecewise.floor, piecewise.ceil, piecewise.trunc
    round = rint = piecewise.round
